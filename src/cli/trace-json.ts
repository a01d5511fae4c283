// The trace as JSON, for tools. Called by trace.ts. A pure mapping of ledger rows. A notice appears only inside its
// delivery; the list of events has all of them.

import type { DeliveryRow, SubmissionFacts, TraceEvent } from '#core/delivery/delivery.ts';
import type { TraceRecord } from '#pipeline/ports.ts';
import { standingOf } from './standing.ts';

export type TraceJson = ReturnType<typeof traceJson>;

export function traceJson(record: TraceRecord) {
  const { message, rows } = record;
  const deliveries = rows.filter((row) => row.kind === 'delivery');
  return {
    spoolId: message.spoolId,
    direction: message.direction,
    reversePath: message.reversePath,
    messageIdField: message.extract.messageIdField,
    acceptedAt: iso(message.acceptedAt),
    size: message.size,
    ...(message.submission === undefined ? {} : { submission: submissionJson(message.submission) }),
    deliveries: deliveries.map((row) => deliveryJson(row, rows)),
    events: rows
      .flatMap((row) => row.trace.map((event) => ({ event, forwardPath: row.forwardPath })))
      .sort((a, b) => a.event.at - b.event.at)
      .map(({ event, forwardPath }) => eventJson(event, forwardPath)),
  };
}

/** The submitter, and for the gateway's mail how it was identified: by its login, or by its address alone. */
function submissionJson({ submitter, client }: SubmissionFacts) {
  return { submitter, ...(client === undefined ? {} : { client }) };
}

function deliveryJson(row: DeliveryRow, rows: readonly DeliveryRow[]) {
  const underWay = row.state === 'queued' || row.state === 'deferred';
  return {
    forwardPath: row.forwardPath,
    route: row.route,
    action: row.action,
    nextHop: row.nextHop,
    address: row.address,
    copy: row.copy,
    ...standingOf(row),
    attempts: row.attempts,
    nextAttemptAt: underWay ? iso(row.nextAttemptAt) : null,
    expiresAt: iso(row.expiresAt),
    lastReply: row.lastReply,
    possibleDuplicate: row.possibleDuplicate,
    notice: noticeJson(row, rows),
  };
}

function noticeJson(row: DeliveryRow, rows: readonly DeliveryRow[]) {
  if (row.notice === null) return null;
  const own = rows.find(
    (each) => each.kind === 'notice' && each.noticeOf === row.deliveryKey && each.noticeKind === row.notice?.kind,
  );
  const { kind, via, to, messageIdField, at, reason } = row.notice;
  return { kind, state: own?.state ?? row.notice.state, via, to, messageIdField, at: iso(at), reason };
}

function eventJson(event: TraceEvent, forwardPath: string) {
  const { attempt, nextHop, status, reply, reason, detail, rule, unrecognised, by, latency } = event;
  return {
    at: iso(event.at),
    event: event.event,
    forwardPath,
    nextHop,
    attempt,
    status,
    reply,
    reason,
    ...(detail === undefined ? {} : { detail }),
    ...(rule === undefined ? {} : { rule }),
    ...(unrecognised === undefined ? {} : { unrecognised }),
    ...(by === undefined ? {} : { by }),
    ...(latency === undefined ? {} : { latency }),
  };
}

function iso(at: number): string {
  return new Date(at).toISOString();
}
