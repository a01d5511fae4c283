// Virtual time: real time plus an offset that only grows. Timers stand in one heap behind one real timer; `advance` walks from
// each due timer to the next and waits for the work it caused, so that hours of retries pass in seconds and in order.
// Worker threads read the offset from shared memory (`virtualNow`). It never touches the process's own Date.

import { createHeap } from './heap.ts';
import type { VirtualClock } from './world.ts';

export type LocalClock = VirtualClock & {
  /**
   * Moves virtual time forward by `ms`: to each due timer in order, fires it, waits until all busy work has ended, and lands at
   * the target. Calls one after the other; must not be awaited from within busy work.
   */
  advance(ms: number): Promise<void>;
  /** Resolves once nothing is busy, nothing is due, and a few turns of the event loop brought nothing new. */
  idle(): Promise<void>;
  /** What `virtualNow` reads: hand it to worker threads. */
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
/** Work hops through promises, streams and loopback sockets between two busy marks; this many turns let it show itself. */
const settleTurns = 12;

/**
 * @param options.offsetMs the offset at which an earlier process stopped: messages must not lie in the future after a restart
 * @param options.saveOffset is called with each new offset, in milliseconds
 */
export function createClock(
  options: { readonly offsetMs?: number; readonly saveOffset?: (offsetMs: number) => void } = {},
): LocalClock {
  const shared = new SharedArrayBuffer(8);
  const cell = new BigInt64Array(shared);
  const timers = createHeap<() => void>();
  let realTimer: NodeJS.Timeout | undefined;
  let armedFor = Number.POSITIVE_INFINITY;
  let busyMarks = 0;
  let closed = false;
  let whenFree: (() => void)[] = [];
  let advancing: Promise<void> = Promise.resolve();
  Atomics.store(cell, 0, BigInt(Math.round(options.offsetMs ?? 0)));

  return {
    offset: shared,
    now,
    at(instant, callback) {
      const node = timers.add(instant, callback);
      arm();
      return () => timers.remove(node);
    },
    busy() {
      busyMarks += 1;
      let ended = false;
      return () => {
        if (ended) return;
        ended = true;
        busyMarks -= 1;
        if (busyMarks > 0) return;
        const waiting = whenFree;
        whenFree = [];
        for (const resume of waiting) resume();
      };
    },
    advance(ms) {
      if (!(ms >= 0)) throw new RangeError(`the clock can not be moved by ${ms} ms`);
      advancing = advancing.then(() => walk(ms));
      return advancing;
    },
    idle,
    close() {
      closed = true;
      clearTimeout(realTimer);
      timers.clear();
    },
  };

  function now(): number {
    return Date.now() + Number(Atomics.load(cell, 0));
  }

  async function walk(ms: number): Promise<void> {
    const target = now() + ms;
    await idle();
    for (let next = timers.peek(); next !== undefined && next.at <= target && !closed; next = timers.peek()) {
      jumpTo(next.at);
      fireDue();
      await idle();
    }
    jumpTo(target);
    await idle();
  }

  function jumpTo(instant: number): void {
    const ahead = Math.ceil(instant - now());
    if (ahead <= 0) return;
    const offsetMs = Atomics.add(cell, 0, BigInt(ahead)) + BigInt(ahead);
    options.saveOffset?.(Number(offsetMs));
    armedFor = Number.POSITIVE_INFINITY;
    arm();
  }

  async function idle(): Promise<void> {
    for (let quiet = 0; quiet < settleTurns; quiet += 1) {
      if (busyMarks > 0) {
        await new Promise<void>((resume) => whenFree.push(resume));
        quiet = 0;
      }
      if (fireDue()) quiet = 0;
      await new Promise<void>((resume) => setImmediate(resume));
    }
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
