// How many messages may be under way at one next hop, and how many may go in a second: the arithmetic. Relay's gate
// (pipeline/relay/next-hop-gate.ts) calls it. The limits hold over all functions together: each function has a fixed
// share of the places, and what cannot be shared out stands in one record of the board. Pure. Instants are
// milliseconds since the epoch. It never says whether a next hop is healthy.

/** All next hops by SES share the account's rate, and its turns stand under this name. No next hop may have it. */
export const sesAccountTurns = '#ses-account';

/**
 * What all functions share of a next hop: written where it has a rate, or fewer places than there are functions, or
 * where jobs are told to come again.
 */
export type SharedTurns = {
  readonly nextHop: string;
  /** Counts writes; 0: no record stands. */
  readonly version: number;
  /** The virtual clock: no message may go before it, other than those that have their instants. */
  readonly nextAt: number;
  /** The functions that have a place each; one that ended without giving it back loses it at `until`. */
  readonly places: readonly { readonly holder: string; readonly until: number }[];
  /** Jobs stand in line for their turns, each told when to come. The last one comes then; 0: there never was a line. */
  readonly lineEndsAt: number;
  /** Jobs that found no place of `concurrency` come again by then, or shortly after it; 0: there never was one. */
  readonly returnsUntil: number;
  /** Of SES's account, as the sweep read it; null: not known, or no limit. A next hop's own rate is configured. */
  readonly messagesPerSecond: number | null;
};

export function unknownTurns(nextHop: string): SharedTurns {
  return { nextHop, version: 0, nextAt: 0, places: [], lineEndsAt: 0, returnsUntil: 0, messagesPerSecond: null };
}

/**
 * Places in line for jobs, `spacingMs` apart: when the first one comes, `leastMs` from now or later. Null: the line is
 * longer than `longestMs`.
 */
export function inLine(
  turns: SharedTurns,
  { spacingMs, jobs, leastMs, longestMs }: LineWanted,
  now: number,
): { readonly turns: SharedTurns; readonly from: number } | null {
  const from = Math.max(turns.lineEndsAt, now + leastMs);
  if (from - now > longestMs) return null;
  return { turns: { ...turns, lineEndsAt: from + jobs * spacingMs }, from };
}
export type LineWanted = {
  readonly spacingMs: number;
  readonly jobs: number;
  readonly leastMs: number;
  readonly longestMs: number;
};

/** All that stood in line were given back, and get their places anew. One that still comes has its turn. */
export function withoutLine(turns: SharedTurns, now: number): SharedTurns | null {
  return turns.lineEndsAt <= now ? null : { ...turns, lineEndsAt: now };
}

/**
 * The places of one function at a next hop that may have `concurrency` connections, while `functions` of them may run.
 * `leased`: there are fewer places than functions, so that a function has one only while the record says so.
 */
export function shareOf(
  concurrency: number | null,
  functions: number,
  most: number,
): { readonly places: number; readonly leased: boolean } {
  if (concurrency === null) return { places: most, leased: false };
  const share = Math.floor(concurrency / functions);
  return share < 1 ? { places: 1, leased: true } : { places: Math.min(share, most), leased: false };
}

export type Place = { readonly holder: string; readonly concurrency: number; readonly until: number };

/** The record with a place for the holder, from `now` on; null: all are taken. */
export function withPlace(turns: SharedTurns, place: Place, now: number): SharedTurns | null {
  const others = turns.places.filter(({ holder, until }) => holder !== place.holder && until > now);
  if (others.length >= place.concurrency) return null;
  return { ...turns, places: [...others, { holder: place.holder, until: place.until }] };
}

export function withoutPlace(turns: SharedTurns, leaving: string): SharedTurns {
  return { ...turns, places: turns.places.filter(({ holder }) => holder !== leaving) };
}

export type Wanted = {
  readonly spacingMs: number;
  /** Messages that wait in this function. */
  readonly messages: number;
  /** A reservation has all instants of so long a time at least, so that a fast next hop needs one write for many. */
  readonly leastMs: number;
  /** No message waits longer than this in its function. */
  readonly waitMsMax: number;
  /** It has no place in line: while others stand in line it goes behind them. */
  readonly behindLine: boolean;
};
/** The instants `from`, `from + spacingMs`, … before `until`, a message each. One not used by the next is lost. */
export type Instants = { readonly from: number; readonly until: number };

/** The next instants of the virtual clock; or how long it is until there is one, where that is too long to wait. */
export function reserved(
  turns: SharedTurns,
  { spacingMs, messages, leastMs, waitMsMax, behindLine }: Wanted,
  now: number,
): { readonly turns: SharedTurns; readonly instants: Instants } | { readonly laterMs: number } {
  const from = Math.max(turns.nextAt, now);
  const stands = behindLine && turns.lineEndsAt - now > waitMsMax;
  if (stands || from - now > waitMsMax) return { laterMs: from - now };
  const fit = Math.max(1, Math.floor((now + waitMsMax - from) / spacingMs));
  const count = Math.min(fit, Math.max(1, messages, Math.floor(leastMs / spacingMs)));
  const until = from + count * spacingMs;
  return { turns: { ...turns, nextAt: until }, instants: { from, until } };
}

/** The first instant that is not over at `now`, and those after it; null: all are over. */
export function nextInstant(
  instants: Instants,
  spacingMs: number,
  now: number,
): { readonly at: number; readonly rest: Instants } | null {
  const over = Math.max(0, Math.floor((now - instants.from) / spacingMs));
  const at = instants.from + over * spacingMs;
  if (at >= instants.until) return null;
  return { at, rest: { from: at + spacingMs, until: instants.until } };
}

/**
 * How many attempts one function makes at a next hop side by side. A next hop that asks for less gets half, as of
 * Postfix's negative destination concurrency feedback; each success gives a part of one back (TCP's additive increase).
 */
export type Window = { readonly size: number; readonly halvedAt: number };

/** Of several that were under way together and heard the same, the first one counts. */
export function afterSlowDown(window: Window, startedAt: number, now: number): Window {
  if (startedAt < window.halvedAt) return window;
  return { size: Math.max(1, window.size / 2), halvedAt: now };
}

export function afterSuccess(window: Window, most: number): Window {
  return window.size >= most ? window : { ...window, size: Math.min(most, window.size + 1 / window.size) };
}
