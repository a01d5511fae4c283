// Takes a row's lease for one attempt. Called by relay and by returned. It decides what the claim itself shows: an
// earlier attempt without a recorded end, or too many of these. It never waits for a lease and reads nothing first: one
// conditional write decides.

import type { Settings } from '#config/settings.ts';
import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { isUnderWay } from '#core/delivery/delivery.ts';
import { afterPoison } from '#core/delivery/progress.ts';
import { claimsMax } from '#core/limits.ts';
import type { Clock, Job, Ledger, Watch } from './ports.ts';
import { recordOn } from './record.ts';

export type ClaimPorts = {
  readonly settings: Settings;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly watch: Watch;
  readonly leaseMs: number;
};

/** The row, or null where the job has nothing to do. `stage` opens the log events. */
export async function claim(ports: ClaimPorts, job: Job, stage: 'relay' | 'returned'): Promise<DeliveryRow | null> {
  const now = ports.clock.now();
  const result = await ports.ledger.claim(job, { now, leaseUntil: now + ports.leaseMs });
  if (result.kind === 'refused') {
    // Jobs may be duplicated, late or lost without harm. Only a job without a row may mean lost mail.
    if (result.row === null) ports.watch.error(`${stage}.row-missing`, { ...job });
    return null;
  }
  const row = result.row;
  const { spoolId, deliveryKey, forwardPath, nextHop, attempts } = row;
  const fields = { spoolId, deliveryKey, forwardPath, nextHop, attempt: attempts };
  if (row.claims > 1) {
    ports.watch.count('PossibleDuplicate');
    ports.watch.warn(`${stage}.possible-duplicate`, fields);
  }
  if (row.claims !== claimsMax) return row; // beyond it: a redriven job, which may run
  ports.watch.count('Poison');
  ports.watch.error(`${stage}.poison`, { ...fields, claims: row.claims });
  const { row: marked } = await recordOn(ports, row, (current) =>
    isUnderWay(current.state) ? afterPoison(current, now, ports.settings.retry.delayNoticeMs) : null,
  );
  return isUnderWay(marked.state) ? marked : null; // somebody settled it meanwhile: nothing is left to attempt
}
