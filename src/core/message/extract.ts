// The part of a header section that the ledger keeps, for notices and searches: a few fields, decoded, 600 bytes
// together. Ingest calls it. It never holds the envelope, which is not in the header section.

import { extractBytesMax, fieldTextBytesMax } from '#core/limits.ts';
import { sameMailbox } from './address.ts';
import { cutText, plainText } from './field-text.ts';
import { readFromIn } from './from-field.ts';
import { namedIn } from './from-text.ts';
import type { HeaderField } from './header.ts';

/** The part of the header section that is kept for notices and searches: together at most 600 bytes (limits.ts). */
export type Extract = {
  readonly from: string | null;
  readonly to: string | null;
  readonly date: string | null;
  readonly subject: string | null;
  readonly messageIdField: string | null;
  readonly autoSubmitted: string | null;
  /**
   * `from`, decoded and cut, names another domain or address than the author's, or there is no one author: it proves
   * nothing about an author.
   */
  readonly fromMisleads?: true;
  /** A List-* field, or Precedence: list, bulk or junk: no delay notices for such (core/notice/permission.ts). */
  readonly listMail?: true;
  /** It bears an X-Everpost-Notice that our own key signed: a notice of ours that came back. */
  readonly ownNotice?: true;
};

/**
 * The limit of each part in bytes of UTF-8, in the order in which they are filled; a part's unused bytes go to the next
 * ones. Their sum is `extractBytesMax`.
 */
const SHARES = { messageIdField: 250, autoSubmitted: 32, date: 48, from: 100, subject: 110, to: 60 } as const;

/**
 * From fields as SES's receipt or `headerFieldsOf` gives them: the first of each name counts. `subject: false` leaves
 * it out.
 */
export function extractOf(fields: readonly HeaderField[], choice: { readonly subject: boolean }): Extract {
  const raw = firstOfEach(fields);
  let spare = extractBytesMax - Object.values(SHARES).reduce((sum, share) => sum + share, 0);
  const take = (name: string, share: number, whole = false): string | null => {
    spare += share;
    const text = plainText((raw.get(name) ?? '').slice(0, fieldTextBytesMax));
    const kept = cutText(text, spare);
    // An identity cut short is another identity.
    if (kept === '' || (whole && kept !== text)) return null;
    spare -= Buffer.byteLength(kept);
    return kept;
  };
  const messageIdField = take('message-id', SHARES.messageIdField, true);
  const autoSubmitted = take('auto-submitted', SHARES.autoSubmitted);
  const date = take('date', SHARES.date);
  const from = take('from', SHARES.from);
  const subject = choice.subject ? take('subject', SHARES.subject) : null;
  const to = take('to', SHARES.to);
  return {
    ...{ from, to, date, subject, messageIdField, autoSubmitted },
    ...(from !== null && misleads(from, fields) ? { fromMisleads: true } : {}),
    ...(isListMail(fields) ? { listMail: true } : {}),
  };
}

/**
 * A text that names no domain misleads no reader. A text that does must name the author's, and where it names an
 * address, the author's own: an encoded word or a long name may have put another one in its place.
 */
function misleads(text: string, fields: readonly HeaderField[]): boolean {
  const [named] = namedIn(text);
  if (named === undefined) return false;
  const { authors } = readFromIn(fields);
  const [author] = authors;
  if (authors.length !== 1 || author === undefined || named.domainKey !== author.domainKey) return true;
  return named.mailbox !== null && !sameMailbox(named.mailbox, author);
}

/** RFC 2919, RFC 2369; RFC 3834 §2 on Precedence, which mail of the old kind has alone. */
function isListMail(fields: readonly HeaderField[]): boolean {
  return fields.some(
    ({ name, value }) =>
      /^list-[a-z]+$/i.test(name) || (/^precedence$/i.test(name) && /^\s*(list|bulk|junk)\s*$/i.test(value)),
  );
}

const WANTED = new Set(['message-id', 'auto-submitted', 'date', 'from', 'subject', 'to']);

function firstOfEach(fields: readonly HeaderField[]): Map<string, string> {
  const first = new Map<string, string>();
  for (const { name, value } of fields) {
    const key = name.length <= 'auto-submitted'.length ? name.toLowerCase() : '';
    if (WANTED.has(key) && !first.has(key)) first.set(key, value);
    if (first.size === WANTED.size) break;
  }
  return first;
}
