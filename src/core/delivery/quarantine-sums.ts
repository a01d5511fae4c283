// Mail in quarantine, added up by the entries of the due index: how much waits, how much is soon discarded, and the
// latest of a period. The digest asks it. Pure. It keeps a bounded number of entries: a flood of spam must fit into a
// function's memory.

import type { DeliveryState } from './delivery.ts';

export type QuarantineQuery = {
  /** Mail that was to be discarded by now is not among it. */
  readonly now: number;
  readonly from: number;
  readonly until: number;
  readonly max: number;
  readonly soonUntil: number;
};
/** A quarantined row's `nextAttemptAt` is when it came in, and `dueAt` when it is discarded. */
export type EntryQuarantined = {
  readonly state: DeliveryState;
  readonly nextAttemptAt: number;
  readonly dueAt: number;
};
export type Quarantined<E> = {
  /** The latest quarantined in (from, until], at most `max` of them, latest first. */
  readonly told: readonly E[];
  /** Deliveries quarantined in (from, until]. */
  readonly inPeriod: number;
  readonly waiting: number;
  /** Of those that wait: discarded up to `soonUntil`. */
  readonly soon: number;
};

export function quarantineSums<E extends EntryQuarantined>(
  query: QuarantineQuery,
): { take(entry: E): void; sums(): Quarantined<E> } {
  const told: E[] = [];
  const counts = { inPeriod: 0, waiting: 0, soon: 0 };
  const latestFirst = () => told.sort((a, b) => b.nextAttemptAt - a.nextAttemptAt);
  return {
    take(entry) {
      if (entry.state !== 'quarantined' || entry.dueAt <= query.now) return;
      counts.waiting += 1;
      if (entry.dueAt <= query.soonUntil) counts.soon += 1;
      if (entry.nextAttemptAt <= query.from || entry.nextAttemptAt > query.until) return;
      counts.inPeriod += 1;
      told.push(entry);
      if (told.length >= 2 * query.max) latestFirst().splice(query.max);
    },
    sums: () => ({ ...counts, told: latestFirst().slice(0, query.max) }),
  };
}
