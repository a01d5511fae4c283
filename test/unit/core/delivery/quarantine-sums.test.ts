// Mail in quarantine, by the entries of the due index: what is counted, and what is told of it.

import { expect, it } from 'vitest';
import type { DeliveryState } from '#core/delivery/delivery.ts';
import { quarantineSums } from '#core/delivery/quarantine-sums.ts';

it('counts what waits, and gives the latest of a period', () => {
  const now = 1_000;
  const given: readonly [string, number, number, DeliveryState][] = [
    ['first', now - 30, now + 10, 'quarantined'],
    ['second', now - 20, now + 5, 'quarantined'],
    ['third', now - 10, now + 11, 'quarantined'],
    ['later', now - 9, now + 10, 'quarantined'],
    ['earlier', now - 40, now + 10, 'quarantined'],
    ['over', now - 20, now, 'quarantined'],
    ['none', now - 20, now + 10, 'deferred'],
  ];
  const found = (max: number) => {
    const query = { now, from: now - 40, until: now - 10, soonUntil: now + 10, max };
    const { take, sums } = quarantineSums<{ key: string; nextAttemptAt: number; dueAt: number; state: DeliveryState }>(
      query,
    );
    for (const [key, nextAttemptAt, dueAt, state] of given) take({ key, nextAttemptAt, dueAt, state });
    const { told, ...counts } = sums();
    return { ...counts, told: told.map(({ key }) => key) };
  };
  const counts = { inPeriod: 3, waiting: 5, soon: 4 };
  expect(found(9)).toEqual({ ...counts, told: ['third', 'second', 'first'] });
  expect(found(2)).toEqual({ ...counts, told: ['third', 'second'] });
  expect(found(1)).toEqual({ ...counts, told: ['third'] });
  expect(found(0)).toEqual({ ...counts, told: [] });
});
