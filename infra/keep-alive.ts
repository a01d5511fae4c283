// The hourly call of relay, where it runs in a VPC. Called by stages.ts. Lambda removes the network interfaces of a
// function that nobody called for weeks; the next call then fails, and mail waits until they are made again (Lambda
// developer guide, function states). Relay answers the call without work (src/core/delivery/keep-alive.ts).

import { CfnOutput, Duration } from 'aws-cdk-lib';
import { Rule, RuleTargetInput, Schedule } from 'aws-cdk-lib/aws-events';
import { LambdaFunction as LambdaTarget } from 'aws-cdk-lib/aws-events-targets';
import type { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { keepAliveEvent } from '#core/delivery/keep-alive.ts';
import { keepAliveEveryMs } from '#core/limits.ts';
import { restQueue } from './stage.ts';

/** Returns the queue of calls that EventBridge could not start. */
export function keepAlive(relayHome: Construct, relay: LambdaFunction): Queue {
  const here = new Construct(relayHome, 'KeepAlive');
  const maxEventAge = Duration.millis(keepAliveEveryMs);
  // The next call does what a failed one did not.
  relay.configureAsyncInvoke({ retryAttempts: 0, maxEventAge });
  const deadLetterQueue = restQueue(here, 'DeadLetters');
  new CfnOutput(here, 'Url', { value: deadLetterQueue.queueUrl }).overrideLogicalId('KeepAliveDeadLettersUrl');
  const event = RuleTargetInput.fromObject(keepAliveEvent);
  new Rule(here, 'EveryHour', {
    schedule: Schedule.rate(Duration.millis(keepAliveEveryMs)),
    targets: [new LambdaTarget(relay, { event, deadLetterQueue, retryAttempts: 2, maxEventAge })],
  });
  return deadLetterQueue;
}
