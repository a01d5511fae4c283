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
    text: '  } finally {\n    held();',
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
];
