// What the ledger's index tells of mail that waits: for a person, or by a fault of the next hop or the operator. A port
// that the ledger implements; the sweep's levels come from it. It changes nothing.

import type { DeliveryRef } from '#core/delivery/delivery.ts';
import type { DueRow } from './ports.ts';

export type HeldPage = {
  readonly refs: readonly DeliveryRef[];
  /** Where the next page begins; null: this was the last one. */
  readonly after: string | null;
};

export interface WaitingIndex {
  /** How many held rows the index has: those that wait for a person. */
  heldCount(): Promise<number>;
  /**
   * At most `max` rows whose last attempt was deferred by a fault of the next hop or the operator; where there are
   * more, those that are due first, of each part of the index.
   */
  faulty(max: number): Promise<readonly DueRow[]>;
  /** Held rows without `dueAt`, which versions before wrote: a page of the table, which may be empty. */
  heldWithoutInstant(after: string | null): Promise<HeldPage>;
}
