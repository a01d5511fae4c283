// The levels that alarms stand on: what waits for a person, what waits too long, what is paused (DESIGN decision 32).
// Called by each run of the sweep, after its work. A level stands as long as its cause, and is 0 after it. It decides
// nothing about a delivery, and changes nothing but what held-walk.ts does first.
//
// | effect, in order                   | if we die right after                                                      |
// | ---------------------------------- | -------------------------------------------------------------------------- |
// | 1 held rows found (held-walk.ts)   | as its own table says                                                      |
// | 2 levels                           | published once more by the next run                                        |

import type { Health } from '#core/delivery/next-hop-health.ts';
import { type Pauses, pausesOf } from '#core/delivery/pause.ts';
import { waitsUntil } from '#core/delivery/waiting.ts';
import { isSick, type Sum, waitingSums } from '#core/delivery/waiting-sums.ts';
import { walkHeld } from './held-walk.ts';
import type { LevelPorts } from './level-ports.ts';

export async function publishLevels(ports: LevelPorts, signal: AbortSignal): Promise<void> {
  const { watch, clock, hourMs } = ports;
  const isCounted = await walkHeld(ports, signal);
  const held = await ports.waiting.heldCount();
  // Half a count would say that all is well: no value leaves the alarm as it is.
  if (isCounted) watch.level('WaitsForPerson', held);
  else watch.info('sweep.held-not-counted', { counted: held });
  const { healths, pauses: records } = await ports.board.board();
  const now = clock.now();
  const pauses = pausesOf(records, ports.settings, now);
  const waiting = await waitingByFault(ports, healths, pauses);
  const minutes = (ms: number) => Math.floor((60 * ms) / hourMs);
  watch.level('NextHopDown', minutes(longestDown(healths, waiting, now)));
  watch.level('WaitingLong', minutes(Math.max(0, ...waiting.values().map(({ oldestAt }) => now - oldestAt))));
  const since = Math.min(now, ...pauses.standing.map((each) => each.since));
  watch.level('PausedHours', Math.floor((now - since) / hourMs));
}

/** Where no next hop is sick, only rows are read whose last attempt failed by such a fault. */
async function waitingByFault(
  { waiting, settings, sweepAgainMs }: LevelPorts,
  healths: ReadonlyMap<string, Health>,
  pauses: Pauses,
): Promise<ReadonlyMap<string, Sum>> {
  const { take, sums } = waitingSums({ healths, pauses });
  const { delayNoticeMs } = settings.retry;
  const until = waitsUntil({ now: pauses.now, sweepAgainMs, delayNoticeMs });
  await Promise.all([
    waiting.walk('faulty', Number.MAX_SAFE_INTEGER, (row) => take(row, 'faulty')),
    healths.values().some(isSick) ? waiting.walk('other', until, (row) => take(row, 'other')) : null,
  ]);
  return sums().byFault;
}

/** How long the next hop has taken nothing that has taken nothing longest, while mail waits for it. */
function longestDown(healths: ReadonlyMap<string, Health>, waiting: ReadonlyMap<string, Sum>, now: number): number {
  let longest = 0;
  for (const { nextHop, failingSince } of healths.values())
    if (failingSince !== null && waiting.has(nextHop)) longest = Math.max(longest, now - failingSince);
  return longest;
}
