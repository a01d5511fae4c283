// The purge and the digest: their function, its schedule, and the queue of runs that could not start.
// Called by stack.ts. No other function may delete from the spool (received mail and submissions). It deletes only by a
// delete marker: no function may delete a version. A test checks that.

import type { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import * as limits from '#core/limits.ts';
import { runEvery } from './schedule.ts';
import { contentPrefixes, objectsBelow } from './spool.ts';
import { may, ownFunction } from './stage.ts';
import { environmentOf, type Given, onLedger, queryDue, type Stages, sendTo } from './stages.ts';

export type Purge = { readonly function: LambdaFunction; readonly deadLetters: Queue };

export function purge(scope: Construct, given: Given, stages: Pick<Stages, 'relay' | 'slowRelay' | 'feedback'>): Purge {
  const here = new Construct(scope, 'Purge');
  const { bucket, table } = given;
  const list = may(['s3:ListBucket'], bucket.bucketArn);
  const prefixes = contentPrefixes(given.settings);
  list.addCondition('StringEquals', { 's3:prefix': prefixes.length === 1 ? prefixes[0] : prefixes });
  const handler = ownFunction(here, {
    folder: given.folder('purge'),
    description: 'Removes from the spool what has had its retention and is final; sends the daily digest',
    timeoutMs: limits.purgeTimeoutMs,
    memoryMb: 512,
    environment: environmentOf(scope, given, stages),
    may: [
      list,
      may(['s3:DeleteObject'], ...objectsBelow(bucket, prefixes)),
      // Query reads a message's rows, UpdateItem dates its own item; GetItem and PutItem are for bookmarks and the
      // digest's row.
      onLedger(table, 'Query', 'GetItem', 'PutItem', 'UpdateItem'),
      queryDue(table),
      sendTo(stages.relay),
    ],
  });
  return { function: handler, deadLetters: runEvery(here, 'Rule', { target: handler, everyMs: limits.purgeEveryMs }) };
}
