// The virtual clock: real time plus an offset that only grows. All services take their time and their timers from it.
// `advance` goes from each due timer to the next and waits for the work that it causes: hours of retries pass in
// seconds and in order. Worker threads read the offset from shared memory (`virtualNow`). It never changes the
// process's own Date.

import { createHeap } from './heap.ts';
import type { VirtualClock } from './world.ts';

export type LocalClock = VirtualClock & {
  /**
   * Moves virtual time forward by `ms`: to each due timer in order, fires it, waits until all busy work has ended, and
   * lands at the target. Calls one after the other; must not be awaited from within busy work. It always ends.
   * Where work takes too long, the clock stops there, and the result lists that work. An empty list: it reached the
   * target.
   */
  advance(ms: number): Promise<readonly string[]>;
  /** The work in progress, each with how long it has taken, the longest first. */
  busyWith(): readonly string[];
  /** Resolves once nothing is busy, nothing is due, and a few turns of the event loop brought nothing new. */
  idle(): Promise<void>;
  /** The offset that `virtualNow` reads: hand it to worker threads. */
  readonly offset: SharedArrayBuffer;
  /** Ends the real timer; nothing fires any more. */
  close(): void;
};

/** The virtual instant, in milliseconds since the epoch, read from a clock's shared offset. */
export function virtualNow(offset: SharedArrayBuffer, realNow: number): number {
  return realNow + Number(Atomics.load(new BigInt64Array(offset), 0));
}

/** Real timers take no longer delay: Node fires at once above 2^31 - 1 ms. */
const realTimerMsMax = 2 ** 31 - 1;
/**
 * An advance gives up when no work has ended for so long in real time: the longest invocation of a template is shorter
 * in most cases, and a person waits.
 */
const stillMsMax = 60_000;
/** And after so long in all: mail that keeps coming never leaves the clock idle. */
const advanceMsMax = 600_000;
/** How often a waiting advance reports the work that it waits for. */
const sayEveryMs = 10_000;
/**
 * Work hops through promises, streams and loopback sockets between two busy marks; this many turns let it show itself.
 */
const settleTurns = 12;

type Patience = { isOver(): boolean; end(): void };

/**
 * @param options.offsetMs the offset at which an earlier process stopped: messages must not lie in the future after a
 * restart
 * @param options.saveOffset is called with each new offset, in milliseconds
 * @param options.waits is called every ten seconds of an advance with the work that it waits for
 */
export function createClock(
  options: {
    readonly offsetMs?: number;
    readonly saveOffset?: (offsetMs: number) => void;
    readonly waits?: (busyWith: readonly string[]) => void;
    readonly stillMsMax?: number;
  } = {},
): LocalClock {
  const shared = new SharedArrayBuffer(8);
  const cell = new BigInt64Array(shared);
  const timers = createHeap<() => void>();
  let realTimer: NodeJS.Timeout | undefined;
  let armedFor = Number.POSITIVE_INFINITY;
  const marks = new Set<{ readonly what: string; readonly since: number }>();
  let lastEnd = 0; // of any work, performance.now()
  let closed = false;
  let whenFree: (() => void)[] = [];
  let advancing: Promise<unknown> = Promise.resolve();
  Atomics.store(cell, 0, BigInt(Math.round(options.offsetMs ?? 0)));

  return {
    offset: shared,
    now,
    at(instant, callback) {
      const node = timers.add(instant, callback);
      arm();
      return () => timers.remove(node);
    },
    busy(what = 'work') {
      const mark = { what, since: performance.now() };
      marks.add(mark);
      return () => {
        if (!marks.delete(mark)) return;
        lastEnd = performance.now();
        if (marks.size === 0) free();
      };
    },
    busyWith,
    advance(ms) {
      if (!(ms >= 0)) throw new RangeError(`the clock cannot be moved by ${ms} ms`);
      const walked = advancing.then(() => walk(ms));
      advancing = walked.catch(() => undefined); // one that failed does not keep the next from walking
      return walked;
    },
    idle: async () => void (await idle(null)),
    close() {
      closed = true;
      clearTimeout(realTimer);
      timers.clear();
      free();
    },
  };

  function free(): void {
    const waiting = whenFree;
    whenFree = [];
    for (const resume of waiting) resume();
  }

  function busyWith(): readonly string[] {
    const now = performance.now();
    return [...marks].map(({ what, since }) => `${what} (${Math.round((now - since) / 1000)} s)`);
  }

  function now(): number {
    return Date.now() + Number(Atomics.load(cell, 0));
  }

  /** The work that it still waited for when it gave up; empty where it arrived. */
  async function walk(ms: number): Promise<readonly string[]> {
    const target = now() + ms;
    const patience = startPatience();
    try {
      if (!(await idle(patience))) return heldBy();
      for (let next = timers.peek(); next !== undefined && next.at <= target && !closed; next = timers.peek()) {
        jumpTo(next.at);
        fireDue();
        if (!(await idle(patience))) return heldBy();
      }
      if (closed) return heldBy();
      jumpTo(target);
      return (await idle(patience)) ? [] : heldBy();
    } finally {
      patience.end();
    }
  }

  function heldBy(): readonly string[] {
    if (closed) return ['the instance, which ends'];
    return marks.size > 0 ? busyWith() : ['work that goes on and on'];
  }

  /** For how long an advance waits: until no work has ended for a while, or until it has taken too long in all. */
  function startPatience(): Patience {
    const began = performance.now();
    const stillMax = options.stillMsMax ?? stillMsMax;
    const saying = setInterval(() => marks.size > 0 && options.waits?.(busyWith()), sayEveryMs).unref();
    const looking = setInterval(() => isOver() && free(), Math.min(stillMax / 4, 1_000)).unref();
    const isOver = (): boolean => {
      const present = performance.now();
      const oldest = Math.min(...[...marks].map(({ since }) => since));
      return present - began > advanceMsMax || present - Math.max(lastEnd, began, oldest) > stillMax;
    };
    return {
      isOver,
      end() {
        clearInterval(saying);
        clearInterval(looking);
      },
    };
  }

  function jumpTo(instant: number): void {
    const ahead = Math.ceil(instant - now());
    if (ahead <= 0) return;
    const offsetMs = Atomics.add(cell, 0, BigInt(ahead)) + BigInt(ahead);
    options.saveOffset?.(Number(offsetMs));
    armedFor = Number.POSITIVE_INFINITY;
    arm();
  }

  /** False where patience ended first, or the clock was closed. */
  async function idle(patience: Patience | null): Promise<boolean> {
    for (let quiet = 0; quiet < settleTurns; quiet += 1) {
      if (patience !== null && (closed || patience.isOver())) return false;
      if (marks.size > 0) {
        await new Promise<void>((resume) => whenFree.push(resume));
        quiet = 0;
      }
      if (fireDue()) quiet = 0;
      await new Promise<void>((resume) => setImmediate(resume));
    }
    return true;
  }

  /** True when anything was due. A callback that throws is a bug and surfaces as one, but must not stop the others. */
  function fireDue(): boolean {
    let fired = false;
    for (let due = timers.takeDue(now()); due !== undefined && !closed; due = timers.takeDue(now())) {
      fired = true;
      try {
        due();
      } catch (error) {
        process.nextTick(() => {
          throw error;
        });
      }
    }
    arm();
    return fired;
  }

  function arm(): void {
    const next = timers.peek();
    if (closed || next === undefined) {
      clearTimeout(realTimer);
      armedFor = Number.POSITIVE_INFINITY;
      return;
    }
    if (next.at >= armedFor) return; // the real timer fires early at worst, and arms itself again
    clearTimeout(realTimer);
    armedFor = next.at;
    realTimer = setTimeout(
      () => {
        armedFor = Number.POSITIVE_INFINITY;
        fireDue();
      },
      Math.min(Math.max(next.at - now(), 0), realTimerMsMax),
    );
  }
}
