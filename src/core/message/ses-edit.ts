// Edits the header section of a message so that SES takes it (docs/aws-contracts.md §2.2 to §2.4). The author stays
// where core/message/author-trust.ts trusts him; otherwise the field names him so that people can read it. Fields that
// SES interprets or refuses are removed or corrected; the rest stays. It splices fields, and never looks at, moves or
// changes the body. Total: any bytes give a header section, in linear time.

import { authorFieldCharsMax, strayLinesKeptMax } from '#core/limits.ts';
import { parseMailbox } from './address.ts';
import { type AuthorDecision, type AuthorEvidence, authorDecision } from './author-trust.ts';
import { type Author, addressField, asciiAddressOf, authorsMax, authorsOf, mailboxText } from './authors.ts';
import { fieldLines } from './field-lines.ts';
import { decodeUnlabelled, plainText } from './field-text.ts';
import { readFrom } from './from-field.ts';
import { type Field, type HeaderSection, headerSection } from './header.ts';
import { mendedAddressField, sesMailboxText } from './ses-address.ts';
import { signingDomains } from './signing-domains.ts';
import { encodedWords, isAscii, oneLine } from './text-encoding.ts';

export type SesTerms = {
  /** Those that SES has verified for us; their sub-domains are so too. */
  readonly domains: readonly string[];
  /** `notices.from`: the address that authors of other domains are written over. */
  readonly noticesFrom: string;
  /** The proof of the author: without it SES signs in no author's name. */
  readonly evidence: AuthorEvidence;
};
export type SesEdit = {
  /** For FromEmailAddress: the address that the From field has now, ASCII. */
  readonly from: string;
  readonly kept: boolean;
  /** Why the author was kept, or written anew. */
  readonly why: AuthorDecision['why'] | 'not-ascii';
  /** The new header section with its empty line. */
  readonly header: Uint8Array;
  /** Where in the given bytes the body begins, which follows unchanged. */
  readonly bodyStart: number;
};

/** Of a message with several From fields, which RFC 5322 §3.6 forbids: more than mail readers show. */
const FROM_FIELDS_KEPT = 10;
const NAME_CHARS_MAX = 120;
/** The part of a From without an author in which a name is searched. */
const NAME_CHARS_READ = 4_000;

/**
 * Fields that are always removed: SES interprets them, checks them against its identities or lets them spoil its
 * signature, or the recipient must not see them.
 */
const DROPPED = /^(?:x-ses-.*|feedback-id|return-path|bcc|resent-bcc|arc-.*|x-original-from|x-original-message-id)$/;
/** Signatures of a From that is not there any more. */
const DROPPED_WITH_FROM = /^(?:dkim-signature|domainkey-signature)$/;

/** Fields that SES refuses to see twice (docs/aws-contracts.md §2.4, no. 1). */
const ONCE: ReadonlySet<string> = new Set(
  `accept-language acceptlanguage archived-at auto-submitted bounces-to comments content-alternative content-base content-class
  content-description content-disposition content-duration content-id content-language content-length content-location content-md5
  content-transfer-encoding content-type date delivered-to disposition-notification-options disposition-notification-to
  dkim-signature domainkey-signature errors-to from importance in-reply-to keywords list-archive list-help list-id list-owner
  list-post list-subscribe list-unsubscribe message-context message-id mime-version organization original-from
  original-message-id original-recipient original-subject precedence priority references reply-to return-path return-receipt-to
  sender solicitation sensitivity subject thread-index thread-topic user-agent vbr-info`.split(/\s+/),
);

/** The change of the body, where its lines are too long for SES (core/message/reencode.ts). */
export type BodyChange = {
  /**
   * The new Content-Transfer-Encoding of a message that is one part; null: parts have theirs, and the message's own
   * stays.
   */
  readonly encoding: string | null;
};

/**
 * The header section for SES of the message that `bytes` begin with; at least its whole header section, or
 * `headerBytesMax` of it.
 */
export function sesEdit(
  bytes: Uint8Array,
  terms: SesTerms,
  section: HeaderSection = headerSection(bytes),
  body: BodyChange | null = null,
): SesEdit {
  const from = parseMailbox(terms.noticesFrom);
  if (from === null) throw new Error('notices.from is no address: src/config/check.ts');
  const found = section.fields;
  const decision = decided(bytes, section, terms);
  const { kept } = decision;

  const seen = new Set<string>();
  const out: string[] = [];
  for (const field of found) {
    const { name } = field;
    if (isDropped(name, kept, body) || (ONCE.has(name) && seen.has(name))) continue;
    seen.add(name);
    if ((name === 'from' || name === 'reply-to') && !kept) continue; // written anew below
    if (name === 'sender')
      out.push(renamed(bytes, field, 'X-Original-Sender')); // SES wants it verified, and it hardly ever is
    else if (READ_BY_SES.test(name)) out.push(addressLines(bytes, field));
    else out.push(renamed(bytes, field, nameOf(bytes, field)));
    if (name === 'message-id') out.push(renamed(bytes, field, 'X-Original-Message-ID')); // SES writes its own
  }
  if (!kept) {
    const fromFields = found.filter(({ name }) => name === 'from').slice(0, FROM_FIELDS_KEPT);
    const values = fromFields.map((field) => textOf(bytes, field));
    const authors = values.flatMap((value) => authorsOf(value)).slice(0, authorsMax);
    const via = `${describe(authors, values[0] ?? '')} via ${from.domainKey}`;
    out.push(addressField('From', [mailboxText(via, from) ?? `<${asciiAddressOf(from)}>`]));
    out.push(
      ...replyTo(
        authors,
        textOf(
          bytes,
          found.find(({ name }) => name === 'reply-to'),
        ),
      ),
    );
    for (const field of fromFields) out.push(renamed(bytes, field, 'X-Original-From'));
  }
  out.push(...strayFields(bytes, section));
  if (body?.encoding) {
    if (!seen.has('mime-version')) out.push('MIME-Version: 1.0\r\n');
    out.push(`Content-Transfer-Encoding: ${body.encoding}\r\n`);
  }
  return {
    from: asciiAddressOf(decision.kept ? decision.author : from),
    kept,
    why: decision.why,
    header: Buffer.from(`${out.join('')}\r\n`, 'latin1'),
    bodyStart: section.bodyStart,
  };
}

/** SES's addresses are ASCII (docs/aws-contracts.md §2.2). */
function decided(
  bytes: Uint8Array,
  section: HeaderSection,
  { domains, evidence }: SesTerms,
): AuthorDecision | { readonly kept: false; readonly why: 'not-ascii' } {
  const decision = authorDecision(readFrom(bytes, section), evidence, domains, () => signingDomains(bytes, section));
  return decision.kept && !isAscii(decision.author.localPart) ? { kept: false, why: 'not-ascii' } : decision;
}

/** Fields that SES reads as addresses. */
const READ_BY_SES = /^(?:from|reply-to|to|cc)$/;

function isDropped(name: string, kept: boolean, body: BodyChange | null): boolean {
  if (DROPPED.test(name)) return true;
  if (DROPPED_WITH_FROM.test(name)) return !kept || body !== null; // signatures over removed fields
  if (name === 'content-transfer-encoding') return body?.encoding != null;
  return name === 'content-length' && body !== null;
}

/** Lines that are no field, kept as one: as a line of the header section they would end it for others (Postfix). */
function strayFields(bytes: Uint8Array, { strays }: HeaderSection): string[] {
  return strays.slice(0, strayLinesKeptMax).map(({ start, end }) => {
    const text = oneLine(
      decodeUnlabelled(bytes.subarray(start, Math.min(end, start + STRAY_BYTES_READ))),
      NAME_CHARS_MAX * 2,
    );
    return fieldLines('X-Original-Line', ` ${isAscii(text) ? text : encodedWords(text)}`);
  });
}
const STRAY_BYTES_READ = 1_000;

/** Decoded, and no more of it than can name authors. */
function textOf(bytes: Uint8Array, field: Field | undefined): string {
  if (field === undefined) return '';
  const end = Math.min(field.end, field.valueStart + authorFieldCharsMax);
  return decodeUnlabelled(bytes.subarray(field.valueStart, end)).trim();
}

function addressLines(bytes: Uint8Array, field: Field): string {
  const name = nameOf(bytes, field);
  const value = decodeUnlabelled(bytes.subarray(field.valueStart, field.end));
  return mendedAddressField(name, value) ?? renamed(bytes, field, name);
}

/** `Ann (ann@src.example)`, so that the reader sees both the author's name and the address. */
function describe(authors: readonly Author[], raw: string): string {
  const [author] = authors;
  if (author === undefined)
    return oneLine(plainText(raw.slice(0, NAME_CHARS_READ)), NAME_CHARS_MAX) || 'unknown author';
  const { address } = author.mailbox;
  const named = author.name === '' || author.name === address ? address : `${author.name} (${address})`;
  const others = authors.length > 1 ? ` and ${authors.length - 1} more` : '';
  return oneLine(named, NAME_CHARS_MAX) + others;
}

/** Answers go to whom the author named, and to the author. */
function replyTo(authors: readonly Author[], existing: string): string[] {
  const all = [...authorsOf(existing), ...authors];
  const texts = new Map<string, string>();
  for (const { name, mailbox } of all) {
    const key = `${mailbox.localPart.toLowerCase()}@${mailbox.domainKey}`;
    const text = sesMailboxText(name, mailbox);
    if (text !== null && !texts.has(key)) texts.set(key, text);
  }
  return texts.size === 0 ? [] : [addressField('Reply-To', [...texts.values()])];
}

/** The field under this name; its value's octets stay, folding included. */
function renamed(bytes: Uint8Array, field: Field, name: string): string {
  return fieldLines(name, latin1(bytes, field.valueStart, field.end));
}

/** As it is written, without the blanks before the colon that RFC 5322 §4.5.8 allowed once. */
function nameOf(bytes: Uint8Array, { start, name }: Field): string {
  return latin1(bytes, start, start + name.length);
}

function latin1(bytes: Uint8Array, start: number, end: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1');
}
