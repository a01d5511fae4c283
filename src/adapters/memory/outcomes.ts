// The hour's outcomes at next hops in memory, for tests and the simulation.
// It forgets nothing.

import type { HopOutcomes } from '#core/delivery/failure-share.ts';
import type { OutcomeStore } from '#pipeline/outcome-tally.ts';

export class MemoryOutcomes implements OutcomeStore {
  readonly #counts: { readonly slot: number; readonly outcomes: HopOutcomes }[] = [];

  async add(slot: number, outcomes: HopOutcomes): Promise<void> {
    this.#counts.push({ slot, outcomes });
  }

  async since(from: number): Promise<readonly HopOutcomes[]> {
    return this.#counts.filter(({ slot }) => slot >= from).map(({ outcomes }) => outcomes);
  }
}
