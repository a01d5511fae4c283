// When a deferred delivery is attempted next. Called by relay, after each attempt. It counts our attempts and the time
// since acceptance. It never counts SQS receives, because throttling, crashes and redrives add to them. Pure: the
// caller gives the random part.

export type ScheduleTerms = {
  /** Attempts with a recorded outcome, the one just recorded included. */
  readonly attempts: number;
  readonly now: number;
  /** Where it is given, early attempts (an operator's "now") do not lengthen the wait. */
  readonly acceptedAt?: number;
  /** Intervals after the first, second, … attempt, in milliseconds; the last one repeats. */
  readonly scheduleMs: readonly number[];
  /** In [0, 1): jitter. */
  readonly fraction: number;
};

/**
 * Each interval is stretched or shortened by up to this share, so that deliveries that failed together are not
 * attempted together again.
 */
const JITTER = 0.2;
/** An empty or broken schedule must not become a busy loop. */
const FALLBACK_MS = 15 * 60_000;
const INTERVAL_MS_MIN = 100;

/** An instant after `now`, in whole milliseconds. Expiry is the caller's: it may lie before it. */
export function nextAttemptAt(terms: ScheduleTerms): number {
  const { scheduleMs, attempts, now } = terms;
  const byAttempts = Math.max(0, attempts - 1);
  const elapsed = terms.acceptedAt === undefined ? Number.POSITIVE_INFINITY : now - terms.acceptedAt;
  const index = Math.min(byAttempts, stepsWithin(scheduleMs, elapsed), scheduleMs.length - 1);
  const interval = scheduleMs[index] ?? FALLBACK_MS;
  const sane = Number.isFinite(interval) && interval > 0 ? interval : FALLBACK_MS;
  const fraction = Math.min(1, Math.max(0, terms.fraction));
  return now + Math.max(INTERVAL_MS_MIN, Math.round(sane * (1 - JITTER + 2 * JITTER * fraction)));
}

/**
 * The schedule for an outcome that has its own pace. short: never longer than the second interval, however many
 * attempts there were. long: from the first attempt on, as long as the last three. Both are relative to the configured
 * schedule, so that a schedule of seconds stays one of seconds.
 */
export function pacedSchedule(scheduleMs: readonly number[], pace: 'short' | 'long' | undefined): readonly number[] {
  const bound =
    pace === 'short' ? scheduleMs[Math.min(1, scheduleMs.length - 1)] : (scheduleMs.at(-3) ?? scheduleMs[0]);
  if (pace === undefined || bound === undefined) return scheduleMs;
  return scheduleMs.map((each) => (pace === 'short' ? Math.min(each, bound) : Math.max(each, bound)));
}

/** How many intervals fit into the time since acceptance, each as short as jitter may have made it. */
function stepsWithin(scheduleMs: readonly number[], elapsed: number): number {
  let sum = 0;
  let steps = 0;
  for (const interval of scheduleMs) {
    sum += interval * (1 - JITTER) - 1;
    if (sum > elapsed) break;
    steps += 1;
  }
  return steps;
}
