// The ports that relay uses, and the settings and limits it is given. Made by lambdas/relay.ts and by the test
// pipeline; used by every file of this folder.

import type { Settings } from '#config/settings.ts';
import type { HealthTerms } from '#core/delivery/next-hop-health.ts';
import type { MarkKey } from '#core/message/mark-key.ts';
import type { BoardView } from '#pipeline/next-hop-board.ts';
import type { OutcomeTally } from '#pipeline/outcome-tally.ts';
import type { BounceService, Clock, Entropy, JobQueue, Ledger, NextHop, Spool, Timer, Watch } from '#pipeline/ports.ts';
import type { WaitingIndex } from '#pipeline/waiting-index.ts';
import type { ByteBudget } from './byte-budget.ts';
import type { FailureCounts } from './failure-counts.ts';
import type { NextHopGate } from './next-hop-gate.ts';

export type RelayPorts = {
  readonly settings: Settings;
  readonly spool: Spool;
  readonly ledger: Ledger;
  /** What waits, for the digest. */
  readonly waiting: WaitingIndex;
  /** Next hops' health and the pauses, as this function knows them. */
  readonly board: BoardView;
  /** Kept between invocations: `concurrency` and `messagesPerSecond` of next hops. */
  readonly gate: NextHopGate;
  readonly slowRelayQueue: JobQueue;
  readonly bounceQueue: JobQueue;
  readonly nextHop: (name: string) => NextHop | null;
  /** Null where no notice can need it. */
  readonly bounceService?: BounceService | null;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly watch: Watch;
  readonly budget: ByteBudget;
  readonly markKey: MarkKey;
  /**
   * Of SRS: the first one signs, all are accepted. Absent where no action uses it. Throws where they cannot be read.
   */
  readonly srsSecrets?: (() => Promise<readonly string[]>) | undefined;
  readonly failures: FailureCounts;
  /** Kept between invocations. */
  readonly outcomes: OutcomeTally;
  readonly leaseMs: number;
  readonly health: HealthTerms;
  readonly timer: Timer;
  readonly sweepAgainMs: number;
};
