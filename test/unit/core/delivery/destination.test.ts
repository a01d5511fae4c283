// What a row's `nextHop` stands for, and that no other file of the product compares it with a stored word.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { destinationOf } from '#core/delivery/destination.ts';

it.each([
  ['exchange', 'next-hop'],
  ['constructor', 'next-hop'],
  ['Returns', 'next-hop'],
  ['returns', 'returns'],
  ['ses-bounce', 'ses-bounce'],
  ['ses-report', 'ses-report'],
  ['', 'nowhere'],
] as const)('%j: %s', (nextHop, destination) => {
  expect(destinationOf({ nextHop })).toBe(destination);
});

it('is asked here alone', () => {
  const root = join(import.meta.dirname, '../../../..');
  // `typeof job.nextHop === 'string'` reads a job, and compares no name.
  const compares = /[!=]== ?(?:returnsHop|sesBounce|sesReport)\b|(?<!typeof job\.)nextHop [!=]== '/;
  const elsewhere = ['src/core', 'src/pipeline', 'src/adapters', 'src/config', 'lambdas'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .map((name) => join(folder, name))
      .filter((path) =>
        compares.test(readFileSync(join(root, path), 'utf8').replaceAll(/typeof [\w.]+ [!=]==/g, 'is')),
      ),
  );
  expect(elsewhere).toEqual([]);
});
