// When a silence is longer than it may be: by the gaps of four weeks before it, at each hour of the week. Slots are of
// five minutes, and literals; the first hour of the week here is a Monday's.

import { describe, expect, it } from 'vitest';
import { overdueSlots, slotAt, withSlots } from '#core/spool/silence.ts';

const HOUR = 12;
const DAY = 24 * HOUR;
const WEEK = 7 * DAY;
/** Ten weeks after the epoch, which was a Thursday: a Monday, 00:00 UTC. */
const MONDAY = 10 * WEEK + 4 * DAY;

type Rule = (slotOfWeek: number) => boolean;
/** The memory of a month and more before `until`, in which mail came by a rule. */
function memoryOf(until: number, rule: Rule) {
  const all: number[] = [];
  for (let slot = until - 5 * WEEK; slot < until; slot++) if (rule((slot - MONDAY + 10 * WEEK) % WEEK)) all.push(slot);
  return withSlots({ slots: [], older: null }, all);
}
/** The first slot at which a silence since `until` is too long. */
function alarmAfter(until: number, rule: Rule, since = 0): number {
  const memory = memoryOf(until, rule);
  for (let now = until; now < until + 5 * WEEK; now++) if (overdueSlots(memory, now, since) > 0) return now;
  return -1;
}
const timeOf = (slot: number) => {
  const minutes = (slot - MONDAY) * 5;
  const day = ['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'][Math.floor(minutes / 1440) % 7];
  return `${day} ${String(Math.floor(minutes / 60) % 24).padStart(2, '0')}:${String(minutes % 60).padStart(2, '0')}`;
};

/** Every ten minutes, always. */
const steady: Rule = (slot) => slot % 2 === 0;
/** Every ten minutes from 08:00 to 17:50 on Monday to Friday, and no mail at all beside. */
const office: Rule = (slot) => slot % 2 === 0 && slot < 5 * DAY && slot % DAY >= 8 * HOUR && slot % DAY < 18 * HOUR;

describe('a silence is too long', () => {
  it.each([
    ['three times ten minutes after noon', MONDAY + 12 * HOUR, steady, 'Mon 12:25'], // the last mail came at 11:50
    ['on a working day too', MONDAY + 2 * DAY + 12 * HOUR, office, 'Wed 12:25'],
    ['after a night, only by as much as the morning allows beside it', MONDAY + DAY + 18 * HOUR, office, 'Wed 08:25'],
    ['after a weekend likewise', MONDAY + 4 * DAY + 18 * HOUR, office, 'Mon 08:25'],
  ])('%s', (_name, until, rule, expected) => {
    expect(timeOf(alarmAfter(until, rule))).toBe(expected);
  });

  it('stands until mail comes, however long it is', () => {
    const noon = MONDAY + 12 * HOUR;
    const memory = memoryOf(noon, steady);
    for (const later of [6, DAY, WEEK, 4 * WEEK, 8 * WEEK])
      expect(overdueSlots(memory, noon + later)).toBeGreaterThan(0);
    expect(overdueSlots(withSlots(memory, [noon + 8 * WEEK]), noon + 8 * WEEK + 1)).toBe(0);
  });

  it('never at night or on a weekend as they always are', () => {
    for (const [from, slots] of [
      [MONDAY + DAY + 18 * HOUR, 14 * HOUR],
      [MONDAY + 4 * DAY + 18 * HOUR, 62 * HOUR],
    ] as const)
      expect(overdueSlots(memoryOf(from, office), from + slots)).toBe(0);
  });

  it('by the longest gap of four weeks: one Monday whose noon had an hour allows three', () => {
    const hour = (slot: number) => slot >= MONDAY - 2 * WEEK + 11.5 * HOUR && slot < MONDAY - 2 * WEEK + 12.5 * HOUR;
    const memory = memoryOf(MONDAY + 12 * HOUR, steady);
    const quiet = { ...memory, slots: memory.slots.filter((slot) => !hour(slot)) };
    expect(overdueSlots(quiet, MONDAY + 13 * HOUR)).toBe(0);
    expect(overdueSlots(memory, MONDAY + 13 * HOUR)).toBeGreaterThan(0);
  });

  it('counts from the end of a pause that refused mail', () => {
    expect(timeOf(alarmAfter(MONDAY + 12 * HOUR, steady, MONDAY + 15 * HOUR))).toBe('Mon 15:30');
  });
});

describe('it cannot be told', () => {
  it.each([
    ['with less than four weeks of memory', 0, false],
    ['with four weeks', 1, true],
  ])('%s', (_name, more, told) => {
    const now = MONDAY + 12 * HOUR;
    const slots = Array.from({ length: 4 * WEEK + more }, (_, i) => now - 4 * WEEK - more + i);
    expect(overdueSlots(withSlots({ slots: [], older: null }, slots), now + DAY) > 0).toBe(told);
  });

  it.each([
    [27, false],
    [28, true],
  ])('with %i messages in four weeks', (count, told) => {
    const every = Math.floor((4 * WEEK) / count);
    const last = MONDAY + 12 * HOUR;
    const slots = Array.from({ length: count }, (_, i) => last - (count - 1 - i) * every);
    const memory = { slots, older: last - 4 * WEEK - 1 };
    expect(overdueSlots(memory, last + 4 * WEEK) > 0).toBe(told);
  });

  it('without any mail', () => {
    expect(overdueSlots({ slots: [], older: null }, MONDAY)).toBe(0);
  });
});

it('keeps four weeks before the last slot, and the one before them', () => {
  const memory = withSlots({ slots: [1, 5, 9], older: null }, [5 + 4 * WEEK]);
  expect(memory).toEqual({ slots: [9, 5 + 4 * WEEK], older: 5 });
  expect(withSlots(memory, [])).toBe(memory);
  expect(slotAt(899_999, 300_000)).toBe(2);
});
