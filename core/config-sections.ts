// The sections of the configuration, each a reader: what it may say, in which words, and what stands where it says nothing.
// Nothing here looks from one section into another, except for the names of next hops.

import type { NextHopSettings, Settings, SmtpSettings } from './config.ts';
import {
  among,
  boolean,
  type Field,
  join,
  list,
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
} from './config-fields.ts';
import {
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
import { domainsMax } from './limits.ts';

const DURATION = text(
  parseDuration,
  'duration',
  "a number of seconds, minutes, hours or days such as '30s', '15m', '4h' or '2d'",
);
const STACK_NAME = text(parseStackName, 'stack name', 'a letter, then up to 29 letters, digits and hyphens');
export const ADDRESS = text(
  (value) => parseAddress(value)?.address ?? null,
  'address',
  'an address such as postmaster@example.com',
);
const SECRET = text(
  parseSecretName,
  'name of a secret',
  "the name of a secret in Secrets Manager such as 'everpost/exchange'",
);

/** Those we receive for, as A-labels. */
export const readDomains: Reader<readonly string[]> = (value, at, mistake) => {
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

export const readNextHops: Reader<Readonly<Record<string, NextHopSettings>>> = (value, at, mistake) => {
  const given = record(value, at, mistake);
  if (given === undefined) return undefined;
  const entries = Object.entries(given);
  if (entries.length === 0)
    return void mistake(at, 'there is no next hop', "at least one, such as exchange: { kind: 'smtp', … }");
  const hops = entries.map(([name, hop]): [string, SmtpSettings | undefined] => {
    const path = join(at, name);
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
export function nextHopName(names: readonly string[]): Reader<string> {
  return (value, at, mistake) => {
    if (typeof value === 'string' && names.includes(value)) return value;
    if (typeof value !== 'string') return void mistake(at, `${show(value)} is no next hop's name`, nextHopAmong(names));
    return void mistake(at, `no next hop is named ${show(value)}`, nextHopAmong(names));
  };
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

export function readNotices(
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
export const stackNameField = optional(STACK_NAME, 'Everpost');
export const retryField: Field<Settings['retry']> = optional(readRetry, RETRY);
export const policyField: Field<Settings['policy']> = optional(readPolicy, POLICY);
export const retentionField: Field<Settings['retentionMs']> = optional(readRetention, RETENTION);
export const transferField: Field<Settings['transfer']> = optional(readTransfer, TRANSFER);
export const traceField: Field<Settings['trace']> = optional(
  object({ subject: optional(boolean, true), search: optional(boolean, true) }),
  { subject: true, search: true },
);
