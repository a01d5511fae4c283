// The budget of bytes: first come, first served, a giant runs alone, and an abort gives its place up.
// Never more bytes under way than the budget, but for one message larger than it.

import { expect, it } from 'vitest';
import { byteBudget, NoRoomInTime } from '#pipeline/relay/byte-budget.ts';

const never = new AbortController().signal;

it('lets run what fits, and the rest in turn', async () => {
  const budget = byteBudget(100);
  const started: number[] = [];
  const take = async (bytes: number) => {
    const giveBack = await budget.take(bytes, never);
    started.push(bytes);
    return giveBack;
  };
  const first = await take(60);
  const second = take(50);
  const third = take(10); // would fit, but is not let past: a large message must get its turn
  await Promise.resolve();
  expect(started).toEqual([60]);
  first();
  (await second)();
  (await third)();
  expect(started).toEqual([60, 50, 10]);
});

it('lets a message larger than the whole budget run alone', async () => {
  const budget = byteBudget(100);
  const giant = await budget.take(500, never);
  let second = false;
  const waiting = budget.take(1, never).then((giveBack) => {
    second = true;
    return giveBack;
  });
  await Promise.resolve();
  expect(second).toBe(false);
  giant();
  giant(); // twice does no harm
  (await waiting)();
  expect(second).toBe(true);
});

it('forgets who gave up waiting', async () => {
  const budget = byteBudget(10);
  const first = await budget.take(10, never);
  const impatient = new AbortController();
  const waiting = budget.take(10, impatient.signal);
  impatient.abort(new Error('out of time'));
  await expect(waiting).rejects.toThrow('out of time');
  await expect(budget.take(1, impatient.signal)).rejects.toThrow('out of time');
  first();
  (await budget.take(10, never))();
});

it('is whole again after any weights, fractions of bytes among them', async () => {
  const budget = byteBudget(64 * 1024 * 1024);
  let seed = 7;
  const random = (below: number) => {
    seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648;
    return seed % below;
  };
  const held: (() => void)[] = [];
  for (let round = 0; round < 500; round += 1) {
    const bytes = (1 + random(40_000)) * 2.4;
    held.push(await budget.take(bytes, never));
    if (random(2) === 0) for (const giveBack of held.splice(random(held.length), 1)) giveBack();
  }
  for (const giveBack of held) giveBack();
  expect(budget.fits(64 * 1024 * 1024)).toBe(true);
  (await budget.take(29_000_000 * 2.4, AbortSignal.timeout(100)))(); // above the whole budget: it runs alone, and at once
});

it.each([Number.NaN, -1, Number.POSITIVE_INFINITY])('takes %s for all of it, and gives it back', async (bytes) => {
  const budget = byteBudget(100);
  const odd = await budget.take(bytes, never);
  expect(budget.fits(1)).toBe(false);
  odd();
  expect(budget.fits(100)).toBe(true);
});

it('says whether one would have to wait', async () => {
  const budget = byteBudget(100);
  const first = await budget.take(60, never);
  expect([budget.fits(40), budget.fits(41)]).toEqual([true, false]);
  const waiting = budget.take(50, never);
  expect(budget.fits(10)).toBe(false); // behind who waits already
  first();
  (await waiting)();
});

it('does not let anybody wait for longer than it is told', async () => {
  const budget = byteBudget(100, 20);
  const first = await budget.take(100, never);
  await expect(budget.take(1, never)).rejects.toBeInstanceOf(NoRoomInTime);
  first();
  (await budget.take(100, never))();
});
