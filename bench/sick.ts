// One of three next hops is sick, on the local runtime with real sockets: how long mail for the other two takes, beside
// as many messages for the sick one, in parts of its time alone, measured in one run. The first contact with the sick
// one is included. A server takes 250 ms for a message, so that servers and not this machine's processors set the pace.

import { OneSick } from '#test/e2e/one-sick.ts';
import { sicknesses } from '#test/e2e/servers-of-three.ts';
import { table } from './table.ts';

const goal = 1.2;
const takesMs = 250;

/** Prints a table; the result says whether the goal is met. */
export async function sickBenchmark(quick: boolean): Promise<boolean> {
  const sizes = quick ? { each: 1_000, timeScale: 10 } : { each: 10_000, timeScale: 1 };
  const terms = { ...sizes, takesMs, sickPerSecond: 20 };
  const mail = new OneSick(terms, sicknesses);
  const rows: string[][] = [];
  let met = true;
  try {
    await mail.open();
    const aloneMs = await mail.alone();
    rows.push(['alone', (aloneMs / 1_000).toFixed(1), '', '', '']);
    for (const way of sicknesses) {
      const { firstMs } = await mail.beside(way);
      const ratio = firstMs / aloneMs;
      met &&= ratio <= goal;
      const verdict = ratio <= goal ? 'met' : 'MISSED';
      rows.push([`beside one that ${way}`, (firstMs / 1_000).toFixed(1), ratio.toFixed(2), `≤ ${goal}`, verdict]);
    }
  } finally {
    await mail.close();
  }
  console.log(`sick: ${terms.each} messages for each next hop; seconds until the well ones have theirs\n`);
  console.log(table([['', 's', 'ratio', 'goal', ''], ...rows]));
  return met;
}
