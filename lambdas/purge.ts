// Purge and digest, wired. Called by a schedule, never by a queue. It is the only function that may remove content.
// Purge and digest run side by side, and a failure of one does not end the other. A run that is cut off is continued by
// the next run, at its bookmark.

import { awsSettings, dynamoClient, s3ListClient, sqsClient } from '#adapters/aws/clients.ts';
import { DynamoBoard } from '#adapters/aws/dynamo-board.ts';
import { DynamoLedger } from '#adapters/aws/dynamo-ledger.ts';
import { DynamoWaiting } from '#adapters/aws/dynamo-waiting.ts';
import { PowertoolsWatch } from '#adapters/aws/powertools-watch.ts';
import { S3Inventory } from '#adapters/aws/s3-inventory.ts';
import { SqsJobQueue } from '#adapters/aws/sqs-job-queue.ts';
import { SystemClock } from '#adapters/system-clock.ts';
import { boardEveryMs, lostJobAfterMs, purgeConcurrency } from '#core/limits.ts';
import { BoardView } from '#pipeline/next-hop-board.ts';
import { giveDigest } from '#pipeline/purge/digest-notice.ts';
import { purge } from '#pipeline/purge/purge.ts';
import { config } from './config.ts';
import { scheduled } from './scheduled.ts';

const watch = new PowertoolsWatch('purge');
const clock = new SystemClock();
const aws = awsSettings({ watch, clock });
const dynamo = dynamoClient(aws);
const ports = {
  settings: config.settings,
  board: new BoardView({ board: new DynamoBoard(dynamo, config.table), clock, watch }, boardEveryMs / config.timeScale),
  waiting: new DynamoWaiting(dynamo, config.table),
  ledger: new DynamoLedger(dynamo, config.table, {
    ledgerRetentionMs: config.settings.retentionMs.ledger,
    search: config.settings.trace.search,
  }),
  inventory: new S3Inventory(s3ListClient(aws, purgeConcurrency), config.bucket),
  clock,
  watch,
  relayQueue: new SqsJobQueue(sqsClient(aws), config.relayQueueUrl),
  sweepAgainMs: lostJobAfterMs / config.timeScale,
};

export const handler = scheduled('purge', { watch, timeScale: config.timeScale }, async (signal) => {
  const [digest, purged] = await Promise.allSettled([giveDigest(ports), purge(ports, signal)]);
  if (digest.status === 'rejected') throw digest.reason;
  if (purged.status === 'rejected') throw purged.reason;
  return { ...purged.value, digest: digest.value };
});
