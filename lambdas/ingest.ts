// Ingest, wired: from a record to ledger rows and relay jobs. Called by the ingest queue. A record is SES's
// notification, S3's event of a submission, or an operator's list of recipients for an orphan. Clients and tables are
// made once for each execution environment. It never decides: core does.

import { awsSettings, dynamoClient, s3Client, s3ListClient, secretsClient, sqsClient } from '#adapters/aws/clients.ts';
import { DynamoAccepted } from '#adapters/aws/dynamo-accepted.ts';
import { DynamoLedger } from '#adapters/aws/dynamo-ledger.ts';
import { AwsSecrets } from '#adapters/aws/login-secrets.ts';
import { MarkSecret } from '#adapters/aws/mark-secret.ts';
import { PowertoolsWatch } from '#adapters/aws/powertools-watch.ts';
import { S3Spool } from '#adapters/aws/s3-spool.ts';
import { SqsJobQueue } from '#adapters/aws/sqs-job-queue.ts';
import { SystemClock } from '#adapters/system-clock.ts';
import { expiryHourMs, ingestPulseMs, lostJobAfterMs, orphanAfterMs, slotsPerHour } from '#core/limits.ts';
import { compileRoutes } from '#core/routing/routes.ts';
import { AcceptedNotes } from '#pipeline/accepted-slots.ts';
import { takeIn } from '#pipeline/ingest/ingest-job.ts';
import { ingestFinished, Pulse } from '#pipeline/kept-up.ts';
import { RestoreView } from '#pipeline/restore-record.ts';
import { config } from './config.ts';
import { stage } from './stage.ts';

const watch = new PowertoolsWatch('ingest');
const clock = new SystemClock();
const aws = awsSettings({ watch, clock });
const sqs = sqsClient(aws);
const dynamo = dynamoClient(aws);
const secrets = new AwsSecrets(secretsClient(aws), clock);
const marks = new MarkSecret({ read: secrets.rotating(config.markSecret), stackId: config.stackId, clock, watch });
const ledger = new DynamoLedger(dynamo, config.table, {
  ledgerRetentionMs: config.settings.retentionMs.ledger,
  search: config.settings.trace.search,
});
const ports = {
  settings: config.settings,
  routes: compileRoutes(config.settings.routes),
  spool: new S3Spool(s3Client(aws), config.bucket, { lister: s3ListClient(aws) }),
  ledger,
  restores: new RestoreView({ ledger, clock }),
  relayQueue: new SqsJobQueue(sqs, config.relayQueueUrl),
  bounceQueue: new SqsJobQueue(sqs, config.feedbackQueueUrl, 'bounce'),
  feedbackQueue: new SqsJobQueue(sqs, config.feedbackQueueUrl, 'returned'),
  accepted: new AcceptedNotes(
    { slots: new DynamoAccepted(dynamo, config.table), watch },
    Math.ceil(expiryHourMs / config.timeScale) / slotsPerHour,
  ),
  clock,
  watch,
  get markKey() {
    return marks.key;
  },
  sweepAgainMs: lostJobAfterMs / config.timeScale,
  orphanAfterMs: orphanAfterMs / config.timeScale,
};

const pulse = new Pulse(ports, ingestFinished, ingestPulseMs / config.timeScale);

export const handler = stage(
  'ingest',
  { watch, timeScale: config.timeScale, ready: () => marks.refresh() },
  async (record, signal) => {
    const done = await takeIn(ports, record.body, signal);
    await pulse.beat();
    return done;
  },
);
