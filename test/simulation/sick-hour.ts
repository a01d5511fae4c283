// One of three next hops is sick for an hour, then well again: the story, and its figures. Used by the small test of
// `npm test`, and by the one with 10,000 messages for each next hop among the slower kinds.

import { healthTerms } from '#core/delivery/next-hop-health.ts';
import { heldAfterMs, settleMs, slowAfterMs, smtpTimeoutsMs } from '#core/limits.ts';
import { ACCEPTED_AT } from './notification.ts';
import { FUNCTIONS, type Sickness, ThreeHops } from './three-hops.ts';

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;

export type Size = {
  /** Messages for each of the well ones, at first contact and again when the sickness is known. */
  readonly well: number;
  readonly sick: number;
  /** `messagesPerSecond` of the sick one. */
  readonly sickPerSecond: number;
};

/** How long the mail of the two well next hops takes: `count` messages for each. */
export async function othersTake(everpost: ThreeHops, count: number): Promise<number> {
  const start = everpost.clock.now();
  for (const name of ['well', 'fine']) await everpost.accept(name, count);
  const isOver = () =>
    ['well', 'fine'].every((name) => everpost.took.get(name)?.length === everpost.accepted.get(name));
  return (await everpost.live(start + HOUR, isOver)) - start;
}

/** Until it is open, and then one attempt at a time, each after its pause. */
const attemptMs: Readonly<Record<Sickness, number>> = {
  refuses: 0,
  'says nothing': smtpTimeoutsMs.greeting,
  'sends one byte a second': smtpTimeoutsMs.greeting,
  'stalls at the final dot': smtpTimeoutsMs.finalDot,
};

/** At most so much function time in an hour has an attempt at the sick one under way. */
export function functionMsMax(sickness: Sickness): number {
  const each = attemptMs[sickness];
  // Each function of the fast lane begins attempts there once, for ten seconds before MAIL or until their end; each of
  // the slow lane has a batch, and may have begun another when the tenth attempt shows that it takes nothing.
  const fast = sickness === 'stalls at the final dot' ? each : Math.min(each, slowAfterMs);
  const unknown = FUNCTIONS.fast * fast + 2 * FUNCTIONS.slow * each;
  return unknown + probesIn(HOUR - each, each) * each + 10 * SECOND;
}

function probesIn(ms: number, each: number): number {
  const { probesMs } = healthTerms(1);
  let count = 0;
  for (let at = probesMs[0] ?? 0; at < ms; at += each + (probesMs[Math.min(count, probesMs.length - 1)] ?? 0))
    count += 1;
  return count;
}

export async function sickHour(sickness: Sickness, { well, sick, sickPerSecond }: Size) {
  const aloneMs = await othersTake(new ThreeHops(null), well);
  const everpost = new ThreeHops(sickness, sickPerSecond);
  await everpost.accept('sick', sick);
  const firstMs = await othersTake(everpost, well);

  await everpost.live(everpost.clock.now() + MINUTE);
  await everpost.accept('sick', sick / 5);
  const knownMs = await othersTake(everpost, well);

  await everpost.live(ACCEPTED_AT + HOUR);
  const { sickMs } = everpost;
  const tookWhileSick = everpost.took.get('sick')?.length ?? 0;

  everpost.sickness = null;
  const wellAt = everpost.clock.now();
  const accepted = everpost.accepted.get('sick');
  await everpost.live(wellAt + HOUR, () => everpost.took.get('sick')?.length === accepted);
  const taken = everpost.took.get('sick') ?? [];
  const foundAt = taken[0]?.at ?? 0;
  return {
    ...{ aloneMs, firstMs, knownMs, sickMs, tookWhileSick, taken: taken.length, accepted },
    foundAfterMs: foundAt - wellAt,
    /** After the attempt that found it well, and the time in which all functions hear of it. */
    drainMs: (taken.at(-1)?.at ?? 0) - foundAt - settleMs,
    mostInASecond: mostWithin(SECOND, taken),
    /** By how many places a message came after a younger one. One that was attempted meanwhile has its schedule. */
    mostOutOfOrder: mostOutOfOrder(
      taken.flatMap(({ spoolId }) => (everpost.triedWhileSick.has(spoolId) ? [] : [Number(spoolId.split('-')[1])])),
    ),
    lostJobs: everpost.watch.total('LostJob'),
  };
}

/** The ten seconds before MAIL, which no size of the backlog makes longer. */
export const firstContactMs = heldAfterMs;

function mostWithin(ms: number, taken: readonly { readonly at: number }[]): number {
  let most = 0;
  for (let from = 0, to = 0; to < taken.length; to++) {
    while ((taken[to]?.at ?? 0) - (taken[from]?.at ?? 0) >= ms) from += 1;
    most = Math.max(most, to - from + 1);
  }
  return most;
}

/** By how many places a message came after a younger one. */
export function mostOutOfOrder(ages: readonly number[]): number {
  let [oldest, most] = [-1, 0];
  for (const age of ages) {
    most = Math.max(most, oldest - age);
    oldest = Math.max(oldest, age);
  }
  return most;
}
