// In which five minutes mail was accepted, by direction: what the alarm on silence remembers. Ingest notes it, at most
// once in five minutes in each function, so that it costs no call for each message. The sweep reads it
// (sweep/no-mail.ts). It decides nothing about mail, and a note that is lost makes a gap of the memory longer, no more.

import type { Direction } from '#core/delivery/delivery.ts';
import { acceptedKeptSlots } from '#core/limits.ts';
import { slotAt } from '#core/spool/silence.ts';
import type { Watch } from './ports.ts';

export interface AcceptedSlots {
  /** Once more changes nothing. It may be forgotten some time after `until`, in milliseconds since the epoch. */
  note(direction: Direction, slot: number, until: number): Promise<void>;
  /** The latest noted slot before `before`; null: none. */
  latest(direction: Direction, before: number): Promise<number | null>;
  /** The noted slots from `from` on, before `before`, ascending. */
  between(direction: Direction, from: number, before: number): Promise<readonly number[]>;
}

/** What one function has noted. */
export class AcceptedNotes {
  readonly #slots: AcceptedSlots;
  readonly #watch: Watch;
  readonly #slotMs: number;
  readonly #noted = new Map<Direction, number>();

  constructor(ports: { readonly slots: AcceptedSlots; readonly watch: Watch }, slotMs: number) {
    this.#slots = ports.slots;
    this.#watch = ports.watch;
    this.#slotMs = slotMs;
  }

  /** After the message's rows are written. Never rejects. */
  async accepted(direction: Direction, at: number): Promise<void> {
    const slot = slotAt(at, this.#slotMs);
    if (slot <= (this.#noted.get(direction) ?? -1)) return;
    this.#noted.set(direction, slot);
    try {
      await this.#slots.note(direction, slot, (slot + acceptedKeptSlots) * this.#slotMs);
    } catch (error) {
      this.#watch.error('ingest.acceptance-not-noted', { direction, error: String(error) });
    }
  }
}
