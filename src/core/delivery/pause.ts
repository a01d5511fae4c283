// A pause of a next hop, of a direction or of all mail, as the ledger keeps it (DESIGN decision 33). Written by
// the operator, read through pipeline/next-hop-board.ts. Pure. Instants are milliseconds since
// the epoch.

/** `hold`: nothing is attempted. `drain`: what was accepted before the pause is attempted, and newer mail is kept. */
export type PauseMode = 'hold' | 'drain';

export type Pause = {
  /** The name of a next hop, or `inbound`, `outbound` or `all`. */
  readonly scope: string;
  /** Counts writes; 0: no record stands. */
  readonly version: number;
  /** The pause that stands; null: it was resumed. */
  readonly mode: PauseMode | null;
  /** When it was paused, or resumed. */
  readonly since: number;
  /** Who did so. */
  readonly by: string;
  /** Pauses that ended, the latest last: the lifetime of what they held is extended by them. */
  readonly ended: readonly { readonly from: number; readonly until: number }[];
};
