// When work that nobody waits for was last done: the bookmarks by which the sweep finds that it stands still. Ingest,
// the search for orphans and the digest write them, and the sweep's levels read them. A bookmark that could not be
// written says less than is true, so that a level is too high, never too low.

import type { Clock, Ledger, Watch } from './ports.ts';

/** Ingest has finished with a message. */
export const ingestFinished = 'kept-up/ingest';
/** The search for orphans has looked at all that was to be looked at. */
export const orphansKeptUp = 'kept-up/orphans';
/** The postmaster's digest was written, or there was nothing to tell. */
export const digestKeptUp = 'kept-up/digest';

type Ports = { readonly ledger: Pick<Ledger, 'setBookmark'>; readonly clock: Clock; readonly watch: Watch };

/** One for each function instance. Writes the bookmark at most every `everyMs`: mail in a row costs one write. */
export class Pulse {
  readonly #ports: Ports;
  readonly #name: string;
  readonly #everyMs: number;
  #last = Number.NEGATIVE_INFINITY;

  constructor(ports: Ports, name: string, everyMs: number) {
    this.#ports = ports;
    this.#name = name;
    this.#everyMs = everyMs;
  }

  /** Never rejects: what was finished stays so. */
  async beat(): Promise<void> {
    const { ledger, clock, watch } = this.#ports;
    const now = clock.now();
    if (now - this.#last < this.#everyMs) return;
    const before = this.#last;
    this.#last = now;
    try {
      await ledger.setBookmark(this.#name, String(now));
    } catch (error) {
      this.#last = before;
      watch.warn('pulse.not-written', { name: this.#name, error: String(error) });
    }
  }
}
