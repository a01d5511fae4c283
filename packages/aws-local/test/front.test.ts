// The one endpoint: who is let in, to which service, and what happens to everything else; and S3's edges that no SDK
// client would reach: broken bodies, unknown subresources, uploads that end half way.

import { readdirSync, writeFileSync } from 'node:fs';
import { request as httpRequest } from 'node:http';
import { connect } from 'node:net';
import path from 'node:path';
import { GetObjectCommand, PutObjectCommand, PutObjectTaggingCommand, S3Client } from '@aws-sdk/client-s3';
import { SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type StartedEmulators, startEmulators } from '../src/start-emulators.ts';
import type { Caller, HttpCall } from '../src/world.ts';

let aws: StartedEmulators;
let s3: S3Client;
beforeAll(async () => {
  aws = await startEmulators({ buckets: ['plain', { name: 'spool', versioned: true }], queues: ['relay'] });
  s3 = new S3Client(aws.clientConfig);
});
afterAll(() => aws.close());

const signed = (service: string, more: Record<string, string> = {}) => ({
  authorization: `AWS4-HMAC-SHA256 Credential=${aws.credentials.accessKeyId}/20260101/eu-west-1/${service}/aws4_request, SignedHeaders=host, Signature=0`,
  'x-amz-security-token': aws.credentials.sessionToken,
  ...more,
});
const ask = async (pathAndQuery: string, init: RequestInit = {}) => {
  const response = await fetch(aws.endpoint + pathAndQuery, { headers: signed('s3'), ...init });
  return { status: response.status, text: await response.text(), headers: response.headers };
};

describe('who may enter', () => {
  test('nobody without a signature', async () => {
    expect(await ask('/plain/x', { headers: {} })).toMatchObject({
      status: 403,
      text: expect.stringContaining('MissingAuthenticationToken'),
    });
  });
  test('no key that was taken back, and none with another session token', async () => {
    const key = aws.keys.issue({ kind: 'root' });
    const send = (credentials: typeof key) =>
      new SQSClient({ ...aws.clientConfig, credentials }).send(
        new SendMessageCommand({ QueueUrl: aws.queueUrl('relay'), MessageBody: 'x' }),
      );
    await send(key);
    await expect(send({ ...key, sessionToken: 'other' })).rejects.toMatchObject({ name: 'InvalidClientTokenId' });
    aws.keys.revoke(key.accessKeyId);
    await expect(send(key)).rejects.toMatchObject({ name: 'InvalidClientTokenId' });
  });
  test('no page that reaches us under a name of its own', async () => {
    const status = await new Promise<number>((resolve, reject) => {
      const { port } = new URL(aws.endpoint);
      const request = httpRequest({
        host: '127.0.0.1',
        port,
        path: '/plain/x',
        headers: { ...signed('s3'), host: `rebound.example:${port}` },
      });
      request
        .on('response', (response) => resolve(response.statusCode ?? 0))
        .on('error', reject)
        .end();
    });
    expect(status).toBe(403);
  });
  test('a presigned address carries its key in the query', async () => {
    await s3.send(new PutObjectCommand({ Bucket: 'plain', Key: 'linked', Body: 'by link' }));
    const query = new URLSearchParams({
      'X-Amz-Algorithm': 'AWS4-HMAC-SHA256',
      'X-Amz-Credential': `${aws.credentials.accessKeyId}/20260101/eu-west-1/s3/aws4_request`,
      'X-Amz-Security-Token': aws.credentials.sessionToken,
      'X-Amz-Expires': '900',
    });
    expect(await ask(`/plain/linked?${query}`, { headers: {} })).toMatchObject({ status: 200, text: 'by link' });
  });
});

describe('where a request goes', () => {
  test('to the service in its signature; one that is not emulated is 501 by name', async () => {
    expect(await ask('/', { headers: signed('kinesis') })).toMatchObject({
      status: 501,
      text: expect.stringContaining('kinesis'),
    });
  });
  test('to a further service, and to a further route', async () => {
    aws.front.add({
      name: 'lambda',
      async serve(call: HttpCall) {
        call.response.end(`lambda for ${call.principal.kind}`);
      },
      fail() {},
    });
    aws.front.addRoute((_request, response, url) => {
      if (url.pathname !== '/health') return false;
      response.end('well');
      return true;
    });
    expect((await ask('/x', { headers: signed('lambda') })).text).toBe('lambda for root');
    expect((await ask('/health', { headers: {} })).text).toBe('well');
  });
  test('a bug in a service is a 500 and a line, not a hung client', async () => {
    aws.front.add({
      name: 'cloudwatch',
      async serve() {
        throw new TypeError('a bug');
      },
      fail(call, error) {
        call.response.writeHead(error.statusCode).end(error.code);
      },
    });
    expect(await ask('/', { headers: signed('monitoring') })).toMatchObject({ status: 500, text: 'InternalError' });
    expect(aws.lines.join()).toContain('a bug');
  });
});

describe('S3 answers 501 by name to what it does not do', () => {
  test.each([
    ['PUT', '/plain/key?tagging', 'tagging'],
    ['PUT', '/plain/key?uploadId=1&partNumber=1', 'uploadId'],
    ['POST', '/plain/key?uploads', 'uploads'],
    ['POST', '/plain?delete', 'delete'],
    ['GET', '/plain?versioning', 'versioning'],
    ['PUT', '/plain?policy', 'policy'],
    ['GET', '/plain', 'GET on a bucket'],
    ['PUT', '/', 'PUT on the service'],
    ['GET', '/plain/key?acl', 'acl'],
    ['GET', '/plain?list-type=2&unheard-of=1', 'unheard-of'],
  ])('%s %s', async (method, address, word) => {
    const { status, text } = await ask(address, { method });
    expect([status, text]).toEqual([501, expect.stringContaining('NotImplemented')]);
    expect(text).toContain(word);
  });
  test.each(['x-amz-copy-source', 'x-amz-tagging', 'x-amz-acl', 'x-amz-object-lock-mode', 'x-amz-grant-read'])(
    'PUT with %s',
    async (field) => {
      expect(
        await ask('/plain/key', { method: 'PUT', body: 'x', headers: signed('s3', { [field]: 'value' }) }),
      ).toMatchObject({ status: 501, text: expect.stringContaining(field) });
    },
  );
  test('and tagging an object never touches its content', async () => {
    await s3.send(new PutObjectCommand({ Bucket: 'plain', Key: 'tagged', Body: 'content' }));
    const tag = new PutObjectTaggingCommand({
      Bucket: 'plain',
      Key: 'tagged',
      Tagging: { TagSet: [{ Key: 'a', Value: 'b' }] },
    });
    await expect(s3.send(tag)).rejects.toMatchObject({ name: 'NotImplemented' });
    expect((await ask('/plain/tagged')).text).toBe('content');
  });
});

describe('S3 bodies', () => {
  const chunked = (body: string, more: Record<string, string> = {}) =>
    ask('/plain/chunked', {
      method: 'PUT',
      body,
      headers: signed('s3', {
        'x-amz-content-sha256': 'STREAMING-UNSIGNED-PAYLOAD-TRAILER',
        'content-encoding': 'aws-chunked',
        ...more,
      }),
    });

  test('aws-chunked with a trailer', async () => {
    const fields = { 'x-amz-decoded-content-length': '9', 'x-amz-trailer': 'x-amz-checksum-crc32' };
    const good = '4\r\n1234\r\n5;chunk-signature=0\r\n56789\r\n0\r\nx-amz-checksum-crc32:y/Q5Jg==\r\n\r\n';
    expect((await chunked(good, fields)).status).toBe(200);
    expect((await ask('/plain/chunked')).text).toBe('123456789');
    expect((await ask('/plain/chunked')).headers.get('content-encoding')).toBeNull();
    for (const [body, code] of [
      [good.replace('y/Q5Jg==', 'AAAAAA=='), 'BadDigest'],
      [good.replace(/x-amz.*==\r\n/, ''), 'MalformedTrailerError'],
      [good.replace('5;', '6;'), 'IncompleteBody'],
      [good.slice(0, 12), 'IncompleteBody'],
      ['zz\r\n', 'IncompleteBody'],
    ] as const) {
      expect(await chunked(body, fields), body).toMatchObject({ status: 400, text: expect.stringContaining(code) });
    }
    expect(await chunked(good, { ...fields, 'x-amz-decoded-content-length': '8' })).toMatchObject({
      text: expect.stringContaining('IncompleteBody'),
    });
    expect((await ask('/plain/chunked')).text).toBe('123456789');
  });
  test('a body hash in the signature is compared', async () => {
    const put = ask('/plain/hashed', {
      method: 'PUT',
      body: 'x',
      headers: signed('s3', { 'x-amz-content-sha256': '0'.repeat(64) }),
    });
    expect(await put).toMatchObject({ status: 400, text: expect.stringContaining('XAmzContentSHA256Mismatch') });
  });
  test('an upload that breaks off leaves no object and no file', async () => {
    const objects = () =>
      readdirSync(path.join(aws.folder, 's3', 'objects')).length +
      readdirSync(path.join(aws.folder, 's3', 'staging')).length;
    const before = objects();
    const socket = connect(Number(new URL(aws.endpoint).port), '127.0.0.1');
    const head = Object.entries(signed('s3', { host: '127.0.0.1', 'content-length': '1000000' })).map(
      ([name, value]) => `${name}: ${value}`,
    );
    socket.write(`PUT /plain/broken HTTP/1.1\r\n${head.join('\r\n')}\r\n\r\n${'x'.repeat(500_000)}`);
    await new Promise((resume) => setTimeout(resume, 200));
    socket.destroy();
    await expect.poll(objects).toBe(before);
    expect((await ask('/plain/broken')).status).toBe(404);
  });
  test('who reads while the object is replaced gets the one or the other, whole', async () => {
    const bodies = [Buffer.alloc(3_000_000, 'a'), Buffer.alloc(3_000_000, 'b')] as const;
    const put = (i: number) => s3.send(new PutObjectCommand({ Bucket: 'plain', Key: 'swap', Body: bodies[i % 2] }));
    await put(0);
    const reads = Array.from({ length: 12 }, async (_, i) => {
      if (i % 3 === 0) await put(i);
      const got = await s3.send(new GetObjectCommand({ Bucket: 'plain', Key: 'swap' }));
      return Buffer.from((await got.Body?.transformToByteArray()) ?? []);
    });
    for (const read of await Promise.all(reads)) expect(bodies.some((body) => body.equals(read))).toBe(true);
  });
});

describe('S3 from inside', () => {
  const account = { 'aws:sourceaccount': '000000000000' };
  const ses: Caller = { principal: { kind: 'service', name: 'ses.amazonaws.com' }, context: account };
  const staged = (text: string) => {
    const file = aws.s3.newStagingPath();
    writeFileSync(file, text);
    return file;
  };
  test('a service needs the bucket policy, with its condition', async () => {
    const Statement = [
      {
        Effect: 'Allow',
        Principal: { Service: 'ses.amazonaws.com' },
        Action: 's3:PutObject',
        Resource: 'arn:aws:s3:::inbound/in/*',
        Condition: { StringEquals: { 'AWS:SourceAccount': '000000000000' } },
      },
    ];
    aws.s3.buckets.create('inbound', { versioned: true, policy: { Version: '2012-10-17', Statement } });
    const { versionId } = await aws.s3.deposit(ses, 'inbound', 'in/1', staged('a message'));
    const got = await s3.send(new GetObjectCommand({ Bucket: 'inbound', Key: 'in/1', ChecksumMode: 'ENABLED' }));
    expect([await got.Body?.transformToString(), got.VersionId]).toEqual(['a message', versionId]);
    expect(got.ChecksumCRC64NVME).toBeTruthy(); // S3 computes it by itself
    await expect(aws.s3.deposit(ses, 'inbound', 'elsewhere/1', staged('x'))).rejects.toMatchObject({
      code: 'AccessDenied',
    });
    const stranger = { ...ses, context: { 'aws:sourceaccount': '999999999999' } };
    await expect(aws.s3.deposit(stranger, 'inbound', 'in/2', staged('x'))).rejects.toMatchObject({
      code: 'AccessDenied',
    });
    expect(aws.iam.denials().at(-1)).toEqual({
      principal: 'ses.amazonaws.com',
      action: 's3:PutObject',
      resource: 'arn:aws:s3:::inbound/in/2',
    });
  });
  test('listing and reading pass the gate too', async () => {
    const root: Caller = { principal: { kind: 'root' } };
    await s3.send(new PutObjectCommand({ Bucket: 'spool', Key: 'in/a', Body: 'first' }));
    expect(await aws.s3.list(root, 'spool', 'in/')).toMatchObject([{ key: 'in/a', size: 5 }]);
    expect((await aws.s3.read(root, 'spool', 'in/a')).toString()).toBe('first');
    await expect(aws.s3.read(ses, 'spool', 'in/a')).rejects.toMatchObject({ code: 'AccessDenied' });
  });
});
