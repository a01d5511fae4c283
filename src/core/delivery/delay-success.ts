// The delay notice (RFC 5321 §4.5.4.1, RFC 3464 §2.3.3 "delayed"), sent once, and the success notice for a submitter
// that requested it (RFC 3461 §5.2.2, "relayed"), and how a row records them. No state of a delivery depends on them.
// Such a notice stands in the row until another replaces it; the trace keeps all. It never decides whether a notice may
// be sent: core/notice/permission.ts does.

import { become } from './become.ts';
import type { DeliveryRow, DeliveryState, NoticeSummary } from './delivery.ts';
import { isHeldFailure, isUnderWay } from './delivery.ts';
import type { Progress } from './trace.ts';
import { traced, withDoubt } from './trace.ts';

/**
 * The instant from which a delay notice is due, also in the past; null where one was sent, a reason against it is
 * recorded, or none will ever be due. `endsAt`: its lifetime's end, where pauses have extended it.
 */
export function delayNoticeAt(
  row: DeliveryRow,
  delayNoticeMs: number | null,
  endsAt: number = row.expiresAt,
): number | null {
  if (delayNoticeMs === null || row.kind === 'notice' || row.notice !== null) return null;
  if (!isUnderWay(row.state) && !isHeldFailure(row)) return null;
  // Its recipient may have had it for days: a warning would be about nothing.
  if (row.resubmitted !== undefined) return null;
  const at = row.acceptedAt + delayNoticeMs;
  return at < endsAt ? at : null;
}

export type DelayOrSuccessKind = 'delay' | 'uncertain' | 'success';

export function isDelayOrSuccessKind(kind: DeliveryRow['noticeKind']): kind is DelayOrSuccessKind {
  return kind === 'delay' || kind === 'uncertain' || kind === 'success';
}

/** Marks a relayed delivery as uncertain, in ledgers and traces. */
export const bounceWithoutReport = 'bounce-without-report';

/** SES reported a bounce that gives no result, and its sender has no notice of it: the message may not have arrived. */
export function isUncertainNoticeDue(row: DeliveryRow): boolean {
  return row.kind === 'delivery' && row.state === 'relayed' && row.dueAt !== null && row.uncertain?.told === false;
}

/**
 * The next hop accepted it, its submitter requested a success notice, and we are the last that can send one. Sent once,
 * also after a resubmission.
 */
export function wantsSuccessNotice(row: DeliveryRow): boolean {
  const asked = row.kind === 'delivery' && !row.copy && row.dsn?.notify?.includes('SUCCESS') === true;
  return asked && row.notice?.kind !== 'success';
}

/** `dueAt` stands until the notice is written, or it is said why there is none. */
export function isSuccessNoticeDue(row: DeliveryRow): boolean {
  return (row.state === 'relayed' || row.state === 'confirmed') && row.dueAt !== null && wantsSuccessNotice(row);
}

type Told = { readonly via: string; readonly to: string; readonly messageIdField: string };

/** The notice is written and queued. Until the row says so the sweep asks for it again. */
export function withDelayOrSuccessNoticeQueued(
  row: DeliveryRow,
  kind: DelayOrSuccessKind,
  notice: Told,
  now: number,
): Progress {
  const reason = `${kind} notice queued to ${notice.to}`;
  return {
    row: { ...told(row, kind), notice: summary(kind, 'queued', now, notice, null), dueAt: dueAfter(row, kind) },
    events: [dsn(row, now, reason, notice.via)],
  };
}

/**
 * No notice may be sent: the delivery itself goes on as it was. `reason` is one of core/notice/permission.ts's names.
 */
export function withDelayOrSuccessNoticeWithheld(
  row: DeliveryRow,
  kind: DelayOrSuccessKind,
  reason: string,
  state: 'unreturnable' | 'held',
  now: number,
): Progress {
  const what = { attempt: null, status: row.lastStatus, reason: `${kind} notice: ${reason}`, reply: null };
  return {
    row: { ...told(row, kind), notice: summary(kind, state, now, null, reason), dueAt: dueAfter(row, kind) },
    events: [traced(row, 'SUPPRESSED', now, what, null)],
  };
}

/** The notice's own delivery came to an end. Null where the row speaks of another notice by now. */
export function withDelayOrSuccessNoticeSettled(row: DeliveryRow, notice: DeliveryRow, now: number): Progress | null {
  const kind = notice.noticeKind;
  if (kind === null || row.notice?.kind !== kind || row.notice.state !== 'queued') return null;
  const accepted = notice.state === 'relayed' || notice.state === 'confirmed';
  const reason = accepted ? null : (notice.stateReason ?? notice.state);
  const state = accepted ? 'relayed' : 'unreturnable';
  const said = accepted
    ? `${kind} notice accepted for ${notice.forwardPath}`
    : `${kind} notice not delivered: ${reason}`;
  return {
    row: { ...row, notice: { ...row.notice, state, via: notice.nextHop, at: now, reason } },
    events: [dsn(row, now, said, notice.nextHop)],
  };
}

/** The delivery came to its end before the notice could be sent: telling of a delay now would only confuse. */
export function withDelayNoticeDropped(notice: DeliveryRow, now: number): Progress {
  const what = { attempt: null, status: null, reason: 'delivery-settled', reply: null };
  const change = { reason: 'delivery-settled', claims: 0, leaseUntil: null, dueAt: null };
  const row = become(notice, 'removed', change);
  return withDoubt({ row, events: [traced(notice, 'DROP', now, what)] }, notice.claims - 1, now);
}

/** A delivery under way is looked at for its own sake; one that was relayed, for its notice alone. */
function dueAfter(row: DeliveryRow, kind: DelayOrSuccessKind): number | null {
  return kind === 'delay' || (kind === 'success' && isUncertainNoticeDue(row)) ? row.dueAt : null;
}

function told(row: DeliveryRow, kind: DelayOrSuccessKind): DeliveryRow {
  if (kind !== 'uncertain' || row.uncertain === undefined) return row;
  return { ...row, uncertain: { ...row.uncertain, told: true } };
}

function summary(
  kind: DelayOrSuccessKind,
  state: DeliveryState,
  at: number,
  told: Told | null,
  reason: string | null,
): NoticeSummary {
  const { via, to, messageIdField } = told ?? { via: null, to: null, messageIdField: null };
  return { kind, state, via, to, messageIdField, at, reason };
}

function dsn(row: DeliveryRow, now: number, reason: string, nextHop: string) {
  return traced(row, 'DSN', now, { attempt: null, status: row.lastStatus, reason, reply: null }, nextHop);
}
