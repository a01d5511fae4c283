// Feedback, wired, and bounce with it. Called by the feedback queue, which carries four kinds of records: SES's
// events, jobs for mail that a return path received, jobs for notices, and jobs for canaries. One function serves them,
// because each mapping takes two of a new account's ten calls. It never decides: core does.

import {
  awsSettings,
  dynamoClient,
  s3Client,
  s3ListClient,
  secretsClient,
  sesSendClient,
  sqsClient,
} from '#adapters/aws/clients.ts';
import { DynamoLedger } from '#adapters/aws/dynamo-ledger.ts';
import { DynamoOutcomes } from '#adapters/aws/dynamo-outcomes.ts';
import { AwsSecrets } from '#adapters/aws/login-secrets.ts';
import { MarkSecret } from '#adapters/aws/mark-secret.ts';
import { PowertoolsWatch } from '#adapters/aws/powertools-watch.ts';
import { S3Spool } from '#adapters/aws/s3-spool.ts';
import { SesCanary } from '#adapters/aws/ses-canary.ts';
import { SqsJobQueue } from '#adapters/aws/sqs-job-queue.ts';
import { SystemClock, SystemEntropy } from '#adapters/system-clock.ts';
import { expiryHourMs, feedbackLeaseMs, lostJobAfterMs } from '#core/limits.ts';
import { feedback } from '#pipeline/feedback/feedback.ts';
import { feedbackJob } from '#pipeline/feedback/feedback-job.ts';
import { OutcomeTally } from '#pipeline/outcome-tally.ts';
import { config } from './config.ts';
import { feedbackWorkOf, isJob, jobOf, stage } from './stage.ts';

const watch = new PowertoolsWatch('feedback');
const clock = new SystemClock();
const aws = awsSettings({ watch, clock });
const sqs = sqsClient(aws);
const dynamo = dynamoClient(aws);
const secrets = new AwsSecrets(secretsClient(aws), clock);
const marks = new MarkSecret({ read: secrets.rotating(config.markSecret), stackId: config.stackId, clock, watch });
const outcomes = new OutcomeTally(
  { store: new DynamoOutcomes(dynamo, config.table), clock, watch },
  Math.ceil(expiryHourMs / config.timeScale),
);
const ports = {
  settings: config.settings,
  spool: new S3Spool(s3Client(aws), config.bucket, { lister: s3ListClient(aws) }),
  ledger: new DynamoLedger(dynamo, config.table, {
    ledgerRetentionMs: config.settings.retentionMs.ledger,
    search: config.settings.trace.search,
  }),
  relayQueue: new SqsJobQueue(sqs, config.relayQueueUrl),
  bounceQueue: new SqsJobQueue(sqs, config.feedbackQueueUrl, 'bounce'),
  canaryMail: new SesCanary(sesSendClient(aws)),
  clock,
  outcomes,
  entropy: new SystemEntropy(),
  watch,
  get markKey() {
    return marks.key;
  },
  srsSecrets: config.srsSecret === null ? undefined : secrets.rotating(config.srsSecret),
  leaseMs: feedbackLeaseMs / config.timeScale,
  sweepAgainMs: lostJobAfterMs / config.timeScale,
};

export const handler = stage(
  'feedback',
  { watch, timeScale: config.timeScale, ready: () => marks.refresh(), ended: () => outcomes.ended() },
  (record, signal) =>
    isJob(record) ? feedbackJob(ports, jobOf(record), feedbackWorkOf(record), signal) : feedback(ports, record.body),
);
