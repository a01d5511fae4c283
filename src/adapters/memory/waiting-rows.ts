// Mail that waits, by the ledger in memory. Used by the simulation.
// It never asks an index: it looks through all rows.

import { type DueClass, dueClassOf } from '#core/delivery/due-class.ts';
import type { DueRow } from '#pipeline/ports.ts';
import type { HeldPage, WaitingIndex, WaitingLook } from '#pipeline/waiting-index.ts';
import { dueRowOf, type MemoryLedger } from './ledger.ts';

export class WaitingRows implements WaitingIndex {
  private readonly ledger: Pick<MemoryLedger, 'all'>;

  constructor(ledger: Pick<MemoryLedger, 'all'>) {
    this.ledger = ledger;
  }

  async look(): Promise<WaitingLook> {
    return this;
  }

  async heldCount(): Promise<number> {
    return this.ledger.all().filter((row) => row.dueAt !== null && dueClassOf(row) === 'held').length;
  }

  async walk(dueClass: DueClass, until: number, take: (row: DueRow) => void): Promise<void> {
    for (const row of this.ledger.all()) {
      const entry = dueClassOf(row) === dueClass ? dueRowOf(row) : null;
      if (entry !== null && entry.dueAt <= until) take(entry);
    }
  }

  async heldWithoutInstant(): Promise<HeldPage> {
    const refs = this.ledger.all().filter(({ state, dueAt }) => state === 'held' && dueAt === null);
    return { refs: refs.map(({ spoolId, deliveryKey }) => ({ spoolId, deliveryKey })), after: null };
  }
}
