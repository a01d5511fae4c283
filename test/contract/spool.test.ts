// The spool's contract, run by MemorySpool, and by S3Spool on a plain server and on the emulator; then S3Spool on S3's
// bad days. With AWS_CONTRACT=1 also on a real bucket (AWS_CONTRACT_BUCKET; region and keys from the environment).

import { createHash } from 'node:crypto';
import { DeleteObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { AwsSettings } from '#adapters/aws/client-settings.ts';
import { awsSettings, s3Client, s3ListClient } from '#adapters/aws/clients.ts';
import { S3Spool } from '#adapters/aws/s3-spool.ts';
import { MemorySpool } from '#adapters/memory/spool.ts';
import { startEmulators } from '#aws-local/start-emulators.ts';
import { ContentUnreadable, type OpenedContent } from '#pipeline/ports.ts';
import { settingsOf } from './emulated-aws.ts';
import { openS3Stub, refuse, type S3Stub } from './s3-stub.ts';
import { type SpoolUnderTest, spoolContract } from './spool.contract.ts';

const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' };

spoolContract('MemorySpool', async () => {
  const spool = new MemorySpool();
  return {
    spool,
    put: async (key, content) => spool.put(key, content),
    hide: async (key) => spool.hide(key),
    close: async () => expect(spool.openCount).toBe(0), // whatever was done to it, nothing stays open
  };
});

spoolContract('S3Spool on a server that answers as S3', async () => {
  const stub = await openS3Stub();
  const client = s3Client({ region: 'eu-west-1', credentials, endpoint: stub.endpoint });
  return {
    spool: new S3Spool(client, 'spool'),
    put: async (key, content) => void stub.objects.set(key, content),
    close: async () => {
      client.destroy();
      await stub.close();
    },
  };
});

spoolContract('S3Spool on the emulator', async () => {
  const aws = await startEmulators({ buckets: [{ name: 'spool', versioned: true }] });
  return onS3(settingsOf(aws), 'spool', () => aws.close());
});

// skipped: without AWS_CONTRACT=1 there are no credentials to use
describe.skipIf(process.env.AWS_CONTRACT !== '1')('on AWS', () => {
  spoolContract('S3Spool', async () => onS3(awsSettings(null), process.env.AWS_CONTRACT_BUCKET ?? '', async () => {}));
});

/** Our client only reads; the SDK's own writes. */
function onS3(settings: AwsSettings, Bucket: string, close: () => Promise<void>): SpoolUnderTest {
  const reader = s3Client(settings);
  const writer = new S3Client({ ...settings, forcePathStyle: settings.endpoint !== undefined });
  return {
    spool: new S3Spool(reader, Bucket, { lister: s3ListClient(settings) }),
    put: async (Key, Body) => void (await writer.send(new PutObjectCommand({ Bucket, Key, Body }))),
    hide: async (Key) => void (await writer.send(new DeleteObjectCommand({ Bucket, Key }))),
    close: async () => {
      reader.destroy();
      writer.destroy();
      await close();
    },
  };
}

describe('S3Spool on a bad day', () => {
  let stub: S3Stub;
  let spool: S3Spool;
  let client: ReturnType<typeof s3Client>;
  const { signal } = new AbortController();
  beforeAll(async () => {
    stub = await openS3Stub();
    client = s3Client({ region: 'eu-west-1', credentials, endpoint: stub.endpoint });
    spool = new S3Spool(client, 'spool', { stallMs: 300 });
  });
  afterAll(async () => {
    client.destroy();
    await stub.close();
  });

  it.each([
    [403, 'AccessDenied', 'denied'],
    [403, 'InvalidObjectState', 'denied'], // archived
    [400, 'KMS.DisabledException', 'denied'],
    [400, 'KMS.NotFoundException', 'denied'],
    [404, 'NoSuchKey', 'missing'],
    [404, 'NoSuchVersion', 'missing'],
    [404, 'NoSuchBucket', 'missing'],
    [405, 'MethodNotAllowed', 'missing'],
  ])('takes %i %s for %s, after one call', async (status, code, cause) => {
    stub.answers.set('in/refused', refuse(status, code));
    const before = stub.requests.length;
    expect(await spool.open('in/refused', signal)).toMatchObject({
      kind: 'unreadable',
      cause,
      detail: expect.stringContaining(code),
    });
    expect(await spool.head('in/refused', 10, signal)).toMatchObject({ kind: 'unreadable', cause });
    expect(stub.requests.length - before).toBe(2);
  });

  it.each([
    [500, 'InternalError'],
    [503, 'SlowDown'],
  ])('tries %i %s again before it gives up', async (status, code) => {
    stub.answers.set('in/tired', refuse(status, code));
    const before = stub.requests.length;
    expect(await spool.open('in/tired', signal)).toMatchObject({ kind: 'unreadable', cause: 'unavailable' });
    expect(stub.requests.length - before).toBe(4);
  });

  it('is healed by a second try', async () => {
    let calls = 0;
    stub.answers.set('in/once', (request, response) => {
      calls += 1;
      if (calls === 1) return void request.socket.destroy();
      response.writeHead(200, { 'content-length': 2 });
      response.end('ok');
    });
    expect(await readAll(await spool.open('in/once', signal))).toBe('ok');
  });

  it('takes a server that is not there for unavailable', async () => {
    const nobody = s3Client({ region: 'eu-west-1', credentials, endpoint: 'http://127.0.0.1:1' });
    expect(await new S3Spool(nobody, 'spool').open('in/x', signal)).toMatchObject({
      kind: 'unreadable',
      cause: 'unavailable',
    });
    nobody.destroy();
  });

  it('throws ContentUnreadable when the stream ends short', async () => {
    stub.answers.set('in/short', (request, response) => {
      response.writeHead(200, { 'content-length': 1_000 });
      response.write(Buffer.alloc(400), () => request.socket.end());
    });
    await expect(readAll(await spool.open('in/short', signal))).rejects.toThrow(ContentUnreadable);
    expect(await spool.head('in/short', 10_000, signal)).toMatchObject({ kind: 'unreadable', cause: 'unavailable' });
  });

  it('throws ContentUnreadable when the connection is reset', async () => {
    stub.answers.set('in/reset', (request, response) => {
      response.writeHead(200, { 'content-length': 1_000_000 });
      response.write(Buffer.alloc(200_000), () => request.socket.resetAndDestroy());
    });
    await expect(readAll(await spool.open('in/reset', signal))).rejects.toThrow(/broke off|ended after/);
  });

  it('throws ContentUnreadable when no more bytes come, but waits for a slow reader', async () => {
    stub.answers.set('in/stalled', (_request, response) => {
      response.writeHead(200, { 'content-length': 1_000 });
      response.write(Buffer.alloc(400));
    });
    await expect(readAll(await spool.open('in/stalled', signal))).rejects.toThrow('no bytes for 300 ms');

    stub.answers.delete('in/stalled');
    stub.objects.set('in/slow', new Uint8Array(300_000));
    const content = await spool.open('in/slow', signal);
    let read = 0;
    if (content.kind !== 'opened') throw new Error(content.detail);
    for await (const chunk of content.chunks) {
      if (read === 0) await new Promise((resume) => setTimeout(resume, 500));
      read += chunk.byteLength;
    }
    expect(read).toBe(300_000);
  });

  it('holds a body that breaks while nobody reads it', async () => {
    stub.answers.set('in/unread', (request, response) => {
      response.writeHead(200, { 'content-length': 1_000 });
      response.write(Buffer.alloc(10), () => request.socket.resetAndDestroy());
    });
    const content = await spool.open('in/unread', signal);
    await new Promise((resume) => setTimeout(resume, 50));
    await expect(readAll(content)).rejects.toThrow(ContentUnreadable);
  });

  it('reads a head from a server that ignores ranges', async () => {
    stub.answers.set('in/whole', (_request, response) => {
      response.writeHead(200, { 'content-length': 5_000_000 });
      response.end(Buffer.alloc(5_000_000, 'x'));
    });
    const head = await spool.head('in/whole', 100_000, signal);
    expect(head).toMatchObject({ kind: 'read', size: 5_000_000 });
    expect(head.kind === 'read' && head.bytes.byteLength).toBe(100_000);
  });

  it('keeps one connection for mail that is read to its end, and leaves none behind for mail that is not', async () => {
    client.destroy();
    client = s3Client({ region: 'eu-west-1', credentials, endpoint: stub.endpoint });
    spool = new S3Spool(client, 'spool', { stallMs: 300 });
    stub.objects.set('in/kept', new Uint8Array(200_000));
    stub.objects.set('in/big', new Uint8Array(20_000_000));
    await vi.waitFor(() => expect(stub.open()).toBe(0));
    const before = stub.opened();
    for (let i = 0; i < 10; i++) {
      await readAll(await spool.open('in/kept', signal));
      await spool.head('in/kept', 1_000, signal);
    }
    expect(stub.opened() - before).toBe(1);
    const left = await Promise.all(
      Array.from({ length: 70 }, () =>
        spool.open('in/big', signal).then((content) => content.kind === 'opened' && content.close()),
      ),
    );
    expect(left).toHaveLength(70); // more than the agent's sockets: a leak would have hung the last ones
    await vi.waitFor(() => expect(stub.open()).toBeLessThanOrEqual(1));
  });

  it('does not hand on bytes that are not those that were stored', async () => {
    const content = Buffer.from('what was stored, to the letter');
    const etag = `"${createHash('md5').update(content).digest('hex')}"`;
    const answer = (sent: Buffer, fields: Record<string, string>) => {
      stub.answers.set('in/damaged', (_, response) => {
        response.writeHead(200, { 'content-length': sent.length, etag, ...fields });
        response.end(sent);
      });
      return spool.open('in/damaged', signal).then(readAll);
    };
    const damaged = Buffer.from(content.map((byte, at) => (at === 3 ? byte ^ 1 : byte)));
    expect(await answer(content, {})).toBe(content.toString());
    await expect(answer(damaged, {})).rejects.toMatchObject({ name: 'ContentUnreadable', cause: 'damaged' });
    await expect(answer(damaged, { 'x-amz-server-side-encryption': 'AES256' })).rejects.toThrow('MD5');
    expect(await spool.head('in/damaged', 100, signal)).toMatchObject({ kind: 'unreadable', cause: 'damaged' });
    // Not an MD5 of the content: a key of KMS, or an object put in parts.
    expect(await answer(damaged, { 'x-amz-server-side-encryption': 'aws:kms' })).toBe(damaged.toString());
    expect(await answer(damaged, { etag: `"${'0'.repeat(32)}-2"` })).toBe(damaged.toString());
  });

  it('asks for a head with one ranged read, and for no checksum', async () => {
    stub.objects.set('in/ranged', new Uint8Array(10));
    const checksums: unknown[] = [];
    stub.answers.set('in/plain', (request, response) => {
      checksums.push(request.headers['x-amz-checksum-mode']);
      response.writeHead(200, { 'content-length': 1 });
      response.end('x');
    });
    stub.requests.length = 0;
    await spool.head('in/ranged', 65_536, signal);
    await readAll(await spool.open('in/plain', signal));
    expect(stub.requests).toEqual(['GET in/ranged bytes=0-65535', 'GET in/plain -']);
    expect(checksums).toEqual([undefined]);
  });
});

async function readAll(content: OpenedContent): Promise<string> {
  if (content.kind !== 'opened') throw new Error(content.detail);
  const parts: Uint8Array[] = [];
  for await (const chunk of content.chunks) parts.push(Uint8Array.from(chunk));
  return Buffer.concat(parts).toString('latin1');
}
