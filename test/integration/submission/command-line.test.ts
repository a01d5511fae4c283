// What `everpost gateway` and `everpost sendmail` say to a wrong call: one line with the remedy, and the exit code.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../../..');
const home = mkdtempSync(join(tmpdir(), 'everpost-home-'));
afterAll(() => rmSync(home, { recursive: true, force: true }));
const env = { PATH: process.env.PATH ?? '', HOME: home, EVERPOST_SENDMAIL_CONFIG: '/dev/null/none' };

function call(...args: string[]) {
  const { status, stderr } = spawnSync(process.execPath, ['src/cli/everpost.ts', ...args], {
    cwd: ROOT,
    env,
    encoding: 'utf8',
    input: 'x\n',
  });
  return { status, stderr };
}

test.each([
  [['gateway', '--listen', '0.0.0.0:0'], 2, 'give --cert FILE and --key FILE'],
  [['gateway', '--cert', 'x'], 2, '--cert and --key belong together'],
  [['gateway', '--tls-listen', '127.0.0.1:0'], 2, '--tls-listen needs --cert'],
  [['gateway', '--listen', 'nowhere'], 2, 'write HOST:PORT'],
  [['gateway', '--config', 'none.json'], 78, 'there is no such file'],
  [['gateway'], 78, 'write submitters:'],
  [['sendmail', 'bob@x.example'], 78, 'cannot be read'],
  [['sendmail', '-bp'], 64, 'everpost trace'],
] as const)('%j ends with %s', (args, status, words) => {
  const said = call(...args);
  expect(said.status).toBe(status);
  expect(said.stderr).toContain(words);
  expect(said.stderr.trim().split('\n').length).toBe(1);
});
