// The domains that a message's DKIM signatures name (RFC 6376 §3.5, d=). SES says that a signature passed and not which
// one: its verdict counts for an author only where every signature that it may have meant is of the author's domain
// (core/message/author-trust.ts). It verifies nothing.

import { toDomainKey } from './domain-key.ts';
import type { HeaderSection } from './header.ts';
import { linesNamed } from './lines-named.ts';

/**
 * As A-labels, in order. Null: there is none, or one that cannot be read in one way. `section` is of the same bytes.
 */
export function signingDomains(bytes: Uint8Array, section: HeaderSection): readonly string[] | null {
  const { values, hidden } = linesNamed(bytes, section, 'dkim-signature');
  if (hidden || values.length === 0 || values.length > SIGNATURES_MAX) return null;
  const found: string[] = [];
  for (const value of values) {
    const domain = value.length > SIGNATURE_BYTES_MAX ? null : domainOf(Buffer.from(value).toString('latin1'));
    if (domain === null) return null;
    found.push(domain);
  }
  return found;
}
const SIGNATURES_MAX = 20;
/** A signature with a key of 4,096 bits and a hundred signed fields has less than 4 KB. */
const SIGNATURE_BYTES_MAX = 16_384;

/** Null too where the signature leaves a part of the body out (l=): a stranger may have added to it. */
function domainOf(signature: string): string | null {
  if (/\r(?!\n)|\0/.test(signature)) return null;
  const tags = signature.split(';').map((tag) => {
    const at = tag.indexOf('=');
    return { name: tag.slice(0, Math.max(at, 0)).trim(), value: tag.slice(at + 1).trim() };
  });
  if (tags.some(({ name }) => name.toLowerCase() === 'l')) return null;
  const named = tags.filter(({ name }) => name.toLowerCase() === 'd');
  return named.length === 1 && named[0]?.name === 'd' ? toDomainKey(named[0].value) : null;
}
