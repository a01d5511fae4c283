// The ports that the levels use, and the limits they are given. Made by lambdas/sweep.ts and by the test pipeline; used
// by levels.ts and held-walk.ts.

import type { Settings } from '#config/settings.ts';
import type { BoardView } from '#pipeline/next-hop-board.ts';
import type { Clock, Ledger, Watch } from '#pipeline/ports.ts';
import type { SesAccountView } from '#pipeline/ses-account.ts';
import type { SesSetUpView } from '#pipeline/ses-set-up.ts';
import type { WaitingIndex } from '#pipeline/waiting-index.ts';
import type { WatchedQueues } from './entered.ts';
import type { Lasting } from './lasting.ts';

export type LevelPorts = {
  readonly settings: Settings;
  readonly ledger: Ledger;
  readonly waiting: WaitingIndex;
  readonly board: BoardView;
  readonly clock: Clock;
  readonly watch: Watch;
  readonly sweepAgainMs: number;
  /** An hour of the clock, in milliseconds: the local runtime's may be shorter. */
  readonly hourMs: number;
  readonly queues: WatchedQueues;
  /** Null: nothing of the configuration leaves by SES. */
  readonly sesAccount: Pick<SesAccountView, 'account'> | null;
  readonly sesSetUp: Pick<SesSetUpView, 'faults'>;
  /** One for each function instance. */
  readonly lasting: Lasting;
};
