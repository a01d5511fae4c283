// What the stack needs of SQS standard queues (aws-contracts §4), through the real SDK client: against our emulator,
// another one, or AWS. Runs in real time; what needs hours is tested on the emulator's own clock, elsewhere.

import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  ChangeMessageVisibilityBatchCommand,
  ChangeMessageVisibilityCommand,
  DeleteMessageBatchCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ListDeadLetterSourceQueuesCommand,
  ListMessageMoveTasksCommand,
  type Message,
  PurgeQueueCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  type SendMessageCommandInput,
  SQSClient,
  type SQSClientConfig,
  StartMessageMoveTaskCommand,
} from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

export type SqsTarget = {
  readonly config: SQSClientConfig;
  /** Makes a queue with these attributes (as CreateQueue takes them) under a name of its own. */
  makeQueue(attributes: Readonly<Record<string, string>>): Promise<{ readonly url: string; readonly arn: string }>;
};

export function sqsConformance(target: () => SqsTarget): void {
  let sqs: SQSClient;
  beforeAll(() => {
    sqs = new SQSClient(target().config);
  });
  afterAll(() => sqs?.destroy());

  const make = (attributes: Readonly<Record<string, string>> = {}) => target().makeQueue(attributes);
  const send = (QueueUrl: string, MessageBody: string, more: Partial<SendMessageCommandInput> = {}) =>
    sqs.send(new SendMessageCommand({ QueueUrl, MessageBody, ...more }));
  const receive = async (QueueUrl: string, more: object = {}): Promise<Message[]> => {
    const got = await sqs.send(
      new ReceiveMessageCommand({
        QueueUrl,
        MessageSystemAttributeNames: ['All'],
        MessageAttributeNames: ['All'],
        MaxNumberOfMessages: 10,
        WaitTimeSeconds: 1,
        ...more,
      }),
    );
    return got.Messages ?? [];
  };
  const attributes = async (QueueUrl: string) =>
    (await sqs.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] }))).Attributes ?? {};

  describe('sending and receiving', () => {
    test('a message comes with its id, digests and attributes, and hides while in flight', async () => {
      const { url } = await make();
      const sent = await send(url, 'hello ✉', {
        MessageAttributes: {
          kind: { DataType: 'String', StringValue: 'relay' },
          raw: { DataType: 'Binary', BinaryValue: Buffer.from([0, 255]) },
          n: { DataType: 'Number', StringValue: '7' },
        },
        MessageSystemAttributes: {
          AWSTraceHeader: { DataType: 'String', StringValue: 'Root=1-5759e988-bd862e3fe1be46a994272793' },
        },
      });
      expect(sent.MD5OfMessageBody).toBe(createHash('md5').update('hello ✉').digest('hex'));
      const [message, ...others] = await receive(url);
      expect(others).toEqual([]);
      expect(message).toMatchObject({
        MessageId: sent.MessageId,
        Body: 'hello ✉',
        MD5OfMessageAttributes: sent.MD5OfMessageAttributes,
      });
      expect(message?.MessageAttributes?.kind).toMatchObject({ DataType: 'String', StringValue: 'relay' });
      expect(Buffer.from(message?.MessageAttributes?.raw?.BinaryValue ?? [])).toEqual(Buffer.from([0, 255]));
      expect(message?.Attributes).toMatchObject({
        ApproximateReceiveCount: '1',
        AWSTraceHeader: 'Root=1-5759e988-bd862e3fe1be46a994272793',
      });
      expect(Math.abs(Number(message?.Attributes?.SentTimestamp) - Date.now())).toBeLessThan(60_000);
      expect(await receive(url, { WaitTimeSeconds: 0 })).toEqual([]);
    });
    test('attributes come only when asked for, by either member', async () => {
      const { url } = await make({ VisibilityTimeout: '0' });
      await send(url, 'x', { MessageAttributes: { a: { DataType: 'String', StringValue: '1' } } });
      const bare = await sqs.send(new ReceiveMessageCommand({ QueueUrl: url, WaitTimeSeconds: 1 }));
      expect(bare.Messages?.[0]?.Attributes).toBeUndefined();
      expect(bare.Messages?.[0]?.MessageAttributes).toBeUndefined();
      const old = await sqs.send(
        new ReceiveMessageCommand({ QueueUrl: url, WaitTimeSeconds: 1, AttributeNames: ['All'] }),
      );
      expect(old.Messages?.[0]?.Attributes).toMatchObject({ ApproximateReceiveCount: '2' });
      expect(old.Messages?.[0]?.MessageAttributes).toBeUndefined();
    });
    test('the queue is found by name; an unknown one is QueueDoesNotExist', async () => {
      const { url, arn } = await make();
      const QueueName = arn.split(':').at(-1) ?? '';
      expect((await sqs.send(new GetQueueUrlCommand({ QueueName }))).QueueUrl).toBe(url);
      await expect(sqs.send(new GetQueueUrlCommand({ QueueName: 'no-such-queue' }))).rejects.toMatchObject({
        name: 'QueueDoesNotExist',
      });
      await expect(send(url.replace(QueueName, 'no-such-queue'), 'x')).rejects.toMatchObject({
        name: 'QueueDoesNotExist',
      });
    });
    test('a delayed message is hidden until its time', async () => {
      const { url } = await make();
      await send(url, 'later', { DelaySeconds: 1 });
      expect(await receive(url, { WaitTimeSeconds: 0 })).toEqual([]);
      expect((await receive(url, { WaitTimeSeconds: 5 })).map((message) => message.Body)).toEqual(['later']);
    });
    test('a standard queue takes MessageGroupId (fair queues) and gives it back', async () => {
      const { url } = await make();
      await send(url, 'x', { MessageGroupId: 'next-hop-1' });
      expect((await receive(url))[0]?.Attributes).toMatchObject({ MessageGroupId: 'next-hop-1' });
    });
    test('1 MiB passes, one byte more does not; control characters are refused', async () => {
      const { url } = await make();
      await send(url, 'x'.repeat(1_048_576));
      await expect(send(url, 'x'.repeat(1_048_577))).rejects.toMatchObject({ name: 'InvalidParameterValue' });
      await expect(send(url, 'bell \u0007')).rejects.toMatchObject({ name: 'InvalidMessageContents' });
      await expect(send(url, '')).rejects.toThrow();
    });
  });

  describe('batches', () => {
    test('each entry has its own fate', async () => {
      const { url } = await make();
      const sent = await sqs.send(
        new SendMessageBatchCommand({
          QueueUrl: url,
          Entries: [
            { Id: 'good', MessageBody: 'a' },
            { Id: 'bad', MessageBody: 'b', DelaySeconds: 901 },
          ],
        }),
      );
      expect(sent.Successful?.map((entry) => entry.Id)).toEqual(['good']);
      expect(sent.Failed).toMatchObject([{ Id: 'bad', SenderFault: true, Code: 'InvalidParameterValue' }]);
    });
    test('too many, too long, none, the same id twice, a bad id', async () => {
      const { url } = await make();
      const batch = (Entries: { Id: string; MessageBody: string }[]) =>
        sqs.send(new SendMessageBatchCommand({ QueueUrl: url, Entries }));
      const many = Array.from({ length: 11 }, (_, i) => ({ Id: `n${i}`, MessageBody: 'x' }));
      await expect(batch(many)).rejects.toMatchObject({ name: 'TooManyEntriesInBatchRequest' });
      await expect(batch([])).rejects.toMatchObject({ name: 'EmptyBatchRequest' });
      await expect(
        batch([
          { Id: 'a', MessageBody: 'x' },
          { Id: 'a', MessageBody: 'y' },
        ]),
      ).rejects.toMatchObject({ name: 'BatchEntryIdsNotDistinct' });
      await expect(batch([{ Id: 'a b', MessageBody: 'x' }])).rejects.toMatchObject({ name: 'InvalidBatchEntryId' });
      const half = 'x'.repeat(600_000);
      await expect(
        batch([
          { Id: 'a', MessageBody: half },
          { Id: 'b', MessageBody: half },
        ]),
      ).rejects.toMatchObject({ name: 'BatchRequestTooLong' });
    });
    test('deleting reports a garbage handle as failed', async () => {
      const { url } = await make();
      await send(url, 'x');
      const [message] = await receive(url);
      const deleted = await sqs.send(
        new DeleteMessageBatchCommand({
          QueueUrl: url,
          Entries: [
            { Id: 'good', ReceiptHandle: message?.ReceiptHandle },
            { Id: 'bad', ReceiptHandle: 'garbage' },
          ],
        }),
      );
      expect(deleted.Successful?.map((entry) => entry.Id)).toEqual(['good']);
      expect(deleted.Failed).toMatchObject([{ Id: 'bad', Code: 'ReceiptHandleIsInvalid' }]);
      await expect(
        sqs.send(new DeleteMessageCommand({ QueueUrl: url, ReceiptHandle: 'garbage' })),
      ).rejects.toMatchObject({ name: 'ReceiptHandleIsInvalid' });
    });
  });

  describe('visibility', () => {
    test('an unfinished message comes back, counted, with a new handle', async () => {
      const { url } = await make({ VisibilityTimeout: '1' });
      await send(url, 'again');
      const [first] = await receive(url);
      const [second] = await receive(url, { WaitTimeSeconds: 5 });
      expect(second).toMatchObject({ MessageId: first?.MessageId, Attributes: { ApproximateReceiveCount: '2' } });
      expect(second?.ReceiptHandle).not.toBe(first?.ReceiptHandle);
      expect(second?.Attributes?.ApproximateFirstReceiveTimestamp).toBe(
        first?.Attributes?.ApproximateFirstReceiveTimestamp,
      );
      // The old handle no longer speaks for the message.
      await sqs.send(new DeleteMessageCommand({ QueueUrl: url, ReceiptHandle: first?.ReceiptHandle }));
      expect(await receive(url, { WaitTimeSeconds: 3 })).toHaveLength(1);
    });
    test('can be ended at once, and extended', async () => {
      const { url } = await make({ VisibilityTimeout: '1' });
      await send(url, 'x');
      const [first] = await receive(url);
      await sqs.send(
        new ChangeMessageVisibilityCommand({
          QueueUrl: url,
          ReceiptHandle: first?.ReceiptHandle,
          VisibilityTimeout: 0,
        }),
      );
      const [second] = await receive(url, { WaitTimeSeconds: 0 });
      expect(second?.MessageId).toBe(first?.MessageId);
      await sqs.send(
        new ChangeMessageVisibilityCommand({
          QueueUrl: url,
          ReceiptHandle: second?.ReceiptHandle,
          VisibilityTimeout: 60,
        }),
      );
      expect(await receive(url, { WaitTimeSeconds: 2 })).toEqual([]);
    });
    test('a message not in flight is MessageNotInflight; above 12 hours is refused; a batch reports both', async () => {
      const { url } = await make({ VisibilityTimeout: '30' });
      await send(url, 'x');
      const [message] = await receive(url);
      const ReceiptHandle = message?.ReceiptHandle;
      const change = (VisibilityTimeout: number) =>
        sqs.send(new ChangeMessageVisibilityCommand({ QueueUrl: url, ReceiptHandle, VisibilityTimeout }));
      await sleep(20);
      await expect(change(43_200)).rejects.toMatchObject({ name: 'InvalidParameterValue' });
      await change(0);
      await expect(change(10)).rejects.toMatchObject({ name: 'MessageNotInflight' });
      const batch = await sqs.send(
        new ChangeMessageVisibilityBatchCommand({
          QueueUrl: url,
          Entries: [
            { Id: 'a', ReceiptHandle, VisibilityTimeout: 5 },
            { Id: 'b', ReceiptHandle: 'garbage', VisibilityTimeout: 5 },
          ],
        }),
      );
      expect(batch.Successful ?? []).toEqual([]);
      expect(batch.Failed?.map((entry) => entry.Id)).toEqual(['a', 'b']);
    });
    test('counts tell visible, in flight and delayed apart', async () => {
      const { url, arn } = await make();
      for (const body of ['a', 'b', 'c']) await send(url, body);
      await send(url, 'd', { DelaySeconds: 60 });
      await receive(url, { MaxNumberOfMessages: 1 });
      expect(await attributes(url)).toMatchObject({
        QueueArn: arn,
        ApproximateNumberOfMessages: '2',
        ApproximateNumberOfMessagesNotVisible: '1',
        ApproximateNumberOfMessagesDelayed: '1',
        VisibilityTimeout: '30',
        MessageRetentionPeriod: '345600',
      });
    });
  });

  describe('long polls', () => {
    test('one wakes when a message comes', async () => {
      const { url } = await make();
      const waiting = receive(url, { WaitTimeSeconds: 10 });
      await sleep(200);
      const sentAt = Date.now();
      await send(url, 'x');
      expect(await waiting).toHaveLength(1);
      expect(Date.now() - sentAt).toBeLessThan(2_000);
    });
    test('two on one queue both wait, and each gets one', async () => {
      const { url } = await make();
      const polls = [
        receive(url, { WaitTimeSeconds: 10, MaxNumberOfMessages: 1 }),
        receive(url, { WaitTimeSeconds: 10, MaxNumberOfMessages: 1 }),
      ];
      await sleep(200);
      await send(url, 'a');
      await send(url, 'b');
      const bodies = (await Promise.all(polls)).flat().map((message) => message.Body);
      expect(bodies.sort()).toEqual(['a', 'b']);
    });
    test('one that was hung up takes nothing with it', async () => {
      const { url } = await make();
      const hangUp = new AbortController();
      const poll = sqs.send(new ReceiveMessageCommand({ QueueUrl: url, WaitTimeSeconds: 10 }), {
        abortSignal: hangUp.signal,
      });
      await sleep(300);
      hangUp.abort();
      await expect(poll).rejects.toThrow();
      await sleep(100);
      await send(url, 'x');
      expect(await receive(url)).toHaveLength(1);
    });
    test('an empty one ends in time', async () => {
      const { url } = await make();
      const began = Date.now();
      expect(await receive(url, { WaitTimeSeconds: 1 })).toEqual([]);
      expect(Date.now() - began).toBeGreaterThan(900);
    });
  });

  describe('dead letters', () => {
    const pair = async (maxReceiveCount: number) => {
      const dead = await make();
      const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: dead.arn, maxReceiveCount });
      return { dead, source: await make({ VisibilityTimeout: '0', RedrivePolicy }) };
    };
    test('the receive that would exceed the maximum moves the message, which keeps id and enqueue time', async () => {
      const { dead, source } = await pair(2);
      await send(source.url, 'poison');
      const [first] = await receive(source.url);
      await receive(source.url);
      expect(await receive(source.url, { WaitTimeSeconds: 0 })).toEqual([]);
      const [moved] = await receive(dead.url);
      expect(moved).toMatchObject({
        MessageId: first?.MessageId,
        Body: 'poison',
        Attributes: {
          SentTimestamp: first?.Attributes?.SentTimestamp,
          DeadLetterQueueSourceArn: source.arn,
          ApproximateReceiveCount: '3',
        },
      });
      const sources = await sqs.send(new ListDeadLetterSourceQueuesCommand({ QueueUrl: dead.url }));
      expect(sources.queueUrls).toEqual([source.url]);
    });
    test('a redrive policy needs a dead-letter queue that exists', async () => {
      const { arn } = await make();
      const RedrivePolicy = JSON.stringify({ deadLetterTargetArn: `${arn}-missing`, maxReceiveCount: 1 });
      await expect(make({ RedrivePolicy })).rejects.toThrow(/RedrivePolicy/);
    });
    test('a move task sends them back as new messages', async () => {
      const { dead, source } = await pair(1);
      for (const body of ['a', 'b', 'c']) await send(source.url, body);
      const ids = (await receive(source.url)).map((message) => message.MessageId);
      expect(await receive(source.url, { WaitTimeSeconds: 0 })).toEqual([]);
      await sqs.send(new StartMessageMoveTaskCommand({ SourceArn: dead.arn }));
      await expect(sqs.send(new StartMessageMoveTaskCommand({ SourceArn: source.arn }))).rejects.toThrow();
      const back: Message[] = [];
      for (let i = 0; i < 20 && back.length < 3; i += 1)
        back.push(...(await receive(source.url, { VisibilityTimeout: 30 })));
      expect(back.map((message) => message.Body).sort()).toEqual(['a', 'b', 'c']);
      expect(
        back.every(
          (message) => message.Attributes?.ApproximateReceiveCount === '1' && !ids.includes(message.MessageId),
        ),
      ).toBe(true);
      await sleep(300);
      const tasks = await sqs.send(new ListMessageMoveTasksCommand({ SourceArn: dead.arn }));
      expect(tasks.Results?.[0]).toMatchObject({ Status: 'COMPLETED', ApproximateNumberOfMessagesMoved: 3 });
    });
  });

  test('a queue is purged, but not twice within a minute', async () => {
    const { url } = await make();
    for (const body of ['a', 'b']) await send(url, body);
    await receive(url, { MaxNumberOfMessages: 1 });
    await sqs.send(new PurgeQueueCommand({ QueueUrl: url }));
    expect(await attributes(url)).toMatchObject({
      ApproximateNumberOfMessages: '0',
      ApproximateNumberOfMessagesNotVisible: '0',
    });
    await expect(sqs.send(new PurgeQueueCommand({ QueueUrl: url }))).rejects.toMatchObject({
      name: 'PurgeQueueInProgress',
    });
  });
}
