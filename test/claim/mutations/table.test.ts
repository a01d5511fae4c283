// The table of mutations is in order: a row whose text is gone says so in the quick suite, not only in the slow run.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { mutated } from './mutation.ts';
import { mutations } from './table.ts';

const ROOT = join(import.meta.dirname, '../../..');

it('each row changes text that stands in its file once', () => {
  const unfit = mutations.filter((row) => mutated(readFileSync(join(ROOT, row.file), 'utf8'), row) === null);
  expect(unfit.map(({ name, file }) => `${name}: ${file}`)).toEqual([]);
  expect(mutations.filter(({ text, replacement }) => text === replacement)).toEqual([]);
});
it('each names a test file that there is, and has a name of its own', () => {
  expect(mutations.filter(({ test }) => !existsSync(join(ROOT, test.file)))).toEqual([]);
  expect(new Set(mutations.map(({ name }) => name)).size).toBe(mutations.length);
});
