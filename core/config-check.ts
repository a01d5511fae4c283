// The whole schema of the configuration: unknown input in, Settings or one line per mistake out.
// Each line says where in the file, what is wrong and what to write. It reads no file and asks no network,
// and what a later version brings is refused by its name, never taken and ignored.

import { createHash } from 'node:crypto';
import type { ActionSettings, NextHopSettings, RouteSettings, Settings, SmtpSettings } from './config.ts';
import {
  among,
  boolean,
  list,
  type Mistakes,
  nearest,
  notBuilt,
  object,
  oneOf,
  oneOrMore,
  optional,
  positiveNumber,
  type Reader,
  readField,
  record,
  required,
  show,
  text,
  unknownKeys,
  wholeNumber,
} from './config-fields.ts';
import {
  isPrivateHost,
  normalMatch,
  parseAddress,
  parseDuration,
  parseHost,
  parseName,
  parsePem,
  parseSecretName,
  parseSelector,
  parseStackName,
} from './config-values.ts';
import { domainKeyOf } from './domain-key.ts';
import { domainsMax, queueRetentionMs } from './limits.ts';
import { compileRoutes, parseMatch } from './routes.ts';

export type Checked =
  /** `warnings` are lines of the same form: deploying must fail on them, running here need not. */
  | { readonly kind: 'ok'; readonly settings: Settings; readonly warnings: readonly string[] }
  | { readonly kind: 'wrong'; readonly problems: readonly string[] };

/** Checks a configuration as imported from the file. `sourceName` opens each line: everpost.config.ts. */
export function checkConfig(input: unknown, sourceName: string): Checked {
  const problems: string[] = [];
  const mistake = lineTo(problems, sourceName);
  const unversioned = readConfig(input, mistake);
  if (unversioned === undefined || problems.length > 0) return { kind: 'wrong', problems };
  const version = createHash('sha256').update(JSON.stringify(unversioned)).digest('hex').slice(0, 12);
  const settings = { version, ...unversioned };
  const warnings: string[] = [];
  warnAboutNextHops(settings, lineTo(warnings, sourceName));
  return { kind: 'ok', settings, warnings };
}

function lineTo(lines: string[], sourceName: string): Mistakes {
  return (at, wrong, write) => {
    lines.push(`${sourceName}: ${at === '' ? '' : `${at}: `}${wrong}; write ${write}`);
  };
}

const KEYS = [
  ...['stackName', 'domains', 'nextHops', 'routes', 'submitters', 'retry', 'policy', 'notices', 'returnPathDomain'],
  ...['retention', 'transfer', 'feedback', 'trace', 'network', 'dns'],
];

/** Reads every section, also after a mistake in another one, so that one run shows all that is wrong. */
function readConfig(input: unknown, mistake: Mistakes): Omit<Settings, 'version'> | undefined {
  const given = record(input, '', mistake);
  if (given === undefined) return undefined;
  unknownKeys(given, KEYS, '', mistake);
  refuseLaterSections(given, mistake);

  const section = <T>(key: string, field: { read: Reader<T>; fallback: { value: T } | null }) =>
    readField(field, given[key], key, mistake)?.value;
  const stackName = section('stackName', optional(STACK_NAME, 'Everpost'));
  const domains = section('domains', required(readDomains));
  const nextHops = section('nextHops', required(readNextHops));
  const names = rawKeys(given.nextHops);
  const routes = section('routes', required(list(readRoute(names, domains), 'route')));
  const retry = section('retry', optional(readRetry, RETRY));
  const policy = section('policy', optional(readPolicy, POLICY));
  const notices = section('notices', required(readNotices(names, nextHops)));
  const retentionMs = section('retention', optional(readRetention, RETENTION));
  const transfer = section('transfer', optional(readTransfer, TRANSFER));
  const trace = section(
    'trace',
    optional(object({ subject: optional(boolean, true), search: optional(boolean, true) }), TRACE),
  );

  if (domains && routes) everyDomainHasAPostmaster(domains, routes, mistake);
  if (retry && retry.lifetimeMs >= queueRetentionMs) {
    mistake('retry.lifetime', 'SQS deletes a job after 14 days, unheard', 'less than 14d');
  }
  if (retry && retentionMs) contentOutlivesItsDeliveries(retry.lifetimeMs, retentionMs, mistake);
  if (!stackName || !domains || !nextHops || !routes || !retry || !policy || !notices) return undefined;
  if (!retentionMs || !transfer || !trace) return undefined;
  const host = domains[0] ?? '';
  return {
    stackName,
    domains,
    host,
    nextHops,
    routes,
    retry,
    policy,
    notices,
    retentionMs,
    transfer,
    trace,
    network: null,
  };
}

function rawKeys(value: unknown): readonly string[] {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? Object.keys(value) : [];
}

// Sections of later versions. An empty or switched-off one says nothing and is let through.
function refuseLaterSections(given: Record<string, unknown>, mistake: Mistakes): void {
  const { submitters, returnPathDomain, feedback, network, dns } = given;
  if (submitters !== undefined && rawKeys(submitters).length > 0) {
    notBuilt('submitters', 'mail from our side (submitters)', 'no submitters, inbound mail alone', mistake);
  } else if (submitters !== undefined) record(submitters, 'submitters', mistake);
  if (returnPathDomain !== undefined) {
    notBuilt('returnPathDomain', 'a domain for return paths', 'no returnPathDomain: return paths are kept', mistake);
  }
  if (feedback !== undefined) {
    const read = object({ confirm: optional(boolean, false) })(feedback, 'feedback', mistake);
    if (read?.confirm) notBuilt('feedback.confirm', "SES's Delivery events", 'false', mistake);
  }
  if (network !== undefined) {
    notBuilt('network', 'reaching private hosts through a VPC', 'no network, and next hops with public names', mistake);
  }
  if (dns !== undefined && rawKeys(dns).length > 0) {
    notBuilt('dns', 'writing DNS records', "no dns, and set the records that the stack's outputs name", mistake);
  } else if (dns !== undefined) record(dns, 'dns', mistake);
}

const DURATION = text(
  parseDuration,
  'duration',
  "a number of seconds, minutes, hours or days such as '30s', '15m', '4h' or '2d'",
);
const STACK_NAME = text(parseStackName, 'stack name', 'a letter, then up to 29 letters, digits and hyphens');
const ADDRESS = text(
  (value) => parseAddress(value)?.address ?? null,
  'address',
  'an address such as postmaster@example.com',
);
const SECRET = text(
  parseSecretName,
  'name of a secret',
  "the name of a secret in Secrets Manager such as 'everpost/exchange'",
);

const readDomains: Reader<readonly string[]> = (value, at, mistake) => {
  const read = list(text(domainKeyOf, 'domain name', 'a domain such as example.com'), 'domain')(value, at, mistake);
  if (read === undefined) return undefined;
  const first = new Map<string, number>();
  let whole = true;
  read.forEach((domain, index) => {
    const earlier = first.get(domain);
    if (earlier === undefined) first.set(domain, index);
    else {
      mistake(`${at}[${index}]`, `${domain} is named already at ${at}[${earlier}]`, 'each domain once');
      whole = false;
    }
  });
  if (read.length > domainsMax) {
    mistake(
      at,
      `${read.length} domains are more than the ${domainsMax} identities that SES allows`,
      `at most ${domainsMax}`,
    );
    return undefined;
  }
  return whole ? read : undefined;
};

const NEXT_HOPS_LATER = ['lmtp', 'ses', 's3', 'webhook', 'refuse', 'discard'];
const TLS = ['implicit', 'required', 'opportunistic', 'off'] as const;

const readSmtp = object({
  kind: required(oneOf(['smtp'] as const)),
  host: required(oneOrMore(text(parseHost, 'host', "a host name or an IP address such as 'mail.example.com'"), 'host')),
  port: required(wholeNumber(1, 65_535)),
  tls: required(oneOf(TLS)),
  ca: optional<string | null>(
    text(
      parsePem,
      'PEM certificate and no readable PEM file',
      'the PEM text of the certificate authority, or the path of a PEM file',
    ),
    null,
  ),
  auth: optional<{ secret: string } | null>(object({ secret: required(SECRET) }), null),
  concurrency: optional<number | null>(wholeNumber(1, 1000), null),
  messagesPerSecond: optional<number | null>(positiveNumber(10_000), null),
});

const readNextHops: Reader<Readonly<Record<string, NextHopSettings>>> = (value, at, mistake) => {
  const given = record(value, at, mistake);
  if (given === undefined) return undefined;
  const entries = Object.entries(given);
  if (entries.length === 0)
    return void mistake(at, 'there is no next hop', "at least one, such as exchange: { kind: 'smtp', … }");
  const hops = entries.map(([name, hop]): [string, SmtpSettings | undefined] => {
    const path = /^[A-Za-z_$][\w$]*$/.test(name) ? `${at}.${name}` : `${at}[${JSON.stringify(name)}]`;
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
  if (!hops.every((hop): hop is [string, SmtpSettings] => hop[1] !== undefined)) return undefined;
  return Object.fromEntries(hops);
};

const readNextHop: Reader<SmtpSettings> = (value, at, mistake) => {
  const given = record(value, at, mistake);
  if (given === undefined) return undefined;
  const { kind } = given;
  if (typeof kind === 'string' && NEXT_HOPS_LATER.includes(kind)) {
    return notBuilt(`${at}.kind`, `a next hop of kind ${show(kind)}`, "kind: 'smtp'", mistake);
  }
  const read = readSmtp(given, at, mistake);
  if (read === undefined) return undefined;
  const { host: hosts, ...rest } = read;
  return { ...rest, hosts };
};

function nextHopAmong(names: readonly string[]): string {
  return names.length === 0 ? 'the name of a next hop that nextHops has' : among(names);
}

/** A next hop named in the file, whether or not its own section is right. */
function nextHopName(names: readonly string[]): Reader<string> {
  return (value, at, mistake) => {
    if (typeof value === 'string' && names.includes(value)) return value;
    if (typeof value !== 'string') return void mistake(at, `${show(value)} is no next hop's name`, nextHopAmong(names));
    return void mistake(at, `no next hop is named ${show(value)}`, nextHopAmong(names));
  };
}

function readRoute(names: readonly string[], domains: readonly string[] | undefined): Reader<RouteSettings> {
  const match = text(
    normalMatch,
    'match',
    "user@example.com, *@example.com, *@.example.com (its sub-domains), or * where direction is 'outbound'",
  );
  const known = new Set(domains);
  const read = object({
    match: required(oneOrMore(match, 'match')),
    direction: optional(oneOf(['inbound', 'outbound'] as const), 'inbound'),
    to: required(list(readAction(names), 'action')),
    fallback: optional<undefined>((_, at, mistake) => notBuilt(at, 'a fallback', 'no fallback', mistake), undefined),
  });
  return (value, at, mistake) => {
    const route = read(value, at, mistake);
    if (route === undefined) return undefined;
    const several = Array.isArray((value as { match: unknown }).match);
    let whole = furtherActionsAreCopies(route.to, `${at}.to`, mistake);
    route.match.forEach((each, index) => {
      const path = several ? `${at}.match[${index}]` : `${at}.match`;
      if (route.direction === 'inbound' && domains && !canBeOurs(each, known, path, mistake)) whole = false;
    });
    return whole ? { match: route.match, direction: route.direction, to: route.to } : undefined;
  };
}

/** Inbound mail comes for our domains and their sub-domains alone: SES receives for no others. */
function canBeOurs(match: string, domains: ReadonlySet<string>, at: string, mistake: Mistakes): boolean {
  const parsed = parseMatch(match);
  if (parsed === null) return false;
  if (parsed.kind === 'all') {
    mistake(at, "'*' alone would take mail for every domain", "'*@' and a domain, or direction: 'outbound'");
    return false;
  }
  const labels = parsed.domainKey.split('.');
  if (labels.some((_, index) => domains.has(labels.slice(index).join('.')))) return true;
  const near = nearest(parsed.domainKey, [...domains].slice(0, 1000));
  mistake(
    at,
    `we do not receive for ${parsed.domainKey}`,
    near ?? `${parsed.domainKey} among domains, or a match in one of them`,
  );
  return false;
}

function readAction(names: readonly string[]): Reader<ActionSettings> {
  const read = object({
    via: required(nextHopName(names)),
    address: optional<string | null>(ADDRESS, null),
    copy: optional(boolean, false),
    returnPath: optional(oneOf(['keep', 'token', 'srs'] as const), 'keep'),
  });
  return (value, at, mistake) => {
    const action = read(value, at, mistake);
    if (action === undefined || action.returnPath === 'keep') return action;
    return notBuilt(`${at}.returnPath`, `the return path ${show(action.returnPath)}`, "'keep'", mistake);
  };
}

/** DESIGN §2.13: the first action answers to the sender, so only the others may, and must, be copies. */
function furtherActionsAreCopies(actions: readonly ActionSettings[], at: string, mistake: Mistakes): boolean {
  let whole = true;
  actions.forEach((action, index) => {
    if (index === 0 && action.copy) {
      mistake(
        `${at}[0].copy`,
        'the first action answers to the sender and can be no copy',
        'copy on the further actions alone',
      );
      whole = false;
    }
    if (index > 0 && !action.copy) {
      mistake(`${at}[${index}]`, 'only the first action answers to the sender', 'copy: true for this one');
      whole = false;
    }
  });
  if (whole && actions.length > 1) {
    notBuilt(`${at}[1]`, 'a route with several actions', 'one action', mistake);
    whole = false;
  }
  return whole;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const SCHEDULE_MS = [60_000, 300_000, 900_000, 1_800_000, HOUR_MS, 2 * HOUR_MS, 4 * HOUR_MS];
const RETRY = {
  scheduleMs: SCHEDULE_MS as readonly number[],
  lifetimeMs: 48 * HOUR_MS,
  delayNoticeMs: (4 * HOUR_MS) as number | null,
};

const readRetry: Reader<typeof RETRY> = (value, at, mistake) => {
  const read = object({
    schedule: optional(list(DURATION, 'duration'), RETRY.scheduleMs),
    lifetime: optional(DURATION, RETRY.lifetimeMs),
    delayNotice: optional<number | false>(
      (notice, path, note) => (notice === false ? false : DURATION(notice, path, note)),
      4 * HOUR_MS,
    ),
  })(value, at, mistake);
  if (read === undefined) return undefined;
  return {
    scheduleMs: read.schedule,
    lifetimeMs: read.lifetime,
    delayNoticeMs: read.delayNotice === false ? null : read.delayNotice,
  };
};

const CHOICE = oneOf(['relay', 'quarantine', 'refuse'] as const);
const readPolicy = object({
  spam: optional(CHOICE, 'quarantine'),
  virus: optional(CHOICE, 'quarantine'),
  dmarcReject: optional(CHOICE, 'quarantine'),
});
const POLICY: Settings['policy'] = { spam: 'quarantine', virus: 'quarantine', dmarcReject: 'quarantine' };

function readNotices(
  names: readonly string[],
  nextHops: Settings['nextHops'] | undefined,
): Reader<Settings['notices']> {
  const read = object({
    from: required(ADDRESS),
    postmaster: required(ADDRESS),
    via: optional<string | null>(nextHopName(names), null),
    mode: optional(oneOf(['send', 'hold'] as const), 'send'),
    copyPostmasterOn: optional<readonly string[]>(
      list(
        text(
          (value) => (/^[a-z0-9][a-z0-9.*-]*$/.test(value) ? value : null),
          'reason',
          "a reason or a status such as 'expired' or '5.7.*'",
        ),
        'reason',
        0,
      ),
      [],
    ),
    perDomainPerHour: optional(wholeNumber(1, 1_000_000), 100),
    dkim: optional<{ secret: string; selector: string } | null>(
      object({
        secret: required(SECRET),
        selector: required(text(parseSelector, 'DKIM selector', "a selector such as 'everpost'")),
      }),
      null,
    ),
  });
  return (value, at, mistake) => {
    const notices = read(value, at, mistake);
    if (notices === undefined) return undefined;
    const { via } = notices;
    if (via === null) {
      return notBuilt(
        `${at}.via`,
        'sending notices without a next hop of their own',
        `via: ${nextHopAmong(names)}`,
        mistake,
      );
    }
    if (nextHops !== undefined && nextHops[via]?.kind !== 'smtp') {
      return void mistake(
        `${at}.via`,
        'a notice needs a null reverse-path, which smtp alone carries',
        "the name of a next hop of kind 'smtp'",
      );
    }
    return { ...notices, via };
  };
}

const RETENTION = { spool: 14 * DAY_MS, versions: 7 * DAY_MS, ledger: 90 * DAY_MS, quarantine: 30 * DAY_MS };
const readRetention = object({
  spool: optional(DURATION, RETENTION.spool),
  versions: optional(DURATION, RETENTION.versions),
  ledger: optional(DURATION, RETENTION.ledger),
  quarantine: optional(DURATION, RETENTION.quarantine),
});

/** Content is needed until the last attempt, and by the notice that quotes it; the trace for as long as the content is there. */
function contentOutlivesItsDeliveries(
  lifetimeMs: number,
  retentionMs: Settings['retentionMs'],
  mistake: Mistakes,
): void {
  if (retentionMs.spool <= lifetimeMs) {
    mistake(
      'retention.spool',
      'content would go before its deliveries have had their lifetime',
      'more than retry.lifetime',
    );
  }
  if (retentionMs.ledger < retentionMs.spool) {
    mistake('retention.ledger', 'the trace would go before the content', 'at least retention.spool');
  }
}

const TRANSFER: Settings['transfer'] = { inbound: 'normal', outbound: 'normal' };
const readTransfer: Reader<Settings['transfer']> = (value, at, mistake) => {
  const mode = oneOf(['normal', 'hold', 'drain'] as const);
  const read = object({ inbound: optional(mode, 'normal'), outbound: optional(mode, 'normal') })(value, at, mistake);
  if (read === undefined) return undefined;
  const later = (['inbound', 'outbound'] as const).filter((direction) => read[direction] !== 'normal');
  for (const direction of later)
    notBuilt(`${at}.${direction}`, `transfer ${show(read[direction])}`, "'normal'", mistake);
  return later.length === 0 ? read : undefined;
};
const TRACE: Settings['trace'] = { subject: true, search: true };

/** RFC 5321 §4.5.1: mail for postmaster at every domain that we receive for must be taken. */
function everyDomainHasAPostmaster(
  domains: readonly string[],
  routes: readonly RouteSettings[],
  mistake: Mistakes,
): void {
  const table = compileRoutes(routes);
  domains.forEach((domain, index) => {
    const address = `postmaster@${domain}`;
    const taken = table.resolve({ address, localPart: 'postmaster', domain, domainKey: domain }, 'inbound');
    if (taken === null) {
      mistake(
        `domains[${index}]`,
        `no route takes ${address} (RFC 5321 §4.5.1)`,
        `a route with match '${address}' or '*@${domain}'`,
      );
    }
  });
}

function warnAboutNextHops(settings: Settings, warn: Mistakes): void {
  for (const [name, hop] of Object.entries(settings.nextHops)) {
    const at = /^[A-Za-z_$][\w$]*$/.test(name) ? `nextHops.${name}` : `nextHops[${JSON.stringify(name)}]`;
    if (hop.port === 25)
      warn(`${at}.port`, 'AWS Lambda can not reach port 25', '587, 465 or another port of that host');
    for (const host of hop.hosts.filter(isPrivateHost)) {
      warn(`${at}.host`, `${host} can not be reached from AWS without network`, "the host's public name");
    }
    if (hop.auth !== null && hop.tls === 'off') {
      warn(`${at}.tls`, 'the password would cross the network in the clear', "'required' or 'implicit'");
    }
  }
}
