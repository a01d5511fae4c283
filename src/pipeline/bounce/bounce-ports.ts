// The ports that bounce uses, and the settings and limits it is given. Made by lambdas/feedback.ts and by the test
// pipeline; used by every file of this folder.

import type { Settings } from '#config/settings.ts';
import type { Clock, JobQueue, Ledger, Watch } from '#pipeline/ports.ts';

export type BouncePorts = {
  readonly settings: Settings;
  readonly ledger: Ledger;
  readonly relayQueue: JobQueue;
  readonly clock: Clock;
  readonly watch: Watch;
  readonly sweepAgainMs: number;
};
