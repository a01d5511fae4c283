// What may leave the spool, by the states of all rows of a message. In doubt it stays.

import { describe, expect, it } from 'vitest';
import type { DeliveryRow, DeliveryState } from '#core/delivery/delivery.ts';
import { neverPaused, type Pause, pausesOf } from '#core/delivery/pause.ts';
import { sesFeedbackMs, settleMarginMs } from '#core/limits.ts';
import { purgeDecision } from '#core/spool/purge-decision.ts';
import { asNoticeOf, queued, T0 } from '#test/contract/rows.ts';
import { pipelineSettings } from '#test/kit/pipeline.ts';

const DAY = 86_400_000;
const NOW = T0 + 20 * DAY;
const settings = { ...pipelineSettings, nextHops: { ...pipelineSettings.nextHops, ses: { kind: 'ses' } as const } };

const ended = (state: DeliveryState, change: Partial<DeliveryRow> = {}) =>
  queued('m1', { state, dueAt: null, lastAttemptAt: T0 + 1, ...change });
const decide = (...rows: DeliveryRow[]) => {
  return decideIn([], ...rows);
};
const decideIn = (pauses: readonly Pause[], ...rows: DeliveryRow[]) => {
  const decision = purgeDecision(rows, settings, pausesOf(pauses, settings, NOW));
  return decision.kind === 'remove' ? 'remove' : decision.because;
};

describe('a message with one delivery', () => {
  it.each([
    ['relayed', 'remove'],
    ['confirmed', 'remove'],
    ['returned', 'remove'],
    ['unreturnable', 'remove'],
    ['discarded', 'remove'],
    ['removed', 'remove'],
    ['held', 'kept'],
    ['quarantined', 'kept'],
  ] as const)('%s: %s', (state, decision) => {
    expect(decide(ended(state))).toBe(decision);
  });

  it.each(['queued', 'deferred', 'failed', 'expired'] as const)('%s: stays, and cries out in the end', (state) => {
    const { lifetimeMs } = settings.retry;
    const row = queued('m1', { state, expiresAt: NOW - lifetimeMs - settleMarginMs });
    expect(decide(row)).toBe('under-way');
    const forgotten = { ...row, expiresAt: row.expiresAt - 1 };
    expect(decide(forgotten)).toBe('no-end');
    // Whatever was paused since its acceptance may have put off its end, or its notice's.
    const ended = [{ from: NOW - 9 * DAY, until: NOW - 9 * DAY + 1, mode: 'hold' as const }];
    expect(decideIn([{ ...neverPaused('ses'), ended }], forgotten)).toBe('under-way');
    expect(decideIn([{ ...neverPaused('ses'), mode: 'drain', since: NOW - 1 }], forgotten)).toBe('under-way');
    expect(decideIn([{ ...neverPaused('ses'), ended: [] }], forgotten)).toBe('no-end');
  });

  it.each(['ses', 'ses-report', 'ses-bounce', 'no-more-in-the-configuration'])(
    'relayed by %s: stays for as long as its failure may still be reported',
    (nextHop) => {
      expect(decide(ended('relayed', { nextHop, lastAttemptAt: NOW - sesFeedbackMs }))).toBe('remove');
      expect(decide(ended('relayed', { nextHop, lastAttemptAt: NOW - sesFeedbackMs + 1 }))).toBe('feedback');
      expect(decide(ended('relayed', { nextHop, lastAttemptAt: null }))).toBe('feedback');
    },
  );

  it('relayed by SMTP: the next hop has answered for it, a moment ago or not', () => {
    expect(decide(ended('relayed', { lastAttemptAt: NOW }))).toBe('remove');
  });

  it('final by its state, and not done with: stays', () => {
    expect(decide(ended('relayed', { dueAt: NOW + 1 }))).toBe('under-way');
    expect(decide(ended('relayed', { leaseUntil: NOW + 1 }))).toBe('under-way');
    expect(decide(ended('relayed', { leaseUntil: NOW }))).toBe('remove');
  });
});

describe('a message with several rows', () => {
  const returned = ended('returned');
  const notice = (state: DeliveryState, change: Partial<DeliveryRow> = {}) =>
    ended(state, { ...asNoticeOf(returned), ...change });

  it('goes when all are final', () => {
    expect(decide(returned, ended('relayed', { deliveryKey: 'b' }), notice('relayed'))).toBe('remove');
  });
  it.each(['queued', 'held', 'quarantined'] as const)('stays while one delivery, or a copy, is %s', (state) => {
    const expiresAt = NOW;
    expect(decide(returned, ended(state, { deliveryKey: 'b', expiresAt }))).not.toBe('remove');
    expect(decide(ended(state, { deliveryKey: 'b', copy: true, expiresAt }), returned)).not.toBe('remove');
  });
  it.each(['queued', 'deferred', 'failed', 'expired'] as const)('stays while a notice is %s', (state) => {
    expect(decide(returned, notice(state, { expiresAt: NOW }))).toBe('under-way');
  });
  it("goes with a held notice whose delivery an operator has ended; a held postmaster's copy keeps it", () => {
    expect(decide(ended('removed'), notice('held'))).toBe('remove');
    expect(decide(ended('removed'), notice('held', { noticeKind: 'delay' }))).toBe('remove');
    expect(decide(ended('held'), notice('held'))).toBe('kept');
    expect(decide(returned, notice('held', { noticeKind: 'postmaster' }))).toBe('kept');
  });
});

it('an object without rows is an orphan, and none of the purge’s business', () => {
  expect(decide()).toBe('no-rows');
});
