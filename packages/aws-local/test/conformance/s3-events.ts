// What the stack needs of S3's event notifications to a queue (aws-contracts §5), through the real SDK clients: against
// our emulator or AWS. The target makes buckets and queues; what the emulator alone can do (faults, a crash) is tested
// beside it.

import { randomUUID } from 'node:crypto';
import { PutObjectCommand, S3Client, type S3ClientConfig } from '@aws-sdk/client-s3';
import { DeleteMessageCommand, ReceiveMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

export type EventsTarget = {
  readonly config: S3ClientConfig;
  /**
   * A versioned bucket that tells the queue of objects created under prefix and suffix; the queue's policy says whom it
   * takes messages from.
   */
  makeBucket(filter: { readonly prefix: string; readonly suffix: string }): Promise<EventsBucket>;
  /** The same, with a queue that takes nothing from S3, or only from another bucket: the configuration is refused. */
  makeRefused(why: 'no policy' | 'another bucket'): Promise<EventsBucket>;
};
export type EventsBucket = { readonly bucket: string; readonly queueUrl: string };

export function s3EventsConformance(target: () => EventsTarget): void {
  let s3: S3Client;
  let sqs: SQSClient;
  beforeAll(() => {
    s3 = new S3Client(target().config);
    sqs = new SQSClient(target().config as ConstructorParameters<typeof SQSClient>[0] & object);
  });
  afterAll(() => {
    s3?.destroy();
    sqs?.destroy();
  });

  const put = (bucket: string, Key: string, Body = 'x') => s3.send(new PutObjectCommand({ Bucket: bucket, Key, Body }));
  /** The next `count` messages, each deleted as it is read; S3 is usually done in seconds. */
  async function bodies(QueueUrl: string, count: number): Promise<string[]> {
    const found: string[] = [];
    for (const end = Date.now() + 60_000; found.length < count && Date.now() < end; ) {
      const { Messages = [] } = await sqs.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 2 }));
      for (const { Body = '', ReceiptHandle } of Messages) {
        found.push(Body);
        await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
      }
    }
    return found;
  }
  // biome-ignore lint/suspicious/noExplicitAny: an event as S3 words it
  const recordsOf = (texts: readonly string[]): any[] => texts.flatMap((text) => JSON.parse(text).Records);

  describe('event notifications', () => {
    test('configuring sends a test event without records', async () => {
      const { bucket, queueUrl } = await target().makeBucket({ prefix: 'out/', suffix: '.json' });
      const [text = ''] = await bodies(queueUrl, 1);
      expect(JSON.parse(text)).toMatchObject({ Service: 'Amazon S3', Event: 's3:TestEvent', Bucket: bucket });
      expect(JSON.parse(text)).not.toHaveProperty('Records');
    });

    test('an object under prefix and suffix is told of, with version, size, tag and sequencer; others are not', async () => {
      const { bucket, queueUrl } = await target().makeBucket({ prefix: 'out/', suffix: '.json' });
      await bodies(queueUrl, 1);
      await put(bucket, 'in/a.json');
      await put(bucket, 'out/a.eml');
      const stored = await put(bucket, 'out/a.json', 'four');
      const [record, more] = recordsOf(await bodies(queueUrl, 1));
      expect(more).toBeUndefined();
      expect(record).toMatchObject({
        eventSource: 'aws:s3',
        eventName: 'ObjectCreated:Put',
        s3: {
          bucket: { name: bucket, arn: `arn:aws:s3:::${bucket}` },
          object: { key: 'out/a.json', size: 4, eTag: stored.ETag?.replaceAll('"', ''), versionId: stored.VersionId },
        },
      });
      expect(record.s3.object.sequencer).toMatch(/^[0-9A-F]+$/);
      expect(Math.abs(Date.parse(record.eventTime) - Date.now())).toBeLessThan(120_000);
    });

    test('keys are spelt as in forms', async () => {
      const { bucket, queueUrl } = await target().makeBucket({ prefix: '', suffix: '' });
      await bodies(queueUrl, 1);
      const keys = ['a b', 'a+b', 'ü/ä%', 'x=y&z'].map((key) => `${randomUUID()}/${key}`);
      for (const key of keys) await put(bucket, key);
      const told = recordsOf(await bodies(queueUrl, keys.length)).map((record) => String(record.s3.object.key));
      expect(told.map((key) => decodeURIComponent(key.replaceAll('+', ' '))).sort()).toEqual([...keys].sort());
      expect(told.find((key) => /a\+b$/.test(key))).toBeDefined(); // the space
      expect(told.find((key) => /a%2Bb$/.test(key))).toBeDefined();
      expect(told.join()).toContain('%C3%BC/%C3%A4%25');
    });

    test('each version of a key is told of, in order by its sequencer', async () => {
      const { bucket, queueUrl } = await target().makeBucket({ prefix: '', suffix: '' });
      await bodies(queueUrl, 1);
      for (const text of ['a', 'bb', 'ccc']) await put(bucket, 'same', text);
      const told = recordsOf(await bodies(queueUrl, 3)).map(({ s3: { object } }) => object);
      const inOrder = [...told].sort((a, b) =>
        a.sequencer.padStart(32, '0') < b.sequencer.padStart(32, '0') ? -1 : 1,
      );
      expect(inOrder.map(({ size }) => size)).toEqual([1, 2, 3]);
    });

    test.each(['no policy', 'another bucket'] as const)(
      'a queue that refuses them fails the configuration: %s',
      async (why) => {
        await expect(target().makeRefused(why)).rejects.toThrow(
          'Unable to validate the following destination configurations',
        );
      },
    );
  });
}
