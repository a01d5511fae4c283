// The job queue's contract, run by MemoryJobQueue and by SqsJobQueue on the emulator; then SendMessageBatch's partial
// failures, which it reports without an error. With AWS_CONTRACT=1 also on an empty queue of one's own
// (AWS_CONTRACT_QUEUE_URL).

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout } from 'node:timers/promises';
import { DeleteMessageCommand, ReceiveMessageCommand, type SQSClient } from '@aws-sdk/client-sqs';
import type { SQSRecord } from 'aws-lambda';
import { describe, expect, it } from 'vitest';
import { awsSettings, sqsClient } from '#adapters/aws/clients.ts';
import { SqsJobQueue } from '#adapters/aws/sqs-job-queue.ts';
import { SqsRecords } from '#adapters/aws/sqs-records.ts';
import { MemoryClock } from '#adapters/memory/clock.ts';
import { MemoryJobQueue } from '#adapters/memory/job-queue.ts';
import { startEmulators } from '#aws-local/start-emulators.ts';
import { jobOf } from '#lambdas/stage.ts';
import type { Job } from '#pipeline/ports.ts';
import { settingsOf } from './emulated-aws.ts';
import { type JobQueueUnderTest, jobQueueContract } from './job-queue.contract.ts';

jobQueueContract('MemoryJobQueue', async () => {
  const clock = new MemoryClock(0);
  const queue = new MemoryJobQueue({ clock, visibilityMs: 30_000, maxReceiveCount: 5 });
  return {
    queue,
    passes: async (ms) => clock.advance(ms),
    receive: async () =>
      queue
        .receive(10)
        .map(({ job, group, sqsMessageId }) => ({ job, group, remove: async () => queue.remove(sqsMessageId) })),
    close: async () => {},
  };
});

jobQueueContract('SqsJobQueue on the emulator', async () => {
  const aws = await startEmulators({ queues: ['relay'] });
  return onSqs(sqsClient(settingsOf(aws)), aws.queueUrl('relay'), () => aws.close());
});

// skipped: without AWS_CONTRACT=1 there are no credentials to use
describe.skipIf(process.env.AWS_CONTRACT !== '1')('on AWS', () => {
  jobQueueContract('SqsJobQueue', async () =>
    onSqs(sqsClient(awsSettings(null)), process.env.AWS_CONTRACT_QUEUE_URL ?? '', async () => {}),
  );
});

function onSqs(client: SQSClient, QueueUrl: string, close: () => Promise<void>): JobQueueUnderTest {
  return {
    queue: new SqsJobQueue(client, QueueUrl),
    passes: (ms) => setTimeout(ms),
    async receive() {
      const { Messages = [] } = await client.send(
        new ReceiveMessageCommand({
          QueueUrl,
          MaxNumberOfMessages: 10,
          MessageSystemAttributeNames: ['MessageGroupId'],
        }),
      );
      return Messages.map(({ Body, ReceiptHandle, Attributes }) => ({
        job: JSON.parse(Body ?? ''),
        group: Attributes?.MessageGroupId,
        remove: async () => void (await client.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }))),
      }));
    },
    async close() {
      client.destroy();
      await close();
    },
  };
}

it("SqsRecords gives a queue's records as its mapping does, counts their receives, and deletes those that are done", async () => {
  const aws = await startEmulators({ queues: ['relay'] });
  const client = sqsClient(settingsOf(aws));
  const [eventSource, eventSourceARN, awsRegion] = ['aws:sqs', 'the-arn', 'eu-central-1'];
  const first = { eventSource, eventSourceARN, awsRegion } as SQSRecord;
  const records = new SqsRecords(client, aws.queueUrl('relay'), first);
  try {
    expect(await records.receive(10)).toEqual([]);
    const jobs = ['a', 'b', 'c'].map((spoolId): Job => ({ version: 1, spoolId, deliveryKey: 'k' }));
    await new SqsJobQueue(client, aws.queueUrl('relay')).send(jobs.map((job) => ({ job, group: 'exchange' })));
    const taken = [...(await records.receive(2)), ...(await records.receive(40))];
    expect(taken.map(({ body }) => jobOf({ body } as SQSRecord).spoolId).sort()).toEqual(['a', 'b', 'c']);
    const attributes = { ApproximateReceiveCount: '1', MessageGroupId: 'exchange' };
    for (const record of taken) expect(record).toMatchObject({ ...first, attributes, messageId: expect.any(String) });
    await Promise.all(taken.map((record) => records.remove(record)));
    expect(await new SqsJobQueue(client, aws.queueUrl('relay')).depth()).toEqual({ visible: 0, inFlight: 0 });
  } finally {
    client.destroy();
    await aws.close();
  }
});

describe('SqsJobQueue, when some of a batch fail,', () => {
  const jobs = Array.from({ length: 10 }, (_, i) => ({
    job: { version: 1, spoolId: 's', deliveryKey: `key${i}` } as Job,
    group: 'hop',
  }));

  it('sends those once more', async () => {
    const { queue, sent, close } = await openSqsStub([['3', '7'], []]);
    await queue.send(jobs);
    expect(sent.map((keys) => keys.join())).toEqual(['key0,key1,key2,key3,key4,key5,key6,key7,key8,key9', 'key3,key7']);
    await close();
  });
  it('throws when one fails twice, and says why', async () => {
    const { queue, sent, close } = await openSqsStub([['3', '7'], ['1']]);
    await expect(queue.send(jobs)).rejects.toThrow('1 of 10 jobs not sent: InternalError: try later');
    expect(sent).toHaveLength(2);
    await close();
  });

  /** Fails these entry ids, call by call. */
  async function openSqsStub(failures: readonly (readonly string[])[]) {
    const sent: string[][] = [];
    const server = createServer(async (request, response) => {
      const parts: Uint8Array[] = [];
      for await (const chunk of request) parts.push(chunk as Uint8Array);
      const entries = JSON.parse(Buffer.concat(parts).toString()).Entries as { Id: string; MessageBody: string }[];
      const failed = failures[sent.length] ?? [];
      sent.push(entries.map(({ MessageBody }) => JSON.parse(MessageBody).deliveryKey));
      response.setHeader('content-type', 'application/x-amz-json-1.0');
      response.end(
        JSON.stringify({
          Successful: entries
            .filter(({ Id }) => !failed.includes(Id))
            .map(({ Id }) => ({ Id, MessageId: 'm', MD5OfMessageBody: 'x' })),
          Failed: failed.map((Id) => ({ Id, Code: 'InternalError', Message: 'try later', SenderFault: false })),
        }),
      );
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const client = sqsClient({
      region: 'eu-west-1',
      credentials: { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' },
      endpoint,
    });
    const close = async () => {
      client.destroy();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    };
    return { queue: new SqsJobQueue(client, `${endpoint}/0/q`), sent, close };
  }
});
