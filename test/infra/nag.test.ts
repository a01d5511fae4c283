// cdk-nag and CDK's own validation on the whole template, with and without our reasons: what is found and what is
// excused must be the same. A reason that excuses nothing any more has to go.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Validations } from 'aws-cdk-lib';
import { AwsSolutionsChecks, ServerlessChecks } from 'cdk-nag';
import { afterAll, expect, test, vi } from 'vitest';
import { nagReasons } from '#infra/nag-reasons.ts';
import { everpostStack } from '#infra/stack.ts';
import { addChecks, newApp } from '#infra/synthesise.ts';
import { bySesAndSrs, emptyFunctions, settingsOf, submitting } from './template.ts';

const folder = mkdtempSync(join(tmpdir(), 'everpost-nag-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
// What each of them adds comes with reasons of its own.
const routes = [...bySesAndSrs.routes, ...submitting.routes.slice(-1)];
const canary = { every: '1h', to: 'canary@example.com' };
const alarms = { email: ['ann@example.net', 'bob@example.net'] };
const network = { create: { zones: 2 } };
const settings = settingsOf({ ...bySesAndSrs, ...submitting, routes, network, canary, alarms });
const dist = join(folder, 'dist');
emptyFunctions(dist);
vi.setConfig({ testTimeout: 240_000 }); // seconds of work, on a machine that may be busy

test('every finding has its reason, and every reason its finding', () => {
  const outdir = join(folder, 'bare');
  const app = newApp({ outdir, validate: true });
  everpostStack(app, { settings, dist, replaceRuleSet: false });
  Validations.of(app).addPlugins(new AwsSolutionsChecks(app), new ServerlessChecks(app));
  expect(() => app.synth()).toThrow();
  const found = findingsIn(join(outdir, 'validation-report.json'));
  expect(found.length).toBeGreaterThan(10);
  const excused = nagReasons(settings).flatMap(({ rule, at }) => at.map((path) => `${rule} ${path}`));
  expect([...new Set(found)].sort()).toEqual([...new Set(excused)].sort());
  expect(excused).toHaveLength(new Set(excused).size);
});

test('with the reasons all checks pass', async () => {
  const app = newApp({ outdir: join(folder, 'checked'), validate: true });
  await addChecks(app, everpostStack(app, { settings, dist, replaceRuleSet: false }), settings);
  expect(() => app.synth()).not.toThrow();
});

test('without SES as a way out too, where some constructs are not there', async () => {
  const app = newApp({ outdir: join(folder, 'plain'), validate: true });
  const plain = settingsOf();
  await addChecks(app, everpostStack(app, { settings: plain, dist, replaceRuleSet: false }), plain);
  expect(() => app.synth()).not.toThrow();
});

test('a reason says more than that it is one', () => {
  for (const { rule, reason } of nagReasons(settings)) expect([rule, reason.length > 60]).toEqual([rule, true]);
});

/** `rule path` of each finding in CDK's report, without the pack's name and the path's stack and Resource. */
function findingsIn(report: string): string[] {
  const { pluginReports } = JSON.parse(readFileSync(report, 'utf8')) as Report;
  return pluginReports.flatMap(({ violations }) =>
    violations.flatMap(({ ruleName, violatingConstructs }) =>
      violatingConstructs.map(
        ({ constructPath }) =>
          `${ruleName.replace(/^\w+::/, '')} ${constructPath.replace(/^Everpost\/|\/Resource$/g, '')}`,
      ),
    ),
  );
}
type Report = {
  readonly pluginReports: readonly {
    readonly violations: readonly {
      readonly ruleName: string;
      readonly violatingConstructs: readonly { readonly constructPath: string }[];
    }[];
  }[];
};
