// Mail that waits, by the ledger in memory. Used by the simulation.
// It never asks an index: it looks through all rows.

import { dueClassOf } from '#core/delivery/due-class.ts';
import type { DueRow } from '#pipeline/ports.ts';
import type { HeldPage, WaitingIndex } from '#pipeline/waiting-index.ts';
import type { MemoryLedger } from './ledger.ts';

export class WaitingRows implements WaitingIndex {
  private readonly ledger: Pick<MemoryLedger, 'all'>;

  constructor(ledger: Pick<MemoryLedger, 'all'>) {
    this.ledger = ledger;
  }

  async heldCount(): Promise<number> {
    return this.ledger.all().filter((row) => row.dueAt !== null && dueClassOf(row) === 'held').length;
  }

  async faulty(max: number): Promise<readonly DueRow[]> {
    const rows = this.ledger.all().flatMap((row): DueRow[] => {
      const { dueAt, spoolId, deliveryKey, nextHop, state, nextAttemptAt, expiresAt } = row;
      if (dueAt === null || dueClassOf(row) !== 'faulty') return [];
      return [{ dueAt, spoolId, deliveryKey, nextHop, state, nextAttemptAt, expiresAt }];
    });
    return rows.sort((a, b) => a.dueAt - b.dueAt).slice(0, max);
  }

  async heldWithoutInstant(): Promise<HeldPage> {
    const refs = this.ledger.all().filter(({ state, dueAt }) => state === 'held' && dueAt === null);
    return { refs: refs.map(({ spoolId, deliveryKey }) => ({ spoolId, deliveryKey })), after: null };
  }
}
