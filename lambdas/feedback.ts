// Feedback, wired: what others say of a delivery afterwards, joined to its row. One queue for all who say something; what a body is,
// pipeline/feedback.ts tells apart. Nothing here decides.

import { awsSettings, dynamoClient, sqsClient } from '#adapters/aws-clients.ts';
import { DynamoLedger } from '#adapters/dynamo-ledger.ts';
import { PowertoolsWatch } from '#adapters/powertools-watch.ts';
import { SqsJobQueue } from '#adapters/sqs-job-queue.ts';
import { SystemClock } from '#adapters/system-clock.ts';
import { lostJobAfterMs } from '#core/limits.ts';
import { feedback } from '#pipeline/feedback.ts';
import { config } from './config.ts';
import { stage } from './stage.ts';

const aws = awsSettings();
const watch = new PowertoolsWatch('feedback');
const ports = {
  settings: config.settings,
  ledger: new DynamoLedger(dynamoClient(aws), config.table, {
    ledgerRetentionMs: config.settings.retentionMs.ledger,
    search: config.settings.trace.search,
  }),
  bounceQueue: new SqsJobQueue(sqsClient(aws), config.bounceQueueUrl),
  clock: new SystemClock(),
  watch,
  sweepAgainMs: lostJobAfterMs / config.timeScale,
};

export const handler = stage('feedback', { watch, timeScale: config.timeScale }, (record) =>
  feedback(ports, record.body),
);
