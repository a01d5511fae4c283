// Kept HTTP connections that died while nobody looked: a frozen function, a firewall that forgot them. No call takes a
// connection that was idle for twenty seconds of wall clock, and a call that is tried again goes over a fresh one. That
// holds for the content reader and for the SDK's handler.

import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { GetItemCommand } from '@aws-sdk/client-dynamodb';
import { GetObjectCommand, ListObjectsV2Command } from '@aws-sdk/client-s3';
import { GetSecretValueCommand } from '@aws-sdk/client-secrets-manager';
import { SendBounceCommand } from '@aws-sdk/client-ses';
import { SendEmailCommand } from '@aws-sdk/client-sesv2';
import { SendMessageBatchCommand } from '@aws-sdk/client-sqs';
import { afterEach, describe, expect, it, vi } from 'vitest';
import type { AwsSettings } from '#adapters/aws/client-settings.ts';
import {
  dynamoClient,
  s3Client,
  s3ListClient,
  secretsClient,
  sesBounceClient,
  sesSendClient,
  sqsClient,
} from '#adapters/aws/clients.ts';
import { s3SubmissionClient } from '#adapters/aws/s3-submission-client.ts';
import { S3SubmissionStore } from '#adapters/aws/s3-submission-store.ts';
import { keptSocketIdleMs } from '#core/limits.ts';

type Caller = { call(): Promise<unknown>; close(): void };
const credentials = { accessKeyId: 'AKIDTEST', secretAccessKey: 'secret' };
const never = new AbortController().signal;
const XML_LIST = '<ListBucketResult><IsTruncated>false</IsTruncated></ListBucketResult>';
const XML_BOUNCE =
  '<SendBounceResponse xmlns="http://ses.amazonaws.com/doc/2010-12-01/"><SendBounceResult><MessageId>1</MessageId></SendBounceResult></SendBounceResponse>';

async function* hi() {
  yield Buffer.from('hi');
}

/** name, the answer's body, what makes a caller; `tries`: whether the SDK or the store tries again. */
const clients: readonly [string, string, boolean, (settings: AwsSettings) => Caller][] = [
  [
    'DynamoDB',
    '{}',
    true,
    (settings) => {
      const client = dynamoClient(settings);
      return {
        call: () => client.send(new GetItemCommand({ TableName: 't', Key: { pk: { S: 'x' } } })),
        close: () => client.destroy(),
      };
    },
  ],
  [
    'S3, reading',
    'content',
    true,
    (settings) => {
      const client = s3Client(settings);
      const call = async () =>
        (await client.send(new GetObjectCommand({ Bucket: 'b', Key: 'k' }))).Body?.transformToString();
      return { call, close: () => client.destroy() };
    },
  ],
  [
    'S3, listing',
    XML_LIST,
    true,
    (settings) => {
      const client = s3ListClient(settings, 16);
      return { call: () => client.send(new ListObjectsV2Command({ Bucket: 'b' })), close: () => client.destroy() };
    },
  ],
  [
    'S3, storing submissions',
    '',
    true,
    (settings) => {
      const client = s3SubmissionClient(settings);
      const store = new S3SubmissionStore(client, 'b', { storeMs: 20_000, triesMax: 4, tryAgainMs: 1 });
      const call = async () => {
        const result = await store.put('k', { bytes: 2, sha256: '00'.repeat(32), chunks: () => hi() }, never);
        if (result.kind !== 'stored') throw new Error(JSON.stringify(result));
      };
      return { call, close: () => client.destroy() };
    },
  ],
  [
    'SQS',
    '{"Successful":[],"Failed":[]}',
    true,
    (settings) => {
      const client = sqsClient(settings);
      const input = { QueueUrl: `${settings.endpoint}/1/q`, Entries: [{ Id: '1', MessageBody: 'x' }] };
      return { call: () => client.send(new SendMessageBatchCommand(input)), close: () => client.destroy() };
    },
  ],
  [
    'Secrets Manager',
    '{}',
    true,
    (settings) => {
      const client = secretsClient(settings);
      return { call: () => client.send(new GetSecretValueCommand({ SecretId: 's' })), close: () => client.destroy() };
    },
  ],
  [
    'SES',
    '{}',
    false,
    (settings) => {
      const client = sesSendClient(settings);
      const input = { Content: { Raw: { Data: Buffer.from('x') } } };
      return { call: () => client.send(new SendEmailCommand(input)), close: () => client.destroy() };
    },
  ],
  [
    'SES, bouncing',
    XML_BOUNCE,
    false,
    (settings) => {
      const client = sesBounceClient(settings);
      const input = { OriginalMessageId: '1', BounceSender: 'a@b.example', BouncedRecipientInfoList: [] };
      return { call: () => client.send(new SendBounceCommand(input)), close: () => client.destroy() };
    },
  ],
];

/**
 * Answers the first request of each connection once there are as many as asked for; what happens to later ones is for
 * the test to say.
 */
async function service(body: string) {
  let connections = 0;
  let overOld = 0;
  const requests = new WeakMap<Socket, number>();
  const old = new Set<Socket>();
  const sockets = new Set<Socket>();
  let manner: 'good' | 'reset' | 'deaf' = 'good';
  let together = 1;
  let waiting: (() => void)[] = [];
  const server = createServer((request, response) => {
    request.resume().on('end', () => {
      const { socket } = request;
      requests.set(socket, (requests.get(socket) ?? 0) + 1);
      if (old.has(socket) && manner !== 'good') {
        overOld += 1;
        if (manner === 'reset') socket.resetAndDestroy();
        return;
      }
      waiting.push(() => response.setHeader('content-length', Buffer.byteLength(body)).end(body));
      if (waiting.length < together) return;
      for (const answer of waiting) answer();
      waiting = [];
    });
  });
  server.keepAliveTimeout = 0;
  server.on('connection', (socket) => {
    connections += 1;
    sockets.add(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    connections: () => connections,
    /** Requests that came over connections of before the turn. */
    overOld: () => overOld,
    /** So many connections are opened and kept. */
    async warm(caller: Caller, count: number) {
      together = count;
      await Promise.all(Array.from({ length: count }, () => caller.call()));
      together = 1;
    },
    /** From now on the connections that stand do this. */
    turn(to: typeof manner) {
      manner = to;
      for (const socket of sockets) old.add(socket);
    },
    close() {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(resolve));
    },
  };
}

const opened: { close(): unknown }[] = [];
afterEach(async () => {
  vi.useRealTimers();
  await Promise.all(opened.splice(0).map((each) => each.close()));
});
async function given(body: string, make: (settings: AwsSettings) => Caller) {
  const server = await service(body);
  const caller = make({ region: 'eu-west-1', credentials, endpoint: server.endpoint });
  opened.push(server, caller);
  return { server, caller };
}
const later = (ms: number) => vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + ms });

describe.each(clients)('%s', (_name, body, tries, make) => {
  it('uses a kept connection again', async () => {
    const { server, caller } = await given(body, make);
    for (let i = 0; i < 3; i++) await caller.call();
    later(keptSocketIdleMs - 2_000);
    await caller.call();
    expect(server.connections()).toBe(1);
  });

  it.each([
    ['forward', keptSocketIdleMs],
    ['back', -60_000],
  ])('uses none that was idle for twenty seconds of wall clock, nor where the clock went %s', async (_way, ms) => {
    const { server, caller } = await given(body, make);
    const count = tries ? 4 : 2;
    await server.warm(caller, count);
    server.turn('deaf');
    later(ms);
    await caller.call();
    await caller.call();
    expect([server.connections(), server.overOld()]).toEqual([count + 1, 0]);
  });
});

it.each(clients.filter(([, , tries]) => tries))(
  '%s goes on by a fresh one where all kept ones are reset',
  async (_name, body, _tries, make) => {
    const { server, caller } = await given(body, make);
    await server.warm(caller, 4);
    server.turn('reset');
    await caller.call();
    await Promise.all(Array.from({ length: 8 }, () => caller.call()));
  },
);

it.each(clients.filter(([name]) => name === 'DynamoDB' || name === 'SQS'))(
  '%s goes on by a fresh one where all kept ones are silent',
  async (_name, body, _tries, make) => {
    const { server, caller } = await given(body, make);
    await server.warm(caller, 6);
    server.turn('deaf');
    await caller.call();
    expect(server.connections()).toBe(7);
  },
  20_000,
);
