// Reads the author of a message for decisions of trust: in whose name SES may sign, and what a submitter may send. It
// is strict where core/message/authors.ts is lenient: a From field counts only where every reader finds the same
// authors in it. It decides nothing (core/message/author-trust.ts does). All work is linear in the header section; of
// each field it reads no more than can name authors.

import { isUtf8 } from 'node:buffer';
import { authorFieldCharsMax, domainOctetsMax } from '#core/limits.ts';
import type { Mailbox } from './address.ts';
import { readAddressList } from './address-list.ts';
import { authorsIn, authorsMax } from './authors.ts';
import { toDomainKey } from './domain-key.ts';
import { decodeUnlabelled, plainText } from './field-text.ts';
import { type HeaderField, type HeaderSection, headerSection } from './header.ts';
import { linesNamed } from './lines-named.ts';
import { isAscii } from './text-encoding.ts';

export type FromReading = {
  /** The authors, where they are certain. Empty: no author is known, and the message counts as a stranger's. */
  readonly authors: readonly Mailbox[];
  /** Why they are not certain; null where they are. */
  readonly doubt: FromDoubt | null;
  /** Domains, as A-labels, of which some reader may find an author: more than the authors', where there is a doubt. */
  readonly domains: readonly string[];
  /** The field is longer than the limit: the rest may name an author of any domain. */
  readonly unread?: true;
};
export type FromDoubt = 'no-from-field' | 'several-from-fields' | 'from-unclear';

/** Of the message that `bytes` begin with: at least its whole header section, or `headerBytesMax` of it. */
export function readFrom(bytes: Uint8Array, section: HeaderSection = headerSection(bytes)): FromReading {
  const { values, hidden, open } = linesNamed(bytes, section, 'from');
  const texts = values.map((value) => decodeUnlabelled(value.subarray(0, authorFieldCharsMax)));
  return readingOf(texts, {
    hidden,
    unread: open || values.some(({ length }) => length > authorFieldCharsMax),
    labelled: values.every((value) => isUtf8(value)),
  });
}

/** The same of fields that SES's receipt gives. A line that is a field to others alone cannot be seen there. */
export function readFromIn(fields: readonly HeaderField[]): FromReading {
  const values = fields.filter(({ name }) => /^from$/i.test(name)).map(({ value }) => value);
  const unread = values.some(({ length }) => length > authorFieldCharsMax);
  return readingOf(
    values.map((value) => value.slice(0, authorFieldCharsMax)),
    { hidden: false, unread, labelled: true },
  );
}

type Circumstances = {
  readonly hidden: boolean;
  readonly unread: boolean;
  /** Its octets are UTF-8 (RFC 6532). Others may stand in a name, where a wrong guess at their charset does no harm. */
  readonly labelled: boolean;
};

function readingOf(given: readonly string[], { hidden, unread, labelled }: Circumstances): FromReading {
  const values = given.map((value) => value.trim());
  const [value = ''] = values;
  if (values.length === 0) return doubtful(hidden ? 'from-unclear' : 'no-from-field', [], unread);
  if (values.length > 1) return doubtful('several-from-fields', values, unread);
  const list = unread || hidden || OTHER_LINES.test(value) ? null : readAddressList(value, authorsMax);
  if (!list?.plain || list.entries.length === 0 || list.entries.length === authorsMax)
    return doubtful('from-unclear', values, unread);
  const authors = authorsIn(list).map(({ mailbox }) => mailbox);
  if (!labelled && !authors.every(({ address }) => isAscii(address))) return doubtful('from-unclear', values, unread);
  return { authors, doubt: null, domains: authors.map(({ domainKey }) => domainKey) };
}
/** Characters that some readers take for the end of a line. */
const OTHER_LINES = /\r(?!\n)|\0/;

function doubtful(doubt: FromDoubt, given: readonly string[], unread: boolean): FromReading {
  const values = given.slice(0, FIELDS_READ);
  const pieces = new Set(values.flatMap((value) => versionsOf(value).flatMap((text) => piecesOf(text))));
  const isUnread =
    unread || given.length > FIELDS_READ || values.some((value) => value.split('@').length > AT_SIGNS_MAX);
  const domains = [...new Set([...pieces].flatMap(domainsOf))];
  return { authors: [], doubt, domains, ...(isUnread ? { unread: true } : {}) };
}
/** More From fields than any mail reader shows. */
const FIELDS_READ = 20;
/** More than fifty authors and their names have: each costs a look at a domain. */
const AT_SIGNS_MAX = 500;

/**
 * The value as different readers may have it: as it is or with its encoded words decoded, also in the place of an
 * address; with or without comments; without the characters that some readers drop. Characters that look like others of
 * ASCII are those (NFKC).
 */
function versionsOf(value: string): string[] {
  return [value, plainText(value)].flatMap((given) => {
    const text = given.normalize('NFKC');
    const bare = withoutComments(text);
    const dense = bare.replace(DROPPED_BY_SOME, '').replace(/\.{2,}/g, '.');
    return [text, bare, dense, dense.replace(/[^\x00-\x7F]/g, '')];
  });
}
const DROPPED_BY_SOME = /[\s\p{Cc}\p{Cf}"\\[\]]/gu;

/** A parenthesis without a partner is a character like others: one in quotes must not hide the text after it. */
function withoutComments(text: string): string {
  const kept: string[] = [];
  const open: number[] = [];
  for (let at = 0; at < text.length; at += 1) {
    const char = text.charAt(at);
    const from = char === ')' ? open.pop() : undefined;
    if (from !== undefined) {
      kept.length = from;
      continue;
    }
    if (char === '(') open.push(kept.length);
    kept.push(char);
    if (char === '\\') kept.push(text.charAt(++at));
  }
  return kept.join('');
}

/** The text after each at sign, as far as a domain can go. */
function piecesOf(text: string): string[] {
  return text
    .split('@', AT_SIGNS_MAX)
    .slice(1)
    .map((piece) => piece.slice(0, domainOctetsMax * 2));
}

/** Text that may be read as a domain: behind a route, before a final dot, before a character that no name can have. */
function domainsOf(piece: string): string[] {
  const text = piece
    .replace(/\s+/g, ' ')
    .replace(/ ?\. ?/g, '.')
    .trimStart();
  const [name = ''] = /^[a-z0-9_.\u{80}-\u{10FFFF}-]*/iu.exec(text) ?? [];
  const [ascii = ''] = /^[a-z0-9_.-]*/i.exec(name) ?? [];
  const keys = [keyOf(name), keyOf(ascii)];
  return keys.filter((key) => key !== null);
}

function keyOf(name: string): string | null {
  return toDomainKey(name.replace(/^\.+|\.+$/g, ''));
}
