// What the world has for the checker at its end: what was accepted and taken, what was told, the ledger's rows, and the
// next hops' own records.

import type { Evidence } from './evidence.ts';
import { isTroubled } from './expected.ts';
import { checkHops, type HopEvidence } from './next-hop-claims.ts';
import { DAY, type Plan } from './plan.ts';
import type { World } from './world.ts';

export function evidenceOf(world: World): Evidence {
  const { plan, mail, hops, bounces, ledger } = world;
  return {
    accepted: mail.accepted,
    taken: hops.taken,
    serviceNotices: bounces.accepted.map(({ sesMessageId, forwardPath, action, status }) => ({
      ...{ spoolId: sesMessageId, forwardPath, action, status },
    })),
    rows: ledger.whole(),
    waitsForPerson: world.waitsForPerson,
    inDeadLetters: new Set(world.queues.ingest.deadLetters.flatMap((body) => mail.idsIn(body))),
    postmaster: ['exchange', 'ses-report'].map((nextHop) => ({ nextHop, address: plan.settings.notices.postmaster })),
    skewMs: skewMsOf(plan),
    expiryExcused: isTroubled(plan),
    seen: [...world.seen, ...checkHops(hopEvidenceOf(world))],
  };
}

function skewMsOf({ troubles }: Plan): number {
  return Math.max(0, ...troubles.map((trouble) => (trouble.kind === 'skew' ? Math.abs(trouble.byMs) : 0)));
}

function hopEvidenceOf({ plan, record, operator, ledger, mail }: World): HopEvidence {
  const { settings, rates } = plan;
  const skewMs = skewMsOf(plan);
  const limits = Object.entries(settings.nextHops).map(([name, hop]) => {
    const perSecond = 'messagesPerSecond' in hop ? (hop.messagesPerSecond ?? null) : null;
    return [name, { concurrency: 'concurrency' in hop ? hop.concurrency : null, perSecond }] as const;
  });
  return {
    ...{ seen: record.seen, words: operator.words, rows: ledger.whole(), limits: new Map(limits), skewMs },
    // An answer may be late by hours where calls stall.
    ...{ accepted: mail.acceptedAt, lateMs: rates.stall > 0 ? DAY : 2 * skewMs },
  };
}

/** By what the run's conditions are there for. */
export function coverageOf({ plan, hops, coverage, ledger, record }: World): ReadonlyMap<string, number> {
  for (const [what, times] of hops.metSick) coverage.count(`sick: ${what.replace(/^\S+ /, '')}`, times);
  for (const { kind } of plan.conditions) coverage.count(`plan: ${kind}`);
  if (plan.warm) coverage.count('plan: conditions');
  for (const { trace } of ledger.whole())
    for (const { event, reason } of trace) {
      if (event === 'HOLD' && reason?.startsWith('failure-limit') === true) coverage.count('held by the failure limit');
      if (reason === 'unrecognised-by-new-next-hop') coverage.count('deferred by a new next hop');
      if (event === 'EXPIRE') coverage.count('expired');
    }
  for (const hop of Object.values(plan.settings.nextHops)) {
    if ('concurrency' in hop && hop.concurrency !== null) coverage.count('limit: concurrency');
    if ('messagesPerSecond' in hop && (hop.messagesPerSecond ?? null) !== null) coverage.count('limit: rate');
  }
  coverage.count('attempts', record.seen.length);
  return coverage.all;
}
