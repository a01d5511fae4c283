// The sweep: its function, its schedule, and the queue of runs that EventBridge could not start. Called by stack.ts,
// after everything that has a queue of dead letters: the sweep counts these, since a message there waits for a person.

import type { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import * as limits from '#core/limits.ts';
import { sendsBySes } from '#core/message/ses-use.ts';
import type { SesFeedback } from './feedback.ts';
import type { FrontDoor } from './front-door.ts';
import { runEvery } from './schedule.ts';
import { may, ownFunction } from './stage.ts';
import { environmentOf, type Given, onLedger, queryDue, reserved, type Stages, scanDue, sendTo } from './stages.ts';

export type Sweep = { readonly function: LambdaFunction; readonly deadLetters: Queue };

export function sweep(
  scope: Construct,
  given: Given,
  { stages, door, said }: { readonly stages: Stages; readonly door: FrontDoor; readonly said: SesFeedback | null },
): Sweep {
  const here = new Construct(scope, 'Sweep');
  const { table } = given;
  const { ingest, relay, slowRelay, feedback } = stages;
  const entry = [ingest.deadLetters, door.receiptDeadLetters];
  const work = [relay.deadLetters, slowRelay.deadLetters, feedback.deadLetters];
  if (said !== null) work.push(said.eventDeadLetters);
  const measured = [ingest.queue, relay.queue, slowRelay.queue, ...entry, ...work];
  const urls = (queues: readonly Queue[]) => queues.map(({ queueUrl }) => queueUrl).join(' ');
  const handler = ownFunction(here, {
    reserved: reserved(given, 1),
    folder: given.folder('sweep'),
    description: 'Enqueues what is due, expires what has had its lifetime, and finds lost jobs again',
    timeoutMs: limits.sweepTimeoutMs,
    memoryMb: 512,
    environment: {
      ...environmentOf(scope, given, stages),
      EVERPOST_INGEST_QUEUE_URL: ingest.queue.queueUrl,
      EVERPOST_ENTRY_DEAD_LETTERS: urls(entry),
      EVERPOST_WORK_DEAD_LETTERS: urls(work),
    },
    may: [
      queryDue(table),
      scanDue(table),
      // UpdateItem counts the hour's expiries; Query reads the board of next hops, and Scan finds held rows
      // of older versions.
      onLedger(table, 'GetItem', 'PutItem', 'UpdateItem', 'Query', 'Scan'),
      sendTo(relay, slowRelay, feedback),
      may(['sqs:GetQueueAttributes'], ...measured.map(({ queueArn }) => queueArn)),
      // Whether SES takes mail for us, asked each hour. The actions know no resource, and change nothing.
      may(['ses:DescribeActiveReceiptRuleSet', 'ses:ListEmailIdentities', 'ses:GetIdentityDkimAttributes'], '*'),
      // The sending rate, for relay. The action knows no resource.
      ...(sendsBySes(given.settings) ? [may(['ses:GetAccount'], '*')] : []),
    ],
  });
  // src/pipeline/sweep/kept-event.ts keeps the events of an outage from becoming as many runs.
  const deadLetters = runEvery(here, 'EveryMinute', { target: handler, everyMs: limits.sweepEveryMs });
  return { function: handler, deadLetters };
}
