// Ledger rows for contract suites: minimal ones, and one in which every field says something. Each suite run gets its
// own spoolIds, so that a table shared with other tests (or with AWS) does no harm.

import { randomUUID } from 'node:crypto';
import type { DeliveryRow, MessageFacts, TraceEvent } from '#core/delivery/delivery.ts';
import { statusOf } from '#core/reply/status.ts';

export const T0 = 1_760_000_000_000;

/** 40 characters of [a-z0-9], as SES's message ids are. */
export function newSpoolId(): string {
  return `${randomUUID()}${randomUUID()}`.replaceAll('-', '').slice(0, 40);
}

export function facts(spoolId: string, change: Partial<MessageFacts> = {}): MessageFacts {
  return {
    spoolId,
    direction: 'inbound',
    reversePath: 'ann@src.example',
    objectKey: `in/${spoolId}`,
    size: null,
    objectVersion: null,
    extract: {
      from: 'Ann <ann@src.example>',
      to: null,
      date: null,
      subject: 'Hello',
      messageIdField: `<${spoolId}@src.example>`,
      autoSubmitted: null,
    },
    verdicts: { spam: 'PASS', virus: 'PASS', spf: 'PASS', dkim: 'GRAY', dmarc: 'PASS', dmarcPolicy: null },
    acceptedAt: T0,
    configVersion: 'c0ffee12',
    ...change,
  };
}

export function queued(spoolId: string, change: Partial<DeliveryRow> = {}): DeliveryRow {
  return {
    schema: 1,
    spoolId,
    deliveryKey: 'abcdefghijklmnop',
    version: 1,
    kind: 'delivery',
    noticeOf: null,
    noticeKind: null,
    forwardPath: 'bob@example.com',
    route: 0,
    action: 0,
    nextHop: 'exchange',
    address: 'bob@example.com',
    copy: false,
    fallback: null,
    state: 'queued',
    stateReason: null,
    attempts: 0,
    claims: 0,
    acceptedAt: T0,
    firstAttemptAt: null,
    lastAttemptAt: null,
    nextAttemptAt: T0,
    expiresAt: T0 + 172_800_000,
    leaseUntil: null,
    dueAt: T0 + 900_000,
    lastReply: null,
    lastStatus: null,
    lastReason: null,
    lastDetail: null,
    possibleDuplicate: false,
    notice: null,
    message: facts(spoolId),
    trace: [event('RECEIVE', T0)],
    ...change,
  };
}

export function event(name: TraceEvent['event'], at: number, change: Partial<TraceEvent> = {}): TraceEvent {
  return { at, event: name, attempt: null, nextHop: 'exchange', status: null, reply: null, reason: null, ...change };
}

/** Nothing in it is null, empty or the default. */
export function fullRow(spoolId: string): DeliveryRow {
  return queued(spoolId, {
    deliveryKey: 'qrstuvwxyz234567',
    version: 17,
    forwardPath: '"Büro Q"@münchen.Example',
    route: 3,
    action: 1,
    nextHop: 'lotus',
    address: 'buero-q@inside.example',
    copy: true,
    fallback: 'lotus-2',
    state: 'expired',
    stateReason: 'content-unreadable',
    attempts: 3,
    claims: 2,
    firstAttemptAt: T0 + 1,
    lastAttemptAt: T0 + 2,
    nextAttemptAt: T0 + 3,
    leaseUntil: T0 + 4,
    lastReply: { code: 451, status: statusOf('4.3.0'), text: 'später, ≤ 3 min', host: 'mx.example [192.0.2.1]' },
    lastStatus: statusOf('5.3.0'),
    lastReason: 'content-unreadable',
    lastDetail: 'GetObject in/x: AccessDenied (403)',
    possibleDuplicate: true,
    resubmitted: { at: T0 + 6, from: 'confirmed' },
    lastJobSent: true,
    lastRule: 'exchange-online-direct-send',
    unrecognised: true,
    heldBecause: 'operator',
    releasedFrom: ['foreign-author', 'operator'],
    attemptedBy: 'lmtp',
    uncertain: { at: T0 + 7, told: true },
    hopFailed: { since: T0 + 1, at: T0 + 2 },
    dsn: { notify: ['SUCCESS', 'FAILURE'], orcpt: 'utf-8;bøb@x.example' },
    notice: {
      kind: 'ndr',
      state: 'relayed',
      via: 'exchange',
      to: 'ann@src.example',
      messageIdField: '<n1@example.com>',
      at: T0 + 5,
      reason: 'none needed',
    },
    message: facts(spoolId, {
      direction: 'outbound',
      reversePath: 'Ann.Upper@SRC.example',
      objectKey: `out/office/${spoolId}.eml`,
      size: 41_943_040,
      objectVersion: '3HL4kqtJlcpXroDTDmJ+rmSpXd3dIbrHY',
      extract: {
        from: 'Ånn <ann@src.example>',
        to: 'Bob',
        date: 'Thu, 9 Oct 2025 08:53:20 +0000',
        subject: '=?utf-8?q?S=C3=BC=C3=9F?=',
        messageIdField: '<Case.Kept@SRC>',
        autoSubmitted: 'auto-replied',
      },
      verdicts: {
        spam: 'FAIL',
        virus: 'PROCESSING_FAILED',
        spf: 'GRAY',
        dkim: 'DISABLED',
        dmarc: 'FAIL',
        dmarcPolicy: 'quarantine',
      },
      acceptedAt: T0 - 7, // the row's own acceptance may be later: a second notification
      configVersion: 'deadbeef',
      submission: {
        ...{ submitter: 'office', sha256: 'ab'.repeat(32), ret: 'HDRS', envid: 'QQ 314159', smtputf8: true },
        client: { address: '2001:db8::7', login: false, tls: null },
      },
    }),
    trace: [
      event('RECEIVE', T0),
      event('DEFER', T0 + 2, {
        attempt: 1,
        status: '4.3.0',
        reply: '451 4.3.0 später',
        reason: 'reply',
        rule: 'code-4yz',
        unrecognised: true,
        by: 'arn:aws:sts::111122223333:assumed-role/Operator/ann',
        latency: { openMs: 3, totalMs: 1_234 },
      }),
    ],
  });
}

/** What makes a row the NDR of another. */
export function asNoticeOf(row: DeliveryRow): Partial<DeliveryRow> {
  return {
    deliveryKey: `${row.deliveryKey}-ndr`,
    kind: 'notice',
    noticeOf: row.deliveryKey,
    noticeKind: 'ndr',
    forwardPath: 'ann@src.example',
    address: 'ann@src.example',
  };
}
