// The sections of the configuration, each a reader: what it may say, in which words, and what stands where it says nothing.
// Nothing here looks from one section into another, except for the names of next hops.

import { domainsMax } from '#core/limits.ts';
import { domainKeyOf } from '#core/message/domain-key.ts';
import { parseSubmitter } from '#core/submission/submission.ts';
import {
  boolean,
  type Field,
  join,
  list,
  notBuilt,
  object,
  oneOf,
  optional,
  type Reader,
  record,
  required,
  show,
  text,
  wholeNumber,
} from './fields.ts';
import { nextHopName, SECRET } from './next-hops.ts';
import type { Settings } from './settings.ts';
import { parseAddress, parseDuration, parseSelector, parseStackName } from './values.ts';

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
export const DOMAIN = text(domainKeyOf, 'domain name', 'a domain such as example.com');
/** Those we receive for, as A-labels. */
export const readDomains: Reader<readonly string[]> = (value, at, mistake) => {
  const read = list(DOMAIN, 'domain')(value, at, mistake);
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
  unscanned: optional(oneOf(['relay', 'quarantine'] as const), 'relay'),
});
const POLICY: Settings['policy'] = {
  spam: 'quarantine',
  virus: 'quarantine',
  dmarcReject: 'quarantine',
  unscanned: 'relay',
};

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
    const kind = notices.via === null ? undefined : nextHops?.[notices.via]?.kind;
    if (kind !== undefined && kind !== 'smtp' && kind !== 'lmtp') {
      return void mistake(
        `${at}.via`,
        'a notice needs a null reverse-path, which smtp and lmtp alone carry',
        "the name of a next hop of kind 'smtp' or 'lmtp', or no via: then notices go by SES",
      );
    }
    return notices;
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
/** Who may submit mail. The name is part of keys, policies and ids. */
const readSubmitters: Reader<Settings['submitters']> = (value, at, mistake) => {
  const given = record(value, at, mistake);
  if (given === undefined) return undefined;
  const readOne = object({ secret: required(SECRET), senderDomains: required(list(DOMAIN, 'domain')) });
  const read: Record<string, Settings['submitters'][string]> = {};
  let whole = true;
  for (const [name, each] of Object.entries(given)) {
    const path = join(at, name);
    const named = parseSubmitter(name) !== null;
    if (!named)
      mistake(
        path,
        `${show(name)} is no submitter's name`,
        'up to 32 lower-case letters, digits and hyphens, no hyphen at either end',
      );
    const submitter = readOne(each, path, mistake);
    if (named && submitter !== undefined) read[name] = submitter;
    else whole = false;
  }
  return whole ? read : undefined;
};

export const submittersField: Field<Settings['submitters']> = optional(readSubmitters, {});
export const stackNameField = optional(STACK_NAME, 'Everpost');
export const retryField: Field<Settings['retry']> = optional(readRetry, RETRY);
export const policyField: Field<Settings['policy']> = optional(readPolicy, POLICY);
export const retentionField: Field<Settings['retentionMs']> = optional(readRetention, RETENTION);
export const transferField: Field<Settings['transfer']> = optional(readTransfer, TRANSFER);
export const feedbackField: Field<Settings['feedback']> = optional(object({ confirm: optional(boolean, false) }), {
  confirm: false,
});
export const traceField: Field<Settings['trace']> = optional(
  object({ subject: optional(boolean, true), search: optional(boolean, true) }),
  { subject: true, search: true },
);
