// The schedule of a function: a rule, and how long its events are kept. Called by the files of what runs by the clock.
// An event is kept for an hour, because an account may have no function to spare for so long: by EventBridge where it
// cannot hand the event to Lambda, and by Lambda where the function is throttled. It never repeats a run that failed.

import { Duration } from 'aws-cdk-lib';
import { Rule, type RuleTargetInput, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction as LambdaTarget } from 'aws-cdk-lib/aws-events-targets';
import type { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import type { Construct } from 'constructs';
import { scheduledEventMsMax } from '#core/limits.ts';
import { restQueue } from './stage.ts';

/** EventBridge's most: the event's age decides, and not the number of tries. */
const triesMax = 185;

/** Makes the rule `id`, and returns the queue of events that EventBridge could not hand over. */
export function runEvery(
  scope: Construct,
  id: string,
  {
    target,
    everyMs,
    event,
  }: { readonly target: LambdaFunction; readonly everyMs: number; readonly event?: RuleTargetInput },
): Queue {
  const maxEventAge = Duration.millis(scheduledEventMsMax);
  // The next run does the work of a failed one.
  target.configureAsyncInvoke({ retryAttempts: 0, maxEventAge });
  const deadLetterQueue = restQueue(scope, 'DeadLetters');
  const kept = { deadLetterQueue, retryAttempts: triesMax, maxEventAge };
  new Rule(scope, id, {
    schedule: Schedule.rate(Duration.millis(everyMs)),
    targets: [new LambdaTarget(target, { ...kept, ...(event && { event }) })],
  });
  return deadLetterQueue;
}
