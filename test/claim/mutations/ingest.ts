// Mutations of ingest, and of what looks for what did not come to it: see run.ts.

import type { Mutation } from './mutation.ts';

const recipients = 'test/simulation/every-recipient.test.ts';
const eager = 'test/simulation/eager-queues.test.ts';

export const ingestMutations: readonly Mutation[] = [
  {
    name: 'ingest/fourth-recipient-dropped',
    file: 'src/pipeline/ingest/ingest.ts',
    text: 'receipt.recipients.flatMap(',
    replacement: 'receipt.recipients.toSpliced(3, 1).flatMap(',
    test: { file: recipients, name: 'recipients > 4 of one receipt: each has it once' },
  },
  {
    name: 'ingest/jobs-before-rows',
    file: 'src/pipeline/ingest/ingest.ts',
    text: '  const results = await writeRows(ports, rows, facts);\n  await sendJobs(ports, rows);',
    replacement: '  await sendJobs(ports, rows);\n  const results = await writeRows(ports, rows, facts);',
    test: { file: eager, name: 'a job that runs the instant it is sent finds what it needs > of a receipt: relayed' },
  },
  {
    name: 'ingest/bounce-jobs-not-sent',
    file: 'src/pipeline/ingest/rows.ts',
    text: '  if (bounce.length > 0) await ports.bounceQueue.send(bounce);\n',
    replacement: '',
    test: {
      file: 'test/simulation/eager-queues.test.ts',
      name: 'a job that runs the instant it is sent finds what it needs > of a receipt that no route takes: returned without an attempt',
    },
  },
  {
    name: 'ingest/malformed-not-counted',
    file: 'src/pipeline/ingest/submitted-mail.ts',
    text: "  if (reading.kind === 'malformed') ports.watch.raise('SubmissionMalformed');\n",
    replacement: '',
    test: {
      file: 'test/simulation/metrics.test.ts',
      name: 'of mail from our side is counted > an envelope that cannot be used',
    },
  },
  {
    name: 'ingest/fourth-recipient-of-an-envelope-dropped',
    file: 'src/pipeline/ingest/submitted-mail.ts',
    text: 'envelope.forwardPaths.flatMap(',
    replacement: 'envelope.forwardPaths.toSpliced(3, 1).flatMap(',
    test: { file: 'test/simulation/every-recipient.test.ts', name: 'recipients > 4 of one envelope: each has it once' },
  },
  {
    name: 'take-in/fourth-named-recipient-dropped',
    file: 'src/pipeline/ingest/ingest-job.ts',
    text: 'named.recipients.flatMap(',
    replacement: 'named.recipients.toSpliced(3, 1).flatMap(',
    test: {
      file: 'test/simulation/every-recipient.test.ts',
      name: 'recipients > 4 whom an operator names for an orphan: each has it once',
    },
  },
  {
    name: 'orphans/held-not-counted',
    file: 'src/pipeline/orphans/orphans.ts',
    text: "  ports.watch.raise('Held');\n",
    replacement: '',
    test: {
      file: 'test/simulation/metrics.test.ts',
      name: 'of what stands still is counted > an object without a receipt, each hour until somebody looks',
    },
  },
  {
    name: 'ingest/loops-ignored',
    file: 'src/pipeline/ingest/ingest.ts',
    text: 'const loop = findLoop(headers, ports.markKey);',
    replacement: 'const loop = findLoop([], ports.markKey);',
    test: {
      file: 'test/simulation/at-birth.test.ts',
      name: 'a message that goes in circles is refused, and its sender hears of it > four passes of our own',
    },
  },
  {
    name: 'ingest/quarantined-as-long-as-the-spool',
    file: 'src/pipeline/ingest/ingest.ts',
    text: 'row.acceptedAt + ports.settings.retentionMs.quarantine',
    replacement: 'row.acceptedAt + ports.settings.retentionMs.spool',
    test: {
      file: 'test/simulation/at-birth.test.ts',
      name: 'a receipt that is read late > is quarantined until the quarantine\u2019s end, not the spool\u2019s',
    },
  },
  {
    name: 'ingest/own-notice-not-known',
    file: 'src/pipeline/ingest/ingest.ts',
    text: '      ...(bearsNoticeMark(ports.markKey, headers) ? { ownNotice: true } : {}),\n',
    replacement: '',
    test: {
      file: 'test/simulation/at-birth.test.ts',
      name: 'a notice of our own that comes in and is refused has no notice',
    },
  },
  {
    name: 'ingest/accepted-when-read',
    file: 'src/pipeline/ingest/rows.ts',
    text: 'acceptedAt: facts.acceptedAt,',
    replacement: 'acceptedAt: now,',
    test: {
      file: 'test/simulation/at-birth.test.ts',
      name: 'a receipt that is read late > makes deliveries as old as their acceptance: lifetime and retention count from there',
    },
  },
  {
    name: 'ingest/loop-before-an-explicit-discard',
    file: 'src/pipeline/ingest/rows.ts',
    text: "  if (byRoute?.kind === 'discard') return discardedAtBirth(row, byRoute.reason, now);\n  if (loop !== null) return failedAtBirth(row, loop.status, 'loop', loop.detail, now);",
    replacement:
      "  if (loop !== null) return failedAtBirth(row, loop.status, 'loop', loop.detail, now);\n  if (byRoute?.kind === 'discard') return discardedAtBirth(row, byRoute.reason, now);",
    test: {
      file: 'test/simulation/at-birth.test.ts',
      name: 'a message that goes in circles is refused, and its sender hears of it > but what an explicit route discards is discarded, loop or not',
    },
  },
  {
    name: 'ingest/first-read-of-a-header-section',
    file: 'src/pipeline/ingest/submitted-mail.ts',
    text: 'head.size > head.bytes.length && !findHeaderEnd',
    replacement: 'head.size < head.bytes.length && !findHeaderEnd',
    test: {
      file: 'test/simulation/at-birth.test.ts',
      name: 'an envelope > whose content has a header section beyond the first read: all of it is looked at',
    },
  },
  {
    name: 'ingest/first-envelope-of-an-event',
    file: 'src/pipeline/ingest/submitted-mail.ts',
    text: 'for (const stored of event.envelopes)',
    replacement: 'for (const stored of event.envelopes.slice(0, 1))',
    test: {
      file: 'test/simulation/at-birth.test.ts',
      name: 'an envelope > told of beside another in one event: both go',
    },
  },
  {
    name: 'submit/denied-is-tried-again',
    file: 'src/pipeline/submit/submit.ts',
    text: "return { kind: 'not-stored', cause: result.cause, detail: result.detail };",
    replacement: "return { kind: 'not-stored', cause: 'unavailable', detail: result.detail };",
    test: {
      file: 'test/unit/pipeline/submit/submit.test.ts',
      name: 'nothing is promised > where the content is refused: no envelope is written',
    },
  },
  {
    name: 'lost-submission/race-leaves-it-held',
    file: 'src/pipeline/orphans/lost-submission.ts',
    text: 'if ((await ports.ledger.rowKeys(spoolId, 2)).length > 1) {',
    replacement: 'if ((await ports.ledger.rowKeys(spoolId, 2)).length > 2) {',
    test: {
      file: 'test/simulation/lost-submission.test.ts',
      name: 'content without an envelope > whose envelope is read between the two looks of the search is not held: what stood for it goes at once',
    },
  },
  {
    name: 'lost-submission/not-counted',
    file: 'src/pipeline/orphans/lost-submission.ts',
    text: "    ports.watch.count('LostJob');\n",
    replacement: '',
    test: {
      file: 'test/simulation/lost-submission.test.ts',
      name: 'an envelope without rows: ingest is told again, and the message is relayed',
    },
  },
  {
    name: 'take-in/loops-ignored',
    file: 'src/pipeline/ingest/ingest-job.ts',
    text: 'findLoop(headers, ports.markKey)',
    replacement: 'findLoop([], ports.markKey)',
    test: {
      file: 'test/simulation/at-birth.test.ts',
      name: 'a message that goes in circles is refused, and its sender hears of it > also one without a receipt, whose recipients an operator names',
    },
  },
  {
    name: 'receipt/word-of-trial-anywhere',
    file: 'src/core/spool/receipt.ts',
    text: "if (sesMessageId === setupNotification) return { kind: 'setup' };",
    replacement: "if (body.includes(setupNotification)) return { kind: 'setup' };",
    test: {
      file: 'test/simulation/silent-losses.test.ts',
      name: 'what ingest does not understand is taken for no trial of SES: it ends among the dead letters',
    },
  },
];
