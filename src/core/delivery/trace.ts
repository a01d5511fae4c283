// Trace events of a delivery, and a row together with the events that explain it. Every file that changes a row uses
// it. Pure. It never decides what a row becomes.

import type { Reply } from '#core/reply/reply.ts';
import type { DeliveryRow, TraceEvent, TraceEventName } from './delivery.ts';

export type Progress = { readonly row: DeliveryRow; readonly events: readonly TraceEvent[] };

/**
 * A delivery that ends while attempts have no recorded result may have been delivered by one of them (DESIGN decision
 * 26): the row, its trace and its notice say so. `unfinished`: claims without a result, less the claim of a worker that
 * ends it without having sent anything.
 */
export function withDoubt(progress: Progress, unfinished: number, now: number): Progress {
  if (unfinished <= 0) return progress;
  const what = { attempt: null, status: null, reason: 'earlier-attempt-unfinished', reply: null };
  const event = traced(progress.row, 'POSSIBLE_DUPLICATE', now, what);
  return { row: { ...progress.row, possibleDuplicate: true }, events: [event, ...progress.events] };
}

/** The same change, whose events name the caller of the operator's command. */
export function doneBy(progress: Progress, by: string | undefined): Progress {
  return by === undefined ? progress : { ...progress, events: progress.events.map((event) => ({ ...event, by })) };
}

/** One trace event about a row. */
export function traced(
  row: { readonly nextHop: string },
  event: TraceEventName,
  at: number,
  what: { attempt: number | null; status: string | null; reason: string | null; reply: Reply | null },
  nextHop: string | null = row.nextHop,
): TraceEvent {
  return {
    at,
    event,
    attempt: what.attempt,
    nextHop,
    status: what.status,
    reply: what.reply === null ? null : replyLine(what.reply),
    reason: what.reason,
  };
}

/** A reply on one line, as it stood on the wire: `550 5.1.1 no such user`. */
export function replyLine(reply: Reply): string {
  return [String(reply.code), reply.status ?? '', reply.text].filter((part) => part !== '').join(' ');
}
