// Opens the base of the emulated AWS in one data folder: clock, store, faults, IAM, gate, endpoint, S3, SQS and SNS.
// Called by aws.ts and start-emulators.ts, which add further services to `front`. It creates no resources.

import path from 'node:path';
import { createFaults, type Faults } from './gate/faults.ts';
import { createGate } from './gate/gate.ts';
import { createKeys, type Keys } from './http/access-keys.ts';
import { type Front, openFront } from './http/front.ts';
import { createIam, type Iam } from './iam/iam.ts';
import { createS3Events } from './s3/event-notifications.ts';
import { createS3, type S3 } from './s3/s3.ts';
import { createSns } from './sns/sns.ts';
import { createTopics, type Topics } from './sns/topics.ts';
import { createMoveTasks, type MoveTasks } from './sqs/move-tasks.ts';
import { createQueues, type Queues } from './sqs/queues.ts';
import { createSqs } from './sqs/sqs.ts';
import { openStore, type Store } from './store.ts';
import { createClock, type LocalClock } from './virtual-clock.ts';
import type { World } from './world.ts';

/** So many of the things that the clock waits for are logged. */
const SAID_MAX = 5;

export type Emulators = {
  readonly world: World;
  readonly clock: LocalClock;
  readonly store: Store;
  readonly faults: Faults;
  readonly iam: Iam;
  readonly keys: Keys;
  readonly front: Front;
  readonly s3: S3;
  readonly queues: Queues;
  readonly topics: Topics;
  readonly moves: MoveTasks;
  /** Continues the work of an earlier process. Call it once all queues, buckets and topics are created. */
  resume(): void;
  /** Ends the endpoint, the clock and the store, in this order. */
  close(): Promise<void>;
};

export type EmulatorsOptions = {
  readonly dataFolder: string;
  readonly port?: number; // 0: a free one
  readonly account?: string;
  readonly region?: string;
  readonly timeScale?: number;
  readonly log?: (line: string) => void;
  /** How far virtual time was ahead already, where it is not written down. */
  readonly offsetMs?: number;
  /** See StoreOptions. */
  readonly disk?: { readonly failed: (error: Error) => void; readonly beforeWrite?: () => void };
};

/** State in `dataFolder` is taken up again, the virtual clock included. Rejects when the port is taken. */
export async function openEmulators(settings: EmulatorsOptions): Promise<Emulators> {
  const account = settings.account ?? '000000000000';
  const log = settings.log ?? (() => {});
  const timeScale = settings.timeScale ?? 1;
  const { disk } = settings;
  const store = openStore(settings.dataFolder, {
    ...(disk === undefined ? {} : { failed: disk.failed }),
    ...(disk?.beforeWrite === undefined ? {} : { beforeCommit: disk.beforeWrite }),
  });
  const clockRow = store.table<number>('clock');
  const clock = createClock({
    offsetMs: Math.max(clockRow.get('offset') ?? 0, settings.offsetMs ?? 0),
    saveOffset: (offsetMs) => clockRow.put('offset', offsetMs),
    waits: (busyWith) => log(`the clock waits for ${busyWith.slice(0, SAID_MAX).join(', ')}`),
  });
  const faults = createFaults();
  const iam = createIam(account);
  const gate = createGate({ faults, iam, clock, timeScale });
  const keys = createKeys();
  const world: World = {
    account,
    region: settings.region ?? 'eu-west-1',
    partition: 'aws',
    clock,
    gate,
    timeScale,
    dataFolder: path.resolve(settings.dataFolder),
    log,
  };
  const queues = createQueues(world, store);
  const s3Events = createS3Events(world, store, queues);
  const s3 = createS3(world, store, s3Events);
  const moves = createMoveTasks(world, store, queues);
  const topics = createTopics(world, store, queues);
  iam.addResourcePolicies(s3.policyOf);
  iam.addResourcePolicies(queues.policyOf);
  iam.addResourcePolicies(topics.policyOf);
  iam.addDefaultPolicies(topics.defaultPolicyOf);
  const front = await openFront({ port: settings.port ?? 0, keys, clock, log });
  front.add(s3.http);
  front.add(createSqs(world, queues, moves, () => front.endpoint));
  front.add(createSns(topics));

  return {
    world,
    clock,
    store,
    faults,
    iam,
    keys,
    front,
    s3,
    queues,
    topics,
    moves,
    resume() {
      moves.resume();
      topics.resume();
      s3Events.resume();
    },
    async close() {
      clock.close();
      await front.close();
      store.close();
    },
  };
}
