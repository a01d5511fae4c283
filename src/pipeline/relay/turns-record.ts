// The record of a next hop's turns, as one function knows and writes it. Called by the gate, by its rates, and by the
// sweep. Writes of a function come one after another, and a lost one brings the record that stands, so that nothing is
// read before. It decides nothing: core/delivery/next-hop-turns.ts does.

import { type SharedTurns, unknownTurns } from '#core/delivery/next-hop-turns.ts';
import type { NextHopBoard } from '#pipeline/next-hop-board.ts';
import type { Watch } from '#pipeline/ports.ts';

export type TurnsPorts = {
  readonly board: Pick<NextHopBoard, 'readTurns' | 'writeTurns'>;
  readonly watch: Watch;
};
/** No turns: nothing is to be written. */
export type TurnsMade<T> = { readonly turns: SharedTurns | null; readonly made: T };

const TRIES = 8;

export class TurnsRecord {
  readonly #ports: TurnsPorts;
  readonly #name: string;
  #writing: Promise<unknown> = Promise.resolve();
  /** As it was when this function last wrote or read it. */
  turns: SharedTurns;

  constructor(ports: TurnsPorts, name: string) {
    this.#ports = ports;
    this.#name = name;
    this.turns = unknownTurns(name);
  }

  async read(): Promise<void> {
    this.turns = (await this.#ports.board.readTurns(this.#name)) ?? unknownTurns(this.#name);
  }

  /**
   * Writes what `decide` makes of the record, and returns what it made; null: nothing is to be written. Contended:
   * others came between each time.
   */
  change<T>(decide: (turns: SharedTurns) => TurnsMade<T> | null): Promise<T | 'contended' | null> {
    const mine = this.#writing.then(async () => {
      for (let i = 0; i < TRIES; i++) {
        const next = decide(this.turns);
        if (next === null || next.turns === null) return next?.made ?? null;
        const standing = await this.#ports.board.writeTurns(next.turns);
        if (standing === null) {
          this.turns = { ...next.turns, version: next.turns.version + 1 };
          return next.made;
        }
        this.turns = standing;
      }
      this.#ports.watch.warn('next-hop.turns-contended', { nextHop: this.#name });
      return 'contended';
    });
    this.#writing = mine.catch(() => null);
    return mine;
  }

  /** Every write that has begun is over. Never rejects. */
  async settled(): Promise<void> {
    await this.#writing.catch(() => null);
  }
}
