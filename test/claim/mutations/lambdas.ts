// Mutations of lambdas/: see run.ts.

import type { Mutation } from './mutation.ts';

const wiring = 'test/unit/lambdas/wiring.test.ts';

export const lambdaMutations: readonly Mutation[] = [
  {
    name: 'lambdas/held-function-begins-what-has-no-time',
    file: 'src/pipeline/places.ts',
    text: 'now < this.#askAt || now > until) return 0;',
    replacement: 'now < this.#askAt || until < 0) return 0;',
    test: {
      file: 'test/unit/pipeline/places.test.ts',
      name: 'an invocation > begins nothing that would not have its time',
    },
  },
  {
    name: 'lambdas/held-function-deletes-what-failed',
    file: 'lambdas/stage.ts',
    text: 'if (ended !== null && this.#mine.has(record)) await',
    replacement: 'if (this.#mine.has(record)) await',
    test: {
      file: 'test/unit/lambdas/stage.test.ts',
      name: 'a function that is held > deletes what it took and has done, leaves what failed in the queue, and answers for its batch alone',
    },
  },
  {
    name: 'lambdas/held-function-works-on-a-suspect-beside-others',
    file: 'lambdas/stage.ts',
    text: '      return records.filter((record) => suspicion(record) === 0);',
    replacement: '      return records;',
    test: {
      file: 'test/unit/lambdas/stage.test.ts',
      name: 'a function that is held > works on a record that may have ended a function when nothing else is under way',
    },
  },
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
  {
    name: 'lambdas/feedback-sends-to-itself',
    file: 'lambdas/feedback.ts',
    text: 'relayQueue: new SqsJobQueue(sqs, config.relayQueueUrl),',
    replacement: 'relayQueue: new SqsJobQueue(sqs, config.feedbackQueueUrl),',
    test: {
      file: 'test/unit/lambdas/wiring.test.ts',
      name: 'feedback > has each queue at the address of its name, and no other',
    },
  },
  {
    name: 'lambdas/sweep-unscaled',
    file: 'lambdas/sweep.ts',
    text: 'lostAnywayMs: lostAnywayAfterMs / config.timeScale,',
    replacement: 'lostAnywayMs: lostAnywayAfterMs,',
    test: {
      file: 'test/unit/lambdas/wiring.test.ts',
      name: 'sweep > has all of them divided in the local runtime, alike',
    },
  },
  {
    name: 'lambdas/sweep-loses-lost-jobs-after-a-quarter',
    file: 'lambdas/sweep.ts',
    text: 'lostAnywayMs: lostAnywayAfterMs / config.timeScale,',
    replacement: 'lostAnywayMs: lostJobAfterMs / config.timeScale,',
    test: {
      file: 'test/unit/lambdas/wiring.test.ts',
      name: 'sweep > has its own leases and thresholds, in milliseconds',
    },
  },
  {
    name: 'lambdas/a-budget-for-each-attempt',
    file: 'lambdas/relay.ts',
    text: '  budget: byteBudget(batchBytesMax),',
    replacement: '  get budget() {\n    return byteBudget(batchBytesMax);\n  },',
    test: {
      file: 'test/unit/lambdas/wiring.test.ts',
      name: 'relay > holds content up to 64 MiB at once, in one budget for all of its attempts',
    },
  },
  {
    name: 'lambdas/rows-kept-as-long-as-versions',
    file: 'lambdas/ingest.ts',
    text: 'ledgerRetentionMs: config.settings.retentionMs.ledger,',
    replacement: 'ledgerRetentionMs: config.settings.retentionMs.versions,',
    test: {
      file: 'test/unit/lambdas/wiring.test.ts',
      name: 'ingest > has the ledger of its stack, on its terms, and the settings that were bundled with it',
    },
  },
  {
    name: 'lambdas/digest-failure-swallowed',
    file: 'lambdas/purge.ts',
    text: "  if (digest.status === 'rejected') throw digest.reason;\n",
    replacement: "  if (digest.status === 'rejected') return purged;\n",
    test: {
      file: 'test/unit/lambdas/wiring.test.ts',
      name: 'the purge and the digest > a failure of the digest is loud, and does not keep the purge from its end',
    },
  },
  {
    name: 'stage/failed-work-is-deleted',
    file: 'lambdas/stage.ts',
    text: '    } else {\n      failed.delete(record.messageId);\n      return ended;\n    }\n    return null;',
    replacement:
      "    }\n    failed.delete(record.messageId);\n    return ended === 'deadline' || 'error' in ended ? null : ended;",
    test: {
      file: 'test/unit/lambdas/stage.test.ts',
      name: 'a batch > names exactly those that threw, by SQS message id',
    },
  },
  {
    name: 'stage/jobs-taken-for-the-hourly-call',
    file: 'lambdas/stage.ts',
    text: 'if (!isKeepAlive(event)) return',
    replacement: "if (typeof event !== 'object') return",
    test: {
      file: 'test/unit/lambdas/stage.test.ts',
      name: 'the hourly call of a function > has its look, whose metrics leave, and every other event is work',
    },
  },
  {
    name: 'stage/no-time-to-record',
    file: 'lambdas/stage.ts',
    text: '    remaining - margin,\n',
    replacement: '    remaining - margin / 8,\n',
    test: {
      file: 'test/unit/lambdas/stage.test.ts',
      name: 'the deadline > with 720000 ms at scale 1 is told at 710000',
    },
  },
  {
    name: 'stage/metrics-of-a-crash-are-lost',
    file: 'lambdas/stage.ts',
    text: '      environment.watch.flush(); // and the error goes on',
    replacement: '      // and the error goes on',
    test: {
      file: 'test/unit/lambdas/stage.test.ts',
      name: 'an event that is none: the function fails, says so, and sends its metrics',
    },
  },
  {
    name: 'stage/timers-of-a-frozen-function',
    file: 'lambdas/stage.ts',
    text: '      deadline.clear();\n',
    replacement: '',
    test: {
      file: 'test/unit/lambdas/stage.test.ts',
      name: 'the deadline > leaves no timer behind where the work is done before: a frozen function would wake up to it',
    },
  },
  {
    name: 'config/no-scale-is-infinite',
    file: 'lambdas/config.ts',
    text: 'return scale >= 1 ? scale : 1;',
    replacement: 'return scale;',
    test: { file: 'test/unit/lambdas/wiring.test.ts', name: 'relay > takes a scale of "0" for none' },
  },
  {
    name: 'lambdas/kept-sweeps-run-all-at-once',
    file: 'src/pipeline/sweep/kept-event.ts',
    text: 'if (Math.abs(now - last) < everyMs) return true;',
    replacement: '',
    test: {
      file: 'test/unit/pipeline/sweep/kept-event.test.ts',
      name: 'an event of a schedule > that was kept begins one where no other has within the minute',
    },
  },
  {
    name: 'lambdas/poison-is-silent-until-it-is-dead-lettered',
    file: 'lambdas/stage.ts',
    text: "environment.watch.raise('JobFailing')",
    replacement: 'void 0',
    test: {
      file: 'test/unit/lambdas/stage.test.ts',
      name: 'a batch > calls a person where a job fails at its receive 5: 1 times',
    },
  },
];
