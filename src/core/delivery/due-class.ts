// The classes of rows in the index of what is due. The ledger keeps them apart, so that a level counts one class and
// reads no other (DESIGN decision 32). Pure. A row's class follows from the row alone, and changes with each write.

import { reasonRow } from '#core/reply/reasons.ts';
import type { DeliveryRow } from './delivery.ts';

/**
 * `held`: it waits for a person. `faulty`: its last attempt was deferred by a fault of the next hop or the operator.
 * `other`: everything else.
 */
export const dueClasses = ['held', 'faulty', 'other'] as const;
export type DueClass = (typeof dueClasses)[number];

export function dueClassOf(row: Pick<DeliveryRow, 'state' | 'lastReason'>): DueClass {
  if (row.state === 'held') return 'held';
  const fault = row.state === 'deferred' ? reasonRow(row.lastReason)?.fault : undefined;
  return fault === 'next-hop' || fault === 'operator' ? 'faulty' : 'other';
}
