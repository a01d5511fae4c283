// What a restore of the ledger does to rows: a row that is put back from an older state of the ledger, and a row that
// is made anew for mail of before the restore (docs/decisions/restore.md). Called by `everpost restore` and by ingest.
// Nobody knows what happened to them since, so both are marked as possible duplicates, and every notice of theirs is.
// Pure. It never decides which row is put back.

import { become } from './become.ts';
import type { DeliveryRow, TraceEvent } from './delivery.ts';
import { isUnderWay } from './delivery.ts';
import { traced } from './trace.ts';

/** In the trace's POSSIBLE_DUPLICATE. */
export const ledgerRestored = 'ledger-restored';
/** In the trace's DROP, and the reason of the row. */
export const contentPurged = 'content-purged';

/** A row that is missing may have had more versions: a function that read one of them must not write over this one. */
const VERSIONS_BEYOND = 1_000;

type Doubt = { readonly at: number; readonly by?: string | undefined };

/**
 * The row as it was, to be written where `standing` is; null where none stands. An attempt that is under way keeps its
 * lease.
 */
export function putBack(row: DeliveryRow, standing: DeliveryRow | null, doubt: Doubt): DeliveryRow {
  const leased = standing !== null && (standing.leaseUntil ?? 0) > doubt.at && isUnderWay(row.state);
  const version = standing === null ? row.version + VERSIONS_BEYOND : standing.version + 1;
  const lease = leased ? { leaseUntil: standing.leaseUntil, claims: standing.claims } : {};
  return doubted({ ...row, ...lease, version }, doubt);
}

/** It may have been there before, and may have been attempted. */
export function doubted(row: DeliveryRow, { at, by }: Doubt): DeliveryRow {
  const what = { attempt: null, status: null, reason: ledgerRestored, reply: null };
  const told = traced(row, 'POSSIBLE_DUPLICATE', at, what);
  const event: TraceEvent = by === undefined ? told : { ...told, by };
  return { ...row, possibleDuplicate: true, putBack: { at }, trace: [...row.trace, event] };
}

/** Whether it waits for its content: an attempt, a release. A failure and a notice can be reported without it. */
export function needsContent(row: DeliveryRow): boolean {
  return row.kind === 'delivery' && (isUnderWay(row.state) || row.state === 'held' || row.state === 'quarantined');
}

/**
 * Its content is gone for good. The purge alone removes content, after all rows of a message are final: so it had come
 * to its end since, and nothing is left to do. It ends here, without a notice.
 */
export function endedByPurge(row: DeliveryRow, at: number): DeliveryRow {
  const told = traced(row, 'DROP', at, { attempt: null, status: null, reason: contentPurged, reply: null });
  const trace = [...row.trace, told];
  return become(row, 'removed', { reason: contentPurged, leaseUntil: null, dueAt: null, trace });
}
