// One of three next hops is sick for an hour, with 10,000 messages for each of the three, in virtual time: the bound
// holds from the first attempts on. It stands among the slower kinds for its size alone. It prints its figures.

import { describe, expect, it } from 'vitest';
import { functionMsMax, sickHour } from '../simulation/sick-hour.ts';

const MINUTE = 60_000;
const SIZE = { well: 10_000, sick: 10_000, sickPerSecond: 20 } as const;

describe('one of three next hops is sick for an hour, with 10,000 messages for each', () => {
  it.each(['refuses', 'says nothing', 'sends one byte a second', 'stalls at the final dot'] as const)(
    '%s',
    async (sickness) => {
      const figures = await sickHour(sickness, SIZE);
      const { aloneMs, firstMs, knownMs, sickMs, drainMs, mostInASecond, mostOutOfOrder } = figures;
      process.stdout.write(
        `${sickness}: the others take ${(firstMs / aloneMs).toFixed(2)} of their time at first contact, ` +
          `${(knownMs / aloneMs).toFixed(2)} later; ${sickMs / 1_000} s of function time in the hour ` +
          `(bound ${functionMsMax(sickness) / 1_000} s); drained in ${drainMs / 1_000} s, at most ${mostInASecond} ` +
          `in a second, at most ${mostOutOfOrder} places out of order\n`,
      );
      expect(firstMs / aloneMs).toBeLessThanOrEqual(1.2);
      expect(knownMs / aloneMs).toBeLessThanOrEqual(1.2);
      expect(sickMs).toBeLessThanOrEqual(functionMsMax(sickness));
      expect(figures.tookWhileSick).toBe(0);
      expect(figures.foundAfterMs).toBeLessThan(26 * MINUTE);
      expect(figures.taken).toBe(figures.accepted);
      expect(drainMs).toBeLessThanOrEqual((1.1 * figures.taken * 1_000) / SIZE.sickPerSecond);
      expect(mostInASecond).toBeLessThanOrEqual(SIZE.sickPerSecond + 1);
      expect(mostOutOfOrder).toBeLessThanOrEqual(80);
      expect(figures.lostJobs).toBe(0);
    },
  );
});
