// Mutations of pipeline/, but for those of relay, ingest and sweep: see run.ts.

import type { Mutation } from './mutation.ts';

export const pipelineMutations: readonly Mutation[] = [
  {
    name: 'B3/a-crash-uses-up-a-messages-notices',
    file: 'src/pipeline/bounce/bounce.ts',
    text: ': await ports.ledger.countOnce(name, key, max, until);',
    replacement: ': await ports.ledger.countUpTo(name, max, until);',
    test: {
      file: 'test/unit/pipeline/notice-decisions.test.ts',
      name: 'the number of notices of a message that nothing vouches for > is five, and the same five however often bounce dies and is asked again',
    },
  },
  {
    name: 'B3/nobody-is-called-when-no-sender-is-told-any-more',
    file: 'src/pipeline/bounce/bounce.ts',
    text: "    if (limit === 'total-limit') ports.watch.raise('NoticeLimit');\n",
    replacement: '',
    test: {
      file: 'test/unit/pipeline/notice-decisions.test.ts',
      name: 'the limit on all notices calls a person; the others call nobody',
    },
  },
  {
    name: 'B3/a-forged-return-path-answers-a-person',
    file: 'src/pipeline/feedback/returned.ts',
    text: "if (addressee.kind === 'nobody') return settle(ports, row, addressee.why, null);",
    replacement: "if (addressee.kind === 'nobody') return sendOn(ports, row, message, addressee.why);",
    test: {
      file: 'test/simulation/returns.test.ts',
      name: 'return paths that are none of ours > a forged token is never relayed and answers nobody: a report to it ends there, and so does what a person writes',
    },
  },
  {
    name: 'operate/removal-does-not-last',
    file: 'src/pipeline/operate/operate.ts',
    text: "row.kind === 'delivery' && row.notice?.kind !== 'ndr' && ",
    replacement: "row.kind === 'delivery' && ",
    test: {
      file: 'test/simulation/operator.test.ts',
      name: 'an operator > removes for good what is held because its NDR could not be delivered: nobody is told a second time',
    },
  },
  {
    name: 'notices/a-pause-adds-nothing-to-the-date-of-a-delay-notice',
    file: 'src/pipeline/relay/notice-content.ts',
    text: 'return isKept(row, pauses) ? null : extendedExpiry(row, pauses);',
    replacement: 'return pauses.now > 0 ? row.expiresAt : null;',
    test: {
      file: 'test/simulation/paused.test.ts',
      name: 'the delay notice > says until when it is tried, with what a pause added',
    },
  },
  {
    name: 'feedback/bounce-job-not-awaited',
    file: 'src/pipeline/feedback/feedback.ts',
    text: '  await ports.bounceQueue.send([workFor(',
    replacement: '  void ports.bounceQueue.send([workFor(',
    test: { file: 'test/simulation/lost-sends.test.ts', name: 'a stage fails where its jobs are not taken > feedback' },
  },
  {
    name: 'feedback/unknown-delivery-not-counted',
    file: 'src/pipeline/feedback/feedback.ts',
    text: "    ports.watch.count('UnknownDelivery');\n",
    replacement: '',
    test: {
      file: 'test/simulation/metrics.test.ts',
      name: 'of what is said afterwards is counted > of a delivery that is not there',
    },
  },
  {
    name: 'bounce/a-notice-counted-twice',
    file: 'src/pipeline/bounce/bounce.ts',
    text: '  if ((await ports.ledger.read(noticeRef(row, kind))) !== null) return null;\n',
    replacement: '',
    test: {
      file: 'test/unit/pipeline/notice-decisions.test.ts',
      name: 'the number of notices to a domain in an hour > is counted once for a failure, however often bounce is asked; the next failure is beyond it',
    },
  },
  {
    name: 'bounce/decided-once-more',
    file: 'src/pipeline/bounce/bounce.ts',
    text: 'isDecided(row) ? null : await',
    replacement: 'await',
    test: {
      file: 'test/unit/pipeline/notice-decisions.test.ts',
      name: 'a notice that is on its way is not withheld by a configuration that changed meanwhile',
    },
  },
  {
    name: 'bounce/looked-at-each-minute',
    file: 'src/pipeline/bounce/bounce.ts',
    text: 'Math.max(now, standing.nextAttemptAt) + againMs',
    replacement: 'now',
    test: {
      file: 'test/unit/pipeline/notice-decisions.test.ts',
      name: 'a delivery whose notice is queued is looked at again after the notice\u2019s next attempt, not before',
    },
  },
  {
    name: 'bounce/job-for-an-attempted-notice',
    file: 'src/pipeline/notice-queue.ts',
    text: 'standing.attempts === 0',
    replacement: 'standing.attempts >= 0',
    test: {
      file: 'test/unit/pipeline/notice-decisions.test.ts',
      name: 'a notice that was attempted has a schedule of its own: no job is sent for it',
    },
  },
  {
    name: 'feedback/first-delivery-of-an-event',
    file: 'src/pipeline/feedback/feedback.ts',
    text: 'for (const ref of event.refs) await',
    replacement: 'for (const ref of event.refs.slice(0, 1)) await',
    test: { file: 'test/simulation/lost-sends.test.ts', name: 'a word of SES > about two deliveries reaches both' },
  },
  {
    name: 'feedback/ses-has-the-last-word',
    file: 'src/pipeline/feedback/feedback.ts',
    text: "const elsewhere = teller === 'ses' && wentOn(ports.settings, current);",
    replacement: 'const elsewhere = false;',
    test: {
      file: 'test/simulation/lost-sends.test.ts',
      name: 'a word of SES > of a failure is not the last word on what went on to another next hop',
    },
  },
  {
    name: 'notice/way-decided-once',
    file: 'src/pipeline/relay/notice-attempt.ts',
    text: 'kind: row.noticeKind }, startedAt, row.nextHop);',
    replacement: 'kind: row.noticeKind }, row.acceptedAt, row.nextHop);',
    test: { file: 'test/simulation/notice-ways.test.ts', name: 'goes as a report once a day has passed' },
  },
  {
    name: 'notice/waits-for-a-way-that-is-closed',
    file: 'src/pipeline/relay/notice-attempt.ts',
    text: "if (way.kind === 'auto-replied') return { via: sesReport, reason: 'auto-replied' };",
    replacement: "if (way.kind === 'auto-replied') return { via: sesReport, reason: 'delivery-missing' };",
    test: {
      file: 'test/simulation/notice-ways.test.ts',
      name: 'about an automatic answer fails then, and its delivery is held with an alarm',
    },
  },
  {
    name: 'returned/lease-kept',
    file: 'src/pipeline/feedback/returned.ts',
    text: 'claims: Math.max(0, current.claims - 1)',
    replacement: 'claims: current.claims',
    test: {
      file: 'test/unit/pipeline/feedback/returned.test.ts',
      name: 'a late job > for a message that has gone on to the postmaster gives the lease back, and relay a job',
    },
  },
  {
    name: 'returned/no-job-for-relay',
    file: 'src/pipeline/feedback/returned.ts',
    text: '  await ports.relayQueue.send([workFor(next)]); // its own may have met our lease\n',
    replacement: '',
    test: {
      file: 'test/unit/pipeline/feedback/returned.test.ts',
      name: 'a late job > for a message that has gone on to the postmaster gives the lease back, and relay a job',
    },
  },
  {
    name: 'returned/settles-what-another-settled',
    file: 'src/pipeline/feedback/returned.ts',
    text: '    if (isUnderWay(current.state)) return decide(current);',
    replacement:
      "    if (isUnderWay(current.state) || current.state === 'held') return decide({ ...current, state: 'queued' });",
    test: {
      file: 'test/unit/pipeline/feedback/returned.test.ts',
      name: 'a late job > whose row somebody else settled meanwhile leaves it as it is, and says so',
    },
  },
  {
    name: 'returned/unreadable-calls-nobody',
    file: 'src/pipeline/feedback/returned.ts',
    text: "  ports.watch.count('ContentUnreadable');\n",
    replacement: '',
    test: {
      file: 'test/unit/pipeline/feedback/returned.test.ts',
      name: 'content that is denied is put off and calls somebody',
    },
  },
  {
    name: "returned/a-person's-words-are-a-report",
    file: 'src/pipeline/feedback/returned.ts',
    text: "if (!automatic && report.kind !== 'auto-reply') return sendOn",
    replacement: "if (!automatic && report.kind === 'none') return sendOn",
    test: {
      file: 'test/unit/pipeline/feedback/returned.test.ts',
      name: 'what a person wrote with the words of a report is no report: it goes to the postmaster',
    },
  },
  {
    name: 'compose/a-part-is-called-whole',
    file: 'src/pipeline/relay/notice-content.ts',
    text: 'const whole = head.size <= head.bytes.byteLength && ',
    replacement: 'const whole = ',
    test: {
      file: 'test/simulation/notice-original.test.ts',
      name: 'one of more than 64 KiB: its header section, and nothing of its body',
    },
  },
  {
    name: 'compose/spam-is-sent-again',
    file: 'src/core/notice/body.ts',
    text: ' || isAboutContent(row)) return',
    replacement: ') return',
    test: {
      file: 'test/simulation/notice-original.test.ts',
      name: 'one that was refused as spam: its header section, and nothing of its body',
    },
  },
  {
    name: 'compose/RET-ignored',
    file: 'src/core/notice/body.ts',
    text: "message.submission?.ret === 'HDRS'",
    replacement: 'false',
    test: { file: 'test/simulation/notice-original.test.ts', name: 'of mail from our side as RET=HDRS has it' },
  },
  {
    name: 'feedback/a-job-without-its-word-is-bounces',
    file: 'src/pipeline/feedback/feedback-job.ts',
    text: "return isReturned ? 'returned' : 'bounce';",
    replacement: "return isReturned ? 'bounce' : 'bounce';",
    test: {
      file: 'test/unit/pipeline/feedback/feedback-job.test.ts',
      name: 'mail to a return path, by its row',
    },
  },
];
