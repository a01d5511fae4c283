// The registered part of a domain, by the public suffix list (tldts), and the alignment that follows from it (RFC 7489
// §3.1 and §3.2). It compares an author's domain with the domain that a check vouched for. The list is bundled; it
// makes no DNS query.

import { getDomain } from 'tldts';

/**
 * `src.example` for `mail.src.example`, and `shop.co.uk` for `a.shop.co.uk`. The list's private part counts too: two
 * customers of one host of web pages are two organizations. Null where there is none: a public suffix, a single label,
 * an address literal.
 */
export function organizationalDomain(domainKey: string): string | null {
  return domainKey.startsWith('[') ? null : getDomain(domainKey, OPTIONS);
}
/**
 * A domainKey is a name already (core/message/address.ts): nothing is extracted, and underscores stand in names of real
 * hosts.
 */
const OPTIONS = { allowPrivateDomains: true, extractHostname: false, validateHostname: false } as const;

/** Relaxed alignment: one domain, or two of one organization. Both are domainKeys. */
export function isAligned(a: string, b: string): boolean {
  if (a === b) return a.includes('.') && !a.startsWith('[');
  const organization = organizationalDomain(a);
  return organization !== null && organization === organizationalDomain(b);
}
