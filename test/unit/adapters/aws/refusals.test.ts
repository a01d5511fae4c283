// Which calls count as refused by AWS, at each client of the functions, whatever the caller does with the error. The
// clients are the product's own; a server of this machine answers as each service words a refusal.

import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { GetItemCommand } from '@aws-sdk/client-dynamodb';
import { DeleteObjectCommand, GetObjectCommand } from '@aws-sdk/client-s3';
import { GetSecretValueCommand } from '@aws-sdk/client-secrets-manager';
import { DescribeActiveReceiptRuleSetCommand, SendBounceCommand } from '@aws-sdk/client-ses';
import { GetAccountCommand, SendEmailCommand } from '@aws-sdk/client-sesv2';
import { SendMessageBatchCommand } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { AwsSettings } from '#adapters/aws/client-settings.ts';
import * as clients from '#adapters/aws/clients.ts';
import { MemoryClock } from '#adapters/memory/clock.ts';
import { MemoryWatch } from '#adapters/memory/watch.ts';

const SECRET = 'hunter2-in-the-message';
/** What the server answers next, by every service's own rules. */
let answer: { readonly name: string; readonly status: number; readonly message?: string } = { name: '', status: 200 };
let batch: object | null = null;
let asked = 0;
let server: Server;

beforeAll(async () => {
  server = createServer((request, response) => {
    asked++;
    request.resume().on('end', () => {
      const { status, body, type } = worded(request);
      response.writeHead(status, { 'content-type': type, 'x-amzn-errortype': answer.name }).end(body);
    });
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
});

function worded({ headers, url }: IncomingMessage) {
  const isJson = headers['x-amz-target'] !== undefined || url?.startsWith('/v2/') === true;
  const json = 'application/x-amz-json-1.0';
  if (batch !== null) return { status: 200, body: JSON.stringify(batch), type: json };
  const { name, status, message = SECRET } = answer;
  if (isJson) return { status, body: JSON.stringify({ __type: name, message: SECRET }), type: json };
  const error = `<Error><Type>Sender</Type><Code>${name}</Code><Message>${message}</Message></Error>`;
  const isS3 = headers['content-type'] !== 'application/x-www-form-urlencoded';
  return { status, body: isS3 ? error : `<ErrorResponse>${error}</ErrorResponse>`, type: 'text/xml' };
}

let watch: MemoryWatch;
let clock: MemoryClock;
beforeEach(() => {
  [watch, clock, batch, asked] = [new MemoryWatch(), new MemoryClock(0), null, 0];
});
const settings = (): AwsSettings => ({
  region: 'eu-central-1',
  endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
  credentials: { accessKeyId: 'AKID', secretAccessKey: 'the-key' },
  refusals: { watch, clock },
});

/** One call of each client, of a caller that swallows the error. */
const calls: Readonly<Record<Extract<keyof typeof clients, `${string}Client`>, () => Promise<unknown>>> = {
  s3Client: () => clients.s3Client(settings()).send(new GetObjectCommand({ Bucket: 'b', Key: 'k' })),
  s3ListClient: () => clients.s3ListClient(settings()).send(new DeleteObjectCommand({ Bucket: 'b', Key: 'k' })),
  dynamoClient: () => {
    const Key = { pk: { S: SECRET } };
    return clients.dynamoClient(settings()).send(new GetItemCommand({ TableName: 't', Key }));
  },
  sqsClient: () => {
    const Entries = [{ Id: '0', MessageBody: SECRET }];
    return clients.sqsClient(settings()).send(new SendMessageBatchCommand({ QueueUrl: 'http://q/1/q', Entries }));
  },
  secretsClient: () => clients.secretsClient(settings()).send(new GetSecretValueCommand({ SecretId: 'login' })),
  sesSendClient: () =>
    clients.sesSendClient(settings()).send(new SendEmailCommand({ Content: { Raw: { Data: Buffer.from(SECRET) } } })),
  sesAccountClient: () => clients.sesAccountClient(settings()).send(new GetAccountCommand()),
  sesSetUpClient: () => clients.sesSetUpClient(settings()).send(new DescribeActiveReceiptRuleSetCommand()),
  sesBounceClient: () =>
    clients.sesBounceClient(settings()).send(
      new SendBounceCommand({
        OriginalMessageId: 'm',
        BounceSender: 'a@b.example',
        BouncedRecipientInfoList: [{ Recipient: 'c@d.example' }],
      }),
    ),
};
type Name = keyof typeof calls;
const names = Object.keys(calls) as Name[];
const swallowed = (name: Name) => calls[name]().catch(() => null);

describe('a refused call of a caller that swallows the error', () => {
  it('is tried at each client that there is', () => {
    expect(names.toSorted()).toEqual(
      Object.keys(clients)
        .filter((name) => name.endsWith('Client'))
        .toSorted(),
    );
  });

  it.each(names)('counts once at %s, and nothing that the call was given or answered is logged', async (name) => {
    answer = { name: name.startsWith('s3') ? 'AccessDenied' : 'AccessDeniedException', status: 403 };
    await swallowed(name);
    expect(watch.total('CallsRefused')).toBe(1);
    const [line] = watch.logged('aws.refused');
    expect(line?.fields).toMatchObject({ name: answer.name });
    expect(line?.fields.operation).toMatch(
      /^(GetItem|GetObject|DeleteObject|Send\w+|GetSecretValue|GetAccount|Describe\w+)$/,
    );
    expect(JSON.stringify(watch.entries)).not.toContain(SECRET);
    expect(JSON.stringify(watch.entries)).not.toContain('the-key');
  });

  it.each([
    ['s3Client', 'KMS.DisabledException', 400, 1],
    ['s3ListClient', 'SlowDown', 503, 1],
    ['s3ListClient', 'ServiceUnavailable', 503, 0],
    ['s3Client', 'NoSuchKey', 404, 0],
    ['s3Client', 'MethodNotAllowed', 405, 0],
    ['s3Client', 'InvalidRange', 416, 0],
    ['dynamoClient', 'ConditionalCheckFailedException', 400, 0],
    ['dynamoClient', 'TransactionCanceledException', 400, 0],
    ['dynamoClient', 'ResourceNotFoundException', 400, 1],
    ['dynamoClient', 'UnrecognizedClientException', 400, 1],
    ['dynamoClient', 'InternalServerError', 500, 0],
    ['sqsClient', 'QueueDoesNotExist', 400, 1],
    ['secretsClient', 'ResourceNotFoundException', 400, 1],
    ['secretsClient', 'DecryptionFailure', 400, 1],
    ['sesSendClient', 'MessageRejected', 400, 0],
    ['sesSendClient', 'TooManyRequestsException', 429, 0],
    ['sesBounceClient', 'MessageRejected', 400, 0],
  ] as const)('%s: %s (%i) counts %i times', async (name, error, status, times) => {
    answer = { name: error, status };
    await swallowed(name);
    expect(watch.total('CallsRefused')).toBe(times);
  });

  // The words of S3: its user guide, "Access denied message examples".
  const denied = (action: string) =>
    `User: arn:aws:sts::111122223333:assumed-role/R/s is not authorized to perform: ${action} on resource: "arn:aws:s3:::b" because no identity-based policy allows the ${action} action`;
  it.each([
    ['an object that is gone, which S3 tells by denying the list', 's3Client', denied('s3:ListBucket'), 0],
    ['a missing right to read', 's3Client', denied('s3:GetObject'), 1],
    ['a missing right to read versions', 's3Client', denied('s3:GetObjectVersion'), 1],
    ['a missing right to list, of a call that is no read', 's3ListClient', denied('s3:ListBucket'), 1],
    ['a denial without its action', 's3Client', 'Access Denied', 1],
  ] as const)('%s', async (_what, name, message, times) => {
    answer = { name: 'AccessDenied', status: 403, message };
    await swallowed(name);
    expect(watch.total('CallsRefused')).toBe(times);
  });

  it('that the SDK tries four times counts once', async () => {
    answer = { name: 'ThrottlingException', status: 400 };
    await swallowed('dynamoClient');
    expect([asked, watch.total('CallsRefused')]).toEqual([4, 1]);
  });

  it('counts where SQS answers 200 and refuses an entry', async () => {
    const entry = { Id: '0', Code: 'KmsAccessDenied', SenderFault: true, Message: SECRET };
    batch = { Successful: [], Failed: [entry] };
    await swallowed('sqsClient');
    expect(watch.total('CallsRefused')).toBe(1);
    expect(watch.logged('aws.refused')[0]?.fields).toEqual({
      ...{ service: 'SQS', operation: 'SendMessageBatch', resource: 'http://q/1/q', name: 'KmsAccessDenied' },
    });
    batch = { Successful: [], Failed: [{ ...entry, Code: 'InternalError', SenderFault: false }] };
    await swallowed('sqsClient');
    expect(watch.total('CallsRefused')).toBe(1);
  });

  it('is none where a secret was never rotated', async () => {
    answer = { name: 'ResourceNotFoundException', status: 400 };
    const command = new GetSecretValueCommand({ SecretId: 'login', VersionStage: 'AWSPREVIOUS' });
    await clients
      .secretsClient(settings())
      .send(command)
      .catch(() => null);
    expect(watch.total('CallsRefused')).toBe(0);
  });

  it('counts each time, and has a line once a minute', async () => {
    answer = { name: 'AccessDeniedException', status: 400 };
    const client = clients.dynamoClient(settings());
    const call = () => client.send(new GetItemCommand({ TableName: 't', Key: { pk: { S: 'a' } } })).catch(() => null);
    await call();
    clock.advance(59_999);
    await call();
    expect([watch.total('CallsRefused'), watch.logged('aws.refused').length]).toEqual([2, 1]);
    clock.advance(1);
    await call();
    expect([watch.total('CallsRefused'), watch.logged('aws.refused').length]).toEqual([3, 2]);
  });

  it('reaches its caller as it was', async () => {
    answer = { name: 'AccessDeniedException', status: 400 };
    await expect(calls.dynamoClient()).rejects.toMatchObject({ name: 'AccessDeniedException', message: SECRET });
  });
});

it('the clients of every function tell of it', () => {
  const folder = join(import.meta.dirname, '../../../../lambdas');
  const making = readdirSync(folder)
    .map((file) => readFileSync(join(folder, file), 'utf8'))
    .filter((text) => text.includes('awsSettings('));
  expect(making).toHaveLength(6);
  for (const text of making) expect(text).toContain('awsSettings({ watch, clock })');
});
