// The schema of next hops: the keys of each kind, and their defaults. schema.ts includes it. It knows nothing of
// routes, resolves no host and opens no secret.

import { z } from 'zod';
import { detailTextMax, nextHopConcurrencyDefault } from '#core/limits.ts';
import { plainText } from '#core/message/field-text.ts';
import { parseStatus, statusClass } from '#core/reply/status.ts';
import {
  boolean,
  choice,
  choiceMessage,
  message,
  notBuilt,
  object,
  oneOrMore,
  positiveNumber,
  record,
  text,
  told,
  wholeNumber,
} from './fields.ts';
import type { LoginSettings } from './settings.ts';
import { parseHelo, parseHost, parsePem, parseSecretName } from './values.ts';

export const secret = text(parseSecretName, 'name of a secret', secretInstead, {
  pattern: '^[A-Za-z0-9/_+=.@-]{1,512}$',
  values: 'the name of a secret',
});

const tls = choice(
  {
    implicit: 'TLS from the start',
    required: 'STARTTLS, or no delivery',
    opportunistic: 'STARTTLS where it is offered, unverified',
    off: 'no TLS',
  },
  {
    ...{
      starttls: 'required',
      start_tls: 'required',
      'start-tls': 'required',
      mandatory: 'required',
      strict: 'required',
    },
    ...{ tls: 'implicit', ssl: 'implicit', smtps: 'implicit', 'ssl/tls': 'implicit', wrapper: 'implicit' },
    ...{ optional: 'opportunistic', may: 'opportunistic', prefer: 'opportunistic', auto: 'opportunistic' },
    ...{ none: 'off', no: 'off', false: 'off', disabled: 'off', plain: 'off' },
  },
);
const host = text(parseHost, 'host', hostInstead);
const hosts = oneOrMore(host, 'host', "['mail.example.com']").transform((given) =>
  Array.isArray(given) ? given : [given],
);
const port = wholeNumber(1, 65_535);
const ca = text(
  parsePem,
  'PEM certificate and no readable PEM file',
  'the PEM text of the certificate authority, or the path of a PEM file',
  { values: 'PEM text, or the path of a PEM file, seen from the configuration file' },
);

const hostKey = told(hosts, {
  description:
    'A name or an address, or a list in order of preference: the next one where one cannot be reached, or cannot ' +
    'take mail for now ([how](decisions/several-hosts.md)).',
  values: 'a host, or a list of hosts',
});
const caKey = told(ca.optional().transform(orNull), {
  description: 'The certificate authority to trust instead of the public ones.',
  fallback: 'the public authorities',
});

const helo = told(
  text(
    parseHelo,
    'name for EHLO',
    "a domain name such as 'mail.example.com', or an address such as '[192.0.2.1]' or '[IPv6:2001:db8::1]'",
    { values: 'a domain name, or an address in brackets' },
  )
    .optional()
    .transform(orNull),
  {
    description:
      'The name that Everpost gives in EHLO. Servers look it up: it should have an A record with the address that ' +
      'mail comes from, and that address a PTR record with the name.',
    fallback: 'the first of `domains`',
  },
);
const pipelining = told(boolean().prefault(true), {
  description:
    'Commands leave together where the server offers PIPELINING (RFC 2920). Set it to `false` for a server or a ' +
    'firewall that drops what comes together. Such a server is also found out by itself, after 30 seconds of ' +
    'silence in each function instance.',
});

const concurrency = told(wholeNumber(1, 1000).prefault(nextHopConcurrencyDefault), {
  description:
    'Connections at once, of all functions together. Each of them has an equal share, so that the whole of it is used ' +
    'only while all of them run ([how](decisions/next-hop-limits.md)).',
});
const messagesPerSecond = told(positiveNumber(10_000).optional().transform(orNull), {
  description: 'Messages in a second, of all functions together; 0.5 is one in two seconds.',
  fallback: 'no limit',
});

const messagesPerSecondBySes = told(positiveNumber(10_000).optional().transform(orNull), {
  description:
    'Messages in a second, of all functions together. All next hops by SES, and notices by SES, keep the sending rate ' +
    'of the account together beside it ([how](decisions/next-hop-limits.md)).',
  fallback: "the account's sending rate",
});

/** The kinds, each with a word. */
export const kinds = {
  smtp: 'a mail server',
  lmtp: 'a mailbox server, by LMTP',
  ses: 'Amazon SES',
  refuse: 'an NDR at once',
  discard: 'dropped, and nobody is told',
} as const;
export const kindsLater = ['s3', 'webhook'] as const;
const OTHER_NAMES = {
  ...{ smtps: 'smtp', esmtp: 'smtp', submission: 'smtp', relay: 'smtp', exchange: 'smtp', smarthost: 'smtp' },
  ...{ dovecot: 'lmtp', reject: 'refuse', bounce: 'refuse', drop: 'discard', blackhole: 'discard' },
} as const;
const kind = <K extends keyof typeof kinds>(of: K) => told(z.literal(of), { description: kinds[of] });

const LOGIN_EXAMPLE = "{ secret: 'everpost/exchange' }";
const each = (keys: string, instead: string): Readonly<Record<string, string>> =>
  Object.fromEntries(keys.split(' ').map((key) => [key, instead]));
const IN_THE_SECRET = 'it into a secret in Secrets Manager, and the name of that secret here';
const TOKEN_IN_THE_SECRET = "it into a secret in Secrets Manager (docs/logins.md), and xoauth2: 'everpost/m365' here";
const loginElsewhere = {
  ...each('user username login password pass', `${IN_THE_SECRET}: secret: 'everpost/exchange'`),
  ...each('type method clientid clientsecret tokenurl scope tenantid refreshtoken', TOKEN_IN_THE_SECRET),
  ...each('token accesstoken serviceaccount privatekey', TOKEN_IN_THE_SECRET),
};
const CERTIFICATE_EXAMPLE = "clientCertificate: { secret: 'everpost/certificate' }";
const hopElsewhere = {
  ...each('username user password pass secret login', `auth: ${LOGIN_EXAMPLE}`),
  ...each('xoauth2 oauth2 oauth token', "auth: { xoauth2: 'everpost/m365' }"),
  ...each('cert key certificate clientcert clientkey', CERTIFICATE_EXAMPLE),
  ...each('ehloname heloname hostname ehlo', "helo: 'mail.example.com'"),
  ...each('pipeline', 'pipelining: false'),
};
const login = object(
  {
    secret: told(secret.optional(), { description: 'The name of the secret with a user name and a password.' }),
    xoauth2: told(secret.optional(), { description: 'The name of the secret that a token is asked for with.' }),
  },
  LOGIN_EXAMPLE,
  { elsewhere: loginElsewhere },
).transform((given, context): LoginSettings => {
  const { secret, xoauth2 } = given;
  if (secret !== undefined && xoauth2 === undefined) return { secret };
  if (xoauth2 !== undefined && secret === undefined) return { xoauth2 };
  const what = secret === undefined ? 'neither secret nor xoauth2 is there' : 'secret and xoauth2 are both there';
  const write = `one of them: ${LOGIN_EXAMPLE} for a password, { xoauth2: 'everpost/m365' } for a token`;
  context.issues.push({ code: 'custom', message: `${what}; write ${write}`, input: given });
  return z.NEVER;
});
const clientCertificate = object(
  { secret: told(secret, { description: 'The name of the secret.' }) },
  "{ secret: 'everpost/certificate' }",
  { elsewhere: each('certificate cert key pem', `${IN_THE_SECRET}: secret: 'everpost/certificate'`) },
);

const EXAMPLE = "{ kind: 'smtp', host: 'mail.example.com', port: 587, tls: 'required' }";
const smtp = object(
  {
    kind: kind('smtp'),
    host: hostKey,
    port: told(port, {
      description: '465 speaks TLS from the start, 587 STARTTLS. 25 needs `network`.',
    }),
    tls: told(tls, {
      description:
        'How the connection is protected. With `auth` or `clientCertificate`, opportunistic is the same as required.',
    }),
    ca: caKey,
    auth: told(login.optional().transform(orNull), {
      description:
        'The secret in Secrets Manager that holds the login. `secret`: `{"username": "…", "password": "…"}`. ' +
        '`xoauth2`: what a token is asked for with ([its members](logins.md)). A token needs TLS.',
      values: '`{ secret }` or `{ xoauth2 }`',
      fallback: 'no login',
    }),
    clientCertificate: told(clientCertificate.optional().transform(orNull), {
      description:
        'The secret that holds a certificate and its key, `{"certificate": "…", "key": "…"}` in PEM ' +
        '([how](logins.md)). It needs TLS.',
      values: '`{ secret }`',
      fallback: 'none',
    }),
    helo,
    pipelining,
    concurrency,
    messagesPerSecond,
  },
  EXAMPLE,
  { elsewhere: hopElsewhere },
);
const lmtpPort = port.refine((value) => value !== 25, {
  error: 'LMTP is forbidden on port 25 (RFC 2033 §5); write 24, 2003 or another port',
});
const lmtp = object(
  {
    kind: kind('lmtp'),
    host: hostKey,
    port: told(lmtpPort, { description: 'Never 25 (RFC 2033 §5).' }),
    tls: told(tls.prefault('opportunistic'), { description: 'As for smtp.' }),
    ca: caKey,
    helo,
    pipelining,
    concurrency,
    messagesPerSecond,
  },
  "{ kind: 'lmtp', host: 'mail.example.com', port: 24 }",
);
const refuse = object(
  {
    kind: kind('refuse'),
    status: told(
      text(
        permanentStatus,
        'status of a permanent refusal (RFC 3463)',
        "a status of class 5 such as '5.7.1' or '5.1.6'",
        {
          pattern: '^5\\.\\d{1,3}\\.\\d{1,3}$',
          values: 'a status of class 5',
        },
      ).prefault('5.7.1'),
      { description: 'The status that the NDR gives.' },
    ),
    text: told(
      text(
        oneLine,
        `line of text of up to ${detailTextMax} characters`,
        "one line for the sender such as 'this address is no longer in use'",
        { values: `a line of up to ${detailTextMax} characters` },
      ).prefault('mail to this address is refused'),
      { description: 'What the NDR says.' },
    ),
  },
  "{ kind: 'refuse', text: 'this address is no longer in use' }",
);

/** Each kind, as the reference page lists them. */
export const byKind = {
  smtp,
  lmtp,
  ses: told(object({ kind: kind('ses'), messagesPerSecond: messagesPerSecondBySes }, "{ kind: 'ses' }"), {
    description:
      'SES sends one recipient a call, 29 MB at most. An author in a domain of ours is kept where a check proves ' +
      'him ([table](authors.md)). Others become `"Ann (ann@src.example) via example.com" <notices.from>`, with ' +
      'Reply-To, X-Original-From and X-Original-Message-ID. SES replaces Message-ID and Date. Address fields that ' +
      'SES would refuse are mended, lines over 998 octets of the header section are folded, and a line that is no ' +
      'field becomes X-Original-Line. The body is untouched, unless a line of it is longer than 998 octets: then ' +
      'that part is encoded anew, and the SEND event says `reencoded-for-ses` ' +
      '([how](decisions/lines-too-long-for-ses.md)).',
  }),
  refuse,
  discard: object({ kind: kind('discard') }, "{ kind: 'discard' }"),
} as const;

const nextHop = told(
  z.discriminatedUnion(
    'kind',
    [
      smtp.transform(({ host: hosts, ...rest }) => ({ ...rest, hosts })),
      lmtp.transform(({ host: hosts, ...rest }) => ({ ...rest, hosts, ...NO_LOGIN })),
      byKind.ses,
      refuse,
      byKind.discard,
    ],
    { error: ({ code, input }) => (code === 'invalid_union' ? kindMessage(input) : hopMessage(input)) },
  ),
  { example: EXAMPLE },
);
const NO_LOGIN = { auth: null, clientCertificate: null } as const;

export const nextHops = record(nextHop, `{ exchange: ${EXAMPLE} }`, '^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$');

function hopMessage(input: unknown): string {
  return message(input, (shown) => `${shown} is no object`, EXAMPLE);
}

/** The kind decides which other keys there may be, so a mistake in the kind is the only one to report. */
function kindMessage(input: unknown): string {
  const given = (input as { readonly kind?: unknown } | null)?.kind;
  const known = kindsLater.find((name) => name === given);
  if (known !== undefined) return notBuilt(`a next hop of kind "${known}"`, `one of ${Object.keys(kinds).join(', ')}`);
  return choiceMessage(given, kinds, OTHER_NAMES);
}

const SECRET = "the name of a secret in Secrets Manager such as 'everpost/exchange'";

/** An ARN ends in the name, a hyphen and six characters (Secrets Manager user guide). */
function secretInstead(given: string): string {
  const name = /^arn:aws[a-z-]*:secretsmanager:[^:]*:\d*:secret:(.+?)(?:-[A-Za-z0-9]{6})?$/.exec(given)?.[1];
  return name !== undefined && parseSecretName(name) !== null ? `its name alone: '${name}'` : SECRET;
}

const HOST = "a host name or an IP address such as 'mail.example.com'";

/** People write several hosts in one text, a port, or a URL. */
function hostInstead(given: string): string {
  const several = given.trim().split(/[,;\s]+/);
  if (several.length > 1 && several.length <= 8 && several.every((each) => parseHost(each) !== null))
    return `a list: [${several.map((each) => `'${each}'`).join(', ')}]`;
  const [, name = '', port] = /^(?:[a-z]{2,10}:\/\/)?([^/:@\s]{1,255})(?::(\d{1,5}))?\/?$/i.exec(given) ?? [];
  if (name === given || parseHost(name) === null) return HOST;
  return port === undefined ? `'${name}'` : `'${name}', and port: ${port} beside it`;
}

function permanentStatus(value: string) {
  const status = parseStatus(value);
  return status !== null && statusClass(status) === 5 ? status : null;
}

function oneLine(value: string): string | null {
  return value.trim() !== '' && value.length <= detailTextMax && plainText(value) === value ? value : null;
}

export function orNull<T>(value: T | undefined): T | null {
  return value ?? null;
}
