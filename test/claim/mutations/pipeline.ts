// Mutations of pipeline/: see run.ts.

import type { Mutation } from './mutation.ts';

const recipients = 'test/simulation/every-recipient.test.ts';
const warm = 'test/unit/pipeline/warm-function.test.ts';
const eager = 'test/simulation/eager-queues.test.ts';

export const pipelineMutations: readonly Mutation[] = [
  {
    name: 'relay/no-body-after-a-crash',
    file: 'pipeline/relay.ts',
    text: 'content: intactEdit(content.chunks, fields),',
    replacement: 'content: intactEdit(row.claims > 1 ? (async function* () {})() : content.chunks, fields),',
    test: {
      file: recipients,
      name: 'the content > is whole after our own death, before the next hop answered and after it',
    },
  },
  {
    name: 'relay/no-body-at-a-later-attempt',
    file: 'pipeline/relay.ts',
    text: 'content: intactEdit(content.chunks, fields),',
    replacement: 'content: intactEdit(row.attempts > 0 ? (async function* () {})() : content.chunks, fields),',
    test: { file: recipients, name: 'the content > is whole at the fourth, after three were put off before it' },
  },
  {
    name: 'relay/budget-never-given-back',
    file: 'pipeline/relay.ts',
    text: '  } finally {\n    room.giveBack();',
    replacement: '  } finally {',
    test: { file: warm, name: 'the budget of bytes is whole again > after attempts that were accepted' },
  },
  {
    name: 'relay/possible-duplicate-unsaid',
    file: 'pipeline/relay.ts',
    text: 'possibleDuplicate: row.claims > 1 || row.possibleDuplicate,',
    replacement: 'possibleDuplicate: row.possibleDuplicate,',
    test: {
      file: warm,
      name: 'the message says that it may be the second > where a claim before it never ended',
    },
  },
  {
    name: 'relay/possible-duplicate-recorded-and-unsaid',
    file: 'pipeline/relay.ts',
    text: 'possibleDuplicate: row.claims > 1 || row.possibleDuplicate,',
    replacement: 'possibleDuplicate: row.claims > 1,',
    test: {
      file: warm,
      name: 'the message says that it may be the second > where an answer was lost, and recorded so',
    },
  },
  {
    name: 'ingest/fourth-recipient-dropped',
    file: 'pipeline/ingest.ts',
    text: 'receipt.recipients.flatMap(',
    replacement: 'receipt.recipients.toSpliced(3, 1).flatMap(',
    test: { file: recipients, name: 'recipients > 4 of one receipt: each has it once' },
  },
  {
    name: 'ingest/jobs-before-rows',
    file: 'pipeline/ingest.ts',
    text: '  const results = await ports.ledger.create(rows, rows.length > 1 ? facts : null);\n  await sendJobs(ports, rows);',
    replacement:
      '  await sendJobs(ports, rows);\n  const results = await ports.ledger.create(rows, rows.length > 1 ? facts : null);',
    test: { file: eager, name: 'a job that runs the instant it is sent finds what it needs > of a receipt: relayed' },
  },
  {
    name: 'sweep/expiries-counted-by-the-instant',
    file: 'pipeline/sweep.ts',
    text: 'countExpiry(now - (now % ports.hourMs), suspect)',
    replacement: 'countExpiry(now, suspect)',
    test: {
      file: 'test/unit/pipeline/sweep.test.ts',
      name: 'the valve on expiries > counts the hour, however many sweeps it has: the hundred and first is held',
    },
  },
  {
    name: 'operate/removal-does-not-last',
    file: 'pipeline/operate.ts',
    text: "row.kind === 'delivery' && row.notice?.kind !== 'ndr' && ",
    replacement: "row.kind === 'delivery' && ",
    test: {
      file: 'test/simulation/operator.test.ts',
      name: 'an operator > removes for good what is held because its NDR could not be delivered: nobody is told a second time',
    },
  },
  {
    name: 'relay/a-forgery-is-signed',
    file: 'pipeline/relay.ts',
    text: "authorDoubted: message.direction === 'inbound' && message.verdicts?.dmarc === 'FAIL',",
    replacement: 'authorDoubted: false,',
    test: {
      file: 'test/unit/pipeline/transaction.test.ts',
      name: 'a message > whose DMARC is FAIL: nobody signs in its author\u2019s name: true',
    },
  },
  {
    name: 'relay/length-without-our-fields',
    file: 'pipeline/relay.ts',
    text: 'bytes: content.bytes + fields.length,',
    replacement: 'bytes: content.bytes,',
    test: {
      file: 'test/unit/pipeline/transaction.test.ts',
      name: 'a message > is announced with its length, all of it, and under its delivery\u2019s own name',
    },
  },
  {
    name: 'relay/success-is-told-by-the-sweep',
    file: 'pipeline/relay.ts',
    text: "if (row.state === 'failed' || isSuccessNoticeDue(row)) {",
    replacement: "if (row.state === 'failed') {",
    test: {
      file: 'test/simulation/eager-queues.test.ts',
      name: 'a job that runs the instant it is sent finds what it needs > of an envelope whose submitter wants to hear of a success: he hears it at once',
    },
  },
  {
    name: 'relay/confirmed-notice-settles-nothing',
    file: 'pipeline/relay.ts',
    text: "const accepted = row.state === 'relayed' || row.state === 'confirmed';",
    replacement: "const accepted = row.state === 'relayed';",
    test: {
      file: 'test/simulation/eager-queues.test.ts',
      name: 'a job that runs the instant it is sent finds what it needs > of a notice that SES confirms before we know that it took it: its delivery is returned',
    },
  },
  {
    name: 'relay/bounce-job-not-awaited',
    file: 'pipeline/relay.ts',
    text: '    await ports.bounceQueue.send([',
    replacement: '    void ports.bounceQueue.send([',
    test: {
      file: 'test/simulation/eager-queues.test.ts',
      name: 'a job that runs the instant it is sent finds what it needs > of a receipt that is refused: returned, with one NDR',
    },
  },
  {
    name: 'relay/possible-duplicate-not-counted',
    file: 'pipeline/relay.ts',
    text: "if (outcome.possibleDuplicate) ports.watch.count('PossibleDuplicate');",
    replacement: '',
    test: {
      file: 'test/simulation/metrics.test.ts',
      name: 'of mail that comes in is counted > taken, and the answer lost',
    },
  },
  {
    name: 'relay/unknown-reply-not-counted',
    file: 'pipeline/relay.ts',
    text: "if (attempt.unknownReply) ports.watch.count('UnknownReply');",
    replacement: '',
    test: {
      file: 'test/simulation/metrics.test.ts',
      name: 'of mail that comes in is counted > put off by a reply that nobody knows, then relayed',
    },
  },
  {
    name: 'claim/possible-duplicate-not-counted',
    file: 'pipeline/claim.ts',
    text: "    ports.watch.count('PossibleDuplicate');\n",
    replacement: '',
    test: {
      file: 'test/simulation/metrics.test.ts',
      name: 'of mail that comes in is counted > taken, and our own death after it',
    },
  },
  {
    name: 'ingest/bounce-jobs-not-sent',
    file: 'pipeline/ingest-rows.ts',
    text: '  if (bounce.length > 0) await ports.bounceQueue.send(bounce);\n',
    replacement: '',
    test: {
      file: 'test/simulation/eager-queues.test.ts',
      name: 'a job that runs the instant it is sent finds what it needs > of a receipt that no route takes: returned without an attempt',
    },
  },
  {
    name: 'ingest/malformed-not-counted',
    file: 'pipeline/ingest-submission.ts',
    text: "  if (reading.kind === 'malformed' && results.includes('created')) ports.watch.count('SubmissionMalformed');\n",
    replacement: '',
    test: {
      file: 'test/simulation/metrics.test.ts',
      name: 'of mail from our side is counted > an envelope that cannot be used',
    },
  },
  {
    name: 'ingest/fourth-recipient-of-an-envelope-dropped',
    file: 'pipeline/ingest-submission.ts',
    text: 'envelope.forwardPaths.flatMap(',
    replacement: 'envelope.forwardPaths.toSpliced(3, 1).flatMap(',
    test: { file: 'test/simulation/every-recipient.test.ts', name: 'recipients > 4 of one envelope: each has it once' },
  },
  {
    name: 'take-in/fourth-named-recipient-dropped',
    file: 'pipeline/take-in.ts',
    text: 'named.recipients.flatMap(',
    replacement: 'named.recipients.toSpliced(3, 1).flatMap(',
    test: {
      file: 'test/simulation/every-recipient.test.ts',
      name: 'recipients > 4 whom an operator names for an orphan: each has it once',
    },
  },
  {
    name: 'sweep/job-before-row',
    file: 'pipeline/sweep.ts',
    text: "    case 'relay':\n      if ((await ports.ledger.write(decision.row, decision.events)) === 'lost') return left;",
    replacement:
      "    case 'relay':\n      if ((await ports.relayQueue.send([workFor(row)])) === undefined && (await ports.ledger.write(decision.row, decision.events)) === 'lost') return left;",
    test: {
      file: 'test/unit/pipeline/sweep.test.ts',
      name: 'a row is written before its job is sent > deferred and due',
    },
  },
  {
    name: 'sweep/lost-jobs-not-counted',
    file: 'pipeline/sweep.ts',
    text: "  ports.watch.count('LostJob', total.lost);\n",
    replacement: '',
    test: {
      file: 'test/unit/pipeline/sweep.test.ts',
      name: 'a run > counts itself, and lost jobs where there were none',
    },
  },
  {
    name: 'sweep/job-does-not-know-its-claims',
    file: 'pipeline/sweep.ts',
    text: '{ job: row.claims > 0 ? { ...job, claims: row.claims } : job, group }',
    replacement: '{ job, group }',
    test: {
      file: 'test/unit/pipeline/sweep.test.ts',
      name: 'a run > finds a job that was lost, counts it, and tells the job how often its row was claimed',
    },
  },
  {
    name: 'feedback/bounce-job-not-awaited',
    file: 'pipeline/feedback.ts',
    text: '  await ports.bounceQueue.send([\n',
    replacement: '  void ports.bounceQueue.send([\n',
    test: { file: 'test/simulation/lost-sends.test.ts', name: 'a stage fails where its jobs are not taken > feedback' },
  },
  {
    name: 'feedback/unknown-delivery-not-counted',
    file: 'pipeline/feedback.ts',
    text: "    ports.watch.count('UnknownDelivery');\n",
    replacement: '',
    test: {
      file: 'test/simulation/metrics.test.ts',
      name: 'of what is said afterwards is counted > of a delivery that is not there',
    },
  },
  {
    name: 'orphans/held-not-counted',
    file: 'pipeline/orphans.ts',
    text: "  ports.watch.count('Held');\n",
    replacement: '',
    test: {
      file: 'test/simulation/metrics.test.ts',
      name: 'of what stands still is counted > an object without a receipt, each hour until somebody looks',
    },
  },
  {
    name: 'relay/budget-not-given-back-while-waiting',
    file: 'pipeline/relay.ts',
    text: '  if (room.giveBack === null) {\n    content.close();',
    replacement: '  if (room.giveBack === null) {',
    test: {
      file: 'test/unit/pipeline/warm-function.test.ts',
      name: 'the budget of bytes is whole again > after attempts that waited for it until time was over; and what was opened for them is closed',
    },
  },
];
