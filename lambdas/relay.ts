// Relay, wired: one attempt at one delivery for each job. Called by the relay queue, and by an hourly schedule in a VPC
// and where a next hop has a client certificate. Clients and next hops are made once for each execution environment. It
// never decides: core does.

import type { SQSRecord } from 'aws-lambda';
import {
  awsSettings,
  dynamoClient,
  s3Client,
  s3ListClient,
  secretsClient,
  sesBounceClient,
  sesSendClient,
  sqsClient,
} from '#adapters/aws/clients.ts';
import { DynamoBoard } from '#adapters/aws/dynamo-board.ts';
import { DynamoFailures } from '#adapters/aws/dynamo-failures.ts';
import { DynamoLedger } from '#adapters/aws/dynamo-ledger.ts';
import { DynamoOutcomes } from '#adapters/aws/dynamo-outcomes.ts';
import { DynamoWaiting } from '#adapters/aws/dynamo-waiting.ts';
import { AwsSecrets } from '#adapters/aws/login-secrets.ts';
import { MarkSecret } from '#adapters/aws/mark-secret.ts';
import { PowertoolsWatch } from '#adapters/aws/powertools-watch.ts';
import { type AwsService, Reach, wayOutOf } from '#adapters/aws/reach.ts';
import { S3Spool } from '#adapters/aws/s3-spool.ts';
import { SesNextHop } from '#adapters/aws/ses-next-hop.ts';
import { SesBounceService } from '#adapters/aws/ses-notice.ts';
import { SqsJobQueue } from '#adapters/aws/sqs-job-queue.ts';
import { SqsRecords } from '#adapters/aws/sqs-records.ts';
import type { Tokens } from '#adapters/oauth/tokens.ts';
import { identityTerms, lookAtCertificates } from '#adapters/smtp/identity-terms.ts';
import { SmtpNextHop } from '#adapters/smtp/next-hop.ts';
import { SystemClock, SystemEntropy, SystemTimer } from '#adapters/system-clock.ts';
import { UlidNames } from '#adapters/ulid-names.ts';
import { destinationOf } from '#core/delivery/destination.ts';
import { healthTerms } from '#core/delivery/next-hop-health.ts';
import {
  batchBytesMax,
  boardEveryMs,
  expiryHourMs,
  failureLimitMs,
  flushEveryMs,
  heldAfterMs,
  heldAskAgainMs,
  heldLeastMs,
  jobsPerBatchMax,
  jobsUnderWayMax,
  lostJobAfterMs,
  smtpLeaseMs,
  smtpOpeningMs,
} from '#core/limits.ts';
import { bouncesBySes, configurationSetName, sendingDomains } from '#core/message/ses-use.ts';
import { BoardView } from '#pipeline/next-hop-board.ts';
import { OutcomeTally } from '#pipeline/outcome-tally.ts';
import type { NextHop } from '#pipeline/ports.ts';
import { byteBudget } from '#pipeline/relay/byte-budget.ts';
import { FailureCounts } from '#pipeline/relay/failure-counts.ts';
import type { Lane } from '#pipeline/relay/lanes.ts';
import { NextHopGate } from '#pipeline/relay/next-hop-gate.ts';
import { relay } from '#pipeline/relay/relay.ts';
import { config } from './config.ts';
import { jobOf, stage, withKeepAlive } from './stage.ts';

const watch = new PowertoolsWatch('relay');
const clock = new SystemClock();
const aws = awsSettings({ watch, clock });
const { settings } = config;
/** In a VPC the error of a call that makes no connection names the missing endpoint or route. */
const reach =
  settings.network === null ? null : new Reach({ network: settings.network, region: aws.region }, { watch, clock });
function reached<C extends Parameters<Reach['of']>[1]>(service: AwsService, client: C): C {
  return reach === null ? client : reach.of(service, client);
}
const secrets = new AwsSecrets(reached('secretsmanager', secretsClient(aws)), clock);
const nextHops = new Map<string, NextHop>();
const wayOut = settings.network === null ? undefined : wayOutOf(settings.network);
const identityPorts = { secrets, tokens: new Map<string, Tokens>(), clock, watch, wayOut };

const dynamo = reached('dynamodb', dynamoClient(aws));
const sqs = reached('sqs', sqsClient(aws));
const { relayQueueUrl } = config;
const marks = new MarkSecret({ read: secrets.rotating(config.markSecret), stackId: config.stackId, clock, watch });
const board = new DynamoBoard(dynamo, config.table);
const timer = new SystemTimer();
const gate = new NextHopGate(
  { board, clock, timer, watch, closeIdle: async (name) => nextHops.get(name)?.closeIdle?.() },
  { settings, holder: new UlidNames(clock).next(), placeMs: smtpLeaseMs / config.timeScale },
);
const outcomes = new OutcomeTally(
  { store: new DynamoOutcomes(dynamo, config.table), clock, watch },
  Math.ceil(expiryHourMs / config.timeScale),
);
const ports = {
  settings,
  gate,
  spool: new S3Spool(reached('s3', s3Client(aws)), config.bucket, { lister: reached('s3', s3ListClient(aws)) }),
  waiting: new DynamoWaiting(dynamo, config.table),
  ledger: new DynamoLedger(dynamo, config.table, {
    ledgerRetentionMs: settings.retentionMs.ledger,
    search: settings.trace.search,
  }),
  slowRelayQueue: new SqsJobQueue(sqs, config.slowRelayQueueUrl),
  board: new BoardView({ board, clock, watch }, boardEveryMs / config.timeScale),
  bounceQueue: new SqsJobQueue(sqs, config.feedbackQueueUrl, 'bounce'),
  nextHop,
  bounceService: bouncesBySes(settings)
    ? new SesBounceService(reached('email', sesBounceClient(aws)), { clock, region: aws.region })
    : null,
  clock,
  entropy: new SystemEntropy(),
  watch,
  budget: byteBudget(batchBytesMax),
  get markKey() {
    return marks.key;
  },
  srsSecrets: config.srsSecret === null ? undefined : secrets.rotating(config.srsSecret),
  leaseMs: smtpLeaseMs / config.timeScale,
  health: healthTerms(config.timeScale),
  failures: new FailureCounts(
    { store: new DynamoFailures(dynamo, config.table), clock, watch },
    failureLimitMs / config.timeScale,
  ),
  outcomes,
  timer,
  sweepAgainMs: lostJobAfterMs / config.timeScale,
};

export const handler = withKeepAlive(
  stage(
    'relay',
    {
      watch,
      timeScale: config.timeScale,
      ready: () => marks.refresh(),
      ended: () =>
        Promise.all([gate.ended(), outcomes.ended(), ...[...nextHops.values()].map((hop) => hop.invocationEnded?.())]),
      held: {
        ...{ clock, timer, places: jobsPerBatchMax, underWayMax: jobsUnderWayMax },
        heldAfterMs: heldAfterMs / config.timeScale,
        askAgainMs: heldAskAgainMs / config.timeScale,
        leastMs: heldLeastMs / config.timeScale,
        flushEveryMs: flushEveryMs / config.timeScale,
        // The slow lane is the place for those that hold a function.
        queueOf: (record) => (laneOf(record) === 'fast' ? new SqsRecords(sqs, relayQueueUrl, record) : null),
      },
    },
    (record, signal) => relay(ports, jobOf(record), signal, laneOf(record)),
  ),
  { watch, look: () => lookAtCertificates(settings.nextHops, identityPorts) },
);

/** Two queues feed relay: the last part of a queue's ARN and of its URL is its name. */
function laneOf({ eventSourceARN }: SQSRecord): Lane {
  const nameOf = (text: string, separator: string) => text.slice(text.lastIndexOf(separator) + 1);
  return nameOf(eventSourceARN, ':') === nameOf(config.slowRelayQueueUrl, '/') ? 'slow' : 'fast';
}

/** One client for each next hop and execution environment: it keeps its connection between jobs. */
function nextHop(name: string): NextHop | null {
  const standing = nextHops.get(name);
  if (standing !== undefined) return standing;
  const given =
    destinationOf({ nextHop: name }) === 'ses-report' ? ({ kind: 'ses' } as const) : settings.nextHops[name];
  if (given?.kind === 'ses') {
    const ses = sesNextHop();
    nextHops.set(name, ses);
    return ses;
  }
  if (given?.kind !== 'smtp' && given?.kind !== 'lmtp') return null;
  const made = new SmtpNextHop(given, {
    ehloName: given.helo ?? settings.host,
    ...identityTerms(name, given, identityPorts),
    refusalKeptMs: boardEveryMs / config.timeScale,
    // In the local runtime no network stands in the way.
    port25: settings.network?.port25 ?? (aws.endpoint === undefined ? 'closed' : undefined),
    openingMs: smtpOpeningMs / config.timeScale,
  });
  nextHops.set(name, made);
  return made;
}

function sesNextHop(): NextHop {
  const { notices } = settings;
  const domains = sendingDomains(settings);
  const configurationSet = configurationSetName(settings);
  const terms = { domains, noticesFrom: notices.from, region: aws.region, configurationSet };
  return new SesNextHop(reached('email', sesSendClient(aws)), terms);
}
