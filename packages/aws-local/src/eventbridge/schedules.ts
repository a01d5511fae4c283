// EventBridge's schedules on the virtual clock: rate(…) and cron(…). Called by cloudformation/compute.ts. A schedule
// never overlaps itself: an instant that falls due during its last run is left out. A failed run is not repeated.

import type { World } from '../world.ts';

export type ScheduleOptions = {
  readonly world: World;
  readonly name: string;
  readonly expression: string;
  /** Replaces the rhythm of a minutely schedule; null leaves it. */
  readonly everyMs: number | null;
  /** One run; `due` is the virtual instant it was due at. A throw is logged. */
  readonly run: (due: number) => Promise<void>;
};

const MINUTE_MS = 60_000;
/**
 * While the clock is being advanced a shortened rhythm holds for this many runs, then the template's own: with a sweep
 * every second, 48 hours would otherwise be 172,800 of them.
 */
const SHORTENED_RUNS_PER_ADVANCE = 120;

export function startSchedule(options: ScheduleOptions): { stop(): Promise<void> } {
  const { world, name } = options;
  const following = nextAfter(options.expression);
  const minutely = options.expression === 'rate(1 minute)';
  const everyMs = minutely ? options.everyMs : null;
  let running: Promise<void> | null = null;
  let stopped = false;
  let hurried = 0;
  let last = { virtual: world.clock.now(), real: performance.now() };
  let planned = next(world.clock.now());
  let cancel = world.clock.at(planned, fire);

  function next(after: number): number {
    if (everyMs === null) return following(after);
    const present = { virtual: world.clock.now(), real: performance.now() };
    const jumped = present.virtual - last.virtual > 2 * (present.real - last.real) + 100;
    hurried = jumped ? hurried + 1 : 0;
    last = present;
    return after + (hurried > SHORTENED_RUNS_PER_ADVANCE ? Math.max(MINUTE_MS, everyMs) : everyMs);
  }

  function fire(): void {
    if (stopped) return;
    const due = planned;
    planned = next(due);
    if (planned <= world.clock.now()) planned = next(world.clock.now()); // the machine slept: once is enough
    cancel = world.clock.at(planned, fire);
    if (running !== null) return;
    const done = world.clock.busy(`schedule ${name}`);
    running = options
      .run(due)
      .catch((error: Error) => world.log(`schedule ${name}: ${error.message}`))
      .finally(() => {
        running = null;
        done();
      });
  }

  return {
    async stop() {
      stopped = true;
      cancel();
      await running;
    },
  };
}

/**
 * The function that gives the first instant after a given one at which the expression is due. Throws on an expression
 * that it cannot read.
 */
export function nextAfter(expression: string): (after: number) => number {
  const rate = /^rate\((\d+) (minute|hour|day)s?\)$/.exec(expression);
  if (rate !== null) {
    const ms =
      Number(rate[1]) *
      { minute: MINUTE_MS, hour: 60 * MINUTE_MS, day: 1440 * MINUTE_MS }[rate[2] as 'minute' | 'hour' | 'day'];
    if (ms > 0) return (after) => after + ms;
  }
  const cron = /^cron\((\S+) (\S+) (\S+) (\S+) (\S+) (\S+)\)$/.exec(expression);
  if (cron !== null) return cronAfter(cron.slice(1), expression);
  throw new Error(`the schedule expression ${expression} is not emulated`);
}

const MONTHS = ['JAN', 'FEB', 'MAR', 'APR', 'MAY', 'JUN', 'JUL', 'AUG', 'SEP', 'OCT', 'NOV', 'DEC'];
const DAYS = ['SUN', 'MON', 'TUE', 'WED', 'THU', 'FRI', 'SAT'];

function cronAfter(fields: readonly string[], expression: string): (after: number) => number {
  const read = (
    index: number,
    low: number,
    high: number,
    names: readonly string[] = [],
  ): ((value: number) => boolean) => cronField(fields[index] ?? '', low, high, names, expression);
  const minute = read(0, 0, 59);
  const hour = read(1, 0, 23);
  const day = read(2, 1, 31);
  const month = read(3, 1, 12, MONTHS);
  const weekday = read(4, 1, 7, DAYS);
  const year = read(5, 1970, 2199);
  return (after) => {
    const at = new Date(Math.floor(after / MINUTE_MS) * MINUTE_MS + MINUTE_MS);
    const horizon = at.getUTCFullYear() + 5;
    while (at.getUTCFullYear() <= horizon) {
      const dayFits =
        year(at.getUTCFullYear()) && month(at.getUTCMonth() + 1) && day(at.getUTCDate()) && weekday(at.getUTCDay() + 1);
      if (!dayFits) at.setUTCHours(24, 0, 0, 0);
      else if (!hour(at.getUTCHours())) at.setUTCHours(at.getUTCHours() + 1, 0, 0, 0);
      else if (!minute(at.getUTCMinutes())) at.setUTCMinutes(at.getUTCMinutes() + 1, 0, 0);
      else return at.getTime();
    }
    throw new Error(`the schedule expression ${expression} is never due within five years`);
  };
}

function cronField(
  field: string,
  low: number,
  high: number,
  names: readonly string[],
  expression: string,
): (value: number) => boolean {
  if (field === '*' || field === '?') return () => true;
  const number = (text: string): number => {
    const named = names.indexOf(text.toUpperCase());
    const value = named >= 0 ? named + 1 : /^\d+$/.test(text) ? Number(text) : Number.NaN;
    if (!(value >= low && value <= high))
      throw new Error(`the schedule expression ${expression}: ${text} is not emulated`);
    return value;
  };
  const wanted = new Set<number>();
  for (const part of field.split(',')) {
    const [range = '', step] = part.split('/');
    const [from = '', to] = range === '*' ? [String(low), String(high)] : range.split('-');
    const first = number(from);
    const last = to !== undefined ? number(to) : step === undefined ? first : high;
    const by = step === undefined ? 1 : Number(step);
    if (!(Number.isInteger(by) && by > 0))
      throw new Error(`the schedule expression ${expression}: ${part} is not emulated`);
    for (let value = first; value <= last; value += by) wanted.add(value);
  }
  return (value) => wanted.has(value);
}
