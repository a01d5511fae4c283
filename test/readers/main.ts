// `npm run test:readers [CHARS]`: every reader with its dearest text and what that costs at two sizes, the dearest
// first. Ends with 1 where one of them takes more than three times as long for twice as much.

import { type Cost, costsOf } from './measure.ts';
import { READERS } from './readers.ts';

const chars = Number(process.argv[2] ?? 16 * 1024);
const only = process.argv.slice(3);
const costs: Cost[] = [];
for (const [reader, { runs }] of Object.entries(READERS)) {
  if (only.length > 0 && !only.includes(reader)) continue;
  for (const run of runs) costs.push(...(await costsOf(reader, run, { chars, floorMs: 20, forTable: true })));
}
costs.sort((a, b) => Number(b.dear) - Number(a.dear) || b.twiceMs - a.twiceMs);
for (const { reader, pattern, chars: size, onceMs, twiceMs, dear } of costs) {
  const times = `${onceMs.toFixed(1).padStart(8)} ms ${twiceMs.toFixed(1).padStart(8)} ms`;
  console.log(`${dear ? 'DEAR' : '    '} ${times}  ${size} and ${2 * size} characters  ${reader}: ${pattern}`);
}
console.log(`${Object.keys(READERS).length} readers, ${costs.filter(({ dear }) => dear).length} findings`);
process.exitCode = costs.some(({ dear }) => dear) ? 1 : 0;
