// The transfer encodings of RFC 2045 §6 over the bytes of a part: quoted-printable, Base64, and new line breaks in
// content that is already encoded so. reencode.ts calls it. It works in chunks, so that a large part is never held
// twice. The result decodes to exactly the given bytes, and no line of it can be taken for a boundary.

const LF = 0x0a;
const CR = 0x0d;
const TAB = 0x09;
const SPACE = 0x20;
const DASH = 0x2d;
const DOT = 0x2e;
const EQUALS = 0x3d;
const LINE_OCTETS = 76;
const CHUNK_BYTES = 65_536;
const HEX = Buffer.from('0123456789ABCDEF');
const CRLF = Buffer.from('\r\n');
const FROM = Buffer.from('From ');

/** RFC 2045 §6.7. Lines end as they did; a CR that ends no line is kept as one. */
export function* quotedPrintable(bytes: Uint8Array): Generator<Uint8Array, void, undefined> {
  const out = new Lines();
  for (const { start, end, next } of linesOf(bytes)) {
    const last = end - 1;
    for (let at = start; at < end; at += 1) {
      const byte = bytes[at] ?? 0;
      const blank = byte === SPACE || byte === TAB;
      const literal = (byte > SPACE && byte < 0x7f && byte !== EQUALS) || (blank && at < last);
      const room = LINE_OCTETS - (at === last ? 0 : 1); // for the soft line break
      if (out.column + (literal ? 1 : 3) > room) out.softBreak();
      if (literal && !(out.column === 0 && isMistaken(bytes, at, end))) out.byte(byte);
      else {
        if (out.column + 3 > room) out.softBreak();
        out.escaped(byte);
      }
      if (out.full) yield out.take();
    }
    out.raw(bytes.subarray(end, next));
  }
  yield out.take();
}

/** RFC 2045 §6.8. */
export function* base64(bytes: Uint8Array): Generator<Uint8Array, void, undefined> {
  const lineBytes = (LINE_OCTETS / 4) * 3;
  const chunkBytes = lineBytes * 1_024;
  for (let at = 0; at < bytes.length; at += chunkBytes) {
    const out = new Lines();
    for (let line = at; line < Math.min(at + chunkBytes, bytes.length); line += lineBytes) {
      if (line > 0) out.raw(CRLF);
      const of = bytes.subarray(line, Math.min(line + lineBytes, bytes.length));
      out.raw(Buffer.from(Buffer.from(of.buffer, of.byteOffset, of.length).toString('base64'), 'latin1'));
    }
    yield out.take();
  }
}

/** Base64 whose lines are too long: these alone get line breaks, which decoders pass over. */
export function* wrappedBase64(bytes: Uint8Array, lineOctetsMax: number): Generator<Uint8Array, void, undefined> {
  const out = new Lines();
  for (const { start, end, next } of linesOf(bytes)) {
    for (let at = start; at < end; at += LINE_OCTETS) {
      const to = end - start <= lineOctetsMax ? end : Math.min(at + LINE_OCTETS, end);
      if (at > start) {
        out.raw(CRLF);
        if (bytes[at] === DASH) out.byte(SPACE); // no letter of Base64, and no boundary begins with a blank
      }
      out.raw(bytes.subarray(at, to));
      if (out.full) yield out.take();
      if (to === end) break;
    }
    out.raw(bytes.subarray(end, next));
    if (out.full) yield out.take();
  }
  yield out.take();
}

/**
 * Quoted-printable with lines that are too long: these lines alone get soft line breaks, never within the code of one
 * octet.
 */
export function* softened(bytes: Uint8Array, lineOctetsMax: number): Generator<Uint8Array, void, undefined> {
  const out = new Lines();
  for (const { start, end, next } of linesOf(bytes)) {
    if (end - start <= lineOctetsMax) out.raw(bytes.subarray(start, next));
    else {
      const tail = tailStart(bytes, start, end);
      for (let at = start; at < end; ) {
        const unit = at === tail ? end - at : bytes[at] === EQUALS ? Math.min(3, tail - at) : 1;
        if (out.column > 0 && out.column + Math.min(unit, LINE_OCTETS - 1) > LINE_OCTETS - 1) out.softBreak();
        if (out.column === 0 && isMistaken(bytes, at, end)) out.escaped(bytes[at] ?? 0);
        else out.counted(bytes.subarray(at, at + unit));
        at += unit;
        if (out.full) yield out.take();
      }
      out.raw(bytes.subarray(end, next));
    }
    if (out.full) yield out.take();
  }
  yield out.take();
}

/**
 * Blanks at a line's end, and the soft line break before them: decoders drop the blanks, so that they may not be
 * parted.
 */
function tailStart(bytes: Uint8Array, start: number, end: number): number {
  let tail = end;
  while (tail > start && (bytes[tail - 1] === SPACE || bytes[tail - 1] === TAB || bytes[tail - 1] === CR)) tail -= 1;
  return tail > start && bytes[tail - 1] === EQUALS ? tail - 1 : tail;
}

/**
 * At a line's beginning: two dashes could be a boundary, a dot alone the end of a message, "From " the beginning of
 * one.
 */
function isMistaken(bytes: Uint8Array, at: number, end: number): boolean {
  const byte = bytes[at];
  if (byte === DASH) return bytes[at + 1] === DASH;
  if (byte === DOT) return at + 1 === end;
  return byte === FROM[0] && FROM.equals(bytes.subarray(at, at + FROM.length));
}

type Line = { readonly start: number; readonly end: number; readonly next: number };

/** Without its line end: `\r\n` or `\n`. */
export function* linesOf(bytes: Uint8Array): Generator<Line, void, undefined> {
  for (let start = 0; start < bytes.length; ) {
    const feed = bytes.indexOf(LF, start);
    const next = feed === -1 ? bytes.length : feed + 1;
    let end = feed === -1 ? next : feed;
    if (feed > start && bytes[feed - 1] === CR) end -= 1;
    yield { start, end, next };
    start = next;
  }
}

/** The encoded text, in chunks, with the column of the next octet. */
class Lines {
  column = 0;
  private parts: Uint8Array[] = [];
  private held = 0;
  private open = Buffer.allocUnsafe(CHUNK_BYTES);
  private used = 0;

  get full(): boolean {
    return this.held + this.used >= CHUNK_BYTES;
  }
  byte(value: number): void {
    if (this.used === this.open.length) this.close();
    this.open[this.used] = value;
    this.used += 1;
    this.column += 1;
  }
  escaped(value: number): void {
    this.byte(EQUALS);
    this.byte(HEX[value >> 4] ?? 0);
    this.byte(HEX[value & 15] ?? 0);
  }
  counted(bytes: Uint8Array): void {
    for (const value of bytes) this.byte(value);
  }
  softBreak(): void {
    this.byte(EQUALS);
    this.raw(CRLF);
  }
  /** As it is. Ends a line, or is one; the next octet begins one. */
  raw(bytes: Uint8Array): void {
    if (bytes.length <= this.open.length - this.used) {
      this.open.set(bytes, this.used);
      this.used += bytes.length;
    } else {
      this.close();
      this.parts.push(bytes);
      this.held += bytes.length;
    }
    this.column = 0;
  }
  take(): Uint8Array {
    this.close();
    const [only, ...more] = this.parts;
    const taken = only !== undefined && more.length === 0 ? only : Buffer.concat(this.parts);
    this.parts = [];
    this.held = 0;
    return taken;
  }
  private close(): void {
    if (this.used === 0) return;
    this.parts.push(this.open.subarray(0, this.used));
    this.held += this.used;
    this.open = Buffer.allocUnsafe(CHUNK_BYTES);
    this.used = 0;
  }
}
