// What waits, added up by the entries of the due index: held rows by cause, mail that waits by a fault by next hop, and
// mail that a pause keeps by pause. The sweep's levels and the daily digest both ask it, so that their figures agree.
// Pure. It keeps no entry, so that a backlog of millions fits into a function's memory and hides nothing.

import type { DeliveryRef, DeliveryRow, HeldBecause } from './delivery.ts';
import { isUnderWay } from './delivery.ts';
import { type DueClass, isPersonClass } from './due-class.ts';
import { isCanary } from './key.ts';
import type { Health } from './next-hop-health.ts';
import { type EntrySeen, isKept, isKeptBy, type Pauses } from './pause.ts';

/** What the due index says of a row. `heldBecause` is absent where an older version wrote the entry. */
export type EntryWaiting = EntrySeen &
  Pick<DeliveryRow, 'state' | 'nextAttemptAt'> & { readonly heldBecause?: HeldBecause };

export type Sum = {
  readonly count: number;
  /** Since when the oldest waits: held since, or accepted. */
  readonly oldestAt: number;
};
export type WaitingSums = {
  /** `null`: an entry that an older version wrote, which does not say the cause. */
  readonly held: ReadonlyMap<HeldBecause | null, Sum>;
  /** By next hop: by a fault of the next hop or the operator, and no pause keeps it. */
  readonly byFault: ReadonlyMap<string, Sum>;
  /** By next hop: held by the failure limit. `first`: one of them. */
  readonly failureLimited: ReadonlyMap<string, Sum & { readonly first: DeliveryRef }>;
  /** By the scope of the pause. Where two pauses keep a row, both count it. */
  readonly kept: ReadonlyMap<string, Sum>;
};

/** What is known of next hops and pauses at one instant. */
export type SumTerms = { readonly healths: ReadonlyMap<string, Pick<Health, 'state'>>; readonly pauses: Pauses };

export function waitingSums(terms: SumTerms): {
  take(entry: EntryWaiting, dueClass: DueClass): void;
  sums(): WaitingSums;
} {
  const { pauses } = terms;
  const held = new Map<HeldBecause | null, Sum>();
  const byFault = new Map<string, Sum>();
  const failureLimited = new Map<string, Sum & { readonly first: DeliveryRef }>();
  const kept = new Map<string, Sum>();
  return {
    take(entry, dueClass) {
      if (isCanary(entry)) return; // CanaryLate tells of it
      if (entry.state === 'held') {
        add(held, entry.heldBecause ?? null, entry.nextAttemptAt);
        if (entry.heldBecause === 'failure-limit') addFirst(failureLimited, entry);
        return;
      }
      if (!isUnderWay(entry.state)) return;
      const acceptedAt = acceptedBy(entry, pauses);
      for (const pause of pauses.standing) if (isKeptBy(pause, entry, pauses)) add(kept, pause.scope, acceptedAt);
      if (waitsByFault(entry, dueClass, terms)) add(byFault, entry.nextHop, acceptedAt);
    },
    sums: () => ({ held, byFault, failureLimited, kept }),
  };
}

/**
 * Its last attempt failed by a fault of the next hop or the operator, or it is ready for an attempt and its next hop is
 * slow or takes nothing: then it waits from the first moment, whether it was ever attempted or not.
 */
function waitsByFault(entry: EntryWaiting, dueClass: DueClass, { healths, pauses }: SumTerms): boolean {
  if (isKept(entry, pauses)) return false;
  if (dueClass === 'faulty' || isPersonClass(dueClass)) return true;
  return isSick(healths.get(entry.nextHop)) && entry.nextAttemptAt <= pauses.now;
}

/** Whether mail that no attempt has failed at may wait by a fault: what does not, costs no read. */
export function isSick(health: Pick<Health, 'state'> | undefined): boolean {
  return health !== undefined && health.state !== 'healthy';
}

/** The index does not have the acceptance: it is taken as a lifetime before the expiry, or later. */
function acceptedBy({ expiresAt }: EntryWaiting, { lifetimeMs }: Pauses): number {
  return expiresAt - lifetimeMs;
}

function addFirst(sums: Map<string, Sum & { readonly first: DeliveryRef }>, entry: EntryWaiting): void {
  const { spoolId, deliveryKey, nextHop, nextAttemptAt: at } = entry;
  const { count, oldestAt, first } = sums.get(nextHop) ?? { count: 0, oldestAt: at, first: { spoolId, deliveryKey } };
  sums.set(nextHop, { count: count + 1, oldestAt: Math.min(oldestAt, at), first });
}

function add<K>(sums: Map<K, Sum>, key: K, at: number): void {
  const { count, oldestAt } = sums.get(key) ?? { count: 0, oldestAt: at };
  sums.set(key, { count: count + 1, oldestAt: Math.min(oldestAt, at) });
}
