// A port that somebody has: the process ends with 1 and one line, and what the line says to do works.

import { execFile, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { demoPort } from '#local/demo-next-hop.ts';
import { boot } from '#local/runtime.ts';
import { another, taken } from '#local/taken.ts';

const ROOT = join(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'taken-'));
const holder = createServer();
let port: number;
beforeAll(async () => {
  await new Promise<void>((resolve) => holder.listen(0, '127.0.0.1', resolve));
  port = (holder.address() as { port: number }).port;
});
afterAll(() => {
  holder.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('npm start', () => {
  const args = (own: Readonly<Record<string, string>>): string[] => {
    const ports = { '--mx-port': '0', '--submission-port': '0', '--console-port': '0', ...own };
    return [
      'src/local/main.ts',
      '--config',
      join(folder, 'c.json'),
      '--data',
      join(folder, 'data'),
      '--no-demo',
      ...Object.entries(ports).flat(),
    ];
  };
  beforeAll(() => {
    const hop = { kind: 'smtp', host: '127.0.0.1', port: 9, tls: 'off' };
    const notices = { from: 'postmaster@example.com', postmaster: 'postmaster@example.com', via: 'hop' };
    const routes = [{ match: '*@example.com', to: [{ via: 'hop' }] }];
    writeFileSync(
      join(folder, 'c.json'),
      JSON.stringify({ domains: ['example.com'], nextHops: { hop }, routes, notices }),
    );
  });
  it.for(['--mx-port', '--submission-port', '--console-port'])('%s', { timeout: 120_000 }, async (flag) => {
    const failed = await new Promise<{ code: unknown; err: string }>((resolve) =>
      execFile(process.execPath, args({ [flag]: String(port) }), { cwd: ROOT }, (error, _out, err) =>
        resolve({ code: error?.code, err }),
      ),
    );
    expect(failed).toEqual({ code: 1, err: expect.stringContaining(`the port ${port} is taken by another process`) });
    const [, said] = /npm start -- (--[a-z-]+ \w)/.exec(failed.err) ?? [];
    expect(said).toBe(`${flag} N`);
    const child = spawn(process.execPath, args({ [flag]: '0' }), { cwd: ROOT, stdio: ['ignore', 'pipe', 'ignore'] });
    const [first] = (await Promise.race([
      new Promise((resolve) => child.stdout.once('data', (chunk: Buffer) => resolve([chunk.toString()]))),
      new Promise((resolve) => child.once('exit', () => resolve(['ended']))),
    ])) as [string];
    child.kill('SIGKILL');
    expect(first).toMatch(/^ready /);
  });
});

describe('the built-in next hop', () => {
  it('has a fixed port: the remedy is not another one, but to leave it out, or to end who has it', async () => {
    const own = createServer();
    await new Promise<void>((resolve) => {
      own.once('error', () => resolve()); // somebody has it already: as good
      own.listen(demoPort, '127.0.0.1', resolve);
    });
    const { loadConfig } = await import('#config/load.ts');
    const shipped = await loadConfig();
    if (shipped.kind === 'wrong') throw new Error(shipped.problems.join('\n'));
    const options = {
      settings: shipped.settings,
      dataFolder: join(folder, 'demo'),
      mxPort: 0,
      submissionPort: 0,
      consolePort: 0,
      secretsFile: null,
      sweepEveryMs: null,
      timeScale: 1,
      show: () => {},
    };
    await expect(boot({ ...options, demo: true })).rejects.toThrow(
      /^the port 2526 is taken by another process: end that process, or leave the port to it with npm start -- --no-demo/,
    );
    await (await boot({ ...options, demo: false })).stop();
    own.close();
  }, 120_000);
});

it('what is no matter of ports stays what it was', () => {
  const other = Object.assign(new Error('x'), { code: 'EMFILE' });
  expect(() => taken(25, another('--mx-port'))(other)).toThrow(other);
  expect(() => taken(25, another('--mx-port'))(Object.assign(new Error('x'), { code: 'EACCES' }))).toThrow(
    'the port 25 may not be opened by this user: choose another port with npm start -- --mx-port N',
  );
});
