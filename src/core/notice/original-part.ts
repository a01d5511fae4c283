// The third part of a notice, which returns the original: whole, where `full` was asked for and the body is small and
// plain ASCII; else its header section; else, where nothing can be read, what the ledger noted at acceptance. It never
// has what the sender must not see: Bcc, our own and SES's fields, the routed address.

import { isDelayOrSuccessKind } from '#core/delivery/delay-success.ts';
import { lineOctetsMax, ndrOriginalBytesMax } from '#core/limits.ts';
import type { Extract } from '#core/message/extract.ts';
import { withoutReturns } from '#core/message/field-lines.ts';
import { plainText } from '#core/message/field-text.ts';
import { fields, fieldText, findHeaderEnd } from '#core/message/header.ts';
import { isAscii, isSevenBit, octetsOf, oneLine, quotedPrintable } from '#core/message/text-encoding.ts';
import type { NoticeInput } from './input.ts';
import type { Scrubber } from './scrub.ts';

const LF = 0x0a;
const FIELD_TEXT_MAX = 998;
// Fields that the sender did not write, or that were to stay hidden. SES and we add the others after acceptance.
const KEPT_BACK = /^(?:return-path|bcc|resent-bcc|x-everpost-.*|x-ses-.*)$/;

/** What people are told of the original; decoded, one line each, free of the routed address. */
export type OriginalSummary = {
  readonly from: string | null;
  readonly subject: string | null;
  readonly date: string | null;
  readonly messageIdField: string | null;
};

export type ReturnedOriginal = {
  /** Its source: the stored message, or what the ledger noted at acceptance; null: nothing is known. */
  readonly source: 'message' | 'extract' | null;
  /** Fields were left out because the header section is too long. */
  readonly shortened: boolean;
  readonly whole: boolean;
  /**
   * The MIME part without its delimiter: fields, empty line, content in octets, closed by CRLF. Null where there is
   * none.
   */
  readonly part: string | null;
  readonly summary: OriginalSummary;
};

/** `room`: for the header section, as it will be encoded; null: up to `ndrOriginalBytesMax`. */
export function returnedOriginal(input: NoticeInput, scrub: Scrubber, room: number | null = null): ReturnedOriginal {
  const { original, message } = input;
  const found = original.kind === 'unavailable' ? null : headerSection(original.bytes, scrub, room);
  if (original.kind === 'unavailable' || found === null || (found.octets === '' && !found.shortened)) {
    const rebuilt = rebuiltSection(message.extract, scrub);
    const part = rebuilt === '' ? null : headersPart(withReturnPath(rebuilt, input), input.smtputf8);
    return {
      source: part === null ? null : 'extract',
      shortened: false,
      whole: false,
      part,
      summary: summaryOf(message.extract, null, scrub),
    };
  }
  const section = withReturnPath(found.octets, input);
  const summary = summaryOf(message.extract, original.bytes, scrub);
  const body =
    original.kind === 'full' && !isDelayOrSuccessKind(input.kind) ? plainBody(original.bytes, section, scrub) : null;
  if (body === null) {
    return {
      source: 'message',
      shortened: found.shortened,
      whole: false,
      part: headersPart(section, input.smtputf8),
      summary,
    };
  }
  const part = `Content-Type: message/rfc822\r\nContent-Description: Undelivered message\r\n\r\n${section}\r\n${body}`;
  return { source: 'message', shortened: false, whole: true, part, summary };
}

/**
 * The header section in octets with CRLF line ends; null where there is no field at all. What names the message has
 * room before the rest.
 */
function headerSection(
  bytes: Uint8Array,
  scrub: Scrubber,
  room: number | null,
): { octets: string; shortened: boolean } | null {
  const found: { octets: string; cost: number; names: boolean; kept: boolean }[] = [];
  const named = new Set<string>();
  let shortened = false;
  let last: number | null = null;
  for (const field of fields(bytes)) {
    // A line that is no field, after the first field: the body may begin there without an empty line before it (RFC
    // 5322 §2.1).
    if (last !== null && field.start !== last) break;
    last = field.end;
    if (isCutOff(bytes, field.end)) {
      shortened = true;
      break;
    }
    if (KEPT_BACK.test(field.name)) continue;
    const octets = scrub.octets(cleanLines(Buffer.from(bytes.subarray(field.start, field.end)).toString('latin1')));
    const cost = room === null ? octets.length : Math.max(octets.length, quotedPrintable(octets).length);
    const names = NAMING.test(field.name) && !named.has(field.name);
    if (names) named.add(field.name);
    found.push({ octets, cost, names, kept: false });
  }
  let left = room ?? ndrOriginalBytesMax;
  for (const field of [...found.filter(({ names }) => names), ...found.filter(({ names }) => !names)]) {
    field.kept = field.cost <= left;
    if (field.kept) left -= field.cost;
    else shortened = true;
  }
  const octets = found.flatMap((field) => (field.kept ? [field.octets] : []));
  return last === null ? null : { octets: octets.join(''), shortened };
}

/** By these its author knows a message. */
const NAMING = /^(?:message-id|date|from|subject)$/;

/** The reader was given only the beginning of the message, and it ends within this field. */
function isCutOff(bytes: Uint8Array, fieldEnd: number): boolean {
  return fieldEnd === bytes.length && bytes.length >= ndrOriginalBytesMax && bytes[fieldEnd - 1] !== LF;
}

/** Every line ends in CRLF, none is blank, and no control is left but the tab: NUL and bare CR are masked. */
function cleanLines(octets: string): string {
  return octets
    .split('\n')
    .map((line) => withoutReturns(line).replace(/[\x00-\x08\x0a-\x1f\x7f]/g, '?'))
    .filter((line) => line.trim() !== '')
    .map((line) => `${line}\r\n`)
    .join('');
}

/** RFC 5321 §4.4: the path by which it was returned. */
function withReturnPath(section: string, input: NoticeInput): string {
  return `Return-Path: <${octetsOf(oneLine(pathOf(input), FIELD_TEXT_MAX - 20))}>\r\n${section}`;
}

function pathOf({ kind, to, message }: NoticeInput): string {
  return kind === 'postmaster' ? message.reversePath : to.address;
}

/**
 * RFC 6522 §4: text/rfc822-headers is 7bit, and quoted-printable where the headers are broken or 8-bit;
 * message/global-headers (RFC 6533 §6) only where SMTPUTF8 carries the notice.
 */
function headersPart(section: string, smtputf8: boolean): string {
  const description = 'Content-Description: Undelivered message headers\r\n';
  if (isSevenBit(section)) return `Content-Type: text/rfc822-headers\r\n${description}\r\n${section}`;
  if (smtputf8 && isUtf8(section) && section.split('\r\n').every((line) => line.length <= lineOctetsMax)) {
    return `Content-Type: message/global-headers\r\n${description}Content-Transfer-Encoding: 8bit\r\n\r\n${section}`;
  }
  const type = isAscii(section)
    ? 'text/rfc822-headers'
    : `text/rfc822-headers; charset=${isUtf8(section) ? 'utf-8' : 'windows-1252'}`;
  return `Content-Type: ${type}\r\n${description}Content-Transfer-Encoding: quoted-printable\r\n\r\n${quotedPrintable(section)}`;
}

function isUtf8(octets: string): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(octets, 'latin1'));
    return true;
  } catch {
    return false;
  }
}

/**
 * The body, where the whole message can be returned unencoded within the limit (message/rfc822 takes no encoding); else
 * null.
 */
function plainBody(bytes: Uint8Array, section: string, scrub: Scrubber): string | null {
  const { bodyStart, complete } = findHeaderEnd(bytes);
  if (!complete || bytes.length + section.length - bodyStart > ndrOriginalBytesMax) return null;
  const octets = Buffer.from(bytes.subarray(bodyStart)).toString('latin1').replace(/\r?\n/g, '\r\n');
  const closed = octets === '' || octets.endsWith('\r\n') ? octets : `${octets}\r\n`;
  return isSevenBit(section + closed) && scrub.octets(closed) === closed ? closed : null;
}

/** The ledger's notes of acceptance, as a header section. */
function rebuiltSection(extract: Extract, scrub: Scrubber): string {
  const noted: readonly [string, string | null][] = [
    ['From', extract.from],
    ['To', extract.to],
    ['Date', extract.date],
    ['Subject', extract.subject],
    ['Message-ID', extract.messageIdField],
    ['Auto-Submitted', extract.autoSubmitted],
  ];
  return noted
    .map(([name, value]) => [name, oneLine(scrub.text(value ?? ''), FIELD_TEXT_MAX - 20)] as const)
    .filter(([, value]) => value !== '')
    .map(([name, value]) => `${name}: ${octetsOf(value)}\r\n`)
    .join('');
}

/** From the stored message where it could be read, else from the extract, which is cut short. */
function summaryOf(extract: Extract, bytes: Uint8Array | null, scrub: Scrubber): OriginalSummary {
  const found = new Map<string, string>();
  for (const field of bytes === null ? [] : fields(bytes)) {
    if (!found.has(field.name) && /^(?:from|subject|date|message-id)$/.test(field.name) && bytes !== null) {
      found.set(field.name, fieldText(bytes, field));
    }
  }
  const line = (name: string, noted: string | null) => {
    const text = oneLine(scrub.text(found.get(name) ?? plainText(noted ?? '')), FIELD_TEXT_MAX);
    return text === '' ? null : text;
  };
  return {
    from: line('from', extract.from),
    subject: line('subject', extract.subject),
    date: line('date', extract.date),
    messageIdField: line('message-id', extract.messageIdField),
  };
}
