// Which work a job of the feedback queue asks for: bounce's, returned's, or a canary. Called by the feedback function.
// The job says it. A job of an older version does not, and its row decides. It never attempts a delivery.

import { isUnderWay } from '#core/delivery/delivery.ts';
import { destinationOf } from '#core/delivery/destination.ts';
import { bounce } from '#pipeline/bounce/bounce.ts';
import type { Finished } from '#pipeline/finished.ts';
import type { Job, Ledger } from '#pipeline/ports.ts';
import { type ReturnedPorts, returned } from './returned.ts';
import { type SendCanaryPorts, sendCanary } from './send-canary.ts';

/** What a job of the feedback queue asks for: a notice, the reading of mail to a return path, or a canary. */
export type FeedbackWork = 'bounce' | 'returned' | 'canary';

export async function feedbackJob(
  ports: ReturnedPorts & SendCanaryPorts,
  job: Job,
  work: FeedbackWork | null,
  signal: AbortSignal,
): Promise<Finished> {
  if (work === 'canary') return sendCanary(ports, job, signal);
  const asked = work ?? (await workOfRow(ports.ledger, job));
  return asked === 'bounce' ? bounce(ports, job) : returned(ports, job, signal);
}

/** Bounce gives no notice that is not due, so that a row which asks for nothing may go there. */
async function workOfRow(ledger: Ledger, job: Job): Promise<FeedbackWork> {
  const row = await ledger.read(job);
  const isReturned = row !== null && isUnderWay(row.state) && destinationOf(row) === 'returns';
  return isReturned ? 'returned' : 'bounce';
}
