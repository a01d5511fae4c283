// What SQS does over hours and days, on the virtual clock: visibility, redrive, delay, retention; and what it does at
// its limits. The rest is in the conformance suite.

import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type StartedEmulators, startEmulators } from '../src/start-emulators.ts';
import type { Caller } from '../src/world.ts';

const by: Caller = { principal: { kind: 'root' } };
const minute = 60_000;
const day = 24 * 60 * minute;
let aws: StartedEmulators;
let dead: string;
let work: string;
beforeEach(async () => {
  aws = await startEmulators();
  dead = aws.queues.create({ name: 'dead', retentionSeconds: 1_209_600 });
  work = aws.queues.create({
    name: 'work',
    visibilityTimeoutSeconds: 360,
    retentionSeconds: 7 * 86_400,
    redrive: { deadLetterTargetArn: dead, maxReceiveCount: 5 },
  });
});
afterEach(() => aws.close());
const receive = (arn: string, max = 10) => aws.queues.receive(by, arn, { max });
const send = (arn: string, body: string) => aws.queues.send(by, arn, { body });

test('poison: five receives, each after the visibility timeout, then the dead-letter queue', async () => {
  const began = aws.clock.now();
  const receivedAt: number[] = [];
  const stop = aws.queues.onMessage(work, async () => {
    const done = aws.clock.busy();
    const messages = await receive(work);
    receivedAt.push(...messages.map(() => Math.round((aws.clock.now() - began) / minute)));
    done();
  });
  await send(work, 'poison');
  await aws.clock.advance(31 * minute);
  expect(receivedAt).toEqual([0, 6, 12, 18, 24]);
  expect(aws.queues.counts(dead)).toMatchObject({ visible: 1 });
  expect(aws.queues.counts(work)).toMatchObject({ visible: 0, inFlight: 0 });
  const [held] = await receive(dead);
  expect(held?.systemAttributes).toMatchObject({ ApproximateReceiveCount: '6', DeadLetterQueueSourceArn: work });
  expect(Math.abs(Number(held?.systemAttributes.SentTimestamp) - began)).toBeLessThan(1_000);
  expect(aws.lines.join()).toMatch(/moved to dead after 5 receives/);
  stop();
});

describe('retention', () => {
  test('counts from the first enqueue, in flight and in the dead-letter queue too, and ends without a word to anybody', async () => {
    for (const body of ['a', 'b']) await send(work, body);
    await receive(work, 1);
    await aws.clock.advance(7 * day + minute);
    expect(aws.queues.counts(work)).toEqual({ visible: 0, inFlight: 0, delayed: 0, oldestAgeMs: 0 });
    expect(aws.queues.counts(dead).visible).toBe(0);
    expect(aws.lines.join()).toMatch(/2 messages of work|1 messages of work/);
  });
  test('a message that was moved late has only the rest of it', async () => {
    await send(work, 'late');
    await aws.clock.advance(6 * day);
    for (let i = 0; i < 6; i += 1) {
      await receive(work);
      await aws.clock.advance(6 * minute);
    }
    expect(aws.queues.counts(dead).visible).toBe(1);
    await aws.clock.advance(7 * day);
    expect(aws.queues.counts(dead).visible).toBe(1);
    await aws.clock.advance(day);
    expect(aws.queues.counts(dead).visible).toBe(0);
  });
});

test('the age of the oldest message is told', async () => {
  await send(work, 'old');
  await aws.clock.advance(10 * minute);
  await send(work, 'new');
  expect(Math.round(aws.queues.counts(work).oldestAgeMs / minute)).toBe(10);
});

test('visibility may be extended, but not past twelve hours after the receive', async () => {
  await send(work, 'x');
  const [message] = await receive(work);
  const extend = (seconds: number) => aws.queues.changeVisibility(by, work, message?.receiptHandle ?? '', seconds);
  await extend(40_000);
  await aws.clock.advance(10 * 60 * minute);
  await expect(extend(3 * 3_600)).rejects.toThrow(/43200/);
  await extend(3_600);
  await aws.clock.advance(61 * minute);
  expect(await receive(work)).toHaveLength(1);
});

test('a time scale divides visibility and nothing else', async () => {
  const fast = await startEmulators({ timeScale: 60, queues: [{ name: 'fast', visibilityTimeoutSeconds: 360 }] });
  const arn = fast.queues.arnOf('fast');
  await fast.queues.send(by, arn, { body: 'x' });
  await fast.queues.receive(by, arn);
  await fast.clock.advance(6_100);
  expect(await fast.queues.receive(by, arn)).toHaveLength(1);
  expect(await fast.queues.attributes(by, arn)).toMatchObject({ VisibilityTimeout: '360' });
  await fast.close();
});

describe('limits', () => {
  test('120,000 in flight stop the queue: OverLimit for a short poll; a deletion frees it', {
    timeout: 60_000,
  }, async () => {
    const full = aws.queues.create({ name: 'full' });
    const entry = aws.queues.find('full');
    if (entry === undefined) throw new Error('the queue was just created');
    const state = { place: 'in-flight', visibleAt: aws.clock.now() + day } as const;
    for (let i = 0; i < 120_000; i += 1) {
      const content = {
        sqsMessageId: `00000000-0000-0000-0000-${String(i).padStart(12, '0')}`,
        body: 'x',
        senderId: 's',
        sentAt: aws.clock.now(),
      };
      aws.queues.flow.admit(entry, content, state);
    }
    await send(full, 'waits');
    await expect(receive(full)).rejects.toMatchObject({ code: 'OverLimit' });
    const first = entry.queue.messages.values().next().value;
    if (first !== undefined) aws.queues.flow.drop(entry, first);
    expect(await receive(full)).toHaveLength(1);
  });
  test('a receive costs the same with 100,000 messages waiting', { timeout: 60_000 }, async () => {
    const deep = aws.queues.create({ name: 'deep' });
    const entry = aws.queues.find('deep');
    if (entry === undefined) throw new Error('the queue was just created');
    for (let i = 0; i < 100_000; i += 1) {
      const content = {
        sqsMessageId: `00000000-0000-0000-0000-${String(i).padStart(12, '0')}`,
        body: 'x',
        senderId: 's',
        sentAt: aws.clock.now(),
      };
      aws.queues.flow.admit(entry, content, { place: 'ready', visibleAt: aws.clock.now() });
    }
    await aws.store.flushed();
    const began = performance.now();
    for (let i = 0; i < 100; i += 1) expect(await receive(deep)).toHaveLength(10);
    // A scan of 100,000 a hundred times over would take many seconds; this takes about a tenth of one.
    expect(performance.now() - began).toBeLessThan(3_000);
  });
});

test('what is not emulated says so', async () => {
  expect(() => aws.queues.create({ name: 'orders.fifo' })).toThrow(/FIFO queues are not emulated/);
  const headers = {
    authorization: `AWS4-HMAC-SHA256 Credential=${aws.credentials.accessKeyId}/20260101/eu-west-1/sqs/aws4_request`,
    'x-amz-security-token': aws.credentials.sessionToken,
  };
  const query = await fetch(aws.endpoint, { method: 'POST', headers, body: 'Action=SendMessage&Version=2012-11-05' });
  expect([query.status, await query.text()]).toEqual([501, expect.stringContaining('JSON protocol only')]);
  const other = await fetch(aws.endpoint, {
    method: 'POST',
    headers: { ...headers, 'x-amz-target': 'AmazonSQS.CreateQueue' },
    body: '{}',
  });
  expect([other.status, await other.text()]).toEqual([501, expect.stringContaining('SQS CreateQueue is not emulated')]);
});
