// Mutations of relay and what it works with: see run.ts.

import type { Mutation } from './mutation.ts';

const recipients = 'test/simulation/every-recipient.test.ts';
const warm = 'test/unit/pipeline/warm-function.test.ts';

export const relayMutations: readonly Mutation[] = [
  {
    name: 'relay/no-body-after-a-crash',
    file: 'src/pipeline/relay/relay.ts',
    text: 'asAuthored(chunks, settings, row, message)',
    replacement: 'asAuthored(row.claims > 1 ? (async function* () {})() : chunks, settings, row, message)',
    test: {
      file: recipients,
      name: 'the content > is whole after our own death, before the next hop answered and after it',
    },
  },
  {
    name: 'relay/no-body-at-a-later-attempt',
    file: 'src/pipeline/relay/relay.ts',
    text: 'asAuthored(chunks, settings, row, message)',
    replacement: 'asAuthored(row.attempts > 0 ? (async function* () {})() : chunks, settings, row, message)',
    test: { file: recipients, name: 'the content > is whole at the fourth, after three were put off before it' },
  },
  {
    name: 'relay/budget-never-given-back',
    file: 'src/pipeline/relay/relay.ts',
    text: '  } finally {\n    room.giveBack();',
    replacement: '  } finally {',
    test: { file: warm, name: 'the budget of bytes is whole again > after attempts that were accepted' },
  },
  {
    name: 'relay/possible-duplicate-unsaid',
    file: 'src/pipeline/relay/relay.ts',
    text: 'possibleDuplicate: row.claims > 1 || row.possibleDuplicate,',
    replacement: 'possibleDuplicate: row.possibleDuplicate,',
    test: {
      file: warm,
      name: 'the message says that it may be the second > where a claim before it never ended',
    },
  },
  {
    name: 'relay/possible-duplicate-recorded-and-unsaid',
    file: 'src/pipeline/relay/relay.ts',
    text: 'possibleDuplicate: row.claims > 1 || row.possibleDuplicate,',
    replacement: 'possibleDuplicate: row.claims > 1,',
    test: {
      file: warm,
      name: 'the message says that it may be the second > where an answer was lost, and recorded so',
    },
  },
  {
    name: 'relay/a-forgery-is-signed',
    file: 'src/pipeline/relay/relay.ts',
    text: 'author: authorEvidence(ports.settings, message),',
    replacement: "author: { by: 'submitter', senderDomains: ports.settings.domains, ourDomains: [] },",
    test: {
      file: 'test/unit/pipeline/transaction.test.ts',
      name: 'a message > tells a next hop that signs what speaks for its author: SES\u2019s verdicts, and the reverse-path that they are of',
    },
  },
  {
    name: 'relay/length-without-our-fields',
    file: 'src/pipeline/relay/relay.ts',
    text: 'bytes: content.bytes + fields.length,',
    replacement: 'bytes: content.bytes,',
    test: {
      file: 'test/unit/pipeline/transaction.test.ts',
      name: 'a message > is announced with its length, all of it, and under its delivery\u2019s own name',
    },
  },
  {
    name: 'relay/success-is-told-by-the-sweep',
    file: 'src/pipeline/relay/relay.ts',
    text: "if (row.state === 'failed' || isSuccessNoticeDue(row)) {",
    replacement: "if (row.state === 'failed') {",
    test: {
      file: 'test/simulation/eager-queues.test.ts',
      name: 'a job that runs the instant it is sent finds what it needs > of an envelope whose submitter wants to hear of a success: he hears it at once',
    },
  },
  {
    name: 'relay/confirmed-notice-settles-nothing',
    file: 'src/pipeline/relay/relay.ts',
    text: "const accepted = row.state === 'relayed' || row.state === 'confirmed';",
    replacement: "const accepted = row.state === 'relayed';",
    test: {
      file: 'test/simulation/eager-queues.test.ts',
      name: 'a job that runs the instant it is sent finds what it needs > of a notice that SES confirms before we know that it took it: its delivery is returned',
    },
  },
  {
    name: 'relay/bounce-job-not-awaited',
    file: 'src/pipeline/relay/relay.ts',
    text: '    await ports.bounceQueue.send([',
    replacement: '    void ports.bounceQueue.send([',
    test: {
      file: 'test/simulation/eager-queues.test.ts',
      name: 'a job that runs the instant it is sent finds what it needs > of a receipt that is refused: returned, with one NDR',
    },
  },
  {
    name: 'relay/possible-duplicate-not-counted',
    file: 'src/pipeline/relay/attempt-report.ts',
    text: "if (outcome.possibleDuplicate) count('PossibleDuplicate');",
    replacement: '',
    test: {
      file: 'test/simulation/metrics.test.ts',
      name: 'of mail that comes in is counted > taken, and the answer lost',
    },
  },
  {
    name: 'relay/unknown-reply-not-counted',
    file: 'src/pipeline/relay/attempt-report.ts',
    text: "if (attempt.unknownReply) count('UnknownReply');",
    replacement: '',
    test: {
      file: 'test/simulation/metrics.test.ts',
      name: 'of mail that comes in is counted > put off by a reply that nobody knows, then relayed',
    },
  },
  {
    name: 'claim/possible-duplicate-not-counted',
    file: 'src/pipeline/claim.ts',
    text: "    ports.watch.count('PossibleDuplicate');\n",
    replacement: '',
    test: {
      file: 'test/simulation/metrics.test.ts',
      name: 'of mail that comes in is counted > taken, and our own death after it',
    },
  },
  {
    name: 'relay/budget-not-given-back-while-waiting',
    file: 'src/pipeline/relay/relay.ts',
    text: '  if (room.giveBack === null) {\n    content.close();',
    replacement: '  if (room.giveBack === null) {',
    test: {
      file: 'test/unit/pipeline/warm-function.test.ts',
      name: 'the budget of bytes is whole again > after attempts that waited for it until time was over; and what was opened for them is closed',
    },
  },
  {
    name: 'relay/postmaster-copy-answers-for-the-delivery',
    file: 'src/pipeline/relay/relay.ts',
    text: '  if (standsAlone(row)) return; // it answers for nothing\n',
    replacement: '',
    test: {
      file: 'test/simulation/eager-queues.test.ts',
      name: 'a job that runs the instant it is sent finds what it needs > of a failure whose NDR is put off while the postmaster has his copy: that copy answers for nothing',
    },
  },
  {
    name: 'relay/expired-is-not-returned',
    file: 'src/pipeline/relay/relay.ts',
    text: "current.state === 'failed' || current.state === 'expired'\n      ? withNoticeSettled",
    replacement: "current.state === 'failed'\n      ? withNoticeSettled",
    test: {
      file: 'test/simulation/eager-queues.test.ts',
      name: 'a job that runs the instant it is sent finds what it needs > of the sweep: expired, and returned',
    },
  },
  {
    name: 'relay/schedule-off-by-one',
    file: 'src/pipeline/relay/relay.ts',
    text: 'attempts: claimed.attempts + 1,',
    replacement: 'attempts: claimed.attempts,',
    test: {
      file: 'test/unit/pipeline/warm-function.test.ts',
      name: 'the next attempt > after the second comes as the schedule has it',
    },
  },
  {
    name: 'relay/pace-ignored',
    file: 'src/pipeline/relay/relay.ts',
    text: "outcome.kind === 'deferred' ? outcome.pace : undefined",
    replacement: 'undefined',
    test: {
      file: 'test/unit/pipeline/warm-function.test.ts',
      name: 'the next attempt > comes at the pace that the refusal calls for: what is ours to mend waits longer at once',
    },
  },
  {
    name: 'relay/content-left-open',
    file: 'src/pipeline/relay/relay.ts',
    text: '    again.close();\n    content.close();',
    replacement: '    again.close();',
    test: {
      file: 'test/unit/pipeline/warm-function.test.ts',
      name: 'the budget of bytes is whole again > after attempts that were refused before the content',
    },
  },
  {
    name: 'relay/delete-marker-untold',
    file: 'src/pipeline/relay/relay.ts',
    text: 'undeleted: attempt.opened?.undeleted === true,',
    replacement: 'undeleted: false,',
    test: {
      file: 'test/simulation/at-birth.test.ts',
      name: 'content under a delete marker is relayed, and the trace of its delivery says so',
    },
  },
  {
    name: 'in-turns/failure-dropped',
    file: 'src/pipeline/in-turns.ts',
    text: '  if (failure !== undefined) throw failure.reason;\n',
    replacement: '',
    test: {
      file: 'test/unit/pipeline/in-turns.test.ts',
      name: 'throws the first failure, once all that had begun has ended',
    },
  },
  {
    name: 'in-turns/goes-on-after-its-time',
    file: 'src/pipeline/in-turns.ts',
    text: 'index < inputs.length && !signal.aborted; index',
    replacement: 'index < inputs.length; index',
    test: { file: 'test/unit/pipeline/in-turns.test.ts', name: 'begins nothing more once time is short' },
  },
  {
    name: 'A3/weights-are-no-whole-numbers',
    file: 'src/pipeline/relay/byte-budget.ts',
    text: 'return Number.isSafeInteger(whole) && whole >= 0 ? whole : bytesMax;',
    replacement: 'return Number.isSafeInteger(whole) && whole >= 0 ? bytes : bytesMax;',
    test: {
      file: 'test/unit/pipeline/relay/byte-budget.test.ts',
      name: 'is whole again after any weights, fractions of bytes among them',
    },
  },
  {
    name: 'A3/a-wait-has-no-end',
    file: 'src/pipeline/relay/byte-budget.ts',
    text: '        if (waiting.includes(entry)) timer = setTimeout(',
    replacement: '        if (!waiting.includes(entry)) timer = setTimeout(',
    test: {
      file: 'test/unit/pipeline/relay/byte-budget.test.ts',
      name: 'does not let anybody wait for longer than it is told',
    },
  },
  {
    name: 'A9/Bcc-is-shown-to-the-next-hop',
    file: 'src/core/message/removed-fields.ts',
    text: "return this.block === null ? 'goes' : 'stays';",
    replacement: "return this.block !== null ? 'goes' : 'stays';",
    test: {
      file: 'test/simulation/outbound.test.ts',
      name: 'what is submitted > shows its Bcc to no next hop and in no notice, and is stored as it was',
    },
  },
  {
    name: 'B4/inbound-mail-keeps-forged-results',
    file: 'src/core/message/removed-fields.ts',
    text: "terms.direction === 'inbound' ? new SesBlock() : null",
    replacement: "terms.direction === 'inbound' ? null : new SesBlock()",
    test: {
      file: 'test/simulation/forged-results.test.ts',
      name: 'a forged verdict > reaches no next hop, and SES’s own does: exchange',
    },
  },
  {
    name: 'B4/relay-forgets-the-domains-that-are-ours',
    file: 'src/pipeline/relay/relay.ts',
    text: 'domains: settings.domains,',
    replacement: 'domains: [],',
    test: {
      file: 'test/simulation/forged-results.test.ts',
      name: 'a forged verdict > reaches no next hop, and SES’s own does: boxes',
    },
  },
  {
    name: 'B4/a-quoted-name-is-not-read',
    file: 'src/core/message/authserv-id.ts',
    text: "text[start] === '\"' ? quotedString(text, start) : token(text, start)",
    replacement: 'token(text, start)',
    test: {
      file: 'test/unit/core/message/removed-fields.test.ts',
      name: 'what came with a message that SES received > stays: Authentication-Results: "amazonses.com\\; x"; dmarc=pass',
    },
  },
  {
    name: 'B4/a-name-below-ours-is-anothers',
    file: 'src/core/message/authserv-id.ts',
    text: 'at = dot === -1 ? -1 : dot + 1;',
    replacement: 'at = -1;',
    test: {
      file: 'test/unit/core/message/removed-fields.test.ts',
      name: 'what came with a message that SES received > goes: Authentication-Results: mx.example.com; dmarc=pass',
    },
  },
  {
    name: 'B4/what-cannot-be-read-is-anothers',
    file: 'src/core/message/authserv-id.ts',
    text: '  if (cut) return true;',
    replacement: '  return cut;',
    test: {
      file: 'test/unit/core/message/removed-fields.test.ts',
      name: 'what came with a message that SES received > goes: Authentication-Results: x amazonses.com; dmarc=pass',
    },
  },
  {
    name: 'B4/a-second-field-of-a-name-is-SES’s',
    file: 'src/core/message/ses-block.ts',
    text: '    if (seen.has(name)) return false;\n',
    replacement: '',
    test: {
      file: 'test/unit/core/message/removed-fields.test.ts',
      name: 'what came with a message that SES received > goes where it is the second of its name, whether SES’s block was closed or not',
    },
  },
  {
    name: 'B4/SES’s-block-never-closes',
    file: 'src/core/message/ses-block.ts',
    text: 'return BETWEEN.has(name) && ![...CLOSING].some((closing) => seen.has(closing));',
    replacement: 'return BETWEEN.has(name);',
    test: {
      file: 'test/unit/core/message/removed-fields.test.ts',
      name: 'what came with a message that SES received > goes where SES itself wrote no such field: 5',
    },
  },
  {
    name: 'B5/content-is-changed-behind-ingest',
    file: 'src/pipeline/relay/relay.ts',
    text: 'asAuthored(chunks, settings, row, message)',
    replacement: 'chunks',
    test: {
      file: 'test/simulation/outbound.test.ts',
      name: 'who may send > an author of another submitter in content in whose place ingest saw another message: nothing leaves, and its submitter hears',
    },
  },
  {
    name: 'B5/a-release-is-asked-again',
    file: 'src/pipeline/relay/submitted-authors.ts',
    text: 'if (submission === undefined || isReleased(row))',
    replacement: 'if (submission === undefined)',
    test: {
      file: 'test/simulation/outbound.test.ts',
      name: 'who may send > an author of another submitter whose mail an operator released: it leaves',
    },
  },
  {
    name: 'B5/any-release-is-one-of-the-author',
    file: 'src/pipeline/relay/submitted-authors.ts',
    text: ".some((cause) => cause === 'foreign-author' || cause === 'foreign-sender')",
    replacement: '.length > 0',
    test: {
      file: 'test/unit/pipeline/relay/submitted-authors.test.ts',
      name: 'a foreign author leaves all the same > but not where it was released from something else',
    },
  },
  {
    name: 'B5/a-second-release-forgets-the-first',
    file: 'src/core/delivery/hold-release.ts',
    text: '[...new Set([...releasedFromOf(row), because])]',
    replacement: '[because]',
    test: {
      file: 'test/contract/rows-before.test.ts',
      name: 'a row of the version before > keeps what it was released from when it is released once more',
    },
  },
  {
    name: 'relay/its-next-hop-is-told-by-a-host-name',
    file: 'src/core/delivery/resubmission.ts',
    text: 'return attemptedBy ?? (isSesHost',
    replacement: 'return (isSesHost',
    test: {
      file: 'test/unit/core/delivery/resubmission.test.ts',
      name: 'SES took it, whatever its endpoint is called',
    },
  },
  {
    name: 'signatures/folds-of-a-removed-field-stay',
    file: 'src/core/message/removed-fields.ts',
    text: "if (line !== 'folded') this.fieldGoes = line === 'goes';",
    replacement: "this.fieldGoes = line === 'goes';",
    test: {
      file: 'test/integration/smtp/signed-content.test.ts',
      name: 'fields that are taken out > leave the signatures that do not cover them, folds and all',
    },
  },
  {
    name: 'signatures/an-address-in-our-Received',
    file: 'src/core/message/trace-fields.ts',
    text: 'path === null || LOOKS_LIKE_ADDRESS.test(path)',
    replacement: 'path === null',
    test: {
      file: 'test/unit/core/message/trace-fields.test.ts',
      name: 'our fields > no for clause where "ann@[192.0.2.1]" looks like an address of a host',
    },
  },
];
