// Finds held rows that the index does not have, because a version before wrote them, and gives them the instant by
// which they are counted. Called by levels.ts in each run of the sweep. It goes through the table in passes: at once;
// an hour later, for rows that a function of the version before held behind the first pass; then once a week, for a
// deploy that was rolled back and a table that was restored. It touches no other row.
//
// | effect, in order                   | if we die right after                                                      |
// | ---------------------------------- | -------------------------------------------------------------------------- |
// | 1 a held row's `dueAt`             | the next run finds the row no more, or writes the same                     |
// | 2 the walk's bookmark              | the next run goes on from there                                            |

import type { DeliveryRef } from '#core/delivery/delivery.ts';
import { isSettled } from '#core/delivery/delivery.ts';
import { dayMs, expiryHourMs, heldPagesPerRun, heldPassEveryMs, heldSecondPassMs } from '#core/limits.ts';
import { inTurns } from '#pipeline/in-turns.ts';
import type { LevelPorts } from './level-ports.ts';

const BOOKMARK = 'held-without-instant';
/** What a version before wrote there after its only pass. */
const DONE = 'done';
const READS_AT_ONCE = 8;

type Walk = {
  /** Passes that came to the end of the table. */
  readonly passes: number;
  /** When the last pass began. */
  readonly begunAt: number;
  /** Where it goes on; null: it is over. */
  readonly at: { readonly after: string | null } | null;
};

/** True: a pass has come to the end of the table, now or long ago, so that held rows are counted. */
export async function walkHeld(ports: LevelPorts, signal: AbortSignal): Promise<boolean> {
  const now = ports.clock.now();
  let walk = begunBy(walkOf(await ports.ledger.bookmark(BOOKMARK)), now, expiryHourMs / ports.hourMs);
  for (let page = 0; page < heldPagesPerRun && walk.at !== null && !signal.aborted; page++) {
    const { refs, after } = await ports.waiting.heldWithoutInstant(walk.at.after);
    const given = await inTurns(refs, READS_AT_ONCE, (ref) => giveInstant(ports, ref), signal);
    if (signal.aborted) break;
    const count = given.filter(Boolean).length;
    if (count > 0) ports.watch.warn('sweep.held-found', { count, passesBefore: walk.passes });
    walk = after === null ? { ...walk, passes: walk.passes + 1, at: null } : { ...walk, at: { after } };
    await ports.ledger.setBookmark(BOOKMARK, JSON.stringify(walk));
  }
  return walk.passes > 0;
}

/** The next pass begins where its time has come. */
function begunBy(walk: Walk, now: number, timeScale: number): Walk {
  const pauseMs = (walk.passes < 2 ? heldSecondPassMs : heldPassEveryMs) / timeScale;
  if (walk.at !== null || now < walk.begunAt + pauseMs) return walk;
  return { ...walk, begunAt: now, at: { after: null } };
}

/** A version before wrote the place alone, or that its only pass is over. */
function walkOf(bookmark: string | null): Walk {
  if (bookmark === null) return { passes: 0, begunAt: 0, at: null };
  if (bookmark === DONE) return { passes: 1, begunAt: 0, at: null };
  const said = JSON.parse(bookmark) as Partial<Walk>;
  const { passes, begunAt = 0, at = null } = said;
  return passes === undefined ? { passes: 0, begunAt: 0, at: { after: bookmark } } : { passes, begunAt, at };
}

async function giveInstant({ ledger, clock }: LevelPorts, ref: DeliveryRef): Promise<boolean> {
  const row = await ledger.read(ref);
  if (row === null || row.state !== 'held' || row.dueAt !== null || isSettled(row)) return false;
  // Lost: another worker wrote meanwhile, and gave it one.
  return (await ledger.write({ ...row, dueAt: clock.now() + dayMs }, [])) === 'written';
}
