// Faults, through the front and the real SDK clients: each effect does what INTERFACES says, as often as it says, and
// nothing else is struck.

import { GetObjectCommand, HeadObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { ReceiveMessageCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createFaults } from '../src/gate/faults.ts';
import { type StartedEmulators, startEmulators } from '../src/start-emulators.ts';

let aws: StartedEmulators;
let s3: S3Client;
let sqs: SQSClient;
beforeAll(async () => {
  aws = await startEmulators({ buckets: [{ name: 'spool', versioned: true }], queues: ['relay'] });
  s3 = new S3Client(aws.clientConfig);
  sqs = new SQSClient(aws.clientConfig);
});
afterEach(() => aws.faults.clear());
afterAll(() => aws.close());

const Bucket = 'spool';
const put = (Key: string, Body = 'x'.repeat(1_000)) => s3.send(new PutObjectCommand({ Bucket, Key, Body }));
const get = async (Key: string) => (await s3.send(new GetObjectCommand({ Bucket, Key }))).Body?.transformToString();
const send = (body = 'x', client = sqs) =>
  client.send(new SendMessageCommand({ QueueUrl: aws.queueUrl('relay'), MessageBody: body }));
const receive = async () =>
  (await sqs.send(new ReceiveMessageCommand({ QueueUrl: aws.queueUrl('relay'), MaxNumberOfMessages: 10 }))).Messages ??
  [];

describe('effects', () => {
  test('deny and throttle, in the words of each service, as often as asked', async () => {
    aws.faults.add({ service: 's3', operation: 'PutObject', effect: 'deny', times: 1 });
    await expect(put('a')).rejects.toMatchObject({ name: 'AccessDenied', $metadata: { httpStatusCode: 403 } });
    await put('a');
    aws.faults.add({ service: 's3', effect: 'throttle', times: 2 });
    await expect(put('a')).rejects.toMatchObject({ name: 'SlowDown', $metadata: { httpStatusCode: 503 } });
    await expect(get('a')).rejects.toMatchObject({ name: 'SlowDown' });
    await put('a');
    aws.faults.add({ service: 'sqs', effect: 'throttle', times: 1 });
    await expect(send()).rejects.toMatchObject({ name: 'RequestThrottled' });
    expect(aws.faults.list()).toEqual([]);
    expect(aws.iam.denials()).toEqual([]); // an injected denial is no missing permission
  });
  test('a KMS key that cannot be used, as S3 answers for an object under it', async () => {
    await put('in/locked');
    const head = () => s3.send(new HeadObjectCommand({ Bucket, Key: 'in/locked' }));
    aws.faults.add({ service: 'kms', operation: 'Decrypt', match: 'in/locked', effect: 'remove', times: 1 });
    await head(); // reads no byte, so no key
    await expect(get('in/locked')).rejects.toMatchObject({
      name: 'KMS.DisabledException',
      $metadata: { httpStatusCode: 400 },
    });
    aws.faults.add({ service: 'kms', effect: 'deny', times: 1 });
    await expect(get('in/locked')).rejects.toMatchObject({ name: 'AccessDenied', $metadata: { httpStatusCode: 403 } });
    expect(await get('in/locked')).toHaveLength(1_000);
    expect(() => aws.faults.add({ service: 'kms', effect: 'throttle' })).toThrow('kms knows no effect "throttle"');
  });
  test('match picks one key', async () => {
    await put('in/one');
    await put('in/two');
    aws.faults.add({ service: 's3', operation: 'GetObject', match: 'in/two', effect: 'deny' });
    await get('in/one');
    await expect(get('in/two')).rejects.toMatchObject({ name: 'AccessDenied' });
    expect(aws.faults.list()).toHaveLength(1);
  });
  test('lose-response: the work is done, the caller hears nothing', async () => {
    aws.faults.add({ service: 'sqs', operation: 'SendMessage', effect: 'lose-response', times: 1 });
    await expect(send('heard of')).rejects.toThrow();
    expect((await receive()).map((message) => message.Body)).toEqual(['heard of']);
  });
  test('delay holds the call on the virtual clock', async () => {
    aws.faults.add({ service: 'sqs', operation: 'SendMessage', effect: 'delay', times: 1 });
    let answered = false;
    const sending = send('late').then(() => {
      answered = true;
    });
    await new Promise((resume) => setTimeout(resume, 200));
    expect(answered).toBe(false);
    await aws.clock.advance(5_000);
    await sending;
    expect(await receive()).toHaveLength(1);
  });
  test('kill ends the worker that called: before the work alone, after it together with lose-response', async () => {
    let killed = 0;
    const statement = { Effect: 'Allow', Action: 'sqs:SendMessage', Resource: '*' };
    const credentials = aws.role('mortal', [statement], () => {
      killed += 1;
    });
    const worker = new SQSClient({ ...aws.clientConfig, credentials });
    aws.faults.add({ service: 'sqs', operation: 'SendMessage', effect: 'kill', times: 1 });
    await send('by root: has nothing to end, uses nothing up');
    await expect(send('never sent', worker)).rejects.toThrow();
    expect(killed).toBe(1);
    aws.faults.add({ service: 'sqs', operation: 'SendMessage', effect: 'kill', times: 1 });
    aws.faults.add({ service: 'sqs', operation: 'SendMessage', effect: 'lose-response', times: 1 });
    await expect(send('sent', worker)).rejects.toThrow();
    expect(killed).toBe(2);
    expect((await receive()).map((message) => message.Body)).toEqual([
      'by root: has nothing to end, uses nothing up',
      'sent',
    ]);
  });
  test('remove takes every version', async () => {
    await put('gone');
    const { VersionId } = await put('gone');
    aws.faults.add({ service: 's3', match: 'gone', effect: 'remove', times: 1 });
    await put('gone-not'); // putting cannot lose what is there: not struck
    await expect(get('gone')).rejects.toMatchObject({ name: 'NoSuchKey' });
    await expect(s3.send(new HeadObjectCommand({ Bucket, Key: 'gone', VersionId }))).rejects.toMatchObject({
      name: 'NotFound',
    });
  });
  test.each([1_000, 600_000])('corrupt: %i bytes arrive, and are others', async (size) => {
    const lenient = new S3Client({ ...aws.clientConfig, responseChecksumValidation: 'WHEN_REQUIRED' });
    await put('bits', 'x'.repeat(size));
    aws.faults.add({ service: 's3', operation: 'GetObject', effect: 'corrupt', times: 2 });
    const got = await lenient.send(new GetObjectCommand({ Bucket, Key: 'bits' }));
    const text = await got.Body?.transformToString();
    expect(text).toHaveLength(size);
    expect(text).not.toBe('x'.repeat(size));
    await expect(get('bits')).rejects.toThrow(/checksum/i); // who verifies, notices
    expect(await get('bits')).toBe('x'.repeat(size)); // the stored object is whole
  });
  test.each([1_000, 600_000])('truncate: of %i bytes half arrive, and the connection breaks', async (size) => {
    await put('cut', 'x'.repeat(size));
    aws.faults.add({ service: 's3', operation: 'GetObject', effect: 'truncate', times: 1 });
    await expect(get('cut')).rejects.toThrow();
    expect(await get('cut')).toBe('x'.repeat(size));
  });
});

describe('the list', () => {
  test.each([
    [{ effect: 'deny' }, /service must be one of/],
    [{ service: 's4', effect: 'deny' }, /service must be one of/],
    [{ service: 's3', effect: 'explode' }, /effect must be one of/],
    [{ service: 'sqs', effect: 'remove' }, /sqs knows no effect/],
    [{ service: 's3', effect: 'deny', times: 0 }, /times/],
    [{ service: 's3', effect: 'deny', operation: 1 }, /operation/],
    [{ service: 's3', effect: 'deny', time: 1 }, /"time" is no member/],
    [null, /an object/],
  ])('refuses %j', (posted, message) => {
    expect(() => createFaults().add(posted)).toThrow(message);
  });
  test('tells what it holds, and forgets it', () => {
    const faults = createFaults();
    const added = faults.add({
      service: 'dynamodb',
      operation: 'PutItem',
      match: 'ledger',
      effect: 'throttle',
      times: 3,
    });
    expect(faults.list()).toEqual([added]);
    faults.clear();
    expect(faults.list()).toEqual([]);
  });
});
