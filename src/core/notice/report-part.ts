// The second part of a notice: the report that programs read (RFC 3464 §2, RFC 6533 §3). Always 7bit, or UTF-8 where
// SMTPUTF8 carries it. It names only the forward-path, names a remote server only where one answered, and never gives
// our own words as a server's reply.

import { domainToASCII } from 'node:url';
import type { NoticeKind } from '#core/delivery/delivery.ts';
import { replyLine } from '#core/delivery/trace.ts';
import { replyTextMax } from '#core/limits.ts';
import { asciiLine, foldedField, isAscii, mailDate, octetsOf, oneLine } from '#core/message/text-encoding.ts';
import { reasonRow } from '#core/reply/reasons.ts';
import type { Reply } from '#core/reply/reply.ts';
import type { NoticeInput, NoticeRecipient } from './input.ts';
import type { Scrubber } from './scrub.ts';

const ADDRESS_MAX = 900; // octets: paths end at 256 (RFC 5321 §4.5.3.1.3), but a line must never pass 998
const HOST_MAX = 255;
const ENVID_MAX = 200; // RFC 3461 §4.4 has 100

/** The MIME part without its delimiter: fields, empty line, content, closed by CRLF. */
export function reportPart(input: NoticeInput, scrub: Scrubber): string {
  const global = input.smtputf8 && input.recipients.some((recipient) => !isAscii(recipient.forwardPath));
  const groups = [
    messageFields(input),
    ...input.recipients.map((recipient) => recipientFields(input, recipient, global, scrub)),
  ];
  const head = global
    ? [
        'Content-Type: message/global-delivery-status',
        'Content-Description: Delivery report',
        'Content-Transfer-Encoding: 8bit',
      ]
    : [
        'Content-Type: message/delivery-status',
        'Content-Description: Delivery report',
        'Content-Transfer-Encoding: 7bit',
      ];
  return `${head.join('\r\n')}\r\n\r\n${groups.map((group) => `${group.join('\r\n')}\r\n`).join('\r\n')}`;
}

/** RFC 3464 §2.2, in its order; the extension is what §2.4 asks for: what an administrator can look up. */
function messageFields(input: NoticeInput): string[] {
  const envid = asciiLine(input.message.submission?.envid ?? '', ENVID_MAX);
  return [
    ...(envid === '' ? [] : [foldedField('Original-Envelope-Id', envid)]),
    `Reporting-MTA: dns; ${hostName(input.reportingMta) ?? 'unknown'}`,
    `Arrival-Date: ${mailDate(input.message.acceptedAt)}`,
    foldedField('X-Everpost-Spool-ID', asciiLine(input.message.spoolId, HOST_MAX) || 'unknown'),
  ];
}

/** RFC 3464 §2.3, in its order. */
function recipientFields(input: NoticeInput, recipient: NoticeRecipient, global: boolean, scrub: Scrubber): string[] {
  const reply = realReply(recipient.reply);
  const remote = reply?.host == null ? null : hostName(scrub.text(reply.host));
  const original = recipient.originalRecipient === null ? null : originalRecipient(recipient.originalRecipient, global);
  const result = [
    ...(original === null ? [] : [foldedField('Original-Recipient', original)]),
    `Final-Recipient: ${typedAddress(recipient.forwardPath, global)}`,
    `Action: ${actionOf(input.kind)}`,
    `Status: ${recipient.status}`,
  ];
  if (remote !== null) result.push(`Remote-MTA: dns; ${remote}`); // §2.3.5: never where no remote MTA was involved
  const diagnostic = diagnosticCode(recipient, reply, scrub);
  if (diagnostic !== null) result.push(foldedField('Diagnostic-Code', diagnostic));
  if (recipient.attempts > 0 && recipient.lastAttemptAt !== null)
    result.push(`Last-Attempt-Date: ${mailDate(recipient.lastAttemptAt)}`);
  if (input.kind === 'delay' && recipient.willRetryUntil !== null)
    result.push(`Will-Retry-Until: ${mailDate(recipient.willRetryUntil)}`);
  return result;
}

/** A reply that really came by SMTP: RFC 5321 §4.2 has no other codes. */
export function realReply(reply: Reply | null): Reply | null {
  return reply !== null && Number.isInteger(reply.code) && reply.code >= 200 && reply.code <= 599 ? reply : null;
}

/** No other mail system said so, by a reply or in a report: the judgement is ours, and so are its words. */
export function isOurWord({ reply, reason }: NoticeRecipient): boolean {
  return realReply(reply) === null && reasonRow(reason ?? null)?.reported !== true;
}

/** §2.3.6: type `smtp` is for a real reply alone. */
export function diagnosticCode(recipient: NoticeRecipient, reply: Reply | null, scrub: Scrubber): string | null {
  if (reply !== null) return `smtp; ${asciiLine(scrub.remark(recipient, replyLine(reply)), replyTextMax)}`;
  const own = asciiLine(scrub.remark(recipient, recipient.detail ?? ''), replyTextMax);
  return own === '' ? null : `X-Everpost; ${own}`;
}

/**
 * The forward-path as accepted. Non-ASCII (RFC 6533 §3): as it is where SMTPUTF8 carries the notice; else with its
 * domain in A-labels where that makes it ASCII, which every reader knows; else in the escaped form of
 * `utf-8-addr-xtext`.
 */
function typedAddress(forwardPath: string, global: boolean): string {
  const address = oneLine(forwardPath, ADDRESS_MAX) || 'unknown';
  if (isAscii(address)) return `rfc822; ${address}`;
  if (global) return `utf-8; ${octetsOf(shortened(address, (text) => Buffer.byteLength(text)))}`;
  const plain = asciiAddress(address);
  return plain === null ? `utf-8; ${shortened(address, (text) => escaped(text).length, escaped)}` : `rfc822; ${plain}`;
}

/** §2.3.3. `relayed`: taken by the next hop, which does not say more (RFC 3461 §5.2.2). */
export function actionOf(kind: NoticeKind): 'delayed' | 'failed' | 'relayed' {
  return kind === 'delay' || kind === 'uncertain' ? 'delayed' : kind === 'success' ? 'relayed' : 'failed';
}

/** §2.3.1: as ORCPT gave it, xtext resolved. Type utf-8 is escaped where the report is 7bit (RFC 6533 §3). */
function originalRecipient(orcpt: string, global: boolean): string | null {
  const at = orcpt.indexOf(';');
  const type = asciiLine(orcpt.slice(0, at), HOST_MAX).replace(/[^A-Za-z0-9-]/g, '');
  const address = oneLine(orcpt.slice(at + 1), ADDRESS_MAX);
  if (at < 1 || type === '' || address === '') return null;
  if (isAscii(address)) return `${type}; ${address}`;
  if (type.toLowerCase() !== 'utf-8') return null; // its form has no name
  if (global) return `${type}; ${octetsOf(shortened(address, (text) => Buffer.byteLength(text)))}`;
  return `${type}; ${shortened(address, (text) => escaped(text).length, escaped)}`;
}

function shortened(
  address: string,
  octets: (text: string) => number,
  form: (text: string) => string = (text) => text,
): string {
  const chars = [...address];
  while (octets(chars.join('')) > ADDRESS_MAX) chars.splice(Math.floor(chars.length / 2));
  return form(chars.join(''));
}

/** RFC 6533 §3 EmbeddedUnicodeChar: `\x{ED}`, hexadecimal without leading zeros; `\`, `+` and `=` are escaped too. */
function escaped(address: string): string {
  return [...address]
    .map((char) =>
      /[!-*,-<>-[\]-~]/.test(char) ? char : `\\x{${(char.codePointAt(0) ?? 0).toString(16).toUpperCase()}}`,
    )
    .join('');
}

/** The address with its domain in A-labels; null where that does not make it ASCII. */
export function asciiAddress(address: string): string | null {
  const at = address.lastIndexOf('@');
  const domain = domainToASCII(address.slice(at + 1));
  const ascii = `${address.slice(0, at)}@${domain}`;
  return at > 0 && domain !== '' && isAscii(ascii) ? ascii : null;
}

/** A host as `dns;` wants it: ASCII, one word; null where nothing of that kind is left. */
export function hostName(host: string): string | null {
  const name = isAscii(host) ? host : domainToASCII(host);
  const clean = asciiLine(name, HOST_MAX).replace(/[\s;()<>,"\\]/g, '');
  return clean === '' ? null : clean;
}
