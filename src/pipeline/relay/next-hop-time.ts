// How long an attempt has kept its next hop busy, or waited for it. Called by attempted-hops.ts. The time in which
// content is read from the spool is no time of the next hop: a slow spool must not make a next hop look slow. It ends
// nothing itself.

import type { Clock, Timer } from '#pipeline/ports.ts';

export class NextHopTime {
  readonly #ports: { readonly clock: Clock; readonly timer: Timer };
  readonly #limitMs: number;
  readonly #onLimit: () => void;
  readonly #startedAt: number;
  #readMs = 0;
  #readingSince: number | null = null;
  /** The limit's timer ran out while content was being read. */
  #isDue = false;
  #stop: () => void;

  /** Begins now. `onLimit` is called once, when `limitMs` have been spent. */
  constructor(
    ports: { readonly clock: Clock; readonly timer: Timer },
    { limitMs, onLimit }: { readonly limitMs: number; readonly onLimit: () => void },
  ) {
    this.#ports = ports;
    this.#limitMs = limitMs;
    this.#onLimit = onLimit;
    this.#startedAt = ports.clock.now();
    this.#stop = ports.timer.after(limitMs, this.#check);
  }

  /** Up to now, reads left out. */
  spentMs(): number {
    const now = this.#ports.clock.now();
    return now - this.#startedAt - this.#readMs - (this.#readingSince === null ? 0 : now - this.#readingSince);
  }

  stop(): void {
    this.#stop();
    this.#isDue = false;
  }

  /** The same bytes; each wait for the next ones is a read. */
  async *content(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
    const chunks = source[Symbol.asyncIterator]();
    try {
      for (;;) {
        const next = await this.read(() => chunks.next());
        if (next.done === true) return;
        yield next.value;
      }
    } finally {
      await chunks.return?.();
    }
  }

  /** One at a time. */
  async read<T>(work: () => Promise<T>): Promise<T> {
    const { clock } = this.#ports;
    this.#readingSince = clock.now();
    try {
      return await work();
    } finally {
      this.#readMs += clock.now() - this.#readingSince;
      this.#readingSince = null;
      if (this.#isDue) this.#check();
    }
  }

  readonly #check = (): void => {
    this.#isDue = this.#readingSince !== null;
    if (this.#isDue) return;
    const leftMs = this.#limitMs - this.spentMs();
    if (leftMs > 0) this.#stop = this.#ports.timer.after(leftMs, this.#check);
    else this.#onLimit();
  };
}
