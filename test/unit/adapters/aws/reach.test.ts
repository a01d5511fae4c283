// What a function in a VPC says of a service that it cannot connect to. The clients are the product's own; the endpoint
// is a port of this machine that takes no connection more, so that connecting hangs as it does without a way.

import { GetItemCommand } from '@aws-sdk/client-dynamodb';
import { GetObjectCommand } from '@aws-sdk/client-s3';
import { GetSecretValueCommand } from '@aws-sdk/client-secrets-manager';
import { SendEmailCommand } from '@aws-sdk/client-sesv2';
import { SendMessageCommand } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { dynamoClient, s3Client, secretsClient, sesSendClient, sqsClient } from '#adapters/aws/clients.ts';
import { type AwsService, Reach, wayOutOf, whatLeadsTo } from '#adapters/aws/reach.ts';
import { resultOfFailure } from '#adapters/aws/ses-errors.ts';
import { MemoryClock } from '#adapters/memory/clock.ts';
import { MemoryWatch } from '#adapters/memory/watch.ts';
import { isNoConnection, OutOfReach } from '#adapters/out-of-reach.ts';
import type { Network } from '#config/settings.ts';
import { deafServer } from '#test/kit/deaf-server.ts';

const network: Network = {
  vpc: { id: 'vpc-1', subnets: ['subnet-1', 'subnet-2'], securityGroups: ['sg-1'] },
  create: null,
  port25: 'private',
};
const made: Network = { vpc: null, create: { zones: 1 }, port25: 'private' };
const region = 'eu-central-1';

let endpoint = '';
let close = (): void => {};
beforeAll(async () => {
  const server = await deafServer();
  endpoint = `http://127.0.0.1:${server.port}`;
  close = server.close;
});
afterAll(() => close());

const settings = () => ({ region, endpoint, credentials: { accessKeyId: 'a', secretAccessKey: 'b' } });
const failed = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => null,
    (error: unknown) => error,
  );

describe('a client in a VPC that leads nowhere', () => {
  test('names its service, its endpoint and what is missing', async () => {
    const [watch, clock] = [new MemoryWatch(), new MemoryClock(0)];
    const reach = new Reach({ network, region }, { watch, clock });
    const [dynamo, s3, sqs] = [dynamoClient(settings()), s3Client(settings()), sqsClient(settings())];
    const [secrets, ses] = [secretsClient(settings()), sesSendClient(settings())];
    const errors = await Promise.all([
      failed(reach.of('dynamodb', dynamo).send(new GetItemCommand({ TableName: 't', Key: { pk: { S: 'a' } } }))),
      failed(reach.of('s3', s3).send(new GetObjectCommand({ Bucket: 'b', Key: 'k' }))),
      failed(reach.of('sqs', sqs).send(new SendMessageCommand({ QueueUrl: `${endpoint}/1/q`, MessageBody: 'm' }))),
      failed(reach.of('secretsmanager', secrets).send(new GetSecretValueCommand({ SecretId: 's' }))),
      failed(reach.of('email', ses).send(new SendEmailCommand({ Content: { Raw: { Data: Buffer.from('m') } } }))),
    ]);
    const names = ['dynamodb', 's3', 'sqs', 'secretsmanager', 'email'] as const;
    expect(errors.map((error) => error instanceof OutOfReach && error.message)).toEqual(
      names.map((service) => whatLeadsTo(service, { network, region })),
    );
    expect(watch.total('ServiceUnreachable')).toBe(5);
    for (const client of [dynamo, s3, sqs, secrets, ses]) client.destroy();
  }, 60_000);

  test('says it once a minute in the log and to the alarm, and in every error', async () => {
    const [watch, clock] = [new MemoryWatch(), new MemoryClock(0)];
    const reach = new Reach({ network: made, region }, { watch, clock });
    const ses = reach.of('email', sesSendClient(settings()));
    const send = () => failed(ses.send(new SendEmailCommand({ Content: { Raw: { Data: Buffer.from('m') } } })));
    const [first, second] = [await send(), await send()];
    expect(watch.total('ServiceUnreachable')).toBe(1);
    for (const error of [first, second]) expect(error).toBeInstanceOf(OutOfReach);
    clock.advance(60_000);
    await send();
    expect(watch.total('ServiceUnreachable')).toBe(2);
    ses.destroy();
  }, 60_000);

  test('has sent nothing, so that nothing may be a duplicate', async () => {
    const error = new OutOfReach('SES cannot be reached', { name: 'TimeoutError' });
    expect(resultOfFailure(error, 'ses', new AbortController().signal)).toMatchObject({
      kind: 'network',
      phase: 'connect',
      fault: 'timeout',
      detail: 'ETIMEDOUT: SES cannot be reached',
    });
  });
});

test.each<[AwsService, Network, string]>([
  [
    'secretsmanager',
    network,
    'Secrets Manager cannot be reached from vpc-1: its subnets subnet-1, subnet-2 need a NAT gateway, or the interface endpoint com.amazonaws.eu-central-1.secretsmanager, and its security groups let it out on port 443 (docs/network.md)',
  ],
  [
    'dynamodb',
    { ...network, vpc: { id: 'vpc-1', subnets: ['subnet-1'], securityGroups: null } },
    'DynamoDB cannot be reached from vpc-1: its subnets subnet-1 need a NAT gateway, or the gateway endpoint com.amazonaws.eu-central-1.dynamodb (docs/network.md)',
  ],
  [
    'email',
    made,
    'SES cannot be reached from the VPC of this stack: see that its NAT gateway, its routes and its endpoints are as the template has them (docs/network.md)',
  ],
])('what leads to %s', (service, given, words) => {
  expect(whatLeadsTo(service, { network: given, region })).toBe(words);
});

test.each([
  [network, 'from vpc-1 a NAT gateway alone leads to it (docs/network.md)'],
  [
    made,
    'see that the NAT gateway and the routes of the VPC of this stack are as the template has them (docs/network.md)',
  ],
])('what leads out', (given, words) => {
  expect(wayOutOf(given)).toBe(words);
});

describe('no connection', () => {
  const timeout = (message: string) => Object.assign(new Error(message), { name: 'TimeoutError' });
  test.each<[string, unknown, boolean]>([
    ["the SDK's own time-out", timeout('the request socket did not establish a connection with the server'), true],
    ["the content reader's", timeout('no connection within 1500 ms'), true],
    ['a name without an address', Object.assign(new Error('x'), { code: 'ENOTFOUND' }), true],
    ['no route', Object.assign(new Error('x'), { code: 'ENETUNREACH' }), true],
    ['an answer that is late', timeout('no answer within 10000 ms'), false],
    [
      'a connection that broke off',
      Object.assign(new Error('the connection broke off'), { code: 'ECONNRESET' }),
      false,
    ],
    ['a refusal', Object.assign(new Error('x'), { code: 'ECONNREFUSED' }), false],
    ['an error of the service', Object.assign(new Error('no'), { name: 'AccessDeniedException' }), false],
    ['nothing', null, false],
  ])('%s: %s', (_, error, expected) => {
    expect(isNoConnection(error)).toBe(expected);
  });
});
