// The wiring of every stage that a schedule runs: middy, the log, the metrics, the deadline.
// A run that fails needs no retry: the next one comes by itself.

import middy from '@middy/core';
import type { Context } from 'aws-lambda';
import { deadlineMarginMs } from '#core/limits.ts';
import type { StageEnvironment } from './stage.ts';

/** `work` ends soon after the signal; what it returns is the function's answer, for who invokes it by hand. */
export function scheduled<Report>(
  name: string,
  { watch, timeScale }: StageEnvironment,
  work: (signal: AbortSignal) => Promise<Report>,
) {
  return middy<unknown, Report, Error, Context>({ timeoutEarlyInMillis: 0 })
    .before((request) => watch.begin(request.context.awsRequestId))
    .after(() => watch.flush())
    .onError((request) => {
      watch.error(`${name}.crashed`, { error: request.error?.stack });
      watch.flush();
    })
    .handler((_event: unknown, context: Context) => {
      const left = context.getRemainingTimeInMillis();
      return work(AbortSignal.timeout(left - Math.min(deadlineMarginMs / timeScale, left / 4)));
    });
}
