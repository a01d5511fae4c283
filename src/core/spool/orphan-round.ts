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
};

/** Nothing was looked up yet: also where the bookmark cannot be read. It costs reads, and misses nothing. */
const UNKNOWN: Round = { examinedUntil: 0, under: null };

/** The round to continue now: a new one looks up objects that were stored up to `upTo`. */
export function roundOf(place: string | null, upTo: number): Round {
  const round = place === null ? UNKNOWN : readRound(place);
  return { ...round, under: round.under ?? { upTo, after: null, missed: false } };
}

/** After a page of the list. `after`: its last key, null where the shard is at its end. */
export function afterPage(round: Round, after: string | null, missed: boolean): Round {
  const { examinedUntil, under } = round;
  if (under === null) throw new Error('a page without a round');
  const everMissed = under.missed || missed;
  if (after !== null) return { examinedUntil, under: { ...under, after, missed: everMissed } };
  return { examinedUntil: everMissed ? examinedUntil : Math.max(examinedUntil, under.upTo), under: null };
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
    const { examinedUntil, under } = JSON.parse(place) as Partial<Round>;
    if (typeof examinedUntil !== 'number') return UNKNOWN;
    if (under === null || under === undefined) return { examinedUntil, under: null };
    const { upTo, after, missed } = under;
    const sound = typeof upTo === 'number' && (after === null || typeof after === 'string');
    return { examinedUntil, under: sound ? { upTo, after, missed: missed !== false } : null };
  } catch {
    return UNKNOWN;
  }
}
