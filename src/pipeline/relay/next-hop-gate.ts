// The gate before each next hop: `concurrency` and `messagesPerSecond`, kept over all functions together. Relay enters
// it before the claim, so that a wait is no part of a lease, of the ten seconds of health, or of the memory that
// content takes. Who would wait long is told when to come again. One for each function instance. It decides nothing:
// core/delivery/next-hop-turns.ts does.
//
// | limit                              | calls to the ledger                                                     |
// | ---------------------------------- | ----------------------------------------------------------------------- |
// | concurrency, at least one for each | none: each function has its share                                       |
// |   function                         |                                                                         |
// | concurrency below that             | two for each invocation: the place is taken, and given back when idle   |
// | messagesPerSecond                  | one for all that wait in the invocation; ten messages, or those of a    |
// |                                    |   second, where fewer wait                                              |
//
// A function that dies keeps its place until the place's lease ends, which outlives the function. Instants that it had
// reserved are not used: the limit is kept, and a few seconds of it are lost.

import type { Settings } from '#config/settings.ts';
import {
  afterSlowDown,
  afterSuccess,
  type Instants,
  nextInstant,
  reserved,
  type SharedTurns,
  shareOf,
  unknownTurns,
  type Window,
  withoutPlace,
  withPlace,
} from '#core/delivery/next-hop-turns.ts';
import { gateLeastMs, gateWaitMsMax, jobsPerBatchMax } from '#core/limits.ts';
import type { Outcome } from '#core/reply/outcome.ts';
import { reasonRow } from '#core/reply/reasons.ts';
import type { NextHopBoard } from '#pipeline/next-hop-board.ts';
import type { Clock, Timer, Watch } from '#pipeline/ports.ts';

export type GatePorts = {
  readonly board: Pick<NextHopBoard, 'readTurns' | 'writeTurns'>;
  readonly clock: Clock;
  readonly timer: Timer;
  readonly watch: Watch;
  /** Closes connections that the next hop keeps: a place that is given back has none. */
  readonly closeIdle: (nextHop: string) => Promise<void>;
};
export type GateTerms = {
  readonly settings: Pick<Settings, 'nextHops' | 'concurrency'>;
  /** This function instance, among all. */
  readonly holder: string;
  /** The lease of a place, which outlives the function. */
  readonly placeMs: number;
};

/** Entered: an attempt may be made until `leave` is called. Or how long it takes until there may be room. */
export type Entry = { readonly leave: () => void } | { readonly laterMs: number };

type Hop = {
  readonly name: string;
  readonly places: number;
  readonly concurrency: number | null;
  readonly leased: boolean;
  readonly spacingMs: number | null;
  window: Window;
  busy: number;
  readonly waiting: Set<() => void>;
  /** Of the messages before, how long one took: a running mean. */
  tookMs: number;
  /** Those that are told to come again come one after another. */
  nextReturnAt: number;
  turns: SharedTurns;
  instants: Instants | null;
  wantInstants: number;
  /** Until when the record gives this function a place; 0: it has none. */
  placeUntil: number;
  /** No place was free: not asked again before. */
  askAgainAt: number;
  /** Writes of this function come one after another. */
  writing: Promise<unknown>;
};

const TRIES = 8;
const ASK_AGAIN_MS = 1_000;

export class NextHopGate {
  readonly #ports: GatePorts;
  readonly #terms: GateTerms;
  readonly #hops = new Map<string, Hop>();

  constructor(ports: GatePorts, terms: GateTerms) {
    this.#ports = ports;
    this.#terms = terms;
  }

  /** Waits for a place and an instant, some seconds at most. Throws where the ledger does; then nothing is taken. */
  async enter(name: string, signal: AbortSignal): Promise<Entry> {
    const hop = this.#hop(name);
    if (!(await this.#localPlace(hop, signal))) return this.#later(hop, 0);
    let entry: Entry | null = null;
    try {
      const laterMs = (await this.#leasedPlace(hop)) ?? (await this.#instant(hop, signal));
      entry = laterMs === null ? { leave: this.#leave(hop) } : this.#later(hop, laterMs);
    } finally {
      if (entry === null || !('leave' in entry)) this.#free(hop);
    }
    return entry;
  }

  /** What an attempt heard; it began at `startedAt`. */
  heard(name: string, outcome: Outcome, startedAt: number): void {
    const hop = this.#hop(name);
    if (outcome.kind === 'relayed') hop.window = afterSuccess(hop.window, hop.places);
    else if (reasonRow(outcome.reason)?.slowsDown === true) {
      const before = hop.window;
      hop.window = afterSlowDown(before, startedAt, this.#ports.clock.now());
      if (hop.window !== before)
        this.#ports.watch.info('next-hop.slowed-down', {
          nextHop: name,
          reason: outcome.reason,
          attemptsAtOnce: Math.floor(hop.window.size),
        });
    }
  }

  /**
   * The invocation is over: its places were given back when they were idle, and this waits for the writes. One that an
   * attempt without end still holds is taken anew by the next invocation, with a lease of its own. Never rejects.
   */
  async ended(): Promise<void> {
    for (const hop of this.#hops.values()) hop.placeUntil = 0;
    await Promise.all([...this.#hops.values()].map(({ writing }) => writing.catch(() => null)));
  }

  #hop(name: string): Hop {
    const known = this.#hops.get(name);
    if (known !== undefined) return known;
    const { settings } = this.#terms;
    const given = Object.hasOwn(settings.nextHops, name) ? settings.nextHops[name] : undefined;
    const concurrency = given !== undefined && 'concurrency' in given ? given.concurrency : null;
    const rate = (given !== undefined && 'messagesPerSecond' in given ? given.messagesPerSecond : null) ?? null;
    const functions = settings.concurrency.relay + settings.concurrency.slowRelay;
    const share = shareOf(concurrency, functions, jobsPerBatchMax);
    const hop: Hop = {
      ...{ name, ...share, concurrency, spacingMs: rate === null ? null : 1_000 / rate },
      ...{ window: { size: share.places, halvedAt: 0 }, busy: 0, waiting: new Set(), tookMs: 0, nextReturnAt: 0 },
      ...{ turns: unknownTurns(name), instants: null, wantInstants: 0, placeUntil: 0, askAgainAt: 0 },
      writing: Promise.resolve(),
    };
    this.#hops.set(name, hop);
    return hop;
  }

  /** One of this function's own places; false: it is too long until one is free. */
  async #localPlace(hop: Hop, signal: AbortSignal): Promise<boolean> {
    const room = () => hop.busy < Math.floor(hop.window.size);
    const endsAt = this.#ports.clock.now() + gateWaitMsMax;
    while (!room()) {
      const expectedMs = ((hop.waiting.size + 1) * hop.tookMs) / Math.floor(hop.window.size);
      const leftMs = endsAt - this.#ports.clock.now();
      if (leftMs <= 0 || expectedMs > gateWaitMsMax || signal.aborted) return false;
      await this.#wake(hop, leftMs, signal);
    }
    hop.busy += 1;
    return true;
  }

  #wake(hop: Hop, ms: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const go = () => {
        stop();
        signal.removeEventListener('abort', go);
        hop.waiting.delete(go);
        resolve();
      };
      const stop = this.#ports.timer.after(ms, go);
      signal.addEventListener('abort', go, { once: true });
      hop.waiting.add(go);
    });
  }

  #leave(hop: Hop): () => void {
    const since = this.#ports.clock.now();
    let left = false;
    return () => {
      if (left) return;
      left = true;
      const tookMs = this.#ports.clock.now() - since;
      hop.tookMs = hop.tookMs === 0 ? tookMs : hop.tookMs + (tookMs - hop.tookMs) / 4;
      this.#free(hop);
    };
  }

  #free(hop: Hop): void {
    hop.busy -= 1;
    const next = hop.waiting.values().next();
    if (next.done !== true) next.value();
    else if (hop.busy === 0 && hop.placeUntil !== 0) void this.#giveBack(hop);
  }

  /** Null: there is one, or none is needed. */
  async #leasedPlace(hop: Hop): Promise<number | null> {
    if (!hop.leased || hop.placeUntil !== 0) return null;
    const { clock, board } = this.#ports;
    if (clock.now() < hop.askAgainAt) return hop.askAgainAt - clock.now();
    let until = await this.#takePlace(hop);
    if (until === null) {
      // By the record as it was when this function last wrote it.
      hop.turns = (await board.readTurns(hop.name)) ?? unknownTurns(hop.name);
      until = await this.#takePlace(hop);
    }
    if (typeof until === 'number') {
      hop.placeUntil = until;
      return null;
    }
    hop.askAgainAt = clock.now() + ASK_AGAIN_MS;
    return ASK_AGAIN_MS;
  }

  #takePlace(hop: Hop): Promise<number | 'contended' | null> {
    const { holder, placeMs } = this.#terms;
    return this.#change(hop, (turns) => {
      if (hop.placeUntil !== 0) return { turns: null, made: hop.placeUntil };
      const now = this.#ports.clock.now();
      const until = now + placeMs;
      const next = withPlace(turns, { holder, concurrency: hop.concurrency ?? 1, until }, now);
      return next === null ? null : { turns: next, made: until };
    });
  }

  async #giveBack(hop: Hop): Promise<void> {
    hop.placeUntil = 0;
    try {
      await this.#ports.closeIdle(hop.name);
      await this.#change(hop, (turns) => {
        // Others of this function may have come meanwhile: then the place is theirs.
        if (hop.busy > 0) return null;
        return { turns: withoutPlace(turns, this.#terms.holder), made: true };
      });
    } catch (error) {
      this.#ports.watch.error('next-hop.place-not-given-back', { nextHop: hop.name, error: String(error) });
    }
  }

  /** Waits for the message's instant. Null: it is now, or the next hop has no rate. */
  async #instant(hop: Hop, signal: AbortSignal): Promise<number | null> {
    if (hop.spacingMs === null) return null;
    const { clock, timer } = this.#ports;
    const next = await this.#nextInstant(hop, hop.spacingMs);
    if ('laterMs' in next) return next.laterMs;
    while (clock.now() < next.at && !signal.aborted)
      await new Promise<void>((resolve) => timer.after(Math.ceil(next.at - clock.now()), resolve));
    return signal.aborted ? 0 : null;
  }

  async #nextInstant(hop: Hop, spacingMs: number): Promise<{ readonly at: number } | { readonly laterMs: number }> {
    hop.wantInstants += 1;
    try {
      for (;;) {
        const next = hop.instants === null ? null : nextInstant(hop.instants, spacingMs, this.#ports.clock.now());
        hop.instants = next?.rest ?? null;
        if (next !== null) return next;
        const laterMs = await this.#reserve(hop, spacingMs);
        if (laterMs !== null) return { laterMs };
      }
    } finally {
      hop.wantInstants -= 1;
    }
  }

  /** Null: there are instants now. Of several at the same time the first one writes. */
  async #reserve(hop: Hop, spacingMs: number): Promise<number | null> {
    let laterMs: number | null = null;
    const { clock } = this.#ports;
    const instants = await this.#change(hop, (turns) => {
      if (hop.instants !== null && nextInstant(hop.instants, spacingMs, clock.now()) !== null) return null;
      const leastMs = Math.min(gateLeastMs, jobsPerBatchMax * spacingMs);
      const wanted = { spacingMs, messages: hop.wantInstants, leastMs, waitMsMax: gateWaitMsMax };
      const made = reserved(turns, wanted, clock.now());
      if ('laterMs' in made) {
        laterMs = made.laterMs;
        return null;
      }
      return { turns: made.turns, made: made.instants };
    });
    if (instants === 'contended') return ASK_AGAIN_MS;
    if (instants !== null) hop.instants = instants;
    return laterMs;
  }

  /**
   * Writes what `decide` makes of the record, and returns what it made; null, or no turns: nothing is to be written.
   * Contended: others came between each time.
   */
  #change<T>(
    hop: Hop,
    decide: (turns: SharedTurns) => { readonly turns: SharedTurns | null; readonly made: T } | null,
  ): Promise<T | 'contended' | null> {
    const mine = hop.writing.then(async () => {
      for (let i = 0; i < TRIES; i++) {
        const next = decide(hop.turns);
        if (next === null || next.turns === null) return next?.made ?? null;
        const standing = await this.#ports.board.writeTurns(next.turns);
        if (standing === null) {
          hop.turns = { ...next.turns, version: next.turns.version + 1 };
          return next.made;
        }
        hop.turns = standing;
      }
      this.#ports.watch.warn('next-hop.turns-contended', { nextHop: hop.name });
      return 'contended';
    });
    hop.writing = mine.catch(() => null);
    return mine;
  }

  /** When the job is to come again: after those that were told so before. */
  #later(hop: Hop, laterMs: number): Entry {
    const now = this.#ports.clock.now();
    const eachMs = hop.spacingMs ?? hop.tookMs / Math.floor(hop.window.size);
    const at = Math.max(hop.nextReturnAt, now + Math.max(laterMs, ASK_AGAIN_MS));
    hop.nextReturnAt = at + eachMs;
    return { laterMs: at - now };
  }
}
