// When a sender is told that a delivery is late, once, and what the row says of it (RFC 5321 §4.5.4.1, RFC 3464 §2.3.3 "delayed").
// The notice of the delay stands in the row until a failure's notice takes its place; the trace keeps both. It never decides whether
// a notice may be sent at all: core/notice.ts does.

import type { DeliveryRow, DeliveryState, NoticeSummary } from './delivery.ts';
import { isUnderWay, transition } from './delivery.ts';
import type { Progress } from './progress.ts';
import { traced } from './progress.ts';

/** The instant from which the sender must be told, also in the past; null where he has been, or a reason why not is recorded, or never will be. */
export function delayNoticeAt(row: DeliveryRow, delayNoticeMs: number | null): number | null {
  if (delayNoticeMs === null || row.kind === 'notice' || row.notice !== null || !isUnderWay(row.state)) return null;
  const at = row.acceptedAt + delayNoticeMs;
  return at < row.expiresAt ? at : null;
}

type Told = { readonly via: string; readonly to: string; readonly messageIdField: string };

/** The notice is written and queued. Until the row says so the sweep asks for it again. */
export function withDelayNoticeQueued(row: DeliveryRow, notice: Told, now: number): Progress {
  const reason = `delay notice queued to ${notice.to}`;
  return { row: { ...row, notice: summary('queued', now, notice, null) }, events: [dsn(row, now, reason, notice.via)] };
}

/** No notice may be sent: the delivery itself goes on as it was. `reason` is one of core/notice.ts's names. */
export function withDelayNoticeWithheld(
  row: DeliveryRow,
  reason: string,
  state: 'unreturnable' | 'held',
  now: number,
): Progress {
  const what = { attempt: null, status: row.lastStatus, reason: `delay notice: ${reason}`, reply: null };
  return {
    row: { ...row, notice: summary(state, now, null, reason) },
    events: [traced(row, 'SUPPRESSED', now, what, null)],
  };
}

/** The notice's own delivery came to an end. Null where the row speaks of another notice by now. */
export function withDelayNoticeSettled(row: DeliveryRow, notice: DeliveryRow, now: number): Progress | null {
  if (row.notice?.kind !== 'delay' || row.notice.state !== 'queued') return null;
  const accepted = notice.state === 'relayed' || notice.state === 'confirmed';
  const reason = accepted ? null : (notice.stateReason ?? notice.state);
  const state = accepted ? 'relayed' : 'unreturnable';
  const said = accepted ? `delay notice accepted for ${notice.forwardPath}` : `delay notice not delivered: ${reason}`;
  return {
    row: { ...row, notice: { ...row.notice, state, via: notice.nextHop, at: now, reason } },
    events: [dsn(row, now, said, notice.nextHop)],
  };
}

/** The delivery came to its end before the notice could be sent: telling of a delay now would only confuse. */
export function withDelayNoticeDropped(notice: DeliveryRow, now: number): Progress {
  const what = { attempt: null, status: null, reason: 'delivery-settled', reply: null };
  return {
    row: {
      ...notice,
      state: transition(notice.state, 'removed'),
      stateReason: 'delivery-settled',
      claims: 0,
      leaseUntil: null,
      dueAt: null,
    },
    events: [traced(notice, 'DROP', now, what)],
  };
}

function summary(state: DeliveryState, at: number, told: Told | null, reason: string | null): NoticeSummary {
  const { via, to, messageIdField } = told ?? { via: null, to: null, messageIdField: null };
  return { kind: 'delay', state, via, to, messageIdField, at, reason };
}

function dsn(row: DeliveryRow, now: number, reason: string, nextHop: string) {
  return traced(row, 'DSN', now, { attempt: null, status: row.lastStatus, reason, reply: null }, nextHop);
}
