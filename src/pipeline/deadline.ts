// Our own deadline, before anything of a message has left us: no outcome of the next hop's, and no reason to doubt the next attempt.
// Recorded as a deferral of ours, so that the claim is answered for and nothing is marked as a possible duplicate (RFC 1047).

import type { Outcome } from '#core/reply/outcome.ts';
import { statusOf } from '#core/reply/status.ts';

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
export const outOfRoom: Outcome = {
  kind: 'deferred',
  reason: 'no-room',
  status: statusOf('4.3.1'),
  reply: null,
  detail: 'other messages under way held the memory that this one needed',
  possibleDuplicate: false,
  operatorFault: false,
  pace: 'short',
};

export const outOfTime: Outcome = {
  kind: 'deferred',
  reason: 'deadline',
  status: statusOf('4.3.0'),
  reply: null,
  detail: 'the function ran out of time before the message was sent',
  possibleDuplicate: false,
  operatorFault: false,
};
