// The form in which domains are compared: A-labels in lower case (RFC 5890 §2.3.2.1, RFC 5321 §2.4).
// It never asks the DNS, and takes no address literals.

import { domainToASCII } from 'node:url';

// RFC 1035 §2.3.1 as relaxed by RFC 1123 §2.1; underscores never stand in a mail domain.
const LABEL = /^(?!-)[a-z0-9-]{1,63}(?<!-)$/;

/** The domain's key, or null where the text is no domain name of at least two labels. */
export function domainKeyOf(text: string): string | null {
  const ascii = /^[\0-\x7f]*$/.test(text)
    ? text.toLowerCase()
    : /[%/\\?#@:[\]\s]/.test(text)
      ? ''
      : domainToASCII(text);
  const labels = ascii.split('.');
  if (labels.length < 2 || ascii.length > 253) return null;
  if (!labels.every((label) => LABEL.test(label))) return null;
  return /^\d+$/.test(labels.at(-1) ?? '') ? null : ascii; // an all-digit top label is an IPv4 address (RFC 3696 §2)
}
