// The stages of the pipeline, each with exactly the permissions that its ports use. Called by stack.ts. A missing
// permission fails on this machine too, because the local runtime enforces these policies.

import { Aws, Stack } from 'aws-cdk-lib';
import type { Table } from 'aws-cdk-lib/aws-dynamodb';
import type { PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { Bucket } from 'aws-cdk-lib/aws-s3';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import { isCalledHourly } from '#config/hop-secrets.ts';
import type { Settings } from '#config/settings.ts';
import * as limits from '#core/limits.ts';
import { parseMailbox } from '#core/message/address.ts';
import { configurationSetName, identitiesOf, sendsBySes } from '#core/message/ses-use.ts';
import { configurationSetArn } from './feedback.ts';
import { keepAlive } from './keep-alive.ts';
import { dueIndex } from './ledger.ts';
import { relayLists } from './relay-lists.ts';
import { type OwnSecret, srsSecret } from './secrets.ts';
import { contentPrefixes, inboundPrefix, objectsBelow } from './spool.ts';
import { type FunctionPlan, feed, may, type Place, type Stage, type StageQueue, stage, stageQueue } from './stage.ts';

/**
 * The namespace of our own metrics; its one dimension, service, is the stack's name (adapters/aws/powertools-watch.ts).
 */
export const metricNamespace = 'Everpost';

export type Stages = {
  readonly ingest: Stage;
  readonly relay: Stage;
  /** Jobs for next hops that are slow or take nothing. The relay function has them too, with few calls at once. */
  readonly slowRelay: StageQueue;
  readonly feedback: Stage;
  /** Of relay's hourly call; null where there is none. */
  readonly keepAliveDeadLetters: Queue | null;
  /** Null where no action uses SRS. */
  readonly srsSecretArn: string | null;
};

export type Given = {
  readonly settings: Settings;
  readonly bucket: Bucket;
  readonly table: Table;
  readonly marks: OwnSecret;
  readonly folder: (functionName: string) => string;
  /** Where relay runs; null: outside of any VPC. */
  readonly place: Place | null;
};

export function stages(scope: Construct, given: Given): Stages {
  const homes = {
    ingest: new Construct(scope, 'Ingest'),
    relay: new Construct(scope, 'Relay'),
    slowRelay: new Construct(scope, 'SlowRelay'),
    feedback: new Construct(scope, 'Feedback'),
  };
  const queues = {
    ingest: stageQueue(homes.ingest, limits.ingestVisibilityMs, limits.ingestReceivesMax),
    relay: stageQueue(homes.relay, limits.relayVisibilityMs),
    slowRelay: stageQueue(homes.slowRelay, limits.relayVisibilityMs),
    feedback: stageQueue(homes.feedback, limits.feedbackVisibilityMs, limits.feedbackReceivesMax),
  };
  const srs = srsSecret(scope, given.settings);
  const plans = stagePlans(scope, given, queues, srs);
  const batch = limits.jobsPerBatchMax;
  const atOnce = given.settings.concurrency;
  const relay = stage(homes.relay, queues.relay, plans.relay, { batch, concurrency: atOnce.relay }, [queues.slowRelay]);
  feed(homes.slowRelay, queues.slowRelay, relay.function, { batch, concurrency: atOnce.slowRelay });
  return {
    ingest: stage(homes.ingest, queues.ingest, plans.ingest, { batch, concurrency: atOnce.ingest }),
    relay,
    slowRelay: queues.slowRelay,
    keepAliveDeadLetters: isCalledHourly(given.settings) ? keepAlive(homes.relay, relay.function) : null,
    feedback: stage(homes.feedback, queues.feedback, plans.feedback, { batch, concurrency: atOnce.feedback }),
    srsSecretArn: srs?.arn ?? null,
  };
}

export type Queues = Record<'relay' | 'slowRelay' | 'feedback', StageQueue>;

function stagePlans(
  scope: Construct,
  given: Given,
  queues: Queues,
  srs: OwnSecret | null,
): Record<'ingest' | 'relay' | 'feedback', FunctionPlan> {
  const { table, bucket, folder } = given;
  const atOnce = given.settings.concurrency;
  const environment = environmentOf(scope, given, queues);
  const withSrs = { ...environment, ...(srs === null ? {} : { EVERPOST_SRS_SECRET: srs.arn }) };
  const prefixes = contentPrefixes(given.settings);
  const openContent = may(['s3:GetObject'], ...objectsBelow(bucket, prefixes));
  return {
    ingest: {
      reserved: reserved(given, atOnce.ingest),
      folder: folder('ingest'),
      description: 'Applies policy and routes to an accepted message and writes its deliveries down',
      timeoutMs: limits.ingestTimeoutMs,
      memoryMb: 512,
      environment,
      // GetItem reads the placeholder of an orphan, or of a submission that could not be read.
      may: [
        onLedger(table, 'GetItem', 'PutItem', ...tellCanaries(given.settings)),
        openContent,
        ...findVersions(bucket, prefixes),
        sendTo(queues.relay, queues.feedback),
        ...given.marks.may,
      ],
    },
    relay: {
      // The hourly call is one more.
      reserved: reserved(given, atOnce.relay + atOnce.slowRelay + (isCalledHourly(given.settings) ? 1 : 0)),
      folder: folder('relay'),
      description: 'Makes one attempt at one delivery',
      timeoutMs: limits.relayTimeoutMs,
      memoryMb: 1024,
      environment: withSrs,
      // UpdateItem is the claim; Query finds the message of a notice among its deliveries, and the board of next hops.
      may: [
        onLedger(table, 'GetItem', 'PutItem', 'UpdateItem', 'Query'),
        queryDue(table), // what a digest tells
        openContent,
        ...findVersions(bucket, prefixes),
        sendTo(queues.slowRelay, queues.feedback),
        ...given.marks.may,
        ...(srs?.may ?? []),
        ...useConfigurationSet(scope, given.settings),
      ],
      lists: relayLists(given.settings),
      place: given.place,
    },
    feedback: {
      reserved: reserved(given, atOnce.feedback),
      folder: folder('feedback'),
      description: 'Joins later reports of a delivery to its row, and writes notices for failed ones',
      timeoutMs: limits.feedbackTimeoutMs,
      memoryMb: 512,
      environment: withSrs,
      // UpdateItem counts the notices to a domain and the canaries that were sent, and claims a message that a return
      // path received. The latter is read, and joined to the message that it reports on (Query).
      may: [
        onLedger(table, 'GetItem', 'PutItem', 'UpdateItem', 'Query'),
        may(['s3:GetObject'], ...objectsBelow(bucket, [inboundPrefix])),
        ...findVersions(bucket, [inboundPrefix]),
        sendTo(queues.relay, queues.feedback),
        ...given.marks.may,
        ...(srs?.may ?? []),
        ...sendCanaries(scope, given.settings),
      ],
    },
  };
}

/** UpdateItem says which message was the first with a canary's id. */
export function tellCanaries({ canary }: Settings): readonly 'UpdateItem'[] {
  return canary === null ? [] : ['UpdateItem'];
}

/** One address, to itself, under whichever identity of ours SES has for it. */
function sendCanaries(scope: Construct, { canary, domains }: Settings): readonly PolicyStatement[] {
  const mailbox = canary === null ? null : parseMailbox(canary.to);
  if (mailbox === null) return [];
  const arns = identitiesOf(mailbox, domains).map((name) =>
    Stack.of(scope).formatArn({ service: 'ses', resource: 'identity', resourceName: name }),
  );
  const send = may(['ses:SendEmail', 'ses:SendRawEmail'], ...arns);
  send.addCondition('StringEquals', { 'ses:FromAddress': mailbox.address });
  send.addCondition('ForAllValues:StringEquals', { 'ses:Recipients': [mailbox.address] });
  return [send];
}

/** Never below what the function's mappings start: they would receive jobs that cannot run (aws-contracts §4.2). */
export function reserved({ settings }: Given, calls: number): number | null {
  return settings.concurrency.reserve ? calls : null;
}

/** To read content that a delete marker hides (DESIGN §2.5). */
export function findVersions(bucket: Bucket, prefixes: readonly string[]): readonly PolicyStatement[] {
  const list = may(['s3:ListBucketVersions'], bucket.bucketArn);
  list.addCondition('StringLike', { 's3:prefix': prefixes.map((prefix) => `${prefix}*`) });
  return [list, may(['s3:GetObjectVersion'], ...objectsBelow(bucket, prefixes))];
}

export function queryDue(table: Table): PolicyStatement {
  return may(['dynamodb:Query'], `${table.tableArn}/index/${dueIndex}`);
}

/** Read whole where it is short. */
export function scanDue(table: Table): PolicyStatement {
  return may(['dynamodb:Scan'], `${table.tableArn}/index/${dueIndex}`);
}

export function onLedger(table: Table, ...operations: readonly string[]): PolicyStatement {
  return may(
    operations.map((operation) => `dynamodb:${operation}`),
    table.tableArn,
  );
}

/** The environment of every function; with `queues`, also where to send jobs. */
export function environmentOf(scope: Construct, given: Given, queues?: Queues): Readonly<Record<string, string>> {
  return {
    EVERPOST_TABLE: given.table.tableName,
    EVERPOST_BUCKET: given.bucket.bucketName,
    EVERPOST_ACCOUNT: Aws.ACCOUNT_ID, // the bucket's owner
    ...(queues && {
      EVERPOST_RELAY_QUEUE_URL: queues.relay.queue.queueUrl,
      EVERPOST_SLOW_RELAY_QUEUE_URL: queues.slowRelay.queue.queueUrl,
      EVERPOST_FEEDBACK_QUEUE_URL: queues.feedback.queue.queueUrl,
    }),
    EVERPOST_STACK: Stack.of(scope).stackName,
    EVERPOST_MARK_SECRET: given.marks.arn,
    EVERPOST_STACK_ID: Aws.STACK_ID, // signed marks before there was that secret: docs/decisions/loop-mark-key.md
    // For the previous version's code: a deploy may replace the environment first (docs/aws-contracts.md §7). To be
    // dropped after 0.1.
    ...(queues && { EVERPOST_BOUNCE_QUEUE_URL: queues.feedback.queue.queueUrl }),
    EVERPOST_MARK_KEY: Aws.STACK_ID,
    POWERTOOLS_METRICS_NAMESPACE: metricNamespace,
    POWERTOOLS_SERVICE_NAME: Stack.of(scope).stackName,
  };
}

export function sendTo(...queues: readonly StageQueue[]): PolicyStatement {
  return may(['sqs:SendMessage'], ...queues.map(({ queue }) => queue.queueArn));
}

/** Every send names it. */
function useConfigurationSet(scope: Construct, settings: Settings): readonly PolicyStatement[] {
  if (!sendsBySes(settings)) return [];
  return [may(['ses:SendEmail', 'ses:SendRawEmail'], configurationSetArn(scope, configurationSetName(settings)))];
}
