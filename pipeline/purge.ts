// Purge: several times a day, what of the spool has had its retention. It lists what lies there, reads the rows of each message, and
// removes what is final for every delivery, by a delete marker; the bytes stay for `retention.versions`. The only stage that removes
// content. It never touches what is held, quarantined or under way, nor an object without rows, which is an orphan; and never a row.
//
// | effect, in order                | if we die right after                                                              |
// | ------------------------------- | ---------------------------------------------------------------------------------- |
// | 1 delete marker over an object  | it is listed no more; a relay that opens it all the same finds it by its version   |
// | 2 bookmark past the page        | the next run goes on there; dying before: it lists the page again, less what went  |
// | 3 bookmark at the beginning     | the pass is over, or the next run ends it                                          |
//
// A second notification may add a delivery between the read and the removal: its content is then found by its version, for as long as
// those stay. Two runs at once do the same work twice, and no harm.

import type { Settings } from '#core/config.ts';
import { purgeConcurrency, purgeFailuresMax, purgePage } from '#core/limits.ts';
import { type KeptBecause, purgeDecision } from '#core/purge-decision.ts';
import { inboundPrefix } from '#core/receipt.ts';
import { inTurns } from './in-turns.ts';
import type { Clock, Ledger, SpoolEntry, SpoolInventory, Watch } from './ports.ts';

export type PurgePorts = {
  readonly settings: Settings;
  readonly ledger: Ledger;
  readonly inventory: SpoolInventory;
  readonly clock: Clock;
  readonly watch: Watch;
};

export type PurgeReport = {
  readonly listed: number;
  readonly removed: number;
  readonly bytes: number;
  /** Past the retention, and kept. */
  readonly kept: number;
  /** The rest is for the next run: time was short. */
  readonly more: boolean;
};
type Looked = KeptBecause | 'removed' | 'failed' | 'no-time';

/** The bookmark's name in the ledger; mail of our own submitters will have one of its own. Empty: the beginning. */
const BOOKMARK = 'purge/in';

/**
 * Goes on where the last run ended, until the list is at its end or the signal says that time is short. An object at which it fails is
 * left and said; throws at the end, so that somebody looks, or at once when there are many.
 */
export async function purge(ports: PurgePorts, signal: AbortSignal): Promise<PurgeReport> {
  const counts = new Map<Looked, number>();
  const total = { listed: 0, removed: 0, bytes: 0, kept: 0 };
  let more = true;
  for (let after = (await ports.ledger.bookmark(BOOKMARK)) || null; more && !signal.aborted; ) {
    const page = await inTime(ports.inventory.list({ prefix: inboundPrefix, after, max: purgePage }, signal), signal);
    if (page === null) break;
    const old = page.entries.filter(({ storedAt }) => storedAt + ports.settings.retentionMs.spool <= ports.clock.now());
    const looked = await inTurns(old, purgeConcurrency, (entry) => look(ports, entry, signal), signal);
    for (const { became, bytes } of looked) {
      counts.set(became, (counts.get(became) ?? 0) + 1);
      if (became === 'removed') total.bytes += bytes;
    }
    total.listed += page.entries.length;
    if ((counts.get('failed') ?? 0) > purgeFailuresMax) break; // an outage: this page is listed again
    if (looked.length < old.length || counts.has('no-time')) break; // the rest of the page is the next run's
    more = page.more;
    after = more ? (page.entries.at(-1)?.objectKey ?? null) : null;
    await ports.ledger.setBookmark(BOOKMARK, after ?? '');
  }
  const [failed, noTime] = [counts.get('failed') ?? 0, counts.get('no-time') ?? 0];
  total.removed = counts.get('removed') ?? 0;
  total.kept = [...counts.values()].reduce((sum, count) => sum + count, 0) - total.removed - failed - noTime;
  ports.watch.count('Purged', total.removed);
  if (!more) ports.watch.count('PurgeRun');
  ports.watch.info('purge.run', { ...total, more, ...Object.fromEntries(counts) });
  if (failed > 0) throw new Error(`the purge failed at ${failed} objects, which stay: see purge.failed in the log`);
  return { ...total, more };
}

async function look(
  ports: PurgePorts,
  entry: SpoolEntry,
  signal: AbortSignal,
): Promise<{ readonly became: Looked; readonly bytes: number }> {
  const { objectKey, bytes } = entry;
  const spoolId = objectKey.slice(inboundPrefix.length);
  try {
    const [record] = await ports.ledger.trace({ spoolId, limit: 1 });
    const rows = record?.message.objectKey === objectKey ? record.rows : [];
    const decision = purgeDecision(rows, ports.settings, ports.clock.now());
    if (decision.kind === 'keep') {
      if (decision.because === 'no-end') reportNoEnd(ports, spoolId, decision.row);
      return { became: decision.because, bytes };
    }
    await ports.inventory.remove(objectKey, signal);
    ports.watch.info('purge.removed', { spoolId, bytes });
    return { became: 'removed', bytes };
  } catch (error) {
    if (signal.aborted) return { became: 'no-time', bytes };
    // One damaged row must not keep all others in the spool.
    ports.watch.error('purge.failed', { spoolId, error: error instanceof Error ? error.message : String(error) });
    return { became: 'failed', bytes };
  }
}

/** Null where it was cut off because time is short, which is no failure. */
function inTime<T>(call: Promise<T>, signal: AbortSignal): Promise<T | null> {
  return call.catch((error: unknown) => {
    if (signal.aborted) return null;
    throw error;
  });
}

/** An independent look at the claim: what is past its retention, its lifetimes and its notice's, and still under way, was forgotten. */
function reportNoEnd(ports: PurgePorts, spoolId: string, row: { deliveryKey: string; state: string } | null): void {
  ports.watch.count('NoEnd');
  ports.watch.error('purge.no-end', { spoolId, deliveryKey: row?.deliveryKey, state: row?.state });
}
