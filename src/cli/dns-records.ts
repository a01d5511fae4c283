// The DNS records that a configuration needs, as records: MX, SES's DKIM keys, MAIL FROM, SPF, DMARC and the name in
// EHLO. `everpost dns` collects the facts and prints them; dns-answers.ts compares them with the DNS. Pure: it asks
// nobody, and never proposes a record in place of one that it has not seen.

import { getDomain } from 'tldts';
import type { FoundIdentity } from '#adapters/aws/ses-identities.ts';
import type { NextHopSettings, Settings, SmtpSettings } from '#config/settings.ts';
import { sendingDomains } from '#core/message/ses-use.ts';
import { connectorFacts } from './connector-facts.ts';
import { addressRecords } from './connector-texts.ts';

/** `receive`: the MX record of one of our domains. It moves the domain's mail to SES, so it is set last. */
export type Purpose = 'dkim' | 'mail-from' | 'return-path' | 'spf' | 'dmarc' | 'helo' | 'receive';
export type NeededRecord = {
  /** A fully qualified name, without the final dot, as the names in `value` are. */
  readonly name: string;
  readonly type: 'MX' | 'TXT' | 'CNAME' | 'A' | 'AAAA';
  /** As a zone file has it, but TXT without quotes. */
  readonly value: string;
  readonly purpose: Purpose;
  readonly why: string;
};

export type DnsFacts = {
  readonly region: string;
  /** Domain → its identity; null: SES has none. */
  readonly identities: ReadonlyMap<string, FoundIdentity | null>;
  /** The stack's own addresses (`network.create`). */
  readonly addresses: readonly string[];
};

/** In the order in which they are set. Each name and type that is ours alone occurs once, but for MX and DKIM. */
export function neededRecords(settings: Settings, facts: DnsFacts): readonly NeededRecord[] {
  const identities = [...new Map([...facts.identities.values()].flatMap((one) => (one ? [[one.name, one]] : [])))];
  const all = [
    ...identities.flatMap(([, identity]) => [...dkim(identity), ...mailFrom(identity, facts.region)]),
    ...dmarc(settings),
    ...helo(settings, facts.addresses),
    ...returnPaths(settings, facts),
    ...settings.domains.map((domain) => receives(domain, facts.region, 'receive', RECEIVE)),
  ];
  return [...new Map(all.map((record) => [`${record.name} ${record.type} ${record.value}`, record])).values()];
}
const RECEIVE = 'moves the mail of the domain to SES: set it last, when all else is there';

function receives(name: string, region: string, purpose: Purpose, why: string): NeededRecord {
  // Developer Guide, "Publishing an MX record for Amazon SES email receiving".
  return { name, type: 'MX', value: `10 inbound-smtp.${region}.amazonaws.com`, purpose, why };
}

function dkim({ name, tokens, signingZone }: FoundIdentity): readonly NeededRecord[] {
  const why = `proves to SES that ${name} is yours, and lets it sign your mail`;
  return tokens.map((token) => ({
    name: `${token}._domainkey.${name}`,
    type: 'CNAME',
    value: `${token}.${signingZone}`,
    purpose: 'dkim',
    why,
  }));
}

/** Developer Guide, "Using a custom MAIL FROM domain". */
function mailFrom({ name, mailFrom: domain }: FoundIdentity, region: string): readonly NeededRecord[] {
  if (domain === null) return [];
  const common = { name: domain, purpose: 'mail-from' } as const;
  return [
    {
      ...common,
      type: 'MX',
      value: `10 feedback-smtp.${region}.amazonses.com`,
      why: `where SES takes bounces of ${name}`,
    },
    { ...common, type: 'TXT', value: 'v=spf1 include:amazonses.com ~all', why: `SPF of what SES sends for ${name}` },
  ];
}

/** RFC 7489 §6.6.3: a record at the organisational domain speaks for the names below it. */
function dmarc(settings: Settings): readonly NeededRecord[] {
  const tops = new Set([...settings.domains, ...sendingDomains(settings)].map((name) => getDomain(name) ?? name));
  const why = 'a DMARC policy: without one, large receivers refuse mail, and fewer authors of yours are kept';
  return [...tops].map((top) => ({
    name: `_dmarc.${top}`,
    type: 'TXT',
    value: 'v=DMARC1; p=none',
    purpose: 'dmarc',
    why,
  }));
}

/** Receivers look whether the name in EHLO leads to the address. Only the addresses that the stack made are known. */
function helo(settings: Settings, addresses: readonly string[]): readonly NeededRecord[] {
  return smtpHops(settings).flatMap(([name, hop]) =>
    addressRecords(
      connectorFacts(settings, { addresses, made: addresses.length > 0, certificate: null, nextHop: { name, hop } }),
    ).flatMap(({ type, ...record }) =>
      record.name === settings.returnPathDomain || (type !== 'A' && type !== 'AAAA' && type !== 'TXT')
        ? []
        : [{ ...record, type, purpose: 'helo' as const }],
    ),
  );
}

function returnPaths(settings: Settings, { region, addresses }: DnsFacts): readonly NeededRecord[] {
  const { returnPathDomain: name, routes } = settings;
  const mx = receives(name, region, 'return-path', 'where reports about forwarded mail return');
  const ways = new Set(
    routes.flatMap(({ to }) => to.flatMap(({ via, returnPath }) => (returnPath === 'keep' ? [] : [via]))),
  );
  const hops = smtpHops(settings).filter(([hop]) => ways.has(hop));
  if (hops.length === 0) return [mx];
  const own = addresses.map((address) => `${address.includes(':') ? 'ip6' : 'ip4'}:${address}`);
  const theirs = hops.flatMap(([, { hosts }]) => hosts.map(spfOf));
  const value = ['v=spf1', ...new Set([...own, ...theirs]), '~all'].join(' ');
  return [mx, { name, type: 'TXT', value, purpose: 'spf', why: 'SPF of the return paths of Everpost' }];
}

/** A smart host sends on from its own addresses. Large services say theirs in a record of their own. */
function spfOf(host: string): string {
  if (/(?:\.outlook\.com|\.office365\.com|\.mx\.microsoft)$/i.test(host)) return 'include:spf.protection.outlook.com';
  if (/(?:\.google\.com|\.googlemail\.com|\.gmail\.com)$/i.test(host)) return 'include:_spf.google.com';
  return /^[\d.]+$/.test(host) ? `ip4:${host}` : host.includes(':') ? `ip6:${host}` : `a:${host}`;
}

function smtpHops({ nextHops }: Settings): readonly (readonly [string, SmtpSettings])[] {
  return Object.entries(nextHops).filter((entry): entry is [string, SmtpSettings] => isSmtp(entry[1]));
}
function isSmtp(hop: NextHopSettings): hop is SmtpSettings {
  return hop.kind === 'smtp';
}
