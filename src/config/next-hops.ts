// The next hops of the configuration: what each kind may say, and what stands where it says nothing.
// It knows nothing of routes, resolves no host and opens no secret.

import { detailTextMax } from '#core/limits.ts';
import { plainText } from '#core/message/field-text.ts';
import { sesBounce, sesReport } from '#core/notice/way.ts';
import { parseStatus, statusClass, statusOf } from '#core/reply/status.ts';
import { returnsHop } from '#core/routing/return-path.ts';
import {
  among,
  join,
  type Mistakes,
  notBuilt,
  object,
  oneOf,
  oneOrMore,
  optional,
  positiveNumber,
  type Reader,
  record,
  required,
  show,
  text,
  wholeNumber,
} from './fields.ts';
import type { NextHopSettings, ServerSettings } from './settings.ts';
import { parseHost, parseName, parsePem, parseSecretName } from './values.ts';

export const SECRET = text(
  parseSecretName,
  'name of a secret',
  "the name of a secret in Secrets Manager such as 'everpost/exchange'",
);
const TLS = oneOf(['implicit', 'required', 'opportunistic', 'off'] as const);
const HOSTS = oneOrMore(text(parseHost, 'host', "a host name or an IP address such as 'mail.example.com'"), 'host');
const PORT = wholeNumber(1, 65_535);
const CA = text(
  parsePem,
  'PEM certificate and no readable PEM file',
  'the PEM text of the certificate authority, or the path of a PEM file',
);

const KINDS = ['smtp', 'lmtp', 'ses', 'refuse', 'discard'] as const;
const KINDS_LATER = ['s3', 'webhook'];
type Kind = (typeof KINDS)[number];
const kind = <K extends Kind>(of: K) => required(oneOf([of] as const));

const readSmtp = object({
  kind: kind('smtp'),
  host: required(HOSTS),
  port: required(PORT),
  tls: required(TLS),
  ca: optional<string | null>(CA, null),
  auth: optional<{ secret: string } | null>(object({ secret: required(SECRET) }), null),
  concurrency: optional<number | null>(wholeNumber(1, 1000), null),
  messagesPerSecond: optional<number | null>(positiveNumber(10_000), null),
});

const readLmtp = object({
  kind: kind('lmtp'),
  host: required(HOSTS),
  port: required<number>((value, at, mistake) =>
    value === 25
      ? void mistake(at, 'LMTP is forbidden on port 25 (RFC 2033 §5)', '24, 2003 or another port')
      : PORT(value, at, mistake),
  ),
  tls: optional<ServerSettings['tls']>(TLS, 'opportunistic'),
  ca: optional<string | null>(CA, null),
});

const readSes = object({ kind: kind('ses') });

const readRefuse = object({
  kind: kind('refuse'),
  status: optional(
    text(
      (value) => {
        const status = parseStatus(value);
        return status !== null && statusClass(status) === 5 ? status : null;
      },
      'status of a permanent refusal (RFC 3463)',
      "a status of class 5 such as '5.7.1' or '5.1.6'",
    ),
    statusOf('5.7.1'),
  ),
  text: optional(
    text(
      (value) => (value.trim() !== '' && value.length <= detailTextMax && plainText(value) === value ? value : null),
      `line of text of up to ${detailTextMax} characters`,
      "one line for the sender such as 'this address is no longer in use'",
    ),
    'mail to this address is refused',
  ),
});

const readDiscard = object({ kind: kind('discard') });

export const readNextHops: Reader<Readonly<Record<string, NextHopSettings>>> = (value, at, mistake) => {
  const given = record(value, at, mistake);
  if (given === undefined) return undefined;
  const entries = Object.entries(given);
  if (entries.length === 0)
    return void mistake(at, 'there is no next hop', "at least one, such as exchange: { kind: 'smtp', … }");
  const hops = entries.map(([name, hop]): [string, NextHopSettings | undefined] => {
    const path = join(at, name);
    if (name === sesBounce || name === sesReport) {
      mistake(path, `${name} is a way of notices that has this name already`, 'another name');
      return [name, undefined];
    }
    if (name === returnsHop) {
      mistake(path, `${name} stands for what comes back to a return path`, 'another name');
      return [name, undefined];
    }
    if (parseName(name) === null) {
      mistake(
        path,
        `${show(name)} can not name a next hop`,
        'up to 64 letters, digits, dots, hyphens and underscores, a letter or digit first',
      );
      return [name, undefined];
    }
    return [name, readNextHop(hop, path, mistake)];
  });
  if (!hops.every((hop): hop is [string, NextHopSettings] => hop[1] !== undefined)) return undefined;
  return Object.fromEntries(hops);
};

const readNextHop: Reader<NextHopSettings> = (value, at, mistake) => {
  const given = record(value, at, mistake);
  if (given === undefined) return undefined;
  if (typeof given.kind === 'string' && KINDS_LATER.includes(given.kind)) {
    return notBuilt(`${at}.kind`, `a next hop of kind ${show(given.kind)}`, among(KINDS), mistake);
  }
  // The kind says what else may stand there, so that a mistake in it is the only one worth naming.
  const known = oneOf(KINDS)(given.kind, `${at}.kind`, missingKind(given.kind, mistake));
  return known === undefined ? undefined : byKind(known, given, at, mistake);
};

function byKind(of: Kind, given: Record<string, unknown>, at: string, mistake: Mistakes): NextHopSettings | undefined {
  switch (of) {
    case 'smtp': {
      const read = readSmtp(given, at, mistake);
      if (read === undefined) return undefined;
      const { host: hosts, ...rest } = read;
      return { ...rest, hosts };
    }
    case 'lmtp': {
      const read = readLmtp(given, at, mistake);
      if (read === undefined) return undefined;
      const { host: hosts, ...rest } = read;
      return { ...rest, hosts, auth: null, concurrency: null, messagesPerSecond: null };
    }
    case 'ses':
      return readSes(given, at, mistake);
    case 'refuse':
      return readRefuse(given, at, mistake);
    case 'discard':
      return readDiscard(given, at, mistake);
  }
}

function missingKind(value: unknown, mistake: Mistakes): Mistakes {
  return value === undefined ? (at, _, write) => mistake(at, 'it is missing', write) : mistake;
}

export function nextHopAmong(names: readonly string[]): string {
  return names.length === 0 ? 'the name of a next hop that nextHops has' : among(names);
}

/** A next hop named in the file, whether or not its own section is right. */
export function nextHopName(names: readonly string[]): Reader<string> {
  return (value, at, mistake) => {
    if (typeof value === 'string' && names.includes(value)) return value;
    if (typeof value !== 'string') return void mistake(at, `${show(value)} is no next hop's name`, nextHopAmong(names));
    return void mistake(at, `no next hop is named ${show(value)}`, nextHopAmong(names));
  };
}
