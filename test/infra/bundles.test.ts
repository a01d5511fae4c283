// The bundles that are deployed: whole, small, each with what its function uses and nothing else, and without maps.
// They are built once, as `npm run synth` builds them.

import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { rowGroups } from '#core/reply/rules/providers.ts';
import { type Bundle, bundleFunctions } from '#infra/bundles.ts';
import { settingsOf } from './template.ts';

const dist = mkdtempSync(join(tmpdir(), 'everpost-dist-'));
let bundles: readonly Bundle[] = [];
beforeAll(async () => {
  bundles = await bundleFunctions({ dist, settings: settingsOf() });
});
afterAll(() => rmSync(dist, { recursive: true, force: true }));

const code = (name: string) => readFileSync(join(dist, name, 'index.js'), 'utf8');
/** What of node_modules went in, by the map that stays here. */
const packages = (name: string) => {
  const map = JSON.parse(readFileSync(join(dist, 'maps', `${name}.js.map`), 'utf8')) as { sources: string[] };
  return new Set(
    map.sources
      .map((source) => /node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(source)?.[1])
      .filter((found) => found !== undefined),
  );
};

test('hold index.js and the settings, and no map', () => {
  expect(bundles.map(({ name }) => name)).toEqual([
    ...['ingest', 'relay', 'feedback', 'sweep', 'orphans', 'purge', 'activate'],
  ]);
  for (const { name, bytes } of bundles) {
    const configured = name !== 'activate';
    expect(readdirSync(join(dist, name)).sort()).toEqual(configured ? ['config.json', 'index.js'] : ['index.js']);
    if (configured) expect(JSON.parse(readFileSync(join(dist, name, 'config.json'), 'utf8'))).toEqual(settingsOf());
    expect(code(name)).not.toContain('sourceMappingURL');
    // A cold start reads all of it. The rows for replies are some 80 kB of relay; what it counts for alarms is 4 kB.
    expect(bytes).toBeLessThan(1_165_000);
  }
});

test('hold of the rows for replies what decides, not the replies that earned them', () => {
  const rows = rowGroups.flatMap((group) => group.rows);
  const relay = code('relay');
  expect(relay.match(/\bseen:"[45]"/g)?.length).toBe(rows.length);
  expect(rows.filter(({ id }) => !relay.includes(`"${id}"`))).toEqual([]);
  expect(rows.filter(({ source }) => relay.includes(source))).toEqual([]);
});

test('export their handler', () => {
  for (const { name } of bundles) expect([name, /\bhandler:\(\)=>/.test(code(name))]).toEqual([name, true]);
});

// client-s3 asks for it inside a try, for signatures that no call of ours needs.
const OPTIONAL = ['@aws-sdk/signature-v4-crt'];

test('require nothing but what Node has', () => {
  for (const { name } of bundles) {
    const required = [...code(name).matchAll(/\brequire\("([^"]+)"\)/g)].map((found) =>
      (found[1] ?? '').replace('node:', ''),
    );
    expect([name, required.filter((module) => !builtinModules.includes(module) && !OPTIONAL.includes(module))]).toEqual(
      [name, []],
    );
  }
});

test('take along no package that tests alone use, such as one under the AGPL', () => {
  const { dependencies, devDependencies } = JSON.parse(readFileSync('package.json', 'utf8')) as Record<string, object>;
  expect(Object.keys(dependencies ?? {})).not.toEqual([]);
  const unwanted = (found: string) =>
    found.startsWith('@cloud-copilot/') || Object.hasOwn(devDependencies ?? {}, found);
  for (const { name } of bundles) expect([name, [...packages(name)].filter(unwanted)]).toEqual([name, []]);
});

test('take along only the clients that their function calls', () => {
  const clients = (name: string) => [...packages(name)].filter((found) => found.startsWith('@aws-sdk/client-')).sort();
  const sdk = (...services: string[]) => services.map((service) => `@aws-sdk/client-${service}`);
  expect(clients('ingest')).toEqual(sdk('dynamodb', 's3', 'secrets-manager', 'sqs'));
  expect(clients('relay')).toEqual(sdk('dynamodb', 's3', 'secrets-manager', 'ses', 'sesv2', 'sqs'));
  expect(clients('feedback')).toEqual(sdk('dynamodb', 's3', 'secrets-manager', 'sesv2', 'sqs'));
  expect(clients('sweep')).toEqual(sdk('dynamodb', 'ses', 'sesv2', 'sqs'));
  expect(clients('orphans')).toEqual(sdk('dynamodb', 's3', 'secrets-manager', 'sqs'));
  expect(clients('purge')).toEqual(sdk('dynamodb', 's3', 'sqs'));
  expect(clients('activate')).toEqual(sdk('ses'));
});

test('hold no schema of the configuration: they read settings that were checked', () => {
  for (const { name } of bundles) {
    expect([name, packages(name).has('zod')]).toEqual([name, false]);
    const sources = JSON.parse(readFileSync(join(dist, 'maps', `${name}.js.map`), 'utf8')).sources as string[];
    expect([name, sources.filter((source) => source.includes('src/config/'))]).toEqual([name, []]);
  }
});

test('a bundle that does not build says why, and leaves nothing behind that could be deployed', async () => {
  const empty = join(dist, 'none');
  await expect(bundleFunctions({ dist: join(dist, 'broken'), settings: settingsOf(), lambdas: empty })).rejects.toThrow(
    /none\/\w+\.ts/, // esbuild names some of them, in no order
  );
  expect(existsSync(join(dist, 'broken', 'ingest'))).toBe(false);
});
