// SES's SendBounce (docs/aws-contracts.md §2.7). Called by ses.ts. It is for mail that SES received in the last 24
// hours, for recipients of that mail, from a verified sender, once a second. AWS does not document the report's format;
// this one follows RFC 3464.

import { createHash } from 'node:crypto';
import { AwsError } from '../world.ts';
import { notVerified } from './raw-message.ts';

export type ReceivedMail = {
  /** '' is the null one. */
  readonly reversePath: string;
  readonly forwardPaths: readonly string[];
  readonly acceptedAt: number;
};

export type BounceTerms = {
  readonly region: string;
  readonly now: number;
  readonly sesMessageId: string;
  readonly isVerified: (address: string) => boolean;
  readonly received: (sesMessageId: string) => ReceivedMail | null;
};

export type Bounce = { readonly forwardPath: string; readonly content: Uint8Array };

const AGE_MS_MAX = 24 * 3_600_000;
const TYPES = ['DoesNotExist', 'MessageTooLarge', 'ExceededQuota', 'ContentRejected', 'Undefined', 'TemporaryFailure'];
const ACTIONS = ['failed', 'delayed', 'delivered', 'relayed', 'expanded'];

/** Composes the report that a SendBounce form asks for. Throws AwsError where SES refuses it. */
export function bounceOf(form: URLSearchParams, terms: BounceTerms): Bounce {
  const bounceSender = demanded(form, 'BounceSender');
  const original = terms.received(demanded(form, 'OriginalMessageId'));
  if (original === null) throw rejected('Could not find the original message.');
  if (terms.now - original.acceptedAt > AGE_MS_MAX)
    throw rejected('Bounces can be sent up to 24 hours after the original message was received.');
  if (original.reversePath === '') throw rejected('The original message has no sender to bounce to.');
  if (!terms.isVerified(bounceSender)) throw notVerified([bounceSender], terms.region);
  if (hasPrefix(form, 'MessageDsn.')) demanded(form, 'MessageDsn.ReportingMta');
  const groups = recipientGroups(form, original);
  const reportingMta = form.get('MessageDsn.ReportingMta') ?? `dns; inbound-smtp.${terms.region}.amazonaws.com`;
  const arrival = form.get('MessageDsn.ArrivalDate');
  const perMessage = [
    `Reporting-MTA: ${reportingMta}`,
    `Arrival-Date: ${mailDate(arrival === null ? original.acceptedAt : Date.parse(arrival))}`,
  ];
  const explanation =
    form.get('Explanation') ?? 'An error occurred while trying to deliver the mail to the recipients.';
  const report = [perMessage, ...groups].map((group) => `${group.join('\r\n')}\r\n`).join('\r\n');
  const content = composed({ bounceSender, to: original.reversePath, explanation, report }, terms);
  return { forwardPath: original.reversePath, content: Buffer.from(content, 'utf8') };
}

function recipientGroups(form: URLSearchParams, original: ReceivedMail): string[][] {
  const known = original.forwardPaths.map((address) => address.toLowerCase());
  const groups: string[][] = [];
  for (let i = 1; hasPrefix(form, `BouncedRecipientInfoList.member.${i}.`); i += 1) {
    const at = `BouncedRecipientInfoList.member.${i}`;
    const named = form.get(`${at}.Recipient`) ?? '';
    const dsn = hasPrefix(form, `${at}.RecipientDsnFields.`);
    const type = form.get(`${at}.BounceType`);
    if ((type !== null) === dsn) throw invalid('Exactly one of BounceType and RecipientDsnFields must be given.');
    const final = form.get(`${at}.RecipientDsnFields.FinalRecipient`) ?? named;
    if (!known.includes(named.toLowerCase()) && !known.includes(final.toLowerCase()))
      throw rejected(`${named || final} is no recipient of the original message.`);
    groups.push(type === null ? dsnGroup(form, `${at}.RecipientDsnFields`, final) : typeGroup(type, final));
  }
  if (groups.length === 0) throw invalid('BouncedRecipientInfoList is empty.');
  return groups;
}

function dsnGroup(form: URLSearchParams, at: string, final: string): string[] {
  const action = demanded(form, `${at}.Action`);
  if (!ACTIONS.includes(action)) throw invalid(`${action} is no DSN action.`);
  const status = demanded(form, `${at}.Status`);
  if (!/^[245]\.\d{1,3}\.\d{1,3}$/.test(status)) throw invalid(`${status} is no DSN status.`);
  const [remote, diagnostic, last] = ['RemoteMta', 'DiagnosticCode', 'LastAttemptDate'].map((name) =>
    form.get(`${at}.${name}`),
  );
  return [
    `Final-Recipient: rfc822; ${final}`,
    `Action: ${action}`,
    `Status: ${status}`,
    ...(remote ? [`Remote-MTA: ${remote}`] : []),
    ...(diagnostic ? [folded(`Diagnostic-Code: ${diagnostic}`)] : []),
    ...(last ? [`Last-Attempt-Date: ${mailDate(Date.parse(last))}`] : []),
  ];
}

const STATUS_OF: Readonly<Record<string, string>> = {
  DoesNotExist: '5.1.1',
  MessageTooLarge: '5.3.4',
  ExceededQuota: '5.2.2',
  ContentRejected: '5.6.1',
  Undefined: '5.0.0',
  TemporaryFailure: '4.0.0',
};

function typeGroup(type: string, final: string): string[] {
  if (!TYPES.includes(type)) throw invalid(`${type} is no bounce type.`);
  return [`Final-Recipient: rfc822; ${final}`, 'Action: failed', `Status: ${STATUS_OF[type]}`];
}

function composed(
  of: { readonly bounceSender: string; readonly to: string; readonly explanation: string; readonly report: string },
  { region, now, sesMessageId }: BounceTerms,
): string {
  const boundary = `emulated-${createHash('sha256').update(sesMessageId).digest('hex').slice(0, 24)}`;
  const text = of.explanation.match(/.{1,76}(?:\s|$)|\S{77,}/g) ?? [of.explanation];
  return [
    `From: <${of.bounceSender}>`,
    `To: <${of.to}>`,
    'Subject: Delivery Status Notification (Failure)',
    `Date: ${mailDate(now)}`,
    `Message-ID: <${sesMessageId}@${region}.amazonses.com>`,
    'Auto-Submitted: auto-replied',
    'MIME-Version: 1.0',
    `Content-Type: multipart/report; report-type=delivery-status;\r\n boundary="${boundary}"`,
    '',
    `--${boundary}`,
    'Content-Type: text/plain; charset=utf-8',
    'Content-Description: Notification',
    '',
    ...text.map((line) => line.trimEnd()),
    '',
    `--${boundary}`,
    'Content-Type: message/delivery-status',
    'Content-Description: Delivery report',
    '',
    `${of.report}`,
    `--${boundary}--`,
    '',
  ].join('\r\n');
}

function folded(field: string): string {
  return (field.match(/.{1,76}(?=\s|$)|\S+/g) ?? [field]).map((line) => line.trim()).join('\r\n ');
}

function mailDate(at: number): string {
  return new Date(at).toUTCString().replace('GMT', '+0000');
}

function hasPrefix(form: URLSearchParams, prefix: string): boolean {
  return [...form.keys()].some((key) => key.startsWith(prefix));
}

function demanded(form: URLSearchParams, name: string): string {
  const value = form.get(name);
  if (value === null || value === '') throw invalid(`${name} is missing.`);
  return value;
}

const rejected = (message: string): AwsError => new AwsError('MessageRejected', 400, message);
const invalid = (message: string): AwsError => new AwsError('InvalidParameterValue', 400, message);
