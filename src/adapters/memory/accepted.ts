// The slots in which mail was accepted, in memory, for tests and the simulation.
// It forgets nothing.

import type { Direction } from '#core/delivery/delivery.ts';
import type { AcceptedSlots } from '#pipeline/accepted-slots.ts';

export class MemoryAccepted implements AcceptedSlots {
  readonly #slots: Readonly<Record<Direction, Set<number>>> = { inbound: new Set(), outbound: new Set() };

  async note(direction: Direction, slot: number): Promise<void> {
    this.#slots[direction].add(slot);
  }

  async latest(direction: Direction, before: number): Promise<number | null> {
    return (await this.between(direction, 0, before)).at(-1) ?? null;
  }

  async between(direction: Direction, from: number, before: number): Promise<readonly number[]> {
    return [...this.#slots[direction]].filter((slot) => slot >= from && slot < before).sort((a, b) => a - b);
  }
}
