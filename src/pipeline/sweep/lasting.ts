// Since when something has been so, over all function instances: what the levels count only when it has lasted. Called
// by levels.ts in each run. The ledger is read once for each question and instance, and written where it changes.
//
// | effect, in order | if we die right after            |
// | ---------------- | -------------------------------- |
// | 1 since when     | the next run goes on from there  |

import type { Clock, Ledger } from '#pipeline/ports.ts';

export class Lasting {
  readonly #ledger: Pick<Ledger, 'bookmark' | 'setBookmark'>;
  readonly #clock: Clock;
  readonly #hourMs: number;
  readonly #since = new Map<string, number | null>();

  /** `hourMs`: an hour of the clock. */
  constructor(ledger: Pick<Ledger, 'bookmark' | 'setBookmark'>, clock: Clock, hourMs: number) {
    this.#ledger = ledger;
    this.#clock = clock;
    this.#hourMs = hourMs;
  }

  /** Whether it is so, and has been since `ms` of real time ago or earlier. */
  async lasts(question: string, isSo: boolean, ms: number): Promise<boolean> {
    const now = this.#clock.now();
    const known = this.#since.get(question);
    const before = known === undefined ? Number((await this.#ledger.bookmark(question)) || 0) || null : known;
    const since = isSo ? (before ?? now) : null;
    if (since !== before) await this.#ledger.setBookmark(question, since === null ? '' : String(since));
    this.#since.set(question, since);
    return since !== null && now - since >= (ms * this.#hourMs) / REAL_HOUR_MS;
  }
}
const REAL_HOUR_MS = 3_600_000;
