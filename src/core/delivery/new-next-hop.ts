// A next hop that never accepted a message is new (DESIGN decision 27). What it refuses in words that no rule knows is
// probably our own connection, and every sender would hear of it. The operator must look first. Relay asks after each
// attempt. Pure. Replies that a row or rule knows keep their meaning, at a new next hop too.

import { deferredFor, type Outcome } from '#core/reply/outcome.ts';
import { statusOf } from '#core/reply/status.ts';

/** Whether the next hop's being new makes a difference to the outcome. */
export function dependsOnNew(outcome: Outcome): boolean {
  return outcome.kind === 'failed' && outcome.unrecognised === true;
}

/** The outcome at a new next hop: what only the stage decided waits for the operator. */
export function outcomeAtNew(outcome: Outcome): Outcome {
  if (outcome.kind !== 'failed' || outcome.unrecognised !== true) return outcome;
  const { status, detail, reply } = outcome;
  return deferredFor('unrecognised-by-new-next-hop', detail, {
    status: statusOf(`4${status.slice(1)}`),
    ...(reply === null ? {} : { reply }),
  });
}
