// The share of failures: which outcomes count, when a function tells the ledger of them, and the level that the sweep
// makes of them.

import { describe, expect, it } from 'vitest';
import { MemoryClock } from '#adapters/memory/clock.ts';
import { MemoryOutcomes } from '#adapters/memory/outcomes.ts';
import { MemoryWatch } from '#adapters/memory/watch.ts';
import { outcomeCount, worstShare } from '#core/delivery/failure-share.ts';
import { deferredFor, failedFor, type Outcome } from '#core/reply/outcome.ts';
import { OutcomeTally } from '#pipeline/outcome-tally.ts';
import { publishFailureShare } from '#pipeline/sweep/outcomes-level.ts';
import { queued, T0 } from '../../contract/rows.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const row = queued('m1', { nextHop: 'exchange' });
const taken: Outcome = { kind: 'relayed', reply: { code: 250, status: null, text: 'Ok', host: 'mx' } };
const unknown = failedFor('recipient-unknown', 'no such user');
const spam = failedFor('content-refused', 'spam');

describe('an outcome counts', () => {
  it.each([
    ['acceptance', row, 'inbound', taken, [0, 1]],
    ["a recipient's fault", row, 'inbound', unknown, [1, 0]],
    ["a sender's fault", row, 'inbound', failedFor('sender-unauthenticated', 'DMARC'), [1, 0]],
    ["a stranger's message refused for what it is", row, 'inbound', spam, null],
    ["a submitter's message refused for what it is", row, 'outbound', spam, [1, 0]],
    ['a deferral', row, 'inbound', deferredFor('timeout', 'late'), null],
    ['a notice', queued('m1', { kind: 'notice' }), 'inbound', unknown, null],
    ['a copy', queued('m1', { copy: true }), 'inbound', taken, null],
  ] as const)('%s', (_name, of, direction, outcome, expected) => {
    const count = outcomeCount(of, direction, outcome);
    expect(count === null ? null : [count.failed, count.accepted]).toEqual(expected);
  });
});

it.each([
  ['nine failures of nine', [['a', 9, 0]], null],
  ['ten of ten', [['a', 10, 0]], ['a', 100]],
  ['ten of forty-one', [['a', 10, 31]], ['a', 24]],
  ['ten of forty', [['a', 10, 30]], ['a', 25]],
  ['of several next hops the worst', [['a', 10, 990], ['b', 20, 20]], ['b', 50]], // biome-ignore format: one line
  ['of several slots the sum', [['a', 6, 0], ['a', 6, 12]], ['a', 50]], // biome-ignore format: one line
  ['accepted before, and failed later', [['a', 12, -12], ['a', 0, 24]], ['a', 50]], // biome-ignore format: one line
  ['more failed later than were accepted in the hour', [['a', 12, -12]], ['a', 100]],
] as const)('the share: %s', (_name, counts, expected) => {
  const worst = worstShare(counts.map(([nextHop, failed, accepted]) => ({ nextHop, failed, accepted })));
  expect(worst === null ? null : [worst.nextHop, worst.percent]).toEqual(expected);
});

function functions() {
  const clock = new MemoryClock(T0);
  const watch = new MemoryWatch();
  const store = new MemoryOutcomes();
  let calls = 0;
  const add = store.add.bind(store);
  store.add = async (...given) => {
    calls += 1;
    await add(...given);
  };
  const made = () => new OutcomeTally({ store, clock, watch }, HOUR);
  const level = async () => {
    const of = new MemoryWatch();
    await publishFailureShare({ outcomes: store, clock, watch: of, hourMs: HOUR });
    return of.total('FailureShare');
  };
  return { clock, watch, store, made, level, calls: () => calls };
}

describe('a function', () => {
  it('without a failure makes no call', async () => {
    const { clock, made, calls } = functions();
    const tally = made();
    for (let i = 0; i < 500; i++) {
      tally.note(row, 'inbound', taken);
      await tally.ended();
      clock.advance(MINUTE);
    }
    expect(calls()).toBe(0);
  });

  it('with a failure tells it at once, with what it counted in the hour before, and the rest once a minute', async () => {
    const { clock, made, level, calls, store } = functions();
    const tally = made();
    for (let i = 0; i < 30; i++) {
      tally.note(row, 'inbound', taken);
      clock.advance(MINUTE);
      await tally.ended();
    }
    for (let i = 0; i < 10; i++) tally.note(row, 'inbound', unknown);
    await tally.ended();
    expect(await level()).toBe(25);
    const before = calls();
    for (let i = 0; i < 60; i++) {
      tally.note(row, 'inbound', taken);
      await tally.ended();
      clock.advance(1_000);
    }
    expect(calls() - before).toBeLessThanOrEqual(2);
    await tally.ended();
    expect((await store.since(0)).reduce((sum, { accepted }) => sum + accepted, 0)).toBe(90);
  });

  it('adds to what others count, and an hour later nothing is left', async () => {
    const { clock, made, level } = functions();
    const [one, other] = [made(), made()];
    for (let i = 0; i < 5; i++) {
      one.note(row, 'inbound', unknown);
      other.note(row, 'outbound', spam);
    }
    await one.ended();
    expect(await level()).toBe(0);
    await other.ended();
    expect(await level()).toBe(100);
    clock.advance(HOUR - 5 * MINUTE);
    expect(await level()).toBe(100);
    clock.advance(5 * MINUTE);
    expect(await level()).toBe(0);
  });

  it('counts what SES reports later as one failure, and no acceptance', async () => {
    const { made, level } = functions();
    const [relay, feedback] = [made(), made()];
    for (let i = 0; i < 20; i++) relay.note(row, 'outbound', taken);
    relay.note(row, 'outbound', unknown);
    await relay.ended();
    for (let i = 0; i < 9; i++) feedback.failedLater(row);
    await feedback.ended();
    expect(await level()).toBe(47); // 10 of 21
  });

  it('goes on where the ledger refuses it', async () => {
    const { made, watch, store } = functions();
    store.add = () => Promise.reject(new Error('no'));
    const tally = made();
    tally.note(row, 'inbound', unknown);
    await tally.ended();
    expect(watch.logged('outcomes.not-counted')).toHaveLength(1);
  });
});
