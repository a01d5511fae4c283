// What follows an attempt, row by row as the status table of the design has it, and over the whole space of replies.
// Each rule is tried on the real reply that it names, so that no rule can be hidden by an earlier one unnoticed.

import { describe, expect, test } from 'vitest';
import { detailTextMax } from '#core/limits.ts';
import { type ContentFault, classify } from '#core/reply/classify.ts';
import { askedOf, byRule } from '#core/reply/decision.ts';
import type { AttemptResult, NetworkFault, Phase, Reply } from '#core/reply/reply.ts';
import { replyRules } from '#core/reply/reply-rules.ts';
import { parseStatus, statusClass } from '#core/reply/status.ts';

/** A reply from its line on the wire. */
function replyOf(text: string): Reply {
  const [, code = '0', status, rest = ''] = /^(\d+)(?: (\d\.\d+\.\d+))?(?: (.*))?$/s.exec(text) ?? [];
  return { code: Number(code), status: parseStatus(status ?? ''), text: rest, host: 'mx.next.example' };
}

const replied = (phase: Phase, text: string): AttemptResult => ({
  kind: 'reply',
  phase,
  reply: replyOf(text),
  tls: true,
});
const PHASES: readonly Phase[] = [
  'connect',
  'greeting',
  'ehlo',
  'starttls',
  'auth',
  'mail',
  'rcpt',
  'data',
  'content',
  'final-dot',
];

describe('replies', () => {
  test.each<readonly [Phase, string, string, string, string]>([
    // phase, reply, kind, status, reason
    ['final-dot', '250 2.0.0 Ok: queued as 4XyZ', 'relayed', '', ''],
    ['final-dot', '250', 'relayed', '', ''],
    ['final-dot', '250 4.0.0 contradictory', 'relayed', '', ''],
    // permanent: 5xx to MAIL, RCPT, DATA, final dot
    ['mail', '550 5.1.8 Domain of sender address does not exist', 'failed', '5.1.8', 'sender-refused'],
    ['mail', '550 sender refused', 'failed', '5.0.0', 'sender-refused'],
    ['rcpt', '550 5.1.1 <b@next.example>: User unknown', 'failed', '5.1.1', 'recipient-unknown'],
    ['rcpt', '550 No such user', 'failed', '5.0.0', 'recipient-unknown'],
    ['rcpt', '550 4.1.1 the class contradicts the code', 'failed', '5.0.0', 'recipient-refused'],
    ['rcpt', '550 2.1.5 so does this', 'failed', '5.0.0', 'recipient-refused'],
    ['rcpt', '554 5.7.1 用户被拒绝', 'failed', '5.7.1', 'recipient-refused'],
    ['rcpt', '556 null MX', 'failed', '5.1.10', 'domain-takes-no-mail'],
    ['data', '554 no valid recipients', 'failed', '5.0.0', 'message-refused'],
    ['content', '552 5.3.4 too big', 'failed', '5.3.4', 'message-too-large'],
    ['final-dot', '554 Transaction failed', 'failed', '5.0.0', 'message-refused'],
    ['final-dot', '550 5.7.26 unauthenticated', 'failed', '5.7.26', 'sender-unauthenticated'],
    ['final-dot', '550 rejected as SPAM', 'failed', '5.7.1', 'refused-by-policy'],
    [
      'final-dot',
      '554 5.7.1 message contains a link listed by dbl.spamhaus.org',
      'failed',
      '5.7.1',
      'refused-by-policy',
    ],
    // mailbox full, by what the peer says and never promoted
    ['rcpt', '452 4.2.2 mailbox full', 'deferred', '4.2.2', 'mailbox-full'],
    ['rcpt', '452 over quota', 'deferred', '4.2.2', 'mailbox-full'],
    ['rcpt', '552 5.2.2 mailbox full', 'failed', '5.2.2', 'mailbox-full'],
    ['rcpt', '552 exceeded storage allocation', 'failed', '5.2.2', 'mailbox-full'],
    ['mail', '552 message size exceeds fixed maximum message size', 'failed', '5.3.4', 'message-too-large'],
    ['rcpt', '552 too many recipients', 'deferred', '4.5.3', 'too-many-recipients'],
    // transient: any 4xx, anywhere
    ['greeting', '421 4.3.2 too busy', 'deferred', '4.3.2', 'service-closing'],
    ['final-dot', '421 closing', 'deferred', '4.0.0', 'service-closing'],
    ['rcpt', '450 4.2.0 Greylisted, try again', 'deferred', '4.2.0', 'greylisted'],
    ['rcpt', '451 5.1.1 the code wins', 'deferred', '4.0.0', 'refused-for-now'],
    ['final-dot', '451 4.3.0 later', 'deferred', '4.3.0', 'refused-for-now'],
    // a 5xx before MAIL says nothing of the message
    ['greeting', '554 5.7.1 go away', 'deferred', '4.7.1', 'greeting-refused'],
    ['greeting', '521 does not accept mail', 'deferred', '4.0.0', 'greeting-refused'],
    ['ehlo', '550 5.7.1 invalid HELO', 'deferred', '4.7.1', 'ehlo-refused'],
    // unknown
    ['final-dot', '354 go on', 'deferred', '4.5.0', 'unknown-reply'],
    ['data', '250 2.0.0 where 354 was due', 'deferred', '4.5.0', 'unknown-reply'],
    ['rcpt', '199 5.1.1 no such code', 'deferred', '4.5.0', 'unknown-reply'],
    ['rcpt', '600 5.1.1 no such code', 'deferred', '4.5.0', 'unknown-reply'],
    ['rcpt', '0', 'deferred', '4.5.0', 'unknown-reply'],
  ])('%s: %s → %s %s %s', (phase, text, kind, status, reason) => {
    const outcome = classify(replied(phase, text));
    expect(outcome.kind).toBe(kind);
    expect(outcome.reply).toEqual(replyOf(text));
    if (outcome.kind !== 'relayed') expect([outcome.status, outcome.reason]).toEqual([status, reason]);
  });

  test.each<readonly [Phase, string, string]>([
    ['auth', '535 5.7.8 authentication failed for YW5uOnNlY3JldA==', '4.7.0'],
    ['auth', '500 what', '4.7.0'],
    ['mail', '530 5.7.0 Must issue a STARTTLS command first', '4.7.0'],
    ['mail', '530 5.7.57 Client was not authenticated', '4.7.57'],
    ['rcpt', '550 5.7.1 Authentication required', '4.7.0'],
    ['rcpt', '550 5.7.54 SMTP; Unable to relay recipient in non-accepted domain', '4.7.54'],
    ['rcpt', '554 5.7.1 <b@next.example>: Relay access denied', '4.7.1'],
    ['rcpt', '554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked using zen.spamhaus.org', '4.7.1'],
    ['starttls', '502 5.5.1 not implemented', '4.7.0'],
  ])('ours to mend, %s: %s', (phase, text, status) => {
    const outcome = classify(replied(phase, text));
    expect(outcome).toMatchObject({ kind: 'deferred', operatorFault: true, possibleDuplicate: false, status });
    expect(JSON.stringify({ ...outcome, reply: null })).not.toContain('YW5uOnNlY3JldA'); // servers echo logins
  });

  test.each<readonly [Phase, string]>([
    ['auth', '454 4.7.0 Temporary authentication failure'],
    ['auth', '421 4.3.2 closing'],
    ['starttls', '454 4.7.0 TLS not available for now'],
    ['rcpt', '450 4.7.1 try later'],
  ])('for now, and nobody to blame, %s: %s', (phase, text) => {
    expect(classify(replied(phase, text))).toMatchObject({ kind: 'deferred', operatorFault: false });
  });

  test.each(replyRules.map((rule) => [rule.seen, rule] as const))(
    'the general rule decides on what was seen: %s',
    (seen, rule) => {
      const reply = replyOf(seen);
      expect(reply.code).toBeGreaterThanOrEqual(400);
      const phase = rule.phases?.[0] ?? 'rcpt';
      const asked = askedOf(phase, reply) ?? expect.fail(seen);
      expect(byRule(asked)).toMatchObject({ reason: rule.reason, rule: rule.id });
    },
  );
});

test("no rule's reason can be taken for our own policy's", () => {
  expect(replyRules.filter((rule) => rule.reason.startsWith('policy-'))).toEqual([]);
});

test('whatever is replied, wherever: classes agree with kinds, 4xx and nonsense are never permanent, and details are one line', () => {
  const texts = [
    '',
    'a\r\nb\0c\x1b[2J',
    'ü'.repeat(3_000),
    'Relay access denied',
    'greylisted',
    'mailbox full',
    'spam',
    'ip address blocked '.repeat(150),
  ];
  const codes = [
    -1,
    0,
    199,
    200,
    250,
    354,
    399,
    400,
    421,
    432,
    450,
    452,
    454,
    499,
    500,
    530,
    535,
    550,
    552,
    556,
    599,
    600,
    450.5,
    Number.NaN,
  ];
  const wrong: unknown[] = [];
  for (const phase of PHASES) {
    for (const code of codes) {
      for (const status of ['', '2.0.0', '4.2.2', '5.1.1', '5.7.999']) {
        for (const text of texts) {
          const outcome = classify({
            kind: 'reply',
            phase,
            reply: { code, status: parseStatus(status), text, host: null },
            tls: false,
          });
          const right =
            outcome.kind === 'relayed'
              ? phase === 'final-dot' && code >= 200 && code < 300
              : parseStatus(outcome.status) !== null &&
                statusClass(outcome.status) === (outcome.kind === 'failed' ? 5 : 4) &&
                (outcome.kind === 'deferred' || (code >= 500 && code < 600)) &&
                outcome.detail.length <= detailTextMax &&
                !/[\0-\x1f\x7f]/.test(outcome.detail);
          if (!right) wrong.push({ phase, code, status, text, outcome });
        }
      }
    }
  }
  expect(wrong).toEqual([]);
});

describe('no reply', () => {
  test.each<readonly [Phase, NetworkFault, string, string, boolean, boolean]>([
    // phase, fault, status, reason, possible duplicate, operator's fault
    ['connect', 'dns-not-found', '4.3.5', 'next-hop-not-found', false, true],
    ['connect', 'dns-temporary', '4.4.3', 'dns-unavailable', false, false],
    ['connect', 'refused', '4.4.1', 'connection-refused', false, false],
    ['connect', 'unreachable', '4.4.1', 'unreachable', false, false],
    ['connect', 'timeout', '4.4.1', 'timeout', false, false],
    ['greeting', 'timeout', '4.4.2', 'timeout', false, false],
    ['rcpt', 'connection-lost', '4.4.2', 'connection-lost', false, false],
    ['content', 'connection-lost', '4.4.2', 'connection-lost', false, false],
    ['content', 'timeout', '4.4.2', 'timeout', false, false],
    ['final-dot', 'connection-lost', '4.4.2', 'connection-lost', true, false],
    ['final-dot', 'timeout', '4.4.2', 'timeout', true, false],
    ['final-dot', 'garbled-reply', '4.5.0', 'unknown-reply', true, false],
    ['final-dot', 'aborted', '4.3.0', 'aborted', true, false],
    ['starttls', 'tls-failed', '4.7.5', 'tls-failed', false, true],
    ['connect', 'tls-failed', '4.7.5', 'tls-failed', false, true],
    ['rcpt', 'garbled-reply', '4.5.0', 'unknown-reply', false, false],
    ['mail', 'aborted', '4.3.0', 'aborted', false, false],
  ])('%s, %s: %s %s', (phase, fault, status, reason, possibleDuplicate, operatorFault) => {
    const outcome = classify({ kind: 'network', phase, fault, detail: 'ECODE\r\nx', host: 'mx.next.example' });
    expect(outcome).toMatchObject({ kind: 'deferred', status, reason, possibleDuplicate, operatorFault, reply: null });
    expect(outcome.kind === 'deferred' && outcome.detail).toMatch(/^mx\.next\.example .*ECODE x$/);
  });
});

describe('we would not go on', () => {
  test.each([
    ['starttls-not-offered', 'deferred', '4.7.4'],
    ['auth-not-offered', 'deferred', '4.7.0'],
    ['credentials-unavailable', 'deferred', '4.3.5'],
    ['smtputf8-not-offered', 'failed', '5.6.7'],
    ['size-exceeded', 'failed', '5.3.4'],
    ['conversion-prohibited', 'failed', '5.6.2'],
    ['conversion-impossible', 'failed', '5.6.3'],
  ] as const)('%s is %s %s', (fault, kind, status) => {
    const outcome = classify({ kind: 'capability', fault, detail: 'd', host: null });
    expect(outcome).toMatchObject({ kind, status, reason: fault, reply: null });
    if (outcome.kind === 'deferred') expect(outcome.operatorFault).toBe(true);
  });

  test('too large names both numbers', () => {
    const result: AttemptResult = {
      kind: 'capability',
      fault: 'size-exceeded',
      detail: 'd',
      host: 'mx.next.example',
      sizeMax: 10_485_760,
    };
    const outcome = classify(result, { messageBytes: 36_000_000 });
    expect(outcome.kind === 'failed' && outcome.detail).toBe(
      'the message has 36000000 bytes, and mx.next.example takes 10485760 at most',
    );
  });
});

test.each<readonly [string, boolean]>([
  ['denied', true],
  ['missing', true],
  ['empty', true],
  ['unavailable', false],
])('content that cannot be read (%s) is deferred with 4.3.0', (cause, operatorFault) => {
  const fault: ContentFault = { kind: 'content', cause, detail: 'NoSuchKey' };
  expect(classify(fault)).toMatchObject({
    kind: 'deferred',
    reason: 'content-unreadable',
    status: '4.3.0',
    operatorFault,
    possibleDuplicate: false,
  });
});
