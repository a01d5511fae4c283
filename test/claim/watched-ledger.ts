// The ledger of the simulator: the one in memory, and after each change of a row the question whether something will
// look at it again.

import { aroundCalls } from '#adapters/memory/interrupt.ts';
import { MemoryLedger } from '#adapters/memory/ledger.ts';
import { MemoryRestored } from '#adapters/memory/restored.ts';
import { WaitingRows } from '#adapters/memory/waiting-rows.ts';
import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { isHeldFailure, isSettled } from '#core/delivery/delivery.ts';
import type { RestoredLedger } from '#pipeline/operate/restore.ts';
import type { Ledger } from '#pipeline/ports.ts';
import type { Finding } from './evidence.ts';

const CHANGES: ReadonlySet<string> = new Set(['create', 'claim', 'write']);

/** A state of the ledger that was kept. */
export type LedgerCopy = MemoryLedger;

export class WatchedLedger {
  private readonly memory = new MemoryLedger();
  private readonly found: (finding: Finding) => void;
  private readonly changed: () => void;
  private readonly told = new Set<string>();
  private readonly now: () => number;
  /** Rows that wait for a person, and since when. */
  readonly held = new Map<string, number>();
  changes = 0;
  readonly port: Ledger;
  /** The sweep has published how many are held since the last one was. */
  isHeldTold = true;
  readonly waiting = new WaitingRows(this.memory);

  /** `changed` is called after each change of a row. */
  constructor(found: (finding: Finding) => void, changed: () => void, now: () => number) {
    this.found = found;
    this.changed = changed;
    this.now = now;
    this.port = aroundCalls(this.memory, async (method, args, run) => {
      const result = await run();
      if (!CHANGES.has(method)) return result;
      this.changes += 1;
      const [first] = args;
      for (const row of Array.isArray(first) ? first : [first]) this.ask(row as DeliveryRow);
      changed();
      return result;
    });
  }

  /** As it is now. */
  copy(): LedgerCopy {
    return this.memory.copy();
  }

  /** These messages' rows vanish. */
  lose(spoolIds: readonly string[]): void {
    for (const spoolId of spoolIds) {
      this.memory.lose(spoolId);
      for (const key of this.held.keys()) if (key.startsWith(`${spoolId} `)) this.held.delete(key);
    }
    this.changed();
  }

  /** A copy, to be put back into this one. */
  restored(copy: LedgerCopy): RestoredLedger {
    const inner = new MemoryRestored(copy, this.memory);
    return {
      page: (after) => inner.page(after),
      putBack: async (row, standing) => {
        const result = await inner.putBack(row, standing);
        this.changes += 1;
        this.ask(row);
        this.changed();
        return result;
      },
    };
  }

  all(): readonly DeliveryRow[] {
    return this.memory.all();
  }

  whole(): readonly DeliveryRow[] {
    return this.memory.allWhole();
  }

  nextDueAt(): number | null {
    let next: number | null = null;
    // The sweep looks at a held row daily, for ever; the minutes of that need not be played.
    for (const row of this.memory.all()) {
      const { dueAt, state } = row;
      if (dueAt !== null && (state !== 'held' || isHeldFailure(row)) && (next === null || dueAt < next)) next = dueAt;
    }
    return next;
  }

  private ask(ref: DeliveryRow): void {
    const row = this.memory.all().find((each) => each.spoolId === ref.spoolId && each.deliveryKey === ref.deliveryKey);
    this.noteHeld(row);
    if (row?.state === 'held') this.isHeldTold = false;
    if (row === undefined || isSettled(row) || row.dueAt !== null) return;
    const says = `${row.deliveryKey} <${row.forwardPath}> is ${row.state}, and nothing will look at it`;
    if (this.told.has(says)) return;
    this.told.add(says);
    this.found({ kind: 'no-instant', spoolId: row.spoolId, says });
  }

  private noteHeld(row: DeliveryRow | undefined): void {
    if (row === undefined) return;
    const key = `${row.spoolId} ${row.deliveryKey}`;
    if (row.state === 'held' && !isSettled(row)) {
      if (!this.held.has(key)) this.held.set(key, this.now());
    } else this.held.delete(key);
  }
}
