// The search for orphans, wired. Called by a schedule every hour, never by a queue. A run that fails or is cut off
// needs no retry: the next run continues at the bookmarks.

import { awsSettings, dynamoClient, s3Client, s3ListClient, secretsClient, sqsClient } from '#adapters/aws/clients.ts';
import { DynamoLedger } from '#adapters/aws/dynamo-ledger.ts';
import { AwsSecrets } from '#adapters/aws/login-secrets.ts';
import { MarkSecret } from '#adapters/aws/mark-secret.ts';
import { PowertoolsWatch } from '#adapters/aws/powertools-watch.ts';
import { S3Inventory } from '#adapters/aws/s3-inventory.ts';
import { S3Spool } from '#adapters/aws/s3-spool.ts';
import { SqsIngestQueue } from '#adapters/aws/sqs-ingest-queue.ts';
import { SystemClock } from '#adapters/system-clock.ts';
import { orphanAfterMs, orphanSweepEveryMs } from '#core/limits.ts';
import { orphans } from '#pipeline/orphans/orphans.ts';
import { config } from './config.ts';
import { scheduled } from './scheduled.ts';

const watch = new PowertoolsWatch('orphans');
const clock = new SystemClock();
const aws = awsSettings({ watch, clock });
const secrets = new AwsSecrets(secretsClient(aws), clock);
const marks = new MarkSecret({ read: secrets.rotating(config.markSecret), stackId: config.stackId, clock, watch });
const ports = {
  settings: config.settings,
  inventory: new S3Inventory(s3ListClient(aws), config.bucket),
  spool: new S3Spool(s3Client(aws), config.bucket),
  ledger: new DynamoLedger(dynamoClient(aws), config.table, {
    ledgerRetentionMs: config.settings.retentionMs.ledger,
    search: config.settings.trace.search,
  }),
  ingestQueue: config.ingestQueueUrl === null ? null : new SqsIngestQueue(sqsClient(aws), config.ingestQueueUrl),
  clock,
  watch,
  get markKey() {
    return marks.key;
  },
  orphanAfterMs: orphanAfterMs / config.timeScale,
  everyMs: orphanSweepEveryMs,
};

export const handler = scheduled(
  'orphans',
  { watch, timeScale: config.timeScale, ready: () => marks.refresh() },
  (signal) => orphans(ports, signal),
);
