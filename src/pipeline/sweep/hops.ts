// What one sweep knows of all next hops and pauses: the board, read once at its beginning. Called by every file of this
// folder. It turns health and pauses into the terms of core/delivery/waiting.ts and sweep-decision.ts, and decides
// nothing itself.

import { type Health, unknownHealth } from '#core/delivery/next-hop-health.ts';
import { type EntrySeen, extendedExpiry, isKept, type JobSeen, type Pauses, resumedAt } from '#core/delivery/pause.ts';
import type { HopTerms, PauseTerms } from '#core/delivery/sweep-decision.ts';
import {
  freshFailureOf,
  type HopTimes,
  hopStandingOf,
  isProbeAwaited,
  resumedAtOf,
  type Standing,
  takesMail,
} from '#core/delivery/waiting.ts';
import type { Board } from '#pipeline/next-hop-board.ts';
import type { Lines } from './hop-lines.ts';

export class Hops {
  readonly pauses: Pauses;
  readonly lines: Lines;
  readonly #board: Board;
  readonly #times: HopTimes;

  constructor(board: Board, pauses: Pauses, times: HopTimes, lines: Lines) {
    this.pauses = pauses;
    this.lines = lines;
    this.#board = board;
    this.#times = times;
  }

  all(): Iterable<Health> {
    return this.#board.healths.values();
  }

  /** By health alone. */
  standing(nextHop: string): Standing {
    return hopStandingOf(this.#health(nextHop), this.pauses.now, this.#times);
  }

  /** By its health, and no pause keeps the row. */
  takesMail(entry: EntrySeen): boolean {
    const { kept, resumedAt: at } = this.pause(entry);
    const settles = at !== null && this.pauses.now < at;
    return !kept && !settles && takesMail(this.standing(entry.nextHop));
  }

  isProbeAwaited(health: Health, sweepAgainMs: number): boolean {
    return isProbeAwaited(health, { now: this.pauses.now, sweepAgainMs }, this.#times);
  }

  isOver(entry: EntrySeen): boolean {
    return extendedExpiry(entry, this.pauses) <= this.pauses.now;
  }

  hop(nextHop: string): HopTerms {
    const health = this.#health(nextHop);
    return {
      takesMail: takesMail(this.standing(nextHop)),
      down: freshFailureOf(health, this.pauses.now, this.#times),
      resumedAt: resumedAtOf(health, this.#times),
      lineEndsAt: this.lines.endsAt(nextHop),
      queuedUntil: this.lines.queuedUntil(nextHop),
    };
  }

  pause(entry: EntrySeen): PauseTerms {
    return {
      kept: isKept(entry, this.pauses),
      expiresAt: extendedExpiry(entry, this.pauses),
      resumedAt: this.#settledAt(entry),
    };
  }

  /** Until every function knows that a pause is over, jobs are given back. */
  #settledAt(job: JobSeen): number | null {
    const at = resumedAt(job, this.pauses);
    return at === null ? null : at + this.#times.settleMs;
  }

  #health(nextHop: string): Health {
    return this.#board.healths.get(nextHop) ?? unknownHealth(nextHop);
  }
}
