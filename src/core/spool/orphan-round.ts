// How far the search for orphans has come in one shard of the spool. A round lists the whole shard once, perhaps over
// several runs; objects of a finished round are not looked up again. Pure. It never counts as done what a run missed:
// the next round looks again.

export type Round = {
  /** Objects stored at or before this instant, in milliseconds, were all looked at. */
  readonly examinedUntil: number;
  /**
   * The round under way: of the objects that were stored up to `upTo`, the keys up to and with `after` are done. Null
   * between two rounds.
   */
  readonly under: { readonly upTo: number; readonly after: string | null; readonly missed: boolean } | null;
  /** The end of the last restore of the ledger that the round knows of; absent: none. */
  readonly restored?: number;
};

/** Nothing was looked up yet: also where the bookmark cannot be read. It costs reads, and misses nothing. */
const UNKNOWN: Round = { examinedUntil: 0, under: null };

/**
 * The round to continue now: a new one looks up objects that were stored up to `upTo`. A round of before a restore of
 * the ledger says nothing: rows that it saw may be gone.
 */
export function roundOf(place: string | null, upTo: number, restored?: number): Round {
  const read = place === null ? UNKNOWN : readRound(place);
  const round = read.restored === restored ? read : UNKNOWN;
  const known = restored === undefined ? {} : { restored };
  return { examinedUntil: round.examinedUntil, under: round.under ?? { upTo, after: null, missed: false }, ...known };
}

/** After a page of the list. `after`: its last key, null where the shard is at its end. */
export function afterPage(round: Round, after: string | null, missed: boolean): Round {
  const { examinedUntil, under } = round;
  if (under === null) throw new Error('a page without a round');
  const everMissed = under.missed || missed;
  if (after !== null) return { ...round, under: { ...under, after, missed: everMissed } };
  return { ...round, examinedUntil: everMissed ? examinedUntil : Math.max(examinedUntil, under.upTo), under: null };
}

/** Whether an object is this round's to look up. */
export function isNew(round: Round, storedAt: number): boolean {
  return round.under !== null && storedAt > round.examinedUntil && storedAt <= round.under.upTo;
}

export function placeOf(round: Round): string {
  return JSON.stringify(round);
}

function readRound(place: string): Round {
  try {
    const { examinedUntil, under, restored } = JSON.parse(place) as Partial<Round>;
    if (typeof examinedUntil !== 'number') return UNKNOWN;
    const known = typeof restored === 'number' ? { restored } : {};
    if (under === null || under === undefined) return { examinedUntil, under: null, ...known };
    const { upTo, after, missed } = under;
    const sound = typeof upTo === 'number' && (after === null || typeof after === 'string');
    return { examinedUntil, under: sound ? { upTo, after, missed: missed !== false } : null, ...known };
  } catch {
    return UNKNOWN;
  }
}
