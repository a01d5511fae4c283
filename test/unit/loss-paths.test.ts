// docs/loss-paths.md promises a test for each way in which mail could be lost. Each row has its source and names tests
// that exist, by file and title. Whether they would notice the loss is for their own mutations to show.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

/** The tests that a cell names: titles stand behind their file, several behind one. */
function testsOf(cell: string): { readonly file: string; readonly title: string }[] {
  return [...cell.matchAll(/`([^`]+)`: ((?:"[^"]+"(?:; )?)+)/g)].flatMap(([, file = '', titles = '']) =>
    [...titles.matchAll(/"([^"]+)"/g)].map(([, title = '']) => ({ file, title })),
  );
}

const rows = read('docs/loss-paths.md')
  .split('\n')
  .filter((line) => /^\| \d/.test(line))
  .map((line) => line.split(' | '));

describe('docs/loss-paths.md', () => {
  it('has its rows in order, each with all five cells', () => {
    expect(rows.map((cells) => Number(cells[0]?.replace('| ', '')))).toEqual(rows.map((_, at) => at + 1));
    expect(rows.length).toBeGreaterThanOrEqual(27);
    for (const cells of rows) expect([cells[0], cells.length]).toEqual([cells[0], 5]);
  });
  it.each(rows.map((cells) => [cells[1] ?? '', cells] as const))(
    '%s: has a source, and tests that exist',
    (_, cells) => {
      expect(cells[2]).toMatch(/\[[^\]]{5,}\] *$/);
      const tests = testsOf(cells[4] ?? '');
      expect(tests.length).toBeGreaterThan(0);
      // Nothing of the cell is left over that only looks like a test.
      expect(tests.length).toBe((cells[4]?.match(/"/g) ?? []).length / 2);
      for (const { file, title } of tests) {
        expect([file, existsSync(join(ROOT, file))]).toEqual([file, true]);
        const quoted = [`'${title}`, `"${title}`, `\`${title}`, `${title}'`, `${title}"`];
        expect([file, title, quoted.some((each) => read(file).includes(each))]).toEqual([file, title, true]);
      }
    },
  );
});
