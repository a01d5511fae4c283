// Makes the job of a row, for every queue, and decides which queue has the job of a row that is under way: relay's, or
// feedback's for mail to a return path. It never says whether a row may run: the claim does. Each send is whole or
// throws, so that SQS gives the caller's job again.

import type { DeliveryRef, DeliveryRow } from '#core/delivery/delivery.ts';
import { destinationOf } from '#core/delivery/destination.ts';
import type { Job, JobQueue } from './ports.ts';

export type WorkQueues = { readonly relayQueue: JobQueue; readonly feedbackQueue: JobQueue };
export type Work = { readonly job: Job; readonly group: string };

/** The job of a row: relay's, bounce's or feedback's, by the queue that it is sent to. */
export function workFor({ spoolId, deliveryKey, nextHop }: DeliveryRef & { readonly nextHop: string }): Work {
  return {
    job: { version: 1, spoolId, deliveryKey, nextHop },
    group: destinationOf({ nextHop }) === 'nowhere' ? 'none' : nextHop,
  };
}

/** The same, and the job says how often the row was claimed without a recorded end. */
export function workOf(row: DeliveryRow): Work {
  const { job, group } = workFor(row);
  return { job: row.claims > 0 ? { ...job, claims: row.claims } : job, group };
}

/** Each to its queue; nothing is sent where there is nothing. */
export async function sendWork(queues: WorkQueues, work: readonly Work[]): Promise<void> {
  const isReturned = ({ group }: Work) => destinationOf({ nextHop: group }) === 'returns';
  const relay = work.filter((each) => !isReturned(each));
  const returns = work.filter(isReturned);
  if (relay.length > 0) await queues.relayQueue.send(relay);
  if (returns.length > 0) await queues.feedbackQueue.send(returns);
}
