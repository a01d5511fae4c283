// Mutations of next hops' health and of relay's two lanes: see run.ts.

import type { Mutation } from './mutation.ts';

const health = 'test/unit/core/delivery/next-hop-health.test.ts';
const lanes = 'test/unit/pipeline/relay/lanes.test.ts';

export const nextHopMutations: readonly Mutation[] = [
  {
    name: 'gate/an-instant-that-is-over-counts',
    file: 'src/pipeline/relay/next-hop-gate.ts',
    text: '(untils.get(rate) ?? 0) <= this.#ports.clock.now()',
    replacement: '!untils.has(rate)',
    test: {
      file: 'test/unit/pipeline/relay/next-hop-gate.test.ts',
      name: "the rate of SES's account > moves no message out of the instant that the other rate gave it, however long a call takes",
    },
  },
  {
    name: 'gate/new-mail-passes-the-line',
    file: 'src/core/delivery/next-hop-turns.ts',
    text: 'const stands = behindLine && turns.lineEndsAt - now > waitMsMax;',
    replacement: 'const stands = false;',
    test: {
      file: 'test/unit/core/delivery/next-hop-turns.test.ts',
      name: 'the virtual clock > lets nobody pass a line that stands, but those in it',
    },
  },
  {
    name: 'health/open-never-closes',
    file: 'src/core/delivery/next-hop-health.ts',
    text: "if (health.state === 'open') return recovered(heard, now);",
    replacement: "if (health.state === 'open') return heard;",
    test: { file: health, name: 'a next hop that takes nothing > recovers at the first answer to MAIL or after it' },
  },
  {
    name: 'health/a-probe-counts-for-nothing',
    file: 'src/core/delivery/next-hop-health.ts',
    text: 'return sight.probe ? afterProbe(failed, terms.probesMs, now) : health;',
    replacement: 'return health;',
    test: {
      file: health,
      name: 'a next hop that takes nothing > is probed after 1, 2, 5 and 15 minutes, and then every 15',
    },
  },
  {
    name: 'health/never-opens',
    file: 'src/core/delivery/next-hop-health.ts',
    text: 'const streak = health.streak + 1;',
    replacement: 'const streak = Math.min(health.streak + 1, openAfterFailures - 1);',
    test: {
      file: health,
      name: 'a next hop that takes nothing > opens at the tenth failure in a row, and not at the ninth',
    },
  },
  {
    name: 'health/written-for-each-message',
    file: 'src/core/delivery/next-hop-health.ts',
    text: 'return fields.some((field) => before[field] !== after[field]) ? after : null;',
    replacement: 'return fields.length > 0 ? after : null;',
    test: {
      file: lanes,
      name: 'a healthy next hop costs one read of the board in ten seconds, and no further call of the ledger',
    },
  },
  {
    name: 'health/our-own-fault-counts',
    file: 'src/core/delivery/attempt-sight.ts',
    text: "    case 'content':\n      return null;",
    replacement: "    case 'content':\n      return 'unanswered';",
    test: { file: lanes, name: 'what is our own fault > says nothing about the next hop' },
  },
  {
    name: 'lanes/given-back-counts-an-attempt',
    file: 'src/pipeline/relay/relay.ts',
    text: '  if (hops.gaveBack !== null) {',
    replacement: '  if (hops.gaveBack !== null && claimed.attempts > 0) {',
    test: {
      file: lanes,
      name: 'an attempt that takes ten seconds > ends before MAIL in the fast lane: no attempt is counted, and the job changes lanes',
    },
  },
  {
    name: 'lanes/given-back-keeps-its-claim',
    file: 'src/pipeline/relay/relay.ts',
    text: 'claims: current.claims - 1, leaseUntil: null',
    replacement: 'leaseUntil: null',
    test: { file: lanes, name: 'an attempt that takes ten seconds > is no possible duplicate afterwards' },
  },
  {
    name: 'lanes/the-slow-lane-has-no-time-either',
    file: 'src/pipeline/relay/attempted-hops.ts',
    text: "if (this.#lane === 'fast') patience.abort();",
    replacement: 'patience.abort();',
    test: { file: lanes, name: 'an attempt that takes ten seconds > goes on in the slow lane' },
  },
  {
    name: 'lanes/a-slow-spool-makes-a-next-hop-slow',
    file: 'src/pipeline/relay/next-hop-time.ts',
    text: '      this.#readMs += clock.now() - this.#readingSince;\n',
    replacement: '',
    test: {
      file: lanes,
      name: 'an attempt that takes ten seconds > is quick where the spool alone was slow',
    },
  },
  {
    name: 'lanes/a-slow-next-hop-stays-in-the-fast-lane',
    file: 'src/pipeline/relay/lanes.ts',
    text: "  if (standing === 'slow') await toSlowLane(ports, job, nextHop);\n",
    replacement: '',
    test: {
      file: lanes,
      name: 'a job of a slow next hop > goes to the slow lane before it is claimed, and its row is not touched',
    },
  },
];
