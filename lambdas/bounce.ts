// Bounce, wired: from a failure to its notice, or to the reason why there is none. Called by the bounce queue. It has
// no spool, because relay composes a notice at each attempt. It never decides: core does.

import { awsSettings, dynamoClient, sqsClient } from '#adapters/aws/clients.ts';
import { DynamoLedger } from '#adapters/aws/dynamo-ledger.ts';
import { PowertoolsWatch } from '#adapters/aws/powertools-watch.ts';
import { SqsJobQueue } from '#adapters/aws/sqs-job-queue.ts';
import { SystemClock } from '#adapters/system-clock.ts';
import { lostJobAfterMs } from '#core/limits.ts';
import { bounce } from '#pipeline/bounce/bounce.ts';
import { config } from './config.ts';
import { jobOf, stage } from './stage.ts';

const aws = awsSettings();
const watch = new PowertoolsWatch('bounce');
const clock = new SystemClock();
const ports = {
  settings: config.settings,
  ledger: new DynamoLedger(dynamoClient(aws), config.table, {
    ledgerRetentionMs: config.settings.retentionMs.ledger,
    search: config.settings.trace.search,
  }),
  relayQueue: new SqsJobQueue(sqsClient(aws), config.relayQueueUrl),
  clock,
  watch,
  sweepAgainMs: lostJobAfterMs / config.timeScale,
};

export const handler = stage('bounce', { watch, timeScale: config.timeScale }, (record) =>
  bounce(ports, jobOf(record)),
);
