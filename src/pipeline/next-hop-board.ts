// What is known of all next hops: their health and the pauses. A port that the ledger implements, and the view of it
// that one function keeps. Relay and the sweep use the view, so that a healthy next hop costs one read in ten seconds
// and no call for a message. It never decides what a next hop's health becomes: core/delivery/next-hop-health.ts does.

import type { Health } from '#core/delivery/next-hop-health.ts';
import { unknownHealth } from '#core/delivery/next-hop-health.ts';
import type { SharedTurns } from '#core/delivery/next-hop-turns.ts';
import type { Pause } from '#core/delivery/pause.ts';
import type { Clock, Watch } from './ports.ts';

export type Board = {
  readonly healths: ReadonlyMap<string, Health>;
  readonly pauses: readonly Pause[];
};

export interface NextHopBoard {
  /** Everything, in one consistent read. Throws where the ledger does. */
  read(): Promise<Board>;
  /**
   * Replaces the record where its stored version is still `health.version` (0: none stands); stores `version + 1`.
   * Lost: another function wrote meanwhile, and nothing of this write remains.
   */
  writeHealth(health: Health): Promise<'written' | 'lost'>;
  /** The same for a pause. */
  writePause(pause: Pause): Promise<'written' | 'lost'>;
  /** What functions share of the next hop's limits, in one consistent read; null: no record stands. */
  readTurns(nextHop: string): Promise<SharedTurns | null>;
  /** As `writeHealth`: null where it was written; else the record that stands, so that a lost write needs no read. */
  writeTurns(turns: SharedTurns): Promise<SharedTurns | null>;
}

export type BoardPorts = { readonly board: NextHopBoard; readonly clock: Clock; readonly watch: Watch };

const TRIES = 5; // other functions may each come between; more is contention, and the next attempt says the same

/** One for each function instance. */
export class BoardView {
  readonly #ports: BoardPorts;
  readonly #everyMs: number;
  #known: { readonly board: Board; readonly at: number } | null = null;
  #reading: Promise<Board> | null = null;
  readonly #turns = new Map<string, Promise<unknown>>();

  constructor(ports: BoardPorts, everyMs: number) {
    this.#ports = ports;
    this.#everyMs = everyMs;
  }

  /** The board as it was at most `everyMs` ago. Callers at the same time share one read. */
  async board(): Promise<Board> {
    const { clock } = this.#ports;
    if (this.#known !== null && clock.now() - this.#known.at < this.#everyMs) return this.#known.board;
    return this.readAgain();
  }

  /** The board as it is now. */
  readAgain(): Promise<Board> {
    this.#reading ??= this.#read().finally(() => {
      this.#reading = null;
    });
    return this.#reading;
  }

  async #read(): Promise<Board> {
    const at = this.#ports.clock.now();
    const board = await this.#ports.board.read();
    this.#known = { board, at };
    return board;
  }

  /** As the board's own: the caller reads it again. */
  writePause(pause: Pause): Promise<'written' | 'lost'> {
    return this.#ports.board.writePause(pause);
  }

  /** As the board's own: nothing of it is kept here. */
  readTurns(nextHop: string): Promise<SharedTurns | null> {
    return this.#ports.board.readTurns(nextHop);
  }
  writeTurns(turns: SharedTurns): Promise<SharedTurns | null> {
    return this.#ports.board.writeTurns(turns);
  }

  async health(nextHop: string): Promise<Health> {
    return (await this.board()).healths.get(nextHop) ?? unknownHealth(nextHop);
  }

  /**
   * Writes what `decide` makes of the next hop's health; null: nothing is to be written, and no call is made. `decide`
   * may be called several times, with the health as it then stands. Returns the health that stands afterwards. Where
   * others come between each time, it is logged and left: what is recorded here is no message's account.
   */
  changeHealth(nextHop: string, decide: (health: Health) => Health | null): Promise<Health> {
    const before = this.#turns.get(nextHop) ?? Promise.resolve();
    const mine = before.then(() => this.#change(nextHop, decide));
    const done = mine.catch(() => null);
    this.#turns.set(nextHop, done);
    void done.then(() => {
      if (this.#turns.get(nextHop) === done) this.#turns.delete(nextHop);
    });
    return mine;
  }

  async #change(nextHop: string, decide: (health: Health) => Health | null): Promise<Health> {
    let health = await this.health(nextHop);
    for (let i = 0; i < TRIES; i++) {
      const next = decide(health);
      if (next === null) return health;
      if ((await this.#ports.board.writeHealth(next)) === 'written')
        return this.#keep({ ...next, version: next.version + 1 });
      await this.readAgain();
      health = await this.health(nextHop);
    }
    this.#ports.watch.warn('next-hop.health-not-written', { nextHop, state: health.state });
    return health;
  }

  /** The view has its own write at once. */
  #keep(health: Health): Health {
    if (this.#known !== null) {
      const healths = new Map(this.#known.board.healths).set(health.nextHop, health);
      this.#known = { ...this.#known, board: { ...this.#known.board, healths } };
    }
    return health;
  }
}
