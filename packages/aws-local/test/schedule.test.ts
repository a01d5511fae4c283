// Schedules on the virtual clock: when they are due, and that a run never overlaps the one before.
// Instants are literals; only the runs themselves take real time.

import { describe, expect, it, vi } from 'vitest';
import { nextAfter, startSchedule } from '../src/eventbridge/schedules.ts';
import { bareWorld } from './bare-world.ts';

const utc = (text: string): number => Date.parse(`${text}Z`);

describe('an expression', () => {
  it.each([
    ['rate(1 minute)', '2026-11-01T00:00:00', '2026-11-01T00:01:00'],
    ['rate(2 hours)', '2026-11-01T00:00:00', '2026-11-01T02:00:00'],
    ['rate(1 day)', '2026-11-01T00:00:00', '2026-11-02T00:00:00'],
    ['cron(0 3 * * ? *)', '2026-11-01T03:00:00', '2026-11-02T03:00:00'],
    ['cron(*/15 * * * ? *)', '2026-11-01T03:16:40', '2026-11-01T03:30:00'],
    ['cron(5,50 8-9 ? * MON-FRI *)', '2026-11-01T00:00:00', '2026-11-02T08:05:00'],
    ['cron(0 0 1 JAN ? *)', '2026-11-01T00:00:00', '2027-01-01T00:00:00'],
  ])('%s', (expression, after, expected) => {
    expect(new Date(nextAfter(expression)(utc(after))).toISOString()).toBe(new Date(utc(expected)).toISOString());
  });

  it.each([
    'rate(0 minutes)',
    'rate(1 fortnight)',
    'at(2026-11-01T00:00:00)',
    'cron(0 0 L * ? *)',
    'cron(0 0 1 * *)',
    'cron(61 * * * ? *)',
  ])('%s is refused by name', (expression) => {
    expect(() => nextAfter(expression)).toThrow(expression);
  });
});

describe('a schedule', () => {
  it('runs at every due instant of an advance, one run after the other', async () => {
    const world = bareWorld();
    const runs: number[] = [];
    let inside = 0;
    const schedule = startSchedule({
      world,
      name: 'sweep',
      expression: 'rate(1 minute)',
      everyMs: null,
      run: async (due) => {
        expect(++inside).toBe(1);
        await new Promise((resolve) => setTimeout(resolve, 5));
        inside--;
        runs.push(due);
      },
    });
    await world.clock.advance(10 * 60_000);
    expect(runs.length).toBe(10);
    expect(runs.every((due, i) => i === 0 || due - (runs[i - 1] ?? 0) >= 60_000)).toBe(true);
    await schedule.stop();
    await world.clock.advance(10 * 60_000);
    expect(runs.length).toBe(10);
  });

  it('leaves out what falls due during a run', async () => {
    const world = bareWorld();
    const ends: (() => void)[] = [];
    const schedule = startSchedule({
      world,
      name: 'sweep',
      expression: 'rate(1 minute)',
      everyMs: 20,
      run: () => new Promise<void>((resolve) => ends.push(resolve)),
    });
    await vi.waitFor(() => expect(ends).toHaveLength(1), 5_000);
    await new Promise((resolve) => setTimeout(resolve, 150));
    expect(ends).toHaveLength(1); // several fell due meanwhile
    ends[0]?.();
    await vi.waitFor(() => expect(ends).toHaveLength(2), 5_000);
    ends[1]?.();
    await schedule.stop();
  });

  it('shortens a minutely rhythm only, and only for the first runs of a long advance', async () => {
    const world = bareWorld();
    const counts = { minutely: 0, daily: 0 };
    const start = (name: 'minutely' | 'daily', expression: string): { stop(): Promise<void> } =>
      startSchedule({
        world,
        name,
        expression,
        everyMs: 1_000,
        run: async () => {
          counts[name]++;
        },
      });
    const both = [start('minutely', 'rate(1 minute)'), start('daily', 'rate(1 day)')];
    await world.clock.advance(60_000);
    expect(counts.minutely).toBeGreaterThanOrEqual(59);
    await world.clock.advance(86_400_000);
    expect(counts.minutely).toBeLessThan(1_900);
    expect(counts.minutely).toBeGreaterThan(1_400);
    expect(counts.daily).toBe(1);
    await Promise.all(both.map((it) => it.stop()));
  });

  it('survives a run that throws', async () => {
    const world = bareWorld();
    const schedule = startSchedule({
      world,
      name: 'sweep',
      expression: 'rate(1 minute)',
      everyMs: null,
      run: () => Promise.reject(new Error('no')),
    });
    await world.clock.advance(120_000);
    expect(world.lines).toEqual(['schedule sweep: no', 'schedule sweep: no']);
    await schedule.stop();
  });
});
