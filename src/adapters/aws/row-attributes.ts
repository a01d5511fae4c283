// The dictionary of the ledger's items: the attribute and the type of each field of a row. The DynamoDB files beside it
// use it. Names are short because every item pays for them. An absent attribute means null (or false), or, where the
// comment says so, that the value follows from another attribute. Pure.

import type { AttributeValue } from '@aws-sdk/client-dynamodb';
import type { AttemptedKind, VerdictStatus } from '#core/delivery/delivery.ts';

export type Item = Record<string, AttributeValue>;
type Kind = 'S' | 'N' | 'BOOL';
type Shape = Readonly<Record<string, readonly [attribute: string, kind: Kind]>>;

export const ROW: Shape = {
  schema: ['z', 'N'],
  version: ['v', 'N'],
  noticeOf: ['no', 'S'], // present: the row is a notice
  noticeKind: ['nk', 'S'],
  forwardPath: ['fp', 'S'], // absent: as forwardPathKey
  route: ['ro', 'N'],
  action: ['ac', 'N'],
  nextHop: ['nh', 'S'],
  address: ['ad', 'S'], // absent: as the forward-path
  copy: ['cp', 'BOOL'],
  fallback: ['fb', 'S'],
  state: ['st', 'S'],
  stateReason: ['sr', 'S'],
  attempts: ['at', 'N'],
  claims: ['cl', 'N'],
  acceptedAt: ['acceptedAt', 'N'],
  firstAttemptAt: ['fa', 'N'],
  lastAttemptAt: ['la', 'N'],
  nextAttemptAt: ['na', 'N'],
  expiresAt: ['ex', 'N'],
  leaseUntil: ['lu', 'N'],
  dueAt: ['dueAt', 'N'],
  lastStatus: ['ls', 'S'],
  lastReason: ['le', 'S'],
  lastDetail: ['ld', 'S'],
  possibleDuplicate: ['pd', 'BOOL'],
};
export const RESUBMITTED: Shape = { at: ['a', 'N'], from: ['f', 'S'] };
export const HOP_FAILED: Shape = { since: ['s', 'N'], at: ['a', 'N'] };
export const UNCERTAIN: Shape = { at: ['a', 'N'], told: ['t', 'BOOL'] };
export const REPLY: Shape = { code: ['c', 'N'], status: ['s', 'S'], text: ['t', 'S'], host: ['h', 'S'] };
export const NOTICE: Shape = {
  kind: ['k', 'S'],
  state: ['s', 'S'],
  via: ['v', 'S'],
  to: ['t', 'S'],
  messageIdField: ['i', 'S'],
  at: ['a', 'N'],
  reason: ['r', 'S'],
};
export const EVENT: Shape = {
  at: ['a', 'N'],
  event: ['e', 'S'],
  attempt: ['n', 'N'],
  nextHop: ['h', 'S'],
  status: ['s', 'S'],
  reply: ['r', 'S'],
  reason: ['w', 'S'],
};
export const LATENCY: Shape = { openMs: ['o', 'N'], totalMs: ['l', 'N'] };
/** Facts stand in a map `mf` of the sole delivery's row, or in the message's own item. */
export const MESSAGE: Shape = {
  direction: ['d', 'S'],
  reversePath: ['p', 'S'], // absent: as reversePathKey
  objectKey: ['k', 'S'], // absent: in/<spoolId>
  size: ['z', 'N'],
  objectVersion: ['v', 'S'],
  acceptedAt: ['a', 'N'],
  configVersion: ['c', 'S'],
};
/** Beside them for outbound mail. Present: it was submitted. */
export const SUBMISSION: Shape = {
  submitter: ['su', 'S'],
  sha256: ['sh', 'S'],
  ret: ['re', 'S'],
  envid: ['ei', 'S'],
  smtputf8: ['u8', 'BOOL'],
  clientAddress: ['ka', 'S'], // these three or none
  clientLogin: ['kl', 'BOOL'],
  clientTls: ['kt', 'S'],
};
export const EXTRACT: Shape = {
  from: ['xf', 'S'],
  to: ['xt', 'S'],
  date: ['xd', 'S'],
  subject: ['xs', 'S'],
  messageIdField: ['xi', 'S'], // absent: as the index attribute messageIdField
  autoSubmitted: ['xa', 'S'],
  listMail: ['xl', 'BOOL'],
  ownNotice: ['xo', 'BOOL'],
  fromMisleads: ['xu', 'BOOL'],
};
/** Verdicts are one letter each in `ve`, in this order, then the DMARC policy where there is one. */
export const VERDICTS = ['spam', 'virus', 'spf', 'dkim', 'dmarc'] as const;
export const VERDICT_LETTERS: Readonly<Record<VerdictStatus, string>> = {
  PASS: 'P',
  FAIL: 'F',
  GRAY: 'G',
  PROCESSING_FAILED: 'X',
  DISABLED: 'D',
};

/** One letter, so that most rows stay within one write unit. */
export const KIND_LETTERS: Readonly<Record<AttemptedKind, string>> = { smtp: 's', lmtp: 'l', ses: 'a' };

export function encode(shape: Shape, from: object): Item {
  const item: Item = {};
  for (const [field, [attribute, kind]] of Object.entries(shape)) {
    const value: unknown = (from as Record<string, unknown>)[field];
    if (value === null || value === undefined || value === false) continue;
    if (kind === 'BOOL') item[attribute] = { BOOL: true };
    else item[attribute] = kind === 'N' ? { N: String(value) } : { S: String(value) };
  }
  return item;
}

export function decode(shape: Shape, item: Item): Record<string, string | number | boolean | null> {
  const fields: Record<string, string | number | boolean | null> = {};
  for (const [field, [attribute, kind]] of Object.entries(shape)) {
    const value = item[attribute];
    if (kind === 'BOOL') fields[field] = value?.BOOL ?? false;
    else if (kind === 'N') fields[field] = value?.N === undefined ? null : Number(value.N);
    else fields[field] = value?.S ?? null;
  }
  return fields;
}
