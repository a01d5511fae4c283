// The levels that alarms stand on: what waits for a person, what waits too long, what is paused (DESIGN decision 32).
// Called by each run of the sweep, after its work. A level stands as long as its cause, and is 0 after it. It decides
// nothing about a delivery, and changes one thing: held rows of older versions get the instant by which they are
// counted.
//
// | effect, in order                   | if we die right after                                                      |
// | ---------------------------------- | -------------------------------------------------------------------------- |
// | 1 a held row's `dueAt`             | the next run finds the row no more, or writes the same                     |
// | 2 the walk's bookmark              | the next run goes on from there                                            |
// | 3 levels                           | published once more by the next run                                        |

import type { Settings } from '#config/settings.ts';
import type { DeliveryRef } from '#core/delivery/delivery.ts';
import { isSettled } from '#core/delivery/delivery.ts';
import type { Health } from '#core/delivery/next-hop-health.ts';
import { isKept, type Pauses, pausesOf } from '#core/delivery/pause.ts';
import { dayMs, heldPagesPerRun, waitingRowsRead } from '#core/limits.ts';
import { inTurns } from '#pipeline/in-turns.ts';
import type { BoardView } from '#pipeline/next-hop-board.ts';
import type { Clock, DueRow, Ledger, Watch } from '#pipeline/ports.ts';
import type { WaitingIndex } from '#pipeline/waiting-index.ts';

export type LevelPorts = {
  readonly settings: Settings;
  readonly ledger: Ledger;
  readonly waiting: WaitingIndex;
  readonly board: BoardView;
  readonly clock: Clock;
  readonly watch: Watch;
  /** An hour of the clock, in milliseconds: the local runtime's may be shorter. */
  readonly hourMs: number;
};

const WALK = 'held-without-instant';
const DONE = 'done';
const READS_AT_ONCE = 8;

export async function publishLevels(ports: LevelPorts, signal: AbortSignal): Promise<void> {
  const { watch, clock, hourMs } = ports;
  const isCounted = await walkOn(ports, signal);
  const held = await ports.waiting.heldCount();
  // Half a count would say that all is well: no value leaves the alarm as it is.
  if (isCounted) watch.level('WaitsForPerson', held);
  else watch.info('sweep.held-not-counted', { counted: held });
  const { healths, pauses } = await ports.board.board();
  const now = clock.now();
  const paused = pausesOf(pauses, ports.settings, now);
  const rows = (await ports.waiting.faulty(waitingRowsRead)).filter((row) => !isKept(row, paused));
  const minutes = (ms: number) => Math.floor((60 * ms) / hourMs);
  watch.level('NextHopDown', minutes(longestDown(healths.values(), rows, paused)));
  watch.level('WaitingLong', minutes(longestWaiting(rows, ports.settings.retry.lifetimeMs, now)));
  const since = Math.min(now, ...paused.standing.map((each) => each.since));
  watch.level('PausedHours', Math.floor((now - since) / hourMs));
}

/** How long the next hop has taken nothing that has taken nothing longest, while mail waits for it. */
function longestDown(healths: Iterable<Health>, waiting: readonly DueRow[], { now }: Pauses): number {
  const names = new Set(waiting.map(({ nextHop }) => nextHop));
  let longest = 0;
  for (const { nextHop, failingSince } of healths)
    if (failingSince !== null && names.has(nextHop)) longest = Math.max(longest, now - failingSince);
  return longest;
}

/** Age counts from acceptance, which the index does not have: a lifetime before the expiry, or later. */
function longestWaiting(waiting: readonly DueRow[], lifetimeMs: number, now: number): number {
  return Math.max(0, ...waiting.map(({ expiresAt }) => now - (expiresAt - lifetimeMs)));
}

/**
 * Goes on through the table, some pages a run, until every held row that an older version wrote has an instant. True:
 * it is through, now or long ago.
 */
async function walkOn(ports: LevelPorts, signal: AbortSignal): Promise<boolean> {
  let place = await ports.ledger.bookmark(WALK);
  for (let page = 0; page < heldPagesPerRun && place !== DONE && !signal.aborted; page++) {
    const { refs, after } = await ports.waiting.heldWithoutInstant(place);
    await inTurns(refs, READS_AT_ONCE, (ref) => giveInstant(ports, ref), signal);
    if (signal.aborted) return false;
    place = after ?? DONE;
    await ports.ledger.setBookmark(WALK, place);
  }
  return place === DONE;
}

async function giveInstant({ ledger, clock }: LevelPorts, ref: DeliveryRef): Promise<void> {
  const row = await ledger.read(ref);
  if (row === null || row.state !== 'held' || row.dueAt !== null || isSettled(row)) return;
  await ledger.write({ ...row, dueAt: clock.now() + dayMs }, []); // lost: who wrote meanwhile gave it one
}
