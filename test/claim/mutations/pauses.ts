// Mutations of pauses: what they keep, how far they extend a lifetime, who is told. See run.ts.

import type { Mutation } from './mutation.ts';

const SHOWN = 'test/simulation/paused.test.ts';
const byOperator = (mode: string) => ({ file: SHOWN, name: `a pause of three days by the operator > ${mode}` });

export const pauseMutations: readonly Mutation[] = [
  {
    name: 'pauses/a-lifetime-that-no-pause-extends',
    file: 'src/core/delivery/pause.ts',
    text: '    end += until - from;',
    replacement: '    end += 0 * (until - from);',
    test: byOperator('hold'),
  },
  {
    name: 'pauses/a-drain-that-keeps-what-was-accepted-before',
    file: 'src/core/delivery/pause.ts',
    text: "(mode === 'hold' || bornAt(entry, pauses) >= since)",
    replacement: "(mode === 'hold' || since > 0)",
    test: byOperator('drain'),
  },
  {
    name: 'pauses/a-direction-that-keeps-its-notices-too',
    file: 'src/core/delivery/pause.ts',
    text: '  if (isNoticeKey(job.deliveryKey)) return false;\n',
    replacement: '  if (isNoticeKey(job.deliveryKey)) return scope !== job.nextHop;\n',
    test: byOperator('hold'),
  },
  {
    name: 'pauses/a-pause-of-the-configuration-that-leaves-no-trace',
    file: 'src/core/delivery/pause.ts',
    text: '  return { ...record, configured: { mode, since: now }, ended };',
    replacement: '  return { ...record, configured: { mode, since: now }, ended: record.ended };',
    test: { file: SHOWN, name: 'a pause of three days by the configuration > hold' },
  },
  {
    name: 'pauses/an-alarm-for-what-a-pause-keeps',
    file: 'src/core/spool/purge-decision.ts',
    text: ' + pausedMsSince(acceptedAt, pauses);',
    replacement: ' + 0 * pausedMsSince(acceptedAt, pauses);',
    test: byOperator('hold'),
  },
  {
    name: 'pauses/a-relay-that-asks-nobody',
    file: 'src/pipeline/relay/lanes.ts',
    text: "  if (may !== 'by-age') return may === 'no';",
    replacement: "  if (may !== 'by-age') return false;",
    test: byOperator('hold'),
  },
  {
    name: 'pauses/a-gateway-that-takes-mail-in-a-pause',
    file: 'src/gateway/paused.ts',
    text: "scope === 'outbound' || scope === 'all'",
    replacement: "scope === 'outbound'",
    test: { file: 'test/integration/submission/paused.test.ts', name: 'while all is paused' },
  },
];
