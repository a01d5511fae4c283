// Reads mail to a return path of ours: a delivery report in any of the shapes that mail systems produce, a complaint,
// an automatic answer, or none of these. Total and bounded: any bytes give a result, and a message that is not
// understood is no report. It gives claims and facts alone; it never decides what follows from them for a delivery, and
// never believes who sent the message. In this order: fields for machines (a delivery-status part,
// X-Failed-Recipients); a mailer's own form together with a mailer's signs, or a report within an attached message;
// words with a mailer's signs that no answer has; the signs of an answer. Words alone make no failure.

import { reportDepthMax, reportRecipientsMax } from '#core/limits.ts';
import { decodeUnlabelled } from '#core/message/field-text.ts';
import type { HeaderField } from '#core/message/header.ts';
import { looksLikeHtml, textOfHtml } from '#core/message/html-text.ts';
import { oneLine } from '#core/message/text-encoding.ts';
import { passField } from '#core/message/trace-fields.ts';
import { type Status, statusOf } from '#core/reply/status.ts';
import {
  looksLikeStatus,
  originalFields,
  type RemoteRecipient,
  type StatusGroup,
  statusFields,
} from './report-fields.ts';
import { beginsOriginal } from './report-original.ts';
import { type Parts, partsIn, partsOf, type ReportPart } from './report-parts.ts';
import { isAutomaticAnswer, type Signs, signsOf, subjectOf } from './report-signs.ts';
import { exactStatus, statusFrom } from './report-status.ts';
import { type BounceText, hasCode, readBounceText, wordsFor } from './report-text.ts';

export type RemoteReport =
  | {
      readonly kind: 'report';
      readonly reportingMta: string | null;
      readonly recipients: readonly [RemoteRecipient, ...RemoteRecipient[]];
      /** The header section of the message it is about, as far as it was returned. */
      readonly original: readonly HeaderField[];
    }
  /** RFC 5965: a recipient called the message unwanted. */
  | { readonly kind: 'complaint'; readonly feedbackType: string; readonly original: readonly HeaderField[] }
  /** RFC 3834, or a notification of RFC 8098: a program of the recipient's answered. */
  | { readonly kind: 'auto-reply' }
  | { readonly kind: 'none' };
type Report = Extract<RemoteReport, { kind: 'report' }>;
type Inside = Extract<RemoteReport, { kind: 'report' | 'complaint' }>;

/** `nullPath`: it came with the null reverse-path. */
export function readRemoteReport(bytes: Uint8Array, { nullPath }: { readonly nullPath: boolean }): RemoteReport {
  const parts = partsOf(bytes);
  const signs = signsOf(parts, nullPath);
  const certain = certainly(parts, signs, 0);
  if (certain !== null) return certain;
  // A notification that mail was read adds nothing to the remote server's report on its delivery.
  if (parts.reportType === 'disposition-notification') return { kind: 'auto-reply' };
  const spoken = reportInWords(parts, signs, 'any');
  if (spoken !== null) return spoken;
  return isAutomaticAnswer(parts) ? { kind: 'auto-reply' } : { kind: 'none' };
}

/** Fields for machines, a mailer's own form, or either of them within an attached message. */
function certainly(parts: Parts, signs: Signs, depth: number): RemoteReport | null {
  const feedbackType = complaintOf(parts);
  if (feedbackType !== null) return { kind: 'complaint', feedbackType, original: originalOf(parts) };
  const byFields = reportInFields(parts) ?? (depth === 0 ? fieldsInText(parts, signs) : null);
  if (byFields !== null) return byFields;
  // The message that a report returns is its last part; its own words come before whatever that message is.
  const isReport = parts.reportType === 'delivery-status' && parts.type === 'multipart/report';
  const deeper = depth > 0 && signs.mailer && signs.subjectOfReport;
  const formal = reportInWords(parts, signs, isReport || deeper ? 'any' : 'formal');
  if (formal !== null) return formal;
  const inside = depth < INSIDE_MAX ? reportInside(parts, signs, depth) : null;
  if (inside === null) return reportByFieldAlone(parts);
  if (!signs.answer || signs.mailer) return inside;
  // An answer that encloses a report: one about mail of ours counts, any other is for people.
  return inside.original.some(({ name }) => name.toLowerCase() === passField) ? inside : { kind: 'none' };
}
const INSIDE_MAX = Math.min(3, reportDepthMax);

// ── By its fields ───────────────────────────────────────────────────────────────────────────────────────────────────

function reportInFields(parts: Parts): Report | null {
  let reportingMta: string | null = null;
  const groups: StatusGroup[] = [];
  for (const part of parts.parts) {
    const read = statusIn(part);
    if (read === null) continue;
    reportingMta ??= read.reportingMta;
    groups.push(...read.recipients.slice(0, reportRecipientsMax - groups.length));
  }
  const texts = groups.some((group) => lacksWords(group) || group.status?.endsWith('.0.0'))
    ? textsOf(parts).slice(0, WORDED_PARTS_MAX)
    : [];
  const read = groups.map((group) => withWords(group, texts, groups.length === 1));
  const [first, ...others] = distinct(read);
  return first === undefined
    ? null
    : { kind: 'report', reportingMta, recipients: [first, ...others], original: originalOf(parts) };
}

/** The words are in front: a text, perhaps twice, perhaps behind a person's note. */
const WORDED_PARTS_MAX = 8;

function statusIn(part: ReportPart): ReturnType<typeof statusFields> | null {
  const text = plainOf(part.text);
  return isStatusPart(part) || looksLikeStatus(text) ? statusFields(text) : null;
}

/** As it reads where the label of its transfer encoding was lost on the way. */
function plainOf(text: string): string {
  if (!/^[A-Za-z0-9+/=\s]{40,}$/.test(text)) return text;
  return decodeUnlabelled(Buffer.from(text, 'base64')).replaceAll('\r\n', '\n');
}

/** Also of type text/plain with the right description, as some gateways leave it, and RFC 6533 §3's. */
function isStatusPart({ type, fields }: ReportPart): boolean {
  if (/^message\/(x-?|global-)?delivery-status$/.test(type)) return true;
  return type === 'text/plain' && /^delivery (report|status)/i.test(fields.get('content-description') ?? '');
}

function lacksWords({ diagnostic }: RemoteRecipient): boolean {
  return diagnostic === null || !/[a-z]{3}/i.test(diagnostic.replace(/\S{1,99}@\S{1,99}/g, ''));
}

/** A failure without words of the server's gets the report's own words about the recipient, if they can be found. */
function withWords({ remark, ...group }: StatusGroup, texts: readonly string[], alone: boolean): RemoteRecipient {
  const vague = group.status?.endsWith('.0.0') === true && !hasCode(group.diagnostic ?? '');
  if (!(lacksWords(group) || vague) || !/^(failed|delayed)$/.test(group.action)) return group;
  const names = [group.finalRecipient, group.originalRecipient].filter((name) => name !== null);
  for (const text of texts) {
    const words = wordsFor(text, names, alone);
    if (words !== null && (lacksWords(group) || hasCode(words)))
      return { ...group, diagnostic: words, status: statusBy(group, words) };
  }
  const diagnostic = group.diagnostic ?? remark;
  return { ...group, diagnostic, status: statusBy(group, diagnostic) };
}

function statusBy({ status }: RemoteRecipient, words: string | null): Status | null {
  return exactStatus(status, words);
}

/** A finding that is repeated counts once. A general one gives way to an exact one of the same. */
function distinct(all: readonly RemoteRecipient[]): RemoteRecipient[] {
  const who = ({ finalRecipient, action }: RemoteRecipient) => `${finalRecipient?.toLowerCase()} ${action}`;
  const exact = new Set(all.filter(({ status }) => status !== null && !status.endsWith('.0.0')).map(who));
  const recipients = all.filter((each) => !(each.status?.endsWith('.0.0') === true && exact.has(who(each))));
  const key = ({ finalRecipient, action, status }: RemoteRecipient) =>
    `${finalRecipient?.toLowerCase()} ${action} ${status}`;
  return [...new Map(recipients.toReversed().map((each) => [key(each), each])).values()].toReversed();
}

/**
 * The fields of a report within text: its parts were lost, or it is quoted. A quotation in an answer is no report.
 */
function fieldsInText(parts: Parts, { mailer, nullPath, answer }: Signs): Report | null {
  if (!mailer && (!nullPath || answer)) return null;
  for (const text of textsOf(parts)) {
    const lines = text.split('\n').slice(0, TEXT_LINES_MAX);
    const end = lines.findIndex((line) => line !== '' && beginsOriginal(line));
    const own = end === -1 ? lines : lines.slice(0, end);
    const start = own.findIndex((line) => STATUS_FIELD.test(line));
    if (start === -1) continue;
    const { reportingMta, recipients } = statusFields(own.slice(start).map(unquoted).join('\n'));
    const [first, ...others] = distinct(recipients.map(({ remark: _, ...recipient }) => recipient));
    if (first === undefined || first.finalRecipient === null) continue;
    const original = originalOf(parts);
    const inText = original.length > 0 || end === -1 ? original : originalFields(lines.slice(end + 1).join('\n'));
    return { kind: 'report', reportingMta, recipients: [first, ...others], original: inText };
  }
  return null;
}
const TEXT_LINES_MAX = 5_000;
const STATUS_FIELD = /^[>\s]{0,20}(reporting-mta|final-recipient|original-recipient)[ \t]{0,9}:/i;

function unquoted(line: string): string {
  return line.replace(/^[>\s]{1,20}(?=[A-Z][\w-]{1,99}:)/, '');
}

// ── In words ────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Reports in words alone (qmail, Exim, Exchange before 2007, Domino, and home-made ones). */
function reportInWords(parts: Parts, signs: Signs, which: 'formal' | 'any'): Report | null {
  const failed = parts.fields.get('x-failed-recipients') ?? null;
  const texts = textsOf(parts);
  // A note or a footer beside the report is not the subject's topic.
  const subject = texts.length === 1 || parts.parts[0]?.type === 'text/html' ? subjectOf(parts.fields) : '';
  for (const text of texts) {
    const read = readBounceText(text, subject, failed);
    if (read !== null && isBelieved(read, signs, failed !== null, which)) return reportOf(parts, read);
  }
  return null;
}

/** X-Failed-Recipients, without words that say why. */
function reportByFieldAlone(parts: Parts): Report | null {
  const failed = parts.fields.get('x-failed-recipients') ?? null;
  const read = failed === null ? null : readBounceText(textsOf(parts)[0] ?? '', subjectOf(parts.fields), failed);
  return read === null || read.recipients.length === 0 ? null : reportOf(parts, read);
}

function isBelieved(read: BounceText, signs: Signs, byField: boolean, which: 'formal' | 'any'): boolean {
  const named = read.recipients.length > 0;
  if (byField) return named && (read.formal || read.coded);
  if (read.formal && signs.mailer) return true;
  if (read.formal && named && signs.nullPath && !signs.answer) return true;
  return which === 'any' && named && signs.mailer && !signs.answer;
}

function reportOf(parts: Parts, read: BounceText): Report {
  const named = read.recipients.length > 0 ? read.recipients : [{ address: null, words: read.words }];
  const [first, ...others] = named.map(
    ({ address, words }): RemoteRecipient => ({
      finalRecipient: address,
      originalRecipient: null,
      action: read.delayed ? 'delayed' : 'failed',
      status: classed(statusFrom(words), read.delayed),
      diagnostic: words,
      remoteMta: null,
    }),
  );
  if (first === undefined) throw new Error('a report without recipients');
  const original = originalOf(parts);
  return {
    kind: 'report',
    reportingMta: hostOf(parts.fields),
    recipients: [first, ...others],
    original: original.length > 0 ? original : read.original,
  };
}

/** A failure keeps its status, also where the last reply was a 4.y.z; a mere delay is of class 4. */
function classed(status: Status | null, delayed: boolean): Status | null {
  if (!delayed) return status ?? statusOf('5.0.0');
  return status?.startsWith('4') ? status : statusOf('4.0.0');
}

function hostOf(fields: ReadonlyMap<string, string>): string | null {
  const host = /@([\w.-]{1,255})/.exec((fields.get('from') ?? '').slice(0, 1_000))?.[1];
  return host === undefined ? null : oneLine(host, 255);
}

/** The text for people, in the parts' order; a multipart that could not be taken apart is text as well. */
function textsOf({ parts }: Parts): string[] {
  return parts.flatMap(({ type, text }) => {
    if (looksLikeStatus(text)) return [];
    if (type === 'text/html' || (type === 'text/plain' && looksLikeHtml(text))) return [textOfHtml(text)];
    return /^(text\/plain|multipart\/.*)$/.test(type) && text.trim() !== '' ? [text] : [];
  });
}

// ── One level deeper ────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * A report that a scanner, a list or a person put into another message. A message that bears our pass is the one that
 * we sent, returned: a report within it is about other mail.
 */
function reportInside(parts: Parts, { nullPath }: Signs, depth: number): Inside | null {
  const found = parts.parts.filter(isMessage).flatMap(({ octets }) => {
    const message = partsIn(octets);
    if (message.fields.has(passField)) return [];
    const read = certainly(message, signsOf(message, nullPath), depth + 1);
    return read?.kind === 'report' || read?.kind === 'complaint' ? [read] : [];
  });
  const [first] = found;
  if (first?.kind !== 'report') return first ?? null;
  const all = distinct(found.flatMap((read) => (read.kind === 'report' ? read.recipients : [])));
  const [one = first.recipients[0], ...others] = all.slice(0, reportRecipientsMax);
  return { ...first, recipients: [one, ...others] };
}

function isMessage({ type, octets }: ReportPart): boolean {
  if (type === 'message/rfc822' || type === 'message/global') return true;
  const head = octets.slice(0, HEAD_CHARS_MAX);
  if (type === 'text/plain')
    return BEGINS_MESSAGE.test(head) && /^content-type:[ \t]{0,9}multipart\/report/im.test(head);
  const isFile = /^(application\/(octet-stream|x-?eml)|text\/rfc822|text\/x-mail)$/.test(type);
  return isFile && BEGINS_MESSAGE.test(head) && /^subject:/im.test(head) && /^from:/im.test(head);
}
const HEAD_CHARS_MAX = 16_384;
const BEGINS_MESSAGE =
  /^(return-path|received|delivered-to|envelope-to|from|to|date|subject|message-id|mime-version|content-type|auto-submitted|dkim-signature|authentication-results|arc-[\w-]{1,40}|x-[\w-]{1,60})[ \t]{0,9}:/i;

// ── The rest ────────────────────────────────────────────────────────────────────────────────────────────────────────

function complaintOf({ reportType, parts }: Parts): string | null {
  const part = parts.find(({ type }) => type === 'message/feedback-report');
  if (part === undefined) return reportType === 'feedback-report' ? 'other' : null;
  const type = /^Feedback-Type[ \t]{0,9}:[ \t]{0,9}([\w-]{1,40})/im.exec(part.text.slice(0, 8_192))?.[1];
  return type?.toLowerCase() ?? 'other';
}

const RETURNED =
  /^(message\/(rfc822|rfc822-headers|global|global-headers|partial|delivery-status-headers)|text\/rfc822-headers?)$/;

/** The returned header section, at whichever place and under whichever type. */
function originalOf({ parts }: Parts): readonly HeaderField[] {
  const part = parts.find(({ type, text }) => RETURNED.test(type) && !looksLikeStatus(text));
  return part === undefined ? [] : originalFields(part.text);
}
