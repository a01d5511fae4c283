// The hourly call of relay, in a VPC and where a next hop has a client certificate. Called by stages.ts. Lambda removes
// the network interfaces of a function that nobody called for weeks; the next call then fails, and mail waits until
// they are made again (Lambda developer guide, function states). In the call relay looks how long client certificates
// are valid: no other function may read their secrets, which hold the keys too.

import { CfnOutput } from 'aws-cdk-lib';
import { RuleTargetInput } from 'aws-cdk-lib/aws-events';
import type { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { keepAliveEvent } from '#core/delivery/keep-alive.ts';
import { keepAliveEveryMs } from '#core/limits.ts';
import { runEvery } from './schedule.ts';

/** Returns the queue of calls that EventBridge could not start. */
export function keepAlive(relayHome: Construct, relay: LambdaFunction): Queue {
  const here = new Construct(relayHome, 'KeepAlive');
  const event = RuleTargetInput.fromObject(keepAliveEvent);
  const deadLetters = runEvery(here, 'EveryHour', { target: relay, everyMs: keepAliveEveryMs, event });
  const description = "Relay's hourly calls that EventBridge could not start";
  new CfnOutput(here, 'Url', { value: deadLetters.queueUrl, description }).overrideLogicalId('KeepAliveDeadLettersUrl');
  return deadLetters;
}
