// Writes text as the lines of a notice: cleaned, dated, folded, and encoded (RFC 5322, RFC 2047, RFC 2045). "Octets"
// are strings whose every character is one byte (Latin-1), so that foreign bytes survive; "text" is Unicode.

import { lineOctetsMax, lineOctetsWanted } from '#core/limits.ts';

const WORD_OCTETS_MAX = 900; // of one unbreakable word: leaves room for a field name within a line of 998
const ENCODED_WORD_BYTES = 39; // 52 in Base64: an encoded-word of 64, within the 76 of a line that holds one (RFC 2047 §2)
const UNREADABLE_DATE = 0;
const YEAR_9999_MS = 253_402_300_799_000;

const CONTROL_OR_SPACE = /[\p{Cc}\p{Zl}\p{Zp}\s]+/gu;
// Characters that reorder or hide text: a hostile Subject must not rewrite the sentence around it (UAX #9).
const BIDI = /[\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069\uFEFF]/g;

/** One line of well-formed text without controls, at most `charsMax` characters, cut with an ellipsis of three dots. */
export function oneLine(text: string, charsMax: number): string {
  const head = text.length > charsMax * 8 ? text.slice(0, charsMax * 8) : text;
  const clean = head.toWellFormed().replace(BIDI, '').replace(CONTROL_OR_SPACE, ' ').trim();
  const chars = [...clean];
  if (chars.length <= charsMax) return clean;
  return `${chars
    .slice(0, Math.max(0, charsMax - 3))
    .join('')
    .trimEnd()}...`;
}

/** The same in ASCII: other characters are masked (RFC 3464 §2.3.6 has no charset). */
export function asciiLine(text: string, charsMax: number): string {
  return oneLine(text, charsMax).replace(/[^\x20-\x7e]/gu, '?');
}

export function isAscii(text: string): boolean {
  return /^[\0-\x7f]*$/.test(text);
}

/** RFC 5322 §3.3 date-time, in UTC with a numeric zone. */
export function mailDate(ms: number): string {
  const within = Number.isFinite(ms) && ms >= 0 && ms <= YEAR_9999_MS ? ms : UNREADABLE_DATE;
  return new Date(within).toUTCString().replace('GMT', '+0000');
}

export function octetsOf(text: string): string {
  return Buffer.from(text.toWellFormed(), 'utf8').toString('latin1');
}

/**
 * `Name: body`, folded at spaces; a word too long for any line is broken (RFC 5322 §2.2.3). ASCII or UTF-8 octets in
 * and out.
 */
export function foldedField(name: string, body: string): string {
  const lines: string[] = [];
  let line = `${name}:`;
  for (const word of body.split(' ').flatMap(breakable)) {
    if (word === '') continue;
    const bare = line === `${name}:` || line === '';
    if (!bare && line.length + 1 + word.length > lineOctetsWanted) {
      lines.push(line);
      line = '';
    }
    line = `${line} ${word}`;
  }
  return [...lines, line].join('\r\n');
}

function breakable(word: string): string[] {
  if (word.length <= WORD_OCTETS_MAX) return [word];
  return word.match(new RegExp(`.{1,${WORD_OCTETS_MAX}}`, 'gs')) ?? [];
}

/**
 * An unstructured field that begins with a fixed ASCII lead: `Subject: Undeliverable: …`. Non-ASCII goes into
 * encoded-words.
 */
export function unstructuredField(name: string, lead: string, text: string): string {
  const plain = isAscii(text) && !text.includes('=?');
  return foldedField(name, `${lead} ${plain ? text : encodedWords(text)}`);
}

/** RFC 2047 §2: UTF-8 in Base64, no character split between two words. */
export function encodedWords(text: string): string {
  const words: string[] = [];
  let chunk = '';
  for (const char of text.toWellFormed()) {
    if (Buffer.byteLength(chunk + char) > ENCODED_WORD_BYTES) {
      words.push(chunk);
      chunk = '';
    }
    chunk += char;
  }
  if (chunk !== '') words.push(chunk);
  return words.map((word) => `=?utf-8?B?${Buffer.from(word).toString('base64')}?=`).join(' ');
}

/** RFC 2045 §6.7 over octets with CRLF line ends. */
export function quotedPrintable(octets: string): string {
  return octets.split('\r\n').map(quotedLine).join('\r\n');
}

function quotedLine(line: string): string {
  // Rule 3: no line ends in white space. Programs that still write mbox files would quote "From ".
  const encoded = line
    .replace(/[^\t\x20-\x3c\x3e-\x7e]/g, (char) => `=${char.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`)
    .replace(/^From /, '=46rom ')
    .replace(/[\t ]$/, (char) => (char === ' ' ? '=20' : '=09'));
  if (encoded.length <= 76) return encoded;
  const lines: string[] = [];
  for (let at = 0; at < encoded.length; ) {
    let to = Math.min(at + 75, encoded.length);
    if (encoded.length - at <= 76) to = encoded.length;
    else if (encoded[to - 1] === '=') to -= 1;
    else if (encoded[to - 2] === '=') to -= 2;
    lines.push(encoded.slice(at, to));
    at = to;
  }
  return lines.join('=\r\n');
}

/** Whether octets with CRLF line ends may stand in a body part without any encoding (RFC 2045 §2.7: 7bit). */
export function isSevenBit(octets: string): boolean {
  return (
    /^[\t\r\n\x20-\x7e]*$/.test(octets) &&
    octets.split('\r\n').every((line) => line.length <= lineOctetsMax && !/[\r\n]/.test(line))
  );
}
