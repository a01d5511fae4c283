// Reads the mailboxes of an address field (From, Reply-To: RFC 5322 §3.4), and writes a mailbox of our own making. Forgiving in what
// it reads, as real From fields are often broken; what it writes is ASCII and correct. It never decides what a field should say.

import { type Mailbox, needsSmtputf8, parseMailbox } from './address.ts';
import { plainText } from './field-text.ts';
import { encodedWords, foldedField, isAscii, oneLine } from './notice-encoding.ts';

export type Author = { readonly name: string; readonly mailbox: Mailbox };

const AUTHORS_MAX = 50; // a From with more is no author's
const NAME_CHARS_MAX = 200;

/** Every mailbox in the field's value that can be read, in order; groups are opened. Empty where there is none. */
export function authorsOf(value: string): Author[] {
  const authors: Author[] = [];
  for (const part of mailboxTexts(value.replace(/\r?\n/g, ''))) {
    const author = authorOf(part);
    if (author !== null) authors.push(author);
    if (authors.length === AUTHORS_MAX) break;
  }
  return authors;
}

/** `Name <address>` as the value of a field, ASCII; null where the local part has no ASCII form. */
export function mailboxText(name: string, mailbox: Mailbox): string | null {
  if (needsSmtputf8(mailbox)) return null;
  const address = asciiAddressOf(mailbox);
  const phrase = phraseOf(name);
  return phrase === '' ? `<${address}>` : `${phrase} <${address}>`;
}

/** The mailbox with its domain as A-labels; the local part as it is. */
export function asciiAddressOf(mailbox: Mailbox): string {
  return `${mailbox.address.slice(0, mailbox.address.length - mailbox.domain.length)}${mailbox.domainKey}`;
}

/** A whole field ended by CRLF, folded. */
export function addressField(name: string, mailboxes: readonly string[]): string {
  return `${foldedField(name, mailboxes.join(', '))}\r\n`;
}

/** A display name: a quoted string, or encoded words where ASCII can not write it or they would be mistaken (RFC 2047 §5). */
function phraseOf(name: string): string {
  const clean = oneLine(name, NAME_CHARS_MAX);
  if (clean === '') return '';
  if (!isAscii(clean) || clean.includes('=?')) return encodedWords(clean);
  return `"${clean.replace(/["\\]/g, '\\$&')}"`;
}

function authorOf(text: string): Author | null {
  const angle = withoutComments(text).match(/^(.*)<([^<>]*)>[^<>]*$/s);
  const comment = /\(([^()]*)\)/.exec(text)?.[1] ?? '';
  const bare = withoutComments(text).trim();
  const mailbox = parseMailbox((angle?.[2] ?? bare).trim());
  if (mailbox === null) return null;
  const named = angle === null ? comment : (angle[1] ?? '');
  return { name: plainText(unquoted(named.trim() === '' ? comment : named)), mailbox };
}

function unquoted(text: string): string {
  return text.trim().replace(/"((?:[^"\\]|\\.)*)"/gs, (_, inside: string) => inside.replace(/\\(.)/gs, '$1'));
}

/** Comments stand anywhere outside quotes, and in each other (RFC 5322 §3.2.2). */
function withoutComments(text: string): string {
  let out = '';
  for (const { char, depth, closing } of walk(text)) if (depth === 0 && !closing) out += char;
  return out;
}

/** Splits at commas and semicolons outside quotes, comments and angle brackets; a group's name is dropped. */
function mailboxTexts(text: string): string[] {
  const parts = [''];
  let angle = false;
  for (const { char, depth, quoted } of walk(text)) {
    const structural = depth === 0 && !quoted;
    if (structural && char === '<') angle = true;
    if (structural && char === '>') angle = false;
    if (structural && !angle && (char === ',' || char === ';')) parts.push('');
    else if (structural && !angle && char === ':') parts[parts.length - 1] = '';
    else parts[parts.length - 1] += char;
  }
  return parts.filter((part) => part.trim() !== '');
}

type Step = { readonly char: string; readonly depth: number; readonly quoted: boolean; readonly closing: boolean };

/** Each character (a backslash with what it quotes), with how deep in comments it stands and whether within quotes. */
function* walk(text: string): Generator<Step> {
  let depth = 0;
  let quoted = false;
  for (const [char] of text.matchAll(/\\.|./gsu)) {
    if (depth === 0 && char === '"') quoted = !quoted;
    else if (!quoted && char === '(') depth += 1;
    const closing = !quoted && char === ')' && depth > 0;
    if (closing) depth -= 1;
    yield { char, depth, quoted: quoted || char === '"', closing };
  }
}
