// Makes a program's message fit for submission. Called by `everpost sendmail`. Lines end with CRLF, a lone dot may end
// the message, missing fields are put above it, and Bcc goes where the header names the recipients (DESIGN §2.8). It
// splices bytes: all other bytes stay as they were. Pure.

import { isAscii, isUtf8 } from 'node:buffer';
import { headerBytesMax } from '#core/limits.ts';
import type { Mailbox } from '#core/message/address.ts';
import { addressField, mailboxText } from '#core/message/authors.ts';
import { decodeUnlabelled } from '#core/message/field-text.ts';
import { type Field, fields, findHeaderEnd, headerSection } from '#core/message/header.ts';
import { type RecipientList, readRecipients } from '#core/message/recipient-list.ts';
import { missingFields } from './added-fields.ts';

const CR = 0x0d;
const LF = 0x0a;
const DOT = 0x2e;

/**
 * The text up to a lone dot, unless dots are text; every line end as CRLF, one at the end. A CR that ends no line is
 * kept.
 */
export function asLines(text: Uint8Array, dotsAreText: boolean): Uint8Array {
  const given = Buffer.from(text.buffer, text.byteOffset, text.byteLength);
  const out = Buffer.allocUnsafe(text.length + bareFeeds(text) + 2); // one buffer: a line that is an object of its own costs more than a hundred bytes
  let written = 0;
  for (let start = 0; start < text.length; ) {
    const feed = text.indexOf(LF, start);
    const lineEnd = feed === -1 ? text.length : feed;
    const end = lineEnd > start && feed !== -1 && text[lineEnd - 1] === CR ? lineEnd - 1 : lineEnd;
    if (!dotsAreText && end - start === 1 && text[start] === DOT) break;
    written += given.copy(out, written, start, end);
    out[written] = CR;
    out[written + 1] = LF;
    written += 2;
    start = lineEnd + 1;
  }
  return out.subarray(0, written);
}

function bareFeeds(text: Uint8Array): number {
  let count = 0;
  for (let at = 0; at < text.length; at += 1) if (text[at] === LF && text[at - 1] !== CR) count += 1;
  return count;
}

/**
 * To, Cc and Bcc; of a message that is sent again its Resent-To, -Cc and -Bcc alone. `domain` completes names without
 * one.
 */
export function recipientsInHeader(message: Uint8Array, domain: string): RecipientList {
  const content = message.subarray(contentStart(message));
  const all = [...fields(content)];
  const resent = all.some(({ name }) => /^resent-(to|cc|bcc)$/.test(name));
  const named = all.filter(({ name }) => (resent ? /^resent-(to|cc|bcc)$/ : /^(to|cc|bcc)$/).test(name));
  const { mailboxes, unreadable } = readRecipients(
    named.map((field) => textOf(content, field)),
    domain,
  );
  const endless = content.length > headerBytesMax && !findHeaderEnd(content).complete;
  const beyond = endless ? [`a header section of more than ${headerBytesMax} bytes`] : [];
  return { mailboxes, unreadable: [...unreadable, ...misplaced(content, all, named), ...beyond] };
}

/**
 * A text that may be a recipient but is not read as one, or is read as one but may not be: a line that is no field
 * behind a field of recipients, because its blank in front was lost; and such a field behind a line that may have begun
 * the body.
 */
function misplaced(content: Uint8Array, all: readonly Field[], named: readonly Field[]): string[] {
  const text = (start: number, end: number) =>
    decodeUnlabelled(content.subarray(start, Math.min(end, start + 200))).trim();
  const found: string[] = [];
  const strayLines = (before: Field | undefined, end: number) => {
    if (before === undefined || !named.includes(before) || end <= before.end) return;
    const lines = text(before.end, end);
    if (lines.includes('@')) found.push(lines);
  };
  let strayed = false;
  let end = 0;
  for (const [index, field] of all.entries()) {
    strayed ||= text(end, field.start) !== ''; // blanks alone, or a byte order mark, say nothing
    strayLines(all[index - 1], field.start);
    if (strayed && named.includes(field)) found.push(text(field.start, field.end));
    end = field.end;
  }
  strayLines(all.at(-1), headerSection(content).linesEnd);
  return found;
}

/**
 * RFC 6531 §3.4: whether the message must be declared to need SMTPUTF8. A program that pipes it here cannot say so, so
 * it is looked at.
 */
export function needsDeclaration(content: Uint8Array, paths: readonly string[]): boolean {
  const head = content.subarray(0, findHeaderEnd(content).end);
  return (!isAscii(head) && isUtf8(head)) || paths.some((path) => !isAscii(Buffer.from(path)));
}

export type Completion = {
  /** Where From is missing. */
  readonly from: { readonly name: string; readonly mailbox: Mailbox };
  readonly at: number;
  /** `<…>` */
  readonly messageIdField: string;
  /** Takes Bcc and Resent-Bcc out. */
  readonly withoutBcc: boolean;
  /** On top of all: our Received. */
  readonly received: string;
};

/**
 * The message with its missing fields on top. Text without a header section gets one, and the empty line that ends it.
 */
export function completed(
  message: Uint8Array,
  { from, at, messageIdField, withoutBcc, received }: Completion,
): Uint8Array {
  const start = contentStart(message);
  const content = message.subarray(start);
  const found = [...fields(content)];
  const hasHeader = found[0]?.start === 0 || content[0] === CR || content.length === 0;
  const author = mailboxText(from.name, from.mailbox) ?? `<${from.mailbox.address}>`;
  const head = hasHeader ? content : new Uint8Array(0);
  const hasFrom = hasHeader && found.some(({ name }) => name === 'from');
  const top = `${received}${hasFrom ? '' : addressField('From', [author])}${missingFields(withAnyField(head), { at, messageIdField })}`;
  const removed = hasHeader && withoutBcc ? found.filter(({ name }) => name === 'bcc' || name === 'resent-bcc') : [];
  return Buffer.concat([Buffer.from(top), ...(hasHeader ? [] : [Buffer.from('\r\n')]), ...without(content, removed)]);
}

/** An empty header section lacks everything; `missingFields` is careful where it sees no field at all. */
function withAnyField(head: Uint8Array): Uint8Array {
  const { end } = findHeaderEnd(head);
  return Buffer.concat([Buffer.from('X: \r\n'), head.subarray(0, end)]);
}

function without(bytes: Uint8Array, removed: readonly Field[]): Uint8Array[] {
  const parts: Uint8Array[] = [];
  let at = 0;
  for (const { start, end } of removed) {
    parts.push(bytes.subarray(at, start));
    at = end;
  }
  return [...parts, bytes.subarray(at)];
}

function textOf(message: Uint8Array, { valueStart, end }: Field): string {
  return decodeUnlabelled(message.subarray(valueStart, end));
}

/** A byte order mark, and a mailbox file's "From ann Sun Nov 22 …", are no part of a message. */
function contentStart(message: Uint8Array): number {
  const first = Buffer.from(message.buffer, message.byteOffset, Math.min(8, message.length)).toString('latin1');
  const start = first.startsWith('\xef\xbb\xbf') ? 3 : 0;
  return first.startsWith('From ', start) ? message.indexOf(LF) + 1 : start;
}
