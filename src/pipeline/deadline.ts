// Our own deadline, before anything of a message has left us: no outcome of the next hop's, and no reason to doubt the
// next attempt. Recorded as a deferral of ours, so that the claim is answered for and nothing is marked as a possible
// duplicate (RFC 1047).

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

/** Other messages under way held the function's memory all the while. */
export const outOfRoom: Outcome = deferredFor('no-room', REASONS['no-room'].says);

export const outOfTime: Outcome = deferredFor('deadline', REASONS.deadline.says);
