// Whose bucket is meant is said with every S3 call: each client and each port, against an S3 whose bucket belongs to
// another account. And no S3 client is made anywhere without it.

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { ownedBy } from '#adapters/aws/bucket-owner.ts';
import { awsSettings, s3Client, s3ListClient } from '#adapters/aws/clients.ts';
import { S3Inventory } from '#adapters/aws/s3-inventory.ts';
import { S3Spool } from '#adapters/aws/s3-spool.ts';
import { s3SubmissionClient } from '#adapters/aws/s3-submission-client.ts';
import { S3SubmissionStore } from '#adapters/aws/s3-submission-store.ts';
import { type StartedEmulators, startEmulators } from '#aws-local/start-emulators.ts';

const Bucket = 'ours';
const body = Buffer.from('Subject: x\r\n\r\nHello\r\n');
const storable = () => ({
  bytes: body.length,
  sha256: createHash('sha256').update(body).digest('hex'),
  chunks: async function* () {
    yield body;
  },
});
const never = new AbortController().signal;
let aws: StartedEmulators;

beforeAll(async () => {
  aws = await startEmulators({ buckets: [{ name: Bucket, versioned: true }] });
  const client = new S3Client({ ...aws.clientConfig });
  await client.send(new PutObjectCommand({ Bucket, Key: 'in/one', Body: body }));
  client.destroy();
});
afterAll(() => aws.close());

const settings = (account: string) => ({
  region: aws.region,
  credentials: aws.credentials,
  endpoint: aws.endpoint,
  account,
});
const own = () => settings(aws.world.account);
const foreign = () => settings('999999999999');

describe('with our account', () => {
  test('everything works', async () => {
    const spool = new S3Spool(s3Client(own()), Bucket, { lister: s3ListClient(own()) });
    const opened = await spool.open('in/one', never);
    expect(opened.kind).toBe('opened');
    if (opened.kind === 'opened') opened.close();
    const { entries } = await new S3Inventory(s3ListClient(own()), Bucket).list(
      { prefix: 'in/', after: null, max: 10 },
      never,
    );
    expect(entries.map(({ objectKey }) => objectKey)).toEqual(['in/one']);
    const store = new S3SubmissionStore(s3SubmissionClient(own()), Bucket);
    expect(await store.put('out/app/own.eml', storable(), never)).toEqual({ kind: 'stored' });
  });
});

describe('where the bucket is of another account, S3 answers 403', () => {
  test('to a read, and to the search under a delete marker', async () => {
    const spool = new S3Spool(s3Client(foreign()), Bucket, { lister: s3ListClient(foreign()) });
    expect(await spool.open('in/one', never)).toMatchObject({ kind: 'unreadable', cause: 'denied' });
    expect(await spool.head('in/one', 100, never)).toMatchObject({ kind: 'unreadable', cause: 'denied' });
  });
  test('to a list, and to a removal, which removes nothing', async () => {
    const inventory = new S3Inventory(s3ListClient(foreign()), Bucket);
    const denied = { $metadata: { httpStatusCode: 403 } };
    await expect(inventory.list({ prefix: 'in/', after: null, max: 10 }, never)).rejects.toMatchObject(denied);
    await expect(inventory.remove('in/one', never)).rejects.toMatchObject(denied);
    const left = await new S3Inventory(s3ListClient(own()), Bucket).list(
      { prefix: 'in/', after: null, max: 10 },
      never,
    );
    expect(left.entries).toHaveLength(1);
  });
  test('to a submission, of which nothing is stored', async () => {
    const store = new S3SubmissionStore(s3SubmissionClient(foreign()), Bucket);
    expect(await store.put('out/app/foreign.eml', storable(), never)).toMatchObject({
      kind: 'failed',
      cause: 'denied',
    });
    const { entries } = await new S3Inventory(s3ListClient(own()), Bucket).list(
      { prefix: 'out/app/foreign', after: null, max: 10 },
      never,
    );
    expect(entries).toEqual([]);
  });
});

test("without a word of it, the account of the caller's credentials is meant, where they know it", async () => {
  const credentials = { ...aws.credentials, accountId: '999999999999' };
  const client = ownedBy(new S3Client({ ...aws.clientConfig, credentials }), null);
  await expect(client.send(new PutObjectCommand({ Bucket, Key: 'in/two', Body: body }))).rejects.toMatchObject({
    $metadata: { httpStatusCode: 403 },
  });
  client.destroy();
});

test('a function takes its account from the environment', () => {
  const env = { AWS_REGION: 'eu-west-1', AWS_ACCESS_KEY_ID: 'a', AWS_SECRET_ACCESS_KEY: 'b' };
  expect(awsSettings(null, { ...env, EVERPOST_ACCOUNT: '111122223333' }).account).toBe('111122223333');
});

test('no S3 client is made without it', () => {
  const repository = join(import.meta.dirname, '../..');
  const makers = ['src', 'lambdas', 'packages/aws-local/src'].flatMap((folder) =>
    readdirSync(join(repository, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => readFileSync(join(repository, folder, name), 'utf8')),
  );
  const made = makers.flatMap((text) => text.match(/new S3Client\(/g) ?? []).length;
  const owned = makers.flatMap((text) => text.match(/(?<!function )ownedBy\(/g) ?? []).length;
  expect(made).toBeGreaterThan(3);
  expect(owned).toBe(made);
});
