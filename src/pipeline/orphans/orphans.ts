// The hourly search for orphans: objects of the spool without a row in the ledger, an hour after they were stored. Each
// is held by a placeholder, with an alarm, until its receipt comes or an operator names its recipients. It never sends
// mail, and never guesses an envelope.
//
// | effect, in order               | if we die right after                                                        |
// | ------------------------------ | ---------------------------------------------------------------------------- |
// | 1 placeholder written          | the page is read again by the next run, which finds it alone and alarms then |
// | 2 placeholder ended, where its | as above: the next run finds both, and ends it                               |
// |   deliveries came meanwhile    |                                                                              |
// | 3 bookmark, after each page    | the next run goes on behind it                                               |
// | 4 that it has kept up          | the next run says so; three hours without it call a person                   |
//
// Cost: one list call for 1,000 objects that lie in the spool, each hour; one read for each new object, ever. A million
// messages a month with a retention of 14 days are 470 pages an hour, some $1.70 a month, and $0.13 for the reads.
// Above 10^7 objects S3 Inventory is cheaper.

import type { Settings } from '#config/settings.ts';
import { canaryBytesMax, headerBytesMax, orphanPage, orphanReadsAtOnce, orphanShardsAtOnce } from '#core/limits.ts';
import { canaryIn, isInWindow } from '#core/message/canary.ts';
import { headerFieldsOf } from '#core/message/header.ts';
import type { MarkKey } from '#core/message/mark-key.ts';
import {
  lostCanary,
  orphanFacts,
  orphanShards,
  type PlaceholderReason,
  placeholderFor,
  placeholderKey,
  type Shard,
  spoolIdOf,
  submissionShard,
} from '#core/spool/orphan.ts';
import { afterPage, isNew, placeOf, type Round, roundOf } from '#core/spool/orphan-round.ts';
import { submissionAt } from '#core/submission/object-key.ts';
import { outboundPrefix } from '#core/submission/submission.ts';
import { isFirstOf } from '#pipeline/canaries.ts';
import { inTurns } from '#pipeline/in-turns.ts';
import { endPlaceholder } from '#pipeline/ingest/placeholder.ts';
import { orphansKeptUp } from '#pipeline/kept-up.ts';
import type { Clock, EventQueue, Ledger, Spool, SpoolEntry, SpoolInventory, Watch } from '#pipeline/ports.ts';
import { isOfBefore, type Restore, readRestore } from '#pipeline/restore-record.ts';
import { isLostSubmission } from './lost-submission.ts';

export type OrphanPorts = {
  readonly settings: Settings;
  readonly inventory: SpoolInventory;
  readonly spool: Spool;
  /** Null where there are no submitters. */
  readonly ingestQueue: EventQueue | null;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly watch: Watch;
  readonly markKey: MarkKey;
  /** How old an object without a row is an orphan. */
  readonly orphanAfterMs: number;
  /** The rhythm of the schedule. */
  readonly everyMs: number;
};

export type OrphanReport = {
  readonly listed: number;
  readonly examined: number;
  readonly orphans: number;
  /** Objects and pages that could not be looked up; the next round looks them up. */
  readonly missed: number;
  /** All objects that were stored up to this instant were looked up. */
  readonly examinedUntil: number;
};
type Place = { readonly shard: Shard; readonly restore: Restore | null };
type Count = { listed: number; examined: number; orphans: number; missed: number };

/**
 * Searches the shards as far as time allows. Throws at its end where an object could not be looked up: all others were,
 * by then.
 */
export async function orphans(ports: OrphanPorts, signal: AbortSignal): Promise<OrphanReport> {
  const now = ports.clock.now();
  const count: Count = { listed: 0, examined: 0, orphans: 0, missed: 0 };
  const shards = Object.keys(ports.settings.submitters).length > 0 ? [...orphanShards, submissionShard] : orphanShards;
  const restore = await readRestore(ports.ledger);
  if (restore !== null && restore.ended === null) {
    // Rows that are not put back yet would be taken for lost. The overdue alarm calls where nobody ends the restore.
    ports.watch.warn('orphans.waits-for-restore', { begun: new Date(restore.begun).toISOString() });
    return { ...count, examinedUntil: 0 };
  }
  const look = (shard: Shard) => lookThrough(ports, { shard, restore }, count, signal);
  const rounds = await inTurns(shards, orphanShardsAtOnce, look, signal);
  const examinedUntil = rounds.length < shards.length ? 0 : Math.min(...rounds);
  // One run that is cut off or fails in part is no alarm yet; falling behind is.
  if (examinedUntil > now - ports.orphanAfterMs - 2 * ports.everyMs) {
    ports.watch.count('OrphanSweepRun');
    await ports.ledger.setBookmark(orphansKeptUp, String(now));
  }
  const report = { ...count, examinedUntil };
  ports.watch.info('orphans.ended', report);
  if (count.missed > 0 && !signal.aborted)
    throw new Error(`${count.missed} could not be looked at: see orphans.missed`);
  return report;
}

/** Until when the shard's objects were looked up. A failure in one shard does not stop another. */
async function lookThrough(ports: OrphanPorts, given: Place, count: Count, signal: AbortSignal): Promise<number> {
  const { shard, restore } = given;
  let round: Round | null = null;
  try {
    const upTo = ports.clock.now() - ports.orphanAfterMs;
    round = roundOf(await ports.ledger.bookmark(shard.name), upTo, restore?.ended ?? undefined);
    while (round.under !== null && !signal.aborted) {
      const before = count.missed;
      const last = await lookAtPage(ports, given, round, count, signal);
      if (signal.aborted) break; // some of the page was not begun
      round = afterPage(round, last, count.missed > before);
      await ports.ledger.setBookmark(shard.name, placeOf(round));
    }
  } catch (error) {
    if (!signal.aborted) missed(ports, shard.name, error, count);
  }
  return round?.examinedUntil ?? 0;
}

/** The key behind which the next page begins; null at the shard's end. */
async function lookAtPage(
  ports: OrphanPorts,
  { shard: { prefix, after, until }, restore }: Place,
  round: Round,
  count: Count,
  signal: AbortSignal,
): Promise<string | null> {
  const page = await ports.inventory.list({ prefix, after: round.under?.after ?? after, max: orphanPage }, signal);
  // Bounds are ASCII, so that comparing by UTF-16 units agrees with S3's order by bytes.
  const entries = page.entries.filter(({ objectKey }) => until === null || objectKey <= until);
  count.listed += entries.length;
  const fresh = entries.filter(({ storedAt }) => isNew(round, storedAt));
  const look = async (entry: SpoolEntry) => {
    try {
      if (await isOrphan(ports, { entry, doubted: isDoubted(ports, restore, entry) }, signal)) count.orphans += 1;
      count.examined += 1;
    } catch (error) {
      if (!signal.aborted) missed(ports, entry.objectKey, error, count);
    }
  };
  await inTurns(fresh, orphanReadsAtOnce, look, signal);
  const last = entries.at(-1);
  return page.more && last !== undefined && entries.length === page.entries.length ? last.objectKey : null;
}

/**
 * The ledger was restored to a state that may lack rows of it: those that ingest wrote since, or was about to write.
 */
function isDoubted({ orphanAfterMs }: OrphanPorts, restore: Restore | null, { storedAt }: SpoolEntry): boolean {
  return restore !== null && storedAt > restore.since - orphanAfterMs && isOfBefore(restore, storedAt);
}

type Object = { readonly entry: SpoolEntry; readonly doubted: boolean };

async function isOrphan(ports: OrphanPorts, object: Object, signal: AbortSignal): Promise<boolean> {
  const { entry, doubted } = object;
  const submission = submissionAt(entry.objectKey);
  if (submission !== null && entry.objectKey.startsWith(outboundPrefix))
    return isLostSubmission(ports, submission, object, signal);
  if (entry.objectKey.startsWith(outboundPrefix)) return isStrange(ports, entry);
  const spoolId = spoolIdOf(entry.objectKey);
  if (spoolId === null) return false;
  const keys = await ports.ledger.rowKeys(spoolId, 2);
  if (keys.length > 0 && keys[0] !== placeholderKey)
    return doubted && (await holdInDoubt(ports, entry, spoolId, signal));
  if (keys.length === 0) await hold(ports, entry, spoolId, signal);
  // Its receipt may have come between the two reads; ingest looks for a placeholder after it wrote, and one of the two
  // sees the other.
  const [, delivery] = keys.length > 1 ? keys : await ports.ledger.rowKeys(spoolId, 2);
  if (delivery !== undefined) {
    await endPlaceholder(ports, spoolId, 'receipt-came');
    return false;
  }
  const standing = await ports.ledger.read({ spoolId, deliveryKey: placeholderKey });
  if (standing?.state !== 'held') return false; // an operator has ended it
  ports.watch.raise('Held');
  ports.watch.raise('ReceiptMissing');
  ports.watch.error('orphans.receipt-missing', {
    spoolId,
    forwardPath: standing.forwardPath,
    reversePath: standing.message?.reversePath,
    bytes: entry.bytes,
    storedAt: new Date(entry.storedAt).toISOString(),
  });
  return true;
}

/**
 * Neither content nor an envelope: no submitter's policy allows its name. It is no mail, and the purge removes it.
 */
function isStrange(ports: OrphanPorts, { objectKey, bytes, storedAt }: SpoolEntry): false {
  ports.watch.raise('StrangeObject');
  ports.watch.error('orphans.strange-object', { objectKey, bytes, storedAt: new Date(storedAt).toISOString() });
  return false;
}

/** It has rows. Its receipt may have named more recipients, and their rows may be lost: a person must look. */
async function holdInDoubt(
  ports: OrphanPorts,
  entry: SpoolEntry,
  spoolId: string,
  signal: AbortSignal,
): Promise<boolean> {
  const { watch } = ports;
  await hold(ports, entry, spoolId, signal, 'rows-may-be-missing');
  watch.raise('Held');
  watch.error('orphans.rows-may-be-missing', { spoolId, storedAt: new Date(entry.storedAt).toISOString() });
  return true;
}

async function hold(
  ports: OrphanPorts,
  entry: SpoolEntry,
  spoolId: string,
  signal: AbortSignal,
  reason?: PlaceholderReason,
): Promise<void> {
  const head = await ports.spool.head(entry.objectKey, headerBytesMax, signal);
  const headers = head.kind === 'read' ? headerFieldsOf(head.bytes) : null;
  const facts = orphanFacts(
    { spoolId, objectKey: entry.objectKey, size: entry.bytes, storedAt: entry.storedAt, headers },
    { subject: ports.settings.trace.subject, markKey: ports.markKey, configVersion: ports.settings.version },
  );
  const now = ports.clock.now();
  const canary = head.kind === 'read' && reason === undefined ? canaryOf(ports, head, entry.storedAt) : null;
  if (canary !== null && (await isFirstOf(ports.ledger, canary, { spoolId, deliveryKey: placeholderKey }))) {
    ports.watch.warn('orphans.canary', { spoolId, canary });
    return void (await ports.ledger.create([lostCanary(facts, headers ?? [], now)], null));
  }
  const unreadable = head.kind === 'read' ? null : `${head.cause}: ${head.detail}`;
  await ports.ledger.create([placeholderFor(facts, headers, unreadable, now, reason)], null);
}

/** The id of the canary that the whole object is; null: it is mail. */
function canaryOf(
  { settings, markKey }: OrphanPorts,
  { bytes, size }: { readonly bytes: Uint8Array; readonly size: number },
  storedAt: number,
): string | null {
  const { canary } = settings;
  if (canary === null || size > canaryBytesMax || bytes.length < size) return null;
  const id = canaryIn(bytes, { markKey, to: canary.to });
  return id !== null && isInWindow(id, storedAt) ? id : null;
}

function missed(ports: OrphanPorts, what: string, error: unknown, count: Count): void {
  count.missed += 1;
  ports.watch.error('orphans.missed', { what, error: error instanceof Error ? (error.stack ?? error.message) : error });
}
