// Somebody else installs the packed package into an empty project and follows its README to the letter: the commands
// and the test that stand there. Packages come from npm's cache where it has them, else from the registry: where that
// does not answer, the error says so.

import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';

const HOME = join(import.meta.dirname, '../..');
const ROOT = join(HOME, '../..');
const MINUTES_3_MS = 180_000;

const readme = readFileSync(join(HOME, 'README.md'), 'utf8');
const blocks = (language: string) =>
  [...readme.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map(([, text = '']) =>
    text.trim(),
  );
const [pack = '', install = '', run = ''] = blocks('sh');
const [program = ''] = blocks('js');

let folder: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'aws-local-readme-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function shell(command: string, cwd: string): string {
  const env = { ...process.env, npm_config_prefer_offline: 'true', npm_config_update_notifier: 'false' };
  try {
    return execFileSync('/bin/sh', ['-c', command], {
      cwd,
      env,
      encoding: 'utf8',
      stdio: 'pipe',
      timeout: MINUTES_3_MS,
    });
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    const registry = /ENOTCACHED|ENOTFOUND|ECONNREFUSED|EAI_AGAIN|ETIMEDOUT|ENETUNREACH|E40[34]/.test(stderr);
    const why = registry ? 'the npm registry does not answer, and its cache lacks something' : 'it failed';
    throw new Error(`${command}: ${why}\n${stdout}${stderr}`);
  }
}

test('an empty project installs the package, and the README’s test passes in it', () => {
  expect([pack, install, run]).toEqual([
    'npm ci && npm pack --workspace @everpost/aws-local',
    expect.stringContaining('./everpost-aws-local-'),
    'node --test',
  ]);
  const project = join(folder, 'project');
  mkdirSync(project);
  writeFileSync(join(project, 'package.json'), JSON.stringify({ name: 'empty', private: true, type: 'module' }));
  const packIt = pack.replace('npm ci && ', ''); // it was run here: vitest is of it
  shell(`${packIt} --pack-destination ${JSON.stringify(folder)}`, ROOT);
  const [tarball = ''] = readdirSync(folder).filter((name) => name.endsWith('.tgz'));
  expect(install).toContain(`./${tarball}`);
  renameSync(join(folder, tarball), join(project, tarball));
  shell(exactly(install), project);
  writeFileSync(join(project, 'mail.test.js'), program);
  const said = shell(`${JSON.stringify(process.execPath)} --test`, project);
  expect(said).toMatch(/^\S? ?pass 1$/m);
  expect(said).toMatch(/^\S? ?fail 0$/m);
});

test('the package holds JavaScript with its types and this README, no source and no test', () => {
  const names = shell(
    `tar -tzf project/${readdirSync(join(folder, 'project')).find((it) => it.endsWith('.tgz'))}`,
    folder,
  )
    .trim()
    .split('\n')
    .map((name) => name.replace(/^package\//, ''));
  const others = names.filter((name) => !/^dist\/.*\.(js|d\.ts)$/.test(name));
  expect(others.sort()).toEqual(['LICENSE', 'README.md', 'package.json']);
  expect(names).toContain('dist/lambda/worker.js');
  const installed = join(folder, 'project/node_modules/@everpost/aws-local/dist');
  const texts = readdirSync(installed, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.js'))
    .map((name) => [name, readFileSync(join(installed, name), 'utf8')] as const);
  expect(texts.filter(([, text]) => /from '\.[^']*\.ts'/.test(text)).map(([name]) => name)).toEqual([]);
});

/** The clients that this repository uses: a release of today would be tried by nobody else. */
function exactly(command: string): string {
  const { devDependencies } = JSON.parse(readFileSync(join(HOME, 'package.json'), 'utf8')) as {
    devDependencies: Readonly<Record<string, string>>;
  };
  return command.replace(/@aws-sdk\/[a-z0-9-]+/g, (name) => `${name}@${devDependencies[name]}`);
}
