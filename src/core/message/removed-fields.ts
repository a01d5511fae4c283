// Removes fields from a message for every next hop (DESIGN decision 8): Bcc and Resent-Bcc from our side's mail;
// X-SES-* fields, and Authentication-Results in the name of SES or of a domain of ours, unless SES itself put them
// above the message that it received. The stored message stays as it was. It reads the header section as it passes:
// whole fields go, with folded lines, and every other byte is passed on. Where a field between a bare CR and an empty
// line goes, it adds the LF that completes that CR: the empty line must stay one. It holds no more than the beginning
// of a field.

import { authservIdBytesMax, returnPathFieldBytesMax } from '#core/limits.ts';
import { speaksAs } from './authserv-id.ts';
import { SesBlock } from './ses-block.ts';

const NUL = 0x00;
const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const COLON = 0x3a;
const DEL = 0x7f;
const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);
const NOTHING = new Uint8Array(0);
const LINE_END = Uint8Array.of(LF);
const RESULTS = 'authentication-results';
const BCC = /^(?:resent-)?bcc$/;
/** The authserv-id that SES writes. */
const SES_NAME = 'amazonses.com';
/** A name, and the blanks before its colon, are not looked through for ever. */
const LINE_START_BYTES_MAX = returnPathFieldBytesMax;

export type RemovalTerms = {
  /** SES put a block of fields above inbound mail; outbound mail was submitted without one. */
  readonly direction: 'inbound' | 'outbound';
  /** Domains, as A-labels, in whose name only our side may speak. */
  readonly domains: readonly string[];
};

/** Of an Authentication-Results field. */
type Value = { readonly bytes: Uint8Array; readonly cut: boolean };
const NO_VALUE: Value = { bytes: NOTHING, cut: true };

/**
 * The content without these fields. Chunks are handed on as parts of those that came; what `content` throws, this
 * throws.
 */
export async function* withoutRemovedFields(
  content: AsyncIterable<Uint8Array>,
  terms: RemovalTerms,
): AsyncGenerator<Uint8Array, void, undefined> {
  const filter = new FieldFilter(terms);
  for await (const chunk of content) for (const part of filter.push(chunk)) if (part.length > 0) yield part;
  const rest = filter.end();
  if (rest.length > 0) yield rest;
}

class FieldFilter {
  private readonly terms: RemovalTerms;
  private readonly block: SesBlock | null;
  private names: ReadonlySet<string> | null = null;
  /** Where the next byte stands: at a line's beginning, in a field that stays or goes, or behind the header section. */
  private state: 'line' | 'kept' | 'dropped' | 'body' = 'line';
  private held: Uint8Array = NOTHING;
  private fieldGoes = false;
  /** The bytes before ended in a CR within a field. */
  private returned = false;
  /** The last byte that stayed. */
  private last: number = LF;

  constructor(terms: RemovalTerms) {
    this.terms = terms;
    this.block = terms.direction === 'inbound' ? new SesBlock() : null;
  }

  push(chunk: Uint8Array): Uint8Array[] {
    if (this.state === 'body') return [chunk];
    const bytes = this.held.length === 0 ? chunk : Buffer.concat([this.held, chunk]);
    this.held = NOTHING;
    const kept: Uint8Array[] = [];
    const keep = (part: Uint8Array) => {
      kept.push(part);
      this.last = part.at(-1) ?? this.last;
    };
    let from = 0;
    for (let at = 0; at < bytes.length; ) {
      if (this.state === 'line') {
        const line = this.lineAt(bytes, at, false);
        if (line === 'unknown') {
          this.held = Uint8Array.from(bytes.subarray(at)); // a chunk is the reader's again once the next one is asked for
          keep(bytes.subarray(from, at));
          return kept;
        }
        if (this.fieldGoes && this.last === CR && isLineEnd(bytes[at])) keep(LINE_END);
        if (line === 'end') {
          this.state = 'body';
          keep(bytes.subarray(from));
          return kept;
        }
        if (line !== 'folded') this.fieldGoes = line === 'goes';
        if (this.fieldGoes) keep(bytes.subarray(from, at));
        this.state = this.fieldGoes ? 'dropped' : 'kept';
      }
      // CRs at the chunk's end end the line: only its LF may still come. They are not held, as there may be any number
      // of them.
      const { next, ended } = this.returned ? { next: returnsEnd(bytes, at), ended: true } : lineEnd(bytes, at);
      this.returned = next === null;
      at = next ?? bytes.length;
      if (this.state === 'dropped') from = at;
      if (ended && next !== null) this.state = 'line';
    }
    keep(bytes.subarray(from));
    return kept;
  }

  /** The content has ended: the held bytes are all of its line. */
  end(): Uint8Array {
    const { held } = this;
    this.held = NOTHING;
    if (this.state === 'dropped') return NOTHING;
    return this.state === 'line' && held.length > 0 && this.lineAt(held, 0, true) === 'goes' ? NOTHING : held;
  }

  /**
   * The kind of line that begins at `at`, as `headerSection` in header.ts reads it; `unknown`: more bytes are needed,
   * and there are some unless `whole`.
   */
  private lineAt(bytes: Uint8Array, at: number, whole: boolean): 'end' | 'folded' | 'goes' | 'stays' | 'unknown' {
    if (isBlank(bytes[at])) return 'folded';
    const limit = at + LINE_START_BYTES_MAX;
    const end = Math.min(limit, bytes.length);
    let feed = at;
    while (feed < end && bytes[feed] === CR) feed += 1;
    if (feed < end && bytes[feed] === LF) return 'end';
    const nameStart = at + markLength(bytes, at);
    let nameEnd = nameStart;
    while (nameEnd < end && (isNameByte(bytes[nameEnd]) || bytes[nameEnd] === NUL)) nameEnd += 1;
    let colon = nameEnd;
    while (colon < end && (isBlank(bytes[colon]) || bytes[colon] === NUL)) colon += 1;
    const isCut = feed === end || colon === end || isPartOfMark(bytes, at);
    if (isCut && end < limit && !whole) return 'unknown';
    const written = Buffer.from(bytes.buffer, bytes.byteOffset + nameStart, nameEnd - nameStart).toString('latin1');
    const name = written.replaceAll('\0', ''); // some readers drop it
    const isField = name !== '' && (bytes[colon] === COLON || colon === limit);
    if (!isField || name !== written) this.block?.end();
    if (!isField) return 'stays';
    // No mailer writes so many blanks before a colon: the reader does not wait for one.
    const value =
      colon === limit ? NO_VALUE : name.length === RESULTS.length ? resultsOf(bytes, colon + 1, whole) : null;
    return this.judged(name.toLowerCase(), value);
  }

  /** `value`: null where more of it is to come, or where no caller needs it. */
  private judged(name: string, value: Value | null): 'goes' | 'stays' | 'unknown' {
    const isResults = name === RESULTS;
    if (isResults && value === null) return 'unknown'; // before the block is called: it counts its calls
    if (this.block?.takes(name)) return 'stays';
    if (BCC.test(name)) return this.block === null ? 'goes' : 'stays';
    if (name.startsWith('x-ses-')) return 'goes';
    if (!isResults || value === null) return 'stays';
    this.names ??= new Set([SES_NAME, ...this.terms.domains]);
    return speaksAs(value.bytes, this.names, value.cut) ? 'goes' : 'stays';
  }
}

/** The value, or as much of it as is read; null where more of it is to come. */
function resultsOf(bytes: Uint8Array, start: number, whole: boolean): Value | null {
  const limit = start + authservIdBytesMax;
  for (let at = start; ; ) {
    const { next, ended } = lineEnd(bytes, at);
    const over = next === null || !ended || next === bytes.length;
    if (over && bytes.length <= limit && !whole) return null;
    if (over || !isBlank(bytes[next]) || next > limit) {
      const end = next ?? bytes.length;
      return { bytes: bytes.subarray(start, Math.min(end, limit)), cut: end > limit };
    }
    at = next;
  }
}

/**
 * The end of the line that continues at `at`. A CR that no LF follows ends one too, because it leaves as CRLF by SMTP
 * (RFC 5321 §2.3.8). Null: the bytes end in CRs, and the next bytes decide.
 */
function lineEnd(bytes: Uint8Array, at: number): { readonly next: number | null; readonly ended: boolean } {
  for (let next = at; next < bytes.length; next += 1) {
    if (bytes[next] === LF) return { next: next + 1, ended: true };
    if (bytes[next] !== CR) continue;
    const after = returnsEnd(bytes, next);
    return { next: after, ended: after !== null };
  }
  return { next: bytes.length, ended: false };
}

/** Behind more CRs and the LF, if any; null: the bytes end before that is known. */
function returnsEnd(bytes: Uint8Array, at: number): number | null {
  let next = at;
  while (bytes[next] === CR) next += 1;
  if (next === bytes.length) return null;
  return bytes[next] === LF ? next + 1 : next;
}

function isPartOfMark(bytes: Uint8Array, at: number): boolean {
  const found = Math.min(bytes.length - at, BYTE_ORDER_MARK.length);
  return (
    found < BYTE_ORDER_MARK.length && BYTE_ORDER_MARK.subarray(0, found).every((byte, i) => bytes[at + i] === byte)
  );
}

function markLength(bytes: Uint8Array, at: number): number {
  return BYTE_ORDER_MARK.every((byte, index) => bytes[at + index] === byte) ? BYTE_ORDER_MARK.length : 0;
}

/** RFC 5322 §2.2: a name is printable ASCII without the colon. */
function isNameByte(byte: number | undefined): boolean {
  return byte !== undefined && byte > SPACE && byte < DEL && byte !== COLON;
}

function isLineEnd(byte: number | undefined): boolean {
  return byte === CR || byte === LF;
}

function isBlank(byte: number | undefined): boolean {
  return byte === SPACE || byte === TAB;
}
