// The package's door, as somebody else's test uses it: everything by the SDK's clients and what `startAws` returns.

import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DescribeLimitsCommand, DynamoDBClient, GetItemCommand, PutItemCommand } from '@aws-sdk/client-dynamodb';
import {
  CopyObjectCommand,
  CreateMultipartUploadCommand,
  GetBucketLocationCommand,
  GetObjectCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { GetSecretValueCommand, ListSecretsCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { ListSuppressedDestinationsCommand, SESv2Client, SendEmailCommand } from '@aws-sdk/client-sesv2';
import { CreateQueueCommand, ReceiveMessageCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterEach, expect, test, vi } from 'vitest';
import { type AwsLocal, type StartOptions, startAws } from '../src/start-aws.ts';
import { sendMail } from './conformance/ses-receive.ts';

const ending: (() => unknown)[] = [];
afterEach(async () => {
  for (const end of ending.splice(0).reverse()) await end();
});
async function started(options: StartOptions): Promise<AwsLocal> {
  const aws = await startAws(options);
  ending.push(aws.close);
  return aws;
}
function folder(): string {
  const path = mkdtempSync(join(tmpdir(), 'start-aws-'));
  ending.push(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
const s3Of = (aws: AwsLocal, credentials = aws.credentials) =>
  new S3Client({ ...aws.clientConfig, credentials, forcePathStyle: true });
const bodiesIn = async (aws: AwsLocal, queue: string): Promise<(string | undefined)[]> => {
  const command = new ReceiveMessageCommand({ QueueUrl: aws.queueUrl(queue), MaxNumberOfMessages: 10 });
  const { Messages = [] } = await new SQSClient(aws.clientConfig).send(command);
  return Messages.map(({ Body }) => Body);
};

test('what it is told to make is there: bucket, queue, table, secret', async () => {
  const aws = await started({
    buckets: ['mail'],
    queues: ['jobs'],
    secrets: { login: { username: 'u', password: 'p' } },
    tables: [
      {
        TableName: 'rows',
        BillingMode: 'PAY_PER_REQUEST',
        KeySchema: [{ AttributeName: 'id', KeyType: 'HASH' }],
        AttributeDefinitions: [{ AttributeName: 'id', AttributeType: 'S' }],
      },
    ],
  });
  await s3Of(aws).send(new PutObjectCommand({ Bucket: 'mail', Key: 'a', Body: 'hello' }));
  const { Body } = await s3Of(aws).send(new GetObjectCommand({ Bucket: 'mail', Key: 'a' }));
  expect(await Body?.transformToString()).toBe('hello');
  await new SQSClient(aws.clientConfig).send(
    new SendMessageCommand({ QueueUrl: aws.queueUrl('jobs'), MessageBody: 'job' }),
  );
  expect(await bodiesIn(aws, 'jobs')).toEqual(['job']);
  const rows = new DynamoDBClient(aws.clientConfig);
  const Item = { id: { S: 'one' }, n: { N: '1' } };
  await rows.send(new PutItemCommand({ TableName: 'rows', Item }));
  expect(await rows.send(new GetItemCommand({ TableName: 'rows', Key: { id: { S: 'one' } } }))).toMatchObject({ Item });
  const secret = await new SecretsManagerClient(aws.clientConfig).send(
    new GetSecretValueCommand({ SecretId: 'login' }),
  );
  expect(JSON.parse(secret.SecretString ?? '')).toEqual({ username: 'u', password: 'p' });
});

test('a role may do what its policy says, a fault strikes as often as it says, and time moves when it is told to', async () => {
  const aws = await started({ buckets: ['mail'], queues: [{ name: 'jobs', delaySeconds: 900 }] });
  const reader = s3Of(
    aws,
    aws.role('reader', [{ Effect: 'Allow', Action: 's3:GetObject', Resource: 'arn:aws:s3:::mail/*' }]),
  );
  const put = new PutObjectCommand({ Bucket: 'mail', Key: 'a', Body: 'hello' });
  await expect(reader.send(put)).rejects.toMatchObject({ name: 'AccessDenied' });
  expect(aws.iam.denials()).toMatchObject([{ action: 's3:PutObject', resource: 'arn:aws:s3:::mail/a' }]);
  aws.faults.add({ service: 's3', operation: 'PutObject', effect: 'throttle', times: 1 });
  await expect(s3Of(aws).send(put)).rejects.toMatchObject({ name: 'SlowDown' });
  await s3Of(aws).send(put);
  await new SQSClient(aws.clientConfig).send(
    new SendMessageCommand({ QueueUrl: aws.queueUrl('jobs'), MessageBody: 'later' }),
  );
  expect(await bodiesIn(aws, 'jobs')).toEqual([]);
  await aws.clock.advance(900_000);
  expect(await bodiesIn(aws, 'jobs')).toEqual(['later']);
});

test('SES receives by SMTP into a bucket, and what it sends lies in a folder', async () => {
  const aws = await started({
    buckets: [{ name: 'mail', policy: mayPut('ses.amazonaws.com', 'mail') }],
    mail: { domains: ['example.com'] },
  });
  aws.ses.rules.createRuleSet({ RuleSetName: 'inbound' });
  await aws.ses.rules.createRule({
    RuleSetName: 'inbound',
    Rule: { Name: 'all', Enabled: true, Actions: [{ S3Action: { BucketName: 'mail', ObjectKeyPrefix: 'in/' } }] },
  });
  aws.ses.rules.setActive('inbound');
  const content = Buffer.from('Subject: s\r\n\r\nhello\r\n');
  const smtp = { host: '127.0.0.1', port: aws.smtpPort ?? 0 };
  const accepted = await sendMail(smtp, { from: 'a@src.example', to: ['b@example.com'], content });
  expect(accepted.at(-1)).toMatch(/^250 /);
  const refused = await sendMail(smtp, { from: 'a@src.example', to: ['b@other.example'], content });
  expect(refused.join()).toMatch(/\b550 /);
  await aws.clock.advance(0);
  const root = { principal: { kind: 'root' } } as const;
  const kept = (await aws.s3.list(root, 'mail', 'in/')).filter(
    ({ key }) => !key.endsWith('AMAZON_SES_SETUP_NOTIFICATION'),
  );
  expect(kept).toHaveLength(1);
  expect((await aws.s3.read(root, 'mail', kept[0]?.key ?? '')).subarray(-content.length)).toEqual(content);
  await new SESv2Client(aws.clientConfig).send(
    new SendEmailCommand({
      FromEmailAddress: 'a@example.com',
      Destination: { ToAddresses: ['far@far.example'] },
      Content: { Raw: { Data: Buffer.from('From: a@example.com\r\n\r\nhello\r\n') } },
    }),
  );
  await aws.clock.advance(0);
  expect(readdirSync(join(aws.folder, 'ses-out', 'far@far.example', 'new'))).toHaveLength(1);
});

test('a synthesised stack runs: a function gets what comes into its queue', async () => {
  const lines: string[] = [];
  const assembly = assemblyOf(folder(), {
    Role: {
      Type: 'AWS::IAM::Role',
      Properties: { AssumeRolePolicyDocument: {}, Policies: [{ PolicyDocument: mayReceive }] },
    },
    Jobs: { Type: 'AWS::SQS::Queue', Properties: { QueueName: 'jobs', VisibilityTimeout: 60 } },
    Worker: {
      Type: 'AWS::Lambda::Function',
      Properties: {
        Code: { S3Bucket: 'assets', S3Key: 'worker.zip' },
        Handler: 'index.handler',
        Role: { 'Fn::GetAtt': ['Role', 'Arn'] },
        Runtime: 'nodejs24.x',
      },
    },
    Mapping: {
      Type: 'AWS::Lambda::EventSourceMapping',
      Properties: { EventSourceArn: { 'Fn::GetAtt': ['Jobs', 'Arn'] }, FunctionName: { Ref: 'Worker' }, BatchSize: 1 },
    },
  });
  const aws = await started({ assembly, log: (line) => lines.push(line) });
  expect(aws.stack?.created.get('Jobs')?.attributes.QueueName).toBe('jobs');
  await new SQSClient(aws.clientConfig).send(
    new SendMessageCommand({ QueueUrl: aws.queueUrl('jobs'), MessageBody: 'to work' }),
  );
  await expect.poll(() => lines.join('\n'), { timeout: 10_000 }).toContain('worked off: to work');
});

test('what is not emulated is refused by name', async () => {
  const aws = await started({ buckets: ['mail'] });
  const s3 = s3Of(aws);
  const asked: [what: string, call: () => Promise<unknown>][] = [
    ['location', () => s3.send(new GetBucketLocationCommand({ Bucket: 'mail' }))],
    ['x-amz-copy-source', () => s3.send(new CopyObjectCommand({ Bucket: 'mail', Key: 'b', CopySource: 'mail/a' }))],
    ['uploads', () => s3.send(new CreateMultipartUploadCommand({ Bucket: 'mail', Key: 'a' }))],
    ['CreateQueue', () => new SQSClient(aws.clientConfig).send(new CreateQueueCommand({ QueueName: 'q' }))],
    ['DescribeLimits', () => new DynamoDBClient(aws.clientConfig).send(new DescribeLimitsCommand())],
    ['ListSecrets', () => new SecretsManagerClient(aws.clientConfig).send(new ListSecretsCommand())],
    ['/v2/email/suppression', () => new SESv2Client(aws.clientConfig).send(new ListSuppressedDestinationsCommand())],
  ];
  for (const [what, call] of asked)
    await expect(call(), what).rejects.toMatchObject({
      name: 'NotImplemented',
      message: expect.stringContaining(what),
    });
  await expect(startAws({ queues: ['a.fifo'] })).rejects.toThrow('a.fifo: FIFO queues are not emulated');
});

test('a resource that is not emulated is named', async () => {
  const assembly = assemblyOf(folder(), { Api: { Type: 'AWS::ApiGateway::RestApi' } });
  await expect(startAws({ assembly })).rejects.toThrow(
    'Api: the resource type AWS::ApiGateway::RestApi is not emulated',
  );
});

test('a data folder of one’s own is taken up again; a temporary one goes, also where the start fails', async () => {
  const dataFolder = folder();
  const first = await startAws({ queues: ['jobs'], dataFolder });
  await new SQSClient(first.clientConfig).send(
    new SendMessageCommand({ QueueUrl: first.queueUrl('jobs'), MessageBody: 'kept' }),
  );
  await first.close();
  const second = await started({ queues: ['jobs'], dataFolder });
  expect(await bodiesIn(second, 'jobs')).toEqual(['kept']);
  const temporary = await startAws();
  await temporary.close();
  expect(existsSync(temporary.folder)).toBe(false);
  const port = Number(new URL(second.endpoint).port);
  vi.stubEnv('TMPDIR', folder());
  ending.push(() => vi.unstubAllEnvs());
  await expect(startAws({ port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
  expect(readdirSync(tmpdir())).toEqual([]);
});

const mayPut = (service: string, bucket: string) => ({
  Version: '2012-10-17',
  Statement: [
    { Effect: 'Allow', Principal: { Service: service }, Action: 's3:PutObject', Resource: `arn:aws:s3:::${bucket}/*` },
  ],
});
const mayReceive = {
  Version: '2012-10-17',
  Statement: [
    { Effect: 'Allow', Action: ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes'], Resource: '*' },
  ],
};

/** A cloud assembly as `cdk synth` writes it, with one function in it. */
function assemblyOf(at: string, resources: object): string {
  const json = (name: string, content: unknown) => writeFileSync(join(at, name), JSON.stringify(content));
  json('manifest.json', {
    artifacts: { App: { type: 'aws:cloudformation:stack', properties: { templateFile: 'App.template.json' } } },
  });
  json('App.template.json', { Resources: resources });
  json('App.assets.json', {
    files: { worker: { source: { path: 'worker' }, destinations: { here: { objectKey: 'worker.zip' } } } },
  });
  mkdirSync(join(at, 'worker'));
  writeFileSync(
    join(at, 'worker', 'index.cjs'),
    "exports.handler = async ({ Records }) => { for (const { body } of Records) console.log('worked off: ' + body); };",
  );
  return at;
}
