// The next hops of one job, as relay attempts at them: each attempt has ten seconds until it is slow, and what it shows
// of its next hop is kept until the outcome stands in the ledger. Called by relay.ts. It never changes the result of a
// transaction that was made, and a health that cannot be written never fails a job.

import { sightOf } from '#core/delivery/attempt-sight.ts';
import { destinationOf } from '#core/delivery/destination.ts';
import { dependsOnNew, outcomeAtNew } from '#core/delivery/new-next-hop.ts';
import { healthAfter, markedSlow, type Sight } from '#core/delivery/next-hop-health.ts';
import { classify } from '#core/reply/classify.ts';
import type { Outcome } from '#core/reply/outcome.ts';
import type { Job, NextHop, NextHopResult, Transaction } from '#pipeline/ports.ts';
import type { Lane } from './lanes.ts';
import { NextHopTime } from './next-hop-time.ts';
import type { RelayPorts } from './relay-ports.ts';
import type { Later } from './turn.ts';

export class AttemptedHops {
  readonly #ports: RelayPorts;
  readonly #lane: Lane;
  /** The next hop that this job is the probe of; a notice may leave by another one. */
  readonly #probed: string | null;
  readonly #seen: { readonly nextHop: string; readonly sight: Sight; readonly endedAt: number }[] = [];
  readonly #marks: Promise<unknown>[] = [];
  /** The last attempt's next hop never accepted a message, and that makes a difference to the outcome. */
  #atNew = false;
  /** The next hop at which the job has its turn already. */
  readonly #entered: string | null;
  /**
   * The next hop at which nothing was attempted in the end. `later`: its turn comes later; null: the attempt was ended
   * after ten seconds, before MAIL, and the job belongs into the slow lane.
   */
  gaveBack: { readonly nextHop: string; readonly later: Later | null } | null = null;

  constructor(ports: RelayPorts, lane: Lane, job: Job) {
    this.#ports = ports;
    this.#lane = lane;
    this.#entered = job.nextHop ?? null;
    this.#probed = job.probe === true ? this.#entered : null;
  }

  /** As `RelayPorts.nextHop`. */
  readonly nextHop = (name: string): NextHop | null => {
    const inner = this.#ports.nextHop(name);
    if (inner === null) return null;
    return {
      ...(inner.heldPerByte === undefined ? {} : { heldPerByte: inner.heldPerByte }),
      attempt: (transaction, signal) => this.#inTurn(name, inner, transaction, signal),
      close: () => inner.close(),
    };
  };

  /** The outcome as it counts: a new next hop may change it. */
  outcomeOf(outcome: Outcome): Outcome {
    return this.#atNew ? outcomeAtNew(outcome) : outcome;
  }

  /** Writes what the attempts showed. Called when the outcome is recorded; never rejects. */
  async report(): Promise<void> {
    const { board, health: terms } = this.#ports;
    await Promise.all(this.#marks);
    for (const { nextHop, sight, endedAt } of this.#seen)
      await this.#quietly(nextHop, () =>
        board.changeHealth(nextHop, (health) => healthAfter(health, sight, terms, endedAt)),
      );
  }

  /** A notice may leave by another next hop than its row's, and a job of an older version names none. */
  async #inTurn(
    name: string,
    inner: NextHop,
    transaction: Transaction,
    signal: AbortSignal,
  ): Promise<readonly NextHopResult[]> {
    if (this.#hasTurn(name)) return this.#attempt(name, inner, transaction, signal);
    const entry = await this.#ports.gate.enter(name, signal);
    if ('laterMs' in entry) {
      this.gaveBack = { nextHop: name, later: entry };
      return transaction.forwardPaths.map(() => notItsTurn);
    }
    try {
      return await this.#attempt(name, inner, transaction, signal);
    } finally {
      entry.leave();
    }
  }

  /** A report takes the place of a SendBounce that was not made: one message, and one turn of SES's account. */
  #hasTurn(name: string): boolean {
    const entered = this.#entered;
    if (entered === null || name === entered) return name === entered;
    const isReport = destinationOf({ nextHop: name }) === 'ses-report';
    return isReport && destinationOf({ nextHop: entered }) === 'ses-bounce';
  }

  async #attempt(
    name: string,
    inner: NextHop,
    transaction: Transaction,
    signal: AbortSignal,
  ): Promise<readonly NextHopResult[]> {
    const { clock, health } = this.#ports;
    const startedAt = clock.now();
    const patience = new AbortController();
    const time = new NextHopTime(this.#ports, {
      limitMs: health.slowAfterMs,
      onLimit: () => {
        this.#marks.push(this.#markSlow(name));
        if (this.#lane === 'fast') patience.abort();
      },
    });
    let results: readonly NextHopResult[];
    try {
      results = await inner.attempt({ ...timed(transaction, time), patience: patience.signal }, signal);
    } finally {
      time.stop();
    }
    const tookMs = time.spentMs();
    this.#atNew = await this.#isAtNew(name, results[0], startedAt);
    this.#see(name, results[0], { startedAt, tookMs, ranOut: patience.signal.aborted && !signal.aborted });
    return results;
  }

  #see(
    nextHop: string,
    result: NextHopResult | undefined,
    { startedAt, tookMs, ranOut }: { readonly startedAt: number; readonly tookMs: number; readonly ranOut: boolean },
  ): void {
    if (result === undefined) return;
    if (ranOut && result.kind === 'network' && result.fault === 'aborted') {
      this.gaveBack = { nextHop, later: null };
      return;
    }
    const endedAt = this.#ports.clock.now();
    const secretVersion = 'secretVersion' in result ? result.secretVersion : undefined;
    const outcome = classify(result);
    this.#ports.gate.heard(nextHop, outcome, startedAt);
    const sight = sightOf({
      ...{ result, outcome: this.outcomeOf(outcome), tookMs, endedAt, secretVersion },
      ...{ apart: this.#lane === 'slow', probe: this.#probed === nextHop },
    });
    if (sight !== null) this.#seen.push({ nextHop, sight, endedAt });
  }

  /**
   * Whether the next hop had accepted nothing when the attempt began: a function may stand still before it judges.
   * Where the board cannot be read it counts as new: the mail waits, and nobody is told of a failure.
   */
  async #isAtNew(nextHop: string, result: NextHopResult | undefined, startedAt: number): Promise<boolean> {
    if (result === undefined || !dependsOnNew(classify(result))) return false;
    const { board, watch } = this.#ports;
    try {
      const accepted = async () =>
        ((await board.health(nextHop)).firstAcceptedAt ?? Number.POSITIVE_INFINITY) <= startedAt;
      if (await accepted()) return false;
      await board.readAgain();
      return !(await accepted());
    } catch (error) {
      watch.error('next-hop.health-not-read', { nextHop, error: String(error) });
      return true;
    }
  }

  /** While the attempt runs: the jobs behind it shall not wait for its end. */
  async #markSlow(nextHop: string): Promise<void> {
    const { board, clock } = this.#ports;
    await this.#quietly(nextHop, () => board.changeHealth(nextHop, (health) => markedSlow(health, clock.now())));
  }

  async #quietly(nextHop: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#ports.watch.error('next-hop.health-not-written', { nextHop, error: String(error) });
    }
  }
}

/** The transaction, with content whose reads do not count as the next hop's time. */
function timed(transaction: Transaction, time: NextHopTime): Transaction {
  const { content, contentAgain } = transaction;
  if (contentAgain === undefined) return { ...transaction, content: time.content(content) };
  return {
    ...transaction,
    content: time.content(content),
    contentAgain: async () => {
      const again = await time.read(contentAgain);
      return again === null ? null : time.content(again);
    },
  };
}

const notItsTurn: NextHopResult = {
  ...{ kind: 'network', phase: 'connect', fault: 'aborted', host: null },
  detail: 'other messages had their turn',
};
