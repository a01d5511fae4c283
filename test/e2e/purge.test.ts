// Weeks in the life of a spool, on the synthesised template: what was relayed goes after its retention, received or
// submitted, and its bytes stay for a while; what is held or quarantined stays, and its postmaster hears of it. The
// clock is advanced by the console, as a person would.

import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import {
  GetObjectCommand,
  ListObjectsV2Command,
  ListObjectVersionsCommand,
  PutObjectCommand,
  S3Client,
} from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { GTUBE } from './errand.ts';
import { discard, type Instance, start, tool, traced, until } from './instance.ts';
import { type Catcher, catcher, sendMail } from './smtp.ts';
import { envelopeOf } from './submitting.ts';

type Reached = {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  readonly bucketName: string;
};

let server: Catcher;
let instance: Instance;
let s3: S3Client;
let Bucket: string;

beforeAll(async () => {
  server = await catcher({
    rcpt: (forwardPath) => (/^(gone|nobody)/.test(forwardPath) ? '550 5.1.1 no such user' : undefined),
  });
  instance = await start({
    config: {
      domains: ['example.com'],
      nextHops: { exchange: { kind: 'smtp', host: '127.0.0.1', port: server.port, tls: 'off' } },
      routes: [
        { match: '*@example.com', to: [{ via: 'exchange' }] },
        { match: '*@far.example', direction: 'outbound', to: [{ via: 'exchange' }] },
      ],
      submitters: { app: { secret: 'everpost/app', senderDomains: ['app.example'] } },
      retry: { schedule: ['1m', '5m'], lifetime: '20m', delayNotice: false },
      retention: { spool: '12h' },
      notices: { from: 'mailer@example.com', postmaster: 'postmaster@example.com', via: 'exchange' },
    },
  });
  const reached = await tool<Reached>(instance, 'GET', '/endpoint');
  Bucket = reached.bucketName;
  s3 = new S3Client({ ...reached, forcePathStyle: true });
});
afterAll(async () => {
  s3?.destroy();
  await discard(instance);
  await server?.close();
});

const advance = (by: string) => tool(instance, 'POST', '/clock', { advance: by });
const objects = async (Prefix = 'in/') =>
  ((await s3.send(new ListObjectsV2Command({ Bucket, Prefix }))).Contents ?? [])
    .map(({ Key }) => Key ?? '')
    .filter((key) => key !== 'in/AMAZON_SES_SETUP_NOTIFICATION');

/** As a person would; where nothing fits its exit code is 1. */
async function everpost(...args: string[]): Promise<unknown> {
  const words = ['src/cli/everpost.ts', ...args, '--data', instance.data, '--json'];
  const ended = await promisify(execFile)(process.execPath, words, { cwd: join(import.meta.dirname, '../..') }).catch(
    (error: { stdout: string }) => error,
  );
  return JSON.parse(ended.stdout);
}

/** Sends one, waits for its state, and gives its key. */
async function sent(name: string, to: string, state: string, text = 'Hello'): Promise<string> {
  const messageIdField = `<${name}@src.example>`;
  const fields = `From: ${name}@src.example\r\nTo: ${to}\r\nSubject: About ${name}\r\nMessage-ID: ${messageIdField}`;
  const reply = await sendMail(instance.mx, `${name}@src.example`, [to], Buffer.from(`${fields}\r\n\r\n${text}\r\n`));
  expect(reply.code).toBe(250);
  const [message] = await traced(instance, ['--message-id', messageIdField], (found) =>
    found.some(({ deliveries }) => deliveries.some((each) => each.state === state)),
  );
  return `in/${message?.spoolId}`;
}

/** Content and envelope, as any S3 client puts them; waits for the delivery's state. */
async function submitted(name: string, reversePath: string, state: string): Promise<string[]> {
  const messageIdField = `<${name}@app.example>`;
  const content = Buffer.from(`From: ${name}@app.example\r\nMessage-ID: ${messageIdField}\r\n\r\nHello\r\n`);
  const stem = `out/app/01JD00000000000000000000${String(++submissions).padStart(2, '0')}`;
  const envelope = envelopeOf(['bob@far.example'], content, { reversePath });
  for (const [Key, Body] of [[`${stem}.eml`, content] as const, [`${stem}.envelope.json`, envelope] as const])
    await s3.send(new PutObjectCommand({ Bucket, Key, Body, IfNoneMatch: '*' }));
  await traced(instance, ['--message-id', messageIdField], (found) =>
    found.some(({ deliveries }) => deliveries.some((each) => each.state === state)),
  );
  return [`${stem}.eml`, `${stem}.envelope.json`];
}
let submissions = 0;

it('a submission goes whole, content and envelope, and what is held of them stays; nothing is sent again', async () => {
  const relayed = await submitted('ann', 'ann@app.example', 'relayed');
  const held = await submitted('eve', 'eve@bank.example', 'held');
  expect(await objects('out/')).toEqual([...relayed, ...held]);
  await advance('20h'); // and as many searches for orphans
  expect(await objects('out/')).toEqual(held);
  for (const Prefix of relayed) {
    const { Versions = [], DeleteMarkers = [] } = await s3.send(new ListObjectVersionsCommand({ Bucket, Prefix }));
    expect([Versions.length, DeleteMarkers.length]).toEqual([1, 1]);
  }
  const arrived = server.caught.filter(({ forwardPaths }) => forwardPaths.includes('bob@far.example'));
  expect(arrived).toHaveLength(1);
}, 600_000);

it('content goes when it is final and old, and nothing else does; the postmaster hears of the quarantine', async () => {
  const relayed = await sent('ann', 'bob@example.com', 'relayed');
  const returned = await sent('bea', 'gone@example.com', 'returned');
  const held = await sent('nobody', 'gone@example.com', 'held');
  const quarantined = await sent('eve', 'bob@example.com', 'quarantined', GTUBE);
  const orphan = 'in/orphan';
  await s3.send(new PutObjectCommand({ Bucket, Key: orphan, Body: 'somebody wrote this by hand' }));
  const all = [relayed, returned, held, quarantined, orphan].sort();

  await advance('8h');
  expect(await objects()).toEqual(all);
  await advance('12h');
  expect(await objects()).toEqual([held, quarantined, orphan].sort());

  const { Versions = [] } = await s3.send(new ListObjectVersionsCommand({ Bucket, Prefix: relayed }));
  expect(Versions).toHaveLength(1);
  const { Body } = await s3.send(new GetObjectCommand({ Bucket, Key: relayed, VersionId: Versions[0]?.VersionId }));
  expect(await Body?.transformToString()).toContain('Subject: About ann');

  await advance('12h'); // past a midnight of UTC, whenever this began, and the next run
  const digests = () => server.caught.filter(({ forwardPaths }) => forwardPaths.includes('postmaster@example.com'));
  const textOf = (content: Uint8Array | undefined) =>
    Buffer.from(content ?? [])
      .toString('latin1')
      .replaceAll('=\r\n', '');
  // The day before had one too, about what is held.
  const digest = () => digests().find(({ content }) => textOf(content).includes(quarantined.slice('in/'.length)));
  expect(await until(() => digest() ?? null, 20_000)).toMatchObject({ reversePath: '' });
  const text = textOf(digest()?.content);
  expect(text).toContain(`--spool-id ${quarantined.slice('in/'.length)}`);
  expect(text).toContain('Subject:   About eve');

  // Of many at once nothing is done that was not shown.
  const shown = await everpost('release', '--state', 'quarantined');
  expect(shown).toMatchObject([{ forwardPath: 'bob@example.com', state: 'quarantined', done: false }]);
  expect(await everpost('release', '--state', 'quarantined', '--reason', 'policy-virus', '--yes')).toEqual([]);
  expect(await everpost('release', '--state', 'quarantined', '--reason', 'policy-spam', '--yes')).toMatchObject([
    { spoolId: quarantined.slice('in/'.length), state: 'queued', done: true },
  ]);
  // The orphan too: held without a next hop, it would be in each day's digest until a person ends it.
  const ended = await everpost('remove', '--state', 'held', '--since', '3d', '--without-notice', '--yes');
  expect(ended).toHaveLength(3);
  const before = digests().length;
  await advance('25h');
  expect([...(await objects()), ...(await objects('out/'))]).toEqual([]);
  expect(digests(), 'no digest where nothing was quarantined and nothing waits').toHaveLength(before);
  const alarms = await tool<{ name: string; state: string }[]>(instance, 'GET', '/alarms');
  const calling = alarms.filter(({ state }) => state === 'ALARM').map(({ name }) => name.split('/').at(-1));
  expect(calling).not.toContain('PurgeOverdue');
  expect(calling).not.toContain('NoEnd');
}, 600_000);
