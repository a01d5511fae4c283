// The level FailureShare: which share of the last hour's outcomes at a next hop are permanent failures, in percent, of
// the next hop where it is highest. Called by each run of the sweep: one Query, of the hour's counts. It writes
// nothing.

import { worstShare } from '#core/delivery/failure-share.ts';
import { slotsPerHour } from '#core/limits.ts';
import type { OutcomeStore } from '#pipeline/outcome-tally.ts';
import type { Clock, Watch } from '#pipeline/ports.ts';

export type FailureSharePorts = {
  readonly outcomes: Pick<OutcomeStore, 'since'>;
  readonly clock: Clock;
  readonly watch: Watch;
  /** An hour of the clock, in milliseconds: the local runtime's may be shorter. */
  readonly hourMs: number;
};

export async function publishFailureShare({ outcomes, clock, watch, hourMs }: FailureSharePorts): Promise<void> {
  const slot = Math.floor((clock.now() * slotsPerHour) / hourMs);
  const worst = worstShare(await outcomes.since(slot - slotsPerHour + 1));
  if (worst !== null) watch.info('sweep.failure-share', worst);
  watch.level('FailureShare', worst?.percent ?? 0);
}
