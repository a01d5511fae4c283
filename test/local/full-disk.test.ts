// A disk that refuses writes, under the whole runtime: what was given a 250 is delivered, what was refused never is,
// nobody hears "ok" meanwhile, and it goes on by itself when there is room again. The disk is made full at the one
// place where every store asks it (`beforeWrite`): that works for everybody, root or not; a real full disk is in
// test/e2e/full-disk.test.ts.

import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { handOver } from '#aws-local/ses/smtp-send.ts';
import { checkConfig } from '#config/check.ts';
import type { Settings } from '#config/settings.ts';
import { synthesise } from '#infra/synthesise.ts';
import { openDemoNextHop } from '#local/demo-next-hop.ts';
import { boot, type Runtime } from '#local/runtime.ts';

const folder = mkdtempSync(join(tmpdir(), 'full-disk-'));
const mailboxes = join(folder, 'mailboxes');
const assembly = join(folder, 'cdk.out');
const closing: (() => Promise<void>)[] = [];
let settings: Settings;

beforeAll(async () => {
  const nextHop = await openDemoNextHop(mailboxes, 0);
  closing.push(nextHop.close);
  const checked = checkConfig(
    {
      domains: ['example.com'],
      nextHops: { mailboxes: { kind: 'smtp', host: '127.0.0.1', port: nextHop.port, tls: 'off' } },
      routes: [{ match: '*@example.com', to: [{ via: 'mailboxes' }] }],
      notices: { from: 'postmaster@example.com', postmaster: 'postmaster@example.com', via: 'mailboxes' },
    },
    'test',
  );
  if (checked.kind === 'wrong') throw new Error(checked.problems.join('\n'));
  settings = checked.settings;
  await synthesise({ settings, outdir: assembly, validate: false });
}, 120_000);

afterAll(async () => {
  for (const close of closing.splice(0).reverse()) await close();
  rmSync(folder, { recursive: true, force: true });
});

type Disk = { full: boolean /** Commits that still succeed once it is to be full. */; left: number };

async function booted(name: string, disk: Disk, said: string[] = []): Promise<Runtime> {
  const runtime = await boot({
    settings,
    dataFolder: join(folder, name),
    mxPort: 0,
    submissionPort: 0,
    consolePort: 0,
    secretsFile: null,
    sweepEveryMs: 1_000,
    timeScale: 1,
    demo: false,
    show: (line) => said.push(line),
    assemblyFolder: assembly,
    beforeWrite: () => {
      if (!disk.full || disk.left-- > 0) return;
      throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
    },
  });
  closing.push(runtime.stop);
  return runtime;
}

async function send(runtime: Runtime, forwardPath: string): Promise<number> {
  const content = Buffer.from(`Subject: ${forwardPath}\r\n\r\nbody\r\n`);
  const to = { host: '127.0.0.1', port: runtime.ports.mx, helo: 'src.example' };
  return (await handOver(to, { reversePath: 'you@src.example', forwardPath, content })).code;
}

const copies = (address: string): number => {
  try {
    return readdirSync(join(mailboxes, address, 'new')).length;
  } catch {
    return 0;
  }
};

async function health(runtime: Runtime): Promise<{ code: number; status: string; error?: string }> {
  const response = await fetch(`http://127.0.0.1:${runtime.ports.console}/health`);
  return { code: response.status, ...((await response.json()) as { status: string }) };
}

async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  for (const end = Date.now() + 60_000; Date.now() < end; await sleep(100)) if (await holds()) return;
  throw new Error(`it never came to this: ${what}`);
}

describe('a full disk', () => {
  // At which commit it strikes decides what is left half done: the message's own, ingest's, relay's, the deletion of a
  // job.
  it.for([0, 2, 5, 12])('struck after %i more commits', { timeout: 120_000 }, async (left) => {
    const disk = { full: false, left };
    const said: string[] = [];
    const runtime = await booted(`after-${left}`, disk, said);
    const first = runtime.emulators;
    const address = (name: string): string => `${name}-${left}@example.com`;
    expect(await send(runtime, address('before'))).toBe(250);
    disk.full = true;
    const accepted: string[] = [];
    const refused: string[] = [];
    for (let n = 0; n < 40 && (await health(runtime)).code === 200; n += 1) {
      const code = await send(runtime, address(`m${n}`));
      (code === 250 ? accepted : refused).push(address(`m${n}`));
    }
    expect((await health(runtime)).status).toBe('storage-failed');
    expect((await health(runtime)).code).toBe(503);
    expect((await health(runtime)).error).toContain('ENOSPC');
    refused.push(address('meanwhile'));
    expect(await send(runtime, address('meanwhile'))).toBe(452);
    expect(said.some((line) => line.includes('the disk refused a write'))).toBe(true);

    disk.full = false;
    await until(async () => (await health(runtime)).code === 200, 'health is ok again');
    expect(runtime.emulators).not.toBe(first);
    expect(await send(runtime, address('after'))).toBe(250);
    accepted.push(address('before'), address('after'));
    // What a function was cut off from comes again by its lease and its visibility timeout.
    const clock = await fetch(`http://127.0.0.1:${runtime.ports.console}/clock`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: '{"advance":"3h"}',
    });
    expect([clock.status, await clock.json()]).toEqual([200, { now: expect.any(String) }]);
    await until(() => accepted.every((each) => copies(each) > 0), `delivered: ${accepted}`);
    expect(refused.filter((each) => copies(each) > 0)).toEqual([]);
    await runtime.stop();
  });

  it('at the start is said, and leaves nothing running', async () => {
    const disk = { full: true, left: 0 };
    await expect(booted('start', disk)).rejects.toThrow('ENOSPC');
    disk.full = false;
    const runtime = await booted('start', disk);
    expect(await send(runtime, 'first@example.com')).toBe(250);
    await runtime.stop();
  }, 60_000);

  it('while it is full the instance can be ended', async () => {
    const disk = { full: false, left: 0 };
    const runtime = await booted('ended', disk);
    disk.full = true;
    await send(runtime, 'ended@example.com');
    await until(async () => (await health(runtime)).code === 503, 'storage failed');
    await runtime.stop();
    await expect(fetch(`http://127.0.0.1:${runtime.ports.console}/health`)).rejects.toThrow();
  }, 60_000);
});
