// The doctor's checks are run side by side, each within its time, and none is left out of the report.

import { expect, it } from 'vitest';
import { asking, type Check, ok } from '#cli/doctor/finding.ts';
import { runChecks, stateOf } from '#cli/doctor/run-checks.ts';

const check = (name: string, run: Check['run']): Check => ({ name, area: 'account', beforeDeploy: false, run });

it('has a finding for a check that is fine, fails, or has no answer in its time, which is told to end', async () => {
  let ended = false;
  const started = performance.now();
  const hangs = (signal: AbortSignal) =>
    new Promise<never>(() => {
      signal.addEventListener('abort', () => {
        ended = true;
      });
    });
  const examined = await runChecks(
    [
      check('fine', async () => [ok('yes')]),
      check('hangs', hangs),
      check('hangs too', hangs),
      check('throws', () => Promise.reject(new TypeError('a bug'))),
    ],
    50,
  );
  expect(performance.now() - started).toBeLessThan(5_000);
  expect(ended).toBe(true);
  expect(examined.map(({ name, findings }) => [name, findings.map(({ state, what }) => `${state}: ${what}`)])).toEqual([
    ['fine', ['ok: yes']],
    ['hangs', ['unknown: nothing within 0.05 s']],
    ['hangs too', ['unknown: nothing within 0.05 s']],
    ['throws', ['unknown: the check itself failed (TypeError: a bug)']],
  ]);
  expect(stateOf(examined)).toBe('unknown');
});

it.each([
  [{ name: 'AccessDenied', message: 'no' }, /^AWS refuses sns:Ask$/],
  [{ name: 'ExpiredToken', message: 'old' }, /does not take your credentials \(ExpiredToken: old\)/],
  [{ name: 'Error', message: 'away', code: 'ENOTFOUND' }, /^sns:Ask: no answer/],
  [{ name: 'Odd', message: 'strange', $metadata: { httpStatusCode: 400 } }, /^sns:Ask failed: Odd: strange$/],
])('says what an error of AWS is: %o', async (error, what) => {
  const call = () => asking('sns:Ask', () => Promise.reject(Object.assign(new Error(error.message), error)));
  const [examined] = await runChecks([check('asks', call)], 1_000);
  expect(examined?.findings).toEqual([
    { state: 'unknown', what: expect.stringMatching(what), remedy: expect.any(String) },
  ]);
});
