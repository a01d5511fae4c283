// What a row becomes by what others say of it: precedence, lateness, and what our own word is after that. Tables;
// instants are literals.

import { describe, expect, it } from 'vitest';
import { isSuccessNoticeDue } from '#core/delivery/delay-success.ts';
import type { DeliveryRow, DeliveryState } from '#core/delivery/delivery.ts';
import { afterOvertakenOutcome } from '#core/delivery/overtaken-outcome.ts';
import { afterFact, type ReportedFact } from '#core/feedback/fact.ts';
import { replyOfDiagnostic } from '#core/reply/diagnostic-code.ts';
import { statusOf } from '#core/reply/status.ts';
import { queued, T0 } from '#test/contract/rows.ts';

const told = { at: T0 + 5_000, sentAt: T0 + 2_000 };
const no = { code: 550, status: statusOf('5.1.1'), text: 'no', host: null };
const yes = { code: 250, status: statusOf('2.0.0'), text: 'Ok', host: null };
const failed: ReportedFact = {
  ...told,
  kind: 'failed',
  reason: 'bounced-general',
  status: statusOf('5.1.1'),
  detail: 'no',
  reply: no,
};
const confirmed: ReportedFact = { ...told, kind: 'confirmed', reply: yes };
const complained: ReportedFact = { ...told, kind: 'complained', reason: 'complaint-abuse', reply: null };
const uncertain: ReportedFact = { ...told, kind: 'uncertain', reason: 'bounce-without-report', reply: null };
const terms = { now: T0 + 60_000, sweepAgainMs: 900_000, elsewhere: false, attemptedBy: 'ses' } as const;
const row = (state: DeliveryState, more: Partial<DeliveryRow> = {}) => queued('m1', { state, dueAt: null, ...more });

describe('a fact', () => {
  it.each<[DeliveryState, ReportedFact, DeliveryState, string]>([
    ['relayed', failed, 'failed', 'failed'],
    ['confirmed', failed, 'failed', 'failed'],
    ['queued', failed, 'failed', 'failed'],
    ['deferred', failed, 'failed', 'failed'],
    ['returned', failed, 'returned', 'ignored'],
    ['held', failed, 'held', 'ignored'],
    ['expired', failed, 'expired', 'ignored'],
    ['removed', failed, 'removed', 'ignored'],
    ['relayed', confirmed, 'confirmed', 'confirmed'],
    ['queued', confirmed, 'confirmed', 'confirmed'],
    ['failed', confirmed, 'failed', 'ignored'],
    ['returned', confirmed, 'returned', 'ignored'],
    ['relayed', complained, 'relayed', 'noted'],
    ['returned', complained, 'returned', 'noted'],
    ['relayed', uncertain, 'relayed', 'noted'],
    ['queued', uncertain, 'queued', 'noted'],
    ['deferred', uncertain, 'deferred', 'noted'],
    ['failed', uncertain, 'failed', 'ignored'],
    ['returned', uncertain, 'returned', 'ignored'],
    ['held', uncertain, 'held', 'ignored'],
  ])('%s, and then %j: %s', (state, fact, next, became) => {
    const after = afterFact(row(state), fact, terms);
    expect([after.row.state, after.became]).toEqual([next, became]);
    expect(after.events).toHaveLength(1);
    expect(after.events[0]?.event === 'IGNORE').toBe(became === 'ignored');
    expect(after.events[0]?.at).toBe(T0 + 5_000);
    // Word for word the same once more is known, and writes nothing.
    const again = afterFact({ ...after.row, trace: [...after.row.trace, ...after.events] }, fact, terms);
    expect([again.became, again.events]).toEqual(['known', []]);
  });

  it('that is a failure brings the row to the sweep, with the words that a notice needs', () => {
    const { row: next } = afterFact(row('relayed', { lastReply: yes }), failed, terms);
    expect(next).toMatchObject({
      stateReason: 'bounced-general',
      lastReply: no,
      lastStatus: '5.1.1',
      lastReason: 'bounced-general',
      lastDetail: 'no',
      dueAt: T0 + 960_000,
    });
  });

  it('that is a success leaves the instant at which its submitter, who asked for it, hears of it', () => {
    const asked = { dsn: { notify: ['SUCCESS' as const], orcpt: null }, dueAt: T0 + 900_000 };
    expect(afterFact(row('relayed', asked), confirmed, terms).row).toMatchObject({
      state: 'confirmed',
      dueAt: T0 + 900_000,
    });
    expect(isSuccessNoticeDue(afterFact(row('relayed', asked), confirmed, terms).row)).toBe(true);
    expect(afterFact(row('relayed', { dueAt: T0 + 900_000 }), confirmed, terms).row.dueAt).toBeNull();
  });

  it('before our own word is the outcome of the claim under way', () => {
    const claimed = row('queued', { claims: 1, leaseUntil: T0 + 750_000 });
    const { row: next } = afterFact(claimed, confirmed, terms);
    const attempt = { attempts: 1, claims: 0, leaseUntil: null, firstAttemptAt: T0 + 2_000, lastAttemptAt: T0 + 2_000 };
    expect(next).toMatchObject({ ...attempt, possibleDuplicate: false, dueAt: null });
    const twice = afterFact({ ...claimed, claims: 2 }, confirmed, terms).row;
    expect(twice.possibleDuplicate, 'one of two claims handed it over, or both').toBe(true);
    const between = afterFact(row('deferred', { attempts: 3, possibleDuplicate: true }), confirmed, terms).row;
    expect([between.attempts, between.possibleDuplicate]).toEqual([3, true]);
  });

  it('that is a bounce and says nothing is an answer where the arrival is known, and known when it comes again', () => {
    const after = afterFact(row('confirmed'), uncertain, terms);
    expect([after.row.state, after.row.uncertain, after.became]).toEqual(['confirmed', undefined, 'noted']);
    expect(after.events[0]).toMatchObject({ event: 'IGNORE', reason: 'automatic-answer' });
    const doubted = afterFact(row('relayed'), uncertain, terms);
    expect(doubted.row).toMatchObject({ uncertain: { at: told.at, told: false }, dueAt: T0 + 960_000 });
    const decided = afterFact({ ...doubted.row, trace: doubted.events }, confirmed, terms);
    expect(decided.row).toMatchObject({ state: 'confirmed', stateReason: null, dueAt: null });
    expect(decided.row).not.toHaveProperty('uncertain');
    const again = afterFact({ ...decided.row, trace: [...doubted.events, ...decided.events] }, uncertain, terms);
    expect(again.became).toBe('known');
  });

  it('that is a bounce and says nothing is told of once, and not of a next hop that was left', () => {
    const after = afterFact(row('relayed', { uncertain: { at: T0, told: true } }), uncertain, terms);
    expect(after.row).toMatchObject({ uncertain: { at: told.at, told: true }, dueAt: null });
    expect(afterFact(row('relayed'), uncertain, { ...terms, elsewhere: true }).became).toBe('ignored');
    expect(afterFact(row('relayed', { kind: 'notice' }), uncertain, terms).row).not.toHaveProperty('uncertain');
  });

  it('of a failure at a next hop that the delivery has left changes nothing, a confirmation does', () => {
    const elsewhere = { ...terms, elsewhere: true };
    const after = afterFact(row('relayed'), failed, elsewhere);
    expect([after.row.state, after.events[0]?.reason]).toEqual(['relayed', 'elsewhere: bounced-general']);
    expect(afterFact(row('deferred'), confirmed, elsewhere).row.state).toBe('confirmed');
  });

  it('from the future happened now, and one that says nothing leaves the last reply', () => {
    const { row: next, events } = afterFact(
      row('relayed', { lastReply: yes }),
      { ...confirmed, at: T0 + 9e9, reply: null },
      terms,
    );
    expect([events[0]?.at, next.lastReply]).toEqual([terms.now, yes]);
  });
});

describe('our own word after it', () => {
  const claimed = row('queued', { claims: 1, leaseUntil: T0 + 750_000 });
  const late = { startedAt: T0 + 1_000, now: T0 + 61_000, openMs: 3 };
  const relayed = { kind: 'relayed', reply: yes } as const;

  it('adds the attempt, and is no second copy', () => {
    const current = afterFact(claimed, failed, terms).row;
    const { row: next, events } = afterOvertakenOutcome(current, claimed, relayed, late);
    expect(next).toMatchObject({ state: 'failed', lastReply: no, possibleDuplicate: false, lastAttemptAt: T0 + 1_000 });
    expect(events).toMatchObject([{ event: 'SEND', attempt: 1, latency: { openMs: 3, totalMs: 60_000 } }]);
  });

  it.each([
    ['an earlier result was lost', afterFact({ ...claimed, claims: 2 }, failed, terms).row, relayed],
    ['it expired meanwhile', row('expired', { claims: 5 }), relayed],
    [
      'the result was not known',
      afterFact(claimed, failed, terms).row,
      {
        kind: 'deferred',
        reason: 'timeout',
        status: statusOf('4.4.2'),
        reply: null,
        detail: '',
        possibleDuplicate: true,
        operatorFault: false,
      } as const,
    ],
  ])('marks a possible duplicate where %s', (_, current, outcome) => {
    const { row: next, events } = afterOvertakenOutcome(current, claimed, outcome, late);
    expect([next.state, next.possibleDuplicate, events[0]?.event]).toEqual([current.state, true, 'POSSIBLE_DUPLICATE']);
  });
});

describe('a diagnostic code', () => {
  it.each([
    ['smtp; 550 5.1.1 user unknown', 550, '5.1.1', 'user unknown'],
    ['SMTP;550 5.1.1 user unknown', 550, '5.1.1', 'user unknown'],
    ['smtp; 550', 550, null, ''],
    ['550-5.7.1 one\r\n550-5.7.1 two\r\n550 5.7.1 three', 550, '5.7.1', 'one two three'],
    ['smtp; 550-5.7.1 one 550 5.7.1 two', 550, '5.7.1', 'one two'],
    ['smtp; 550-5.7.1 never ended', 550, '5.7.1', 'never ended'],
    ['smtp; 550 mailbox 550 is full', 550, null, 'mailbox 550 is full'],
    ['250 2.6.0 Message received', 250, '2.6.0', 'Message received'],
  ])('%j is a reply', (text, code, status, said) => {
    expect(replyOfDiagnostic(text, 'mx.example')).toEqual({ code, status, text: said, host: 'mx.example' });
  });
  it.each([
    '',
    'smtp;',
    'X-Postfix; unknown user',
    'smtp; 5.1.1 no code',
    'smtp; 9000 x',
    'smtp; 350 go',
    'x'.repeat(1e5),
  ])('%j is none', (text) => {
    expect(replyOfDiagnostic(text, null)).toBeNull();
  });
});
