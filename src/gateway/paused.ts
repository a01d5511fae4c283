// Whether outbound mail is paused, as the gateway knows it: by the ledger, and by `transfer` of its own configuration.
// `everpost gateway` starts it, and the server asks it at each MAIL. Where the ledger cannot be read, mail is taken as
// always: relay keeps it.

import type { Settings } from '#config/settings.ts';
import { type Pause, pausesOf } from '#core/delivery/pause.ts';
import type { Clock } from '#pipeline/ports.ts';

export type PausedParts = {
  readonly settings: Pick<Settings, 'transfer' | 'retry'>;
  /** Null: this gateway may not read the ledger. */
  readonly read: (() => Promise<readonly Pause[]>) | null;
  readonly clock: Clock;
  readonly log: (event: string, fields: Readonly<Record<string, unknown>>) => void;
};

export class OutboundPaused {
  readonly #parts: PausedParts;
  #records: readonly Pause[] = [];
  #isReadable = true;

  constructor(parts: PausedParts) {
    this.#parts = parts;
  }

  is(): boolean {
    const { settings, clock } = this.#parts;
    const { standing } = pausesOf(this.#records, settings, clock.now());
    return standing.some(({ scope }) => scope === 'outbound' || scope === 'all');
  }

  /** Reads the ledger; never rejects. It logs the first of several failures. */
  async look(): Promise<void> {
    const { read, log } = this.#parts;
    if (read === null) return;
    try {
      this.#records = await read();
      this.#isReadable = true;
    } catch (error) {
      this.#records = [];
      const why = error instanceof Error ? error.message : String(error);
      if (this.#isReadable) log('submission.pauses-unreadable', { why });
      this.#isReadable = false;
    }
  }

  /** Looks now, and every so often; returns what ends it. */
  async watch(everyMs: number): Promise<() => void> {
    await this.look();
    const timer = setInterval(() => void this.look(), everyMs);
    timer.unref();
    return () => clearInterval(timer);
  }
}
