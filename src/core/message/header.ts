// Finds a message's header section in its bytes: CRLF, bare LF or both, an mbox line in front, no empty line at the
// end. It looks and cuts, and never re-serialises: apart from `fieldText`, which is for people, nothing here becomes a
// string. All work is linear in the header section, which has a limit (limits.ts). It never looks at a body.

import { fieldTextBytesMax, headerBytesMax, returnPathFieldBytesMax, strayLinesKeptMax } from '#core/limits.ts';
import { isMailField } from './field-names.ts';
import { decodeUnlabelled, plainText } from './field-text.ts';

export type HeaderField = { readonly name: string; readonly value: string };

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const COLON = 0x3a;
const DEL = 0x7f;
const RETURN_PATH = Buffer.from('return-path', 'latin1');

/** Where the header section ends in the bytes. */
export type HeaderEnd = {
  /** After the line end of the last field: where the empty line begins. */
  readonly end: number;
  /** After the empty line; the same as `end` where a line that is no field begins the body. */
  readonly bodyStart: number;
  /**
   * False: no empty line within these bytes or within `headerBytesMax`; both offsets are then where the looking ended.
   */
  readonly complete: boolean;
};

/** A field as a byte range, line end and folded lines included. */
export type Field = {
  /** Lower case. */
  readonly name: string;
  readonly start: number;
  readonly end: number;
  /** After the colon. */
  readonly valueStart: number;
};

/** The beginning of a message: its fields, and the lines among them that are no fields. */
export type HeaderSection = HeaderEnd & {
  /** In order. */
  readonly fields: readonly Field[];
  /** Lines that are no field, each with its folded lines: an mbox "From ", a line without a colon, an invalid name. */
  readonly strays: readonly { readonly start: number; readonly end: number }[];
  /** Where the first empty line begins: behind `end` where a line that is no field begins the body. */
  readonly linesEnd: number;
};

/**
 * The one reader of header sections. The section ends at the first empty line, however that line ends (RFC 5322 §2.1).
 * A line that is no field is passed over where a field of mail follows it: a Subject must not become text because of a
 * line before it. Where none follows, that line begins the body (as with Postfix, where any such line does): the empty
 * line is missing, and the text after its place is the body.
 */
export function headerSection(bytes: Uint8Array): HeaderSection {
  const section = bytes.subarray(0, headerBytesMax);
  const text = Buffer.from(section.buffer, section.byteOffset, section.byteLength);
  const found: Field[] = [];
  const strays: { start: number; end: number }[] = [];
  let doubt: { readonly at: number; readonly fields: number; readonly strays: number } | null = null;
  let at = 0;
  let bodyStart = 0;
  let complete = false;
  while (at < section.length) {
    let end = lineEnd(section, at);
    if (isEmptyLine(section, at, end)) {
      complete = true;
      bodyStart = end;
      break;
    }
    while (end < section.length && isBlank(section[end])) end = lineEnd(section, end);
    const field = fieldAt(section, text, at, end);
    if (field === null) {
      doubt ??= { at, fields: found.length, strays: strays.length };
      strays.push({ start: at, end });
    } else {
      // More lines than are kept as such are text: they must not vanish.
      if (doubt !== null && isMailField(field.name) && strays.length - doubt.strays <= strayLinesKeptMax) doubt = null;
      found.push(field);
    }
    at = end;
  }
  const seen = { complete, linesEnd: at };
  if (doubt === null) return { ...seen, fields: found, strays, end: at, bodyStart: complete ? bodyStart : at };
  const kept = { fields: found.slice(0, doubt.fields), strays: strays.slice(0, doubt.strays) };
  return { ...seen, ...kept, end: doubt.at, bodyStart: doubt.at };
}

/** The unit of lines as a field, or null. A byte order mark in front of it is none of it. */
function fieldAt(section: Uint8Array, text: Buffer, at: number, end: number): Field | null {
  const start = at + byteOrderMarkLength(section, at);
  const nameEnd = fieldNameEnd(section, start, end);
  const colon = blanksEnd(section, nameEnd, end); // RFC 5322 §4.5.8: obsolete fields have blanks before the colon
  if (nameEnd <= start || section[colon] !== COLON || colon >= end) return null;
  return { name: text.toString('latin1', start, nameEnd).toLowerCase(), start, end, valueStart: colon + 1 };
}

/**
 * Where the header section ends; without an empty line within the bytes, nothing is decided and all of them may be its.
 */
export function findHeaderEnd(bytes: Uint8Array): HeaderEnd {
  const { end, bodyStart, complete } = headerSection(bytes);
  if (complete) return { end, bodyStart, complete };
  const looked = Math.min(bytes.length, headerBytesMax);
  return { end: looked, bodyStart: looked, complete };
}

/** The fields of the header section at the start of `bytes`, in order. */
export function fields(bytes: Uint8Array): readonly Field[] {
  return headerSection(bytes).fields;
}

/** All fields as SES's receipt gives them: names as written, values unfolded, neither decoded nor cleaned. */
export function headerFieldsOf(bytes: Uint8Array): HeaderField[] {
  return Array.from(fields(bytes), (field) => ({
    name: decodeUnlabelled(bytes.subarray(field.start, field.start + field.name.length)),
    value: decodeUnlabelled(bytes.subarray(field.valueStart, field.end)).replace(/\r?\n/g, '').trim(),
  }));
}

/** A field's value for people: unfolded, decoded, no controls (see field-text.ts). */
export function fieldText(bytes: Uint8Array, field: Field): string {
  const valueEnd = Math.min(field.end, field.valueStart + fieldTextBytesMax);
  return plainText(decodeUnlabelled(bytes.subarray(field.valueStart, valueEnd)));
}

/**
 * The message as it leaves by an intact relay: `prepended` (whole fields, each ended by CRLF) in front, the Return-Path
 * field that the accepting host put there taken off where it is the very first field (RFC 5321 §4.4: the last hop adds
 * its own), and every other byte as it was. Chunks are handed on, not copied; only where the first field crosses a
 * chunk's end are a few KB of it held. The result has at most `content`'s bytes plus `prepended`'s. What `content`
 * throws, this throws.
 */
export async function* intactEdit(
  content: AsyncIterable<Uint8Array>,
  prepended: Uint8Array,
): AsyncGenerator<Uint8Array, void, undefined> {
  let held: Uint8Array | null = new Uint8Array(0); // null: decided, all that follows is handed on
  for await (const chunk of content) {
    if (held === null) {
      if (chunk.length > 0) yield chunk;
      continue;
    }
    const seenOfChunk: number = held.length === 0 ? chunk.length : Math.min(chunk.length, returnPathFieldBytesMax);
    const seen: Uint8Array = held.length === 0 ? chunk : Buffer.concat([held, chunk.subarray(0, seenOfChunk)]);
    const cut = leadingReturnPathEnd(seen, false);
    if (cut === null) {
      held = seen === chunk ? Uint8Array.from(chunk) : seen; // a chunk is the reader's again once the next one is asked for
      continue;
    }
    held = null;
    yield prepended;
    if (cut < seen.length) yield seen.subarray(cut);
    if (seenOfChunk < chunk.length) yield chunk.subarray(seenOfChunk);
  }
  if (held === null) return;
  yield prepended;
  const rest = held.subarray(leadingReturnPathEnd(held, true) ?? 0);
  if (rest.length > 0) yield rest;
}

/**
 * Where a Return-Path field ends that `bytes` begin with; 0 where they begin with none, or with one longer than any
 * real one; null where more bytes are needed to say. `whole`: there are no more.
 */
function leadingReturnPathEnd(bytes: Uint8Array, whole: boolean): number | null {
  const undecided = whole || bytes.length > returnPathFieldBytesMax ? 0 : null;
  for (const [index, wanted] of RETURN_PATH.entries()) {
    const byte = bytes[index];
    if (byte === undefined) return undecided;
    if (byte !== wanted && (byte < 0x41 || byte > 0x5a || byte + 0x20 !== wanted)) return 0; // A to Z count as a to z
  }
  const colon = blanksEnd(bytes, RETURN_PATH.length, bytes.length);
  if (colon === bytes.length) return undecided;
  if (bytes[colon] !== COLON) return 0;
  let end = lineEnd(bytes, colon);
  while (end < bytes.length && isBlank(bytes[end])) end = lineEnd(bytes, end);
  if (end > returnPathFieldBytesMax) return 0;
  return end < bytes.length || whole ? end : null;
}

/** After the LF that ends the line, or the end of the bytes. A CR alone ends no line (RFC 5321 §2.3.8). */
function lineEnd(bytes: Uint8Array, from: number): number {
  const feed = bytes.indexOf(LF, from);
  return feed === -1 ? bytes.length : feed + 1;
}

/** Nothing but CRs before its LF: mail whose line ends were converted twice has CR CR LF. */
function isEmptyLine(bytes: Uint8Array, start: number, end: number): boolean {
  if (bytes[end - 1] !== LF) return false;
  let at = start;
  while (bytes[at] === CR) at += 1;
  return at === end - 1;
}

/** RFC 5322 §2.2: a name is printable ASCII without the colon. */
function fieldNameEnd(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  for (; at < end; at += 1) {
    const byte = bytes[at] ?? 0;
    if (byte <= SPACE || byte >= DEL || byte === COLON) break;
  }
  return at;
}

function blanksEnd(bytes: Uint8Array, start: number, end: number): number {
  let at = start;
  while (at < end && isBlank(bytes[at])) at += 1;
  return at;
}

function isBlank(byte: number | undefined): boolean {
  return byte === SPACE || byte === TAB;
}

function byteOrderMarkLength(bytes: Uint8Array, at: number): number {
  return bytes[at] === 0xef && bytes[at + 1] === 0xbb && bytes[at + 2] === 0xbf ? 3 : 0;
}
