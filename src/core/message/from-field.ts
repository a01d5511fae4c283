// Who wrote a message, read for decisions of trust: in whose name SES may sign, and what a submitter may send. Strict, where core/message/authors.ts
// forgives: a From field counts only where every reader finds the same authors in it. It decides nothing (core/message/author-trust.ts does).
// All work is linear in the header section; of each field no more is read than can name authors.

import { authorFieldCharsMax, domainOctetsMax } from '#core/limits.ts';
import type { Mailbox } from './address.ts';
import { readAddressList } from './address-list.ts';
import { authorsIn, authorsMax } from './authors.ts';
import { toDomainKey } from './domain-key.ts';
import { decodeUnlabelled } from './field-text.ts';
import { type HeaderField, type HeaderSection, headerSection } from './header.ts';
import { linesNamed } from './lines-named.ts';

export type FromReading = {
  /** The authors, where they are certain. Empty: nobody is known to have written it, and it counts as a stranger's. */
  readonly authors: readonly Mailbox[];
  /** Why they are not certain; null where they are. */
  readonly doubt: FromDoubt | null;
  /** Domains, as A-labels, of which some reader may find an author: more than the authors', where there is a doubt. */
  readonly domains: readonly string[];
};
export type FromDoubt = 'no-from-field' | 'several-from-fields' | 'from-unclear';

/** Of the message that `bytes` begin with: at least its whole header section, or `headerBytesMax` of it. */
export function readFrom(bytes: Uint8Array, section: HeaderSection = headerSection(bytes)): FromReading {
  const { values, hidden } = linesNamed(bytes, section, 'from');
  return readingOf(
    values.map((value) => decodeUnlabelled(value.subarray(0, authorFieldCharsMax + 1))),
    hidden,
  );
}

/** The same of fields that SES's receipt gives. A line that is a field to others alone cannot be seen there. */
export function readFromIn(fields: readonly HeaderField[]): FromReading {
  const named = fields.filter(({ name }) => /^from$/i.test(name));
  return readingOf(
    named.map(({ value }) => value),
    false,
  );
}

function readingOf(given: readonly string[], hidden: boolean): FromReading {
  const values = given.map((value) => value.slice(0, authorFieldCharsMax).trim());
  const [value = ''] = values;
  if (values.length === 0) return doubtful(hidden ? 'from-unclear' : 'no-from-field', []);
  if (values.length > 1) return doubtful('several-from-fields', values);
  const isWhole = (given[0]?.length ?? 0) <= authorFieldCharsMax;
  const list = isWhole && !hidden && !OTHER_LINES.test(value) ? readAddressList(value, authorsMax) : null;
  if (!list?.plain || list.entries.length === 0 || list.entries.length === authorsMax)
    return doubtful('from-unclear', values);
  const authors = authorsIn(list).map(({ mailbox }) => mailbox);
  return { authors, doubt: null, domains: authors.map(({ domainKey }) => domainKey) };
}
/** What some readers take for the end of a line. */
const OTHER_LINES = /\r(?!\n)|\0/;

function doubtful(doubt: FromDoubt, values: readonly string[]): FromReading {
  return { authors: [], doubt, domains: [...new Set(values.slice(0, FIELDS_READ).flatMap(domainsIn))] };
}
/** More From fields than anybody shows. */
const FIELDS_READ = 20;

/** Whatever stands behind an at sign and may be read as a domain: behind a route, before a final dot, in a comment, parted by one. */
function domainsIn(value: string): string[] {
  const pieces = [value, value.replace(/\([^()]*\)/g, '')].flatMap((text) => text.split('@').slice(1));
  return pieces.flatMap((piece) => {
    const text = piece
      .slice(0, domainOctetsMax * 2)
      .replace(/\s+/g, ' ')
      .replace(/ ?\. ?/g, '.')
      .trimStart();
    const key = toDomainKey(/^[a-z0-9_.\u{80}-\u{10FFFF}-]*/iu.exec(text)?.[0].replace(/^\.+|\.+$/g, '') ?? '');
    return key === null ? [] : [key];
  });
}
