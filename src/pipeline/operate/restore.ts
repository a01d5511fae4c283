// Puts rows back into the ledger from a table to which DynamoDB restored it (docs/decisions/restore.md). Called by
// `everpost restore`, and again after a run that died. Each row that it writes is marked as a possible duplicate: what
// became of it since is not known. It never removes a row, and never writes over one unless it is told to replace.
//
// | effect, in order             | if we die right after                                                          |
// | ---------------------------- | ------------------------------------------------------------------------------ |
// | 1 the restore's record       | ingest marks, the search for orphans waits; the command is given again         |
// | 2 what belongs to a page's   | as above; what stands is left alone                                            |
// |   rows beside them           |                                                                                |
// | 3 each row put back          | as above; it stands, and this restore does not write it again                  |
// | 4 the record's end           | done; the search for orphans begins anew                                       |

import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { isFinal } from '#core/delivery/delivery.ts';
import { endedByPurge, needsContent, putBack } from '#core/delivery/put-back.ts';
import { dayMs, purgedContentAfterMs, restoreRowsAtOnce } from '#core/limits.ts';
import { inTurns } from '#pipeline/in-turns.ts';
import type { Clock, Ledger } from '#pipeline/ports.ts';
import { type Restore, readRestore, writeRestore } from '#pipeline/restore-record.ts';

/** The ledger as it was, in a table of its own. */
export interface RestoredLedger {
  /**
   * A page of its rows, in an order of its own; `after` of the page before goes on there, null begins. What belongs to
   * these rows beside them (facts, moved events, tokens) stands in the ledger by then, where nothing stood.
   */
  page(after: string | null): Promise<{ readonly rows: readonly DeliveryRow[]; readonly after: string | null }>;
  /** Writes the row, as a whole, where `standing` is the version that stands; null: where none stands. */
  putBack(row: DeliveryRow, standing: number | null): Promise<'written' | 'lost'>;
}

export interface StoredVersions {
  /** `hidden`: a delete marker lies over it. `none`: no version is left. Throws where the store does. */
  look(objectKey: string, signal: AbortSignal): Promise<'current' | 'hidden' | 'none'>;
}

export type RestorePorts = {
  readonly ledger: Ledger;
  readonly restored: RestoredLedger;
  readonly versions: StoredVersions;
  readonly clock: Clock;
  /** The caller of the command, for the trace. */
  readonly by?: string;
};
export type RestoreTerms = {
  /** To which the table was restored. */
  readonly since: number;
  /** Rows that stand are put back too, where they were under way, held, or owed their sender a notice. */
  readonly replace: boolean;
};
export type RestoreReport = {
  /** In the restored table. */
  readonly rows: number;
  /** Put back: missing in the ledger, and standing there. */
  readonly missing: number;
  readonly replaced: number;
  /** Of the put back: those whose content the purge has removed since, which ended; and those under a delete marker. */
  readonly purged: readonly DeliveryRow[];
  readonly hidden: readonly DeliveryRow[];
};

const TRIES = 5; // as in record.ts

/** A restore that is under way, or that ended within a day, is one with this one. `since`: null, not known yet. */
export async function beginRestore(
  ports: Pick<RestorePorts, 'ledger' | 'clock'>,
  since: number | null,
): Promise<Restore> {
  const now = ports.clock.now();
  const before = await readRestore(ports.ledger);
  const same = before !== null && (before.ended === null || before.ended > now - dayMs);
  const restore: Restore = {
    begun: before?.ended === null ? before.begun : now,
    since: Math.min(since ?? now, same ? before.since : now),
    ended: null,
  };
  await writeRestore(ports.ledger, restore);
  return restore;
}

/** False where none is under way. */
export async function endRestore(ports: Pick<RestorePorts, 'ledger' | 'clock'>): Promise<boolean> {
  const restore = await readRestore(ports.ledger);
  if (restore === null || restore.ended !== null) return false;
  await writeRestore(ports.ledger, { ...restore, ended: ports.clock.now() });
  return true;
}

/** Throws where a call does; given again, it goes through all rows again, and leaves alone what it has put back. */
export async function restore(ports: RestorePorts, terms: RestoreTerms, signal: AbortSignal): Promise<RestoreReport> {
  const run = new Run(ports, terms, await beginRestore(ports, terms.since));
  let after: string | null = null;
  do {
    const page: Awaited<ReturnType<RestoredLedger['page']>> = await ports.restored.page(after);
    await inTurns(page.rows, restoreRowsAtOnce, (row) => run.look(row, signal), signal);
    signal.throwIfAborted();
    after = page.after;
  } while (after !== null);
  await endRestore(ports);
  return run.report();
}

class Run {
  readonly #ports: RestorePorts;
  readonly #terms: RestoreTerms;
  readonly #begun: number;
  #counts = { rows: 0, missing: 0, replaced: 0 };
  readonly #purged: DeliveryRow[] = [];
  readonly #hidden: DeliveryRow[] = [];

  constructor(ports: RestorePorts, terms: RestoreTerms, record: Restore) {
    this.#ports = ports;
    this.#terms = terms;
    this.#begun = record.begun;
  }

  report(): RestoreReport {
    return { ...this.#counts, purged: this.#purged, hidden: this.#hidden };
  }

  async look(row: DeliveryRow, signal: AbortSignal): Promise<void> {
    this.#counts.rows += 1;
    const { ledger, restored, clock, by } = this.#ports;
    for (let i = 0; i < TRIES; i++) {
      const standing = await ledger.read(row);
      if (standing !== null && !this.#isReplaced(row, standing)) return;
      const at = clock.now();
      const again = putBack(row, standing, { at, by });
      const content = needsContent(row) ? await this.#contentOf(row, signal) : 'there';
      const put = content === 'purged' ? endedByPurge(again, at) : again;
      if ((await restored.putBack(put, standing?.version ?? null)) === 'lost') continue;
      this.#counts[standing === null ? 'missing' : 'replaced'] += 1;
      if (content === 'purged') this.#purged.push(put);
      if (content === 'hidden') this.#hidden.push(put);
      return;
    }
    throw new Error(`a ledger row changed ${TRIES} times under our hands: ${row.spoolId} ${row.deliveryKey}`);
  }

  /**
   * What was final then has had facts alone since, which say more than it does. What this restore has put back may have
   * gone on.
   */
  #isReplaced(row: DeliveryRow, standing: DeliveryRow): boolean {
    const again = (standing.putBack?.at ?? 0) >= this.#begun;
    return this.#terms.replace && standing.version !== row.version && !isFinal(row.state) && !again;
  }

  async #contentOf(row: DeliveryRow, signal: AbortSignal): Promise<'there' | 'hidden' | 'purged'> {
    const { ledger, versions, clock } = this.#ports;
    const message = row.message ?? (await ledger.message(row.spoolId));
    if (message === null) return 'there';
    const found = await versions.look(message.objectKey, signal);
    if (found !== 'none') return found === 'hidden' ? 'hidden' : 'there';
    return message.acceptedAt + purgedContentAfterMs <= clock.now() ? 'purged' : 'there';
  }
}
