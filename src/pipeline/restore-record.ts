// The record of a restore of the ledger: an item of the ledger that `everpost restore` writes before it touches a row.
// Ingest marks what it makes anew for mail of before, and the search for orphans begins anew when the restore has
// ended. It decides nothing about a row.

import { boardEveryMs, restoreMarginMs } from '#core/limits.ts';
import type { Clock, Ledger } from './ports.ts';

const RECORD = 'restore';

/** Instants in milliseconds since the epoch. */
export type Restore = {
  readonly begun: number;
  /** To which the ledger is restored. */
  readonly since: number;
  /** Null: it is under way. */
  readonly ended: number | null;
};

export async function readRestore(ledger: Pick<Ledger, 'bookmark'>): Promise<Restore | null> {
  const text = await ledger.bookmark(RECORD);
  return text === null ? null : (JSON.parse(text) as Restore);
}

export function writeRestore(ledger: Pick<Ledger, 'setBookmark'>, restore: Restore): Promise<void> {
  return ledger.setBookmark(RECORD, JSON.stringify(restore));
}

/** Mail of before the restore, by the instant of its acceptance. Clocks differ. */
export function isOfBefore({ begun }: Restore, acceptedAt: number): boolean {
  return acceptedAt <= begun + restoreMarginMs;
}

/** The record as one function knows it: it is read every ten seconds. */
export class RestoreView {
  readonly #ports: { readonly ledger: Pick<Ledger, 'bookmark'>; readonly clock: Clock };
  #read: { readonly at: number; readonly restore: Restore | null } | null = null;

  constructor(ports: { readonly ledger: Pick<Ledger, 'bookmark'>; readonly clock: Clock }) {
    this.#ports = ports;
  }

  async current(): Promise<Restore | null> {
    const now = this.#ports.clock.now();
    if (this.#read === null || now - this.#read.at >= boardEveryMs)
      this.#read = { at: now, restore: await readRestore(this.#ports.ledger) };
    return this.#read.restore;
  }
}
