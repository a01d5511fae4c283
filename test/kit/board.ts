// What relay and the sweep need of next hops' health, and stages of the figures that alarms stand on, in memory, for
// tests that say nothing about it.

import { MemoryAccepted } from '#adapters/memory/accepted.ts';
import { MemoryBoard } from '#adapters/memory/board.ts';
import type { MemoryClock } from '#adapters/memory/clock.ts';
import { MemoryFailures } from '#adapters/memory/failures.ts';
import type { Interrupt } from '#adapters/memory/interrupt.ts';
import { MemoryOutcomes } from '#adapters/memory/outcomes.ts';
import { WaitingRows } from '#adapters/memory/waiting-rows.ts';
import { healthTerms, unknownHealth } from '#core/delivery/next-hop-health.ts';
import { hopTimes } from '#core/delivery/waiting.ts';
import {
  boardEveryMs,
  concurrencyDefault,
  expiryHourMs,
  failureLimitMs,
  slotsPerHour,
  smtpLeaseMs,
} from '#core/limits.ts';
import { AcceptedNotes, type AcceptedSlots } from '#pipeline/accepted-slots.ts';
import { BoardView, type NextHopBoard } from '#pipeline/next-hop-board.ts';
import { type OutcomeStore, OutcomeTally } from '#pipeline/outcome-tally.ts';
import type { Clock, JobQueue, Timer, Watch } from '#pipeline/ports.ts';
import { FailureCounts, type FailureStore } from '#pipeline/relay/failure-counts.ts';
import { type GateTerms, NextHopGate } from '#pipeline/relay/next-hop-gate.ts';
import { AcceptedView, type NoMailPorts, publishNoMail } from '#pipeline/sweep/no-mail.ts';
import { publishFailureShare } from '#pipeline/sweep/outcomes-level.ts';

export function boardOf(
  { clock, watch }: { readonly clock: Clock; readonly watch: Watch },
  board = new MemoryBoard(),
): BoardView {
  return new BoardView({ board, clock, watch }, boardEveryMs);
}

export type GateBeside = {
  /** Absent: the next hops have no limits. */
  readonly settings?: GateTerms['settings'];
  readonly clock: Clock;
  readonly timer: Timer;
  readonly watch: Watch;
  readonly board?: Pick<NextHopBoard, 'readTurns' | 'writeTurns'>;
  readonly holder?: string;
};
export function gateOf({ settings = NO_LIMITS, clock, timer, watch, board, holder = 'one' }: GateBeside): NextHopGate {
  return new NextHopGate(
    { board: board ?? new MemoryBoard(), clock, timer, watch, closeIdle: async () => {} },
    { settings, holder, placeMs: smtpLeaseMs },
  );
}

const NO_LIMITS: GateTerms['settings'] = { nextHops: {}, concurrency: { ...concurrencyDefault, reserve: false } };

export function failuresOf(
  given: { readonly clock: Clock; readonly watch: Watch },
  store: FailureStore = new MemoryFailures(),
): FailureCounts {
  return new FailureCounts({ ...given, store }, failureLimitMs);
}

export function outcomesOf(
  given: { readonly clock: Clock; readonly watch: Watch },
  store: OutcomeStore = new MemoryOutcomes(),
): OutcomeTally {
  return new OutcomeTally({ ...given, store }, expiryHourMs);
}

export function acceptedOf({ watch }: { readonly watch: Watch }, slots: AcceptedSlots = new MemoryAccepted()) {
  return new AcceptedNotes({ slots, watch }, expiryHourMs / slotsPerHour);
}

/** A queue that is sent nothing. */
const noQueue: JobQueue = {
  send: async () => {
    throw new Error('no job should come here');
  },
  depth: async () => ({ visible: 0, inFlight: 0 }),
};

/** Relay's ports beside those that a test is about. */
export function relayBeside(given: { readonly clock: MemoryClock; readonly watch: Watch }) {
  const timer = given.clock;
  return {
    ...{ board: boardOf(given), slowRelayQueue: noQueue, health: healthTerms(1), timer },
    waiting: new WaitingRows({ all: () => [] }),
    gate: gateOf({ ...given, timer }),
    failures: failuresOf(given),
    outcomes: outcomesOf(given),
  };
}

/** The sweep's, likewise. */
export function sweepBeside(given: { readonly clock: Clock; readonly watch: Watch }) {
  return { board: boardOf(given), slowRelayQueue: noQueue, hopTimes: hopTimes(1) };
}

/** The next hop is not new: it has accepted mail before this test. */
export async function acceptedBefore({ board }: { readonly board: MemoryBoard }, nextHop = 'exchange'): Promise<void> {
  await board.writeHealth({ ...unknownHealth(nextHop), firstAcceptedAt: 1 });
}

/** The counts of the failure limit. Each invocation is a function of its own, unless one is `kept`. */
export class Failures {
  readonly store = new MemoryFailures();
  kept: FailureCounts | null = null;

  of(given: { readonly clock: Clock; readonly watch: Watch }, interrupt: Interrupt): FailureCounts {
    return this.kept ?? failuresOf(given, interrupt.wrap('failures', this.store));
  }
}

/** The figures that alarms stand on, of one function that outlives its invocations. */
export class Figures {
  readonly outcomes = new MemoryOutcomes();
  readonly accepted = new MemoryAccepted();
  readonly tally: OutcomeTally;
  readonly #view = new AcceptedView(this.accepted);
  readonly #watch: Watch;

  constructor(given: { readonly clock: Clock; readonly watch: Watch }) {
    this.tally = outcomesOf(given, this.outcomes);
    this.#watch = given.watch;
  }

  notes(interrupt: Interrupt): AcceptedNotes {
    return acceptedOf({ watch: this.#watch }, interrupt.wrap('accepted', this.accepted));
  }

  async publish(ports: Omit<NoMailPorts, 'accepted'>): Promise<void> {
    await publishFailureShare({ ...ports, outcomes: this.outcomes });
    await publishNoMail({ ...ports, accepted: this.#view });
  }
}
