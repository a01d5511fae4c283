// The levels that alarms stand on: what waits for a person, what enters and is not processed, what SES does not send,
// what waits too long, what is paused (DESIGN decision 32). Called by each run of the sweep, after its work. A level
// stands as long as its cause, and is 0 after it. A run counts as one only when all are published: where one cannot be
// read, the alarm on runs calls. It decides nothing about a delivery, and changes nothing but what held-walk.ts does
// first.
//
// | effect, in order                   | if we die right after                                                      |
// | ---------------------------------- | -------------------------------------------------------------------------- |
// | 1 held rows found (held-walk.ts)   | as its own table says                                                      |
// | 2 levels                           | published once more by the next run                                        |

import type { Health } from '#core/delivery/next-hop-health.ts';
import { type Pauses, pausesOf } from '#core/delivery/pause.ts';
import { waitsUntil } from '#core/delivery/waiting.ts';
import { isSick, type Sum, waitingSums } from '#core/delivery/waiting-sums.ts';
import { sesUnansweredAfterMs } from '#core/limits.ts';
import type { Watch } from '#pipeline/ports.ts';
import type { WaitingLook } from '#pipeline/waiting-index.ts';
import { deadLettersIn, frontDoorParts } from './entered.ts';
import { walkHeld } from './held-walk.ts';
import type { LevelPorts } from './level-ports.ts';
import { type PersonCounts, personCounts, personParts } from './person.ts';
import { sesReceivingParts } from './ses-receiving.ts';
import { sesSendingParts } from './ses-sending.ts';

export async function publishLevels(ports: LevelPorts, signal: AbortSignal): Promise<void> {
  const { watch, clock, hourMs } = ports;
  const isCounted = await walkHeld(ports, signal);
  const look = await ports.waiting.look();
  const held = await look.heldCount();
  const { healths, pauses: records } = await ports.board.board();
  const now = clock.now();
  const pauses = pausesOf(records, ports.settings, now);
  const { waiting, counts } = await whatWaits(ports, look, healths, pauses);
  const minutes = (ms: number) => Math.floor((60 * ms) / hourMs);
  watch.level('NextHopDown', minutes(longestDown(healths, waiting, now)));
  watch.level('WaitingLong', minutes(Math.max(0, ...waiting.values().map(({ oldestAt }) => now - oldestAt))));
  const since = Math.min(now, ...pauses.standing.map((each) => each.since));
  watch.level('PausedHours', Math.floor((now - since) / hourMs));
  const receiving = await publishSes(ports, counts.refusedBySes, signal);
  const counted = { held, deadLetters: await deadLettersIn(ports.queues.work) };
  const person = personParts(counted, counts, pauses, hourMs);
  // Half a count would say that all is well: no value leaves the alarm as it is.
  if (isCounted || sumOf(person) > 0) publishSum(watch, 'WaitsForPerson', person);
  if (!isCounted) watch.info('sweep.held-not-counted', { counted: held });
  const entered = await frontDoorParts(ports, receiving ?? 0);
  if (receiving !== null || sumOf(entered) > 0) publishSum(watch, 'FrontDoor', entered);
  watch.count('SweepRun');
}

/**
 * Returns the level SesReceiving: it is a part of FrontDoor too, for those who have the small set of alarms. Where SES
 * does not tell, no value leaves an alarm as it is: 0 would say that all is well.
 */
async function publishSes(ports: LevelPorts, refused: number, signal: AbortSignal): Promise<number | null> {
  const { watch, lasting, sesAccount, sesSetUp } = ports;
  const [account = null, faults] = await Promise.all([sesAccount?.account(signal), sesSetUp.faults(signal)]);
  const isSilent = sesAccount !== null && account === null;
  const isUnknown = await lasting.lasts('ses-account-unknown', isSilent, sesUnansweredAfterMs);
  const sending = sesSendingParts(refused, account, faults, isUnknown);
  if ((!isSilent && faults !== null) || sumOf(sending) > 0) publishSum(watch, 'SesSending', sending);
  const receiving = await sesReceivingParts(faults, lasting);
  if (receiving === null) return null;
  publishSum(watch, 'SesReceiving', receiving);
  return sumOf(receiving);
}

const LOGGED_AS = {
  WaitsForPerson: 'sweep.waits-for-person',
  FrontDoor: 'sweep.front-door',
  SesReceiving: 'sweep.ses-receiving',
  SesSending: 'sweep.ses-sending',
} as const;

/** The parts are in the log, so that a person sees which of them it is. */
function publishSum(watch: Watch, level: keyof typeof LOGGED_AS, parts: Readonly<Record<string, number>>): void {
  const sum = sumOf(parts);
  watch.level(level, sum);
  if (sum > 0) watch.warn(LOGGED_AS[level], parts);
}

function sumOf(parts: Readonly<Record<string, number>>): number {
  return Object.values(parts).reduce((sum, part) => sum + part, 0);
}

/** Where no next hop is sick, only rows are read whose last attempt failed by such a fault, or that need a person. */
async function whatWaits(
  { settings, sweepAgainMs }: LevelPorts,
  waiting: WaitingLook,
  healths: ReadonlyMap<string, Health>,
  pauses: Pauses,
): Promise<{ readonly waiting: ReadonlyMap<string, Sum>; readonly counts: PersonCounts }> {
  const { take, sums } = waitingSums({ healths, pauses });
  const person = personCounts(settings, pauses);
  const { delayNoticeMs } = settings.retry;
  const until = waitsUntil({ now: pauses.now, sweepAgainMs, delayNoticeMs });
  const whole = (dueClass: 'faulty' | 'operator' | 'unprocessed') =>
    waiting.walk(dueClass, Number.MAX_SAFE_INTEGER, (row) => {
      take(row, dueClass);
      if (dueClass !== 'faulty') person.take(row, dueClass);
    });
  await Promise.all([
    ...(['faulty', 'operator', 'unprocessed'] as const).map(whole),
    healths.values().some(isSick) ? waiting.walk('other', until, (row) => take(row, 'other')) : null,
  ]);
  return { waiting: sums().byFault, counts: person.counts };
}

/** How long the next hop has taken nothing that has taken nothing longest, while mail waits for it. */
function longestDown(healths: ReadonlyMap<string, Health>, waiting: ReadonlyMap<string, Sum>, now: number): number {
  let longest = 0;
  for (const { nextHop, failingSince } of healths.values())
    if (failingSince !== null && waiting.has(nextHop)) longest = Math.max(longest, now - failingSince);
  return longest;
}
