// A disk that is really full: the data folder on a small tmpfs, filled to the last byte while mail streams in, and
// emptied again. What was given a 250 is relayed or returned, what was refused is not, health says so meanwhile, and
// after kill -9 the same command goes on. Needs root, as mount does; the same with an injected fault, for everybody, is
// in test/local/full-disk.test.ts.

import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type Instance, start, stop, tool, trace, until } from './instance.ts';
import { type Catcher, catcher, sendMail } from './smtp.ts';

const SIZE = '160m';
const CLIENTS = 6;
const FULL_MS = 90_000;

let mountpoint: string;
let server: Catcher;
let instance: Instance | undefined;
let given: { config: object; data: string };
let told: { accepted: Set<string>; refused: Set<string>; unknown: Set<string> };

beforeEach(async () => {
  if (process.getuid?.() !== 0) throw new Error('a tmpfs is mounted by root only: run this test as root');
  mountpoint = mkdtempSync(join(tmpdir(), 'everpost-full-'));
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${SIZE}`, 'tmpfs', mountpoint]);
  server = await catcher({ rcpt: (path) => (path.startsWith('gone-') ? '550 5.1.1 gone' : undefined) });
  const data = join(mountpoint, 'data');
  mkdirSync(data);
  given = {
    data,
    config: {
      domains: ['example.com'],
      nextHops: { exchange: { kind: 'smtp', host: '127.0.0.1', port: server.port, tls: 'off' } },
      routes: [{ match: '*@example.com', to: [{ via: 'exchange' }] }],
      notices: { from: 'postmaster@example.com', postmaster: 'postmaster@example.com', via: 'exchange' },
    },
  };
  told = { accepted: new Set(), refused: new Set(), unknown: new Set() };
});
afterEach(async () => {
  if (instance !== undefined) await stop(instance, 'SIGKILL');
  await server.close();
  execFileSync('umount', ['-l', mountpoint]);
  rmSync(mountpoint, { recursive: true, force: true });
});

it.for([2_000, 400_000])('messages of %i bytes', { timeout: 400_000 }, async (bytes) => {
  instance = await start(given);
  for (let n = 0; n < 10; n += 1) await send(`early${n}`, bytes);
  expect(told.accepted.size).toBe(10);

  fill();
  const refusals = async (): Promise<string | null> =>
    (await status()) === 'storage-failed' ? 'storage-failed' : null;
  const streaming = stream('full', bytes);
  const failed = await until(refusals, FULL_MS);
  await sleep(2_000); // mail goes on coming while nothing can be written
  streaming.end();
  await streaming.ended;
  // Large messages are refused one by one, before a commit is tried: then the instance need not have ended.
  expect(told.refused.size, `refused; health: ${failed ?? (await status())}`).toBeGreaterThan(0);
  if (bytes < 100_000) expect(failed).toBe('storage-failed');

  rmSync(join(mountpoint, 'filler'));
  expect(await until(async () => ((await status()) === 'ok' ? true : null), 60_000), instance.output).toBe(true);
  for (let n = 0; n < 10; n += 1) await send(`late${n}`, bytes);
  expect([...told.accepted].filter((id) => id.startsWith('late'))).toHaveLength(10);
  await stop(instance, 'SIGKILL');
  instance = await start(given);
  await tool(instance, 'POST', '/clock', { advance: '3h' });

  await until(() => ([...told.accepted].every((id) => copies(id) > 0) ? true : null), 60_000);
  expect([...told.accepted].filter((id) => copies(id) === 0)).toEqual([]);
  expect([...told.refused].filter((id) => copies(id) > 0)).toEqual([]);
  const unsettled = (await trace(instance)).flatMap(({ deliveries }) =>
    deliveries.filter(({ state }) => state !== 'relayed' && state !== 'returned'),
  );
  expect(unsettled).toEqual([]);
});

async function status(): Promise<string> {
  const response = await fetch(`${instance?.console}/health`);
  return ((await response.json()) as { status: string }).status;
}

/** To the last byte. */
function fill(): void {
  const file = openSync(join(mountpoint, 'filler'), 'w');
  for (let block = 1 << 20; block >= 1; ) {
    try {
      writeSync(file, Buffer.alloc(block));
    } catch (error) {
      expect((error as NodeJS.ErrnoException).code).toBe('ENOSPC');
      block >>= 1;
    }
  }
  closeSync(file);
}

async function send(id: string, bytes: number): Promise<void> {
  const gone = id.endsWith('4');
  const to = gone ? `gone-${id}@example.com` : `${id}@example.com`;
  const content = `From: ${id}@src.example\r\nTo: ${to}\r\nMessage-ID: <${id}@src.example>\r\n\r\n${'x'
    .repeat(70)
    .concat('\r\n')
    .repeat(bytes / 72)}`;
  const reply = await sendMail(instance?.mx ?? 0, `${id}@src.example`, [to], Buffer.from(content)).catch(() => null);
  const where = reply === null ? told.unknown : reply.code === 250 ? told.accepted : told.refused;
  where.add(id);
}

function stream(prefix: string, bytes: number): { end(): void; ended: Promise<unknown> } {
  let on = true;
  const client = async (number: number): Promise<void> => {
    for (let n = 0; on; n += 1) {
      await send(`${prefix}c${number}n${n}`, bytes);
      await sleep(20);
    }
  };
  return {
    end: () => {
      on = false;
    },
    ended: Promise.all(Array.from({ length: CLIENTS }, (_, number) => client(number))),
  };
}

/** How often the next hop has it: the message itself, or its NDR. */
function copies(id: string): number {
  return server.caught.filter((each) =>
    id.endsWith('4')
      ? each.forwardPaths[0] === `${id}@src.example`
      : each.content.includes(`Message-ID: <${id}@src.example>`),
  ).length;
}
