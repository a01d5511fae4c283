// What only the emulated S3 can show of its notifications: they outlive the process, meet a queue that is not well, and
// are lost, with a line that says so, where the queue refuses them for good. And the conditions of a write, as policies
// see them.

import { rmSync } from 'node:fs';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterEach, expect, test } from 'vitest';
import { type StartedEmulators, startEmulators } from '../src/start-emulators.ts';

let aws: StartedEmulators | undefined;
afterEach(async () => {
  await aws?.close();
  if (aws !== undefined) rmSync(aws.folder, { recursive: true, force: true });
  aws = undefined;
});

const open = { Effect: 'Allow', Principal: { Service: 's3.amazonaws.com' }, Action: 'sqs:SendMessage', Resource: '*' };
const policy = { Version: '2012-10-17', Statement: [open] };
const notification = (arn: string) => ({ id: 'it', queueArn: arn, prefix: 'out/', suffix: '' });

async function started(dataFolder?: string): Promise<StartedEmulators> {
  const made = await startEmulators({
    buckets: [{ name: 'spool', versioned: true }],
    queues: [{ name: 'told', policy }],
    ...(dataFolder === undefined ? {} : { dataFolder }),
  });
  await made.s3.buckets.notify('spool', [notification(made.queues.arnOf('told'))]);
  return made;
}
const waiting = (of: StartedEmulators) => of.queues.counts(of.queues.arnOf('told')).visible;
const root = { principal: { kind: 'root' as const } };

test('a queue that is not well is told later', async () => {
  aws = await started();
  aws.faults.add({ service: 'sqs', operation: 'SendMessage', effect: 'throttle', times: 3 });
  await aws.s3.deposit(root, 'spool', 'out/a', Buffer.from('x'));
  await aws.clock.advance(0);
  expect(waiting(aws)).toBe(1); // the test event
  await aws.clock.advance(60_000);
  expect(waiting(aws)).toBe(2);
});

test('what was not told before the process ended is told after', async () => {
  aws = await started();
  aws.faults.add({ service: 'sqs', operation: 'SendMessage', effect: 'throttle' });
  await aws.s3.deposit(root, 'spool', 'out/a', Buffer.from('x'));
  await aws.clock.advance(0);
  const { folder } = aws;
  // The same folder, as a next process finds it; the configuration stands, so that S3 tries nothing out again.
  const next = await startAgain(aws, folder);
  aws = next;
  await next.clock.advance(120_000);
  expect(waiting(next)).toBe(2);
});

async function startAgain(before: StartedEmulators, folder: string): Promise<StartedEmulators> {
  before.clock.close();
  await before.front.close();
  before.store.close();
  return started(folder);
}

test('what the queue refuses is lost, and said to be', async () => {
  aws = await started();
  aws.faults.add({ service: 'sqs', operation: 'SendMessage', effect: 'deny', times: 1 });
  await aws.s3.deposit(root, 'spool', 'out/a', Buffer.from('x'));
  await aws.clock.advance(60_000);
  expect(waiting(aws)).toBe(1);
  expect(aws.lines.join('\n')).toMatch(/refused an event of spool, which is LOST/);
});

test('a policy that demands If-None-Match is met by it alone', async () => {
  aws = await startEmulators({
    buckets: [
      {
        name: 'spool',
        policy: {
          Version: '2012-10-17',
          Statement: [
            {
              Effect: 'Deny',
              Principal: '*',
              Action: 's3:PutObject',
              Resource: 'arn:aws:s3:::spool/out/*',
              Condition: { Null: { 's3:if-none-match': 'true' }, Bool: { 's3:ObjectCreationOperation': 'true' } },
            },
          ],
        },
      },
    ],
  });
  const credentials = aws.role('writer', [
    { Effect: 'Allow', Action: ['s3:PutObject', 's3:GetObject'], Resource: 'arn:aws:s3:::spool/*' },
  ]);
  const s3 = new S3Client({ ...aws.clientConfig, credentials });
  const put = (Key: string, more: object = {}) =>
    s3.send(new PutObjectCommand({ Bucket: 'spool', Key, Body: 'x', ...more }));
  await expect(put('out/a')).rejects.toMatchObject({ name: 'AccessDenied' });
  const { ETag } = await put('out/a', { IfNoneMatch: '*' });
  await expect(put('out/a', { IfMatch: ETag })).rejects.toMatchObject({ name: 'AccessDenied' });
  await expect(put('out/a', { IfNoneMatch: '*' })).rejects.toMatchObject({ name: 'PreconditionFailed' });
  await put('elsewhere');
  s3.destroy();
});
