// Finds the instance that a verb operates: the local runtime of a data folder, or a deployed stack by its outputs. It
// never guesses: an instance that does not answer is an error that names it and the remedy.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { S3Client } from '@aws-sdk/client-s3';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { SQSClient } from '@aws-sdk/client-sqs';
import { ownedBy } from '#adapters/aws/bucket-owner.ts';
import type { AwsSettings } from '#adapters/aws/client-settings.ts';
import { dynamoClient, s3Client, s3ListClient, secretsClient, sqsClient } from '#adapters/aws/clients.ts';
import { AwsSecrets } from '#adapters/aws/login-secrets.ts';
import { S3Spool } from '#adapters/aws/s3-spool.ts';
import { s3SubmissionClient } from '#adapters/aws/s3-submission-client.ts';
import { S3SubmissionStore } from '#adapters/aws/s3-submission-store.ts';
import { S3Versions } from '#adapters/aws/s3-versions.ts';
import { SystemClock } from '#adapters/system-clock.ts';
import type { SubmissionStore } from '#pipeline/ports.ts';
import { NotReachable } from './exit.ts';

export type Instance = {
  readonly aws: AwsSettings | null;
  readonly region: string;
  readonly table: string;
  readonly bucket: string;
  /** The bucket's owner; null where only its name is known, and the caller's own account is meant. */
  readonly account: string | null;
  readonly ingestQueueUrl: string;
  readonly relayQueueUrl: string;
  /** The feedback queue, or the bounce queue of a stack of before. */
  readonly bounceQueueUrl: string;
  readonly feedbackQueueUrl: string;
  /** All that the stack says of itself (docs/interfaces.md). */
  readonly outputs: Readonly<Record<string, string | undefined>>;
  /**
   * How far the instance's clock is ahead of this machine's, in milliseconds: the local runtime's may have been
   * advanced.
   */
  readonly aheadMs: number;
};

/**
 * SDK clients by which a verb calls the instance: with the local runtime's credentials, or your own AWS credentials.
 */
export function dynamoFor({ aws, region }: Pick<Instance, 'aws' | 'region'>): DynamoDBClient {
  return aws === null ? new DynamoDBClient({ region }) : dynamoClient(aws);
}
export function sqsFor({ aws, region }: Instance): SQSClient {
  return aws === null ? new SQSClient({ region }) : sqsClient(aws);
}

/** Reads content; an object under a delete marker does not exist for it. */
export function spoolFor({ aws, region, bucket, account }: Instance): S3Spool {
  return new S3Spool(aws === null ? ownedBy(new S3Client({ region }), account) : s3Client(aws), bucket);
}

/** What the bucket still has of an object. */
export function versionsFor({ aws, region, bucket, account }: Instance): S3Versions {
  return new S3Versions(aws === null ? ownedBy(new S3Client({ region }), account) : s3ListClient(aws), bucket);
}

/** Writes submissions: to a stack's bucket by the stack's name, or by the bucket's. */
export function submissionsFor({ aws, region, bucket, account }: SubmissionPlace): SubmissionStore {
  const settings = aws ?? { region, credentials: null, ...(account === null ? {} : { account }) };
  return new S3SubmissionStore(s3SubmissionClient(settings), bucket);
}
export type SubmissionPlace = Pick<Instance, 'aws' | 'region' | 'bucket' | 'account'>;

/** Logins in Secrets Manager. */
export function secretsFor({ aws, region }: Pick<Instance, 'aws' | 'region'>): AwsSecrets {
  const client = aws === null ? new SecretsManagerClient({ region }) : secretsClient(aws);
  return new AwsSecrets(client, new SystemClock());
}

/**
 * Who only submits may know no more than the bucket's name: then nothing is looked up. Throws where no region is set.
 */
export async function bucketAlone(bucket: string): Promise<SubmissionPlace> {
  return { aws: null, region: await ownRegion(), bucket, account: null };
}

/** The region of one's own settings. Throws where none is set. */
export async function ownRegion(): Promise<string> {
  try {
    return await new SecretsManagerClient({}).config.region();
  } catch {
    throw new NotReachable('no AWS region is set: set AWS_REGION');
  }
}

/** The instance that the command line names, or the one of `.everpost`. */
export async function findInstance(where: {
  readonly data?: string;
  readonly stack?: string | null;
}): Promise<Instance> {
  return where.stack == null ? local(where.data ?? '.everpost') : deployed(where.stack);
}

async function local(data: string): Promise<Instance> {
  const { answer, aheadMs } = await answering(data);
  return {
    aws: {
      region: answer.region,
      endpoint: answer.endpoint,
      credentials: answer.credentials,
      account: answer.account,
    },
    region: answer.region,
    table: answer.tableName,
    bucket: answer.bucketName,
    account: answer.account,
    ingestQueueUrl: answer.outputs.IngestQueueUrl ?? '',
    relayQueueUrl: answer.outputs.RelayQueueUrl ?? '',
    bounceQueueUrl: answer.outputs.BounceQueueUrl ?? answer.outputs.FeedbackQueueUrl ?? '',
    feedbackQueueUrl: answer.outputs.FeedbackQueueUrl ?? '',
    outputs: answer.outputs,
    aheadMs,
  };
}

type EndpointAnswer = {
  readonly region: string;
  readonly endpoint: string;
  readonly credentials: AwsSettings['credentials'];
  readonly tableName: string;
  readonly bucketName: string;
  readonly account: string;
  readonly outputs: Readonly<Record<string, string>>;
};

/** How long a verb waits for an instance that starts: bundling and booting take seconds, on a busy machine more. */
const START_MS = 60_000;
const LOOK_MS = 300;

/**
 * Waits for an instance that is starting, and says so. Any other failure to answer is NotReachable at once, with the
 * remedy.
 */
async function answering(data: string): Promise<{ readonly answer: EndpointAnswer; readonly aheadMs: number }> {
  let told = false;
  for (const end = Date.now() + START_MS; ; await pause(LOOK_MS)) {
    const found = await look(data);
    if (found.kind === 'answers') return found;
    if (found.kind === 'not-reachable') throw new NotReachable(found.why);
    if (Date.now() > end) throw new NotReachable(`the instance of ${data} has been starting for ${START_MS / 1000} s`);
    if (!told) process.stderr.write(`everpost: the instance of ${data} is starting; waiting for it\n`);
    told = true;
  }
}

type Found =
  | { readonly kind: 'answers'; readonly answer: EndpointAnswer; readonly aheadMs: number }
  | { readonly kind: 'starting' }
  | { readonly kind: 'not-reachable'; readonly why: string };

async function look(data: string): Promise<Found> {
  const place = placeOf(data);
  if (place === null)
    return isLocked(data)
      ? { kind: 'starting' }
      : {
          kind: 'not-reachable',
          why: `no instance has run in ${data}: start one with npm start -- --data ${data}, or name a deployed stack with --stack`,
        };
  try {
    const health = await ask(`${place.console}/health`);
    if (health.status === 503 && health.body.status === 'storage-failed')
      return { kind: 'not-reachable', why: `the instance of ${data} does not work at present: ${health.body.error}` };
    if (health.status === 503) return { kind: 'starting' };
    const endpoint = await ask(`${place.console}/endpoint`);
    if (health.status !== 200 || endpoint.status !== 200)
      throw new Error(`it answered ${health.status}, ${endpoint.status}`);
    const aheadMs = Date.parse(String(health.body.now)) - Date.now();
    return { kind: 'answers', answer: endpoint.body as EndpointAnswer, aheadMs };
  } catch (error) {
    // The place is of an earlier run where another process has the folder by now: it will write its own.
    if (isLocked(data, place.pid)) return { kind: 'starting' };
    const why =
      error instanceof Error ? (error.cause instanceof Error ? error.cause.message : error.message) : String(error);
    return {
      kind: 'not-reachable',
      why: `the instance of ${data} does not answer at ${place.console} (${why}): start it with npm start -- --data ${data}`,
    };
  }
}

async function ask(url: string): Promise<{ readonly status: number; readonly body: Record<string, unknown> }> {
  const response = await fetch(url, { signal: AbortSignal.timeout(5_000) });
  return { status: response.status, body: (await response.json()) as Record<string, unknown> };
}

function placeOf(data: string): { readonly console: string; readonly pid: unknown } | null {
  const instance = jsonIn(join(data, 'instance.json'));
  return typeof instance?.console === 'string' ? { console: instance.console, pid: instance.pid } : null;
}

/** Whether a running process other than `other` has the folder. */
function isLocked(data: string, other: unknown = null): boolean {
  const pid = jsonIn(join(data, 'everpost.lock'))?.pid;
  if (typeof pid !== 'number' || pid === other) return false;
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

function jsonIn(path: string): Record<string, unknown> | null {
  try {
    const value: unknown = JSON.parse(readFileSync(path, 'utf8'));
    return typeof value === 'object' ? (value as Record<string, unknown> | null) : null;
  } catch {
    return null; // not there, or not finished
  }
}

async function deployed(stack: string): Promise<Instance> {
  const { CloudFormationClient, DescribeStacksCommand } = await import('@aws-sdk/client-cloudformation');
  const client = new CloudFormationClient({});
  try {
    const { Stacks } = await client.send(new DescribeStacksCommand({ StackName: stack }));
    const outputs = new Map((Stacks?.[0]?.Outputs ?? []).map((output) => [output.OutputKey, output.OutputValue]));
    const table = outputs.get('Table');
    const [ingestQueueUrl, relayQueueUrl] = ['Ingest', 'Relay'].map((stage) => outputs.get(`${stage}QueueUrl`));
    const feedbackQueueUrl = outputs.get('FeedbackQueueUrl') ?? ''; // a stack of before has none
    const bounceQueueUrl = outputs.get('BounceQueueUrl') ?? feedbackQueueUrl;
    if (!table || !ingestQueueUrl || !relayQueueUrl || !bounceQueueUrl)
      throw new Error('it lacks an output Table or RelayQueueUrl, so it is no Everpost stack');
    const bucket = outputs.get('Bucket') ?? '';
    const region = await client.config.region();
    const queues = { ingestQueueUrl, relayQueueUrl, bounceQueueUrl, feedbackQueueUrl };
    const account = Stacks?.[0]?.StackId?.split(':')[4] ?? null; // arn:aws:cloudformation:REGION:ACCOUNT:stack/…
    const all = Object.fromEntries(outputs);
    return { aws: null, region, table, bucket, account, ...queues, outputs: all, aheadMs: 0 };
  } catch (error) {
    throw new NotReachable(
      `the stack ${stack} cannot be read (${error instanceof Error ? error.message : String(error)}): check the name, AWS_REGION and your credentials`,
    );
  }
}
