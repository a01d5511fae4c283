// What the ledger's index tells of mail that waits: for a person, or by a fault of the next hop or the operator. A port
// that the ledger implements; the sweep's levels and the digest come from it. It changes nothing.

import type { DeliveryRef } from '#core/delivery/delivery.ts';
import type { DueClass } from '#core/delivery/due-class.ts';
import type { DueRow } from './ports.ts';

export type HeldPage = {
  readonly refs: readonly DeliveryRef[];
  /** Where the next page begins; null: this was the last one. */
  readonly after: string | null;
};

/** What waits, as of one look. */
export interface WaitingLook {
  /** How many held rows the index has: those that wait for a person. */
  heldCount(): Promise<number>;
  /**
   * Gives each row of the class whose `dueAt` is at or before `until` to `take`, in no order, and keeps none. It stops
   * at no number: a row that is left out would hide its next hop from a level.
   */
  walk(dueClass: DueClass, until: number, take: (row: DueRow) => void): Promise<void>;
}

export interface WaitingIndex extends WaitingLook {
  /** For all that one run asks: where the index is short, it is read once. */
  look(): Promise<WaitingLook>;
  /** Held rows without `dueAt`, which versions before wrote: a page of the table, which may be empty. */
  heldWithoutInstant(after: string | null): Promise<HeldPage>;
}
