// The failure limit's counts in memory, with the ledger's condition on versions. Used by the simulation.
// It never shows a record that a later write could change.

import type { FailureCount } from '#core/delivery/failure-limit.ts';
import type { FailureStore } from '#pipeline/relay/failure-counts.ts';

export class MemoryFailures implements FailureStore {
  readonly #counts = new Map<string, FailureCount>();

  async failureCount(key: string): Promise<FailureCount | null> {
    return this.#counts.get(key) ?? null;
  }

  async writeFailureCount(count: FailureCount): Promise<'written' | 'lost'> {
    if ((this.#counts.get(count.key)?.version ?? 0) !== count.version) return 'lost';
    this.#counts.set(count.key, { ...count, version: count.version + 1 });
    return 'written';
  }
}
