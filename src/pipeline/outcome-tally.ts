// The outcomes of attempts as one function instance counts them, for the share of failures (core/delivery/
// failure-share.ts). Called by relay, and by feedback for what SES reports later. A function without a failure within
// the hour makes no call; one with a failure adds its hour's counts to the ledger. Counts that die with a function make
// the share less exact, no more.

import type { DeliveryRow, Direction } from '#core/delivery/delivery.ts';
import {
  countsInShare,
  failedAfterAcceptance,
  type HopOutcomes,
  type OutcomeCount,
  outcomeCount,
} from '#core/delivery/failure-share.ts';
import { outcomesSentEveryParts, slotsPerHour } from '#core/limits.ts';
import type { Outcome } from '#core/reply/outcome.ts';
import type { Clock, Watch } from './ports.ts';

export interface OutcomeStore {
  /** Adds to what is counted in this slot. It is forgotten some time after `until`, in milliseconds since the epoch. */
  add(slot: number, outcomes: HopOutcomes, until: number): Promise<void>;
  /** What is counted in this slot and later ones, in any order and number for each next hop. */
  since(slot: number): Promise<readonly HopOutcomes[]>;
}

type Hop = { readonly slots: Map<number, OutcomeCount>; failedIn: number };

export class OutcomeTally {
  readonly #store: OutcomeStore;
  readonly #clock: Clock;
  readonly #watch: Watch;
  readonly #hourMs: number;
  readonly #hops = new Map<string, Hop>();
  #sentAt = Number.NEGATIVE_INFINITY;
  #urgent = false;

  constructor(ports: { readonly store: OutcomeStore; readonly clock: Clock; readonly watch: Watch }, hourMs: number) {
    this.#store = ports.store;
    this.#clock = ports.clock;
    this.#watch = ports.watch;
    this.#hourMs = hourMs;
  }

  /** An attempt whose outcome is recorded. */
  note(row: DeliveryRow, direction: Direction, outcome: Outcome): void {
    const count = outcomeCount(row, direction, outcome);
    if (count !== null) this.#add(row.nextHop, count);
  }

  /** The next hop accepted it before, and it failed all the same. */
  failedLater(row: DeliveryRow): void {
    if (countsInShare(row)) this.#add(row.nextHop, failedAfterAcceptance);
  }

  /** At the end of an invocation: a failure is told at once, acceptances beside it once a minute. Never rejects. */
  async ended(): Promise<void> {
    const now = this.#clock.now();
    if (!this.#urgent && now - this.#sentAt < this.#hourMs / outcomesSentEveryParts) return;
    const oldest = this.#slot(now) - slotsPerHour;
    for (const [nextHop, hop] of this.#hops) {
      for (const slot of hop.slots.keys()) if (slot <= oldest) hop.slots.delete(slot);
      if (hop.failedIn > oldest) await this.#send(nextHop, hop);
      if (hop.slots.size === 0 && hop.failedIn <= oldest) this.#hops.delete(nextHop);
    }
    [this.#urgent, this.#sentAt] = [false, now];
  }

  async #send(nextHop: string, { slots }: Hop): Promise<void> {
    for (const [slot, count] of [...slots]) {
      slots.delete(slot); // once at most, rather than twice
      try {
        await this.#store.add(slot, { nextHop, ...count }, (slot / slotsPerHour + 2) * this.#hourMs);
      } catch (error) {
        this.#watch.error('outcomes.not-counted', { nextHop, error: String(error) });
      }
    }
  }

  #add(nextHop: string, count: OutcomeCount): void {
    const slot = this.#slot(this.#clock.now());
    const hop = this.#hops.get(nextHop) ?? { slots: new Map<number, OutcomeCount>(), failedIn: -1 };
    this.#hops.set(nextHop, hop);
    const before = hop.slots.get(slot) ?? { failed: 0, accepted: 0 };
    hop.slots.set(slot, { failed: before.failed + count.failed, accepted: before.accepted + count.accepted });
    if (count.failed > 0) [hop.failedIn, this.#urgent] = [slot, true];
  }

  #slot(at: number): number {
    return Math.floor((at * slotsPerHour) / this.#hourMs);
  }
}
