// From the routes to SES's receipt rules: during SMTP, SES refuses a recipient that no rule names, so that nobody gets
// an NDR for a mistyped address. Called at synthesis. Pure. It never names a recipient twice. No rule takes a recipient
// without a route, except where SES's limits (or its syntax) force a whole domain: those domains are reported, and
// their unknown recipients get an NDR.

import type { RouteSettings } from '#config/settings.ts';
import { receiptAddressesMax, receiptRecipientsPerRuleMax, receiptRulesMax } from '#core/limits.ts';
import { mailboxKey, parseMailbox } from '#core/message/address.ts';
import { isVerified } from '#core/message/ses-use.ts';
import { type Match, parseMatch } from './routes.ts';

export type ReceiptRule = { readonly slot: number; readonly recipients: readonly string[] };
export type ReceiptRules = {
  /** A recipient stays in its slot as long as the number of slots is the same. */
  readonly rules: readonly ReceiptRule[];
  /** Domains that are taken whole although the routes name single addresses. */
  readonly widened: readonly string[];
};

/**
 * Returned mail is accepted too: at the domain of our return paths, and at the address of our notices.
 */
export type ReturnsTaken = {
  readonly returnPathDomain: string;
  readonly noticesFrom: string;
  readonly domains: readonly string[];
};

/** Throws where even whole domains do not fit into SES's rules; checkConfig's limit on domains comes first. */
export function receiptRules(routes: readonly RouteSettings[], returns: ReturnsTaken | null = null): ReceiptRules {
  const wanted = [...inboundMatches(routes), ...(returns === null ? [] : returnMatches(returns))];
  const domains = new Set(wanted.filter((match) => match.kind === 'domain').map((match) => match.domainKey));
  const parents = new Set(wanted.filter((match) => match.kind === 'sub-domains').map((match) => match.domainKey));
  const addresses = Map.groupBy(
    wanted.filter((match) => match.kind === 'address'),
    (match) => match.domainKey,
  );
  const taken = (domain: string) => domains.has(domain) || parentsOf(domain).some((parent) => parents.has(parent));
  const byDomain = new Map<string, readonly string[]>();
  const widened: string[] = [];
  for (const [domain, matches] of addresses) {
    if (taken(domain)) continue;
    if (matches.every((match) => SES_LOCAL_PART.test(match.localKey)))
      byDomain.set(domain, recipientsAt(domain, matches));
    else widened.push(domain);
  }
  widened.push(...tooLarge(byDomain));
  for (const domain of widened) {
    byDomain.delete(domain);
    domains.add(domain);
  }
  const recipients = [
    ...[...domains].filter((domain) => !parentsOf(domain).some((parent) => parents.has(parent))),
    ...[...parents]
      .filter((domain) => !parentsOf(domain).some((parent) => parents.has(parent)))
      .map((domain) => `.${domain}`),
    ...[...byDomain.values()].flat(),
  ];
  return { rules: intoRules(recipients), widened: widened.sort() };
}

// A quoted local part or one with letters beyond ASCII cannot be said in a rule: SES checks a recipient's syntax.
const SES_LOCAL_PART = /^[\w!#$%&'+/=?^`{|}~-]+(?:\.[\w!#$%&'+/=?^`{|}~-]+)*$/;

function inboundMatches(routes: readonly RouteSettings[]): readonly Exclude<Match, { kind: 'all' }>[] {
  return routes
    .filter((route) => route.direction === 'inbound')
    .flatMap((route) => route.match)
    .map(parseMatch)
    .filter((match) => match !== null && match.kind !== 'all');
}

/** An address of notices in a domain that we do not receive for belongs to another server. */
function returnMatches({ returnPathDomain, noticesFrom, domains }: ReturnsTaken): Exclude<Match, { kind: 'all' }>[] {
  const from = parseMailbox(noticesFrom);
  const address =
    from !== null && isVerified(from.domainKey, domains)
      ? [
          {
            kind: 'address',
            localKey: mailboxKey(from).slice(0, -from.domainKey.length - 1),
            domainKey: from.domainKey,
          } as const,
        ]
      : [];
  return [{ kind: 'domain', domainKey: returnPathDomain }, ...address];
}

function parentsOf(domain: string): readonly string[] {
  const labels = domain.split('.');
  return labels.slice(1).map((_, index) => labels.slice(index + 1).join('.'));
}

/**
 * `user@` takes `user+label@` too (as our routes do), so a labelled address beside it would be a second condition for
 * one recipient.
 */
function recipientsAt(domain: string, matches: readonly { readonly localKey: string }[]): readonly string[] {
  const localKeys = new Set(matches.map((match) => match.localKey));
  return [...localKeys]
    .filter((local) => {
      const label = local.indexOf('+');
      return label < 1 || !localKeys.has(local.slice(0, label));
    })
    .map((local) => `${local}@${domain}`);
}

/** The domains with the most addresses, as many as it takes to come down to the limit. */
function tooLarge(byDomain: ReadonlyMap<string, readonly string[]>): readonly string[] {
  let count = byDomain.values().reduce((sum, addresses) => sum + addresses.length, 0);
  const largestFirst = [...byDomain].sort(([a, those], [b, these]) => these.length - those.length || (a < b ? -1 : 1));
  const chosen: string[] = [];
  for (const [domain, addresses] of largestFirst) {
    if (count <= receiptAddressesMax) break;
    chosen.push(domain);
    count -= addresses.length;
  }
  return chosen;
}

/**
 * Into 2^n rules by each recipient's hash. CloudFormation changes one rule after the other, and a recipient that moved
 * to another rule would be refused in between. By hash it only moves when the number of rules doubles, and then from
 * rule k to k + half, which infra/front-door.ts lets CloudFormation write first.
 */
function intoRules(recipients: readonly string[]): readonly ReceiptRule[] {
  for (let count = 1; count <= receiptRulesMax; count *= 2) {
    const slots = Map.groupBy(recipients, (recipient) => hash(recipient) % count);
    if (slots.values().some((slot) => slot.length > receiptRecipientsPerRuleMax)) continue;
    // A slot without recipients makes no rule: to SES that one would mean all mail of the account.
    return [...slots].map(([slot, some]) => ({ slot, recipients: some.sort() })).sort((a, b) => a.slot - b.slot);
  }
  throw new Error(`${recipients.length} recipients and domains do not fit into ${receiptRulesMax} SES receipt rules`);
}

/** FNV-1a, 32 bits: spreads, needs no secret, and must never change. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let index = 0; index < text.length; index++) value = Math.imul(value ^ text.charCodeAt(index), 0x01000193) >>> 0;
  return value;
}
