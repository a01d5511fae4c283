// Writes a field's value as lines that every server takes: CRLF at their ends, no line of blanks alone, at most 998
// octets each (RFC 5322 §2.1.1). Short lines stay as they are. A longer one is folded at its blanks, which loses
// nothing (§2.2.3). A word longer than a line is broken where its kind of field allows it. "Octets" are strings whose
// every character is one byte.

import { lineOctetsMax, lineOctetsWanted } from '#core/limits.ts';
import { decodeUnlabelled, plainText } from './field-text.ts';
import { encodedWords } from './text-encoding.ts';

/** `value` is all behind the colon, with the line ends that it came with. The result ends with CRLF. */
export function fieldLines(name: string, value: string, lineEnd = '\r\n'): string {
  const given = value.split('\n').map((line, at, { length }) => clean(at === length - 1 ? line : withoutReturns(line)));
  if (given.at(-1) === '') given.pop();
  const [first = '', ...more] = given;
  // A line of blanks ends the header section for some (RFC 5322 §4.2 forbids to write one).
  const lines = [`${name}:${first}`, ...more.filter((line) => /[^ \t]/.test(line))];
  const isText = UNSTRUCTURED.test(name);
  return lines
    .flatMap((line) => (line.length <= lineOctetsMax ? [line] : folded(line, isText)))
    .map((line) => `${line}${lineEnd}`)
    .join('');
}

/** A CR that ends no line is a blank, and a NUL is nothing. */
function clean(line: string): string {
  return line.replace(/\r/g, ' ').replace(/\0/g, '');
}

/** Without the CRs at its end. By a loop: an expression looks at a run of them once for each. */
export function withoutReturns(line: string): string {
  let end = line.length;
  while (end > 0 && line.charAt(end - 1) === '\r') end -= 1;
  return line.slice(0, end);
}

/**
 * Text for people, or for an unknown reader: RFC 2047 §5 (1) allows encoded-words there, which join without a blank.
 */
const UNSTRUCTURED = /^(?:subject|comments|content-description|thread-topic|organization|user-agent|x-.*)$/i;

/** Behind the last octet that is no blank: 0xA0 is a part of a character here. */
function endOfText(line: string): number {
  let end = line.length;
  while (end > 0 && ' \t\r\n'.includes(line.charAt(end - 1))) end -= 1;
  return end;
}

/** One line, folded: no line longer than it should be where blanks allow it, none longer than it may be in any case. */
export function folded(line: string, isText: boolean): string[] {
  const lines: string[] = [];
  let current = '';
  for (const [segment = ''] of line.slice(0, endOfText(line)).matchAll(/[ \t]*[^ \t]+/g)) {
    for (const part of segment.length <= WORD_OCTETS_MAX ? [segment] : broken(segment, isText)) {
      const isContinuation = /^[ \t]/.test(part);
      if (current !== '' && isContinuation && current.length + part.length > lineOctetsWanted) {
        lines.push(current);
        current = '';
      }
      current += part;
    }
  }
  return [...lines, current];
}

/** Leaves room for a field's name before the first word. */
const WORD_OCTETS_MAX = 800;

/** A word with the blanks before it, in parts that each begin with a blank (the very first of a field apart). */
function broken(segment: string, isText: boolean): string[] {
  const word = segment.replace(/^[ \t]+/, '');
  const blank = word.length === segment.length ? '' : ' ';
  const [, lead = '', rest = word] = blank === '' ? (/^([!-9;-~]+:)(.*)$/s.exec(word) ?? []) : [];
  if (rest.length <= WORD_OCTETS_MAX)
    return [lead, `${blank === '' ? ' ' : blank}${rest}`].filter((part) => part !== '');
  const parts = isText ? encodedWords(readable(rest)).split(' ') : piecesOf(rest);
  return [...(lead === '' ? [] : [lead]), ...parts.map((part) => ` ${part}`)];
}

/** An encoded-word that is too long is written anew in several. */
function readable(octets: string): string {
  const text = decodeUnlabelled(Buffer.from(octets, 'latin1'));
  return text.includes('=?') ? plainText(text) : text;
}

/** Behind a comma or a semicolon, between two message identifiers; where there is nothing of the kind, anywhere. */
function piecesOf(word: string): string[] {
  const pieces: string[] = [];
  let current = '';
  for (const piece of word.split(/(?<=[,;])|(?<=>)(?=<)/)) {
    if (current !== '' && current.length + piece.length > lineOctetsWanted - 2) {
      pieces.push(current);
      current = '';
    }
    current += piece;
    for (; current.length > WORD_OCTETS_MAX; current = current.slice(WORD_OCTETS_MAX))
      pieces.push(current.slice(0, WORD_OCTETS_MAX));
  }
  return current === '' ? pieces : [...pieces, current];
}
