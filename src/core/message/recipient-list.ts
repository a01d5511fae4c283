// Reads recipients as people and programs write them: the value of a To, Cc or Bcc field (RFC 5322 §3.4), or an
// argument of sendmail. Called by sendmail-message.ts. It decides who gets the message, so it accounts for every
// character or refuses the text. It never skips text that it does not understand, and never takes a part of a name for
// a recipient. One pass, linear time. From and Reply-To are read by authors.ts, which is lenient.

import { type Mailbox, mailboxKey, parseMailbox } from './address.ts';
import { cutText } from './field-text.ts';

export type RecipientList = {
  readonly mailboxes: readonly Mailbox[];
  /** Text that cannot be placed. Where there is any, nothing may be sent: it may have been a recipient. */
  readonly unreadable: readonly string[];
};

/** Reads each text as a list of addresses, in order; each mailbox once. `domain` completes names without one. */
export function readRecipients(texts: readonly string[], domain: string): RecipientList {
  const mailboxes = new Map<string, Mailbox>();
  const unreadable: string[] = [];
  for (const text of texts) {
    const read = readList(text, domain);
    for (const mailbox of read.mailboxes) if (!mailboxes.has(mailbox.address)) mailboxes.set(mailbox.address, mailbox);
    for (const each of read.unreadable) unreadable.push(cutText(each.trim(), SHOWN_BYTES_MAX));
  }
  return { mailboxes: [...mailboxes.values()], unreadable };
}

/**
 * As above, for the words of a command line. `Ann <a@x.test>` whose quotes the shell was not given are two words, and
 * one person.
 */
export function readArguments(words: readonly string[], domain: string): RecipientList {
  const parted = words.filter((word, i) => BARE_NAME.test(word) && words[i + 1]?.trimStart().startsWith('<'));
  const { mailboxes, unreadable } = readRecipients(words, domain);
  return { mailboxes, unreadable: [...unreadable, ...parted] };
}

/** An unreadable address stands in one line for a person. */
const SHOWN_BYTES_MAX = 200;

type Token = {
  /** `word`: characters of names and addresses, dots too. `literal`: `[…]`. `special`: one of `<>,;:@`. */
  readonly kind: 'word' | 'quoted' | 'literal' | 'special';
  readonly text: string;
  readonly start: number;
  readonly end: number;
};
type Scan = {
  readonly tokens: readonly Token[];
  /**
   * Addresses within quotes and comments, where they may stand because a quote or bracket is missing or is a smiley.
   */
  readonly doubtful: readonly string[];
};

function readList(text: string, domain: string): RecipientList {
  const scan = scanned(text);
  const parts = scan === null ? null : partsOf(scan.tokens);
  if (scan === null || parts === null) return { mailboxes: [], unreadable: [text] };
  const elements = parts.map((part) => elementOf(part, domain));
  const mixed = elements.some(({ kind }) => kind === 'address');
  const mailboxes: Mailbox[] = [];
  const unreadable: string[] = [];
  elements.forEach((element, index) => {
    const misread = element.kind === 'bare' && isPartOfName(element.mailbox, elements[index + 1], mixed);
    if (element.kind !== 'unreadable' && !misread) mailboxes.push(element.mailbox);
    else unreadable.push(shown(text, parts[index]));
  });
  const found = new Set(mailboxes.map(mailboxKey));
  return { mailboxes, unreadable: [...unreadable, ...scan.doubtful.filter((each) => !isAmong(found, each))] };
}

// ── Characters to tokens ──

const ENCODED_WORD = /=\?[^\s?<>@]{1,64}\?[bq]\?[^\s?<>@]{0,1000}\?=/iy;
const SPECIALS = '<>,;:@';
const BLANKS = ' \t\r\n';

/** Null where a quote, a comment or a bracket is not closed, or a character stands where none may. */
function scanned(text: string): Scan | null {
  const tokens: Token[] = [];
  const doubtful: string[] = [];
  for (let at = 0; at < text.length; ) {
    const char = text.charAt(at);
    if (BLANKS.includes(char)) {
      at += 1;
      continue;
    }
    const end = endOf(text, at, char);
    if (end === null) return null;
    const token = text.slice(at, end);
    const last = tokens.at(-1);
    const touches = last?.end === at ? last.kind : null;
    if (char === '(') addressesIn(token, touches !== null || isAlone(text, end, last) ? 'odd' : 'comment', doubtful);
    else if (char === '"') {
      if (touches === 'word') return null; // `Ann" <…`: a quote that closes without an opening one
      addressesIn(token, 'quoted', doubtful);
      tokens.push({ kind: 'quoted', text: token, start: at, end });
    } else if (SPECIALS.includes(char)) tokens.push({ kind: 'special', text: token, start: at, end });
    else if (char === '[') tokens.push({ kind: 'literal', text: token, start: at, end });
    else {
      if (touches === 'quoted') return null;
      tokens.push({ kind: 'word', text: token, start: at, end });
    }
    at = end;
  }
  return { tokens, doubtful };
}

/** The end of the part that begins at `at`; null: it does not end, or no such part may begin there. */
function endOf(text: string, at: number, char: string): number | null {
  if (char === '"') return closedBy(text, at, '"');
  if (char === '(') return commentEnd(text, at);
  if (char === '[') return closedBy(text, at, ']');
  if (SPECIALS.includes(char)) return at + 1;
  ENCODED_WORD.lastIndex = at;
  if (char === '=' && ENCODED_WORD.test(text)) return ENCODED_WORD.lastIndex; // mailers leave commas and brackets in them
  let end = at;
  while (end < text.length && isWordCharacter(text.charCodeAt(end))) end += 1;
  return end > at ? end : null;
}

/** Quoted pairs are passed over (RFC 5322 §3.2.1). Nothing within may end the line. */
function closedBy(text: string, at: number, closing: string): number | null {
  for (let i = at + 1; i < text.length; i += 1) {
    const char = text.charAt(i);
    if (char === '\\') i += 1;
    else if (char === closing) return i + 1;
    else if (closing === ']' && char === '[') return null;
  }
  return null;
}

/** Comments stand in each other (RFC 5322 §3.2.2). */
function commentEnd(text: string, at: number): number | null {
  let depth = 0;
  for (let i = at; i < text.length; i += 1) {
    const char = text.charAt(i);
    if (char === '\\') i += 1;
    else if (char === '(') depth += 1;
    else if (char === ')') {
      depth -= 1;
      if (depth === 0) return i + 1;
    }
  }
  return null;
}

/** Atext and dots of RFC 5322, and all beyond ASCII but the C1 controls. */
function isWordCharacter(code: number): boolean {
  if (code >= 0x80) return code >= 0xa0;
  return code > 0x20 && code < 0x7f && !'()<>[]:;@\\,"'.includes(String.fromCharCode(code));
}

/**
 * Adds to `found` addresses that look as if they were meant. In quotes: `<…@…>`, and a comma behind it. In a comment:
 * in angle brackets, or beside a comma. In one that may be two smileys, because no blank stands before the bracket, or
 * that stands for itself: any.
 */
function addressesIn(text: string, within: 'quoted' | 'comment' | 'odd', found: string[]): void {
  if (!text.includes('@')) return;
  const lastComma = Math.max(text.lastIndexOf(','), text.lastIndexOf(';'));
  for (const { 0: word, index } of text.matchAll(/[^\s<>()",;:\\]+/g)) {
    if (!/^[^@]+@[^@]+\.[^@]+$/.test(word) || parseMailbox(word) === null) continue;
    let next = index + word.length;
    while (next < text.length && BLANKS.includes(text.charAt(next))) next += 1;
    let before = index - 1;
    while (before > 0 && BLANKS.includes(text.charAt(before))) before -= 1;
    const around = text.charAt(before) + text.charAt(next);
    const meant = within === 'quoted' ? around === '<>' && lastComma > next : /[<>,;]/.test(around);
    if (within === 'odd' || meant) found.push(word);
  }
}

/** Whether a comment that ends there is all that stands between two commas. */
function isAlone(text: string, end: number, last: Token | undefined): boolean {
  let next = end;
  while (next < text.length && BLANKS.includes(text.charAt(next))) next += 1;
  const separates = (char: string) => ',;:'.includes(char);
  return separates(text.charAt(next)) && (last === undefined || (last.kind === 'special' && separates(last.text)));
}

// ── Tokens to addresses ──

/**
 * The list's elements: between commas and semicolons, group names taken off. Null where the brackets or groups do not
 * fit.
 */
function partsOf(tokens: readonly Token[]): Token[][] | null {
  const parts: Token[][] = [];
  let part: Token[] = [];
  let angle = false;
  let group = false;
  for (const token of tokens) {
    const special = token.kind === 'special' ? token.text : '';
    if (special === '<' || special === '>') {
      if (angle === (special === '<')) return null;
      angle = special === '<';
    }
    if (angle || !',;:'.includes(special) || special === '') part.push(token);
    else if (special === ':') {
      const before = parts.at(-1) ?? []; // `A, B: …`: a name before a group's may be a piece of it
      if (group || part.length === 0 || !isPhrase(part) || (before.length > 0 && isPhrase(before))) return null;
      group = true;
      part = [];
    } else {
      if (special === ';') group = false; // outside a group some mailers separate by it
      parts.push(part);
      part = [];
    }
  }
  if (angle) return null;
  parts.push(part); // a group that is not closed ends with the field: "undisclosed-recipients:"
  return parts.filter((each) => each.length > 0);
}

type Element =
  /** `bracketed`: a display name may stand before it. */
  | { readonly kind: 'address'; readonly mailbox: Mailbox; readonly bracketed: boolean }
  /** A name without a domain, completed. */
  | { readonly kind: 'bare'; readonly mailbox: Mailbox }
  | { readonly kind: 'unreadable' };
const UNREADABLE: Element = { kind: 'unreadable' };

function elementOf(part: readonly Token[], domain: string): Element {
  const open = part.findIndex(({ kind, text }) => kind === 'special' && text === '<');
  if (open < 0) return addressOf(part, domain);
  const close = part.findIndex(({ kind, text }) => kind === 'special' && text === '>');
  if (close !== part.length - 1) return UNREADABLE; // the text after it was to be another recipient
  const read = addressOf(withoutRoute(part.slice(open + 1, close)), domain);
  if (read.kind === 'unreadable') return read;
  const name = part.slice(0, open);
  if (!isPhrase(name) && !repeats(name, read.mailbox)) return UNREADABLE;
  return { kind: 'address', mailbox: read.mailbox, bracketed: true };
}

/** `local@domain`, or a bare name. */
function addressOf(tokens: readonly Token[], domain: string): Element {
  const [local, at, host, ...more] = tokens;
  if (local === undefined || more.length > 0) return UNREADABLE;
  if (at === undefined) {
    const mailbox = BARE_NAME.test(local.text) ? parseMailbox(`${local.text}@${domain}`) : null;
    return mailbox === null ? UNREADABLE : { kind: 'bare', mailbox };
  }
  const isAddress = at.text === '@' && (local.kind === 'word' || local.kind === 'quoted') && host !== undefined;
  if (!isAddress || !(host.kind === 'word' || host.kind === 'literal')) return UNREADABLE;
  if (local.text.includes('=?')) return UNREADABLE; // an encoded word is never part of an address (RFC 2047 §5)
  const mailbox = parseMailbox(`${local.text}@${host.text}`);
  return mailbox === null ? UNREADABLE : { kind: 'address', mailbox, bracketed: false };
}

/**
 * A user of this machine, as cron and scripts name one. Anything else without a domain is more likely a piece of a
 * display name.
 */
const BARE_NAME = /^[A-Za-z0-9_][A-Za-z0-9_.+-]*$/;

/** `Smith, John <j@x>` names one person, not a user called Smith. `mixed`: full addresses stand in the same list. */
function isPartOfName(bare: Mailbox, next: Element | undefined, mixed: boolean): boolean {
  if (next?.kind === 'address' && next.bracketed) return true;
  return mixed && /[A-Z]/.test(bare.localPart) && !/^postmaster$/i.test(bare.localPart);
}

/** A display name: words, quoted strings, `[Team]`; nothing that could be an address. */
function isPhrase(tokens: readonly Token[]): boolean {
  return tokens.every(({ kind, text }) => kind !== 'special' && !(kind === 'literal' && text.includes('@')));
}

/** `ann@x.test <ann@x.test>`: the address stands as its own name. */
function repeats(name: readonly Token[], mailbox: Mailbox): boolean {
  const whole = name.every((token, i) => i === 0 || token.start === name[i - 1]?.end);
  return whole && isAmong(new Set([mailboxKey(mailbox)]), name.map(({ text }) => text).join(''));
}

/** `@relay.example,@other.example:ann@x.test`: a route is taken and not followed (RFC 5321 appendix C). */
function withoutRoute(tokens: Token[]): Token[] {
  if (tokens[0]?.text !== '@') return tokens;
  const colon = tokens.findIndex(({ kind, text }) => kind === 'special' && text === ':');
  const isRoute = tokens
    .slice(0, Math.max(0, colon))
    .every((token, i) => (i % 3 === 0 ? token.text === '@' : i % 3 === 1 ? token.kind === 'word' : token.text === ','));
  return colon > 0 && colon % 3 === 2 && isRoute ? tokens.slice(colon + 1) : tokens;
}

function isAmong(keys: ReadonlySet<string>, text: string): boolean {
  const mailbox = parseMailbox(text.replace(/^'(.*)'$/s, '$1'));
  return mailbox !== null && keys.has(mailboxKey(mailbox));
}

function shown(text: string, part: readonly Token[] | undefined): string {
  return text.slice(part?.[0]?.start ?? 0, part?.at(-1)?.end ?? text.length);
}
