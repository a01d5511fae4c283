// The digest: once a day, where mail was quarantined since the last one or other mail waits, a notice for
// `notices.postmaster`. Called by the purge's function. It writes and queues the notice; relay composes it at each
// attempt from the mail that waits then. A digest that cannot be delivered is held.
//
// | effect, in order            | if we die right after                                                            |
// | --------------------------- | -------------------------------------------------------------------------------- |
// | 1 digest's row (if none     | the next run finds the same period, and the row: its job is sent again; the      |
// |   stands)                   | sweep sends it by `dueAt` too                                                    |
// | 2 its relay job             | as above; a second job is refused by the claim                                   |
// | 3 bookmark past the period  | Dying before, and not run again that day: the next digest begins where this one  |
// |                             | did, and tells some twice; never of none                                         |
// | 4 kept up (kept-up.ts)      | done; dying before, the level FrontDoor may be too high until the next digest    |

import type { Settings } from '#config/settings.ts';
import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { sesReport } from '#core/delivery/destination.ts';
import { type DueClass, dueClasses } from '#core/delivery/due-class.ts';
import { pausesOf } from '#core/delivery/pause.ts';
import { type Quarantined, type QuarantineQuery, quarantineSums } from '#core/delivery/quarantine-sums.ts';
import { waitingSums } from '#core/delivery/waiting-sums.ts';
import { digestEntriesMax, digestSoonMs, sweepConcurrency } from '#core/limits.ts';
import { parseMailbox } from '#core/message/address.ts';
import { noticeMark } from '#core/message/trace-fields.ts';
import {
  composeDigest,
  type DigestEntry,
  digestMessageId,
  duePeriod,
  newDigest,
  periodOf,
} from '#core/notice/digest.ts';
import { type DigestWaiting, digestWaiting, isWorthTelling } from '#core/notice/digest-waiting.ts';
import type { Reply } from '#core/reply/reply.ts';
import { wayToPostmaster } from '#core/routing/postmaster-way.ts';
import type { BouncePorts } from '#pipeline/bounce/bounce-ports.ts';
import { inTurns } from '#pipeline/in-turns.ts';
import { digestKeptUp } from '#pipeline/kept-up.ts';
import type { BoardView } from '#pipeline/next-hop-board.ts';
import { queueNotice } from '#pipeline/notice-queue.ts';
import type { DueRow, Ledger } from '#pipeline/ports.ts';
import type { ComposePorts } from '#pipeline/relay/notice-content.ts';
import type { WaitingIndex } from '#pipeline/waiting-index.ts';

const BOOKMARK = 'digest';

export type DigestPorts = BouncePorts & IndexPorts;

/** Writes the digest that is due, if one is. */
export async function giveDigest(ports: DigestPorts): Promise<'nothing-due' | 'nothing-to-tell' | 'queued'> {
  const now = ports.clock.now();
  const last = await ports.ledger.bookmark(BOOKMARK);
  const period = duePeriod(last === null ? null : Number(last), now);
  if (period === null) return 'nothing-due';
  const { quarantine, waits, heldDigests } = await look(ports, { ...period, now, max: 0, soonUntil: now });
  const isWorthIt = quarantine.inPeriod > 0 || isWorthTelling(waits, heldDigests, now);
  if (isWorthIt) {
    const { postmaster } = ports.settings.notices;
    const way = wayToPostmaster(ports.settings, { nullReversePath: true }) ?? {
      nextHop: sesReport,
      address: postmaster,
    };
    const row = newDigest(ports.settings, period, way, { ...ports, now });
    await queueNotice(ports, row);
    const { spoolId, forwardPath } = row;
    const held = waits.held.reduce((sum, { count }) => sum + count, 0);
    const counts = { quarantined: quarantine.inPeriod, held, pauses: waits.pauses.length, nextHops: waits.hops.length };
    ports.watch.info('digest.queued', { spoolId, forwardPath, ...counts });
  }
  await ports.ledger.setBookmark(BOOKMARK, String(period.until));
  await ports.ledger.setBookmark(digestKeptUp, String(now));
  return isWorthIt ? 'queued' : 'nothing-to-tell';
}

/** The digest's bytes as of now; null where the row is no digest's, or names no recipient. */
export async function digestFor(ports: ComposePorts, digest: DeliveryRow): Promise<Uint8Array | null> {
  const period = periodOf(digest.spoolId);
  const to = parseMailbox(digest.forwardPath);
  if (period === null || to === null) return null;
  const now = ports.clock.now();
  const max = digestEntriesMax;
  const found = await look(ports, { ...period, now, max, soonUntil: now + digestSoonMs });
  const { told, ...counts } = found.quarantine;
  const looked = await inTurns(told, sweepConcurrency, (ref) => entryOf(ports, ref), new AbortController().signal);
  const entries = looked.filter((entry) => entry !== null).sort((a, b) => b.row.nextAttemptAt - a.row.nextAttemptAt);
  const { host, stackName, notices } = ports.settings;
  return composeDigest({
    from: notices.from,
    to,
    reportingMta: host,
    stackName,
    spoolId: digest.spoolId,
    marker: noticeMark(ports.markKey, digestMessageId(digest.spoolId, host)),
    now,
    period,
    entries,
    ...counts,
    waits: found.waits,
  });
}

type IndexPorts = {
  readonly settings: Settings;
  readonly ledger: Ledger;
  readonly waiting: WaitingIndex;
  readonly board: BoardView;
};
type Found = {
  readonly quarantine: Quarantined<DueRow>;
  readonly waits: DigestWaiting;
  /** Digests among what is held. */
  readonly heldDigests: number;
};

/** One walk through the index, one read of the board, and one row of each next hop that the failure limit stopped. */
async function look({ settings, ledger, waiting, board }: IndexPorts, query: QuarantineQuery): Promise<Found> {
  const { healths, pauses: records } = await board.board();
  const pauses = pausesOf(records, settings, query.now);
  const waits = waitingSums({ healths, pauses });
  const quarantine = quarantineSums<DueRow>(query);
  let heldDigests = 0;
  const take = (dueClass: DueClass) => (row: DueRow) => {
    waits.take(row, dueClass);
    quarantine.take(row);
    if (row.state === 'held' && row.deliveryKey === 'digest') heldDigests += 1;
  };
  await Promise.all(dueClasses.map((each) => waiting.walk(each, Number.MAX_SAFE_INTEGER, take(each))));
  const sums = waits.sums();
  const replies = new Map<string, Reply | null>();
  for (const [nextHop, { first }] of sums.failureLimited)
    replies.set(nextHop, (await ledger.read(first))?.lastReply ?? null);
  return { quarantine: quarantine.sums(), waits: digestWaiting(sums, healths, pauses, replies), heldDigests };
}

/** Null where an operator has released or ended it meanwhile. */
async function entryOf(ports: ComposePorts, ref: DueRow): Promise<DigestEntry | null> {
  const row = await ports.ledger.read(ref);
  if (row?.state !== 'quarantined') return null;
  const message = row.message ?? (await ports.ledger.message(row.spoolId));
  return message === null ? null : { row, message };
}
