// The level WaitsForPerson, all that will not move, or not in time, unless a person acts, and the part of SesSending
// that SES refused (ses-sending.ts). Called by levels.ts. The first adds up rows that are held, rows that are tried
// again in vain until a person acts, dead letters of work, and pauses that are a day old. What enters is counted by
// entered.ts. Quarantined mail has an end of its own, and the digest tells of it. It changes nothing.

import type { Settings } from '#config/settings.ts';
import { leavesBySes } from '#core/delivery/destination.ts';
import type { PersonClass } from '#core/delivery/due-class.ts';
import { isCanary } from '#core/delivery/key.ts';
import { isKept, type Pauses } from '#core/delivery/pause.ts';
import { pausedAlarmHours } from '#core/limits.ts';
import type { DueRow } from '#pipeline/ports.ts';

export type PersonCounts = {
  /** Deferred until the operator corrects something. */
  readonly operator: number;
  /** We cannot process them: their content cannot be read, or attempts end without a result. */
  readonly unprocessed: number;
  /** Of `operator`, what SES refuses: a next hop of kind `ses`, and notices that leave by SES. */
  readonly refusedBySes: number;
};
export type PersonParts = Omit<PersonCounts, 'refusedBySes'> & {
  readonly held: number;
  readonly deadLetters: number;
  /** Pauses that have stood for a day. */
  readonly paused: number;
};

/** Counts rows that no pause keeps, one after the other, and keeps none. A canary has an alarm of its own. */
export function personCounts(
  settings: Pick<Settings, 'nextHops'>,
  pauses: Pauses,
): { take(row: DueRow, dueClass: PersonClass): void; readonly counts: PersonCounts } {
  const counts = { operator: 0, unprocessed: 0, refusedBySes: 0 };
  return {
    counts,
    take(row, dueClass) {
      if (isKept(row, pauses) || isCanary(row)) return;
      counts[dueClass] += 1;
      if (dueClass === 'operator' && leavesBySes(row.nextHop, settings)) counts.refusedBySes += 1;
    },
  };
}

export function personParts(
  counted: Pick<PersonParts, 'held' | 'deadLetters'>,
  { operator, unprocessed }: PersonCounts,
  { now, standing }: Pauses,
  hourMs: number,
): PersonParts {
  const paused = standing.filter(({ since }) => now - since >= pausedAlarmHours * hourMs).length;
  return { ...counted, operator, unprocessed, paused };
}
