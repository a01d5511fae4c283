// Makes header text readable: unfolded, encoded words decoded (RFC 2047), without characters that break a line or
// reorder it. It is for notices, traces and the ledger's extract alone. Its result never goes back into a message that
// we relay.

import { isAscii } from 'node:buffer';

const WORD = /=\?([^?\s*]{1,64})(?:\*[^?\s]{0,64})?\?([bq])\?([^?]*)\?=/gi; // RFC 2231 §5 adds the language after '*'
const LINE_BREAKERS = /[\u0000-\u001F\u007F-\u009F\u2028\u2029]+/g;
const INVISIBLE_ORDER = /[\u202A-\u202E\u2066-\u2069\uFEFF]/g; // bidirectional overrides can make a line read backwards

/**
 * Raw text of a field's value as people should read it: one line, well-formed, no controls. Total: any input gives some
 * text.
 */
export function plainText(raw: string): string {
  return decodeWords(raw.replace(/\r?\n(?=[ \t])/g, ''))
    .replace(LINE_BREAKERS, ' ')
    .replace(INVISIBLE_ORDER, '')
    .replace(/ {2,}/g, ' ')
    .trim()
    .toWellFormed();
}

/** Bytes without a charset: UTF-8 where they are valid UTF-8 (RFC 6532), otherwise the usual charset of such mail. */
export function decodeUnlabelled(bytes: Uint8Array): string {
  if (isAscii(bytes)) return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  try {
    // As a stream: a character that the end of `bytes` cuts in two is left out, and is no error.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes, { stream: true });
  } catch {
    return new TextDecoder('windows-1252').decode(bytes);
  }
}

/** The first characters of `text` that fit `bytesMax` bytes of UTF-8; no character is cut in two. */
export function cutText(text: string, bytesMax: number): string {
  if (text.length * 3 <= bytesMax || Buffer.byteLength(text) <= bytesMax) return text;
  let bytes = 0;
  let end = 0;
  for (const character of text) {
    bytes += Buffer.byteLength(character);
    if (bytes > bytesMax) break;
    end += character.length;
  }
  return text.slice(0, end);
}

function decodeWords(text: string): string {
  let out = '';
  let next = 0;
  let charset = '';
  let run: Buffer[] = []; // words that follow each other in one charset: mailers cut characters in two between them
  const flush = () => {
    if (run.length > 0) out += decodeCharset(charset, Buffer.concat(run));
    run = [];
  };
  for (const word of text.matchAll(WORD)) {
    const [whole, label = '', encoding = '', encoded = ''] = word;
    const gap = text.slice(next, word.index);
    const adjacent = run.length > 0 && /^[ \t\r\n]*$/.test(gap); // RFC 2047 §6.2: the space between two words is not shown
    // Words of a stateful charset each begin anew (RFC 2047 §3); joined, their escapes would be errors.
    if (!adjacent || label.toLowerCase() !== charset || charset.startsWith('iso-2022')) flush();
    if (!adjacent) out += gap;
    charset = label.toLowerCase();
    run.push(encoding.toLowerCase() === 'b' ? Buffer.from(encoded, 'base64') : fromQ(encoded));
    next = word.index + whole.length;
  }
  flush();
  return out + text.slice(next);
}

function fromQ(encoded: string): Buffer {
  const unescaped = encoded
    .replaceAll('_', ' ')
    .replace(/=([0-9A-F]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return Buffer.from(unescaped, 'latin1');
}

function decodeCharset(label: string, bytes: Uint8Array): string {
  try {
    return new TextDecoder(label).decode(bytes);
  } catch {
    return decodeUnlabelled(bytes); // an unknown charset
  }
}
