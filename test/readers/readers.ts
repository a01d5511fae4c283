// Every reader of a stranger's text, called as its callers call it: with the text alone, and within what leads to its
// dearest part. Several definitions of one name stand in one list, `definitions` says how many they are. What is not
// here is excused in excuses.ts.

import * as http from '#adapters/aws/http-message.ts';
import { DotStuffer } from '#adapters/smtp/content.ts';
import { fileText } from '#config/file-text.ts';
import { readRemoteReport } from '#core/feedback/report.ts';
import { partsIn, partsOf } from '#core/feedback/report-parts.ts';
import { isAutomaticAnswer, signsOf, subjectOf } from '#core/feedback/report-signs.ts';
import { deliveryInOriginal, factOfReport } from '#core/feedback/returned-mail.ts';
import { noEvidence } from '#core/message/author-trust.ts';
import { speaksAs } from '#core/message/authserv-id.ts';
import { bearsCanaryField, canaryIn } from '#core/message/canary.ts';
import { extractOf } from '#core/message/extract.ts';
import { decodeUnlabelled } from '#core/message/field-text.ts';
import { readFrom, readFromIn } from '#core/message/from-field.ts';
import * as message from '#core/message/header.ts';
import { linesNamed } from '#core/message/lines-named.ts';
import { regionsOf } from '#core/message/mime-regions.ts';
import { hasLongLine, mendLines } from '#core/message/reencode.ts';
import { withoutRemovedFields } from '#core/message/removed-fields.ts';
import { SesBlock } from '#core/message/ses-block.ts';
import { sesEdit } from '#core/message/ses-edit.ts';
import { signingDomains } from '#core/message/signing-domains.ts';
import * as encoding from '#core/message/text-encoding.ts';
import * as trace from '#core/message/trace-fields.ts';
import * as transfer from '#core/message/transfer-encoding.ts';
import { SmtpReplyReader } from '#core/reply/smtp-reply.ts';
import { findLoop } from '#core/routing/loop.ts';
import { recipientHint } from '#core/spool/orphan.ts';
import { missingFields, receivedField, TopFields } from '#core/submission/added-fields.ts';
import * as piped from '#core/submission/sendmail-message.ts';
import { readData } from '#core/submission/smtp-data.ts';
import { mayAuthor } from '#core/submission/submitter.ts';
import { all, bytes, chunks, drained, fieldsWith, latin1, MAILBOX, pushed, quietly } from './feeding.ts';
import { of, type Reader } from './measure.ts';
import { noticeReaders } from './notice-readers.ts';
import { textReaders } from './text-readers.ts';

const TERMS = { domains: ['example.com'], noticesFrom: 'postmaster@example.com', evidence: noEvidence };
const CANARY = { markKey: 'key', to: 'canary@example.com' };
const SIGNED_CANARY = `X-Everpost-Canary: v1 id=mx3pry0w-fku2mxs5 sig=${'x'.repeat(43)}\r\n`;
const AT = { at: 0, messageIdField: '<1@example.com>' };
const STATUS_PART = 'Content-Type: message/delivery-status\n\nFinal-Recipient: x; a@b\nDiagnostic-Code: smtp; ';
const REPORT = `Content-Type: multipart/report; report-type=delivery-status; boundary=b\n\n--b\n${STATUS_PART}`;

const section = (text: string) => message.headerSection(bytes(text));

function mended(text: string): number {
  const mend = mendLines(bytes(text), section(text));
  return mend.kind === 'mended' ? all(mend.chunks()) : 0;
}

function stuffed(chunk: Uint8Array): void {
  const stuffer = new DotStuffer();
  const out = new Uint8Array(16);
  for (let at = 0; at < chunk.length; ) {
    const clean = stuffer.cleanUntil(chunk, at);
    stuffer.pass(chunk.subarray(at, clean));
    at = Math.min(chunk.length, clean + 4);
    stuffer.rewrite(chunk.subarray(clean, at), out, 0);
  }
}

const GIVEN_BYTES: Readonly<Record<string, Reader>> = {
  canaryIn: of(
    (text) => canaryIn(bytes(text), CANARY),
    (text) => canaryIn(bytes(`X-Everpost-Canary: v1 id=${text}`), CANARY),
    (text) => canaryIn(bytes(`${SIGNED_CANARY}Subject: ${text}\r\n\r\n${text}`), CANARY),
  ),
  bearsCanaryField: of((text) => bearsCanaryField(fieldsWith(text))),
  headerSection: of(
    (text) => message.headerSection(bytes(text)),
    (text) => message.headerSection(bytes(`From: ${text}`)),
  ),
  findHeaderEnd: of((text) => message.findHeaderEnd(bytes(text))),
  fields: of((text) => message.fields(bytes(text))),
  headerFieldsOf: of(
    (text) => message.headerFieldsOf(bytes(text)),
    (text) => message.headerFieldsOf(bytes(`Subject: ${text}`)),
  ),
  fieldText: of((text) => {
    const whole = bytes(`Subject: ${text}`);
    return message.fields(whole).map((field) => message.fieldText(whole, field));
  }),
  intactEdit: of(
    (text) => drained(message.intactEdit(chunks(text, 64), bytes('X: y\r\n'))),
    (text) => drained(message.intactEdit(chunks(`Return-Path: ${text}`, 7), bytes('X: y\r\n'))),
  ),
  withoutRemovedFields: of(
    (text) => drained(withoutRemovedFields(chunks(text, 16), { direction: 'outbound', domains: ['example.com'] })),
    (text) => drained(withoutRemovedFields(chunks(`Bcc: ${text}`, 64), { direction: 'outbound', domains: [] })),
    (text) =>
      drained(
        withoutRemovedFields(chunks(`Authentication-Results: ${text}`, 64), {
          direction: 'inbound',
          domains: ['example.com'],
        }),
      ),
  ),
  speaksAs: of((text) => speaksAs(bytes(text), new Set(['example.com']), false)),
  'SesBlock.takes': of((text) => new SesBlock().takes(text)),
  readFrom: of(
    (text) => readFrom(bytes(`From: ${text}\r\n\r\n`)),
    (text) => readFrom(bytes(text)),
  ),
  readFromIn: of((text) => readFromIn(fieldsWith(text))),
  linesNamed: of((text) => linesNamed(bytes(text), section(text), 'from')),
  signingDomains: of(
    (text) => signingDomains(bytes(text), section(text)),
    (text) => {
      const whole = `DKIM-Signature: ${text}\r\n\r\n`;
      return signingDomains(bytes(whole), section(whole));
    },
  ),
  decodeUnlabelled: of(
    (text) => decodeUnlabelled(bytes(text)),
    (text) => decodeUnlabelled(Buffer.from(latin1(text), 'latin1')),
  ),
  fileText: of((text) => quietly(() => fileText(bytes(text)))),
  regionsOf: of(
    (text) => regionsOf(bytes(text), section(text)),
    (text) => {
      const whole = `Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n${text}`;
      return regionsOf(bytes(whole), section(whole));
    },
  ),
  mendLines: of(
    (text) => mended(`Subject: x\r\n\r\n${text}${'y'.repeat(1_000)}`),
    (text) => mended(`Content-Type: multipart/mixed; boundary=b\r\n\r\n--b\r\n${text}${'y'.repeat(1_000)}`),
    (text) => mended(`Content-Transfer-Encoding: quoted-printable\r\n\r\n${text}${'y'.repeat(1_000)}`),
    (text) => mended(`Content-Transfer-Encoding: base64\r\n\r\n${text}${'y'.repeat(1_000)}`),
  ),
  hasLongLine: of((text) => hasLongLine(bytes(text), 0, text.length)),
  readRemoteReport: of(
    (text) => readRemoteReport(bytes(`From: mailer-daemon@x\n\n${text}`), { nullPath: true }),
    (text) => readRemoteReport(bytes(`${REPORT}${text}`), { nullPath: true }),
  ),
  partsOf: of(
    (text) => partsOf(bytes(text)),
    (text) => partsOf(bytes(`Content-Type: ${text}`)),
  ),
  signsOf: of(
    (text) => signsOf(partsIn(`From: ${text}\nSubject: ${text}\n\n${text}`), false),
    (text) => signsOf(partsIn(`Subject: x\n\n${text}`), true),
  ),
  subjectOf: of((text) => subjectOf(new Map([['subject', text]]))),
  isAutomaticAnswer: of((text) => isAutomaticAnswer(partsIn(`Subject: ${text}\nAuto-Submitted: ${text}\n\n${text}`))),
  asLines: of((text) => piped.asLines(bytes(text), false)),
  recipientsInHeader: of(
    (text) => piped.recipientsInHeader(bytes(text), 'x.example'),
    (text) => piped.recipientsInHeader(bytes(`To: ${text}`), 'x.example'),
  ),
  needsDeclaration: of((text) => piped.needsDeclaration(bytes(text), [text])),
  completed: of((text) =>
    piped.completed(bytes(text), { ...AT, from: { name: text, mailbox: MAILBOX }, withoutBcc: true, received: '' }),
  ),
  sesEdit: of(
    (text) => sesEdit(bytes(text), TERMS),
    (text) => sesEdit(bytes(`From: ${text}\r\n\r\n`), TERMS),
    (text) => sesEdit(bytes(`Reply-To: ${text}\r\nTo: ${text}\r\nSubject: ${text}\r\n\r\n`), TERMS),
  ),
  'SmtpReplyReader.push': of(
    (text) => {
      const reader = new SmtpReplyReader();
      reader.hide(['aaaaaaab', text.slice(0, 40)]);
      pushed(reader, bytes(text), 7);
    },
    (text) => pushed(new SmtpReplyReader(), bytes(`550-${text}`), 64),
  ),
  missingFields: of((text) => missingFields(bytes(text), AT)),
  receivedField: of((helo) =>
    receivedField({ ...{ helo, address: '::1', protocol: null, host: 'x', spoolId: 'x', at: 0 }, forwardPath: helo }),
  ),
  'TopFields.push': of((text) => pushed(new TopFields(() => ''), bytes(text), 1)),
  quotedPrintable: {
    definitions: 2,
    runs: [(text) => all(transfer.quotedPrintable(bytes(text))), (text) => encoding.quotedPrintable(latin1(text))],
  },
  base64: of((text) => all(transfer.base64(bytes(text)))),
  wrappedBase64: of((text) => all(transfer.wrappedBase64(bytes(text), 998))),
  softened: of((text) => all(transfer.softened(bytes(text), 998))),
  linesOf: of((text) => all(transfer.linesOf(bytes(text)))),
  dechunk: of(
    (text) => quietly(() => http.dechunk(bytes(text))),
    (text) => quietly(() => http.dechunk(bytes('1\r\na\r\n'.repeat(text.length / 6)))),
  ),
  'DotStuffer.cleanUntil': of((text) => stuffed(bytes(text))),
  'DotStuffer.pass': of((text) => stuffed(bytes(text))),
  'DotStuffer.rewrite': of((text) => stuffed(bytes(text))),
  readData: of((text) => {
    const read = readData();
    for (let at = 0; at < text.length; at += 5) read(Buffer.from(text.slice(at, at + 5)));
  }),
};

const GIVEN_FIELDS: Readonly<Record<string, Reader>> = {
  extractOf: of((text) => extractOf(fieldsWith(text), { subject: true })),
  findLoop: of((text) => findLoop(fieldsWith(text), 'key')),
  recipientHint: of(
    (text) =>
      recipientHint([
        { name: 'Return-Path', value: '<a@b>' },
        { name: 'Received', value: text },
      ]),
    (text) =>
      recipientHint([
        { name: 'Return-Path', value: text },
        { name: 'Received', value: `from x for ${text}; a` },
      ]),
  ),
  deliveryInOriginal: of((text) => deliveryInOriginal(fieldsWith(text), 'key')),
  factOfReport: of((text) => {
    const report = readRemoteReport(bytes(`${REPORT}${text}`), { nullPath: true });
    return report.kind === 'report' ? factOfReport(report, 0) : null;
  }),
  bearsNoticeMark: of((text) => trace.bearsNoticeMark('key', fieldsWith(text))),
  mayAuthor: of((text) =>
    mayAuthor(
      { domains: ['example.com'], submitters: {} },
      'app',
      null,
      readFrom(
        bytes(`From: ${text}

`),
      ),
    ),
  ),
};

export const READERS: Readonly<Record<string, Reader>> = {
  ...textReaders,
  ...GIVEN_BYTES,
  ...GIVEN_FIELDS,
  ...noticeReaders,
};
