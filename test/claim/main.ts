// npm run sim -- --seeds A-B | --seed N [--messages M] [--days D] [--plain] [--restore] [--verbose]: runs of the
// simulator, on every core, each made smaller where it fails. Its last line counts; it exits 0 where that is nothing
// but seeds and messages, and 1 otherwise.

import { fork } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import type { FindingKind } from './evidence.ts';
import type { Wish } from './generator.ts';
import { type Run, shrink, simulateSeed } from './simulator.ts';
import { type Tally, tallyOf } from './tally.ts';

const USAGE = 'npm run sim -- --seeds A-B | --seed N [--messages M] [--days D] [--plain] [--restore] [--verbose]\n';
const SHOWN_MAX = 10;
/** Of many that fail, so many are made smaller; each by itself is, with --seed. */
const SHRUNK_MAX = 3;
/** Seeds of one turn of a worker: short enough that the last worker does not run on alone. */
const TURN = 20;

const OTHER_KINDS: readonly FindingKind[] = [
  'strange',
  'wrong-end',
  'no-alarm',
  'no-instant',
  'removed-early',
  'over-limit',
  'while-paused',
  'too-many-returned',
  'returned-by-new',
  'wrong-level',
  'crashed',
];

type Asked = { readonly from: number; readonly to: number; readonly wish: Wish; readonly verbose: boolean };
type Turn = { readonly from: number; readonly to: number; readonly wish: Wish };

if (process.send === undefined) process.exitCode = await main();
else process.on('message', (turn: Turn) => void work(turn).then((tally) => process.send?.(tally)));

async function main(): Promise<number> {
  const asked = argumentsOf();
  if (asked === null) {
    process.stderr.write(USAGE);
    return 2;
  }
  const began = performance.now();
  const tallies = asked.from === asked.to ? [await one(asked)] : await all(asked);
  const sum = (kinds: readonly FindingKind[]) =>
    tallies
      .flatMap(({ findings }) => findings)
      .reduce((total, [kind, count]) => total + (kinds.includes(kind) ? count : 0), 0);
  const failed = tallies.flatMap((tally) => tally.failed).sort((a, b) => a - b);
  for (const [index, seed] of asked.from === asked.to ? [] : failed.slice(0, SHOWN_MAX).entries())
    await explain(seed, asked, index < SHRUNK_MAX);
  if (failed.length > SHOWN_MAX)
    say(`and ${failed.length - SHOWN_MAX} more: ${failed.slice(SHOWN_MAX, SHOWN_MAX + 50).join(' ')}`);
  const seeds = asked.to - asked.from + 1;
  const messages = tallies.reduce((total, tally) => total + tally.messages, 0);
  const others = sum(OTHER_KINDS);
  say(ends(tallies));
  say(coverage(tallies));
  say(`${Math.round((performance.now() - began) / 1_000)} s${others > 0 ? `, other findings ${others}` : ''}`);
  say(
    `seeds ${seeds}, messages ${messages}, unaccounted ${sum(['unaccounted', 'unfinished'])}, unmarked ${sum(['unmarked'])}, second notices ${sum(['second-notice'])}`,
  );
  return failed.length === 0 ? 0 : 1;
}

function argumentsOf(): Asked | null {
  try {
    const options = {
      seeds: { type: 'string' },
      seed: { type: 'string' },
      messages: { type: 'string' },
      days: { type: 'string' },
      plain: { type: 'boolean' },
      restore: { type: 'boolean' },
      verbose: { type: 'boolean' },
    } as const;
    const { values } = parseArgs({ options });
    const [, from, to] = /^(\d+)(?:-(\d+))?$/.exec(values.seeds ?? values.seed ?? '') ?? [];
    const number = (text: string | undefined) => (text === undefined ? undefined : Number(text));
    const { plain, restore } = values;
    const wish: Wish = { messages: number(values.messages), days: number(values.days), plain, restore };
    const numbers = [wish.messages, wish.days];
    if (from === undefined || numbers.some((each) => each !== undefined && !(each > 0))) return null;
    if (values.seeds !== undefined && values.seed !== undefined) return null;
    const last = Number(to ?? from);
    return last < Number(from) ? null : { from: Number(from), to: last, wish, verbose: values.verbose === true };
  } catch {
    return null;
  }
}

function all({ from, to, wish }: Asked): Promise<Tally[]> {
  const turns = Array.from({ length: Math.ceil((to - from + 1) / TURN) }, (_, index) => ({
    from: from + index * TURN,
    to: Math.min(to, from + index * TURN + TURN - 1),
    wish,
  }));
  const workers = Math.min(availableParallelism(), turns.length);
  return Promise.all(Array.from({ length: workers }, () => turnsOf(turns))).then((tallies) => tallies.flat());
}

/** One process takes turns until none is left. */
function turnsOf(turns: Turn[]): Promise<Tally[]> {
  return new Promise((resolve, reject) => {
    const tallies: Tally[] = [];
    const worker = fork(import.meta.filename);
    const next = () => {
      const turn = turns.shift();
      if (turn === undefined) worker.disconnect();
      else worker.send(turn);
    };
    worker.on('message', (tally: Tally) => {
      tallies.push(tally);
      next();
    });
    worker.on('exit', (code) => (code === 0 ? resolve(tallies) : reject(new Error(`a worker ended with ${code}`))));
    next();
  });
}

async function work({ from, to, wish }: Turn): Promise<Tally> {
  const runs: { readonly seed: number; readonly run: Run }[] = [];
  for (let seed = from; seed <= to; seed++) runs.push({ seed, run: await simulateSeed(seed, wish) });
  return tallyOf(runs);
}

async function one({ from: seed, wish, verbose }: Asked): Promise<Tally> {
  const run = await simulateSeed(seed, wish, { verbose });
  for (const line of run.lines) say(line);
  for (const { kind, spoolId, says } of run.verdict.findings) say(`${kind}  ${spoolId}  ${says}`);
  if (run.verdict.findings.length > 0) tell(await shrink(run), true);
  return tallyOf([{ seed, run }]);
}

/** What was found, how to repeat it, and the smallest run that still shows it. */
async function explain(seed: number, { wish }: Asked, small: boolean): Promise<void> {
  const run = await simulateSeed(seed, wish);
  const more = Object.entries(wish).flatMap(([name, value]) =>
    value === undefined ? [] : [value === true ? `--${name}` : `--${name} ${value}`],
  );
  say(`\nseed ${seed}: npm run sim -- ${[`--seed ${seed}`, ...more].join(' ')}`);
  for (const { kind, spoolId, says } of run.verdict.findings.slice(0, SHOWN_MAX)) say(`  ${kind}  ${spoolId}  ${says}`);
  if (small) tell(await shrink(run), false);
}

function tell({ plan, struck, verdict, lines }: Run, whole: boolean): void {
  say(
    `\nMade smaller: ${plan.messages.length} messages, ${plan.troubles.length} troubles, ${struck.size} faults at calls`,
  );
  for (const trouble of plan.troubles) say(`  ${JSON.stringify(trouble)}`);
  for (const [name, fault] of struck) say(`  ${name}: ${fault}`);
  for (const message of plan.messages)
    say(`  ${JSON.stringify({ ...message, recipients: message.recipients.map(({ address }) => address) })}`);
  if (!whole) return;
  say('');
  for (const line of lines) say(`  ${line}`);
  for (const { kind, spoolId, says } of verdict.findings) say(`  ${kind}  ${spoolId}  ${says}`);
}

function ends(tallies: readonly Tally[]): string {
  const total = new Map<string, number>();
  for (const [end, count] of tallies.flatMap((tally) => tally.ends)) total.set(end, (total.get(end) ?? 0) + count);
  return [...total]
    .sort(([, a], [, b]) => b - a)
    .map(([end, count]) => `${String(count).padStart(8)}  ${end}`)
    .join('\n');
}

/** What never occurs is a line that is missing here. */
function coverage(tallies: readonly Tally[]): string {
  const total = new Map<string, { seeds: number; times: number }>();
  for (const [what, seeds, times] of tallies.flatMap((tally) => tally.coverage)) {
    const before = total.get(what) ?? { seeds: 0, times: 0 };
    total.set(what, { seeds: before.seeds + seeds, times: before.times + times });
  }
  return [...total]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([what, { seeds, times }]) => `${String(times).padStart(8)}  in ${String(seeds).padStart(5)} seeds  ${what}`)
    .join('\n');
}

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}
