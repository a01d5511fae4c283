// The counts of the failure limit (core/delivery/failure-limit.ts), as one function instance keeps them: it counts its
// failures in the ledger, and remembers for an hour which counts they went to, so that its next acceptance is written
// there. A function without such a failure makes no call. Called by relay. It never decides what a failure becomes.

import type { DeliveryRow } from '#core/delivery/delivery.ts';
import {
  countsAsFailure,
  type FailureCount,
  failedAddress,
  failureKey,
  isOverFailureLimit,
  noFailures,
  withFailure,
  withoutFailures,
} from '#core/delivery/failure-limit.ts';
import type { Outcome } from '#core/reply/outcome.ts';
import type { Clock, Watch } from '#pipeline/ports.ts';

export interface FailureStore {
  /** The record of this key; null: none stands. Consistent. */
  failureCount(key: string): Promise<FailureCount | null>;
  /**
   * Replaces the record where its stored version is still `count.version` (0: none stands); stores `version + 1`.
   * Lost: another function wrote meanwhile. The record is forgotten some time after `until`, in milliseconds since the
   * epoch.
   */
  writeFailureCount(count: FailureCount, until: number): Promise<'written' | 'lost'>;
}

export type FailurePorts = { readonly store: FailureStore; readonly clock: Clock; readonly watch: Watch };

/** Each lost write is another function's success. Eight functions run at most, unless an operator configures more. */
const TRIES = 100;

export class FailureCounts {
  readonly #ports: FailurePorts;
  readonly #hourMs: number;
  /** By next hop: the keys that this function counted failures under, and when it last did. */
  readonly #counted = new Map<string, Map<string, number>>();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(ports: FailurePorts, hourMs: number) {
    this.#ports = ports;
    this.#hourMs = hourMs;
  }

  /**
   * Counts the failure where it counts, before the row is written: a crash between the two counts the same recipient
   * again, which changes nothing. True: ten different recipients were refused within the hour before it.
   */
  async isOver(row: DeliveryRow, outcome: Outcome): Promise<boolean> {
    if (outcome.kind !== 'failed' || !countsAsFailure(row, outcome)) return false;
    const key = failureKey(row, outcome);
    const counted = this.#counted.get(row.nextHop) ?? new Map<string, number>();
    this.#counted.set(row.nextHop, counted.set(key, this.#ports.clock.now()));
    let over = false;
    const written = await this.#change(key, (count, now) => {
      over = isOverFailureLimit(count, now, this.#hourMs);
      return withFailure(count, failedAddress(row), now);
    });
    return over || !written; // not counted: held, so that no failure is left out
  }

  /**
   * The next hop accepted a message: what this function counted there within the hour begins anew. A notice is none:
   * else the very NDRs of such failures would keep the limit open where they go by the same next hop. Never rejects.
   */
  async accepted({ kind, nextHop }: DeliveryRow): Promise<void> {
    if (kind === 'notice') return;
    const counted = this.#counted.get(nextHop);
    if (counted === undefined) return;
    this.#counted.delete(nextHop);
    const since = this.#ports.clock.now() - this.#hourMs;
    try {
      for (const [key, at] of counted) if (at > since) await this.#change(key, withoutFailures);
    } catch (error) {
      this.#ports.watch.error('relay.acceptance-not-counted', { nextHop, error: String(error) });
    }
  }

  /** One after the other within this function. Null: nothing is to be written. */
  #change(key: string, decide: (count: FailureCount, now: number) => FailureCount | null): Promise<boolean> {
    const mine = this.#turn.then(() => this.#changeNow(key, decide));
    this.#turn = mine.catch(() => null);
    return mine;
  }

  async #changeNow(key: string, decide: (count: FailureCount, now: number) => FailureCount | null): Promise<boolean> {
    const { store, clock, watch } = this.#ports;
    for (let i = 0; i < TRIES; i += 1) {
      const count = (await store.failureCount(key)) ?? noFailures(key);
      const now = clock.now();
      const next = decide(count, now);
      if (next === null || (await store.writeFailureCount(next, now + this.#hourMs)) === 'written') return true;
    }
    watch.error('relay.failure-not-counted', { key });
    return false;
  }
}
