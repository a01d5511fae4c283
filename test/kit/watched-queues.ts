// The queues of the pipeline in memory whose depth the sweep's levels count. Used by pipeline.ts. No call fails: a
// level is no message's account.

import type { MemoryJobQueue } from '#adapters/memory/job-queue.ts';
import type { WatchedQueues } from '#pipeline/sweep/entered.ts';

type Told = { readonly stage: 'ingest' | 'feedback' };
type Queues = Readonly<Record<'relayQueue' | 'slowRelayQueue' | 'bounceQueue' | 'feedbackQueue', MemoryJobQueue>>;

export function watchedQueues(
  of: Queues & { readonly notifications: readonly Told[]; readonly lostNotifications: readonly Told[] },
): WatchedQueues {
  const holding = (count: () => number) => ({ depth: async () => ({ visible: count(), inFlight: 0 }) });
  const told = (list: readonly Told[], stage: Told['stage']) => list.filter((each) => each.stage === stage).length;
  const jobs = [of.relayQueue, of.slowRelayQueue, of.bounceQueue, of.feedbackQueue];
  return {
    ingest: holding(() => told(of.notifications, 'ingest')),
    entry: [holding(() => told(of.lostNotifications, 'ingest'))],
    work: [
      holding(() => told(of.lostNotifications, 'feedback')),
      ...jobs.map(({ deadLetters }) => holding(() => deadLetters.length)),
    ],
  };
}
