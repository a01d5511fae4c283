// The contract of submission stores, run by memory and by S3 on the emulator; then S3SubmissionStore on S3's bad days.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { afterEach, describe, expect, it } from 'vitest';
import { s3SubmissionClient } from '#adapters/aws/s3-submission-client.ts';
import { S3SubmissionStore } from '#adapters/aws/s3-submission-store.ts';
import { MemorySubmissionStore } from '#adapters/memory/submission-store.ts';
import { type StartedEmulators, startEmulators } from '#aws-local/start-emulators.ts';
import { storableBytes } from '#pipeline/submit/submit.ts';
import { refuse } from './s3-stub.ts';
import { submissionStoreContract } from './submission-store.contract.ts';

const quick = { storeMs: 20_000, triesMax: 3, tryAgainMs: 1 };

submissionStoreContract('MemorySubmissionStore', async () => {
  const store = new MemorySubmissionStore();
  return { store, read: async (key) => store.objects.get(key) ?? null, close: async () => {} };
});

async function onEmulator() {
  const aws = await startEmulators({ buckets: [{ name: 'spool', versioned: true }] });
  const { region, endpoint, credentials } = aws;
  const client = s3SubmissionClient({ region, endpoint, credentials });
  const reader = new S3Client({ ...aws.clientConfig, forcePathStyle: true });
  return {
    aws,
    store: new S3SubmissionStore(client, 'spool', quick),
    async read(Key: string) {
      const got = await reader.send(new GetObjectCommand({ Bucket: 'spool', Key })).catch(() => null);
      return got?.Body === undefined ? null : Buffer.from(await got.Body.transformToByteArray());
    },
    async close() {
      client.destroy();
      reader.destroy();
      await aws.close();
    },
  };
}
submissionStoreContract('S3SubmissionStore on the emulator', onEmulator);

describe('S3SubmissionStore under faults of the emulator', () => {
  const key = 'out/exchange/01M82Q1HYR3QAFH2HYGP4Z6Q01.eml';
  const content = storableBytes(Buffer.from('hello\r\n'));
  const { signal } = new AbortController();
  const cases: [effect: string, times: number | undefined, result: object, stands: boolean][] = [
    ['lose-response', 1, { kind: 'stored' }, true], // the second try meets 412: it is our own object
    ['throttle', 2, { kind: 'stored' }, true],
    ['throttle', undefined, { kind: 'failed', cause: 'unavailable' }, false],
    ['deny', undefined, { kind: 'failed', cause: 'denied' }, false],
  ];
  it.each(cases)('%s, %s times', async (effect, times, result, stands) => {
    const under = await onEmulator();
    const faults: StartedEmulators['faults'] = under.aws.faults;
    faults.add({ service: 's3', operation: 'PutObject', effect, ...(times === undefined ? {} : { times }) });
    expect(await under.store.put(key, content, signal)).toMatchObject(result);
    faults.clear();
    expect((await under.read(key)) !== null).toBe(stands);
    await under.close();
  });
});

describe('S3SubmissionStore on a server that answers as it is told', () => {
  let close = () => {};
  afterEach(() => close());
  const content = storableBytes(Buffer.from('hello\r\n'));
  const key = 'out/exchange/01M82Q1HYR3QAFH2HYGP4Z6Q01.eml';
  const stored = (_: IncomingMessage, response: ServerResponse) => void response.writeHead(200).end();
  const silent = () => {};

  async function answering(...answers: ((request: IncomingMessage, response: ServerResponse) => void)[]) {
    const asked: IncomingMessage[] = [];
    const server = createServer((request, response) => {
      asked.push(request);
      request.resume();
      request.on('end', () => (answers[asked.length - 1] ?? answers.at(-1) ?? stored)(request, response));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const credentials = { accessKeyId: 'AKIDEXAMPLE', secretAccessKey: 'secret' };
    const client = s3SubmissionClient({ region: 'eu-west-1', endpoint, credentials }, 200);
    close = () => {
      client.destroy();
      server.closeAllConnections();
      server.close();
    };
    return { asked, store: new S3SubmissionStore(client, 'spool', { ...quick, storeMs: 3_000 }) };
  }
  const put = (store: S3SubmissionStore) => store.put(key, content, new AbortController().signal);

  it('asks for a new object, and has the bytes compared', async () => {
    const { asked, store } = await answering(stored);
    expect(await put(store)).toEqual({ kind: 'stored' });
    expect(asked[0]?.headers).toMatchObject({
      'if-none-match': '*',
      'content-length': '7',
      'x-amz-checksum-sha256': Buffer.from(content.sha256, 'hex').toString('base64'),
    });
  });
  it('tries again after 409, which means that nothing was stored: 412 is then another object', async () => {
    const { asked, store } = await answering(
      refuse(409, 'ConditionalRequestConflict'),
      refuse(412, 'PreconditionFailed'),
    );
    expect(await put(store)).toEqual({ kind: 'taken' });
    expect(asked.length).toBe(2);
  });
  it('takes 412 after a 500 for its own object', async () => {
    const { store } = await answering(refuse(500, 'InternalError'), refuse(412, 'PreconditionFailed'));
    expect(await put(store)).toEqual({ kind: 'stored' });
  });
  it.each([
    ['a 200', 200],
    ['a refusal', 403],
  ])('takes 412 for its own object after %s whose body broke off', async (_, status) => {
    const brokenOff = (_request: IncomingMessage, response: ServerResponse) => {
      response.writeHead(status, { 'content-length': 100 });
      response.write('<Err');
      setTimeout(() => response.destroy(), 20);
    };
    const { asked, store } = await answering(brokenOff, refuse(412, 'PreconditionFailed'));
    expect(await put(store)).toEqual({ kind: 'stored' });
    expect(asked.length).toBe(2);
  });
  it('gives up a server that says nothing, and says so', async () => {
    const { asked, store } = await answering(silent);
    expect(await put(store)).toMatchObject({ kind: 'failed', cause: 'unavailable' });
    expect(asked.length).toBeGreaterThan(1);
  });
  it('asks once where it is not allowed', async () => {
    const { asked, store } = await answering(refuse(403, 'AccessDenied'));
    expect(await put(store)).toMatchObject({ kind: 'failed', cause: 'denied', detail: expect.stringContaining('403') });
    expect(asked.length).toBe(1);
  });
  it('ends at once where nobody waits any more', async () => {
    const { store } = await answering(silent);
    const leaving = new AbortController();
    const putting = store.put(key, content, leaving.signal);
    await sleep(20);
    leaving.abort(new Error('gone'));
    await expect(putting).rejects.toThrow('gone');
  });
});
