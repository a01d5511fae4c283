// Which trace events of a delivery stay in its ledger row, and which move to items of their own. Both ledgers call it.
// Pure. The row keeps the events of the first attempts and of the latest write, so an event is committed with the state
// change that it explains. It moves (copied first, dropped after) only with a later write. A crash in between, or two
// writers at once, lose and double nothing: a moved event is already committed, and its key derives from itself.

import { createHash } from 'node:crypto';
import type { TraceEvent } from '#core/delivery/delivery.ts';
import { attemptsInlineMax } from '#core/limits.ts';

/** Events that always stay in the row, whatever their attempt: a row must not grow with resubmissions. */
const eventsInlineMax = 12;

export type TraceSplit = {
  /** Stays in the row. */
  readonly kept: readonly TraceEvent[];
  /** To be written as items of their own before the row is replaced. */
  readonly moved: readonly MovedEvent[];
};
export type MovedEvent = { readonly key: string; readonly event: TraceEvent };

/** Splits the trace as it stands in the row, before the events of the write at hand are appended. */
export function splitTrace(inRow: readonly TraceEvent[]): TraceSplit {
  const beyond = inRow.findIndex(
    (event, index) => index >= eventsInlineMax || (event.attempt ?? 0) > attemptsInlineMax,
  );
  if (beyond < 0) return { kept: inRow, moved: [] };
  const moved = inRow.slice(beyond).map((event, index) => ({ key: keyOf(event, index), event }));
  return { kept: inRow.slice(0, beyond), moved };
}

/**
 * The whole trace, oldest first: the row's events and those that moved out, each once. An event that is still in the
 * row and already copied out (a crash between the two writes) has the same key in both.
 */
export function joinTrace(inRow: readonly TraceEvent[], moved: readonly MovedEvent[]): readonly TraceEvent[] {
  const { kept, moved: leaving } = splitTrace(inRow);
  const outside = new Map([...moved, ...leaving].map(({ key, event }) => [key, event]));
  const ordered = [...outside.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, event]) => event);
  // Array.prototype.sort is stable: at the same instant, the events that stay in the row came first.
  return [...kept, ...ordered].sort((a, b) => a.at - b.at);
}

/** Sorts by time, then by place in its write. The digest keeps apart events of different writes at the same instant. */
function keyOf(event: TraceEvent, index: number): string {
  const digest = createHash('sha256').update(JSON.stringify(event)).digest('hex').slice(0, 8);
  return `${String(event.at).padStart(14, '0')}#${String(index).padStart(2, '0')}#${digest}`;
}
