// One of three next hops is sick for an hour, with many messages for it, in virtual time. What the other two lose by it
// is measured, and the function time that the sick one takes. Then it is well again, and its mail drains. The same with
// 10,000 messages for each is test/e2e/sick-next-hop-at-size.test.ts.

import { describe, expect, it } from 'vitest';
import { topUpEveryMs } from '#core/limits.ts';
import { firstContactMs, functionMsMax, sickHour } from './sick-hour.ts';

const MINUTE = 60_000;
const SIZE = { well: 300, sick: 300, sickPerSecond: 20 } as const;

describe('one of three next hops is sick for an hour', () => {
  it.each(['refuses', 'says nothing', 'sends one byte a second', 'stalls at the final dot'] as const)(
    '%s',
    async (sickness) => {
      const figures = await sickHour(sickness, SIZE);
      expect(figures.firstMs).toBeLessThanOrEqual(1.2 * figures.aloneMs + firstContactMs);
      expect(figures.knownMs).toBeLessThanOrEqual(1.2 * figures.aloneMs);
      expect(figures.sickMs).toBeLessThanOrEqual(functionMsMax(sickness));
      expect(figures.tookWhileSick).toBe(0);
      // The attempt that is out, the pause after it, and the attempt that finds it well.
      expect(figures.foundAfterMs).toBeLessThan(26 * MINUTE);
      expect(figures.taken).toBe(figures.accepted);
      // The sweep sends the first of them within five seconds.
      expect(figures.drainMs).toBeLessThanOrEqual((1.1 * figures.taken * 1_000) / SIZE.sickPerSecond + topUpEveryMs);
      expect(figures.mostInASecond).toBeLessThanOrEqual(SIZE.sickPerSecond + 1);
      expect(figures.mostOutOfOrder).toBeLessThanOrEqual(80);
      expect(figures.lostJobs).toBe(0);
    },
    60_000,
  );
});
