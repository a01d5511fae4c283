// What a delivery becomes when its lifetime is over. The sweep calls it, and expiry-limit.ts reads its reason. Behind a
// next hop that takes nothing, the failed attempt of another message stands for the last one of this row, and the row
// says so. Pure. It never decides that a lifetime is over: sweep-decision.ts does.

import { claimsMax } from '#core/limits.ts';
import { REASONS, reasonRow } from '#core/reply/reasons.ts';
import { parseStatus, type Status, statusOf } from '#core/reply/status.ts';
import { become } from './become.ts';
import type { DeliveryRow } from './delivery.ts';
import { type Progress, traced, withDoubt } from './trace.ts';
import type { HopDown } from './waiting.ts';

/** Why its lifetime ends: it crashed us, its last attempt's reason, or there was no attempt. */
export function expiryReason(row: DeliveryRow): string {
  return row.claims >= claimsMax ? 'poison' : (row.lastReason ?? 'never-attempted');
}

/**
 * RFC 3463 X.4.7: the last real 4.y.z where an attempt gave one, else 4.4.7. A delivery that only ever crashed us is
 * 5.3.0.
 */
export function afterExpiry(
  given: DeliveryRow,
  now: number,
  sweepAgainMs: number,
  down: HopDown | null = null,
): Progress {
  const row = down === null ? given : quoting(given, down);
  const reason = expiryReason(row);
  const atExpiry = reasonRow(reason)?.atExpiry ?? null;
  const status =
    atExpiry === null ? (row.lastStatus ?? statusOf(REASONS['never-attempted'].status)) : statusOf(atExpiry);
  const event = traced(row, 'EXPIRE', now, { attempt: null, status, reason, reply: row.lastReply });
  const change = { reason, lastStatus: status, lastReason: reason, leaseUntil: null, dueAt: now + sweepAgainMs };
  const expired = become(row, 'expired', change);
  const said = row.hopFailed === undefined ? {} : { detail: quotedInWords(row.hopFailed) };
  return withDoubt({ events: [{ ...event, ...said }], row: expired }, row.claims, now);
}

/**
 * The row with the last failure of its next hop in place of its own, unless its own attempt came later. The status is
 * of class 4, as that of every deferral (core/reply/classify.ts).
 */
export function quoting(row: DeliveryRow, { since, failure }: HopDown): DeliveryRow {
  if (row.lastAttemptAt !== null && row.lastAttemptAt >= failure.at) return row;
  const { lastRule: _, unrecognised: __, ...rest } = row;
  return {
    ...rest,
    lastReply: failure.reply,
    lastStatus: statusOfFailure(failure),
    lastReason: failure.reason,
    lastDetail: failure.detail,
    hopFailed: { since, at: failure.at },
  };
}

function statusOfFailure({ reply, reason }: HopDown['failure']): Status {
  const general = reasonRow(reason)?.status ?? REASONS.unreachable.status;
  return parseStatus(`4${(reply?.status ?? general).slice(1)}`) ?? statusOf(REASONS.unreachable.status);
}

function quotedInWords({ since, at }: NonNullable<DeliveryRow['hopFailed']>): string {
  const instant = (ms: number) => new Date(ms).toISOString();
  return `the next hop has taken nothing since ${instant(since)}; its failure of ${instant(at)} was another message's`;
}
