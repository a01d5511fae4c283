// What docs/gateway.md has people install: services that run by a Node which gets its security updates, not by the one
// that npm brings along.

import { readFileSync } from 'node:fs';
import { builtinModules } from 'node:module';
import { join } from 'node:path';
import { build } from 'esbuild';
import { expect, test } from 'vitest';
import { checkConfig } from '#config/check.ts';
import { good } from './config/good.ts';

const guide = readFileSync(join(import.meta.dirname, '../../docs/gateway.md'), 'utf8');

test('the unit and the sendmail script run by the Node of the distribution or the vendor', () => {
  const commands = guide.split('\n').filter((line) => /^(?:ExecStart=| *exec )/.test(line));
  expect(commands).toHaveLength(2);
  for (const command of commands) expect(command).toMatch(/(?:=|exec )\/usr\/bin\/node /);
  expect(commands.join()).not.toContain('node_modules');
});

test('and it is installed without the other one', () => {
  expect(guide).toMatch(/npm ci --omit=dev --omit=optional/);
});

test('what is installed there is all that the gateway and sendmail import', async () => {
  const root = join(import.meta.dirname, '../..');
  const { metafile } = await build({
    entryPoints: [join(root, 'src/cli/everpost.ts')],
    absWorkingDir: root,
    outdir: join(root, 'dist'),
    bundle: true,
    write: false,
    metafile: true,
    platform: 'node',
    format: 'esm',
    packages: 'external',
    alias: Object.fromEntries(
      Object.entries(
        JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).imports as Record<string, string>,
      ).map(([name, path]) => [name.slice(0, -2), join(root, path.slice(0, -2))]),
    ),
  });
  const imported = Object.values(metafile.inputs)
    .flatMap(({ imports }) => imports.filter(({ external }) => external).map(({ path }) => path))
    .map((path) => /^(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? path)
    .filter((name) => !name.startsWith('node:') && !builtinModules.includes(name));
  const { dependencies } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
  expect([...new Set(imported)].filter((name) => !(name in dependencies))).toEqual([]);
  expect(imported).toContain('zod'); // the gateway checks the configuration that it is given
});

test('what docs/devices.md has people write for their devices is a configuration', () => {
  const devices = readFileSync(join(import.meta.dirname, '../../docs/devices.md'), 'utf8');
  const [, submitters = ''] = /^submitters: (\{\n[\s\S]*?\n\}),$/m.exec(devices) ?? [];
  const config = { ...good(), submitters: new Function(`return ${submitters}`)() };
  const checked = checkConfig(config, 'c.ts');
  if (checked.kind === 'wrong') throw new Error(checked.problems.join('\n'));
  expect(Object.keys(checked.settings.submitters)).toEqual(['scanners', 'printers', 'basement', 'alarm']);
});
