// One function's view of a rate that all functions keep together: of a next hop (`messagesPerSecond`), or of SES's
// account. Called by the gate. It reserves instants of the shared virtual clock for all jobs that wait in the function,
// and waits a moment for a job's own. It also gives places in line to jobs that shall come later. It decides nothing:
// core/delivery/next-hop-turns.ts does.

import { type Instants, inLine, nextInstant, reserved, type SharedTurns } from '#core/delivery/next-hop-turns.ts';
import { boardEveryMs, gateDelayMsMax, gateLeastMs, gateWaitMsMax, jobsPerBatchMax } from '#core/limits.ts';
import type { Clock, Timer } from '#pipeline/ports.ts';
import type { TurnsRecord } from './turns-record.ts';

export type RatePorts = { readonly clock: Clock; readonly timer: Timer };

/** A contended record, and one that is not known, is asked again after this. */
export const ASK_AGAIN_MS = 1_000;
const UNKNOWN_MS = 60_000;

export class RateClock {
  readonly #ports: RatePorts;
  readonly #record: TurnsRecord;
  /** Messages in a second by the record; null: no limit. */
  readonly #rateOf: (turns: SharedTurns) => number | null;
  #instants: (Instants & { readonly spacingMs: number }) | null = null;
  #wanted = 0;
  #wantedInLine = 0;
  /** Places in line that were written for jobs of this function and are not given yet. */
  #places: number[] = [];
  #unknownUntil = 0;
  #readAt = 0;
  #reading: Promise<void> = Promise.resolve();

  constructor(ports: RatePorts, record: TurnsRecord, rateOf: (turns: SharedTurns) => number | null) {
    this.#ports = ports;
    this.#record = record;
    this.#rateOf = rateOf;
  }

  /** Null: there is no limit. */
  spacingMs(turns = this.#record.turns): number | null {
    const rate = this.#rateOf(turns);
    return rate === null ? null : 1_000 / rate;
  }

  /**
   * Waits for the message's instant: it is now, and stays the message's until the next one. Or how long it takes; a
   * message that is not `inLine` goes behind those that are.
   */
  async turn(signal: AbortSignal, inLine: boolean): Promise<{ readonly until: number } | { readonly laterMs: number }> {
    const { clock, timer } = this.#ports;
    const next = await this.#nextInstant(inLine);
    if ('laterMs' in next) return next;
    while (clock.now() < next.at && !signal.aborted)
      await new Promise<void>((resolve) => timer.after(Math.ceil(next.at - clock.now()), resolve));
    return signal.aborted ? { laterMs: 0 } : { until: next.at + (this.spacingMs() ?? Number.POSITIVE_INFINITY) };
  }

  /**
   * When a job is to come that has no turn now, in milliseconds from now: behind all others, of all functions. Null:
   * the line is too long for a queue's delay.
   */
  async placeInLine(laterMs: number): Promise<number | null> {
    const { clock } = this.#ports;
    this.#wantedInLine += 1;
    try {
      for (let i = 0; i < jobsPerBatchMax; i++) {
        const place = this.#places.shift();
        if (place !== undefined) return Math.max(ASK_AGAIN_MS, place - clock.now());
        // Of several at the same time the first one writes for all; the others find their places, or the line full.
        const made = await this.#record.change<readonly number[] | 'full'>((turns) => {
          if (this.#places.length > 0) return null;
          const wanted = { spacingMs: this.spacingMs(turns) ?? ASK_AGAIN_MS, jobs: this.#wantedInLine };
          const line = inLine(turns, { ...wanted, ...lineTerms(laterMs) }, clock.now());
          if (line === null) return { turns: null, made: 'full' };
          return { turns: line.turns, made: places(line.from, wanted) };
        });
        if (made === 'contended') return Math.max(ASK_AGAIN_MS, laterMs);
        if (made === 'full' && !(await this.#readAgain())) return null;
        if (made === 'full') continue;
        if (made !== null) this.#places = [...made];
      }
      return Math.max(ASK_AGAIN_MS, laterMs);
    } finally {
      this.#wantedInLine -= 1;
    }
  }

  async #nextInstant(inLine: boolean): Promise<{ readonly at: number } | { readonly laterMs: number }> {
    const { clock } = this.#ports;
    await this.#known();
    this.#wanted += 1;
    try {
      for (;;) {
        if (this.spacingMs() === null) return { at: clock.now() };
        const now = clock.now();
        const next = this.#instants === null ? null : nextInstant(this.#instants, this.#instants.spacingMs, now);
        if (this.#instants !== null) this.#instants = next === null ? null : { ...this.#instants, ...next.rest };
        if (next !== null) return next;
        const laterMs = await this.#reserve(!inLine);
        if (laterMs !== null) return { laterMs };
      }
    } finally {
      this.#wanted -= 1;
    }
  }

  /** The line may have been dropped since this function knew of it. False: it was read a moment ago. */
  async #readAgain(): Promise<boolean> {
    const now = this.#ports.clock.now();
    if (now - this.#readAt < boardEveryMs) return false;
    this.#readAt = now;
    await this.#record.read();
    return true;
  }

  /** A rate that stands in the record alone: until it is known, the record is read once a minute. */
  async #known(): Promise<void> {
    const { clock } = this.#ports;
    if (this.spacingMs() !== null) return;
    if (clock.now() >= this.#unknownUntil) {
      this.#unknownUntil = clock.now() + UNKNOWN_MS;
      this.#reading = this.#record.read().catch((error: unknown) => {
        this.#unknownUntil = 0; // the next job asks again
        throw error;
      });
    }
    await this.#reading; // all jobs of the function wait for the one read
  }

  /** Null: there are instants now. Of several at the same time the first one writes. */
  async #reserve(behindLine: boolean): Promise<number | null> {
    let laterMs: number | null = null;
    let tries = 0;
    const { clock } = this.#ports;
    const made = await this.#record.change((turns) => {
      const now = clock.now();
      const spacingMs = this.spacingMs(turns);
      if (spacingMs === null) return null;
      if (this.#instants !== null && nextInstant(this.#instants, this.#instants.spacingMs, now) !== null) return null;
      tries += 1; // the first one is by the record as this function last knew it
      const leastMs = tries > 2 ? gateLeastMs : 0;
      const wanted = { spacingMs, messages: this.#wanted, leastMs, waitMsMax: gateWaitMsMax, behindLine };
      const next = reserved(turns, wanted, now);
      if ('laterMs' in next) {
        laterMs = next.laterMs;
        return null;
      }
      return { turns: next.turns, made: { ...next.instants, spacingMs } };
    });
    if (made === 'contended') return ASK_AGAIN_MS;
    if (made !== null) this.#instants = made;
    return laterMs;
  }
}

function lineTerms(laterMs: number) {
  return { leastMs: Math.max(ASK_AGAIN_MS, laterMs), longestMs: gateDelayMsMax };
}

function places(from: number, { spacingMs, jobs }: { readonly spacingMs: number; readonly jobs: number }): number[] {
  return Array.from({ length: jobs }, (_, index) => from + index * spacingMs);
}
