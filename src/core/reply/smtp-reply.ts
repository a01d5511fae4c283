// Reads SMTP replies (RFC 5321 §4.2) from bytes as they arrive. The SMTP client calls it. Pure and total: any bytes
// give replies, or garbage. It accepts bare LF line ends and 8-bit text, as servers send both. It never keeps more than
// its limit, and never guesses: a line that cannot be a reply is returned as such, and an empty line is skipped.

import {
  smtpJunkBytesMax,
  smtpReplyBytesMax,
  smtpReplyEndlessBytes,
  smtpReplyLineBytesMax,
  smtpReplyTextCharsMax,
} from '#core/limits.ts';
import { parseStatus, type Status } from './status.ts';

export type SmtpReply = {
  /** Of the last line, 200 to 599. */
  readonly code: number;
  /** Null where there was none, or one whose class contradicts the code: the code wins then. */
  readonly status: Status | null;
  /** All lines joined by a space, without codes and control characters; cut at `smtpReplyTextCharsMax`. */
  readonly text: string;
  /** The text after the code on each line, as far as it is kept: EHLO's keywords. */
  readonly lines: readonly string[];
};
/** A line between two replies that is no reply: real servers send some. The caller decides whether it matters. */
export type SmtpJunk = { readonly junk: string };

export function isJunk(item: SmtpReply | SmtpJunk): item is SmtpJunk {
  return 'junk' in item;
}

const LF = 10;
const CR = 13;
// RFC 5321 §4.2: three digits, then SP or "-" and text, or nothing. First digits other than 2 to 5 do not occur in
// SMTP.
const LINE = /^([2-5]\d\d)(?:([ -])(.*))?$/su;
// RFC 2034 §4: the status opens each line's text, and its class repeats the code's first digit.
const ENHANCED = /^([245]\.\d{1,3}\.\d{1,3})(?:\s+|$)/u;
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/gu;
const JUNK_CHARS_MAX = 200;
const HIDDEN = '***';
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** One connection's reader of replies: it keeps the part of an unfinished one. */
export class SmtpReplyReader {
  readonly #line = new Uint8Array(smtpReplyLineBytesMax);
  #lineBytes = 0;
  /** By the line's first four bytes, which decide: this runs for each byte that comes, so it looks once. */
  #lineMayBegin = false;
  /** Since the last reply ended. */
  #bytes = 0;
  /** The texts of the lines with a code, and of all lines. */
  #lines: string[] = [];
  #texts: string[] = [];
  /** Of the first line of the reply that has begun; 0: none has. */
  #code = 0;
  #garbled = false;
  #secrets: readonly string[] = [];

  /** From now on no text that is given contains one of these: a line is cleaned before anything of it is cut off. */
  hide(secrets: readonly string[]): void {
    this.#secrets = secrets.filter((secret) => secret !== '');
  }

  /**
   * The replies that `bytes` completes, in order. There are none after the point where it is no SMTP: see `garbled`.
   */
  push(bytes: Uint8Array): readonly (SmtpReply | SmtpJunk)[] {
    const items: (SmtpReply | SmtpJunk)[] = [];
    for (const byte of bytes) {
      if (this.#garbled) break;
      this.#bytes++;
      if (byte === LF) {
        const item = this.#endLine();
        if (item !== null) items.push(item);
      } else if (this.#lineBytes < smtpReplyLineBytesMax) {
        this.#line[this.#lineBytes++] = byte; // what a line has beyond the limit is dropped, not the reply
        if (this.#lineBytes <= 4) this.#lineMayBegin = mayBecomeReply(this.#line, this.#lineBytes);
      }
      if (this.#bytes > smtpReplyEndlessBytes || (this.#bytes > smtpJunkBytesMax && !this.begun)) {
        const cut = this.cut();
        if (cut !== null) items.push(cut);
        this.#garbled = true;
      }
    }
    return items;
  }

  /** Something has come since the last reply ended, if only half a line. */
  get unfinished(): boolean {
    return this.#bytes > 0;
  }

  /** A reply has begun and not ended; half a line that cannot become a reply is none. */
  get begun(): boolean {
    return this.#code > 0 || this.#lineMayBegin;
  }

  /** The bytes are no SMTP, or too many, permanently. Replies already given stay valid. */
  get garbled(): boolean {
    return this.#garbled;
  }

  /** The unfinished reply that is longer than the limit, cut to it: its code is in its first line. Otherwise null. */
  cut(): SmtpReply | null {
    if (this.#garbled || this.#bytes <= smtpReplyBytesMax) return null;
    const line = this.#text(this.#lineBytes);
    const code = this.#code > 0 ? this.#code : Number(LINE.exec(line)?.[1] ?? 0);
    if (code === 0) return null;
    const kept = this.#code > 0 ? this.#texts : [line.slice(4)];
    return this.#assembled(code, kept);
  }

  #endLine(): SmtpReply | SmtpJunk | null {
    let end = this.#lineBytes;
    while (end > 0 && this.#line[end - 1] === CR) end--; // CR CR LF has been seen
    const line = this.#text(end);
    this.#lineBytes = 0;
    this.#lineMayBegin = false;
    const match = LINE.exec(line);
    const keep = this.#bytes <= smtpReplyBytesMax || this.#code === 0;
    if (match === null) {
      if (line.trim() === '') return null;
      if (this.#code === 0) return { junk: this.#clean(line).slice(0, JUNK_CHARS_MAX) };
      if (keep) this.#texts.push(line); // a line without a code inside a reply is of its text, never a keyword
      return null;
    }
    const code = Number(match[1]);
    // RFC 5321 §4.2.1 wants one code on every line; we insist on its class alone, and take the last.
    if (this.#code > 0 && Math.floor(code / 100) !== Math.floor(this.#code / 100)) {
      this.#garbled = true;
      return null;
    }
    if (this.#code === 0) this.#code = code;
    if (keep) {
      this.#lines.push(match[3] ?? '');
      this.#texts.push(match[3] ?? '');
    }
    return match[2] === '-' ? null : this.#end(code);
  }

  /**
   * The line's bytes up to `end`. Where the line is longer than what is kept, the beginning of a secret may stand at
   * its end.
   */
  #text(end: number): string {
    const text = decode(this.#line.subarray(0, end));
    if (this.#lineBytes < smtpReplyLineBytesMax) return text;
    const cut = Math.max(0, ...this.#secrets.map((secret) => beginningAtEnd(text, secret)));
    return cut === 0 ? text : text.slice(0, -cut) + HIDDEN;
  }

  #clean(text: string): string {
    return this.#secrets.reduce((left, secret) => left.replaceAll(secret, HIDDEN), text);
  }

  /** Codes and statuses are read first: a password may look like one. */
  #assembled(code: number, texts: readonly string[]): SmtpReply {
    return assemble(code, this.#lines, texts, (text) => this.#clean(text));
  }

  #end(code: number): SmtpReply {
    const reply = this.#assembled(code, this.#texts);
    this.#lines = [];
    this.#texts = [];
    this.#code = 0;
    this.#bytes = 0;
    return reply;
  }
}

/** How many characters at the end of `text` are the first ones of `secret`. */
function beginningAtEnd(text: string, secret: string): number {
  let length = Math.min(text.length, secret.length);
  while (length > 0 && !text.endsWith(secret.slice(0, length))) length -= 1;
  return length;
}

/** The first bytes of a line: a code, or the beginning of one. */
function mayBecomeReply(line: Uint8Array, bytes: number): boolean {
  if (bytes === 0) return false;
  const text = String.fromCharCode(...line.subarray(0, Math.min(4, bytes)));
  return /^[2-5]\d{0,2}$/.test(text) || /^[2-5]\d\d[ -]/.test(text) || /^[2-5]\d\d\r/.test(text);
}

function assemble(
  code: number,
  lines: readonly string[],
  said: readonly string[],
  clean: (text: string) => string,
): SmtpReply {
  let status: Status | null = null;
  const texts: string[] = [];
  for (const line of said) {
    const enhanced = ENHANCED.exec(line);
    const found = enhanced?.[1] === undefined ? null : parseStatus(enhanced[1]);
    if (enhanced === null || found === null || Number(found.charAt(0)) !== Math.floor(code / 100)) texts.push(line);
    else {
      status ??= found;
      texts.push(line.slice(enhanced[0].length));
    }
  }
  const text = texts.map(clean).join(' ').replace(CONTROL, ' ').trim();
  return { code, status, text: cutText(text, smtpReplyTextCharsMax), lines: lines.map(clean) };
}

/** At most `max` UTF-16 units, never ending in half a surrogate pair. */
function cutText(text: string, max: number): string {
  if (text.length <= max) return text;
  const last = text.charCodeAt(max - 1);
  return text.slice(0, last >= 0xd800 && last < 0xdc00 ? max - 1 : max);
}

/**
 * UTF-8 (RFC 6531 §3.7.4.2 allows it in replies), or else each byte as the Latin-1 character that it most likely was.
 */
function decode(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    let text = '';
    for (const byte of bytes) text += String.fromCharCode(byte);
    return text;
  }
}
