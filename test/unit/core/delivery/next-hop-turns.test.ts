// The arithmetic of a next hop's limits: shares, leased places, the virtual clock, and the window that 421 halves.

import { describe, expect, it } from 'vitest';
import {
  afterSlowDown,
  afterSuccess,
  nextInstant,
  reserved,
  shareOf,
  unknownTurns,
  withoutLine,
  withoutPlace,
  withPlace,
} from '#core/delivery/next-hop-turns.ts';

const T0 = 1_780_000_000_000;
const none = unknownTurns('exchange');

describe('shareOf', () => {
  it.each([
    [20, 4, { places: 5, leased: false }],
    [7, 4, { places: 1, leased: false }],
    [4, 4, { places: 1, leased: false }],
    [3, 4, { places: 1, leased: true }],
    [1, 4, { places: 1, leased: true }],
    [1_000, 4, { places: 10, leased: false }],
    [null, 4, { places: 10, leased: false }],
  ] as const)('%s connections over %s functions', (concurrency, functions, share) => {
    expect(shareOf(concurrency, functions, 10)).toEqual(share);
  });
  it('never adds up to more than there are', () => {
    for (let concurrency = 1; concurrency <= 60; concurrency++)
      for (let functions = 2; functions <= 40; functions++) {
        const { places, leased } = shareOf(concurrency, functions, 10);
        expect(places * (leased ? concurrency : functions)).toBeLessThanOrEqual(concurrency);
      }
  });
});

describe('places', () => {
  const place = (holder: string, at = T0) => ({ holder, concurrency: 2, until: at + 100 });
  it('are as many as the next hop may have, until one is given back or its lease is over', () => {
    const both = withPlace(withPlace(none, place('a'), T0) ?? none, place('b'), T0) ?? none;
    expect(both.places).toHaveLength(2);
    expect(withPlace(both, place('c'), T0 + 99)).toBeNull();
    expect(withPlace(both, place('a', T0 + 50), T0 + 50)?.places).toHaveLength(2);
    expect(withPlace(withoutPlace(both, 'a'), place('c'), T0 + 1)?.places.map(({ holder }) => holder)).toEqual([
      'b',
      'c',
    ]);
    expect(withPlace(both, place('c', T0 + 100), T0 + 100)?.places).toEqual([{ holder: 'c', until: T0 + 200 }]);
  });
});

describe('the virtual clock', () => {
  const wanted = { spacingMs: 100, messages: 3, leastMs: 0, waitMsMax: 1_000, behindLine: false };
  it('lets nobody pass a line that stands, but those in it', () => {
    const turns = { ...none, lineEndsAt: T0 + 2_000 };
    expect(reserved(turns, { ...wanted, behindLine: true }, T0)).toEqual({ laterMs: 0 });
    expect(reserved(turns, wanted, T0)).toMatchObject({ instants: { from: T0 } });
    expect(reserved(turns, { ...wanted, behindLine: true }, T0 + 1_000)).toMatchObject({
      instants: { from: T0 + 1_000 },
    });
    expect(withoutLine(turns, T0)).toMatchObject({ lineEndsAt: T0 });
    expect(withoutLine(turns, T0 + 2_000)).toBeNull();
  });
  it('gives each instant to one reservation', () => {
    const first = reserved(none, wanted, T0);
    if ('laterMs' in first) throw new Error('nobody was there');
    expect(first.instants).toEqual({ from: T0, until: T0 + 300 });
    const second = reserved(first.turns, wanted, T0 + 1);
    expect(second).toMatchObject({ instants: { from: T0 + 300, until: T0 + 600 } });
  });
  it('never reserves past what may be waited for, and says how long it takes', () => {
    expect(reserved(none, { ...wanted, messages: 50 }, T0)).toMatchObject({ instants: { until: T0 + 1_000 } });
    expect(reserved({ ...none, nextAt: T0 + 1_001 }, wanted, T0)).toEqual({ laterMs: 1_001 });
    expect(reserved(none, { ...wanted, spacingMs: 10_000 }, T0)).toMatchObject({ instants: { until: T0 + 10_000 } });
  });
  it('reserves for some time at least, so that a fast next hop needs few writes', () => {
    const made = reserved(none, { ...wanted, spacingMs: 2, messages: 1, leastMs: 1_000 }, T0);
    expect(made).toMatchObject({ instants: { until: T0 + 1_000 } });
  });
  it('saves nothing up: an instant that was not used by the next one is lost', () => {
    const instants = { from: T0, until: T0 + 300 };
    expect(nextInstant(instants, 100, T0 - 50)?.at).toBe(T0);
    expect(nextInstant(instants, 100, T0 + 99)?.at).toBe(T0);
    expect(nextInstant(instants, 100, T0 + 250)).toEqual({
      at: T0 + 200,
      rest: { from: T0 + 300, until: T0 + 300 },
    });
    expect(nextInstant(instants, 100, T0 + 300)).toBeNull();
  });
});

describe('the window', () => {
  it('halves once for those that were under way together, and never goes below one', () => {
    let window = { size: 8, halvedAt: 0 };
    window = afterSlowDown(window, T0, T0 + 5);
    window = afterSlowDown(window, T0 + 1, T0 + 6);
    expect(window).toEqual({ size: 4, halvedAt: T0 + 5 });
    for (let i = 1; i < 9; i++) window = afterSlowDown(window, T0 + i * 100, T0 + i * 100 + 1);
    expect(window.size).toBe(1);
  });
  it('grows by about one for each round of successes, up to the share', () => {
    let window = { size: 1, halvedAt: T0 };
    for (let i = 0; i < 3; i++) window = afterSuccess(window, 5);
    expect(window.size).toBeGreaterThan(2);
    for (let i = 0; i < 100; i++) window = afterSuccess(window, 5);
    expect(window.size).toBe(5);
  });
});
