// Next hops' health and pauses in memory, with the ledger's conditions on versions. Used by the simulation.
// It never shows a record that a later write could change.

import type { Health } from '#core/delivery/next-hop-health.ts';
import { type SharedTurns, unknownTurns } from '#core/delivery/next-hop-turns.ts';
import type { Pause } from '#core/delivery/pause.ts';
import type { Board, NextHopBoard } from '#pipeline/next-hop-board.ts';

export class MemoryBoard implements NextHopBoard {
  readonly #healths = new Map<string, Health>();
  readonly #pauses = new Map<string, Pause>();
  readonly #turns = new Map<string, SharedTurns>();

  async read(): Promise<Board> {
    return { healths: new Map(this.#healths), pauses: [...this.#pauses.values()] };
  }

  async writeHealth(health: Health): Promise<'written' | 'lost'> {
    return put(this.#healths, health.nextHop, health);
  }

  async writePause(pause: Pause): Promise<'written' | 'lost'> {
    return put(this.#pauses, pause.scope, pause);
  }

  async readTurns(nextHop: string): Promise<SharedTurns | null> {
    return this.#turns.get(nextHop) ?? null;
  }

  async writeTurns(turns: SharedTurns): Promise<SharedTurns | null> {
    const { nextHop } = turns;
    return put(this.#turns, nextHop, turns) === 'written' ? null : (this.#turns.get(nextHop) ?? unknownTurns(nextHop));
  }
}

function put<R extends { readonly version: number }>(all: Map<string, R>, name: string, record: R): 'written' | 'lost' {
  if ((all.get(name)?.version ?? 0) !== record.version) return 'lost';
  all.set(name, { ...record, version: record.version + 1 });
  return 'written';
}
