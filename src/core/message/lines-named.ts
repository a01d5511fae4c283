// The fields of one name as any reader may find them: those of our own reader (core/message/header.ts), and every other
// place that begins a line with that name before the first empty line, also behind a bare CR. Where the two differ,
// another reader may take another field for the message's.

import { authorFieldCharsMax, headerBytesMax } from '#core/limits.ts';
import type { HeaderSection } from './header.ts';

const [NUL, LF, CR, TAB, SPACE, COLON] = [0x00, 0x0a, 0x0d, 0x09, 0x20, 0x3a];

export type NamedLines = {
  /** The text after the colon, folded lines included, in order. */
  readonly values: readonly Uint8Array[];
  /** A line of that name is no field to us, or where the header section ends is not known. */
  readonly hidden: boolean;
  /** Where the header section ends is not known: there may be more of them. */
  readonly open: boolean;
};

/** `name` in lower case. `section` is of the same bytes. */
export function linesNamed(bytes: Uint8Array, section: HeaderSection, name: string): NamedLines {
  const fields = section.fields.filter((field) => field.name === name);
  const open = !section.complete && section.linesEnd >= headerBytesMax;
  const starts = new Set(fields.map(({ start }) => start));
  const values = fields.map(({ valueStart, end }) => bytes.subarray(valueStart, end));
  let hidden = open;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, section.linesEnd);
  for (let at = 0; at < text.length; at = nextLine(text, at)) {
    const start = startsWithMark(text, at) ? at + 3 : at;
    const value = starts.has(start) ? -1 : valueOfLine(text, start, name);
    if (value === -1) continue;
    hidden = true;
    values.push(text.subarray(value, Math.min(nextLine(text, value), value + authorFieldCharsMax + 1)));
  }
  return { values, hidden, open };
}

/**
 * After the colon of a line of that name; -1 where it is another line. NUL counts as nothing, and the colon may be
 * folded away from the name: some readers have it so.
 */
function valueOfLine(text: Buffer, start: number, name: string): number {
  let at = start;
  for (const wanted of name) {
    while (text[at] === NUL) at += 1;
    if (String.fromCharCode(text[at] ?? NUL).toLowerCase() !== wanted) return -1;
    at += 1;
  }
  while (isSkipped(text[at])) at += 1;
  const isFolded = at > 0 && (text[at - 1] === LF || text[at - 1] === CR);
  return text[at] === COLON && !isFolded ? at + 1 : -1;
}

function isSkipped(byte: number | undefined): boolean {
  return byte === SPACE || byte === TAB || byte === NUL || byte === CR || byte === LF;
}

/** After the next LF or CR. */
function nextLine(text: Buffer, from: number): number {
  let at = from;
  while (at < text.length && text[at] !== LF && text[at] !== CR) at += 1;
  return at + 1;
}

function startsWithMark(text: Buffer, at: number): boolean {
  return text[at] === 0xef && text[at + 1] === 0xbb && text[at + 2] === 0xbf;
}
