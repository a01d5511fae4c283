// Whether memory follows the size of a message: the relay function's peak resident set after messages of 4 KB, and
// after messages of 36 MB, under the heap flags that Lambda gives Node for the function's memory size. The peer beside
// it.

import type { SizeName } from './messages.ts';
import { peerPackage, peerVersion, plant, type SubjectName } from './plant.ts';
import { median, table } from './table.ts';

const goalMb = 30;
const cases: readonly { readonly size: SizeName; readonly count: number }[] = [
  { size: '4k', count: 300 },
  { size: '36m', count: 8 },
];

/** Prints a table; the result says whether the goal is met. */
export async function memoryBenchmark(quick: boolean): Promise<boolean> {
  const rounds = quick ? 3 : 5;
  const site = await plant(cases.map(({ size }) => size));
  const peaks = new Map<string, number[]>();
  try {
    for (let round = 0; round < rounds; round++)
      for (const name of ['everpost', 'peer'] as const)
        for (const { size, count } of cases) {
          const { peakMb } = await site.measure(name, size, 0, count);
          peaks.set(`${name} ${size}`, [...(peaks.get(`${name} ${size}`) ?? []), peakMb]);
        }
  } finally {
    site.close();
  }
  const peak = (name: SubjectName, size: SizeName) => median(peaks.get(`${name} ${size}`) ?? []);
  const growth = (name: SubjectName) => peak(name, '36m') - peak(name, '4k');
  const met = growth('everpost') <= goalMb;
  const mb = (value: number) => `${value.toFixed(0)} MB`;
  const row = (title: string, name: SubjectName) => [
    title,
    mb(peak(name, '4k')),
    mb(peak(name, '36m')),
    mb(growth(name)),
  ];
  console.log(`memory: peak resident set of the function's process, medians of ${rounds} processes each, in turns`);
  console.log(`Node ${process.version}, flags of a function of ${site.memoryMb} MB: ${site.flags.join(' ')}\n`);
  console.log(
    table([
      ['', 'after 4 KB', 'after 36 MB', 'growth', 'goal', ''],
      [...row('Everpost', 'everpost'), `≤ ${goalMb} MB`, met ? 'met' : 'MISSED'],
      [...row(`${peerPackage} ${peerVersion}`, 'peer'), '', ''],
    ]),
  );
  return met;
}
