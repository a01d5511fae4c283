// What one relayed message costs in CPU, beside aws-lambda-ses-forwarder: the bundle that is deployed, a real SQS event, two ledger
// writes, one GetObject, SMTP to a sink; the peer with its own three calls. In turns, a process each, medians.

import type { SizeName } from './messages.ts';
import { type Plant, peerPackage, peerVersion, plant, type SubjectName } from './plant.ts';
import type { Measured } from './subject.ts';
import { median, ms, table } from './table.ts';

type Case = { readonly size: SizeName; readonly warm: number; readonly count: number; readonly goal: number | null };
const cases: readonly Case[] = [
  { size: '4k', warm: 300, count: 500, goal: 0.45 },
  { size: '75k', warm: 200, count: 300, goal: null },
  { size: '1m', warm: 20, count: 60, goal: null },
  { size: '10m', warm: 3, count: 12, goal: null },
  { size: '36m', warm: 2, count: 6, goal: 0.15 },
];

/** Prints a table; the result says whether all goals are met. */
export async function relayBenchmark(quick: boolean): Promise<boolean> {
  const chosen = quick ? cases.filter(({ goal }) => goal !== null) : cases;
  const rounds = quick ? 3 : 5;
  const site = await plant(chosen.map(({ size }) => size));
  const rows: string[][] = [['size', 'Everpost CPU', 'wall', `${peerPackage} CPU`, 'wall', 'ratio', 'goal', '']];
  let met = true;
  try {
    for (const each of chosen) {
      const { ours, theirs } = await inTurns(site, each, rounds);
      const ratio = median(ours.map(({ cpuMs }) => cpuMs)) / median(theirs.map(({ cpuMs }) => cpuMs));
      const verdict = each.goal === null ? '' : ratio <= each.goal ? 'met' : 'MISSED';
      met &&= verdict !== 'MISSED';
      rows.push([
        each.size,
        ...figures(ours),
        ...figures(theirs),
        ratio.toFixed(3),
        each.goal === null ? '' : `≤ ${each.goal}`,
        verdict,
      ]);
    }
    console.log(
      `relay: CPU (user and system) a message, ${peerPackage} ${peerVersion} beside it, medians of ${rounds} processes each, in turns`,
    );
    console.log(`Node ${process.version}, flags of a function of ${site.memoryMb} MB: ${site.flags.join(' ')}\n`);
    console.log(table(rows));
    console.log(
      `\nAWS calls a message: Everpost ${await callsOf(site, 'everpost')}; ${peerPackage} ${await callsOf(site, 'peer')}`,
    );
  } finally {
    site.close();
  }
  return met;
}

async function inTurns(site: Plant, { size, warm, count }: Case, rounds: number) {
  const ours: Measured[] = [];
  const theirs: Measured[] = [];
  for (let round = 0; round < rounds; round++) {
    const before = await site.messagesTaken();
    ours.push(await site.measure('everpost', size, warm, count));
    const taken = (await site.messagesTaken()) - before;
    if (taken !== warm + count) throw new Error(`the sink took ${taken} of ${warm + count} messages`);
    theirs.push(await site.measure('peer', size, warm, count));
  }
  return { ours, theirs };
}

function figures(all: readonly Measured[]): [string, string] {
  return [ms(median(all.map(({ cpuMs }) => cpuMs))), ms(median(all.map(({ wallMs }) => wallMs)))];
}

async function callsOf(site: Plant, name: SubjectName): Promise<string> {
  await site.calls();
  const count = 10;
  await site.measure(name, '4k', 0, count);
  return Object.entries(await site.calls())
    .map(([call, times]) => `${call} ${times / count}`)
    .join(', ');
}
