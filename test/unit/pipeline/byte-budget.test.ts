// The budget of bytes: first come, first served, a giant runs alone, and an abort gives its place up.
// Never more bytes under way than the budget, but for one message larger than it.

import { expect, it } from 'vitest';
import { byteBudget } from '#pipeline/byte-budget.ts';

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
