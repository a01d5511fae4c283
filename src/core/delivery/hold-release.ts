// How deliveries are held and how that ends: quarantine by policy, hold by an operator; release, removal, discard.
// Stages and verbs call it. Pure: every function takes a row and the present instant. Every change leaves a trace
// event.

import type { TableReason } from '#core/reply/reasons.ts';
import type { Status } from '#core/reply/status.ts';
import { become, heldBecauseOf, hold, releasedFromOf } from './become.ts';
import type { DeliveryRow, HeldBecause, TraceEvent, TraceEventName } from './delivery.ts';
import type { Progress } from './trace.ts';
import { traced, withDoubt } from './trace.ts';

/** Kept by policy until the instant `until`; then the sweep discards it, unless an operator has released it. */
export function quarantinedAtBirth(row: DeliveryRow, reason: TableReason, until: number, now: number): DeliveryRow {
  const trace = [...row.trace, event(row, 'HOLD', reason, now)];
  return become(row, 'quarantined', { reason, dueAt: until, trace });
}

/** Ended by an explicit route before anything was tried. */
export function discardedAtBirth(row: DeliveryRow, reason: TableReason, now: number): DeliveryRow {
  const { row: next, events } = discarded(row, reason, now);
  return { ...next, trace: [...row.trace, ...events] };
}

/**
 * Ended without a notice, on purpose: by an explicit route, or because its quarantine is over. `own`: claims of who
 * ends it, and sent nothing.
 */
export function discarded(row: DeliveryRow, reason: string, now: number, own = 0): Progress {
  return withDoubt(ended(row, 'discarded', 'DROP', reason, now), row.claims - own, now);
}

/**
 * Refused without an attempt, by a route that changed meanwhile or by an operator. Bounce sends the sender a notice, or
 * records why it sends none.
 */
export function refused(
  row: DeliveryRow,
  why: { readonly reason: TableReason; readonly status: Status; readonly detail: string },
  terms: { readonly now: number; readonly sweepAgainMs: number },
  own = 0,
): Progress {
  const { reason, status, detail } = why;
  const { row: next } = ended(row, 'failed', 'FAIL', reason, terms.now);
  const progress = {
    events: [traced(row, 'FAIL', terms.now, { attempt: null, status, reason, reply: null })],
    row: {
      ...next,
      claims: 0,
      dueAt: terms.now + terms.sweepAgainMs,
      lastReply: null,
      lastStatus: status,
      lastReason: reason,
      lastDetail: detail,
    },
  };
  return withDoubt(progress, row.claims - own, terms.now);
}

/** Removed by an operator, who decided that no notice is sent. */
export function removed(row: DeliveryRow, now: number): Progress {
  return withDoubt(ended(row, 'removed', 'DROP', 'removed-by-operator', now), row.claims, now);
}

/**
 * Ends the row that stood for a message, because the message has deliveries now: its receipt came, its envelope could
 * be read, or an operator named the recipients. The deliveries have its facts, which are more than this row had.
 */
export function superseded(
  row: DeliveryRow,
  reason: 'receipt-came' | 'envelope-read' | 'recipients-named',
  now: number,
): Progress {
  const name = reason === 'recipients-named' ? 'RELEASE' : 'DROP';
  const { row: next, events } = ended(row, 'removed', name, reason, now);
  return { row: { ...next, message: null }, events };
}

/** It stays held, and its trace says why the operator's command was not carried out. */
export function stillHeld(row: DeliveryRow, why: string, now: number): Progress {
  return { row, events: [event(row, 'HOLD', why, now)] };
}

/** Stopped by an operator until it is released. */
export function heldByOperator(row: DeliveryRow, now: number): Progress {
  return withDoubt(held(row, 'operator', 'held-by-operator', now), row.claims, now);
}

/** No configured next hop could carry the postmaster's mail: held until one can. */
export function heldForPostmaster(row: DeliveryRow, now: number): Progress {
  const { row: next, events } = held(row, 'no-way-to-the-postmaster', 'no-way-to-the-postmaster', now);
  return { events, row: { ...next, claims: 0 } };
}

function held(row: DeliveryRow, because: HeldBecause, reason: string, now: number): Progress {
  const next = hold(row, 'held', because, { reason, leaseUntil: null, now });
  return { events: [event(row, 'HOLD', reason, now)], row: next };
}

/**
 * Released by an operator, and marked with the cause of the hold. Queued, with a new lifetime. If its job is lost, the
 * sweep finds it.
 */
export function released(
  row: DeliveryRow,
  terms: { readonly now: number; readonly lifetimeMs: number; readonly sweepAgainMs: number },
): Progress {
  const { now } = terms;
  const { lastJobSent: _, ...kept } = row; // it has a fresh lifetime, and another last attempt
  const because = heldBecauseOf(row); // null: it was quarantined
  return {
    events: [event(row, 'RELEASE', row.stateReason, now)],
    row: become(kept, 'released', {
      reason: null,
      attempts: 0,
      claims: 0,
      nextAttemptAt: now,
      expiresAt: now + terms.lifetimeMs,
      leaseUntil: null,
      ...(because === null ? {} : { releasedFrom: [...new Set([...releasedFromOf(row), because])] }),
      notice: row.notice?.kind === 'delay' ? row.notice : null,
      dueAt: now + terms.sweepAgainMs,
    }),
  };
}

function ended(
  row: DeliveryRow,
  command: 'discarded' | 'failed' | 'removed',
  name: TraceEventName,
  reason: string,
  now: number,
): Progress {
  return {
    events: [event(row, name, reason, now)],
    row: become(row, command, { reason, leaseUntil: null, dueAt: null }),
  };
}

function event(row: DeliveryRow, name: TraceEventName, reason: string | null, now: number): TraceEvent {
  return traced(row, name, now, { attempt: null, status: null, reason, reply: null });
}
