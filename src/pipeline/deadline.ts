// The outcome of an attempt whose deadline came before any byte of the message was sent. Called by relay. It is no
// outcome of the next hop, and the next attempt has no doubt: the attempt becomes a deferral of ours, which ends the
// claim. It never marks a possible duplicate (RFC 1047).

import { deferredFor, type Outcome } from '#core/reply/outcome.ts';
import { REASONS } from '#core/reply/reasons.ts';

/** What `work` gives, or null where the signal ended it. Whatever else it throws is thrown on. */
export async function inTime<T>(work: Promise<T>, signal: AbortSignal): Promise<T | null> {
  try {
    return await work;
  } catch (error) {
    if (!signal.aborted) throw error;
    return null;
  }
}

/** Other messages under way held the function's memory until the deadline. */
export const outOfRoom: Outcome = deferredFor('no-room', REASONS['no-room'].says);

export const outOfTime: Outcome = deferredFor('deadline', REASONS.deadline.says);
