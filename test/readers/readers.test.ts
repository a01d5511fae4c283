// No reader of a stranger's text is forgotten. What each one costs is measured by `npm run test:readers`, a part of the
// gate (.ci/run), as it takes the processor for a while.

import { describe, expect, it } from 'vitest';
import { EXCUSED, EXCUSED_FILES } from './excuses.ts';
import { costsOf } from './measure.ts';
import { READERS } from './readers.ts';
import { type Signature, signatures, signaturesIn, takesText } from './scan.ts';

const all = signatures();
const byFile = Object.keys(EXCUSED_FILES);
const fileExcuse = ({ file }: Signature) => byFile.find((part) => file.includes(part));
const asked = all.filter(takesText).filter((each) => fileExcuse(each) === undefined);

function countOf(among: readonly Signature[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const { name } of among) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

describe('the list', () => {
  it('has every function that takes text: measured, or excused with a reason', () => {
    const forgotten = [...countOf(asked)].filter(
      ([name, count]) => count > (READERS[name]?.definitions ?? (name in READERS ? 1 : 0)) + (EXCUSED.get(name) ?? 0),
    );
    expect(forgotten).toEqual([]);
  });

  it('has no excuse that nobody needs, and no reader that is not there', () => {
    const counts = countOf(asked);
    expect([...EXCUSED].filter(([name, count]) => (counts.get(name) ?? 0) < count)).toEqual([]);
    expect(byFile.filter((part) => !all.some((each) => fileExcuse(each) === part && takesText(each)))).toEqual([]);
    const known = countOf(all);
    const gone = Object.entries(READERS).filter(([name, { definitions = 1 }]) => (known.get(name) ?? 0) < definitions);
    expect(gone.map(([name]) => name)).toEqual([]);
  });

  it('is found in every form in which a function is exported', () => {
    const source = `export function one(text: string) {}
export async function* two<T>(a: number, b: AsyncIterable<Uint8Array>) {}
export const three = (it: readonly string[]) => it;
export const four: Reader = async (bytes: Buffer) => bytes;
export class Five {
  private own = 1;
  push(chunk: Uint8Array): void {}
  static async six(text: string) {}
}
export function seven(count: number, row: DeliveryRow) {}
`;
    const found = signaturesIn('x.ts', source);
    expect(found.map(({ name }) => name)).toEqual(['one', 'two', 'three', 'four', 'seven', 'Five.push', 'Five.six']);
    expect(found.filter(takesText).map(({ name }) => name)).not.toContain('seven');
    expect(found.filter(takesText)).toHaveLength(6);
  });
});

describe('the measure', () => {
  it.each<[string, (text: string) => unknown]>([
    ['an expression that goes back', (text) => /(\s+,)+$/.test(text)],
    ['an expression at an end', (text) => text.replace(/ +$/, '')],
    [
      'a list that is searched for each entry',
      (text) => text.split(',').filter((_, at, every) => every.indexOf('!') === at),
    ],
  ])('notices %s', async (_, run) => {
    const costs = await costsOf('x', run, { chars: 2_048, floorMs: 1 });
    expect(costs.some(({ dear }) => dear)).toBe(true);
  });
  it('finds nothing in a reader that takes linear time', async () => {
    for (const run of READERS.withoutReturns?.runs ?? []) {
      const costs = await costsOf('withoutReturns', run, { chars: 3_072, floorMs: 5 });
      expect(costs.filter(({ dear }) => dear)).toEqual([]);
    }
    expect.hasAssertions();
  });
});
