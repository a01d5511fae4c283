// What the command line of `everpost gateway` makes of the server: what it says of TLS and logins reaches it, and
// nothing is opened that was not asked for. The server itself is caught; test/integration/submission asks what it does.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { gateway } from '#cli/gateway.ts';
import type { SubmissionServerParts } from '#gateway/server.ts';
import { type Instance, openInstance, said, submitting } from './instance.ts';

type Opened = { readonly host: string; readonly port: number; readonly implicitTls: boolean };
const opened: Opened[] = [];
let parts: SubmissionServerParts | null = null;
let stopped = 0;
vi.mock('#gateway/server.ts', () => ({
  submissionServer: (given: SubmissionServerParts) => {
    parts = given;
    return {
      listen: async (where: Opened) => {
        opened.push(where);
        left -= 1;
        if (left === 0) setTimeout(() => process.emit('SIGTERM'), 10);
        return where.port;
      },
      renew: () => {},
      stop: async () => {
        stopped += 1;
      },
    };
  },
}));
/** Places that it shall open before it is told to end. */
let left = 1;
vi.setConfig({ testTimeout: 10_000 });
process.setMaxListeners(50); // each run listens for the signals that end it

const folder = mkdtempSync(join(tmpdir(), 'everpost-gateway-'));
const config = join(folder, 'everpost.config.json');
const fixture = (name: string) => join(import.meta.dirname, '../../fixtures/tls', name);
const TLS = ['--cert', fixture('server.pem'), '--key', fixture('server.key')];
let instance: Instance;
beforeAll(async () => {
  writeFileSync(config, submitting);
  writeFileSync(join(folder, 'secrets.json'), JSON.stringify({ cron: { username: 'cron', password: 'geheim' } }));
  instance = await openInstance();
});
afterAll(async () => {
  await instance.close();
  rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => {
  opened.length = 0;
  parts = null;
  stopped = 0;
});

async function run(...args: string[]) {
  left = args.includes('--tls-listen') ? 2 : 1;
  const secrets = ['--secrets', join(folder, 'secrets.json')];
  const { code, out } = await said(() =>
    gateway.run(['--data', instance.data, '--config', config, ...secrets, ...args]),
  );
  if (parts === null) throw new Error('no server was made');
  return { code, out, parts: parts as SubmissionServerParts };
}

describe('logins without TLS', () => {
  it('are for this machine alone, unless the command line says otherwise', async () => {
    expect((await run()).parts.allowPlainAuth).toBe(false);
    expect((await run(...TLS)).parts.allowPlainAuth).toBe(false);
    expect((await run('--allow-plain-auth')).parts.allowPlainAuth).toBe(true);
    expect((await run()).parts.isLocal).toBeUndefined(); // the server's own word: loopback
  });
  it('a place that others reach is not opened without TLS or that word', async () => {
    await expect(run('--listen', '0.0.0.0:2525')).rejects.toThrow('nobody could log in');
    expect(opened).toEqual([]);
    await run('--listen', '0.0.0.0:2525', ...TLS);
    await run('--listen', '0.0.0.0:2525', '--allow-plain-auth');
    expect(opened.map(({ host }) => host)).toEqual(['0.0.0.0', '0.0.0.0']);
  });
});

describe('the places', () => {
  it('are where it was said, TLS from the start at the one for that alone; and it ends when it is told to', async () => {
    const { code, out, parts } = await run('--listen', '[::1]:2525', '--tls-listen', '127.0.0.1:4650', ...TLS);
    expect(opened).toEqual([
      { host: '::1', port: 2525, implicitTls: false },
      { host: '127.0.0.1', port: 4650, implicitTls: true },
    ]);
    expect([code, stopped, out]).toEqual([0, 1, 'ready submission=[::1]:2525 tls=127.0.0.1:4650\n']);
    expect(parts.tls?.cert).toContain('BEGIN CERTIFICATE');
    expect(parts.tls?.key).toContain('PRIVATE KEY');
  });
  it('without a certificate there is no TLS, and port 587 of this machine', async () => {
    expect((await run()).parts.tls).toBeNull();
    expect(opened).toEqual([{ host: '127.0.0.1', port: 587, implicitTls: false }]);
  });
});

describe('who may submit', () => {
  it('are the submitters of the configuration, by the secrets of the file', async () => {
    const { parts } = await run();
    if ('submitter' in parts.clients) throw new Error('everybody may submit');
    expect(await parts.clients.login('cron', 'geheim')).toEqual({ kind: 'submitter', submitter: 'cron' });
    expect(await parts.clients.login('cron', 'falsch')).toEqual({ kind: 'unknown' });
    expect(parts.settings).toMatchObject({
      domains: ['example.com'],
      submitters: { cron: { senderDomains: ['example.com'] } },
    });
  });
  it('and what they submit goes to the bucket of the instance', async () => {
    const { parts } = await run();
    expect(parts.storeOf('cron')).toMatchObject({ bucket: 'spool' });
  });
});
