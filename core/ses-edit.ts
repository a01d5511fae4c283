// The header section of a message as SES will take it (docs/aws-contracts.md §2.2 to §2.4): the author kept where his domain is ours and
// written so that people can read him where it is not, fields that SES interprets or refuses taken out, the rest as it was.
// Splices fields; the body's bytes are never looked at, moved or changed. Total: any bytes give a header section.

import { type Mailbox, parseMailbox } from './address.ts';
import { type Author, addressField, asciiAddressOf, authorsOf, mailboxText } from './author.ts';
import { decodeUnlabelled, plainText } from './field-text.ts';
import { headerBytesMax } from './limits.ts';
import { type Field, fields, findHeaderEnd } from './message.ts';
import { isAscii, oneLine } from './notice-encoding.ts';
import { isVerified } from './ses-use.ts';

export type SesTerms = {
  /** Those that SES has verified for us; their sub-domains are so too. */
  readonly domains: readonly string[];
  /** `notices.from`: the address that authors of other domains are written over. */
  readonly noticesFrom: string;
  /** Something speaks against the author being who he says he is: then SES must not sign in his name, although his domain is ours. */
  readonly authorDoubted: boolean;
};
export type SesEdit = {
  /** For FromEmailAddress: the address that the From field has now, ASCII. */
  readonly from: string;
  readonly kept: boolean;
  /** The new header section with its empty line. */
  readonly header: Uint8Array;
  /** Where in the given bytes the body begins, which follows unchanged. */
  readonly bodyStart: number;
};

const NAME_CHARS_MAX = 120;
const LF = 0x0a;

/** What never goes along: interpreted by SES, checked against its identities, spoiling its signature, or not for the reader's eyes. */
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

/** The header section for SES of the message that `bytes` begin with; at least its whole header section, or `headerBytesMax` of it. */
export function sesEdit(bytes: Uint8Array, terms: SesTerms): SesEdit {
  const { found, bodyStart } = headerSection(bytes);
  const first = (name: string) => found.find((field) => field.name === name);
  const value = (field: Field | undefined) =>
    field === undefined ? '' : decodeUnlabelled(bytes.subarray(field.valueStart, field.end)).trim();
  const fromField = first('from');
  const authors = authorsOf(value(fromField));
  const [author] = authors;
  const kept = author !== undefined && authors.length === 1 && !terms.authorDoubted && isOurs(author.mailbox, terms);

  const seen = new Set<string>();
  const out: string[] = [];
  for (const field of found) {
    const { name } = field;
    if (DROPPED.test(name) || (!kept && DROPPED_WITH_FROM.test(name)) || (ONCE.has(name) && seen.has(name))) continue;
    seen.add(name);
    if (name === 'from' && !kept) continue; // written anew below
    if (name === 'reply-to' && !kept) continue;
    if (name === 'sender')
      out.push(renamed(bytes, field, 'X-Original-Sender')); // SES wants it verified, and it hardly ever is
    else out.push(octets(bytes, field.start, field.end));
    if (name === 'message-id') out.push(renamed(bytes, field, 'X-Original-Message-ID')); // SES writes its own
  }
  const from = parseMailbox(terms.noticesFrom);
  if (from === null) throw new Error('notices.from is no address: core/config-check.ts');
  if (!kept) {
    const via = `${describe(authors, value(fromField))} via ${from.domainKey}`;
    out.push(addressField('From', [mailboxText(via, from) ?? `<${asciiAddressOf(from)}>`]));
    out.push(...replyTo(authors, value(first('reply-to'))));
    if (fromField !== undefined) out.push(renamed(bytes, fromField, 'X-Original-From'));
  }
  return {
    from: asciiAddressOf(kept ? author.mailbox : from),
    kept,
    header: Buffer.from(`${out.join('')}\r\n`, 'latin1'),
    bodyStart,
  };
}

/**
 * The fields from the start on, and where the body begins. An mbox line is passed over; any other line that is no field begins the body,
 * as Postfix has it: what is not understood as a field must not be lost.
 */
function headerSection(bytes: Uint8Array): { readonly found: readonly Field[]; readonly bodyStart: number } {
  const found: Field[] = [];
  let at = 0;
  let mboxSeen = false;
  while (at < Math.min(bytes.length, headerBytesMax)) {
    const rest = bytes.subarray(at, headerBytesMax);
    const [field] = fields(rest);
    if (field !== undefined && (field.start === 0 || (field.start === 3 && rest[0] === 0xef))) {
      found.push({
        name: field.name,
        start: at + field.start,
        end: at + field.end,
        valueStart: at + field.valueStart,
      });
      at += field.end;
      continue;
    }
    const { end, bodyStart, complete } = findHeaderEnd(rest);
    if (complete && end === 0) return { found, bodyStart: at + bodyStart };
    if (mboxSeen || !/^>?From /.test(Buffer.from(rest.subarray(0, 6)).toString('latin1'))) break;
    mboxSeen = true;
    const feed = bytes.indexOf(LF, at);
    at = feed === -1 ? bytes.length : feed + 1;
  }
  return { found, bodyStart: at };
}

/** SES's addresses are ASCII (docs/aws-contracts.md §2.2). */
function isOurs(mailbox: Mailbox, { domains }: SesTerms): boolean {
  if (!isAscii(mailbox.localPart)) return false;
  return isVerified(mailbox.domainKey, domains);
}

/** `Ann (ann@src.example)`, so that the reader sees both who wrote and from where. */
function describe(authors: readonly Author[], raw: string): string {
  const [author] = authors;
  if (author === undefined) return oneLine(plainText(raw), NAME_CHARS_MAX) || 'unknown author';
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
    const text = mailboxText(name, mailbox);
    if (text !== null && !texts.has(key)) texts.set(key, text);
  }
  return texts.size === 0 ? [] : [addressField('Reply-To', [...texts.values()])];
}

/** The field under another name; its value's bytes stay, folding included. */
function renamed(bytes: Uint8Array, field: Field, name: string): string {
  return `${name}:${octets(bytes, field.valueStart, field.end)}`;
}

/** One field in octets, each of its lines ended by CRLF: fields that we add have it, and SES wants one kind of line end. */
function octets(bytes: Uint8Array, start: number, end: number): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString('latin1');
  const lines = text.replace(/\r*\n/g, '\n').replace(/\r/g, ' ').replace(/\0/g, '').replace(/\n$/, '');
  return `${lines.replace(/\n/g, '\r\n')}\r\n`;
}
