// What one relayed message costs in CPU, beside aws-lambda-ses-forwarder: the bundle that is deployed, a real SQS
// event, two ledger writes, one GetObject, SMTP to a sink; the peer with its own three calls. In turns, a process each,
// medians.

import { availableParallelism, loadavg } from 'node:os';
import { jobsPerBatchMax } from '#core/limits.ts';
import type { SizeName } from './messages.ts';
import { type Plant, peerPackage, peerVersion, plant, type SubjectName } from './plant.ts';
import type { Measured } from './subject.ts';
import { median, ms, table } from './table.ts';

type Case = {
  readonly size: SizeName;
  readonly warm: number;
  readonly count: number;
  readonly goal: number | null;
  /** Jobs that SQS brings in one invocation; the peer is always invoked for one message, as SES does it. */
  readonly batch: number;
};
const cases: readonly Case[] = [
  { size: '4k', warm: 600, count: 800, goal: 0.6, batch: 1 },
  { size: '4k', warm: 600, count: 800, goal: 0.47, batch: jobsPerBatchMax },
  { size: '75k', warm: 200, count: 300, goal: null, batch: 1 },
  { size: '1m', warm: 20, count: 60, goal: null, batch: 1 },
  { size: '10m', warm: 3, count: 12, goal: null, batch: 1 },
  { size: '36m', warm: 2, count: 6, goal: 0.15, batch: 1 },
];

/** Prints a table; the result says whether all goals are met. */
export async function relayBenchmark(quick: boolean): Promise<boolean> {
  const chosen = quick ? cases.filter(({ goal }) => goal !== null) : cases;
  const rounds = quick ? 3 : 5;
  const loadBefore = loadavg()[0] ?? 0;
  const site = await plant([...new Set(chosen.map(({ size }) => size))]);
  const rows: string[][] = [
    ['size', 'Everpost CPU', 'wall', 'connections', `${peerPackage} CPU`, 'wall', 'ratio', 'goal', ''],
  ];
  let met = true;
  try {
    for (const each of chosen) {
      const { ours, theirs, connections } = await inTurns(site, each, rounds);
      const ratio = median(ours.map(({ cpuMs }) => cpuMs)) / median(theirs.map(({ cpuMs }) => cpuMs));
      const verdict = each.goal === null ? '' : ratio <= each.goal ? 'met' : 'MISSED';
      met &&= verdict !== 'MISSED';
      rows.push([
        each.batch === 1 ? each.size : `${each.size}, ${each.batch} a batch`,
        ...figures(ours),
        connections.toFixed(3),
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
    console.log(`\n${machine(loadBefore)}`);
    console.log(
      `\nAWS calls a message: Everpost ${await callsOf(site, 'everpost')}; ${peerPackage} ${await callsOf(site, 'peer')}`,
    );
  } finally {
    site.close();
  }
  return met;
}

async function inTurns(site: Plant, { size, warm, count, batch }: Case, rounds: number) {
  const ours: Measured[] = [];
  const theirs: Measured[] = [];
  const connections: number[] = []; // for each message
  for (let round = 0; round < rounds; round++) {
    const before = await site.taken();
    ours.push(await site.measure('everpost', size, warm, count, batch));
    const after = await site.taken();
    const taken = after.messages - before.messages;
    if (taken !== warm + count) throw new Error(`the sink took ${taken} of ${warm + count} messages`);
    connections.push((after.connections - before.connections) / taken);
    theirs.push(await site.measure('peer', size, warm, count));
  }
  return { ours, theirs, connections: median(connections) };
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

/** Who shares the machine with others measures them too: it is said beside the figures. */
function machine(loadBefore: number): string {
  const cores = availableParallelism();
  const busy = loadBefore > cores / 2 ? ': others were at work, and the figures are rough' : '';
  return `${cores} cores, load average ${loadBefore.toFixed(1)} before the first process${busy}`;
}
