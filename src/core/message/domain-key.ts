// Domains in their comparable form: A-labels in lower case, as every Mailbox's domainKey is (core/message/address.ts).
// There are two checks: for domains of an envelope, and for domains of our configuration. It makes no DNS query.

import { domainToASCII } from 'node:url';
import { domainOctetsMax } from '#core/limits.ts';

// Underscores are no LDH, but stand in names of real hosts.
const LABEL = /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/;
const IPV4 = /^(?:(?:25[0-5]|2[0-4]\d|1?\d?\d)(?:\.(?!$)|$)){4}$/;
const TAGGED_LITERAL = /^[a-z0-9-]*[a-z0-9]:[!-Z^-~]+$/i; // RFC 5321 §4.1.3: IPv6:… and General-address-literal
const NON_ASCII = /[^\x00-\x7F]/;
// RFC 1035 §2.3.1 as relaxed by RFC 1123 §2.1: unlike in strangers' mail, an underscore here is a mistake.
const STRICT_LABEL = /^(?!-)[a-z0-9-]{1,63}(?<!-)$/;

/**
 * The key of a domain that the configuration names: at least two labels, no address literal. Null where the text is no
 * such name.
 */
export function domainKeyOf(text: string): string | null {
  const labels = toDomainKey(text)?.split('.') ?? [];
  if (labels.length < 2 || !labels.every((label) => STRICT_LABEL.test(label))) return null;
  return /^\d+$/.test(labels.at(-1) ?? '') ? null : labels.join('.'); // an all-digit top label is an IPv4 address (RFC 3696 §2)
}

/** The key of any domain, address literals too; null where the text is no domain. */
export function toDomainKey(domain: string): string | null {
  if (domain.startsWith('[')) return isAddressLiteral(domain) ? domain.toLowerCase() : null;
  // Node's function parses a whole URL: only a name may come near it, and ASCII needs no conversion.
  const ascii = NON_ASCII.test(domain)
    ? /^[^\x00-,/:-@[-^`{-\x7F]+$/.test(domain)
      ? domainToASCII(domain)
      : ''
    : domain;
  const key = ascii.toLowerCase();
  return key.length <= domainOctetsMax && key.split('.').every((label) => LABEL.test(label)) ? key : null;
}

function isAddressLiteral(domain: string): boolean {
  const inside = domain.endsWith(']') ? domain.slice(1, -1) : '';
  return domain.length <= domainOctetsMax && (IPV4.test(inside) || TAGGED_LITERAL.test(inside));
}
