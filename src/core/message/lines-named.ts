// The fields of one name as anybody may find them: those of our own reader (core/message/header.ts), and whatever else begins a line with that name
// before the first empty line, behind a bare CR too. Where the two differ, another reader may take another field for the message's.

import { authorFieldCharsMax, headerBytesMax } from '#core/limits.ts';
import type { HeaderSection } from './header.ts';

const [LF, CR, TAB, SPACE, COLON] = [0x0a, 0x0d, 0x09, 0x20, 0x3a];

export type NamedLines = {
  /** What stands behind the colon, folded lines included, in order. */
  readonly values: readonly Uint8Array[];
  /** A line of that name is no field to us, or where the header section ends is not known. */
  readonly hidden: boolean;
};

/** `name` in lower case. `section` is of the same bytes. */
export function linesNamed(bytes: Uint8Array, section: HeaderSection, name: string): NamedLines {
  const fields = section.fields.filter((field) => field.name === name);
  const isOpen = !section.complete && section.linesEnd >= headerBytesMax;
  const starts = new Set(fields.map(({ start }) => start));
  const values = fields.map(({ valueStart, end }) => bytes.subarray(valueStart, end));
  let hidden = isOpen;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, section.linesEnd);
  for (let at = 0; at < text.length; at = nextLine(text, at)) {
    const start = startsWithMark(text, at) ? at + 3 : at;
    const value = starts.has(start) ? -1 : valueOfLine(text, start, name);
    if (value === -1) continue;
    hidden = true;
    values.push(text.subarray(value, Math.min(nextLine(text, value), value + authorFieldCharsMax)));
  }
  return { values, hidden };
}

/** After the colon of a line of that name; -1 where it is another line. */
function valueOfLine(text: Buffer, start: number, name: string): number {
  if (text.toString('latin1', start, start + name.length).toLowerCase() !== name) return -1;
  let at = start + name.length;
  while (text[at] === SPACE || text[at] === TAB) at += 1;
  return text[at] === COLON ? at + 1 : -1;
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
