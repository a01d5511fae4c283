// What a pipeline of test/simulation has for the checker. What is to become of each delivery the test says, in the
// ledger's words for its states.

import type { DeliveryState } from '#core/delivery/delivery.ts';
import type { TestPipeline } from '../kit/pipeline.ts';
import { check } from './checker.ts';
import type { Due, End, Evidence } from './evidence.ts';

/** One forward-path by one action. Without `ways`: by `exchange`, to the same address. */
export type Expected = Partial<Omit<Due, 'ends'>> & {
  readonly forwardPath: string;
  readonly state: DeliveryState;
};

/** What the checker finds, one line each; every message of the pipeline has the same expectations. */
export function findingsIn(pipeline: TestPipeline, expected: readonly Expected[]): string[] {
  return check(evidenceOf(pipeline, expected)).findings.map(({ kind, spoolId, says }) => `${kind} ${spoolId} ${says}`);
}

export function evidenceOf(pipeline: TestPipeline, expected: readonly Expected[]): Evidence {
  const postmaster = 'postmaster@example.com';
  const hops = [['exchange', pipeline.exchange] as const, ...pipeline.others];
  return {
    accepted: pipeline.told.map((message) => ({ ...message, deliveries: expected.map(dueOf) })),
    taken: hops.flatMap(([nextHop, { accepted }]) =>
      accepted.map(({ reversePath, forwardPath, content, answer }) => ({
        nextHop,
        reversePath: reversePath?.address ?? '',
        address: forwardPath.address,
        content,
        answer,
      })),
    ),
    serviceNotices: pipeline.bounces.accepted.map(({ sesMessageId, forwardPath, action, status }) => ({
      spoolId: sesMessageId,
      forwardPath,
      action,
      status,
    })),
    rows: pipeline.ledger.allWhole(),
    waitsForPerson: pipeline.watch.counted.findLast(({ metric }) => metric === 'WaitsForPerson')?.value ?? 0,
    inDeadLetters: new Set(),
    postmaster: hops.map(([nextHop]) => ({ nextHop, address: postmaster })),
    skewMs: 0,
    expiryExcused: false,
    seen: [],
  };
}

function dueOf({ forwardPath, state, ...given }: Expected): Due {
  const ways = [{ nextHop: 'exchange', address: forwardPath }];
  return { forwardPath, action: 0, copy: false, ways, ends: [endOf(state)], ...given };
}

function endOf(state: DeliveryState): End {
  if (state === 'relayed' || state === 'confirmed') return 'handed-on';
  if (state === 'returned') return 'returned';
  return `${state as 'held'}: *`;
}
