// Reads SMTP replies (RFC 5321 §4.2) out of bytes as they come. Pure and total: any bytes give replies, or garbage.
// Takes bare LF line ends and 8-bit text, as servers send both. Never keeps more than it is told to, and never
// guesses at what is no reply: a line that can not be one is for the caller to treat as transient.

import { smtpReplyBytesMax, smtpReplyLineBytesMax, smtpReplyTextCharsMax } from './limits.ts';
import { parseStatus, type Status } from './status.ts';

export type SmtpReply = {
  /** Of the last line, 200 to 599. */
  readonly code: number;
  /** Null where there was none, or one whose class contradicts the code: the code wins then. */
  readonly status: Status | null;
  /** All lines joined by a space, without codes and control characters; cut at `smtpReplyTextCharsMax`. */
  readonly text: string;
  /** What followed the code on each line, uncut: EHLO's keywords. */
  readonly lines: readonly string[];
};

const LF = 10;
const CR = 13;
// RFC 5321 §4.2: three digits, then SP or "-" and text, or nothing. First digits other than 2 to 5 do not occur in SMTP.
const LINE = /^([2-5]\d\d)(?:([ -])(.*))?$/su;
// RFC 2034 §4: the status opens each line's text, and its class repeats the code's first digit.
const ENHANCED = /^([245]\.\d{1,3}\.\d{1,3})(?:\s+|$)/u;
const CONTROL = /[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/gu;
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** One connection's reader of replies: it keeps what has come of an unfinished one. */
export class SmtpReplyReader {
  readonly #line = new Uint8Array(smtpReplyLineBytesMax);
  #lineBytes = 0;
  #replyBytes = 0;
  #lines: string[] = [];
  #class = '';
  #garbled = false;

  /** The replies that `bytes` completes, in order. From the first line on that is none there are no more: see `garbled`. */
  push(bytes: Uint8Array): readonly SmtpReply[] {
    const replies: SmtpReply[] = [];
    for (const byte of bytes) {
      if (this.#garbled) break;
      this.#replyBytes++;
      if (byte === LF) {
        const reply = this.#endLine();
        if (reply !== null) replies.push(reply);
      } else if (this.#lineBytes < smtpReplyLineBytesMax) {
        this.#line[this.#lineBytes++] = byte; // what a line has beyond the limit is dropped, not the reply
      }
      if (this.#replyBytes > smtpReplyBytesMax) this.#garbled = true;
    }
    return replies;
  }

  /** A reply has begun and not ended. */
  get unfinished(): boolean {
    return this.#replyBytes > 0;
  }

  /** What came is no SMTP, or too much of it, for good. Replies already given stand. */
  get garbled(): boolean {
    return this.#garbled;
  }

  #endLine(): SmtpReply | null {
    const end = this.#lineBytes > 0 && this.#line[this.#lineBytes - 1] === CR ? this.#lineBytes - 1 : this.#lineBytes;
    const match = LINE.exec(decode(this.#line.subarray(0, end)));
    this.#lineBytes = 0;
    const code = match?.[1];
    // RFC 5321 §4.2.1 wants one code on every line; we insist on its class alone, and take the last.
    if (code === undefined || (this.#lines.length > 0 && code.charAt(0) !== this.#class)) {
      this.#garbled = true;
      return null;
    }
    this.#class = code.charAt(0);
    this.#lines.push(match?.[3] ?? '');
    if (match?.[2] === '-') return null;
    const lines = this.#lines;
    this.#lines = [];
    this.#replyBytes = 0;
    return assemble(Number(code), lines);
  }
}

function assemble(code: number, lines: readonly string[]): SmtpReply {
  let status: Status | null = null;
  const texts: string[] = [];
  for (const line of lines) {
    const enhanced = ENHANCED.exec(line);
    const found = enhanced?.[1] === undefined ? null : parseStatus(enhanced[1]);
    if (enhanced === null || found === null || Number(found.charAt(0)) !== Math.floor(code / 100)) texts.push(line);
    else {
      status ??= found;
      texts.push(line.slice(enhanced[0].length));
    }
  }
  const text = texts.join(' ').replace(CONTROL, ' ').trim();
  return { code, status, text: cut(text, smtpReplyTextCharsMax), lines };
}

/** At most `max` UTF-16 units, never ending in half a surrogate pair. */
function cut(text: string, max: number): string {
  if (text.length <= max) return text;
  const last = text.charCodeAt(max - 1);
  return text.slice(0, last >= 0xd800 && last < 0xdc00 ? max - 1 : max);
}

/** UTF-8 (RFC 6531 §3.7.4.2 allows it in replies), or else each byte as the Latin-1 character that it most likely was. */
function decode(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes);
  } catch {
    let text = '';
    for (const byte of bytes) text += String.fromCharCode(byte);
    return text;
  }
}
