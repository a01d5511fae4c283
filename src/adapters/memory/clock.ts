// Time and randomness for tests and the simulation: they change only when the test changes them. It never reads the
// machine's clock.

import type { Clock, Entropy, Timer } from '#pipeline/ports.ts';

export class MemoryClock implements Clock, Timer {
  private instant: number;
  private readonly waiting = new Map<() => void, number>();

  /** `instant` in milliseconds since the epoch. */
  constructor(instant: number) {
    this.instant = instant;
  }

  now(): number {
    return this.instant;
  }

  advance(milliseconds: number): void {
    if (!(milliseconds >= 0)) throw new Error(`time only goes forward: ${milliseconds}`);
    this.instant += milliseconds;
    for (const [run, at] of [...this.waiting]) if (at <= this.instant && this.waiting.delete(run)) run();
  }

  after(ms: number, run: () => void): () => void {
    this.waiting.set(run, this.instant + ms);
    return () => void this.waiting.delete(run);
  }

  /** Moves to an instant that is not in the past. */
  advanceTo(instant: number): void {
    this.advance(instant - this.instant);
  }
}

/** The same fractions for the same seed (mulberry32, public domain). */
export class MemoryEntropy implements Entropy {
  private state: number;

  constructor(seed: number) {
    this.state = seed >>> 0;
  }

  fraction(): number {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(this.state ^ (this.state >>> 15), 1 | this.state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  }
}
