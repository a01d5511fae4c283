// The wiring of every function that a schedule starts: middy, the deadline, the metrics. Called by sweep, orphans and
// purge. A run that fails needs no retry, because the next run comes by itself. It never swallows a failure: Lambda
// counts it.

import middy from '@middy/core';
import type { Context } from 'aws-lambda';
import { deadlineMarginMs } from '#core/limits.ts';
import type { StageEnvironment } from './stage.ts';

/** `run` is given a signal that comes early enough to end well. Its result is the function's answer. */
export function scheduled<Report>(
  name: string,
  { watch, timeScale, ready }: StageEnvironment,
  run: (signal: AbortSignal) => Promise<Report>,
): (event: unknown, context: Context) => Promise<Report> {
  return middy<unknown, Report, Error, Context>({ timeoutEarlyInMillis: 0 })
    .before((request) => watch.begin(request.context.awsRequestId))
    .after(() => watch.flush())
    .onError((request) => {
      watch.error(`${name}.crashed`, { error: request.error?.stack });
      watch.flush(); // and the error goes on: Lambda counts it
    })
    .handler(async (_event: unknown, context: Context) => {
      await ready?.();
      const remaining = context.getRemainingTimeInMillis();
      const margin = Math.min(deadlineMarginMs / timeScale, remaining / 4);
      return run(AbortSignal.timeout(Math.floor(remaining - margin))); // it takes whole milliseconds alone
    }) as unknown as (event: unknown, context: Context) => Promise<Report>;
}
