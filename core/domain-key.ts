// A domain as the configuration may name one: a name of at least two labels, no address literal.
// It is compared as A-labels in lower case, as every Mailbox's domainKey is (core/address.ts); the DNS is not asked.

import { parseMailbox } from './address.ts';

// RFC 1035 §2.3.1 as relaxed by RFC 1123 §2.1: unlike in what others send us, an underscore here is a mistake.
const LABEL = /^(?!-)[a-z0-9-]{1,63}(?<!-)$/;

/** The domain's key, or null where the text is no such name. */
export function domainKeyOf(text: string): string | null {
  const key = parseMailbox(`x@${text}`)?.domainKey ?? '';
  const labels = key.split('.');
  if (labels.length < 2 || !labels.every((label) => LABEL.test(label))) return null;
  return /^\d+$/.test(labels.at(-1) ?? '') ? null : key; // an all-digit top label is an IPv4 address (RFC 3696 §2)
}
