// The authors that an address field names (From, Reply-To: RFC 5322 §3.4), and a mailbox that we write. It reads
// leniently (core/message/address-list.ts), because real From fields are often broken; it writes correct ASCII. It
// never decides what a field should say.

import { authorFieldCharsMax } from '#core/limits.ts';
import { type Mailbox, needsSmtputf8 } from './address.ts';
import { type AddressList, readAddressList } from './address-list.ts';
import { encodedWords, foldedField, isAscii, oneLine } from './text-encoding.ts';

export type Author = { readonly name: string; readonly mailbox: Mailbox };

export const authorsMax = 50; // a From with more is no author's
const NAME_CHARS_MAX = 200;

/** Every mailbox in the field's value that can be found, in order; groups are opened. Empty where there is none. */
export function authorsOf(value: string): Author[] {
  return authorsIn(readAddressList(value.slice(0, authorFieldCharsMax), authorsMax));
}

export function authorsIn({ entries }: AddressList): Author[] {
  return entries.flatMap((entry) => (entry.kind === 'mailbox' ? [{ name: entry.name, mailbox: entry.mailbox }] : []));
}

/** `Name <address>` as the value of a field, ASCII; null where the local part has no ASCII form. */
export function mailboxText(name: string, mailbox: Mailbox): string | null {
  if (needsSmtputf8(mailbox)) return null;
  const address = asciiAddressOf(mailbox);
  const phrase = phraseOf(name);
  return phrase === '' ? `<${address}>` : `${phrase} <${address}>`;
}

/**
 * The mailbox with its domain as A-labels. The local part is as it is; dots where the grammar has none are quoted, or
 * strict readers refuse it.
 */
export function asciiAddressOf(mailbox: Mailbox): string {
  const local = mailbox.address.slice(0, mailbox.address.length - mailbox.domain.length - 1);
  const strange = !local.startsWith('"') && /^\.|\.\.|\.$/.test(local);
  return `${strange ? `"${local}"` : local}@${mailbox.domainKey}`;
}

/** A whole field ended by CRLF, folded. */
export function addressField(name: string, mailboxes: readonly string[]): string {
  return `${foldedField(name, mailboxes.join(', '))}\r\n`;
}

/**
 * A display name: a quoted string, or encoded words where ASCII cannot write it or they would be mistaken (RFC 2047
 * §5).
 */
function phraseOf(name: string): string {
  const clean = oneLine(name, NAME_CHARS_MAX);
  if (clean === '') return '';
  if (!isAscii(clean) || clean.includes('=?')) return encodedWords(clean);
  return `"${clean.replace(/["\\]/g, '\\$&')}"`;
}
