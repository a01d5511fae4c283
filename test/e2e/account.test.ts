// `npm run test:account -- --local`: the script for the first AWS account, on the local runtime. Each check passes, or
// names what the emulators do not know; and one that fails ends the script with 1.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import type { Tried } from '#test/account/account-check.ts';
import { accountChecks } from '#test/account/account-checks.ts';
import { ROOT } from '#test/account/account-place.ts';

/** They show nothing but patience here: the emulators' own tests have the sizes. */
const LARGE = ['message-of-36-mb', 'send-28-mb'];
const UNKNOWN = [
  ...['point-in-time-recovery', 'maximum-concurrency', 'recursive-loop', 'auto-validation-off'],
  ...['queue-policy-of-the-future', 'submission-cannot-be-overwritten'],
];

it('each check passes, or says what the emulators do not know', async () => {
  const names = accountChecks.map(({ name }) => name).filter((name) => !LARGE.includes(name));
  const words = ['test/account/first-account.ts', '--local', '--json', ...names.flatMap((name) => ['--only', name])];
  const run = promisify(execFile)(process.execPath, words, { cwd: ROOT, maxBuffer: 16 << 20 });
  const { stdout } = await run.catch((error: Error & { stdout: string }) => {
    if (error.stdout === '') throw error;
    return error; // with 1, where a check failed: told below
  });
  const { checks, fail } = JSON.parse(stdout) as { checks: Tried[]; fail: number };
  expect(checks.filter(({ state }) => state === 'fail')).toEqual([]);
  expect(fail).toBe(0);
  expect(checks.filter(({ state }) => state === 'not tried').map(({ name }) => name)).toEqual(UNKNOWN);
  for (const { name, state, what } of checks)
    if (state === 'not tried') expect([name, what]).toEqual([name, expect.stringMatching(/emulators/)]);
});
