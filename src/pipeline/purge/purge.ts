// Purge: several times a day, removes messages whose retention is over. It lists the spool, reads the rows of each
// message, and puts a delete marker over one that is final for every delivery; the bytes stay for `retention.versions`.
// It is the only stage that removes content. It never removes mail that is held, quarantined or under way, nor an
// object without rows, which is an orphan, and never a row.
//
// | effect, in order                 | if we die right after                                                          |
// | -------------------------------- | ------------------------------------------------------------------------------ |
// | 1 message's own item dated       | its objects are listed again: it is decided anew, and dated later. A row taken |
// |   (several deliveries)           | up again meanwhile, which keeps the objects, holds the facts itself            |
// |                                  | (pipeline/feedback/feedback.ts)                                                |
// | 2 delete marker over a           | the content is listed without it, and goes by the same rows. To the search for |
// |   submission's envelope          | orphans it is known by its rows. The envelope is what would have mail sent     |
// |                                  | once more: it is gone first, so that not even the loss of the rows could do    |
// |                                  | that                                                                           |
// | 3 delete marker over the content | it is listed no more; a relay that opens it all the same finds it by its       |
// |                                  | version                                                                        |
// | 4 bookmark past the page         | the next run goes on there; dying before: it lists the page again, less what   |
// |                                  | went                                                                           |
// | 5 bookmark at the beginning      | the pass is over, or the next run ends it                                      |
//
// A second notification may add a delivery between the read and the removal: its content is then found by its version,
// for as long as those stay. Two runs at once do the same work twice, and no harm.

import type { Settings } from '#config/settings.ts';
import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { pausesOf } from '#core/delivery/pause.ts';
import { purgeConcurrency, purgeFailuresMax, purgePage } from '#core/limits.ts';
import { type KeptBecause, purgeDecision } from '#core/spool/purge-decision.ts';
import { inboundPrefix } from '#core/spool/receipt.ts';
import { messagesAmong, type SpoolMessage, wholeMessages } from '#core/spool/stored-message.ts';
import { outboundPrefix } from '#core/submission/submission.ts';
import { inTurns } from '#pipeline/in-turns.ts';
import { standsForMissingEnvelope } from '#pipeline/ingest/unreadable-submission.ts';
import type { BoardView } from '#pipeline/next-hop-board.ts';
import type { Clock, Ledger, SpoolEntry, SpoolInventory, TraceRecord, Watch } from '#pipeline/ports.ts';

export type PurgePorts = {
  readonly settings: Settings;
  readonly ledger: Ledger;
  readonly board: BoardView;
  readonly inventory: SpoolInventory;
  readonly clock: Clock;
  readonly watch: Watch;
};

export type PurgeReport = {
  /** Objects. All else is counted in messages. */
  readonly listed: number;
  readonly removed: number;
  readonly bytes: number;
  /** Past the retention, and kept. */
  readonly kept: number;
  /** The rest is for the next run: time was short. */
  readonly more: boolean;
};
type Looked = KeptBecause | 'removed' | 'failed' | 'no-time';
type Tally = { listed: number; bytes: number; readonly counts: Map<Looked, number> };
type Place = { readonly prefix: string; readonly bookmark: string };

/**
 * Goes on where the last run ended, until each list is at its end or the signal says that time is short. A message at
 * which it fails is left and logged; it throws at the end, so that an alarm is raised, or at once when there are many.
 */
export async function purge(ports: PurgePorts, signal: AbortSignal): Promise<PurgeReport> {
  const tally: Tally = { listed: 0, bytes: 0, counts: new Map() };
  let more = false;
  for (const place of placesOf(ports.settings)) more = !(await purgePlace(ports, place, tally, signal)) || more;
  const { listed, bytes, counts } = tally;
  const of = (looked: Looked) => counts.get(looked) ?? 0;
  const [removed, failed] = [of('removed'), of('failed')];
  const all = [...counts.values()].reduce((sum, count) => sum + count, 0);
  const report = { listed, removed, bytes, kept: all - removed - failed - of('no-time'), more };
  ports.watch.count('Purged', removed);
  if (!more) ports.watch.count('PurgeRun');
  ports.watch.info('purge.run', { ...report, ...Object.fromEntries(counts) });
  if (failed > 0) throw new Error(`the purge failed at ${failed} messages, which stay: see purge.failed in the log`);
  return report;
}

/** A bookmark is empty at the beginning of its list. */
function placesOf({ submitters }: Settings): readonly Place[] {
  const inbound = { prefix: inboundPrefix, bookmark: 'purge/in' };
  const outbound = { prefix: outboundPrefix, bookmark: 'purge/out' };
  return Object.keys(submitters).length > 0 ? [inbound, outbound] : [inbound];
}

/** True where it reached the end of the list. */
async function purgePlace(ports: PurgePorts, place: Place, tally: Tally, signal: AbortSignal): Promise<boolean> {
  const { prefix, bookmark } = place;
  let more = true;
  for (let after = (await ports.ledger.bookmark(bookmark)) || null; more && !signal.aborted; ) {
    const page = await inTime(ports.inventory.list({ prefix, after, max: purgePage }, signal), signal);
    if (page === null) break;
    const entries = page.more ? wholeMessages(page.entries) : page.entries;
    const old = messagesAmong(entries).filter((message) => hadRetention(ports, message));
    const looked = await inTurns(old, purgeConcurrency, (message) => look(ports, message, signal), signal);
    for (const { became, bytes } of looked) {
      tally.counts.set(became, (tally.counts.get(became) ?? 0) + 1);
      tally.bytes += bytes;
    }
    tally.listed += entries.length;
    if ((tally.counts.get('failed') ?? 0) > purgeFailuresMax) break; // an outage: this page is listed again
    if (looked.length < old.length || tally.counts.has('no-time')) break; // the rest of the page is the next run's
    more = page.more;
    after = more ? (entries.at(-1)?.objectKey ?? null) : null;
    await ports.ledger.setBookmark(bookmark, after ?? '');
  }
  return !more;
}

/** An envelope may have come long after its content. */
function hadRetention({ settings, clock }: PurgePorts, message: SpoolMessage<SpoolEntry>): boolean {
  return objectsOf(message).every(({ storedAt }) => storedAt + settings.retentionMs.spool <= clock.now());
}

/** In the order in which they go. */
function objectsOf({ envelope, content }: SpoolMessage<SpoolEntry>): readonly SpoolEntry[] {
  return [envelope, content].filter((entry) => entry !== null);
}

type Look = { readonly became: Looked /** Removed. */; readonly bytes: number };

async function look(ports: PurgePorts, message: SpoolMessage<SpoolEntry>, signal: AbortSignal): Promise<Look> {
  const { spoolId } = message;
  if (spoolId === null) return strange(ports, message, signal);
  try {
    const [record] = await ports.ledger.trace({ spoolId, limit: 1 });
    const { pauses } = await ports.board.board();
    const standing = pausesOf(pauses, ports.settings, ports.clock.now());
    const decision = purgeDecision(rowsOn(message, record), ports.settings, standing);
    if (decision.kind === 'keep') {
      if (decision.because === 'no-end') reportNoEnd(ports, spoolId, decision.row);
      return { became: decision.because, bytes: 0 };
    }
    return { became: 'removed', bytes: await remove(ports, spoolId, message, record?.rows ?? [], signal) };
  } catch (error) {
    if (signal.aborted) return { became: 'no-time', bytes: 0 };
    // One damaged row must not keep all others in the spool.
    ports.watch.error('purge.failed', { spoolId, error: error instanceof Error ? error.message : String(error) });
    return { became: 'failed', bytes: 0 };
  }
}

/**
 * An object that is no message: below `out/` it is removed, since the search for orphans has reported it; below `in/`
 * it is SES's test object, and stays.
 */
async function strange(ports: PurgePorts, message: SpoolMessage<SpoolEntry>, signal: AbortSignal): Promise<Look> {
  const [entry] = objectsOf(message);
  if (entry === undefined || !entry.objectKey.startsWith(outboundPrefix)) return { became: 'no-rows', bytes: 0 };
  // The search for orphans has reported it, unless it was stored before there was the search: no object is removed in
  // silence.
  ports.watch.raise('StrangeObject');
  try {
    await ports.inventory.remove(entry.objectKey, signal);
  } catch (error) {
    if (signal.aborted) return { became: 'no-time', bytes: 0 };
    const { objectKey } = entry;
    ports.watch.error('purge.failed', { objectKey, error: error instanceof Error ? error.message : String(error) });
    return { became: 'failed', bytes: 0 };
  }
  ports.watch.warn('purge.strange-removed', { objectKey: entry.objectKey, bytes: entry.bytes });
  return { became: 'removed', bytes: entry.bytes };
}

/**
 * The rows of these objects. A row that stood for a missing envelope says nothing about one that is there.
 */
function rowsOn({ contentKey, envelope }: SpoolMessage<SpoolEntry>, record: TraceRecord | undefined) {
  if (record?.message.objectKey !== contentKey) return [];
  return envelope !== null && record.rows.every(standsForMissingEnvelope) ? [] : record.rows;
}

async function remove(
  ports: PurgePorts,
  spoolId: string,
  message: SpoolMessage<SpoolEntry>,
  rows: readonly DeliveryRow[],
  signal: AbortSignal,
): Promise<number> {
  // Rows are dated when they end. All have ended, so this item outlives them.
  const several = rows.filter(({ kind }) => kind === 'delivery').length > 1;
  if (several) await ports.ledger.forgetMessage(spoolId, ports.clock.now() + ports.settings.retentionMs.ledger);
  let bytes = 0;
  for (const entry of objectsOf(message)) {
    await ports.inventory.remove(entry.objectKey, signal);
    bytes += entry.bytes;
  }
  ports.watch.info('purge.removed', { spoolId, bytes });
  return bytes;
}

/** Null where it was cut off because time is short, which is no failure. */
function inTime<T>(call: Promise<T>, signal: AbortSignal): Promise<T | null> {
  return call.catch((error: unknown) => {
    if (signal.aborted) return null;
    throw error;
  });
}

/**
 * An independent check of the claim: a row past its retention, its lifetime and its notice's, and still under way,
 * was forgotten.
 */
function reportNoEnd(ports: PurgePorts, spoolId: string, row: { deliveryKey: string; state: string } | null): void {
  ports.watch.count('NoEnd');
  ports.watch.error('purge.no-end', { spoolId, deliveryKey: row?.deliveryKey, state: row?.state });
}
