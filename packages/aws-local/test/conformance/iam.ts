// What the stack trusts IAM to do (aws-contracts §1.4, §1.5, §4), through the real SDK clients of S3 and SQS: a call
// without the permission is refused and says which one is missing. Against our emulator, another one, or AWS.

import { randomUUID } from 'node:crypto';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  PutObjectCommand,
  S3Client,
  type S3ClientConfig,
} from '@aws-sdk/client-s3';
import {
  DeleteMessageCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import { describe, expect, test } from 'vitest';

type Credentials = NonNullable<S3ClientConfig['credentials']>;
export type IamTarget = {
  readonly config: { readonly endpoint?: string; readonly region: string };
  readonly bucket: string;
  readonly queue: { readonly url: string; readonly arn: string };
  /** Credentials of a new role with these statements as its only identity policy. */
  role(statements: readonly object[]): Promise<Credentials>;
};

export function iamConformance(target: () => IamTarget): void {
  const s3As = async (...statements: object[]) =>
    new S3Client({ ...target().config, credentials: await target().role(statements), maxAttempts: 1 });
  const sqsAs = async (...statements: object[]) =>
    new SQSClient({ ...target().config, credentials: await target().role(statements), maxAttempts: 1 });
  const allow = (Action: string | string[], Resource: string | string[], more: object = {}) => ({
    Effect: 'Allow',
    Action,
    Resource,
    ...more,
  });
  const deny = (Action: string, Resource: string) => ({ Effect: 'Deny', Action, Resource });
  const objects = (rest: string) => `arn:aws:s3:::${target().bucket}/${rest}`;
  const send = (sqs: SQSClient) => sqs.send(new SendMessageCommand({ QueueUrl: target().queue.url, MessageBody: 'x' }));
  const put = (s3: S3Client, Key: string) => s3.send(new PutObjectCommand({ Bucket: target().bucket, Key, Body: 'x' }));
  const run = randomUUID();

  describe('SQS', () => {
    test('without a statement the call is refused, in the words that name the permission', async () => {
      const sqs = await sqsAs(allow('sqs:ReceiveMessage', '*'));
      const refusal = await send(sqs).catch((error: Error) => error);
      expect(refusal).toMatchObject({
        name: expect.stringMatching(/^AccessDenied/),
        $metadata: { httpStatusCode: 403 },
      });
      expect((refusal as Error).message).toMatch(
        /^User: arn:aws:sts::\d{12}:assumed-role\/\S+ is not authorized to perform: sqs:sendmessage on resource: arn:aws:sqs:\S+ because no identity-based policy allows the sqs:sendmessage action$/i,
      );
    });
    test('with it the call passes; a batch needs the same one', async () => {
      const sqs = await sqsAs(allow('sqs:SendMessage', target().queue.arn));
      await send(sqs);
      await sqs.send(
        new SendMessageBatchCommand({ QueueUrl: target().queue.url, Entries: [{ Id: 'a', MessageBody: 'x' }] }),
      );
      await expect(sqs.send(new ReceiveMessageCommand({ QueueUrl: target().queue.url }))).rejects.toMatchObject({
        name: expect.stringMatching(/^AccessDenied/),
      });
    });
    test('receiving does not include deleting', async () => {
      const sqs = await sqsAs(allow(['sqs:SendMessage', 'sqs:ReceiveMessage'], target().queue.arn));
      await send(sqs);
      const { Messages } = await sqs.send(
        new ReceiveMessageCommand({ QueueUrl: target().queue.url, WaitTimeSeconds: 2 }),
      );
      const drop = new DeleteMessageCommand({
        QueueUrl: target().queue.url,
        ReceiptHandle: Messages?.[0]?.ReceiptHandle,
      });
      await expect(sqs.send(drop)).rejects.toMatchObject({ name: expect.stringMatching(/^AccessDenied/) });
    });
    test('a statement for another queue does not count', async () => {
      const sqs = await sqsAs(allow('sqs:*', `${target().queue.arn}-other`));
      await expect(send(sqs)).rejects.toThrow(/not authorized/);
    });
    test('a deny beats an allow', async () => {
      const sqs = await sqsAs(allow('sqs:*', '*'), deny('sqs:Send*', target().queue.arn));
      await expect(send(sqs)).rejects.toThrow(/explicit deny/);
    });
    test('actions are compared without regard to case, resources with it', async () => {
      await send(await sqsAs(allow('SQS:sendmessage', '*')));
      await expect(send(await sqsAs(allow('sqs:SendMessage', target().queue.arn.toUpperCase())))).rejects.toThrow(
        /not authorized/,
      );
    });
  });

  describe('S3', () => {
    test('a prefix is a prefix', async () => {
      const s3 = await s3As(allow('s3:PutObject', objects(`${run}/in/*`)));
      await put(s3, `${run}/in/a`);
      await expect(put(s3, `${run}/out/a`)).rejects.toMatchObject({ name: 'AccessDenied' });
    });
    test('putting does not include getting, nor deleting', async () => {
      const s3 = await s3As(allow('s3:PutObject', objects('*')));
      await put(s3, `${run}/b`);
      const place = { Bucket: target().bucket, Key: `${run}/b` };
      await expect(s3.send(new GetObjectCommand(place))).rejects.toMatchObject({
        name: 'AccessDenied',
        $metadata: { httpStatusCode: 403 },
      });
      await expect(s3.send(new DeleteObjectCommand(place))).rejects.toMatchObject({ name: 'AccessDenied' });
    });
    test('NotAction and NotResource mean everything else', async () => {
      const s3 = await s3As({ Effect: 'Allow', NotAction: 's3:Delete*', NotResource: objects(`${run}/secret/*`) });
      await put(s3, `${run}/c`);
      await expect(put(s3, `${run}/secret/c`)).rejects.toMatchObject({ name: 'AccessDenied' });
      await expect(
        s3.send(new DeleteObjectCommand({ Bucket: target().bucket, Key: `${run}/c` })),
      ).rejects.toMatchObject({ name: 'AccessDenied' });
    });
    test('a condition that does not hold takes the statement away', async () => {
      const wrong = { Condition: { StringEquals: { 'aws:SourceAccount': '999999999999' } } };
      await expect(put(await s3As(allow('s3:PutObject', objects('*'), wrong)), `${run}/d`)).rejects.toMatchObject({
        name: 'AccessDenied',
      });
      const ifExists = { Condition: { StringEqualsIfExists: { 'aws:SourceAccount': '999999999999' } } };
      await put(await s3As(allow('s3:PutObject', objects('*'), ifExists)), `${run}/d`);
    });
  });

  test('an unknown key is no caller at all', async () => {
    const credentials = { accessKeyId: 'ASIAUNKNOWN000000000', secretAccessKey: 'x', sessionToken: 'y' };
    await expect(put(new S3Client({ ...target().config, credentials, maxAttempts: 1 }), 'x')).rejects.toMatchObject({
      name: 'InvalidAccessKeyId',
    });
    await expect(send(new SQSClient({ ...target().config, credentials, maxAttempts: 1 }))).rejects.toMatchObject({
      name: 'InvalidClientTokenId',
    });
  });
}
