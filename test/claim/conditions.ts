// What befalls next hops in a plan, and what an operator does meanwhile: servers that are sick for a time, limits of
// the configuration, pauses, and held mail that is tried again or let go. It is drawn from streams of its own, so that
// a seed without it plays what it always played. It decides nothing that the product decides.

import type { Settings } from '#config/settings.ts';
import type { Direction } from '#core/delivery/delivery.ts';
import type { PauseMode } from '#core/delivery/pause.ts';
import { Chance, hashOf } from './chance.ts';
import type { End } from './evidence.ts';
import { DAY, HOUR, type MessagePlan, MINUTE, SECOND } from './plan.ts';

export const SICKNESSES = [
  /** No connection can be made. */
  'refuses',
  /** It takes the connection and says nothing. */
  'silent',
  /** It takes longer than ten seconds before MAIL, and then does what its script says. */
  'slow',
  /** It says nothing after the final dot; it may have kept the message. */
  'stalls',
  /** It asks for less: 421, or that too many connections came. */
  'rate',
  /** It refuses our password, which is mended at the end. */
  'credentials',
  /** It refuses everybody in words that no rule knows; from the very start: a new one. */
  'turned',
] as const;
export type Sickness = (typeof SICKNESSES)[number];

/** Milliseconds after the start. */
export type Condition =
  | {
      readonly kind: 'sick';
      readonly nextHop: string;
      readonly how: Sickness;
      readonly from: number;
      readonly until: number;
    }
  /** An operator pauses at the first instant, says another mode where there is one, and resumes at the last. */
  | {
      readonly kind: 'pause';
      readonly scope: string;
      readonly mode: PauseMode;
      readonly other: { readonly mode: PauseMode; readonly at: number } | null;
      readonly from: number;
      readonly until: number;
    }
  /** A configuration that is deployed at the first instant, and the one of before at the last. */
  | {
      readonly kind: 'transfer';
      readonly direction: Direction;
      readonly mode: PauseMode;
      readonly from: number;
      readonly until: number;
    }
  /** An operator goes through what the failure limit holds. */
  | { readonly kind: 'operator'; readonly verb: 'retry' | 'release'; readonly at: number };

export type Conditions = {
  readonly conditions: readonly Condition[];
  /** With limits. */
  readonly settings: Settings;
  /** More mail for those that are sick. */
  readonly messages: readonly MessagePlan[];
};

type Room = { readonly calmFrom: number; readonly settings: Settings };

/** A message comes so long before its next hop falls sick. */
const ACCEPTS_FIRST_MS = 5 * MINUTE;
/** How many of a hundred seeds have any. */
const SEEDS_WITH = 0.6;
const HOPS = ['exchange', 'smart', 'dovecot', 'ses', 'backup'] as const;

/** Null: a seed without any. */
export function conditionsOf(seed: number, room: Room): Conditions | null {
  if (!new Chance(hashOf(seed, 'conditions')).happens(SEEDS_WITH)) return null;
  const sick = sicknessesOf(new Chance(hashOf(seed, 'sick next hops')), room);
  const pauses = pausesOf(new Chance(hashOf(seed, 'pauses')), room);
  const last = Math.max(room.calmFrom, ...[...sick, ...pauses].map(({ until }) => until));
  const operator = operatorsOf(new Chance(hashOf(seed, 'operator')), sick, last);
  return {
    conditions: [...sick, ...pauses, ...operator],
    settings: withLimits(new Chance(hashOf(seed, 'limits')), room.settings),
    messages: sick.flatMap((each, index) => floodOf(new Chance(hashOf(seed, `flood ${index}`)), each, index)),
  };
}

export function endsAt(conditions: readonly Condition[]): number {
  return Math.max(0, ...conditions.map((each) => ('until' in each ? each.until : each.at)));
}

function withLimits(chance: Chance, settings: Settings): Settings {
  const nextHops = { ...settings.nextHops };
  for (const name of HOPS) {
    const concurrency = chance.happens(0.25) ? chance.of([1, 1, 2, 3, 4, 8]) : null;
    const messagesPerSecond = chance.happens(0.2) ? chance.of([0.05, 0.2, 1, 5]) : null;
    const hop = nextHops[name];
    if (hop?.kind === 'ses') nextHops[name] = { ...hop, messagesPerSecond };
    if (hop?.kind === 'smtp' || hop?.kind === 'lmtp') nextHops[name] = { ...hop, concurrency, messagesPerSecond };
  }
  return { ...settings, nextHops };
}

type Sick = Extract<Condition, { readonly kind: 'sick' }>;
type Pausing = Extract<Condition, { readonly kind: 'pause' | 'transfer' }>;

function sicknessesOf(chance: Chance, { calmFrom, settings }: Room): Sick[] {
  const { lifetimeMs } = settings.retry;
  const count = chance.weighted([
    [3, 0],
    [5, 1],
    [2, 2],
  ]);
  return Array.from({ length: count }, () => {
    const how = chance.of([...SICKNESSES, 'turned', 'turned'] as const);
    const isNew = chance.happens(how === 'turned' ? 0.25 : 0.4);
    const from = isNew ? 0 : Math.max(chance.whole(0, calmFrom), ACCEPTS_FIRST_MS);
    const forMs = chance.weighted([
      [5, chance.whole(2 * MINUTE, 40 * MINUTE)],
      [3, chance.whole(40 * MINUTE, 2 * HOUR)],
      [1, Math.round(1.2 * Math.min(lifetimeMs, 8 * HOUR))],
    ]);
    // Wrong credentials are looked at in each minute: hours of that show nothing more.
    const until = from + (how === 'credentials' ? Math.min(forMs, 3 * HOUR) : forMs);
    return { kind: 'sick', nextHop: hopOf(chance), how, from, until };
  });
}

function hopOf(chance: Chance): string {
  return chance.weighted([
    [5, 'exchange'],
    [3, 'smart'],
    [1, 'dovecot'],
    [1, 'ses'],
    [1, 'backup'],
  ]);
}

function pausesOf(chance: Chance, { calmFrom, settings }: Room): Pausing[] {
  const count = chance.weighted([
    [5, 0],
    [4, 1],
    [1, 2],
  ]);
  return Array.from({ length: count }, () => {
    const from = chance.happens(0.3) ? 0 : chance.whole(0, calmFrom);
    const until =
      from +
      chance.weighted([
        [5, chance.whole(MINUTE, 3 * HOUR)],
        [2, Math.round(1.2 * settings.retry.lifetimeMs)],
        [1, 3 * DAY],
      ]);
    const mode = chance.of(['hold', 'hold', 'drain'] as const);
    if (chance.happens(0.3)) {
      const direction = chance.of(['inbound', 'outbound'] as const);
      return { kind: 'transfer', direction, mode, from, until };
    }
    const scope = chance.happens(0.5) ? hopOf(chance) : chance.of(['inbound', 'outbound', 'all']);
    const at = chance.whole(from, until);
    const other = chance.happens(0.25) ? { mode: mode === 'hold' ? ('drain' as const) : ('hold' as const), at } : null;
    return { kind: 'pause', scope, mode, other, from, until };
  });
}

function operatorsOf(chance: Chance, sick: readonly Sick[], last: number): Condition[] {
  const turned = sick.filter(({ how }) => how === 'turned');
  if (turned.length === 0 || chance.happens(0.3)) return [];
  return Array.from({ length: chance.whole(1, 3) }, () => {
    const { from, until } = chance.of(turned);
    const at = chance.happens(0.7) ? chance.whole(from, until + HOUR) : chance.whole(0, last);
    return { kind: 'operator', verb: chance.of(['retry', 'retry', 'release'] as const), at };
  });
}

// ── Mail for those that are sick ────────────────────────────────────────────────────────────────────────────────────

/** So that it opens, or reaches a limit: some messages to many, while it is sick. */
function floodOf(chance: Chance, { how, nextHop, from, until }: Sick, index: number): MessagePlan[] {
  if (nextHop === 'backup' || chance.happens(0.2)) return [];
  const deliveries = how === 'turned' ? chance.whole(8, 24) : chance.whole(3, 16);
  const each = chance.of([1, 4, 8]);
  const within = Math.min(until - from, chance.of([SECOND, 10 * MINUTE, 50 * MINUTE]));
  const direction = nextHop === 'smart' ? 'outbound' : 'inbound';
  // One comes before, so that a next hop that turns later has accepted something.
  return Array.from({ length: 1 + Math.ceil(deliveries / each) }, (_, place) => {
    const number = 1_000 * (index + 1) + place;
    const at = place === 0 ? Math.max(0, from - ACCEPTS_FIRST_MS) : from + chance.whole(0, within);
    const recipients = Array.from({ length: each }, (__, one) => ({
      address: `f${one}.m${number}@${DOMAINS[nextHop]}`,
      notify: null,
    }));
    return {
      ...{ number, direction, at, bytes: chance.whole(1, 500), recipients },
      reversePath: direction === 'outbound' ? `s${number}@app.example` : `s${number}@src.example`,
      ...{ notifications: [recipients.map((_, one) => one)], spam: false, virus: false, dmarcReject: false },
      ...{ spf: 'PASS', ret: null, envid: null, fates: {}, events: {}, reportAfterMs: null },
    };
  });
}

const DOMAINS: Readonly<Record<string, string>> = {
  exchange: 'example.com',
  smart: 'far.example',
  dovecot: 'lmtp.example',
  ses: 'ses.example',
};

// ── What may come of it ─────────────────────────────────────────────────────────────────────────────────────────────

/** So much of a lifetime may be lost to a sick next hop, and everything still ends as if it had been well. */
const LIFETIME_SPARE = 0.3;

/** A next hop is sick for so long that a delivery may expire; a pause extends the lifetimes that it covers. */
export function mayExpireBy(conditions: readonly Condition[], { retry }: Settings): boolean {
  const sickMs = conditions.map((each) => (each.kind === 'sick' ? each.until - each.from : 0));
  return sickMs.reduce((sum, ms) => sum + ms, 0) > LIFETIME_SPARE * retry.lifetimeMs;
}

/** It refuses everybody at some time: their senders hear of it, or the failure limit holds it until they do. */
export function turnedIn(conditions: readonly Condition[]): ReadonlySet<string> {
  return new Set(conditions.flatMap((each) => (each.kind === 'sick' && each.how === 'turned' ? [each.nextHop] : [])));
}

/** Beside the script's ends. */
export function endsBy(conditions: readonly Condition[], settings: Settings): End[] {
  const expired: End[] = mayExpireBy(conditions, settings) ? ['returned', 'held: *'] : [];
  const noticesRefused = turnedIn(conditions).has(settings.notices.via ?? 'ses-report');
  return [...expired, ...(noticesRefused ? (['held: notice failed: *'] as const) : [])];
}
