// Which of SES's sending features a configuration uses, and which addresses SES lets us send as. The check of the
// configuration, the stack's permissions and the wiring call it, so that the three agree.

import type { Settings } from '#config/settings.ts';
import type { Mailbox } from './address.ts';

/** The tag that every send bears: the delivery's id, by which events are joined to it (DESIGN decision 12). */
export const deliveryTag = 'everpost';

/** The sender of a reply of SES's, in the ledger's words. */
export function sesHost(region: string): string {
  return `email.${region}.amazonaws.com`;
}

/** For rows that older versions wrote; today's rows have the kind of next hop of their attempt. */
export function isSesHost(host: string): boolean {
  return /^email\.[a-z0-9-]+\.amazonaws\.com$/.test(host);
}

type Uses = Pick<Settings, 'nextHops' | 'notices'>;

/** Without `notices.via` notices go by SES: by SendBounce, or as a report of our own. */
export function bouncesBySes({ notices }: Pick<Uses, 'notices'>): boolean {
  return notices.via === null;
}

export function sendsBySes({ nextHops, notices }: Uses): boolean {
  return bouncesBySes({ notices }) || Object.values(nextHops).some((hop) => hop.kind === 'ses');
}

/** Every send by SES names this set: SES reports later events to its destination. */
export function configurationSetName({ stackName }: Pick<Settings, 'stackName'>): string {
  return stackName;
}

/** SES knows the sub-domains of a verified domain as verified (docs/aws-contracts.md §2.2). */
export function isVerified(domainKey: string, domains: readonly string[]): boolean {
  return domains.some((domain) => domainKey === domain || domainKey.endsWith(`.${domain}`));
}

/**
 * SES asks for the permission on the most specific identity that it has verified for an address: the address itself,
 * then its domain, then the domains above it. These are the names of all that may exist for domains of ours, as
 * patterns of IAM, where `*` also stands for dots and `@`. A domain below another one of the list is covered by it.
 */
export function sendingIdentities(domains: readonly string[]): readonly string[] {
  const listed = new Set(domains);
  const tops = [...listed].filter((domain) => !above(domain).some((name) => listed.has(name)));
  return tops.flatMap((domain) => [domain, `*.${domain}`, `*@${domain}`]);
}

/**
 * Those that may exist for one address of a domain of ours. A verified address stands for its labels too. A local part
 * with characters that mean something else in a policy is written as a pattern.
 */
export function identitiesOf({ localPart, domainKey }: Mailbox, domains: readonly string[]): readonly string[] {
  const [base = localPart] = localPart.split('+');
  const plain = /^[A-Za-z0-9._+=-]+$/.test(localPart);
  const addresses = (plain ? [localPart, base] : ['*']).map((local) => `${local}@${domainKey}`);
  const ours = [domainKey, ...above(domainKey)].filter((name) => isVerified(name, domains));
  return [...new Set([...addresses, ...ours])];
}

/** The domains by which mail comes in: SES takes mail for verified identities alone. */
export function receivingDomains({ domains, returnPathDomain }: Pick<Settings, 'domains' | 'returnPathDomain'>) {
  return [...new Set([...domains, returnPathDomain])];
}

/** The domains whose identities SES needs: those that we receive for, and those that we send as by SES. */
export function identityDomains(settings: Settings): readonly string[] {
  const sending = sendsBySes(settings) ? sendingDomains(settings) : [];
  return [...new Set([...settings.domains, ...sending, settings.returnPathDomain])];
}

/** The names that an identity which covers the domain may have, the nearest first. No top-level domain is one. */
export function identityNames(domain: string): readonly string[] {
  return [domain, ...above(domain)].filter((name) => name.includes('.'));
}

/** a.b.example: b.example and example. */
function above(domain: string): readonly string[] {
  const labels = domain.split('.');
  return labels.slice(1).map((_, index) => labels.slice(index + 1).join('.'));
}

/** The domains as which we send: those that we receive for, and those of our submitters. */
export function sendingDomains({ domains, submitters }: Pick<Settings, 'domains' | 'submitters'>): readonly string[] {
  return [...new Set([...domains, ...Object.values(submitters).flatMap(({ senderDomains }) => senderDomains)])];
}

/**
 * The domains whose authors need a proof by SES's checks, because mail from outside may leave by SES again
 * (core/message/author-trust.ts). Empty where no inbound route goes by SES.
 */
export function domainsToProve(
  settings: Pick<Settings, 'domains' | 'submitters' | 'nextHops' | 'routes'>,
): readonly string[] {
  const bySes = (name: string | null) => name !== null && settings.nextHops[name]?.kind === 'ses';
  const passes = settings.routes.some(
    ({ direction, to, fallback }) => direction === 'inbound' && (to.some(({ via }) => bySes(via)) || bySes(fallback)),
  );
  return passes ? sendingDomains(settings) : [];
}
