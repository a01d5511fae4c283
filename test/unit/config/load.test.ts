// Configuration files as people keep them: TypeScript, JavaScript of both kinds, JSON, and files that cannot be read.
// Each mistake is one line that begins with the file's path as it was given.

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { loadConfig, warningLines } from '#config/load.ts';
import { demoHosts, demoPort } from '#local/demo-next-hop.ts';

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

test('npm start says nothing of the shipped file, whose mail server it brings up itself', async () => {
  const builtIn = { hosts: demoHosts, port: demoPort };
  expect(await loadConfig(undefined, { builtIn })).toMatchObject({ kind: 'ok', warnings: [], notYet: [] });
  // What stops a deploy still does.
  expect(await loadConfig()).toMatchObject({ kind: 'ok', notDeployed: [expect.stringContaining('127.0.0.1')] });
});

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
      `${join(folder, 'ca.json')}: nextHops.a.ca: "missing.pem" is no PEM certificate and no readable PEM file; write the PEM text of the certificate authority, or the path of a PEM file`,
    ],
  });
});

/**
 * By Node itself, as programs load it: the test runner imports modules in a way of its own. One process loads all. Of
 * each file its lines without the path that was given, with which each begins.
 */
function loadedByNode(paths: readonly string[]): readonly (readonly string[])[] {
  const load =
    "import { loadConfig } from '#config/load.ts'; const all = [];" +
    'for (const path of process.argv.slice(1)) all.push((await loadConfig(path)).problems); console.log(JSON.stringify(all))';
  const args = ['--input-type=module', '--eval', load, ...paths];
  const all = JSON.parse(execFileSync(process.execPath, args, { encoding: 'utf8' })) as string[][];
  return all.map((problems, index) =>
    problems.map((line) => {
      const path = paths[index] ?? '';
      expect(line.startsWith(path)).toBe(true);
      return line.slice(path.length);
    }),
  );
}

const MODULE = 'write a module that exports the configuration by default';
const UNREADABLE: readonly [string, string | Buffer | null, string | RegExp][] = [
  ['missing.json', null, ': there is no such file; write the path of a file that exists'],
  ['missing.ts', null, ': there is no such file; write the path of a file that exists'],
  ['config.yaml', 'domains: []', /^: its name says neither .*; write a file whose name ends in \.ts, \.js or \.json$/],
  ['broken.json', '{ "domains": [', /^:1: it cannot be read: .*JSON.*; write one JSON object$/],
  ['comma.json', '{\n  "domains": [\n    "a",\n  ]\n}\n', /^:4: it cannot be read: .*; write one JSON object$/],
  ['word.json', '{\n\n  "domains": oops\n}\n', /^:3: it cannot be read: Unexpected token .*; write one JSON object$/],
  ['quote.json', '{\n  "a": "b\n}', /^:2: it cannot be read: .*; write one JSON object$/],
  ['marks.json', '\ufeff\ufeff{}', /^:1: it cannot be read: Unexpected token '\\ufeff'.*; write one JSON object$/],
  ['empty.json', '', /^:1: it cannot be read: .*; write one JSON object$/],
  ['broken.mjs', '\nexport default {', new RegExp(`^:2: it cannot be read: .*; ${MODULE}$`)],
  ['broken.cjs', '\n\nmodule.exports = { a: };', `:3: it cannot be read: Unexpected token '}'; ${MODULE}`],
  [
    'broken.mts',
    'const a: number = 1;\n\nexport default { domains: [, };',
    new RegExp(`^:3: it cannot be read: .*; ${MODULE}$`),
  ],
  [
    'enum.mts',
    'const a = 1;\nenum Kind { smtp }\nexport default {};',
    new RegExp(`^:2: it cannot be read: TypeScript enum .*; ${MODULE}$`),
  ],
  ['throws.mjs', 'throw new Error("no\\nway");', `:1: it cannot be read: no; ${MODULE}`],
  [
    'throws.mts',
    'const n: number = 1;\nfunction f(): never {\n  throw new Error("no way");\n}\nf();',
    `:3: it cannot be read: no way; ${MODULE}`,
  ],
  ['faked.mts', '\nthrow new Error("x\\n    at f (file:///a/b.ts:77:1)");', `:2: it cannot be read: x; ${MODULE}`],
  [
    'reference.mts',
    'export const a: string = "";\nexport default { domains: nobody };',
    `:2: it cannot be read: nobody is not defined; ${MODULE}`,
  ],
  ['three.mjs', 'throw 3;', `: it cannot be read: 3; ${MODULE}`],
  ['nothing-thrown.mjs', 'throw undefined;', `: it cannot be read: undefined; ${MODULE}`],
  ['other.mjs', 'import "./throws.mjs"; export default {};', `: it cannot be read: no (throws.mjs:1); ${MODULE}`],
  ['import.mjs', 'import "./not-there.mjs"; export default {};', /^: it cannot be read: .*not-there.*; write a module/],
  [
    'wide.mts',
    Buffer.from('\ufeffexport default {};', 'utf16le'),
    ': it is UTF-16, which Node does not run; write the file as UTF-8',
  ],
  [
    'wider.mts',
    Buffer.from('export default {};', 'utf16le'),
    ': it is UTF-16, which Node does not run; write the file as UTF-8',
  ],
  [
    'nothing.mjs',
    'export const config = {};',
    /^: it exports nothing by default; write export default \{ domains: \['example\.com'\], .* \}$/,
  ],
  ['function.mjs', 'export default () => ({});', /^: a function is no object; write \{ domains/],
  ['null.json', 'null', /^: null is no object; write \{ domains/],
];
test('what cannot be read is one line, with the line of the file where there is one', () => {
  const paths = UNREADABLE.map(([name, content]) => {
    const path = join(folder, name);
    if (content !== null) writeFileSync(path, content);
    return path;
  });
  loadedByNode(paths).forEach((problems, index) => {
    const [name = '', , line = ''] = UNREADABLE[index] ?? [];
    expect([name, ...problems]).toEqual([name, typeof line === 'string' ? line : expect.stringMatching(line)]);
  });
});

test('a folder is no file', async () => {
  expect(await loadConfig(folder)).toEqual({
    kind: 'wrong',
    problems: [`${folder}: it is a folder; write the path of a file`],
  });
});

test('lines begin with the path as it was given, also where only the folder tells two files apart', async () => {
  mkdirSync(join(folder, 'prod'), { recursive: true });
  writeFileSync(join(folder, 'prod', 'everpost.config.json'), JSON.stringify({ ...config, domains: ['x'] }));
  const given = relative(process.cwd(), join(folder, 'prod', 'everpost.config.json'));
  const loaded = await loadConfig(given);
  expect(loaded).toMatchObject({ kind: 'wrong' });
  if (loaded.kind === 'wrong')
    expect(loaded.problems[0]).toBe(`${given}: domains[0]: "x" is no domain name; write a domain such as example.com`);
});

test('JSON may name the schema, for editors', async () => {
  const named = { $schema: './docs/everpost.config.schema.json', ...config };
  expect(await loadConfig(file('schema.json', JSON.stringify(named)))).toMatchObject({ kind: 'ok', warnings: [] });
});

test('warnings say whether a deploy would refuse', async () => {
  const hop = { kind: 'smtp', host: '10.1.2.3', port: 2526, tls: 'off' };
  const warned = { ...config, nextHops: { a: hop }, notices: { ...config.notices, from: 'a@other.example' } };
  const loaded = await loadConfig(file('warned.json', JSON.stringify(warned)));
  if (loaded.kind === 'wrong') throw new Error(loaded.problems.join('\n'));
  expect(warningLines(loaded)).toEqual([
    expect.stringMatching(/^deploy would refuse: .*warned\.json: nextHops\.a\.host: 10\.1\.2\.3/),
    expect.stringMatching(/^warning: .*warned\.json: notices\.from: other\.example is none of domains/),
  ]);
});
