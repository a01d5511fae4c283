// How a reader's time grows with its input: by CPU time, so that a busy machine changes little. A text that looks dear
// is measured again before anything is said of it: the least of several runs, at a size and at twice, four and eight
// times it. Memory has steps: what fits into a cache or into an ordinary object at one size does not at the next, and
// takes several times as long. A reader that is linear shows that at one or two of these sizes, and not at all.

import { texts } from './patterns.ts';

export type Run = (text: string) => unknown;
export type Reader = {
  /** How many functions of that name there are; one where nothing is said. */
  readonly definitions?: number;
  readonly runs: readonly Run[];
};
export const of = (...runs: readonly Run[]): Reader => ({ runs });

export type Cost = {
  readonly reader: string;
  readonly pattern: string;
  readonly chars: number;
  readonly onceMs: number;
  readonly twiceMs: number;
  /** Twice as much took more than three times as long, and so did four times; eight times as much went on so. */
  readonly dear: boolean;
};

export type Sizes = {
  readonly chars: number;
  /** Below it nothing is said: it is the collector's and the compiler's time as much as the reader's. */
  readonly floorMs: number;
  /** Whether the dearest text is wanted where it stays below the floor. */
  readonly forTable?: boolean;
};

const GROWTH_MAX = 3;
/** Beyond the steps of memory twice as much takes a linear reader twice as long, and a quadratic one four times. */
const GROWTH_ON = 2.6;
/** From here on both sizes are measured again. */
const SUSPECT_GROWTH = 2.2;
/** Exponential and cubic readers show here, before they stop the test itself. */
const PROBE_CHARS = 1_024;
const PROBE_MS_MAX = 60;
/** Of a suspect, at each size: the collector and the compiler have threads whose time counts too. */
const RUNS = 5;
/** So often a suspect is measured in all while it looks dear. */
const ROUNDS = 4;
/** Nothing that is linear takes so long at four times the size: at eight times nothing is asked any more. */
const EVIDENT_MS = 2_000;
/** One that is slow is slow in many ways. */
const FINDINGS_MAX = 4;

/** The dearest text for a reader, and every one whose time grows too fast. */
export async function costsOf(
  reader: string,
  run: Run,
  { chars, floorMs, forTable = false }: Sizes,
): Promise<readonly Cost[]> {
  let dearest: Cost = { reader, pattern: '', chars, onceMs: 0, twiceMs: 0, dear: false };
  const dear: Cost[] = [];
  for (const [pattern, make] of texts(chars)) {
    if (dear.length >= FINDINGS_MAX) break;
    const probe = make(PROBE_CHARS);
    if ((await cpuMs(run, probe)) > PROBE_MS_MAX && (await least(run, probe, 3)) > PROBE_MS_MAX) {
      dear.push({ reader, pattern, chars: PROBE_CHARS, onceMs: 0, twiceMs: await cpuMs(run, probe), dear: true });
      continue;
    }
    const first = await cpuMs(run, make(2 * chars));
    if (first <= floorMs && (!forTable || first <= dearest.twiceMs)) continue;
    const cost = await costAt({ reader, pattern, run, make, chars, floorMs, firstMs: first });
    if (cost.dear) dear.push(cost);
    if (cost.twiceMs > dearest.twiceMs) dearest = cost;
  }
  return dear.length > 0 ? dear : [dearest];
}

type Suspect = Sizes & {
  readonly reader: string;
  readonly pattern: string;
  readonly run: Run;
  readonly make: (chars: number) => string;
  readonly firstMs: number;
};

async function costAt({ reader, pattern, run, make, chars, floorMs, firstMs }: Suspect): Promise<Cost> {
  const onceMs = await cpuMs(run, make(chars));
  const cost = { reader, pattern, chars, onceMs, twiceMs: firstMs, dear: false };
  if (firstMs < floorMs || firstMs <= SUSPECT_GROWTH * onceMs) return cost;
  // A reader may do more from some length on, and the collector and the compiler come when they like. What grows too
  // fast goes on doing so, and in each round.
  let [once, twice, four] = [onceMs, firstMs, Number.POSITIVE_INFINITY];
  let dear = true;
  for (let round = 0; round < ROUNDS && dear; round += 1) {
    once = Math.min(once, await least(run, make(chars), RUNS));
    twice = Math.min(twice, await least(run, make(2 * chars), RUNS));
    four = Math.min(four, await least(run, make(4 * chars), RUNS));
    dear = twice >= floorMs && twice > GROWTH_MAX * once && four > GROWTH_MAX * twice;
    if (dear && four < EVIDENT_MS) dear = (await least(run, make(8 * chars), RUNS)) > GROWTH_ON * four;
  }
  return { ...cost, onceMs: once, twiceMs: twice, dear };
}

async function least(run: Run, text: string, runs: number): Promise<number> {
  let found = Number.POSITIVE_INFINITY;
  for (let each = 0; each < runs; each += 1) found = Math.min(found, await cpuMs(run, text));
  return found;
}

/**
 * The program's own time on the CPU, and never more than has passed: what the system takes for fresh memory differs by
 * machine. What a reader throws is an answer too.
 */
async function cpuMs(run: Run, text: string): Promise<number> {
  const began = performance.now();
  const before = process.cpuUsage();
  try {
    const result = run(text);
    if (result instanceof Promise) await result;
  } catch {}
  const { user } = process.cpuUsage(before);
  return Math.min(user / 1_000, performance.now() - began);
}
