// Whether a message answers a trace query: the part of the search that no index does.
// Shared by every ledger. Pure.

import type { DeliveryRow, MessageFacts } from '#core/delivery.ts';
import type { TraceQuery } from '#pipeline/ports.ts';

/** All terms given must hold. Addresses match without regard to case, which people do not remember; Message-IDs exactly. */
export function answers(query: TraceQuery, message: MessageFacts, rows: readonly DeliveryRow[]): boolean {
  const same = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();
  const { forwardPath } = query;
  return (
    (query.spoolId === undefined || query.spoolId === message.spoolId) &&
    (query.messageIdField === undefined || query.messageIdField === message.extract.messageIdField) &&
    (query.reversePath === undefined || same(query.reversePath, message.reversePath)) &&
    (forwardPath === undefined || rows.some((row) => row.kind === 'delivery' && same(row.forwardPath, forwardPath))) &&
    (query.since === undefined || message.acceptedAt >= query.since) &&
    (query.row === undefined || rows.some((row) => isMeant(row, query.row ?? {})))
  );
}

/** Whether a row is all that is asked for. */
export function isMeant(row: DeliveryRow, { state, reason, nextHop }: NonNullable<TraceQuery['row']>): boolean {
  return (
    (state === undefined || row.state === state) &&
    (reason === undefined || row.stateReason === reason) &&
    (nextHop === undefined || row.nextHop === nextHop)
  );
}
