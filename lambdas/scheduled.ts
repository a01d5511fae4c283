// The wiring of every function that a schedule starts: middy, the deadline, the metrics. Called by sweep, orphans and
// purge. A run that fails needs no retry, because the next run comes by itself. It never swallows a failure: Lambda
// counts it.

import middy from '@middy/core';
import type { Context } from 'aws-lambda';
import { deadlineMarginMs } from '#core/limits.ts';
import type { StageEnvironment } from './stage.ts';

/**
 * `run` is given a signal that comes early enough to end well, and the instant of the schedule's event, in milliseconds
 * since the epoch, or null where it says none. Its result is the function's answer.
 */
export function scheduled<Report>(
  name: string,
  { watch, timeScale, ready }: StageEnvironment,
  run: (signal: AbortSignal, dueAt: number | null) => Promise<Report>,
): (event: unknown, context: Context) => Promise<Report> {
  return middy<unknown, Report, Error, Context>({ timeoutEarlyInMillis: 0 })
    .before((request) => watch.begin(request.context.awsRequestId))
    .after(() => watch.flush())
    .onError((request) => {
      watch.error(`${name}.crashed`, { error: request.error?.stack });
      watch.flush(); // and the error goes on: Lambda counts it
    })
    .handler(async (event: unknown, context: Context) => {
      await ready?.();
      const remaining = context.getRemainingTimeInMillis();
      const margin = Math.min(deadlineMarginMs / timeScale, remaining / 4);
      const signal = AbortSignal.timeout(Math.floor(remaining - margin)); // it takes whole milliseconds alone
      return run(signal, dueAtOf(event));
    }) as unknown as (event: unknown, context: Context) => Promise<Report>;
}

/** EventBridge's `time`: `2026-11-30T05:00:00Z`. */
function dueAtOf(event: unknown): number | null {
  const { time } = (event ?? {}) as { readonly time?: unknown };
  const at = typeof time === 'string' ? Date.parse(time) : Number.NaN;
  return Number.isNaN(at) ? null : at;
}
