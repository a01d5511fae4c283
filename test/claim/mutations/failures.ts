// Mutations of new next hops and of the failure limit: see run.ts.

import type { Mutation } from './mutation.ts';

const failures = 'test/simulation/failure-limit.test.ts';
const turns = 'a next hop that accepted mail, and refuses everybody in words that no rule knows';

export const failureMutations: readonly Mutation[] = [
  {
    name: 'new/strange-words-are-returned',
    file: 'src/core/delivery/new-next-hop.ts',
    text: "if (outcome.kind !== 'failed' || outcome.unrecognised !== true) return outcome;",
    replacement:
      "if (outcome.kind !== 'failed' || outcome.unrecognised !== true || outcome.detail !== '') return outcome;",
    test: {
      file: 'test/simulation/new-next-hop.test.ts',
      name: 'a next hop that never accepted anything > refuses all in strange words (rcpt): nobody is told of a failure',
    },
  },
  {
    name: 'failure-limit/never-closes',
    file: 'src/core/delivery/failure-limit.ts',
    text: '.length >= failureLimitRecipients;',
    replacement: '.length > failureLimitRecipients;',
    test: { file: failures, name: `${turns} > at rcpt: ten are returned, and the rest is held with an alarm` },
  },
  {
    name: 'failure-limit/one-recipient-counts-as-many',
    file: 'src/core/delivery/failure-limit.ts',
    text: 'count.failures.filter((each) => each.address !== address)',
    replacement: 'count.failures',
    test: { file: failures, name: `${turns} > counts a recipient once: forty refusals of one are forty NDRs` },
  },
  {
    name: 'failure-limit/a-notice-opens-it',
    file: 'src/pipeline/relay/failure-counts.ts',
    text: "if (kind === 'notice') return;",
    replacement: "if (kind === 'notice' && nextHop === '') return;",
    test: {
      file: failures,
      name: `${turns} > begins anew with an acceptance that the same function saw, and not with that of a notice`,
    },
  },
  {
    name: 'failure-limit/all-ndrs-in-one-minute',
    file: 'src/pipeline/sweep/sweep.ts',
    text: 'heldFailuresPerMinuteMax, now + ports.hourMs)',
    replacement: '10_000, now + ports.hourMs)',
    test: {
      file: failures,
      name: 'what the limit holds > tells its senders of the delay after a day, once, and of the failure at the end of its lifetime, paced',
    },
  },
];
