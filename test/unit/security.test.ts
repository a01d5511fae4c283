// SECURITY.md beside the tree: each line of defence names what defends and the test that would notice its loss, and
// what it says of packages holds. That the named files exist, test/unit/document-paths.test.ts asks of every document.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');
const page = read('SECURITY.md');
const parts = page.split(/^### /m).slice(1);

describe('SECURITY.md', () => {
  it('has a part for each party', () => {
    expect(parts.map((part) => part.split('\n')[0])).toEqual([
      'Anybody who can mail the MX',
      'A submitter with one credential',
      'A next hop, or who reports to us',
      "A person or a page on the operator's machine",
      'A party with one S3 prefix',
      'A dependency',
      'Another AWS account',
    ]);
  });
  it.each(parts.map((part) => [part.split('\n')[0] ?? '', part] as const))('%s: says what does not hold', (_, part) => {
    expect(part).toMatch(/^Not held:/m);
  });
  it('names for each attack what holds, and the test that asks', () => {
    const rows = page.split('\n').filter((line) => /^\| (?!may try|---)/.test(line));
    expect(rows.length).toBeGreaterThan(25);
    for (const row of rows) {
      const paths = [...(row.split('|').at(-2) ?? '').matchAll(/`([^`]+)`/g)].map(([, path = '']) => path);
      expect(paths.filter((path) => path.startsWith('test/')).length, row).toBeGreaterThan(0);
    }
  });
  it('names the version that is supported', () => {
    const { version } = JSON.parse(read('package.json')) as { version: string };
    expect(page).toContain(`today that is ${version.split('.').slice(0, 2).join('.')}.`);
  });
});

describe('packages', () => {
  type Manifest = Readonly<Record<string, Readonly<Record<string, string | boolean>> | undefined>>;
  const exact = /^\d+\.\d+\.\d+(?:-[\w.]+)?$/;
  it.each(['package.json', 'packages/aws-local/package.json'])('of %s have exact versions', (path) => {
    const manifest = JSON.parse(read(path)) as Manifest;
    const wanted = ['dependencies', 'devDependencies', 'optionalDependencies'].flatMap((kind) =>
      Object.entries(manifest[kind] ?? {}),
    );
    const loose = wanted.filter(([, version]) => !exact.test(String(version).replace(/^npm:(?:@[^@]+|[^@]+)@/, '')));
    expect(loose).toEqual([]);
  });
  it('run no script at their installation', () => {
    const { allowScripts = {} } = JSON.parse(read('package.json')) as Manifest;
    expect(Object.values(allowScripts)).not.toContain(true);
  });
  it('have their hash in the lockfile', () => {
    const { packages } = JSON.parse(read('package-lock.json')) as {
      packages: Record<string, { link?: boolean; integrity?: string; inBundle?: boolean }>;
    };
    const unhashed = Object.entries(packages).filter(
      ([path, entry]) => path.includes('node_modules/') && !entry.link && !entry.inBundle && !entry.integrity,
    );
    expect(unhashed.map(([path]) => path)).toEqual([]);
  });
});
