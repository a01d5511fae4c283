// The level FrontDoor: what entered and is not processed. Called by levels.ts. It counts dead letters of what enters,
// what waits for ingest while ingest finishes nothing, a search for orphans that falls behind, because that search
// alone finds mail whose receipt is lost, and a digest that is overdue, because it alone tells of quarantined mail.
// Whether SES takes mail for us at all is a part that ses-receiving.ts knows. Nothing here moves mail.
//
// | effect, in order                     | if we die right after                                       |
// | ------------------------------------ | ----------------------------------------------------------- |
// | 1 since when ingest stands still     | the next run goes on from there                             |

import { digestOverdueMs, ingestPulseMs, ingestStandsMs, orphanSweepOverdueMs } from '#core/limits.ts';
import { digestKeptUp, ingestFinished, orphansKeptUp } from '#pipeline/kept-up.ts';
import type { Clock, JobQueue, Ledger } from '#pipeline/ports.ts';

type Measured = Pick<JobQueue, 'depth'>;

/** The queues whose depth is a part of a level. */
export type WatchedQueues = {
  readonly ingest: Measured;
  /** Dead letters of what enters: receipts, and envelopes of submissions. */
  readonly entry: readonly Measured[];
  /** Dead letters of all further work: relay jobs, failures to report, SES's events. */
  readonly work: readonly Measured[];
};

export type FrontDoorPorts = {
  readonly ledger: Pick<Ledger, 'bookmark' | 'setBookmark'>;
  readonly queues: WatchedQueues;
  readonly clock: Clock;
  /** An hour of the clock, in milliseconds. */
  readonly hourMs: number;
};

export type FrontDoorParts = {
  readonly deadLetters: number;
  /** Messages that wait for ingest while it finishes nothing. */
  readonly standing: number;
  readonly orphansOverdue: 0 | 1;
  readonly digestOverdue: 0 | 1;
  /** The level SesReceiving: SES takes no mail for us, or not of each domain. */
  readonly notReceiving: number;
};

/** Since when messages have waited for ingest while it finished nothing; empty: they have not. */
const STANDS = 'ingest-stands';
const REAL_HOUR_MS = 3_600_000;

export async function frontDoorParts(ports: FrontDoorPorts, notReceiving: number): Promise<FrontDoorParts> {
  const deadLetters = await deadLettersIn(ports.queues.entry);
  return {
    deadLetters,
    standing: await standing(ports),
    orphansOverdue: await overdue(ports, orphansKeptUp, orphanSweepOverdueMs),
    digestOverdue: await overdue(ports, digestKeptUp, digestOverdueMs),
    notReceiving,
  };
}

export async function deadLettersIn(queues: readonly Measured[]): Promise<number> {
  const depths = await Promise.all(queues.map((queue) => queue.depth()));
  return depths.reduce((sum, { visible, inFlight }) => sum + visible + inFlight, 0);
}

async function standing(ports: FrontDoorPorts): Promise<number> {
  const { ledger, clock } = ports;
  const now = clock.now();
  const waiting = await deadLettersIn([ports.queues.ingest]);
  const finishedAt = waiting === 0 ? now : Number((await ledger.bookmark(ingestFinished)) ?? 0);
  const since = (await ledger.bookmark(STANDS)) || null;
  // One pulse may stand for all that was finished until the next.
  if (now - finishedAt <= scaled(ports, 2 * ingestPulseMs)) {
    if (since !== null) await ledger.setBookmark(STANDS, '');
    return 0;
  }
  if (since === null) await ledger.setBookmark(STANDS, String(now));
  return now - Number(since ?? now) >= scaled(ports, ingestStandsMs) ? waiting : 0;
}

/** A stack that has just been made, or that an older version ran, is given its time. */
async function overdue(ports: FrontDoorPorts, bookmark: string, afterMs: number): Promise<0 | 1> {
  const { ledger, clock } = ports;
  const at = await ledger.bookmark(bookmark);
  if (at === null) await ledger.setBookmark(bookmark, String(clock.now()));
  return at !== null && clock.now() - Number(at) >= scaled(ports, afterMs) ? 1 : 0;
}

function scaled({ hourMs }: Pick<FrontDoorPorts, 'hourMs'>, ms: number): number {
  return (ms * hourMs) / REAL_HOUR_MS;
}
