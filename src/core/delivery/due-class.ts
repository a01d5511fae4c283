// The classes of rows in the index of what is due. The ledger keeps them apart, so that a level counts one class and
// reads no other (DESIGN decision 32). Pure. A row's class follows from the row alone, and changes with each write.

import { claimsMax } from '#core/limits.ts';
import { reasonRow } from '#core/reply/reasons.ts';
import { type DeliveryRow, isUnderWay } from './delivery.ts';

/**
 * `held`: it is held, for a person. `operator`: it was deferred, and the operator must act before an attempt can
 * succeed. `unprocessed`: the same, because we cannot process it. `faulty`: it was deferred by the next hop's fault.
 * `other`: everything else.
 */
export const dueClasses = ['held', 'operator', 'unprocessed', 'faulty', 'other'] as const;
export type DueClass = (typeof dueClasses)[number];
/** Classes of rows that are under way and wait for a person. */
export type PersonClass = Extract<DueClass, 'operator' | 'unprocessed'>;

export function dueClassOf({
  state,
  lastReason,
  claims,
}: Pick<DeliveryRow, 'state' | 'lastReason' | 'claims'>): DueClass {
  if (state === 'held') return 'held';
  if (isUnderWay(state) && claims >= claimsMax) return 'unprocessed'; // poison
  const reason = state === 'deferred' ? reasonRow(lastReason) : null;
  if (reason?.waitsForPerson === true) return reason.fault === 'operator' ? 'operator' : 'unprocessed';
  return reason?.fault === 'next-hop' ? 'faulty' : 'other';
}

export function isPersonClass(dueClass: DueClass): dueClass is PersonClass {
  return dueClass === 'operator' || dueClass === 'unprocessed';
}
