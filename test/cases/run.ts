// `npm run test:cases -- DIR`: runs every case of the folder on the product's code and prints a line for each. Ends
// with 1 where one fails.

import { resolve } from 'node:path';
import { runCase } from './cases.ts';
import { casesIn } from './read-case.ts';

const [folder] = process.argv.slice(2);
if (folder === undefined) {
  console.error('npm run test:cases -- DIR: name the folder of the cases');
  process.exit(2);
}
const counts = { passed: 0, failed: 0 };
for (const path of casesIn(resolve(folder))) {
  const result = await runCase(path);
  counts[result.end] += 1;
  console.log(`${result.end.padEnd(8)} ${result.name} (${result.kind})`);
  if (result.end === 'failed') for (const fault of result.faults) console.log(`           ${fault}`);
}
console.log(`${counts.passed} passed, ${counts.failed} failed`);
process.exit(counts.failed > 0 || counts.passed === 0 ? 1 : 0);
