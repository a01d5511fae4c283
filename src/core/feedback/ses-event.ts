// Reads SES's events about mail that we sent (docs/aws-contracts.md §3.2), tolerantly: members may be missing, kinds
// and members may be new. What an event means for a delivery is a fact (core/feedback/fact.ts). Its tag names the
// delivery: nothing is looked up by SES's message id. It never takes for a failure what may be none (an absence
// notice), nor a failure for less (a suppressed recipient).

import { bounceWithoutReport } from '#core/delivery/delay-success.ts';
import type { DeliveryRef } from '#core/delivery/delivery.ts';
import { refOfDeliveryId } from '#core/delivery/delivery.ts';
import { detailTextMax } from '#core/limits.ts';
import { plainText } from '#core/message/field-text.ts';
import { deliveryTag } from '#core/message/ses-use.ts';
import { diagnosticText, replyOfDiagnostic } from '#core/reply/diagnostic-code.ts';
import type { Reply } from '#core/reply/reply.ts';
import { parseStatus, type Status, statusOf } from '#core/reply/status.ts';
import type { ReportedFact } from './fact.ts';

export type SesEvent = {
  /** As SES names it: Bounce, Delivery, … */
  readonly type: string;
  /** SES's id of the message that it sent; null where the event lacks it. */
  readonly sesMessageId: string | null;
  /** The deliveries that its tag names: one, unless another program uses the same tag. */
  readonly refs: readonly DeliveryRef[];
  /** Values of our tag that name no delivery. */
  readonly foreignTags: readonly string[];
  readonly recipients: readonly string[];
  /** Null where the kind says nothing of the delivery (Send, opens), or is not known. */
  readonly fact: ReportedFact | null;
  readonly known: boolean;
};
export type SesEventReading =
  | { readonly kind: 'event'; readonly event: SesEvent }
  | { readonly kind: 'malformed'; readonly why: string };

type Mail = { readonly sentAt: number | null };
type Reader = (part: unknown, mail: Mail, now: number) => { fact: ReportedFact | null; recipients: readonly string[] };

const silent: Reader = () => ({ fact: null, recipients: [] });
/** By `eventType`; the member that holds the rest, and its reader. */
const READERS: Readonly<Record<string, readonly [part: string, read: Reader]>> = {
  Bounce: ['bounce', bounce],
  Complaint: ['complaint', complaint],
  Delivery: ['delivery', delivery],
  DeliveryDelay: ['deliveryDelay', deliveryDelay],
  Reject: ['reject', reject],
  'Rendering Failure': ['failure', renderingFailure],
  RenderingFailure: ['failure', renderingFailure],
  Send: ['send', silent],
  Open: ['open', silent],
  Click: ['click', silent],
  Subscription: ['subscription', silent],
};

/** `now` stands in for an instant that the event lacks. */
export function readSesEvent(json: unknown, now: number): SesEventReading {
  const type = text(member(json, 'eventType'));
  if (type === null) return { kind: 'malformed', why: 'no eventType' };
  const mail = member(json, 'mail');
  if (typeof mail !== 'object' || mail === null) return { kind: 'malformed', why: 'no mail' };
  const tags = valuesOf(member(member(mail, 'tags'), deliveryTag));
  const refs = tags.map((tag) => refOfDeliveryId(tag));
  const [part, read] = READERS[type] ?? ['', silent];
  const { fact, recipients } = read(member(json, part), { sentAt: instant(member(mail, 'timestamp')) }, now);
  return {
    kind: 'event',
    event: {
      type,
      sesMessageId: text(member(mail, 'messageId')),
      refs: [...new Map(refs.flatMap((ref, index) => (ref === null ? [] : [[tags[index], ref] as const]))).values()],
      foreignTags: tags.filter((_, index) => refs[index] === null),
      recipients: recipients.length > 0 ? recipients : strings(member(mail, 'destination')),
      fact,
      known: READERS[type] !== undefined,
    },
  };
}

/** The status where SES gives none, by `bounceSubType`. */
const STATUS_OF: Readonly<Record<string, string>> = {
  NoEmail: '5.1.1',
  MailboxFull: '5.2.2',
  MessageTooLarge: '5.2.3',
  ContentRejected: '5.6.0',
  AttachmentRejected: '5.6.0',
  CustomTimeoutExceeded: '4.4.7',
};

function bounce(part: unknown, { sentAt }: Mail, now: number): ReturnType<Reader> {
  const bounced = members(member(part, 'bouncedRecipients'));
  const recipients = addressesOf(bounced);
  const subType = text(member(part, 'bounceSubType')) ?? 'Undetermined';
  const at = instant(member(part, 'timestamp')) ?? now;
  if (isSuppression(subType)) return { recipients, fact: suppressed(at, sentAt) };
  if (subType === 'EmailValidationSuppressed') return { recipients, fact: notValid(at, sentAt) };
  const worded = bounced.find((each) => text(member(each, 'diagnosticCode')) !== null);
  const words = worded ?? bounced.find(isReported) ?? bounced[0];
  const said = text(member(words, 'diagnosticCode'));
  const status = statusIn(member(words, 'status'));
  const transient = member(part, 'bounceType') === 'Transient';
  // A Bounce of this type has a report's members only where a report came (docs/aws-contracts.md §3.1). Without them it
  // is an absence notice or a failure, and does not say which.
  if (transient && /^(General|Undetermined)$/.test(subType) && !bounced.some(isReported))
    return { recipients, fact: { kind: 'uncertain', reason: bounceWithoutReport, at, sentAt, reply: null } };
  const reply = said === null ? null : replyOfDiagnostic(said, hostOf(member(part, 'reportingMTA')));
  return {
    recipients,
    fact: {
      kind: 'failed',
      reason: subType === 'Undetermined' ? 'bounced' : `bounced-${kebab(subType)}`,
      status: status ?? failureStatusOf(reply) ?? statusOf(STATUS_OF[subType] ?? '5.0.0'),
      detail: line(said === null ? 'the message bounced, and no reason was given' : diagnosticText(said)),
      at,
      sentAt,
      reply,
    },
  };
}

function isReported(recipient: unknown): boolean {
  return ['action', 'status', 'diagnosticCode'].some((name) => text(member(recipient, name)) !== null);
}

/** SES's own check of addresses, switched on for the account or the set: nothing was sent. */
function notValid(at: number, sentAt: number | null): ReportedFact {
  const detail = 'the sending service found the address not fit to be sent to, and nothing was sent to it';
  return {
    kind: 'failed',
    reason: 'ses-address-not-valid',
    status: statusOf('5.1.1'),
    detail,
    at,
    sentAt,
    reply: null,
  };
}

/**
 * SES accepted the message and never tried to send it: the address is on a suppression list (docs/aws-contracts.md
 * §2.6).
 */
function isSuppression(subType: string): boolean {
  return subType === 'OnAccountSuppressionList' || subType === 'Suppressed' || subType === 'OnTenantSuppressionList';
}

function suppressed(at: number, sentAt: number | null): ReportedFact {
  const detail = 'the address stands on a list of addresses that refused mail before, and nothing was sent to it';
  return { kind: 'failed', reason: 'ses-suppressed', status: statusOf('5.1.1'), detail, at, sentAt, reply: null };
}

function complaint(part: unknown, { sentAt }: Mail, now: number): ReturnType<Reader> {
  const at = instant(member(part, 'timestamp')) ?? now;
  const recipients = addressesOf(members(member(part, 'complainedRecipients')));
  const subType = text(member(part, 'complaintSubType'));
  // No new complaint: SES sent nothing, because of an earlier one.
  if (subType !== null && isSuppression(subType)) return { recipients, fact: suppressed(at, sentAt) };
  const type = text(member(part, 'complaintFeedbackType'));
  const reason = type === null ? 'complaint' : `complaint-${kebab(type)}`;
  return { recipients, fact: { kind: 'complained', reason, at, sentAt, reply: null } };
}

function delivery(part: unknown, { sentAt }: Mail, now: number): ReturnType<Reader> {
  const said = text(member(part, 'smtpResponse'));
  const reply = said === null ? null : replyOfDiagnostic(said, hostOf(member(part, 'reportingMTA')));
  return {
    recipients: strings(member(part, 'recipients')),
    fact: { kind: 'confirmed', at: instant(member(part, 'timestamp')) ?? now, sentAt, reply },
  };
}

function deliveryDelay(part: unknown, { sentAt }: Mail, now: number): ReturnType<Reader> {
  const delayed = members(member(part, 'delayedRecipients'));
  const said = text(member(delayed[0], 'diagnosticCode'));
  const type = text(member(part, 'delayType'));
  return {
    recipients: addressesOf(delayed),
    fact: {
      kind: 'delayed',
      reason: type === null ? 'delayed' : `delayed-${kebab(type)}`,
      status: statusIn(member(delayed[0], 'status')),
      at: instant(member(part, 'timestamp')) ?? now,
      sentAt,
      reply: said === null ? null : replyOfDiagnostic(said, hostOf(member(part, 'reportingMTA'))),
    },
  };
}

function reject(part: unknown, { sentAt }: Mail, now: number): ReturnType<Reader> {
  const why = plainText(text(member(part, 'reason')) ?? 'no reason given');
  const detail = line(`the mail service refused to send the message: ${why}`);
  const at = sentAt ?? now; // it has no instant of its own
  const status = statusOf('5.7.1');
  return {
    recipients: [],
    fact: { kind: 'failed', reason: 'ses-content-rejected', status, detail, at, sentAt, reply: null },
  };
}

function renderingFailure(part: unknown, { sentAt }: Mail, now: number): ReturnType<Reader> {
  const why = plainText(text(member(part, 'errorMessage')) ?? 'no reason given');
  const detail = line(`the mail service could not put the message together: ${why}`);
  const at = sentAt ?? now;
  const status = statusOf('5.6.0');
  return {
    recipients: [],
    fact: { kind: 'failed', reason: 'ses-rendering-failed', status, detail, at, sentAt, reply: null },
  };
}

/**
 * A status that opens the text, as `5.1.1 (bad destination mailbox)`; of class 2 it says nothing of a failure or a
 * delay.
 */
function statusIn(value: unknown): Status | null {
  const [found = ''] = /^\s*[45]\.\d{1,3}\.\d{1,3}\b/.exec(text(value) ?? '') ?? [];
  return parseStatus(found.trim());
}

function failureStatusOf(reply: Reply | null): Status | null {
  if (reply === null || reply.code < 400) return null;
  return reply.status ?? parseStatus(`${Math.floor(reply.code / 100)}.0.0`);
}

/**
 * The server that replied: `dns; mx.example.com`, and SES's own form of it. SES's servers report another server's reply
 * without its name.
 */
function hostOf(reportingMta: unknown): string | null {
  const host = (text(reportingMta) ?? '').replace(/^\s*[a-z]+\s*;\s*/i, '').trim();
  return host === '' || /\.amazonses\.com$|\.amazonaws\.com$/i.test(host) ? null : host;
}

function kebab(word: string): string {
  const words = word.replace(/([a-z0-9])([A-Z])/g, '$1-$2').replace(/[^A-Za-z0-9]+/g, '-');
  return words.toLowerCase().replace(/^-|-$/g, '').slice(0, 60);
}

function line(said: string): string {
  return said.length <= detailTextMax ? said : `${said.slice(0, detailTextMax - 1).toWellFormed()}…`;
}

function instant(value: unknown): number | null {
  const at = Date.parse(text(value) ?? '');
  return Number.isNaN(at) ? null : at;
}

function addressesOf(list: readonly unknown[]): readonly string[] {
  return strings(list.map((each) => member(each, 'emailAddress')));
}

function members(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** A tag's values: a list, or, in hands other than SES's, one. */
function valuesOf(value: unknown): readonly string[] {
  return strings(Array.isArray(value) ? value : [value]);
}

function strings(value: unknown): readonly string[] {
  return Array.isArray(value) ? value.filter((each): each is string => typeof each === 'string' && each !== '') : [];
}

function member(of: unknown, name: string): unknown {
  return typeof of === 'object' && of !== null ? (of as Record<string, unknown>)[name] : undefined;
}

function text(value: unknown): string | null {
  return typeof value === 'string' && value !== '' ? value : null;
}
