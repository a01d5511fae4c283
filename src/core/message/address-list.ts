// Reads the value of an address field (From, Reply-To, To, Cc: RFC 5322 §3.4). It reads a valid value strictly and a
// broken one leniently, so that a smiley in a name loses no address. All work is linear in the value. It never decides
// what a field should say.

import { type Mailbox, parseMailbox } from './address.ts';
import { plainText } from './field-text.ts';

export type ListEntry =
  | { readonly kind: 'mailbox'; readonly name: string; readonly mailbox: Mailbox }
  /** Text that stands in an address's place and is no address, as people read it. */
  | { readonly kind: 'text'; readonly text: string };
export type AddressList = {
  readonly entries: readonly ListEntry[];
  /**
   * By the grammar, groups and obsolete forms included. False: this address was put together from a broken value, and
   * other readers may find another one.
   */
  readonly wellFormed: boolean;
  /** No address had obsolete blanks, a route or a final dot taken off. */
  readonly asWritten: boolean;
  readonly groups: number;
  /**
   * By the grammar that mail is written in today, and nothing beside the mailboxes that some reader may take for one.
   */
  readonly plain: boolean;
};

/** `value` as decoded text, folded or not. At most `entriesMax` entries are read. */
export function readAddressList(value: string, entriesMax = Number.POSITIVE_INFINITY): AddressList {
  const text = value.replace(/[\r\n\0]+/g, ' ');
  const strict = strictEntries(text, entriesMax);
  if (strict !== null) return { ...strict, wellFormed: true };
  return { entries: piecedEntries(text, entriesMax), wellFormed: false, asWritten: false, groups: 0, plain: false };
}

// ── By the grammar ──────────────────────────────────────────────────────────────────────────────────────────────────

type Element = {
  /** Before the angle bracket, or the whole where there is none: comments taken out. */
  words: string;
  comment: string;
  angle: string | null;
  /** Its first index in the text. */
  from: number;
  /** A comment holds text that some reader may take for another address. */
  decoy: boolean;
  /** An at sign stands among the words, outside of quotes. */
  wordsAt: boolean;
};
function elementAt(from: number): Element {
  return { words: '', comment: '', angle: null, from, decoy: false, wordsAt: false };
}

/** Null where the value is no address list. */
function strictEntries(text: string, entriesMax: number): Omit<AddressList, 'wellFormed'> | null {
  const entries: ListEntry[] = [];
  let element = elementAt(0);
  let inGroup = false;
  let groups = 0;
  let asWritten = true;
  let plain = true;
  const close = (end: number): boolean => {
    const entry = strictEntry(element);
    asWritten &&=
      entry === null || entry === 'empty' || (element.angle ?? element.words).trim() === entry.mailbox.address;
    plain &&= isPlain(element, entry, text.slice(element.from, end));
    element = elementAt(end);
    if (entry === null) return false;
    if (entry !== 'empty') entries.push(entry);
    return true;
  };
  for (let at = 0; at < text.length && entries.length < entriesMax; ) {
    const char = text.charAt(at);
    const end = unitEnd(text, at);
    if (end === null) return null;
    const unit = text.slice(at, end);
    at = end;
    if (char === '(') {
      if (element.comment === '') element.comment = unit.slice(1, -1);
      element.decoy ||= /[@<>"\\]/.test(unit);
      continue;
    }
    if (char === '<') {
      if (element.angle !== null) return null;
      element.angle = unit.slice(1, -1);
      continue;
    }
    if (char === ',' || char === ';') {
      if (!close(at) || (char === ';' && !inGroup)) return null;
      if (char === ';') inGroup = false;
      continue;
    }
    if (char === ':') {
      if (inGroup || element.angle !== null || element.words.trim() === '') return null;
      inGroup = true;
      groups += 1;
      element = elementAt(at);
      continue;
    }
    if (char === ')' || char === '>') return null;
    if (element.angle !== null && unit.trim() !== '') return null;
    element.words += unit;
    element.wordsAt ||= char !== '"' && unit.includes('@');
  }
  if (entries.length < entriesMax && (!close(text.length) || inGroup)) return null;
  return { entries, asWritten, groups, plain: plain && asWritten && groups === 0 };
}

/** `raw` is the element as it stands in the text: a comment within the address parts it there. */
function isPlain(
  { words, angle, decoy, wordsAt }: Element,
  entry: ReturnType<typeof strictEntry>,
  raw: string,
): boolean {
  if (entry === null || entry === 'empty' || decoy) return false;
  const { address, domainKey } = entry.mailbox;
  if (angle !== null && wordsAt && !namesOnly(words, domainKey)) return false;
  // Some readers decode an encoded word here too, and end the address inside its hidden text.
  return raw.includes(address) && !address.includes('=?') && !/^"[^"]*[@<>,;:\\]/.test(address);
}

/** `ann@example.com <ann@example.com>`, as programs write it: each reader finds an author of one domain. */
function namesOnly(words: string, domainKey: string): boolean {
  const addresses = words.split(/\s+/).filter((word) => word.includes('@'));
  return addresses.every((word) => !word.includes('=?') && parseMailbox(word)?.domainKey === domainKey);
}

function strictEntry({ words, comment, angle }: Element): Extract<ListEntry, { kind: 'mailbox' }> | 'empty' | null {
  const bare = words.trim();
  if (angle === null && bare === '') return 'empty';
  const mailbox = parseMailbox(withoutBlanks(withoutRoute(angle ?? bare)));
  if (mailbox === null) return null;
  return { kind: 'mailbox', name: nameOf(angle === null || bare === '' ? comment : bare), mailbox };
}

/**
 * Where the quoted string, comment, literal, bracketed address or run of other characters at `at` ends; null where it
 * has no end.
 */
function unitEnd(text: string, at: number): number | null {
  switch (text.charAt(at)) {
    case '"':
      return closing(text, at + 1, '"');
    case '[':
      return closing(text, at + 1, ']');
    case '<':
      return angleEnd(text, at + 1);
    case '(':
      return commentEnd(text, at);
    case ',':
    case ';':
    case ':':
    case ')':
    case '>':
      return at + 1;
    default: {
      let end = at + 1;
      while (end < text.length && !'"[<(,;:)>'.includes(text.charAt(end))) end += 1;
      return end;
    }
  }
}

function closing(text: string, from: number, by: string): number | null {
  for (let at = from; at < text.length; at += 1) {
    if (text.charAt(at) === '\\') at += 1;
    else if (text.charAt(at) === by) return at + 1;
  }
  return null;
}

function angleEnd(text: string, from: number): number | null {
  for (let at = from; at < text.length; at += 1) {
    const char = text.charAt(at);
    if (char === '>') return at + 1;
    if (char === '<') return null;
    if (char !== '"') continue;
    const end = closing(text, at + 1, '"');
    if (end === null) return null;
    at = end - 1;
  }
  return null;
}

/** Comments stand in each other (RFC 5322 §3.2.2). */
function commentEnd(text: string, from: number): number | null {
  let depth = 0;
  for (let at = from; at < text.length; at += 1) {
    const char = text.charAt(at);
    if (char === '\\') at += 1;
    else if (char === '(') depth += 1;
    else if (char === ')') {
      depth -= 1;
      if (depth === 0) return at + 1;
    }
  }
  return null;
}

// ── Pieced together ─────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * The addresses of a broken value: each bracketed address with the words before it, and every address among the rest.
 * Quotes, brackets and parentheses without a partner are words. A comma outside of quotes always ends an entry, so that
 * no address becomes a part of another's name.
 */
function piecedEntries(text: string, entriesMax: number): ListEntry[] {
  const entries: ListEntry[] = [];
  let from = 0;
  let end = -1;
  for (let open = text.indexOf('<'); open !== -1 && entries.length < entriesMax; ) {
    const nextOpen = text.indexOf('<', open + 1);
    if (end < open) end = text.indexOf('>', open);
    if (end === -1) break;
    const inner = nextOpen !== -1 && nextOpen < end ? [] : mailboxesAmong(text.slice(open + 1, end).split(/[,;]/));
    if (inner.length > 0) {
      const pieces = piecesOf(text.slice(from, open));
      const name = brokenNameOf(pieces.pop() ?? '');
      for (const piece of pieces) for (const entry of bareEntries(piece)) entries.push(entry);
      for (const mailbox of inner) entries.push({ kind: 'mailbox', name, mailbox });
      from = end + 1;
    }
    open = nextOpen;
  }
  for (const piece of piecesOf(text.slice(from))) for (const entry of bareEntries(piece)) entries.push(entry);
  return entries.slice(0, entriesMax);
}

/** Split at commas and semicolons outside of quoted strings; a quote without a partner is a character like others. */
function piecesOf(text: string): string[] {
  const pieces: string[] = [];
  let from = 0;
  let paired = true; // once a quote has no partner, none behind it has one
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charAt(at);
    if (char === '"' && paired) {
      const end = closing(text, at + 1, '"');
      if (end === null) paired = false;
      else at = end - 1;
    } else if (char === ',' || char === ';') {
      pieces.push(text.slice(from, at));
      from = at + 1;
    }
  }
  return [...pieces, text.slice(from)];
}

function bareEntries(piece: string): ListEntry[] {
  let words = piece.split(/\s+/);
  let found = mailboxesAmong(words);
  if (found.length === 0) {
    words = piece.split(/[\s<>()"]+/);
    found = mailboxesAmong(words);
  }
  if (found.length > 0) {
    const name = brokenNameOf(words.filter((word) => !word.includes('@')).join(' '));
    return found.map((mailbox) => ({ kind: 'mailbox', name, mailbox }));
  }
  const text = brokenNameOf(piece);
  return /[\p{L}\p{N}]/u.test(text) ? [{ kind: 'text', text }] : [];
}

function mailboxesAmong(words: readonly string[]): Mailbox[] {
  return words.flatMap((word) => {
    if (!word.includes('@') || word.length > ADDRESS_CHARS_READ) return [];
    const bare = trimmedOf(withoutBlanks(withoutRoute(word)));
    // Behind a colon: `mailto:`, a group's name.
    const mailbox = parseMailbox(bare) ?? parseMailbox(bare.slice(bare.lastIndexOf(':') + 1));
    return mailbox === null ? [] : [mailbox];
  });
}

const EDGES = '<>()[]\'",;:.';
/** Without the punctuation around it; an address literal keeps its bracket, a quoted local part its quotes. */
function trimmedOf(word: string): string {
  const quoteEnd = word.indexOf('"@');
  let from = 0;
  let to = word.length;
  while (from < to && EDGES.includes(word.charAt(from)) && !(word.charAt(from) === '"' && quoteEnd > from)) from += 1;
  while (to > from && EDGES.includes(word.charAt(to - 1)) && !(word.charAt(to - 1) === ']' && word.includes('@[')))
    to -= 1;
  return word.slice(from, to);
}

// ── Words ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The part of a display name that people can use. */
const NAME_CHARS_READ = 2_000;
/** More than any address has, its blanks and its route included. */
const ADDRESS_CHARS_READ = 1_200;

function nameOf(words: string): string {
  return plainText(unquoted(words.trim().slice(0, NAME_CHARS_READ)));
}

/** Without the brackets and quotes that have lost their partner. A smiley stays. */
function brokenNameOf(words: string): string {
  const name = nameOf(words).replace(/["<>]/g, '').trim();
  return name.startsWith('(') && name.endsWith(')') ? name.slice(1, -1).trim() : name;
}

function unquoted(text: string): string {
  let out = '';
  let from = 0;
  for (let open = text.indexOf('"'); open !== -1; open = text.indexOf('"', from)) {
    const end = closing(text, open + 1, '"');
    if (end === null) break;
    out += text.slice(from, open) + text.slice(open + 1, end - 1).replace(/\\(.)/gs, '$1');
    from = end;
  }
  return out + text.slice(from);
}

/** RFC 5322 §4.4: `@a.example,@b.example:user@c.example`. */
function withoutRoute(path: string): string {
  const bare = path.trim();
  return bare.startsWith('@') ? bare.slice(bare.indexOf(':') + 1) : bare;
}

/**
 * Obsolete forms have blanks around dots and the at sign; within quotes they belong to the address. A final dot is the
 * DNS's, not mail's.
 */
function withoutBlanks(path: string): string {
  if (path.length > ADDRESS_CHARS_READ) return path;
  const quoted = path.startsWith('"') ? (closing(path, 1, '"') ?? 0) : 0;
  const words = path.slice(quoted).trim().split(/\s+/);
  let bare = '';
  for (const word of words) bare += bare === '' || /[@.]$/.test(bare) || /^[@.]/.test(word) ? word : ` ${word}`;
  return path.slice(0, quoted) + (bare.endsWith('.') ? bare.slice(0, -1) : bare);
}
