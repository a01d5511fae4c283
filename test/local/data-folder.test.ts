// The data folder holds mail and credentials: it is its user's alone, with all that is in it, and a stranger's is not
// used.

import { spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { handOver } from '#aws-local/ses/smtp-send.ts';
import { ForeignFolder, takeLock } from '#local/lock.ts';

const ROOT = join(import.meta.dirname, '../..');
const folder = mkdtempSync(join(tmpdir(), 'data-folder-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

it('is 0700 and everything in it is closed to others, whatever wrote it', async () => {
  const data = join(folder, 'data');
  mkdirSync(data, { mode: 0o755 });
  chmodSync(data, 0o755); // as an earlier version left it
  const hop = { kind: 'smtp', host: '127.0.0.1', port: 9, tls: 'off' };
  const notices = { from: 'postmaster@example.com', postmaster: 'postmaster@example.com', via: 'hop' };
  const config = {
    domains: ['example.com'],
    nextHops: { hop },
    routes: [{ match: '*@example.com', to: [{ via: 'hop' }] }],
    notices,
  };
  writeFileSync(join(folder, 'c.json'), JSON.stringify(config));
  const ports = ['--mx-port', '0', '--submission-port', '0', '--console-port', '0', '--no-demo'];
  const child = spawn(
    process.execPath,
    ['src/local/main.ts', '--config', join(folder, 'c.json'), '--data', data, ...ports],
    {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'ignore'],
    },
  );
  const ready = await new Promise<string>((resolve) =>
    child.stdout.once('data', (chunk: Buffer) => resolve(chunk.toString())),
  );
  const port = Number(/mx=127\.0\.0\.1:(\d+)/.exec(ready)?.[1]);
  const content = Buffer.from(`Subject: x\r\n\r\n${'x'.repeat(400_000)}\r\n`);
  const sent = await handOver(
    { host: '127.0.0.1', port, helo: 'x' },
    { reversePath: 'a@src.example', forwardPath: 'b@example.com', content },
  );
  expect(sent.code).toBe(250);
  const entries = readdirSync(data, { recursive: true, encoding: 'utf8' }).map((name) => join(data, name));
  child.kill('SIGKILL');
  expect(entries.length).toBeGreaterThan(20);
  const open = [data, ...entries].filter((path) => {
    const entry = lstatSync(path, { throwIfNoEntry: false });
    return entry !== undefined && !entry.isSymbolicLink() && (entry.mode & 0o077) !== 0;
  });
  expect(open).toEqual([]);
}, 120_000);

it('an older one is closed at the next start, and works through the user’s own link', () => {
  const own = join(folder, 'own');
  mkdirSync(own);
  chmodSync(own, 0o777);
  symlinkSync(own, join(folder, 'link'));
  takeLock(join(folder, 'link')).release();
  expect(statSync(own).mode & 0o777).toBe(0o700);
});

it('a stranger’s folder, or one behind a stranger’s link, is not used', () => {
  const strange = join(folder, 'strange');
  mkdirSync(strange, { mode: 0o755 });
  const link = join(folder, 'strange-link');
  symlinkSync(strange, link);
  const { uid } = lstatSync(strange);
  const somebodyElse = uid + 1;
  // A link and a folder of root's are nobody's trap.
  const refusal = uid === 0 ? null : `belongs to another user (${uid}): name a folder of your own with --data`;
  for (const path of [strange, link]) {
    if (refusal === null) {
      chownSync(strange, 12_345, 12_345);
      expect(() => takeLock(path)).toThrow(ForeignFolder);
      expect(() => takeLock(path)).toThrow('belongs to another user (12345): name a folder of your own with --data');
      chownSync(strange, uid, uid);
    } else {
      expect(() => takeLock(path, somebodyElse)).toThrow(ForeignFolder);
      expect(() => takeLock(path, somebodyElse)).toThrow(refusal);
    }
  }
  expect(readdirSync(strange)).toEqual([]);
  expect(statSync(strange).mode & 0o777).toBe(0o755);
});

it('is never a folder that everybody shares: that stays as it is', () => {
  const shared = join(folder, 'shared');
  mkdirSync(shared);
  chmodSync(shared, 0o1777);
  expect(() => takeLock(shared)).toThrow(/is shared by everybody: name a folder of your own with --data/);
  expect(statSync(shared).mode & 0o7777).toBe(0o1777);
});
