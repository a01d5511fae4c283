// Starts S3, SQS and SNS behind the real endpoint, gate and IAM, for tests of single services; a test adds further
// services to `front`. start-aws.ts shares what makes queues, buckets and topics, and the caller's access. It never
// opens a fixed port.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type Emulators, openEmulators } from './emulators.ts';
import type { AccessKey } from './http/access-keys.ts';
import type { QueueSpec } from './sqs/queues.ts';

/** How a program reaches them. */
export type Access = {
  readonly endpoint: string;
  readonly region: string;
  readonly folder: string;
  /** The account's root: allowed everything. */
  readonly credentials: AccessKey;
  /** Everything an SDK client's constructor needs to reach them. */
  readonly clientConfig: {
    readonly endpoint: string;
    readonly region: string;
    readonly credentials: AccessKey;
    readonly maxAttempts: number;
  };
  /** The emulators' log lines. */
  readonly lines: readonly string[];
  queueUrl(name: string): string;
  /** Credentials of a role with these statements (an identity policy), new or changed. */
  role(name: string, statements: readonly unknown[], kill?: () => void): AccessKey;
};
export type StartedEmulators = Emulators & Access;

/** Dead-letter queues come before the queues that name them. A given `dataFolder` outlives `close`. */
export type Wanted = {
  readonly queues?: readonly (QueueSpec | string)[];
  readonly buckets?: readonly (
    | { readonly name: string; readonly versioned?: boolean; readonly policy?: unknown }
    | string
  )[];
  readonly topics?: readonly ({ readonly name: string; readonly policy?: unknown } | string)[];
  readonly dataFolder?: string;
  /** Divides timeouts and visibilities. 1 is real time. */
  readonly timeScale?: number;
};

export async function startEmulators(wanted: Wanted = {}): Promise<StartedEmulators> {
  const folder = wanted.dataFolder ?? mkdtempSync(path.join(tmpdir(), 'aws-local-'));
  const lines: string[] = [];
  const emulators = await openEmulators({
    dataFolder: folder,
    log: (line) => lines.push(line),
    ...(wanted.timeScale === undefined ? {} : { timeScale: wanted.timeScale }),
  });
  furnish(emulators, wanted);
  emulators.resume();
  return {
    ...emulators,
    ...accessTo(emulators, folder, lines),
    async close() {
      await emulators.close();
      if (wanted.dataFolder === undefined) rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Creates queues, buckets and topics; existing ones keep their content. */
export function furnish(emulators: Emulators, wanted: Wanted): void {
  for (const queue of wanted.queues ?? []) emulators.queues.create(typeof queue === 'string' ? { name: queue } : queue);
  for (const bucket of wanted.buckets ?? []) {
    if (typeof bucket === 'string') emulators.s3.buckets.create(bucket);
    else emulators.s3.buckets.create(bucket.name, bucket);
  }
  for (const topic of wanted.topics ?? []) {
    if (typeof topic === 'string') emulators.topics.create(topic);
    else emulators.topics.create(topic.name, topic.policy);
  }
}

export function accessTo(emulators: Emulators, folder: string, lines: readonly string[]): Access {
  const { endpoint } = emulators.front;
  const { region, account, partition } = emulators.world;
  const credentials = emulators.keys.issue({ kind: 'root' });
  return {
    endpoint,
    region,
    folder,
    credentials,
    clientConfig: { endpoint, region, credentials, maxAttempts: 1 },
    lines,
    queueUrl: (name) => `${endpoint}/${account}/${name}`,
    role(name, statements, kill) {
      const arn = `arn:${partition}:iam::${account}:role/${name}`;
      emulators.iam.setRole(arn, [{ Version: '2012-10-17', Statement: statements }]);
      return emulators.keys.issue({ kind: 'role', arn, functionName: name }, kill);
    },
  };
}
