// A function works on while jobs hold it, on a clock of the test's own.

import { describe, expect, it } from 'vitest';
import { MemoryClock } from '#adapters/memory/clock.ts';
import { type Finished, finished, turnedAway } from '#pipeline/finished.ts';
import { type PlacesTerms, workOn } from '#pipeline/places.ts';
import type { Timer } from '#pipeline/ports.ts';

const SECOND = 1_000;
const terms = { places: 4, underWayMax: 6, heldAfterMs: 11 * SECOND, askAgainMs: SECOND };

/** A job that takes so long; `away`: it is turned away at once. */
type Job = { readonly ms: number; readonly away?: true };
const of = (count: number, ms: number): Job[] => Array.from({ length: count }, () => ({ ms }));

function invocation(batch: readonly Job[], queue: Job[], given: Partial<PlacesTerms> = {}, earlyMs = 0) {
  const clock = new MemoryClock(0);
  const asked: number[] = [];
  const done: { readonly job: Job; readonly at: number }[] = [];
  let [underWay, most, endedAt] = [0, 0, -1];
  const work = async (job: Job): Promise<Finished | null> => {
    if (job.away === true) return turnedAway('next-hop-open');
    underWay += 1;
    most = Math.max(most, underWay);
    await new Promise<void>((resolve) => clock.after(job.ms, resolve));
    underWay -= 1;
    done.push({ job, at: clock.now() });
    return finished('relayed');
  };
  const more = async (max: number) => {
    asked.push(max);
    return queue.splice(0, max);
  };
  const until = 600 * SECOND;
  const timer: Timer = { after: (ms, run) => clock.after(ms - earlyMs, run) };
  void workOn(batch, { clock, timer, work, more }, { ...terms, until, ...given }).then(() => {
    endedAt = clock.now();
  });
  const pass = async (ms: number) => {
    for (const end = clock.now() + ms; clock.now() < end; clock.advance(100)) await new Promise(setImmediate);
    await new Promise(setImmediate);
  };
  return { pass, asked, done, queue, most: () => most, endedAt: () => endedAt };
}

describe('an invocation', () => {
  it('ends with its batch, and asks for nothing more, where nothing holds it', async () => {
    const { pass, asked, endedAt } = invocation([...of(2, 200), ...of(2, 10 * SECOND)], of(9, 200));
    await pass(12 * SECOND);
    expect(endedAt()).toBe(10 * SECOND);
    expect(asked).toEqual([]);
  });
  it('works on beside a job that holds it, with all places beside that job, until the job is done', async () => {
    const { pass, done, queue, most, endedAt } = invocation([{ ms: 100 * SECOND }, ...of(3, 200)], of(100, SECOND));
    await pass(11 * SECOND);
    expect(done).toHaveLength(3);
    await pass(20 * SECOND);
    expect(done.length).toBeGreaterThan(3 + 4 * 15);
    expect(most()).toBe(5);
    await pass(80 * SECOND);
    expect(queue).toEqual([]);
    expect(endedAt()).toBe(100 * SECOND);
  });
  it('begins nothing at once where others hold it too, and has never more than its most under way', async () => {
    const { pass, queue, most } = invocation(of(4, 100 * SECOND), of(9, 200 * SECOND));
    await pass(60 * SECOND);
    expect(queue).toHaveLength(7);
    expect(most()).toBe(6);
  });
  it('begins nothing that would not have its time', async () => {
    const { pass, done, asked } = invocation([{ ms: 100 * SECOND }], of(1_000, SECOND), { until: 20 * SECOND });
    await pass(25 * SECOND);
    const before = [done.length, asked.length];
    await pass(70 * SECOND);
    expect([done.length, asked.length]).toEqual(before);
    expect(done.length).toBeGreaterThan(4 * 7);
  });
  // Node's timers count by another clock than Date's, and may end a millisecond before it says so.
  it('goes on asking an empty queue where its timers end a little early by the clock', async () => {
    const { pass, asked, done, queue, endedAt } = invocation([{ ms: 100 * SECOND }], [], {}, 100);
    await pass(15 * SECOND);
    queue.push(...of(3, 200));
    await pass(5 * SECOND);
    expect(done).toHaveLength(3);
    expect(asked.length).toBeGreaterThanOrEqual(8);
    await pass(90 * SECOND);
    expect(endedAt()).toBe(100 * SECOND);
  });
  it('asks an empty queue once a second', async () => {
    const { pass, asked, endedAt } = invocation([{ ms: 31 * SECOND }], []);
    await pass(40 * SECOND);
    expect(asked.length).toBeGreaterThanOrEqual(18);
    expect(asked.length).toBeLessThanOrEqual(21);
    expect(endedAt()).toBe(31 * SECOND);
  });
  it('fills the places of jobs that were turned away, in its first seconds alone', async () => {
    const sick = Array.from({ length: 1_000 }, (): Job => ({ ms: 0, away: true }));
    const mixed = sick.flatMap((job, index) => [job, { ms: 400 + 100 * (index % 3) }]);
    const { pass, done, endedAt } = invocation(mixed.splice(0, 4), mixed);
    await pass(30 * SECOND);
    expect(endedAt()).toBeGreaterThanOrEqual(11 * SECOND);
    expect(endedAt()).toBeLessThanOrEqual(13 * SECOND);
    expect(done.length).toBeGreaterThan(3 * 22); // of four places in each half second
  });
});
