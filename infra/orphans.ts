// The hourly search for orphans: its function, its schedule, and the queue of runs that EventBridge could not start.
// Called by stack.ts. The function lists and reads accepted mail, writes the ledger, and sends S3 events of envelopes
// to ingest again. It can delete nothing.

import type { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { Function as LambdaFunction } from 'aws-cdk-lib/aws-lambda';
import type { Bucket } from 'aws-cdk-lib/aws-s3';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import * as limits from '#core/limits.ts';
import { outboundPrefix } from '#core/submission/submission.ts';
import { runEvery } from './schedule.ts';
import { hasSubmitters, inboundPrefix } from './spool.ts';
import { may, ownFunction, type StageQueue } from './stage.ts';
import { environmentOf, type Given, onLedger, sendTo, tellCanaries } from './stages.ts';

export type OrphanSearch = { readonly function: LambdaFunction; readonly deadLetters: Queue };

export function orphanSearch(scope: Construct, given: Given & { readonly ingest: StageQueue }): OrphanSearch {
  const here = new Construct(scope, 'Orphans');
  const { bucket, table } = given;
  const submits = hasSubmitters(given.settings);
  const list = may(['s3:ListBucket'], bucket.bucketArn);
  list.addCondition('StringEquals', { 's3:prefix': inboundPrefix });
  const search = ownFunction(here, {
    folder: given.folder('orphans'),
    description: 'Holds accepted messages of which the ledger knows nothing an hour after they were stored',
    timeoutMs: limits.orphanSweepTimeoutMs,
    memoryMb: 512,
    environment: {
      ...environmentOf(scope, given),
      ...(submits ? { EVERPOST_INGEST_QUEUE_URL: given.ingest.queue.queueUrl } : {}),
    },
    // GetItem reads bookmarks and placeholders, Query the keys of a message's rows; GetObject a header section.
    may: [
      list,
      ...(submits ? [listSubmissions(bucket), sendTo(given.ingest)] : []),
      may(['s3:GetObject'], bucket.arnForObjects(`${inboundPrefix}*`)),
      onLedger(table, 'GetItem', 'PutItem', 'Query', ...tellCanaries(given.settings)),
      ...given.marks.may,
    ],
  });
  const deadLetters = runEvery(here, 'EveryHour', { target: search, everyMs: limits.orphanSweepEveryMs });
  return { function: search, deadLetters };
}

/** Beside the list as a whole, whether content has its envelope: a list of one key. */
function listSubmissions(bucket: Bucket): PolicyStatement {
  const list = may(['s3:ListBucket'], bucket.bucketArn);
  list.addCondition('StringLike', { 's3:prefix': `${outboundPrefix}*` });
  return list;
}
