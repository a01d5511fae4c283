// Work on many things a few at a time: all of it, no more at once than was said, nothing begun after its time, and no
// failure dropped.

import { expect, it } from 'vitest';
import { inTurns } from '#pipeline/in-turns.ts';

const NEVER = new AbortController().signal;
const numbers = Array.from({ length: 25 }, (_, index) => index);
const turn = () => new Promise((resolve) => setImmediate(resolve));

it.each([1, 4, 25, 100])('does all, %i at once at most', async (atOnce) => {
  let [under, most] = [0, 0];
  const results = await inTurns(
    numbers,
    atOnce,
    async (index) => {
      under += 1;
      most = Math.max(most, under);
      await turn();
      under -= 1;
      return index;
    },
    NEVER,
  );
  expect(results.toSorted((a, b) => a - b)).toEqual(numbers);
  expect(most).toBe(Math.min(atOnce, 25));
});
it('throws the first failure, once all that had begun has ended', async () => {
  let ended = 0;
  const work = inTurns(
    numbers,
    4,
    async (index) => {
      await turn();
      ended += 1;
      if (index === 2) throw new Error('the third');
    },
    NEVER,
  );
  await expect(work).rejects.toThrow('the third');
  expect(ended).toBeGreaterThanOrEqual(4);
});
it('begins nothing more once time is short', async () => {
  const deadline = new AbortController();
  let begun = 0;
  const results = await inTurns(
    numbers,
    2,
    async () => {
      begun += 1;
      if (begun === 6) deadline.abort();
      await turn();
    },
    deadline.signal,
  );
  expect(begun).toBe(6);
  expect(results).toHaveLength(6);
  expect(await inTurns(numbers, 2, async () => 'x', AbortSignal.abort())).toEqual([]);
});
