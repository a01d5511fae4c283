// Configuration files as people keep them: TypeScript, JavaScript of both kinds, JSON, and files that can not be read.
// Each mistake is one line that begins with the file's name.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { loadConfig } from '#infra/load-config.ts';

const folder = mkdtempSync(join(tmpdir(), 'everpost-config-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const config = {
  domains: ['example.com'],
  nextHops: { a: { kind: 'smtp', host: 'mx.example.org', port: 587, tls: 'required' } },
  routes: [{ match: '*@example.com', to: [{ via: 'a' }] }],
  notices: { from: 'postmaster@example.com', postmaster: 'postmaster@example.com', via: 'a' },
};
const json = JSON.stringify(config);
const PEM = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n';

function file(name: string, content: string): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

test('the shipped file is right', async () => {
  const loaded = await loadConfig();
  expect(loaded).toMatchObject({ kind: 'ok', settings: { domains: ['example.com'] } });
});

test.each([
  ['a.json', json],
  ['b.mjs', `export default ${json};`],
  ['c.cjs', `module.exports = ${json};`],
  ['d.js', `module.exports = ${json};`],
  ['e.mts', `type Unused = { x: string };\nconst config: object = ${json};\nexport default config;`],
])('%s', async (name, content) => {
  expect(await loadConfig(file(name, content))).toMatchObject({
    kind: 'ok',
    settings: { host: 'example.com' },
    warnings: [],
  });
});

test.each([
  ['mark.json', Buffer.from(`\ufeff${json}`)],
  ['mark.mjs', Buffer.from(`\ufeffexport default ${json};`)],
  ['mark.cjs', Buffer.from(`\ufeffmodule.exports = ${json};`)],
  ['mark.mts', Buffer.from(`\ufeffconst config: object = ${json};\nexport default config;`)],
  ['wide.json', Buffer.from(`\ufeff${json}`, 'utf16le')],
])('%s has a byte order mark, as editors and shells of Windows write it', async (name, bytes) => {
  const path = join(folder, name);
  writeFileSync(path, bytes);
  expect(await loadConfig(path)).toMatchObject({ kind: 'ok', settings: { host: 'example.com' } });
});

test('ca may be the path of a PEM file, seen from the configuration', async () => {
  file('ca.pem', PEM);
  const withCa = (ca: string) => ({ ...config, nextHops: { a: { ...config.nextHops.a, ca } } });
  for (const ca of ['ca.pem', './ca.pem', join(folder, 'ca.pem'), PEM]) {
    const loaded = await loadConfig(file('ca.json', JSON.stringify(withCa(ca))));
    expect(loaded).toMatchObject({ kind: 'ok', settings: { nextHops: { a: { ca: PEM } } } });
  }
  expect(await loadConfig(file('ca.json', JSON.stringify(withCa('missing.pem'))))).toEqual({
    kind: 'wrong',
    problems: [
      'ca.json: nextHops.a.ca: "missing.pem" is no PEM certificate and no readable PEM file; write the PEM text of the certificate authority, or the path of a PEM file',
    ],
  });
});

test.each<[string, string | null, RegExp]>([
  ['missing.json', null, /^missing\.json: there is no such file; write the path of a file that exists$/],
  ['missing.ts', null, /^missing\.ts: there is no such file; write the path of a file that exists$/],
  ['broken.json', '{ "domains": [', /^broken\.json: it can not be read: .*JSON.*; write one JSON object$/],
  [
    'broken.mjs',
    'export default {',
    /^broken\.mjs: it can not be read: .*; write a module that exports the configuration by default$/,
  ],
  ['throws.mjs', 'throw new Error("no\\nway");', /^throws\.mjs: it can not be read: no; write a module/],
  [
    'import.mjs',
    'import "./not-there.mjs"; export default {};',
    /^import\.mjs: it can not be read: .*not-there.*; write a module/,
  ],
  [
    'nothing.mjs',
    'export const config = {};',
    /^nothing\.mjs: it exports nothing by default; write export default \{ domains: \[…\], … \}$/,
  ],
  ['null.json', 'null', /^null\.json: null is no object; write \{ … \}$/],
])('%s is one line', async (name, content, line) => {
  const loaded = await loadConfig(content === null ? join(folder, name) : file(name, content));
  if (loaded.kind === 'ok') throw new Error('must be wrong');
  expect(loaded.problems).toHaveLength(1);
  expect(loaded.problems[0]).toMatch(line);
});
