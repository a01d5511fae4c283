// Whether a sweep may begin whose event was kept while its function was throttled. Called by lambdas/sweep.ts before
// the sweep. After an outage up to sixty such events come at once, and each would look at the same rows. It never holds
// up a run whose event is fresh, and costs no call then.

import type { Clock, Ledger } from '#pipeline/ports.ts';

const BOOKMARK = 'sweep/kept-event';

/**
 * True where the event is older than a period, and another such event has begun a run within a period. `dueAt` is the
 * instant of the event, in milliseconds since the epoch; null: it says none. Two that ask at the same moment may both
 * begin: a sweep beside a sweep does no harm.
 */
export async function isSuperseded(
  ports: { readonly ledger: Ledger; readonly clock: Clock },
  dueAt: number | null,
  everyMs: number,
): Promise<boolean> {
  const now = ports.clock.now();
  if (dueAt === null || now - dueAt < everyMs) return false;
  const last = Number((await ports.ledger.bookmark(BOOKMARK)) ?? 0);
  if (Math.abs(now - last) < everyMs) return true;
  await ports.ledger.setBookmark(BOOKMARK, String(now));
  return false;
}
