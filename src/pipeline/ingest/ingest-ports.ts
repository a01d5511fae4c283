// The ports that ingest uses, and the settings and limits it is given. Made by lambdas/ingest.ts and by the test
// pipeline; used by every file of this folder.

import type { Settings } from '#config/settings.ts';
import type { MarkKey } from '#core/message/mark-key.ts';
import type { RouteTable } from '#core/routing/routes.ts';
import type { AcceptedNotes } from '#pipeline/accepted-slots.ts';
import type { Clock, JobQueue, Ledger, Spool, Watch } from '#pipeline/ports.ts';
import type { RestoreView } from '#pipeline/restore-record.ts';

export type IngestPorts = {
  readonly settings: Settings;
  readonly routes: RouteTable;
  readonly spool: Spool;
  readonly ledger: Ledger;
  readonly relayQueue: JobQueue;
  readonly bounceQueue: JobQueue;
  readonly feedbackQueue: JobQueue;
  /** Kept between invocations. */
  readonly accepted: AcceptedNotes;
  /** Kept between invocations. */
  readonly restores: RestoreView;
  readonly clock: Clock;
  readonly watch: Watch;
  readonly markKey: MarkKey;
  readonly sweepAgainMs: number;
  /** How old an object without a row may be taken for an orphan. */
  readonly orphanAfterMs: number;
};
