// SNS to SQS (aws-contracts §1.5): delivery in SNS's own name under the queue's policy, what happens when it is
// refused, and what when the queue's side is in trouble.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type StartedEmulators, startEmulators } from '../src/start-emulators.ts';
import type { Caller } from '../src/world.ts';

const ses: Caller = {
  principal: { kind: 'service', name: 'ses.amazonaws.com' },
  context: { 'aws:sourceaccount': '000000000000' },
};
const root: Caller = { principal: { kind: 'root' } };
const topicArn = 'arn:aws:sns:eu-west-1:000000000000:receipts';
const arnOf = (queue: string) => `arn:aws:sqs:eu-west-1:000000000000:${queue}`;
const fromTopic = (queue: string, source = topicArn) => ({
  Version: '2012-10-17',
  Statement: [
    {
      Effect: 'Allow',
      Principal: { Service: 'sns.amazonaws.com' },
      Action: 'sqs:SendMessage',
      Resource: arnOf(queue),
      Condition: { ArnEquals: { 'aws:SourceArn': source } },
    },
  ],
});
const wired = (policyOfIngest: unknown, topicPolicy?: unknown) =>
  startEmulators({
    queues: [
      { name: 'undelivered', policy: fromTopic('undelivered') },
      { name: 'ingest', policy: policyOfIngest },
    ],
    topics: [{ name: 'receipts', policy: topicPolicy ?? null }],
  });

let aws: StartedEmulators;
beforeEach(async () => {
  aws = await wired(fromTopic('ingest'));
});
afterEach(() => aws.close());
const subscribe = (more: { raw?: boolean; deadLetterTargetArn?: string | null } = {}) =>
  aws.topics.subscribe({ topicArn, endpoint: arnOf('ingest'), raw: true, deadLetterTargetArn: null, ...more });
const publish = (message = '{"notificationType":"Received"}', by = ses) =>
  aws.topics.publish(by, topicArn, { message, subject: 'Receipt' });
const bodies = async (queue: string) =>
  (await aws.queues.receive(root, arnOf(queue), { max: 10 })).map((message) => message.body);

test('raw: the body is the message; otherwise it is the envelope around it', async () => {
  subscribe();
  await publish();
  expect(await bodies('ingest')).toEqual(['{"notificationType":"Received"}']);
  aws.topics.create('receipts');
  subscribe({ raw: false });
  await publish('text');
  expect(JSON.parse((await bodies('ingest'))[0] ?? '')).toMatchObject({
    Type: 'Notification',
    TopicArn: topicArn,
    Subject: 'Receipt',
    Message: 'text',
  });
});

test('without a policy of its own a topic lets SES publish; with one only whom it names', async () => {
  await publish();
  await aws.close();
  const onlyDeny = {
    Version: '2012-10-17',
    Statement: [
      {
        Effect: 'Deny',
        Principal: '*',
        Action: 'sns:Publish',
        Resource: topicArn,
        Condition: { Bool: { 'aws:SecureTransport': 'false' } },
      },
    ],
  };
  aws = await wired(fromTopic('ingest'), onlyDeny);
  await expect(publish()).rejects.toMatchObject({ code: 'AuthorizationError' });
  expect(aws.iam.denials()).toEqual([{ principal: 'ses.amazonaws.com', action: 'sns:Publish', resource: topicArn }]);
});

test('a refusal by the queue goes to the dead-letter queue of the subscription at once', async () => {
  await aws.close();
  aws = await wired(fromTopic('ingest', `${topicArn}-other`));
  subscribe({ deadLetterTargetArn: arnOf('undelivered') });
  await publish('kept');
  expect(await bodies('ingest')).toEqual([]);
  expect(await bodies('undelivered')).toEqual(['kept']);
});

test('without one the message is lost, and a line says so', async () => {
  await aws.close();
  aws = await wired(undefined);
  subscribe();
  await publish('lost');
  await aws.clock.advance(3_600_000);
  expect(await bodies('ingest')).toEqual([]);
  expect(aws.lines).toEqual([expect.stringMatching(/is LOST.*no dead-letter queue/)]);
});

test("trouble on the queue's side is tried again until it is over", async () => {
  subscribe();
  aws.faults.add({ service: 'sqs', operation: 'SendMessage', match: 'ingest', effect: 'throttle', times: 12 });
  await publish('patient');
  expect(await bodies('ingest')).toEqual([]);
  await aws.clock.advance(300_000);
  expect(await bodies('ingest')).toEqual(['patient']);
});

test('a kept delivery survives a restart', async () => {
  await aws.close();
  const folder = mkdtempSync(path.join(tmpdir(), 'everpost-topics-'));
  const settings = {
    dataFolder: folder,
    queues: ['undelivered', { name: 'ingest', policy: fromTopic('ingest') }],
    topics: ['receipts'],
  };
  aws = await startEmulators(settings);
  subscribe();
  aws.faults.add({ service: 'sqs', operation: 'SendMessage', effect: 'throttle' });
  await publish('kept');
  await aws.close();
  const again = await startEmulators(settings);
  again.topics.subscribe({ topicArn, endpoint: arnOf('ingest'), raw: true, deadLetterTargetArn: null });
  await again.clock.advance(60_000);
  const got = await again.queues.receive(root, arnOf('ingest'));
  expect(got.map((message) => message.body)).toEqual(['kept']);
  await again.close();
  rmSync(folder, { recursive: true });
});

test('what is not emulated says so', async () => {
  const headers = {
    authorization: `AWS4-HMAC-SHA256 Credential=${aws.credentials.accessKeyId}/20260101/eu-west-1/sns/aws4_request`,
    'x-amz-security-token': aws.credentials.sessionToken,
  };
  const created = await fetch(aws.endpoint, { method: 'POST', headers, body: 'Action=CreateTopic&Name=x' });
  expect([created.status, await created.text()]).toEqual([
    501,
    expect.stringContaining('SNS CreateTopic is not emulated'),
  ]);
  const published = await fetch(aws.endpoint, {
    method: 'POST',
    headers,
    body: new URLSearchParams({ Action: 'Publish', TopicArn: topicArn, Message: 'x' }),
  });
  expect([published.status, await published.text()]).toEqual([200, expect.stringContaining('<MessageId>')]);
});
