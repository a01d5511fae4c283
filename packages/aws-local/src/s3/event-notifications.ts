// S3's event notifications to queues: at least once, across restarts, in S3's own name and under the queue's policy.
// Called by s3.ts. An event is stored in the same turn as its object. An event that the queue refuses is dropped with a
// log line, as in AWS. Only queues are notified, and only of created objects. Contract: docs/aws-contracts.md §5.

import { randomUUID } from 'node:crypto';
import type { Queues } from '../sqs/queues.ts';
import type { Store } from '../store.ts';
import { AwsError, type Caller, ResponseLost, type World } from '../world.ts';
import type { StoredObject } from './objects.ts';

export type QueueNotification = {
  readonly id: string;
  readonly queueArn: string;
  readonly prefix: string;
  readonly suffix: string;
};
export type S3Events = ReturnType<typeof createS3Events>;

type Pending = { readonly bucketName: string; readonly queueArn: string; readonly body: string; attempts: number };

export function createS3Events(world: World, store: Store, queues: Pick<Queues, 'post'>) {
  const configured = new Map<string, readonly QueueNotification[]>();
  const remembered = store.table<readonly QueueNotification[]>('s3_notifications');
  const pending = store.table<Pending>('s3_events');
  const left = [...pending.entries()];
  let sequence = 0;

  return {
    configure,
    created,
    /** Continues with events that an earlier process could not deliver, once all queues exist. */
    resume(): void {
      for (const [key, event] of left.splice(0)) tryLater(key, event, 0);
    },
  };

  /** Puts the bucket's configuration; a new or changed one is tried out first, by a test event to each queue. */
  async function configure(bucketName: string, wanted: readonly QueueNotification[]): Promise<void> {
    for (const one of wanted) {
      if (JSON.stringify(remembered.get(bucketName)) === JSON.stringify(wanted)) break;
      try {
        await queues.post(caller(bucketName), one.queueArn, { body: testEvent(world, bucketName) });
      } catch (error) {
        if (!(error instanceof AwsError)) throw error;
        const message = `Unable to validate the following destination configurations: ${one.queueArn} (${error.message})`;
        throw new AwsError('InvalidArgument', 400, message);
      }
    }
    configured.set(bucketName, wanted);
    remembered.put(bucketName, wanted);
    await store.flushed();
  }

  /** In the turn in which the object is entered. */
  function created(object: StoredObject): void {
    for (const one of configured.get(object.bucketName) ?? []) {
      if (!object.key.startsWith(one.prefix) || !object.key.endsWith(one.suffix)) continue;
      sequence += 1;
      const key = randomUUID();
      const body = createdEvent(world, one.id, object, sequence);
      const event = { bucketName: object.bucketName, queueArn: one.queueArn, body, attempts: 0 };
      pending.put(key, event);
      tryLater(key, event, 0);
    }
  }

  function tryLater(key: string, event: Pending, delayMs: number): void {
    const work = () => {
      const done = world.clock.busy('an event of S3');
      deliver(key, event)
        .then(() => store.flushed())
        .catch((error: Error) => world.log(`s3: ${error.stack}`))
        .finally(done);
    };
    if (delayMs === 0) work();
    else world.clock.at(world.clock.now() + delayMs, work);
  }

  async function deliver(key: string, event: Pending): Promise<void> {
    try {
      await queues.post(caller(event.bucketName), event.queueArn, { body: event.body });
    } catch (error) {
      if (!(error instanceof AwsError || error instanceof ResponseLost)) throw error;
      if (isServerSide(error)) {
        event.attempts += 1;
        pending.put(key, event);
        return tryLater(key, event, Math.min(60_000, 1_000 * 2 ** event.attempts));
      }
      world.log(`s3: ${event.queueArn} refused an event of ${event.bucketName}, which is LOST (${error.message})`);
    }
    pending.delete(key);
  }

  function caller(bucketName: string): Caller {
    return {
      principal: { kind: 'service', name: 's3.amazonaws.com' },
      context: { 'aws:sourcearn': `arn:aws:s3:::${bucketName}`, 'aws:sourceaccount': world.account },
    };
  }
}

function isServerSide(error: Error): boolean {
  return !(error instanceof AwsError) || error.statusCode >= 500 || /Throttled|OverLimit/.test(error.code);
}

/** S3 user guide, "Event message structure". */
function createdEvent(world: World, configurationId: string, object: StoredObject, sequence: number): string {
  const bucket = {
    name: object.bucketName,
    ownerIdentity: { principalId: world.account },
    arn: `arn:aws:s3:::${object.bucketName}`,
  };
  const record = {
    eventVersion: '2.1',
    eventSource: 'aws:s3',
    awsRegion: world.region,
    eventTime: new Date(object.modifiedAt).toISOString(),
    eventName: 'ObjectCreated:Put',
    userIdentity: { principalId: `AWS:${world.account}` },
    requestParameters: { sourceIPAddress: '127.0.0.1' },
    responseElements: { 'x-amz-request-id': randomUUID(), 'x-amz-id-2': randomUUID() },
    s3: {
      s3SchemaVersion: '1.0',
      configurationId,
      bucket,
      object: {
        key: asInForms(object.key),
        size: object.size,
        eTag: object.etag,
        ...(object.versionId === 'null' ? {} : { versionId: object.versionId }),
        sequencer: sequencer(object.modifiedAt, sequence),
      },
    },
  };
  return JSON.stringify({ Records: [record] });
}

/** Hexadecimal, of one length here, greater for the later of two events of a key. */
function sequencer(at: number, sequence: number): string {
  return (BigInt(at) * 0x100000n + BigInt(sequence & 0xfffff)).toString(16).toUpperCase().padStart(18, '0');
}

/** As HTML forms encode text, but slashes stay. */
function asInForms(key: string): string {
  return encodeURIComponent(key).replaceAll('%2F', '/').replaceAll('%20', '+');
}

function testEvent(world: World, bucketName: string): string {
  const Time = new Date(world.clock.now()).toISOString();
  const ids = { RequestId: randomUUID(), HostId: randomUUID() };
  return JSON.stringify({ Service: 'Amazon S3', Event: 's3:TestEvent', Time, Bucket: bucketName, ...ids });
}
