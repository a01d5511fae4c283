// Whose fault a refusal is: real replies of many servers, by test/fixtures/replies. What is ours waits and calls the
// operator; what is not ours is returned, and nobody is called. The words decide, never an address that the reply only
// repeats.

import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { pacedSchedule } from '#core/delivery/retry-schedule.ts';
import { smtpReplyTextCharsMax } from '#core/limits.ts';
import { statusText } from '#core/notice/texts.ts';
import { classify as classifyResult } from '#core/reply/classify.ts';
import type { Outcome } from '#core/reply/outcome.ts';
import { REASONS, reasonRow } from '#core/reply/reasons.ts';
import { replyRules } from '#core/reply/reply-rules.ts';
import { rowOf } from '#core/reply/rules/providers.ts';
import { statusOf } from '#core/reply/status.ts';
import { classify } from '#test/kit/probe.ts';
import { decided } from '#test/kit/replies.ts';
import { ownMsSince } from '../../../kit/own-time.ts';

type Seen = readonly [stage: string, reply: string];
function seen(name: string): readonly Seen[] {
  const text = readFileSync(new URL(`../../../fixtures/replies/${name}.tsv`, import.meta.url), 'utf8');
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const [stage, reply, source] = line.split('\t');
      if (stage === undefined || reply === undefined || source === undefined) throw new Error(`no row: ${line}`);
      return [stage, reply.replace(/^(\d{3})-/, '$1 ')] as const;
    });
}
const ruleOf = (outcome: Outcome) => (outcome.kind === 'relayed' ? null : (outcome.rule ?? null));
const operators = seen('operator');
const others = seen('others');

test('there are enough of both', () => {
  expect(operators.length + others.length).toBeGreaterThanOrEqual(200);
  expect(new Set([...operators, ...others].map(([stage]) => stage)).size).toBeGreaterThanOrEqual(8);
});

describe('is ours', () => {
  test.each(operators)('%s: %s', (stage, reply) => {
    expect(classify(stage, reply)).toMatchObject({ outcome: 'deferred', operator: true });
  });
});

describe('is not ours', () => {
  test.each(others)('%s: %s', (stage, reply) => {
    expect(classify(stage, reply)).toMatchObject({ outcome: 'failed', operator: false });
  });
});

describe('whatever words stand behind it', () => {
  const words = operators.map(([, reply]) => reply.replace(/^\d{3}(?: \d\.\d+\.\d+)? /, ''));
  const statuses = ['5.1.1', '5.1.2', '5.1.3', '5.1.4', '5.1.6', '5.2.1', '5.2.2', '5.2.3', '5.3.4', '5.6.0'];
  test.each(statuses)('%s is returned', (status) => {
    const wrong = words.flatMap((text) => {
      const said = `550 ${status} ${text}`;
      const { outcome } = decided('final-dot', said);
      // A row with that very status decides first (DESIGN decision 27, a).
      return outcome.kind === 'failed' || rowOf(ruleOf(outcome))?.status !== undefined ? [] : [said];
    });
    expect(wrong).toEqual([]);
  });
});

describe('what no row takes', () => {
  const text = readFileSync(new URL('../../../fixtures/replies/without-row.tsv', import.meta.url), 'utf8');
  const cases = text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => line.split('\t') as [string, string, string, string, string]);

  test('is of every stage, and decided in every way', () => {
    expect(cases.length).toBeGreaterThanOrEqual(100);
    const stages = ['connect', 'ehlo', 'starttls', 'auth', 'mail', 'rcpt', 'data', 'dot'];
    expect(new Set(cases.map(([stage]) => stage))).toEqual(new Set(stages));
    for (const by of ['stage', 'status', 'words'])
      expect(cases.filter((row) => row[4] === by).length).toBeGreaterThanOrEqual(20);
  });

  test.each(cases)('%s: %s is %s, the %s’s, by its %s', (stage, reply, kind, fault, by) => {
    const { outcome } = decided(stage, reply);
    if (outcome.kind === 'relayed') throw new Error('it is relayed');
    const rule = outcome.rule ?? null;
    expect(rowOf(rule)).toBeNull();
    expect([outcome.kind, reasonRow(outcome.reason)?.fault]).toEqual([kind, fault]);
    expect(rule === null ? 'stage' : rule.split('-')[0]).toBe(by);
    const alone = rule === null && ['rcpt', 'data', 'dot'].includes(stage);
    expect(outcome.kind === 'failed' && outcome.unrecognised === true).toBe(alone);
  });
});

test('an address in a reply decides nothing, whoever chose it', () => {
  const names = [
    'send-as-denied',
    'authentication-required',
    'tls.required',
    'helo',
    'ptr',
    'relaying-denied',
    'dnsbl',
  ];
  const wrong = names.flatMap((name) =>
    [`<${name}@example.com>`, `${name}@${name}.example.com`, `"${name}@example.com"`, `(${name}+x@${name}.example)`]
      .map((address) => `550 ${address}: no`)
      .filter((reply) => classify('rcpt', reply).outcome !== 'failed'),
  );
  expect(wrong).toEqual([]);
});

test('neither does a quoted local part, nor the name of a domain', () => {
  const wrong = [
    '550 <"authentication required"@example.com>: no',
    '550 "must issue a STARTTLS command first"@example.com... no',
    '550 "relaying denied \\" sending limit"@example.com: no',
    ...['spf', 'ptr', 'rdns', 'helo', 'dkim', 'dmarc'].flatMap((name) => [
      `550 ${name}.example.com: no`,
      `550 <src-${name}.example>: no`,
      `550 Not for mail.${name}`,
    ]),
  ].filter((reply) => classify('rcpt', reply).reason !== 'recipient-refused');
  expect(wrong).toEqual([]);
});

test('by the stage, where the words say nothing: until MAIL the operator, then the recipient or the message', () => {
  const said = (stage: string) => classify(stage, '550 No.');
  for (const stage of ['connect', 'greeting', 'ehlo', 'starttls', 'auth', 'mail'])
    expect([stage, said(stage)]).toEqual([stage, expect.objectContaining({ outcome: 'deferred', operator: true })]);
  for (const stage of ['rcpt', 'data', 'content', 'final-dot'])
    expect([stage, said(stage)]).toEqual([stage, expect.objectContaining({ outcome: 'failed', operator: false })]);
});

test('what is ours is tried again on the long pace', () => {
  const reply = {
    code: 550,
    status: statusOf('5.7.60'),
    text: 'SMTP; no permissions to send as this sender',
    host: null,
  };
  const outcome = classifyResult({ kind: 'reply', phase: 'final-dot', reply, tls: true });
  expect(outcome).toMatchObject({ kind: 'deferred', pace: 'long' });
  const hours = [60_000, 300_000, 3_600_000, 7_200_000, 14_400_000];
  expect(pacedSchedule(hours, outcome.kind === 'deferred' ? outcome.pace : undefined)[0]).toBe(3_600_000);
});

test('the notice at the end of the lifetime says that it was ours to mend, and not the recipient’s or the sender’s', () => {
  const ours = new Set(replyRules.map(({ reason }) => reason).filter((reason) => REASONS[reason].fault === 'operator'));
  for (const reason of ours) {
    const text = statusText(statusOf('4.7.1'), false, reason);
    expect([reason, text.whoCanFix]).toEqual([reason, expect.stringMatching(/^We can/)]);
    expect(text.cause).not.toMatch(/recipient/);
  }
});

test('a long reply is read in a moment', () => {
  const pieces = [
    'ip address ',
    'sender ',
    'relay ',
    'tls ',
    'a@',
    '192.0.2.7 ',
    'limit ',
    'not allowed to send ',
    'x',
    '@',
    'certificate ',
  ];
  const started = process.cpuUsage();
  for (const piece of pieces) {
    const text = piece.repeat(Math.ceil(smtpReplyTextCharsMax / piece.length));
    classify('final-dot', `550 ${text}`);
  }
  expect(ownMsSince(started) / pieces.length).toBeLessThan(100);
});
