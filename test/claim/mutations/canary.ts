// Mutations of canaries: what would let mail vanish as one, or let one be heard of where nobody may: see run.ts.

import type { Mutation } from './mutation.ts';

const SIMULATION = 'test/simulation/canary.test.ts';
const looksLike = 'what only looks like a canary is ordinary mail: it is counted, and its sender has an NDR';

export const canaryMutations: readonly Mutation[] = [
  {
    name: 'canary/another-body-is-one-too',
    file: 'src/core/message/canary.ts',
    text: "hash.update('\\n').update(bodyOf(content));",
    replacement: "hash.update('\\n');",
    test: { file: SIMULATION, name: `${looksLike} > with another body` },
  },
  {
    name: 'canary/a-second-message-is-one-too',
    file: 'src/pipeline/ingest/received-canary.ts',
    text: 'if (await isFirstOf(ports.ledger, id, row)) return row;',
    replacement: 'await isFirstOf(ports.ledger, id, row);\n  return row;',
    test: { file: SIMULATION, name: `${looksLike} > the same message a second time, also after the first arrived` },
  },
  {
    name: 'canary/another-recipient-loses-the-message',
    file: 'src/pipeline/ingest/received-canary.ts',
    text: ' || !isSameMailbox(recipient, canary.to)',
    replacement: '',
    test: { file: SIMULATION, name: `${looksLike} > with another recipient` },
  },
  {
    name: 'canary/one-of-another-day-is-one-too',
    file: 'src/pipeline/ingest/received-canary.ts',
    text: 'id !== null && isInWindow(id, acceptedAt) ? id : null',
    replacement: 'id',
    test: {
      file: SIMULATION,
      name: `${looksLike} > the same message a day later, or where the canary is not configured any more`,
    },
  },
  {
    name: 'canary/its-failure-is-told',
    file: 'src/core/notice/permission.ts',
    text: "  if (facts.canary) return because('canary');\n",
    replacement: '',
    test: {
      file: SIMULATION,
      name: 'with its next hop down > (refused) the level reaches the alarm within 15 minutes; no NDR, no digest, no figure',
    },
  },
  {
    name: 'canary/one-that-waits-is-in-the-levels',
    file: 'src/core/delivery/waiting-sums.ts',
    text: '      if (isCanary(entry)) return; // CanaryLate tells of it\n',
    replacement: '',
    test: {
      file: SIMULATION,
      name: 'with its next hop down > (deferred) the level reaches the alarm within 15 minutes; no NDR, no digest, no figure',
    },
  },
  {
    name: 'canary/one-that-never-comes-is-not-late',
    file: 'src/core/delivery/canary-watch.ts',
    text: 'since: record.since ?? sent.at',
    replacement: 'since: sent.at',
    test: {
      file: SIMULATION,
      name: 'with its next hop down > (deferred) the level reaches the alarm within 15 minutes; no NDR, no digest, no figure',
    },
  },
];
