// Composes a notice: an NDR, a delay warning or a postmaster's copy, as a multipart/report (RFC 6522, RFC 3464) in
// answer to a reverse-path. Total: any input yields a valid notice. Deterministic: the same input yields the same
// bytes, so that a notice composed again after a lost result is the same one. Never reads anything, and never shows the
// routed address to the sender.

import { createHash } from 'node:crypto';
import { ndrSubjectTextMax, unvouchedHeaderBytesMin } from '#core/limits.ts';
import {
  asciiLine,
  encodedWords,
  foldedField,
  isAscii,
  mailDate,
  octetsOf,
  oneLine,
  unstructuredField,
} from '#core/message/text-encoding.ts';
import { duplicateField, resultUnknown } from '#core/message/trace-fields.ts';
import { humanPart } from './human-part.ts';
import { type NoticeInput, noticeMessageId } from './input.ts';
import { returnedOriginal } from './original-part.ts';
import { asciiAddress, reportPart } from './report-part.ts';
import { type Scrubber, scrubber } from './scrub.ts';

const ADDRESS_MAX = 900;
// What may stand in angle brackets (RFC 5322 §3.4.1), loosely: an atom or a quoted string, and a domain or a literal.
const ADDRESS = /^(?:[^\s<>()[\]:;@\\,"]+|"(?:[^"\\]|\\.)*")@(?:[^\s<>()[\]@,;:"\\]+|\[[^\s[\]]+\])$/u;
const MESSAGE_ID_MAX = 900; // a msg-id cannot be folded, and a line must not pass 998
const SMALL_ID_MAX = 250;
const MARKER_MAX = 2_000;
const ENCODING_BYTES = 100; // the fields that say how a header section is encoded

/**
 * The whole notice: CRLF line ends, lines of at most 998 octets, closed by its final boundary and a CRLF. Not above
 * `bytesMax`, unless what a notice must say, and `unvouchedHeaderBytesMin` of the header section, are above it already.
 */
export function composeNotice(input: NoticeInput): Uint8Array {
  const scrub = scrubber(input);
  const { bytesMax } = input;
  const full = composed(input, scrub, null);
  if (bytesMax === undefined || bytesMax === null || full.length <= bytesMax) return full;
  const spare = bytesMax - composed(input, scrub, 0).length - ENCODING_BYTES;
  return composed(input, scrub, Math.max(unvouchedHeaderBytesMin, spare));
}

/** `room`: for the header section, where the notice is to be small; null: as it comes. */
function composed(input: NoticeInput, scrub: Scrubber, room: number | null): Uint8Array {
  const original = returnedOriginal(input, scrub, room);
  const small = room !== null;
  const parts = [
    humanPart(input, original, scrub, small),
    reportPart(input, scrub),
    ...(original.part === null ? [] : [original.part]),
  ];
  const messageIdField =
    validMessageId(input.messageIdField) ??
    noticeMessageId({
      spoolId: input.message.spoolId,
      deliveryKey: input.recipients[0].forwardPath,
      kind: input.kind,
      host: input.reportingMta,
    });
  const boundary = boundaryFor(messageIdField, parts);
  const body = [...parts.map((part) => `--${boundary}\r\n${part}`), `--${boundary}--\r\n`].join('\r\n');
  const marker = asciiLine(input.marker, MARKER_MAX);
  const fields = [
    `From: Mail Delivery System <${fromAddress(input)}>`,
    `To: ${toField(input)}`,
    subjectField(input, original.summary.subject),
    `Date: ${mailDate(input.now)}`,
    `Message-ID: ${messageIdField}`,
    ...threadFields(input, original.summary.messageIdField, scrub, small ? SMALL_ID_MAX : MESSAGE_ID_MAX),
    // RFC 3834 §5: a copy answers nobody. Exchange listens to the next one.
    `Auto-Submitted: ${input.kind === 'postmaster' ? 'auto-generated' : 'auto-replied'}`,
    'X-Auto-Response-Suppress: All',
    ...(marker === '' ? [] : [foldedField('X-Everpost-Notice', marker)]),
    ...(input.repeated === true ? [`${duplicateField}: ${resultUnknown}`] : []),
    'MIME-Version: 1.0',
    `Content-Type: multipart/report; report-type=delivery-status;\r\n boundary="${boundary}"`,
    ...(/[\x80-\xff]/.test(body) ? ['Content-Transfer-Encoding: 8bit'] : []),
  ];
  const octets = `${fields.join('\r\n')}\r\n\r\nThis is a report in the format of RFC 3464, in several parts.\r\n\r\n${body}`;
  return new Uint8Array(Buffer.from(octets, 'latin1'));
}

/** From the Message-ID, so that it is the same each time; another one where a part holds it (RFC 2046 §5.1.1). */
function boundaryFor(messageIdField: string, parts: readonly string[]): string {
  for (let turn = 0; ; turn += 1) {
    const boundary = `=_everpost_${createHash('sha256').update(`${messageIdField}\0${turn}`).digest('hex').slice(0, 32)}`;
    if (!parts.some((part) => part.includes(`--${boundary}`))) return boundary;
  }
}

export function fromAddress(input: Pick<NoticeInput, 'from' | 'reportingMta'>): string {
  const own = headerAddress(input.from) ?? headerAddress(`postmaster@${input.reportingMta}`);
  return own ?? 'postmaster@everpost.invalid';
}

/**
 * The reverse-path. One that ASCII cannot write stands in an empty group (RFC 6857 §3.1), unless SMTPUTF8 carries the
 * notice.
 */
export function toField(input: Pick<NoticeInput, 'to' | 'smtputf8'>): string {
  const address = oneLine(input.to.address, ADDRESS_MAX);
  const plain = headerAddress(address);
  if (plain !== null) return `<${plain}>`;
  if (input.smtputf8 && ADDRESS.test(address) && Buffer.byteLength(address) <= ADDRESS_MAX)
    return `<${octetsOf(address)}>`;
  return foldedField('', `${encodedWords(address || 'unknown')}:;`).slice(2);
}

function headerAddress(address: string): string | null {
  const clean = oneLine(address, ADDRESS_MAX);
  const ascii = isAscii(clean) ? clean : asciiAddress(clean);
  return ascii !== null && ADDRESS.test(ascii) ? ascii : null;
}

function subjectField(input: NoticeInput, subject: string | null): string {
  const lead = {
    ndr: 'Undeliverable:',
    delay: 'Delayed:',
    uncertain: 'May not have arrived:',
    success: 'Relayed:',
    postmaster: 'Postmaster copy: undeliverable:',
  }[input.kind];
  return unstructuredField('Subject', lead, oneLine(subject ?? '', ndrSubjectTextMax) || 'your message');
}

/** So that clients show the notice beside the original; only for a Message-ID that is one, and gives nothing away. */
function threadFields(input: NoticeInput, messageIdField: string | null, scrub: Scrubber, max: number): string[] {
  if (!input.threading || messageIdField === null || messageIdField.length > max) return [];
  const id = validMessageId(messageIdField);
  return id === null || scrub.text(id) !== id ? [] : [`In-Reply-To: ${id}`, `References: ${id}`];
}

/** RFC 5322 §3.6.4, loosely: printable ASCII in angle brackets with one @. */
function validMessageId(field: string): string | null {
  const id = field.trim();
  return id.length <= MESSAGE_ID_MAX && /^<[!-;=?A-~]+@[!-;=?A-~]+>$/.test(id) ? id : null;
}
