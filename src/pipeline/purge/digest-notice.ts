// The digest of the quarantine: once a day, where mail was quarantined since the last one, a notice for
// `notices.postmaster`. Called by the purge's function. It writes and queues the notice; relay composes it at each
// attempt from the mail that waits then. A digest that cannot be delivered is held.
//
// | effect, in order            | if we die right after                                                            |
// | --------------------------- | -------------------------------------------------------------------------------- |
// | 1 digest's row (if none     | the next run finds the same period, and the row: its job is sent again; the      |
// |   stands)                   | sweep sends it by `dueAt` too                                                    |
// | 2 its relay job             | as above; a second job is refused by the claim                                   |
// | 3 bookmark past the period  | done. Dying before, and not run again that day: the next digest begins where     |
// |                             | this one did, and tells some twice; never of none                                |

import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { sesReport } from '#core/delivery/destination.ts';
import { type Quarantined, type QuarantineQuery, quarantineSums } from '#core/delivery/quarantine-sums.ts';
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
import { wayToPostmaster } from '#core/routing/postmaster-way.ts';
import type { BouncePorts } from '#pipeline/bounce/bounce-ports.ts';
import { inTurns } from '#pipeline/in-turns.ts';
import { queueNotice } from '#pipeline/notice-queue.ts';
import type { DueRow } from '#pipeline/ports.ts';
import type { ComposePorts } from '#pipeline/relay/notice-content.ts';
import type { WaitingIndex } from '#pipeline/waiting-index.ts';

const BOOKMARK = 'digest';

export type DigestPorts = BouncePorts & { readonly waiting: WaitingIndex };

/** Writes the digest that is due, if one is. */
export async function giveDigest(ports: DigestPorts): Promise<'nothing-due' | 'nothing-quarantined' | 'queued'> {
  const now = ports.clock.now();
  const last = await ports.ledger.bookmark(BOOKMARK);
  const period = duePeriod(last === null ? null : Number(last), now);
  if (period === null) return 'nothing-due';
  const { inPeriod } = await quarantined(ports.waiting, { ...period, now, max: 0, soonUntil: now });
  if (inPeriod > 0) {
    const { postmaster } = ports.settings.notices;
    const way = wayToPostmaster(ports.settings, { nullReversePath: true }) ?? {
      nextHop: sesReport,
      address: postmaster,
    };
    const row = newDigest(ports.settings, period, way, { ...ports, now });
    await queueNotice(ports, row);
    ports.watch.info('digest.queued', { spoolId: row.spoolId, forwardPath: row.forwardPath, quarantined: inPeriod });
  }
  await ports.ledger.setBookmark(BOOKMARK, String(period.until));
  return inPeriod > 0 ? 'queued' : 'nothing-quarantined';
}

/** The digest's bytes as of now; null where the row is no digest's, or names no recipient. */
export async function digestFor(ports: ComposePorts, digest: DeliveryRow): Promise<Uint8Array | null> {
  const period = periodOf(digest.spoolId);
  const to = parseMailbox(digest.forwardPath);
  if (period === null || to === null) return null;
  const now = ports.clock.now();
  const max = digestEntriesMax;
  const found = await quarantined(ports.waiting, { ...period, now, max, soonUntil: now + digestSoonMs });
  const looked = await inTurns(
    found.told,
    sweepConcurrency,
    (ref) => entryOf(ports, ref),
    new AbortController().signal,
  );
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
    inPeriod: found.inPeriod,
    waiting: found.waiting,
    soon: found.soon,
  });
}

async function quarantined(waiting: WaitingIndex, query: QuarantineQuery): Promise<Quarantined<DueRow>> {
  const { take, sums } = quarantineSums<DueRow>(query);
  await waiting.walk('other', Number.MAX_SAFE_INTEGER, take);
  return sums();
}

/** Null where an operator has released or ended it meanwhile. */
async function entryOf(ports: ComposePorts, ref: DueRow): Promise<DigestEntry | null> {
  const row = await ports.ledger.read(ref);
  if (row?.state !== 'quarantined') return null;
  const message = row.message ?? (await ports.ledger.message(row.spoolId));
  return message === null ? null : { row, message };
}
