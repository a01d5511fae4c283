// Mutations of lambdas/: see run.ts.

import type { Mutation } from './mutation.ts';

const wiring = 'test/unit/lambdas/wiring.test.ts';

export const lambdaMutations: readonly Mutation[] = [
  {
    name: "lambdas/relay-with-feedback's-lease",
    file: 'lambdas/relay.ts',
    text: 'leaseMs: smtpLeaseMs / config.timeScale,',
    replacement: 'leaseMs: (smtpLeaseMs * 0.16) / config.timeScale,',
    test: { file: wiring, name: 'relay > has its own leases and thresholds, in milliseconds' },
  },
  {
    name: 'lambdas/purge-failure-swallowed',
    file: 'lambdas/purge.ts',
    text: "  if (purged.status === 'rejected') throw purged.reason;\n  return { ...purged.value, digest: digest.value };",
    replacement: "  return { ...(purged.status === 'rejected' ? {} : purged.value), digest: digest.value };",
    test: {
      file: wiring,
      name: 'the purge and the digest > a failure of the purge is loud, and does not keep the digest from its end',
    },
  },
  {
    name: 'lambdas/feedback-without-versions',
    file: 'lambdas/feedback.ts',
    text: 'config.bucket, { lister: s3ListClient(aws) })',
    replacement: 'config.bucket, s3ListClient(aws) && {})',
    test: { file: wiring, name: 'what reads content > feedback finds it by its version under a delete marker' },
  },
];
