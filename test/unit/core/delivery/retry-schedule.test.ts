// When the next attempt is due: by our own attempts, by age, and with jitter, and never at once.
// Intervals are in minutes after a fixed instant.

import { describe, expect, test } from 'vitest';
import { nextAttemptAt } from '#core/delivery/retry-schedule.ts';

const SCHEDULE = [1, 5, 15, 30, 60].map((minutes) => minutes * 60_000);
const NOW = Date.UTC(2026, 0, 1);
const minutes = (terms: Partial<Parameters<typeof nextAttemptAt>[0]>) =>
  (nextAttemptAt({ attempts: 1, now: NOW, scheduleMs: SCHEDULE, fraction: 0.5, ...terms }) - NOW) / 60_000;

test.each([
  [0, 1],
  [1, 1],
  [2, 5],
  [3, 15],
  [4, 30],
  [5, 60],
  [6, 60],
  [1_000_000, 60],
])('after %i attempts, %i minutes', (attempts, expected) => {
  expect(minutes({ attempts })).toBe(expected);
});

test.each([
  [0, 0.8],
  [0.5, 1],
  [0.999_999, 1.2],
])('a fraction of %d makes a minute %d', (fraction, expected) => {
  expect(minutes({ fraction })).toBeCloseTo(expected, 4);
});

describe('the time since acceptance', () => {
  test.each([
    ['seven attempts in four minutes, by an operator, do not cost an hour', 7, 4, 5],
    ['an old message after an outage of ours is tried again soon', 1, 600, 1],
    ['an ordinary message', 3, 6, 15],
  ])('%s', (_, attempts, ageMinutes, expected) => {
    expect(minutes({ attempts, acceptedAt: NOW - ageMinutes * 60_000 })).toBe(expected);
  });

  test.each([0, 0.3, 0.999_999])('does not slow down or speed up a schedule that is kept (fraction %d)', (fraction) => {
    let now = NOW;
    const intervals: number[] = [];
    for (let attempts = 1; attempts <= 7; attempts += 1) {
      const next = nextAttemptAt({ attempts, now, acceptedAt: NOW, scheduleMs: SCHEDULE, fraction });
      intervals.push((next - now) / 60_000 / (0.8 + 0.4 * fraction));
      now = next;
    }
    [1, 5, 15, 30, 60, 60, 60].forEach((wanted, index) => {
      expect(intervals[index]).toBeCloseTo(wanted, 3);
    });
  });
});

test.each([
  ['an empty schedule', { scheduleMs: [] }],
  ['an interval of zero', { scheduleMs: [0] }],
  ['a negative interval', { scheduleMs: [-5] }],
  ['no number', { scheduleMs: [Number.NaN] }],
  ['a fraction out of range', { fraction: -7 }],
  ['a clock that went back', { acceptedAt: NOW + 3_600_000 }],
])('%s is no busy loop', (_, terms) => {
  expect(minutes(terms)).toBeGreaterThanOrEqual(0.8);
  expect(minutes(terms)).toBeLessThanOrEqual(15);
});

test('one-second durations work, so that a test lives through a lifetime', () => {
  expect(minutes({ scheduleMs: [1_000] }) * 60).toBeCloseTo(1);
});
