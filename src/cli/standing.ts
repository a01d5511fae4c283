// A delivery's state as the verbs show it: the state, why it is held, and the reason. The lists of `release`, `hold`
// and `remove` use it, and so does `trace`. Pure. It is for display, and nothing is decided by it.

import { heldBecauseOf } from '#core/delivery/become.ts';
import type { DeliveryRow, HeldBecause } from '#core/delivery/delivery.ts';

export type Standing = {
  readonly state: string | null;
  /** Null where it is not held. */
  readonly heldBecause: HeldBecause | null;
  /** The reason of its state, with the trace's detail; null: it needs none, or there is no row. */
  readonly reason: string | null;
};

export function standingOf(row: DeliveryRow | null): Standing {
  if (row === null) return { state: null, heldBecause: null, reason: null };
  return { state: row.state, heldBecause: heldBecauseOf(row), reason: reasonOf(row) };
}

/** The last HOLD event has the detail of the row's reason, where it is about that reason. */
function reasonOf({ state, stateReason, trace }: DeliveryRow): string | null {
  if (stateReason === null || (state !== 'held' && state !== 'quarantined')) return stateReason;
  const said = trace.findLast(({ event }) => event === 'HOLD')?.reason ?? '';
  return said.startsWith(`${stateReason}:`) ? said : stateReason;
}

/** `held, foreign-author: …`, `held, notice-not-delivered (notice failed: …)`, `quarantined, policy-spam`. */
export function stateInWords({ state, heldBecause, reason }: Standing): string {
  const kept = state === 'held' || state === 'quarantined';
  if (!kept || (heldBecause === null && reason === null)) return state ?? '';
  if (heldBecause === null) return `${state}, ${reason}`;
  if (reason === null || reason.split(':', 1)[0] === heldBecause) return `${state}, ${reason ?? heldBecause}`;
  return `${state}, ${heldBecause} (${reason})`;
}
