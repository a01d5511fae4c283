// Sweep, wired. Called by a schedule every minute, never by a queue. Where a queue has no room for all due rows, or
// a next hop is being tried or has just recovered, it looks again within the same run.

import { setTimeout as pause } from 'node:timers/promises';
import { awsSettings, dynamoClient, sesAccountClient, sesSetUpClient, sqsClient } from '#adapters/aws/clients.ts';
import { DynamoAccepted } from '#adapters/aws/dynamo-accepted.ts';
import { DynamoBoard } from '#adapters/aws/dynamo-board.ts';
import { DynamoLedger } from '#adapters/aws/dynamo-ledger.ts';
import { DynamoOutcomes } from '#adapters/aws/dynamo-outcomes.ts';
import { DynamoWaiting } from '#adapters/aws/dynamo-waiting.ts';
import { PowertoolsWatch } from '#adapters/aws/powertools-watch.ts';
import { SesGetAccount } from '#adapters/aws/ses-get-account.ts';
import { SesGetSetUp } from '#adapters/aws/ses-get-set-up.ts';
import { SqsJobQueue } from '#adapters/aws/sqs-job-queue.ts';
import { SystemClock, SystemEntropy } from '#adapters/system-clock.ts';
import { hopTimes } from '#core/delivery/waiting.ts';
import {
  boardEveryMs,
  expiryHourMs,
  firstLookMs,
  lostAnywayAfterMs,
  lostJobAfterMs,
  sesAccountEveryMs,
  sesSetUpEveryMs,
  sesSetUpWrongEveryMs,
  sweepEveryMs,
  topUpEveryMs,
} from '#core/limits.ts';
import { sendsBySes } from '#core/message/ses-use.ts';
import { compileRoutes } from '#core/routing/routes.ts';
import { BoardView } from '#pipeline/next-hop-board.ts';
import { SesAccountView } from '#pipeline/ses-account.ts';
import { SesSetUpView } from '#pipeline/ses-set-up.ts';
import { watchCanary } from '#pipeline/sweep/canary-level.ts';
import { isSuperseded } from '#pipeline/sweep/kept-event.ts';
import { Lasting } from '#pipeline/sweep/lasting.ts';
import { publishLevels } from '#pipeline/sweep/levels.ts';
import { AcceptedView, publishNoMail } from '#pipeline/sweep/no-mail.ts';
import { publishFailureShare } from '#pipeline/sweep/outcomes-level.ts';
import { sweep } from '#pipeline/sweep/sweep.ts';
import { config, missing } from './config.ts';
import { scheduled } from './scheduled.ts';

const watch = new PowertoolsWatch('sweep');
const clock = new SystemClock();
const aws = awsSettings({ watch, clock });
const sqs = sqsClient(aws);
const dynamo = dynamoClient(aws);
const records = new DynamoBoard(dynamo, config.table);
const ses = sesAccountClient(aws);
const sesAccount = sendsBySes(config.settings)
  ? new SesAccountView(
      { reader: new SesGetAccount(ses), board: records, clock, watch },
      sesAccountEveryMs / config.timeScale,
    )
  : null;
const sesSetUp = new SesSetUpView(
  { settings: config.settings, reader: new SesGetSetUp(sesSetUpClient(aws), ses), clock, watch },
  { rightMs: sesSetUpEveryMs / config.timeScale, wrongMs: sesSetUpWrongEveryMs / config.timeScale },
);
const hourMs = Math.ceil(expiryHourMs / config.timeScale);
const ledger = new DynamoLedger(dynamo, config.table, {
  ledgerRetentionMs: config.settings.retentionMs.ledger,
  search: config.settings.trace.search,
});
const ports = {
  settings: config.settings,
  ledger,
  waiting: new DynamoWaiting(dynamo, config.table),
  accepted: new AcceptedView(new DynamoAccepted(dynamo, config.table)),
  outcomes: new DynamoOutcomes(dynamo, config.table),
  board: new BoardView({ board: records, clock, watch }, boardEveryMs / config.timeScale),
  relayQueue: new SqsJobQueue(sqs, config.relayQueueUrl),
  slowRelayQueue: new SqsJobQueue(sqs, config.slowRelayQueueUrl),
  bounceQueue: new SqsJobQueue(sqs, config.feedbackQueueUrl, 'bounce'),
  feedbackQueue: new SqsJobQueue(sqs, config.feedbackQueueUrl, 'returned'),
  canaryQueue: new SqsJobQueue(sqs, config.feedbackQueueUrl, 'canary'),
  routes: compileRoutes(config.settings.routes),
  entropy: new SystemEntropy(),
  clock,
  watch,
  sweepAgainMs: lostJobAfterMs / config.timeScale,
  lostAnywayMs: lostAnywayAfterMs / config.timeScale,
  hourMs,
  hopTimes: hopTimes(config.timeScale),
  sesAccount,
  sesSetUp,
  lasting: new Lasting(ledger, clock, hourMs),
  queues: {
    ingest: depthOf(config.ingestQueueUrl ?? missing('EVERPOST_INGEST_QUEUE_URL')),
    entry: config.entryDeadLettersUrls.map(depthOf),
    work: config.workDeadLettersUrls.map(depthOf),
  },
};

function depthOf(queueUrl: string): SqsJobQueue {
  return new SqsJobQueue(sqs, queueUrl);
}

export const handler = scheduled('sweep', { watch, timeScale: config.timeScale }, async (signal, dueAt) => {
  if (await isSuperseded(ports, dueAt, sweepEveryMs / config.timeScale)) {
    watch.info('sweep.superseded', { dueAt });
    return 'superseded';
  }
  await sesAccount?.account(signal); // before mail goes out at its rate
  let report = await sweep(ports, signal);
  await publishLevels(ports, signal);
  await publishFailureShare(ports);
  await publishNoMail(ports);
  await watchCanary(ports);
  // A probe is mostly answered at once; where it is not, the sweep asks more and more seldom.
  for (let soonMs = firstLookMs; report.more && !signal.aborted; soonMs *= 2) {
    const waitMs = report.soon ? Math.min(soonMs, topUpEveryMs) : topUpEveryMs;
    await pause(waitMs / config.timeScale, null, { signal }).catch(() => null);
    if (!signal.aborted) report = await sweep(ports, signal, { again: true });
  }
  return report;
});
