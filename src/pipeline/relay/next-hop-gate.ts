// The gate before each next hop: `concurrency` and `messagesPerSecond`, kept over all functions together. Relay enters
// it before the claim, so that a wait is no part of a lease, of the ten seconds of health, or of the memory that
// content takes. Who would wait longer is told when to come again. One for each function instance. It decides nothing:
// core/delivery/next-hop-turns.ts does.
//
// | limit                              | calls to the ledger                                                     |
// | ---------------------------------- | ----------------------------------------------------------------------- |
// | concurrency, at least one for each | none: each function has its share; where jobs are told to come again,   |
// |   function                         |   one in a minute                                                       |
// | concurrency below that             | two for each invocation: the place is taken, and given back when idle   |
// | messagesPerSecond, and the rate of | one for all that wait in the invocation; one more for all that are told |
// |   SES's account                    |   to come later                                                          |
//
// A function that dies keeps its place until the place's lease ends, which outlives the function. Instants that it had
// reserved are not used: the limit is kept, and a few seconds of it are lost.

import type { Settings } from '#config/settings.ts';
import { leavesBySes } from '#core/delivery/destination.ts';
import {
  afterSlowDown,
  afterSuccess,
  sesAccountTurns,
  shareOf,
  type Window,
  withoutPlace,
  withPlace,
} from '#core/delivery/next-hop-turns.ts';
import { gatePlaceMsMax, gateWaitMsMax, jobsPerBatchMax } from '#core/limits.ts';
import type { Outcome } from '#core/reply/outcome.ts';
import { reasonRow } from '#core/reply/reasons.ts';
import type { NextHopBoard } from '#pipeline/next-hop-board.ts';
import type { Clock, Timer, Watch } from '#pipeline/ports.ts';
import { ASK_AGAIN_MS, RateClock } from './rate-clock.ts';
import { TurnsRecord } from './turns-record.ts';

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

/**
 * Entered: an attempt may be made until `leave` is called. Or how long it takes until the job's turn; null: too long
 * for a queue's delay, so that the row waits for the sweep.
 */
export type Entry =
  | { readonly leave: () => void }
  /** `inLine`: it has its place in line from now on. */
  | { readonly laterMs: number | null; readonly inLine: boolean };

type Hop = {
  readonly name: string;
  readonly places: number;
  readonly concurrency: number | null;
  readonly leased: boolean;
  /** Its own, and that of SES's account. */
  readonly rates: readonly RateClock[];
  window: Window;
  busy: number;
  readonly waiting: Set<() => void>;
  /** Of the messages before, how long one took: a running mean. */
  tookMs: number;
  /** When the last one ended. */
  leftAt: number;
  /** Those that are told to come again come one after another. */
  nextReturnAt: number;
  readonly record: TurnsRecord;
  /** Until when the record gives this function a place; 0: it has none. */
  placeUntil: number;
  /** No place was free: not asked again before. */
  askAgainAt: number;
  /** How often in a row no place was free. */
  inVain: number;
};

/** Two rates may take turns at being too late: a job asks so often, and then goes. Each one's instant is its own. */
const TURNS_MAX = 8;
/** How long messages took says nothing of the next one when none ended for so long. */
const TOOK_KNOWN_MS = 60_000;
/** The record says so much longer than it must that jobs come again, so that it is not written for each of them. */
const RETURNS_MORE_MS = 60_000;

export class NextHopGate {
  readonly #ports: GatePorts;
  readonly #terms: GateTerms;
  readonly #hops = new Map<string, Hop>();
  readonly #sesAccount: RateClock;

  constructor(ports: GatePorts, terms: GateTerms) {
    this.#ports = ports;
    this.#terms = terms;
    const record = new TurnsRecord(ports, sesAccountTurns);
    this.#sesAccount = new RateClock(ports, record, ({ messagesPerSecond }) => messagesPerSecond);
  }

  /**
   * Waits for a place and an instant, a moment at most. `inLine`: the job had its place in line, and is told the next
   * chance, not another place. Throws where the ledger does; then nothing is taken.
   */
  async enter(name: string, signal: AbortSignal, inLine = false): Promise<Entry> {
    const hop = this.#hop(name);
    if (!(await this.#localPlace(hop, signal))) return this.#returns(hop, 0, inLine);
    let entry: Entry | null = null;
    try {
      const laterMs = await this.#leasedPlace(hop);
      entry = laterMs === null ? await this.#turn(hop, signal, inLine) : await this.#returns(hop, laterMs, inLine);
    } finally {
      if (entry === null || !('leave' in entry)) this.#free(hop);
    }
    return entry;
  }

  async #turn(hop: Hop, signal: AbortSignal, inLine: boolean): Promise<Entry> {
    const untils = new Map<RateClock, number>();
    const isOver = (rate: RateClock) => (untils.get(rate) ?? 0) <= this.#ports.clock.now();
    let last: RateClock | null = null;
    // An instant of the one rate may be over when the message has that of the other. The last one is the message's, and
    // a timer that is late does not take it away.
    const wanting = () => hop.rates.find((rate) => rate !== last && isOver(rate));
    for (let i = 0, rate = wanting(); rate !== undefined && i < TURNS_MAX; i++, rate = wanting()) {
      last = rate;
      const turn = await rate.turn(signal, inLine);
      if ('until' in turn) untils.set(rate, turn.until);
      else if (inLine) return { laterMs: this.#spread(hop, turn.laterMs, rate.spacingMs() ?? 0), inLine };
      else return { laterMs: await rate.placeInLine(turn.laterMs), inLine: true };
    }
    return { leave: this.#leave(hop) };
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
    await Promise.all([...this.#hops.values()].map(({ record }) => record.settled()));
  }

  #hop(name: string): Hop {
    const known = this.#hops.get(name);
    if (known !== undefined) return known;
    const { settings } = this.#terms;
    const given = Object.hasOwn(settings.nextHops, name) ? settings.nextHops[name] : undefined;
    const concurrency = given !== undefined && 'concurrency' in given ? given.concurrency : null;
    const perSecond = (given !== undefined && 'messagesPerSecond' in given ? given.messagesPerSecond : null) ?? null;
    const functions = settings.concurrency.relay + settings.concurrency.slowRelay;
    const share = shareOf(concurrency, functions, jobsPerBatchMax);
    const record = new TurnsRecord(this.#ports, name);
    const own = perSecond === null ? [] : [new RateClock(this.#ports, record, () => perSecond)];
    const hop: Hop = {
      ...{ name, ...share, concurrency, record },
      rates: leavesBySes(name, settings) ? [...own, this.#sesAccount] : own,
      ...{
        window: { size: share.places, halvedAt: 0 },
        busy: 0,
        waiting: new Set(),
        tookMs: 0,
        leftAt: 0,
        nextReturnAt: 0,
      },
      ...{ placeUntil: 0, askAgainAt: 0, inVain: 0 },
    };
    this.#hops.set(name, hop);
    return hop;
  }

  /** One of this function's own places; false: it is too long until one is free. */
  async #localPlace(hop: Hop, signal: AbortSignal): Promise<boolean> {
    // Before a next hop recovered, its attempts took minutes.
    if (hop.busy === 0 && this.#ports.clock.now() - hop.leftAt > TOOK_KNOWN_MS) hop.tookMs = 0;
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
      hop.leftAt = this.#ports.clock.now();
      const tookMs = hop.leftAt - since;
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
    const { clock } = this.#ports;
    if (clock.now() < hop.askAgainAt) return hop.askAgainAt - clock.now();
    let until = await this.#takePlace(hop);
    if (until === null) {
      // By the record as it was when this function last wrote it.
      await hop.record.read();
      until = await this.#takePlace(hop);
    }
    if (typeof until === 'number') {
      hop.placeUntil = until;
      hop.inVain = 0;
      return null;
    }
    // All that wait come again with it, each by a queue: the place may be a dead function's for minutes.
    const waitMs = Math.min(ASK_AGAIN_MS * 2 ** hop.inVain, gatePlaceMsMax);
    hop.inVain += 1;
    hop.askAgainAt = clock.now() + waitMs;
    return waitMs;
  }

  #takePlace(hop: Hop): Promise<number | 'contended' | null> {
    const { holder, placeMs } = this.#terms;
    return hop.record.change((turns) => {
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
      await hop.record.change((turns) => {
        // Others of this function may have come meanwhile: then the place is theirs.
        if (hop.busy > 0) return null;
        return { turns: withoutPlace(turns, this.#terms.holder), made: true };
      });
    } catch (error) {
      this.#ports.watch.error('next-hop.place-not-given-back', { nextHop: hop.name, error: String(error) });
    }
  }

  /** No place is free: the job comes again, and the record says so, because a sweep must not take it for lost. */
  async #returns(hop: Hop, laterMs: number, inLine: boolean): Promise<Entry> {
    const { clock } = this.#ports;
    const inMs = this.#spread(hop, laterMs, hop.tookMs / Math.floor(hop.window.size));
    const at = clock.now() + inMs;
    if (hop.record.turns.returnsUntil < at)
      await hop.record.change((turns) =>
        turns.returnsUntil >= at ? null : { turns: { ...turns, returnsUntil: at + RETURNS_MORE_MS }, made: null },
      );
    return { laterMs: inMs, inLine };
  }

  /** When the job is to come again: after those of this function that were told so before. */
  #spread(hop: Hop, laterMs: number, eachMs: number): number {
    const now = this.#ports.clock.now();
    const at = Math.max(hop.nextReturnAt, now + Math.max(laterMs, ASK_AGAIN_MS));
    hop.nextReturnAt = at + eachMs;
    return at - now;
  }
}
