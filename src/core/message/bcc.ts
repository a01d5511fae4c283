// Takes Bcc and Resent-Bcc out of a message that leaves for others (RFC 5322 §3.6.3), as Postfix does. Called by relay for mail from our side alone;
// what was submitted stays in the spool as it was. It looks at the header section as it passes: whole fields go, folded lines and all, and every
// other byte is handed on. It holds no more than the beginning of a line, and CRs of which the next byte decides.

import { returnPathFieldBytesMax } from '#core/limits.ts';

const TAB = 0x09;
const LF = 0x0a;
const CR = 0x0d;
const SPACE = 0x20;
const COLON = 0x3a;
const NAMES = [Buffer.from('bcc'), Buffer.from('resent-bcc')];
const BYTE_ORDER_MARK = Buffer.of(0xef, 0xbb, 0xbf);
const NOTHING = new Uint8Array(0);
/** Blanks before a colon are not looked through for ever. */
const LINE_START_BYTES_MAX = returnPathFieldBytesMax;

/** The content without these fields. Chunks are handed on as parts of those that came; what `content` throws, this throws. */
export async function* withoutBcc(content: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array, void, undefined> {
  const filter = new BccFilter();
  for await (const chunk of content) for (const part of filter.push(chunk)) if (part.length > 0) yield part;
  const rest = filter.end();
  if (rest.length > 0) yield rest;
}

export class BccFilter {
  /** Where the next byte stands: at a line's beginning, in a field that stays or goes, or behind the header section. */
  private state: 'line' | 'kept' | 'dropped' | 'body' = 'line';
  private held: Uint8Array = NOTHING;
  private fieldGoes = false;

  push(chunk: Uint8Array): Uint8Array[] {
    if (this.state === 'body') return [chunk];
    const bytes = this.held.length === 0 ? chunk : Buffer.concat([this.held, chunk]);
    this.held = NOTHING;
    const kept: Uint8Array[] = [];
    let from = 0;
    for (let at = 0; at < bytes.length; ) {
      if (this.state === 'line') {
        const line = lineAt(bytes, at);
        if (line === 'unknown') {
          this.held = Uint8Array.from(bytes.subarray(at)); // a chunk is the reader's again once the next one is asked for
          return [...kept, bytes.subarray(from, at)];
        }
        if (line === 'end') {
          this.state = 'body';
          return [...kept, bytes.subarray(from)];
        }
        if (line !== 'folded') this.fieldGoes = line === 'bcc';
        if (this.fieldGoes && from < at) kept.push(bytes.subarray(from, at));
        this.state = this.fieldGoes ? 'dropped' : 'kept';
      }
      const { next, ended } = lineEnd(bytes, at);
      if (next === null) {
        this.held = Uint8Array.from(bytes.subarray(bytes.length - trailingReturns(bytes)));
        return [...kept, this.state === 'dropped' ? NOTHING : bytes.subarray(from, bytes.length - this.held.length)];
      }
      at = next;
      if (this.state === 'dropped') from = at;
      if (ended) this.state = 'line';
    }
    return [...kept, bytes.subarray(from)];
  }

  /** The content is over: a line that had only begun is no field. */
  end(): Uint8Array {
    const { held } = this;
    this.held = NOTHING;
    return this.state === 'dropped' ? NOTHING : held;
  }
}

/**
 * Where the line ends that goes on at `at`. A CR that no LF follows ends one too, because it leaves as CRLF by SMTP (RFC 5321 §2.3.8). Null: the
 * bytes end in CRs, and what follows decides.
 */
function lineEnd(bytes: Uint8Array, at: number): { readonly next: number | null; readonly ended: boolean } {
  for (let next = at; next < bytes.length; next += 1) {
    if (bytes[next] === LF) return { next: next + 1, ended: true };
    if (bytes[next] !== CR) continue;
    while (bytes[next] === CR) next += 1;
    if (next === bytes.length) return { next: null, ended: false };
    return { next: bytes[next] === LF ? next + 1 : next, ended: true };
  }
  return { next: bytes.length, ended: false };
}

function trailingReturns(bytes: Uint8Array): number {
  let count = 0;
  while (count < bytes.length && bytes[bytes.length - 1 - count] === CR) count += 1;
  return count;
}

/** What begins at `at`, as `fields` in header.ts reads it; `unknown`: more bytes are needed to say. */
function lineAt(bytes: Uint8Array, at: number): 'end' | 'folded' | 'bcc' | 'other' | 'unknown' {
  const undecided = bytes.length - at > LINE_START_BYTES_MAX ? 'other' : 'unknown';
  if (isBlank(bytes[at])) return 'folded';
  let feed = at;
  while (bytes[feed] === CR) feed += 1;
  if (feed === bytes.length) return undecided;
  if (bytes[feed] === LF) return 'end';
  const marked = agreed(bytes, at, BYTE_ORDER_MARK);
  if (marked === 'partly') return undecided;
  const start = marked === 'whole' ? at + BYTE_ORDER_MARK.length : at;
  for (const name of NAMES) {
    const found = agreed(bytes, start, name);
    if (found === 'not') continue;
    let colon = start + name.length;
    while (isBlank(bytes[colon])) colon += 1;
    if (found === 'partly' || colon >= bytes.length) return undecided;
    return bytes[colon] === COLON ? 'bcc' : 'other';
  }
  return 'other';
}

/** Whether `wanted` stands at `at`; A to Z count as a to z. */
function agreed(bytes: Uint8Array, at: number, wanted: Uint8Array): 'whole' | 'partly' | 'not' {
  for (const [index, byte] of wanted.entries()) {
    const found = bytes[at + index];
    if (found === undefined) return 'partly';
    if (found !== byte && !(found >= 0x41 && found <= 0x5a && found + 0x20 === byte)) return 'not';
  }
  return 'whole';
}

function isBlank(byte: number | undefined): boolean {
  return byte === SPACE || byte === TAB;
}
