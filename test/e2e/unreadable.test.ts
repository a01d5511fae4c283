// Content that cannot be opened (Microsoft KB Q157684 is why this product exists), each way in a row: the event, the
// metric's alarm, the bytes that remain, and at the end of the lifetime a report without the content. Faults are
// switched on at the emulated S3.

import {
  DeleteObjectCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { judgeNotice } from '../judges/rfc3464.ts';
import { discard, type Instance, start, tool, traced, until } from './instance.ts';
import { type Catcher, catcher, sendMail } from './smtp.ts';

type Reached = {
  endpoint: string;
  region: string;
  credentials: { accessKeyId: string; secretAccessKey: string };
  bucketName: string;
};

const SECRET_WORDS = 'Words that must not come back';
const GET = { service: 's3', operation: 'GetObject', match: 'in/' };
let server: Catcher;
let instance: Instance;
let s3: S3Client;
let Bucket: string;

beforeAll(async () => {
  server = await catcher({
    rcpt: (forwardPath) =>
      forwardPath.startsWith('later')
        ? '451 4.3.0 not now'
        : forwardPath.startsWith('gone')
          ? '550 5.1.1 no such user'
          : undefined,
  });
  instance = await start({
    config: {
      domains: ['example.com'],
      nextHops: { exchange: { kind: 'smtp', host: '127.0.0.1', port: server.port, tls: 'off' } },
      routes: [{ match: '*@example.com', to: [{ via: 'exchange' }] }],
      retry: { schedule: ['1m', '5m'], lifetime: '20m', delayNotice: false },
      notices: { from: 'postmaster@example.com', postmaster: 'postmaster@example.com', via: 'exchange' },
    },
  });
  const reached = await tool<Reached>(instance, 'GET', '/endpoint');
  Bucket = reached.bucketName;
  s3 = new S3Client({ ...reached, forcePathStyle: true });
});
afterEach(() => tool(instance, 'DELETE', '/faults'));
afterAll(async () => {
  s3?.destroy();
  await discard(instance);
  await server?.close();
});

const message = (name: string, more = '') =>
  Buffer.from(
    `${more}From: Ann <${name}@src.example>\r\nTo: you@example.com\r\nSubject: About ${name}\r\nMessage-ID: <${name}@src.example>\r\n\r\n${`${SECRET_WORDS}\r\n`.repeat(20)}`,
  );
const alarm = async (name: string) =>
  (await tool<{ name: string; state: string }[]>(instance, 'GET', '/alarms')).find((each) =>
    each.name.endsWith(`/${name}`),
  )?.state;
const reported = (name: string) => server.caught.filter((each) => each.forwardPaths.includes(`${name}@src.example`));
const advance = (by: string) => tool(instance, 'POST', '/clock', { advance: by });
const keys = async () =>
  ((await s3.send(new ListObjectsV2Command({ Bucket, Prefix: 'in/' }))).Contents ?? []).map(({ Key }) => Key ?? '');

/**
 * Sends one to an address that is put off at first, and gives its key: then it can be spoilt before the next attempt.
 */
async function sent(name: string, to: string): Promise<string> {
  const before = new Set(await keys());
  expect((await sendMail(instance.mx, `${name}@src.example`, [to], message(name))).code).toBe(250);
  return (await until(async () => (await keys()).find((key) => !before.has(key)) ?? null, 20_000)) ?? '';
}

type Row = {
  readonly name: string;
  readonly fault?: object;
  readonly spoil?: (key: string) => Promise<unknown>;
  readonly kept: boolean;
};
const rows: readonly Row[] = [
  { name: 'denied', fault: { ...GET, effect: 'deny' }, kept: true },
  { name: 'truncated', fault: { ...GET, effect: 'truncate' }, kept: true },
  { name: 'corrupted', fault: { ...GET, effect: 'corrupt' }, kept: true },
  { name: 'throttled', fault: { ...GET, effect: 'throttle' }, kept: true },
  { name: 'removed', fault: { ...GET, effect: 'remove' }, kept: false },
  { name: 'locked', fault: { service: 'kms', operation: 'Decrypt', match: 'in/', effect: 'remove' }, kept: true },
  { name: 'keyless', fault: { service: 'kms', match: 'in/', effect: 'deny' }, kept: true },
  { name: 'emptied', spoil: (Key) => s3.send(new PutObjectCommand({ Bucket, Key, Body: '' })), kept: false },
];

describe('content that cannot be opened', () => {
  it.each(rows)('$name: traced, alarmed, and reported at the end without it', async ({ name, fault, spoil, kept }) => {
    await advance('10m');
    expect(await alarm('ContentUnreadable')).not.toBe('ALARM');
    if (fault !== undefined) await tool(instance, 'POST', '/faults', fault);
    // What is spoilt by hand is put off by the next hop first, so that there is time for it.
    const to = spoil === undefined ? `${name}@example.com` : `later-${name}@example.com`;
    const key = await sent(name, to);
    const args = ['--forward-path', to];
    await traced(instance, args, (found) => found[0]?.deliveries[0]?.state === 'deferred');
    await spoil?.(key);
    if (spoil !== undefined) await advance('2m');
    const [deferred] = await traced(
      instance,
      args,
      (found) => found[0]?.events.some((event) => event.event === 'UNREADABLE') === true,
    );
    expect(deferred?.deliveries[0]).toMatchObject({ state: 'deferred' });
    expect(deferred?.events.find((event) => event.event === 'UNREADABLE')?.reason).toMatch(/GetObject in\//);
    expect(
      await until(
        async () => ((await alarm('ContentUnreadable')) === 'ALARM' ? true : advance('10s').then(() => null)),
        20_000,
      ),
    ).toBe(true);

    await advance('40m');
    const [ended] = await traced(instance, args, (found) => found[0]?.deliveries[0]?.state === 'returned');
    expect(ended?.deliveries[0]?.attempts).toBeGreaterThan(2);
    expect(server.caught.filter((each) => each.forwardPaths.includes(to))).toEqual([]);
    const [notice, ...others] = reported(name);
    expect(others).toEqual([]);
    const text = notice?.content.toString('latin1') ?? '';
    expect(judgeNotice(notice?.content ?? Buffer.alloc(0))).toEqual([]);
    expect(text).toMatch(/^Action: failed\r\nStatus: 5\.3\.0\r$/m);
    expect(text).toContain(`About ${name}`); // what the receipt told us
    expect(text).not.toContain(SECRET_WORDS);
    await tool(instance, 'DELETE', '/faults');
    const remains = await s3.send(new GetObjectCommand({ Bucket, Key: key })).then(
      async ({ Body }) => (await Body?.transformToString())?.includes(SECRET_WORDS) === true,
      () => false,
    );
    expect(remains).toBe(kept);
  });

  it('only once: the next attempt goes through', async () => {
    await tool(instance, 'POST', '/faults', { ...GET, effect: 'deny', times: 1 });
    await sent('once', 'once@example.com');
    await traced(
      instance,
      ['--forward-path', 'once@example.com'],
      (found) => found[0]?.deliveries[0]?.state === 'deferred',
    );
    await advance('2m');
    await traced(
      instance,
      ['--forward-path', 'once@example.com'],
      (found) => found[0]?.deliveries[0]?.state === 'relayed',
    );
    expect(reported('once')).toEqual([]);
  });

  it('a mere delete marker: read by its version, and traced', async () => {
    const to = 'bob-once-later@example.com';
    await tool(instance, 'POST', '/faults', { ...GET, effect: 'deny', times: 1 });
    const key = await sent('marked', to);
    await traced(instance, ['--forward-path', to], (found) => found[0]?.deliveries[0]?.state === 'deferred');
    await s3.send(new DeleteObjectCommand({ Bucket, Key: key }));
    await advance('2m');
    const [found] = await traced(
      instance,
      ['--forward-path', to],
      (messages) => messages[0]?.deliveries[0]?.state === 'relayed',
    );
    expect(found?.events.map((event) => event.event)).toContain('RESTORE');
  });

  it('a delete marker before ingest has read the header section of a long one: read by its version, and traced', async () => {
    const to = 'bob-long-marked@example.com';
    const hold = { service: 'lambda', operation: 'Invoke', match: 'Ingest', effect: 'throttle' };
    await tool(instance, 'POST', '/faults', hold);
    const many = `X-Long: ${'x'.repeat(900)}\r\n`.repeat(20);
    const before = new Set(await keys());
    expect((await sendMail(instance.mx, 'marked@src.example', [to], message('long-marked', many))).code).toBe(250);
    const key = await until(async () => (await keys()).find((each) => !before.has(each)) ?? null, 20_000);
    await s3.send(new DeleteObjectCommand({ Bucket, Key: key ?? '' }));
    await tool(instance, 'DELETE', '/faults');
    await advance('7m');
    const [found] = await traced(
      instance,
      ['--forward-path', to],
      (messages) => messages[0]?.deliveries[0]?.state === 'relayed',
    );
    expect(found?.events.map(({ event }) => event).slice(0, 2)).toEqual(['RECEIVE', 'RESTORE']);
  });

  it('at ingest, which reads the header section of a long one: routed all the same, alarmed', async () => {
    await advance('10m');
    await tool(instance, 'POST', '/faults', { ...GET, effect: 'deny', times: 1 });
    const long = message('long', `X-Long: ${'x'.repeat(900)}\r\n`.repeat(20));
    expect((await sendMail(instance.mx, 'long@src.example', ['long@example.com'], long)).code).toBe(250);
    await traced(
      instance,
      ['--forward-path', 'long@example.com'],
      (found) => found[0]?.deliveries[0]?.state === 'relayed',
    );
    expect(
      await until(
        async () => ((await alarm('ContentUnreadable')) === 'ALARM' ? true : advance('10s').then(() => null)),
        20_000,
      ),
    ).toBe(true);
  });

  it('when its report is composed: sent without the content', async () => {
    // The recipient is refused before the content is asked for, so the one read that is cut short is the report's.
    await tool(instance, 'POST', '/faults', { ...GET, effect: 'truncate' });
    await sent('composed', 'gone@example.com');
    await traced(
      instance,
      ['--forward-path', 'gone@example.com'],
      (found) => found[0]?.deliveries[0]?.state === 'returned',
    );
    const text = reported('composed')[0]?.content.toString() ?? '';
    expect(text).toMatch(/^Status: 5\.1\.1\r$/m);
    expect(text).not.toContain(SECRET_WORDS);
  });

  it('none of this was for want of a permission', async () => {
    const { denied } = await tool<{ denied: { action: string; resource: string }[] }>(instance, 'GET', '/permissions');
    expect(denied.filter(({ action }) => action !== 's3:ListBucket')).toEqual([]);
  });
});
