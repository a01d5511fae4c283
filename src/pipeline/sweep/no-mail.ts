// The level NoMail: for how long no mail was accepted in a direction, where that is longer than it may be. Called by
// each run of the sweep. It reads the memory once in a function's life, and after that what is new. It writes nothing
// and decides nothing about mail.

import type { Settings } from '#config/settings.ts';
import type { Direction } from '#core/delivery/delivery.ts';
import { type Pauses, pausesOf } from '#core/delivery/pause.ts';
import { slotsPerHour } from '#core/limits.ts';
import { type AcceptedMemory, memorySlots, overdueSlots, slotAt, withSlots } from '#core/spool/silence.ts';
import type { AcceptedSlots } from '#pipeline/accepted-slots.ts';
import type { BoardView } from '#pipeline/next-hop-board.ts';
import type { Clock, Watch } from '#pipeline/ports.ts';

export type NoMailPorts = {
  readonly settings: Settings;
  readonly accepted: AcceptedView;
  readonly board: BoardView;
  readonly clock: Clock;
  readonly watch: Watch;
  /** An hour of the clock, in milliseconds: the local runtime's may be shorter. */
  readonly hourMs: number;
};

/** The noted slots, as one function has read them. */
export class AcceptedView {
  readonly #slots: AcceptedSlots;
  readonly #known = new Map<Direction, AcceptedMemory>();

  constructor(slots: AcceptedSlots) {
    this.#slots = slots;
  }

  /** Up to the slot of now, that of now included. */
  async memory(direction: Direction, nowSlot: number): Promise<AcceptedMemory> {
    const known = this.#known.get(direction);
    const last = known?.slots.at(-1);
    const memory =
      known === undefined || last === undefined
        ? await this.#whole(direction, nowSlot)
        : withSlots(known, await this.#slots.between(direction, last + 1, nowSlot + 1));
    this.#known.set(direction, memory);
    return memory;
  }

  async #whole(direction: Direction, nowSlot: number): Promise<AcceptedMemory> {
    const last = await this.#slots.latest(direction, nowSlot + 1);
    if (last === null) return { slots: [], older: null };
    const from = last - memorySlots + 1;
    const [slots, older] = await Promise.all([
      this.#slots.between(direction, from, last + 1),
      this.#slots.latest(direction, from),
    ]);
    return { slots, older };
  }
}

export async function publishNoMail(ports: NoMailPorts): Promise<void> {
  const { settings, accepted, board, clock, watch, hourMs } = ports;
  const now = clock.now();
  const slotMs = hourMs / slotsPerHour;
  const nowSlot = slotAt(now, slotMs);
  const pauses = pausesOf((await board.board()).pauses, settings, now);
  let longest = 0;
  for (const direction of ['inbound', 'outbound'] as const) {
    const since = acceptsSince(direction, pauses);
    const memory = since === null ? null : await accepted.memory(direction, nowSlot);
    const silent = memory === null ? 0 : overdueSlots(memory, nowSlot, slotAt(since ?? 0, slotMs));
    if (silent > 0) watch.warn('sweep.no-mail', { direction, minutes: silent * MINUTES });
    longest = Math.max(longest, silent);
  }
  watch.level('NoMail', longest * MINUTES);
}
const MINUTES = 60 / slotsPerHour;

/**
 * Since when mail of this direction can be accepted; null: a pause refuses it. A pause keeps inbound mail, which is
 * accepted as always, and has submitters come again later.
 */
function acceptsSince(direction: Direction, { standing, records }: Pauses): number | null {
  if (direction === 'inbound') return 0;
  const concerns = ({ scope }: { readonly scope: string }) => scope === 'outbound' || scope === 'all';
  if (standing.some(concerns)) return null;
  return Math.max(0, ...records.filter(concerns).flatMap(({ ended }) => ended.map(({ until }) => until)));
}
