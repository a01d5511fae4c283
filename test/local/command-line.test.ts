// The command line as a person has it, against an instance that runs: pipes that close, strangers' text on the
// terminal, the instance's clock, an instance that is still starting; and what `npm start` leaves behind.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkConfig } from '#config/check.ts';
import { type EndpointReport, openConsole } from '#local/console.ts';
import { openDemoNextHop } from '#local/demo-next-hop.ts';
import { boot, type Runtime } from '#local/runtime.ts';

const ROOT = join(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'command-line-'));
const data = join(folder, 'data');
const closing: (() => unknown)[] = [];
let runtime: Runtime;
let config: object;

beforeAll(async () => {
  const nextHop = await openDemoNextHop(join(folder, 'mailboxes'), 0);
  closing.push(nextHop.close);
  config = {
    domains: ['example.com'],
    nextHops: { mailboxes: { kind: 'smtp', host: '127.0.0.1', port: nextHop.port, tls: 'off' } },
    routes: [{ match: '*@example.com', to: [{ via: 'mailboxes' }] }],
    notices: { from: 'postmaster@example.com', postmaster: 'postmaster@example.com', via: 'mailboxes' },
  };
  const checked = checkConfig(config, 'test');
  if (checked.kind === 'wrong') throw new Error(checked.problems.join('\n'));
  runtime = await boot({
    settings: checked.settings,
    dataFolder: data,
    mxPort: 0,
    submissionPort: 0,
    consolePort: 0,
    secretsFile: null,
    sweepEveryMs: null,
    timeScale: 1,
    demo: false,
    show: () => {},
  });
  closing.push(runtime.stop);
}, 120_000);
afterAll(async () => {
  for (const close of closing.reverse()) await close();
  rmSync(folder, { recursive: true, force: true });
});

type Ran = { readonly code: number | null; readonly out: string; readonly err: string };

/** `everpost …`; `closeAfter` closes its standard output after so many bytes, as `head` does. */
function everpost(args: readonly string[], closeAfter = Number.POSITIVE_INFINITY): Promise<Ran> {
  const child = spawn(process.execPath, ['src/cli/everpost.ts', ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let [out, err] = ['', ''];
  if (closeAfter === 0) child.stdout.destroy();
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
    if (out.length >= closeAfter) child.stdout.destroy();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    err += chunk.toString();
  });
  return new Promise((resolve) => child.once('exit', (code) => resolve({ code, out, err })));
}
const trace = (...args: string[]): Promise<Ran> => everpost(['trace', '--data', data, ...args]);

async function deliver(reversePath: string, forwardPath: string, header: string): Promise<void> {
  const lines = [
    `EHLO x`,
    `MAIL FROM:<${reversePath}> SMTPUTF8`,
    `RCPT TO:<${forwardPath}>`,
    'DATA',
    `${header}\r\n\r\nx\r\n.`,
  ];
  const socket = connect(runtime.ports.mx, '127.0.0.1');
  let said = '';
  socket.on('data', (chunk) => {
    said += chunk.toString();
    for (let end = said.indexOf('\r\n'); end >= 0; end = said.indexOf('\r\n')) {
      const line = said.slice(0, end);
      said = said.slice(end + 2);
      if (line.charAt(3) !== '-') lines.length > 0 ? socket.write(`${lines.shift()}\r\n`) : socket.end(line);
    }
  });
  await new Promise((resolve) => socket.once('close', resolve));
  for (let waited = 0; waited < 30_000; waited += 500) {
    const { out } = await trace('--forward-path', forwardPath, '--json');
    const [message] = JSON.parse(out) as { deliveries: { state: string }[] }[];
    if (message?.deliveries.every(({ state }) => state === 'relayed')) return;
  }
  throw new Error(`never relayed to ${forwardPath}`);
}

const RAW = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/u;

describe('everpost trace', () => {
  it('shows strangers’ text as text, for people and as JSON', async () => {
    const from = 'a\u202egpj.exe\u200b\u009b31m@src.example';
    await deliver(from, 'shown@example.com', 'Message-ID: <\u202e1\u0085@src.example>\r\nSubject: x');
    const people = await trace('--forward-path', 'shown@example.com');
    expect(people.out).toContain('a\\u202egpj.exe\\u200b\\u009b31m@src.example');
    expect(people.out.replaceAll('\n', '')).not.toMatch(RAW);
    const json = await trace('--forward-path', 'shown@example.com', '--json');
    expect(json.out.replaceAll('\n', '')).not.toMatch(RAW);
    expect(JSON.parse(json.out)).toMatchObject([{ reversePath: from }]);
  }, 60_000);

  it('takes a Message-ID as people copy it, and goes by the instance’s clock', async () => {
    await deliver('a@src.example', 'id@example.com', 'Message-ID: <copied.1@src.example>');
    for (const copied of [
      '<copied.1@src.example>',
      'copied.1@src.example',
      ' copied.1@src.example',
      'Message-ID: <copied.1@src.example>',
    ])
      expect((await trace('--message-id', copied)).out, copied).toContain('<id@example.com>');
    expect((await trace('--message-id', 'opied.1@src.example')).out).toBe('no message fits\n');

    await runtime.emulators.clock.advance(5 * 3_600_000);
    expect((await trace('--message-id', 'copied.1@src.example', '--since', '4h')).out).toBe('no message fits\n');
    expect((await trace('--message-id', 'copied.1@src.example', '--since', '6h')).out).toContain('<id@example.com>');
  }, 60_000);

  it('ends in peace when nobody reads on', async () => {
    expect(await everpost(['trace', '--data', data], 0)).toMatchObject({ code: 0, err: '' });
    expect(await everpost(['trace', '--data', data, '--json'], 1)).toMatchObject({ code: 0, err: '' });
  }, 60_000);
});

describe('a pipe that is closed', () => {
  const VERBS = ['trace', 'release', 'hold', 'remove', 'resubmit', 'gateway', 'sendmail'];
  it('ends no verb with a stack trace', async () => {
    for (const args of [[], ['help'], ...VERBS.map((verb) => [verb, '--help'])])
      expect((await everpost(args, 0)).err, args.join(' ')).toBe('');
    const shown = await everpost(['hold', '--data', data, '--state', 'queued'], 0);
    expect(shown).toMatchObject({ code: 1, err: '' });
  }, 120_000);
  it('ends neither npm start nor synth with one', async () => {
    for (const args of [
      ['src/local/main.ts', '--help'],
      ['infra/synth.ts', '--config', 'no-such-file'],
    ]) {
      const child = spawn(process.execPath, args, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
      child.stdout.destroy();
      let err = '';
      child.stderr.on('data', (chunk: Buffer) => {
        err += chunk.toString();
      });
      await new Promise((resolve) => child.once('exit', resolve));
      expect(err).not.toContain('EPIPE');
    }
  }, 60_000);
});

describe('an instance', () => {
  const place = (name: string): string => {
    mkdirSync(join(folder, name));
    return join(folder, name);
  };
  it('that is starting is waited for', async () => {
    const own = place('starting');
    const console = await openConsole(0);
    closing.push(console.close);
    writeFileSync(join(own, 'instance.json'), JSON.stringify({ console: console.url, pid: process.pid }));
    const asked = everpost(['trace', '--data', own, '--forward-path', 'id@example.com']);
    await sleep(2_500);
    const real = `http://127.0.0.1:${runtime.ports.console}`;
    const [health, endpoint] = await Promise.all(
      ['health', 'endpoint'].map(async (it) => (await fetch(`${real}/${it}`)).json()),
    );
    console.serve({ health: () => health, endpoint: () => endpoint as EndpointReport } as never);
    const { code, out, err } = await asked;
    expect([code, err]).toEqual([0, `everpost: the instance of ${own} is starting; waiting for it\n`]);
    expect(out).toContain('<id@example.com>');
  }, 60_000);
  it('whose first start has not come to its console yet is waited for', async () => {
    const own = place('first');
    writeFileSync(join(own, 'everpost.lock'), JSON.stringify({ pid: process.pid, startedAt: null }));
    const asked = everpost(['trace', '--data', own]);
    await sleep(2_000);
    rmSync(join(own, 'everpost.lock')); // it could not start
    const { code, err } = await asked;
    expect(code).toBe(69);
    expect(err).toMatch(/is starting; waiting for it\n.*no instance has run in/);
  }, 60_000);
  it('that never was, or is gone, is said at once', async () => {
    expect(await everpost(['trace', '--data', place('never')])).toMatchObject({
      code: 69,
      err: expect.stringContaining('no instance has run in'),
    });
    const gone = place('gone');
    writeFileSync(join(gone, 'instance.json'), JSON.stringify({ console: 'http://127.0.0.1:9', pid: 1 << 22 }));
    expect(await everpost(['trace', '--data', gone])).toMatchObject({
      code: 69,
      err: expect.stringContaining('start it with npm start'),
    });
  }, 60_000);
  it('whose disk refused a write is said so', async () => {
    const own = place('refused');
    const console = await openConsole(0);
    closing.push(console.close);
    console.suspend({ status: 'storage-failed', error: 'the disk refused a write: ENOSPC' });
    writeFileSync(join(own, 'instance.json'), JSON.stringify({ console: console.url, pid: process.pid }));
    expect(await everpost(['trace', '--data', own])).toMatchObject({
      code: 69,
      err: expect.stringContaining('ENOSPC'),
    });
  }, 60_000);
});

describe('npm start', () => {
  it.for(['SIGTERM', 'SIGKILL'] as const)(
    'leaves nothing behind when npm alone is ended by %s',
    { timeout: 90_000 },
    async (signal) => {
      const own = join(folder, `npm-${signal}`);
      mkdirSync(own);
      writeFileSync(join(own, 'c.json'), JSON.stringify(config));
      const ports = ['--mx-port', '0', '--submission-port', '0', '--console-port', '0', '--no-demo'];
      const npm = spawn(
        'npm',
        ['start', '--', '--config', join(own, 'c.json'), '--data', join(own, 'data'), ...ports],
        {
          cwd: ROOT,
          stdio: ['ignore', 'pipe', 'ignore'],
        },
      );
      await readyLine(npm);
      const { pid } = JSON.parse(readFileSync(join(own, 'data', 'instance.json'), 'utf8')) as { pid: number };
      expect(isAlive(pid)).toBe(true);
      npm.kill(signal);
      for (let waited = 0; waited < 20_000 && isAlive(pid); waited += 100) await sleep(100);
      const left = isAlive(pid);
      if (left) process.kill(pid, 'SIGKILL');
      expect(left).toBe(false);
    },
  );
});

function readyLine(child: ChildProcess): Promise<void> {
  return new Promise((resolve, reject) => {
    let said = '';
    child.once('exit', (code) => reject(new Error(`it ended with ${code}`)));
    child.stdout?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      if (/^ready /m.test(said)) resolve();
    });
  });
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
