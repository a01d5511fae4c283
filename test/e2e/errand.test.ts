// The bundled handlers on the emulators, under the synthesised policies: one errand that makes every function do all it
// does. A permission that the template lacks is named. test/e2e/permissions.test.ts takes each away in turn; this is
// its first half, and too long for npm test.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { checkConfig } from '#config/check.ts';
import { boot, type Runtime } from '#local/runtime.ts';
import { parts, runPart } from './errand.ts';
import { errandConfig, errandNextHop, errandSecrets } from './errand-setting.ts';
import { lackIn, lacks } from './grants.ts';

const folder = mkdtempSync(join(tmpdir(), 'everpost-errand-'));
const nextHop = await errandNextHop();
let runtime: Runtime | undefined;

beforeAll(async () => {
  const checked = checkConfig(errandConfig(nextHop), 'errand');
  if (checked.kind === 'wrong') throw new Error(checked.problems.join('\n'));
  const secretsFile = join(folder, 'secrets.json');
  writeFileSync(secretsFile, JSON.stringify(errandSecrets));
  const dataFolder = join(folder, 'data');
  runtime = await boot({
    settings: checked.settings,
    dataFolder,
    mxPort: 0,
    submissionPort: 0,
    consolePort: 0,
    secretsFile,
    sesOut: `127.0.0.1:${nextHop.port}`,
    sweepEveryMs: null,
    timeScale: 1,
    demo: false,
    show: () => {},
  }).catch((error: Error) => {
    throw new Error(lackIn(error.message));
  });
}, 120_000);
afterAll(async () => {
  await runtime?.stop();
  await nextHop.close();
  rmSync(folder, { recursive: true, force: true });
});

it.each(parts.map((part) => [part.name, part] as const))(
  '%s',
  async (_name, part) => {
    if (runtime === undefined) throw new Error('the stack did not start');
    await runPart(part, { runtime, nextHop, patienceMs: 20_000 });
  },
  180_000,
);

it('no permission was missing', () => {
  expect(lacks(runtime?.emulators.iam.denials() ?? [])).toEqual([]);
});
