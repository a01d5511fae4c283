// Reads SES's notification of a received message, tolerantly: unknown members are ignored, optional ones may be
// missing. One that cannot be understood is reported as malformed, never skipped. Nothing else holds the envelope's
// recipients (aws-contracts §1.6).

import type { VerdictStatus, Verdicts } from '#core/delivery/delivery.ts';
import type { HeaderField } from '#core/message/header.ts';

export type Receipt = {
  readonly sesMessageId: string;
  /** Envelope recipients that matched the rule: the only routing truth. */
  readonly recipients: readonly string[];
  /** Envelope MAIL FROM as SES gives it; '' where it is absent. */
  readonly source: string;
  readonly acceptedAt: number;
  readonly bucketName: string | null;
  readonly objectKey: string;
  readonly verdicts: Verdicts;
  readonly headers: readonly HeaderField[];
  /** Above 10 KB of header fields SES cuts the list: read the object's header section instead. */
  readonly headersTruncated: boolean;
};

export type ReceiptReading =
  | { readonly kind: 'receipt'; readonly receipt: Receipt }
  /** SES's own test write when a rule is made: nothing to do, and nothing is lost. */
  | { readonly kind: 'setup' }
  | { readonly kind: 'malformed'; readonly why: string };

/** Key prefix of received mail in the spool; all receipt rules share it (DESIGN decision 7). */
export const inboundPrefix = 'in/';

/** SES's own test object, which it writes when a rule is made: its message id, and the object's name. */
export const setupNotification = 'AMAZON_SES_SETUP_NOTIFICATION';

/**
 * Reads an SQS body: SES's JSON itself (raw message delivery) or wrapped in SNS's envelope. `prefix` is the spool's key
 * prefix.
 */
export function readReceipt(body: string, prefix: string): ReceiptReading {
  let outer: unknown;
  try {
    outer = JSON.parse(body);
  } catch {
    return malformed('not JSON');
  }
  const wrapped = member(outer, 'Message');
  if (typeof wrapped === 'string' && member(outer, 'TopicArn') !== undefined) return readReceipt(wrapped, prefix);

  const mail = member(outer, 'mail');
  const sesMessageId = member(mail, 'messageId');
  if (sesMessageId === setupNotification) return { kind: 'setup' };
  const receipt = member(outer, 'receipt');
  const action = member(receipt, 'action');
  if (typeof sesMessageId !== 'string' || !/^[\w.-]{1,200}$/.test(sesMessageId))
    return malformed('mail.messageId is missing or odd');
  const recipients = strings(member(receipt, 'recipients'));
  if (recipients.length === 0) return malformed('receipt.recipients is empty');
  const acceptedAt = Date.parse(String(member(receipt, 'timestamp') ?? member(mail, 'timestamp') ?? ''));
  if (Number.isNaN(acceptedAt)) return malformed('receipt.timestamp is missing');
  return {
    kind: 'receipt',
    receipt: {
      sesMessageId,
      recipients,
      source: text(member(mail, 'source')) ?? '',
      acceptedAt,
      bucketName: text(member(action, 'bucketName')),
      objectKey: objectKeyOf(text(member(action, 'objectKey')), sesMessageId, prefix),
      verdicts: verdictsOf(receipt),
      headers: headersOf(member(mail, 'headers')),
      headersTruncated: member(mail, 'headersTruncated') === true || !Array.isArray(member(mail, 'headers')),
    },
  };
}

// The documentation says that objectKey is the bare name; real notifications include the prefix.
function objectKeyOf(given: string | null, sesMessageId: string, prefix: string): string {
  if (given === null || given === '') return prefix + sesMessageId;
  return given.startsWith(prefix) ? given : prefix + given;
}

function verdictsOf(receipt: unknown): Verdicts {
  const policy = member(receipt, 'dmarcPolicy');
  return {
    spam: verdict(receipt, 'spamVerdict'),
    virus: verdict(receipt, 'virusVerdict'),
    spf: verdict(receipt, 'spfVerdict'),
    dkim: verdict(receipt, 'dkimVerdict'),
    dmarc: verdict(receipt, 'dmarcVerdict'),
    dmarcPolicy: policy === 'none' || policy === 'quarantine' || policy === 'reject' ? policy : null,
  };
}

// An unknown value, or none, counts as a check without a result: never a pass, never a failure.
function verdict(receipt: unknown, name: string): VerdictStatus {
  const status = member(member(receipt, name), 'status');
  switch (status) {
    case 'PASS':
    case 'FAIL':
    case 'GRAY':
    case 'DISABLED':
      return status;
    default:
      return 'PROCESSING_FAILED';
  }
}

function headersOf(list: unknown): HeaderField[] {
  if (!Array.isArray(list)) return [];
  const fields: HeaderField[] = [];
  for (const entry of list) {
    const name = text(member(entry, 'name'));
    const value = text(member(entry, 'value'));
    if (name !== null) fields.push({ name, value: value ?? '' });
  }
  return fields;
}

function malformed(why: string): ReceiptReading {
  return { kind: 'malformed', why };
}

function member(of: unknown, name: string): unknown {
  return typeof of === 'object' && of !== null ? (of as Record<string, unknown>)[name] : undefined;
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

function strings(value: unknown): string[] {
  return Array.isArray(value)
    ? value.filter((entry): entry is string => typeof entry === 'string' && entry !== '')
    : [];
}
