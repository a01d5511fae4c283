// A restored ledger in memory: a copy of a MemoryLedger that was kept earlier, put back into the one that lives. For
// the simulation and tests. Its pages are small, so that a run is cut off between them.

import type { DeliveryRow } from '#core/delivery/delivery.ts';
import type { RestoredLedger } from '#pipeline/operate/restore.ts';
import type { MemoryLedger } from './ledger.ts';

const PAGE = 3;

export class MemoryRestored implements RestoredLedger {
  private readonly from: MemoryLedger;
  private readonly to: MemoryLedger;

  constructor(from: MemoryLedger, to: MemoryLedger) {
    this.from = from;
    this.to = to;
  }

  async page(after: string | null): Promise<{ readonly rows: readonly DeliveryRow[]; readonly after: string | null }> {
    const at = Number(after ?? 0);
    const all = this.from.all();
    const rows = all.slice(at, at + PAGE);
    for (const { spoolId } of rows) this.to.takeBeside(this.from, spoolId);
    return { rows: structuredClone(rows), after: at + PAGE < all.length ? String(at + PAGE) : null };
  }

  async putBack(row: DeliveryRow, standing: number | null): Promise<'written' | 'lost'> {
    return this.to.put(row, standing);
  }
}
