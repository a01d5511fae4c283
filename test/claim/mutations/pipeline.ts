// Mutations of pipeline/: see run.ts.

import type { Mutation } from './mutation.ts';

const recipients = 'test/simulation/every-recipient.test.ts';
const warm = 'test/unit/pipeline/warm-function.test.ts';
const eager = 'test/simulation/eager-queues.test.ts';

export const pipelineMutations: readonly Mutation[] = [
  {
    name: 'relay/no-body-after-a-crash',
    file: 'pipeline/relay.ts',
    text: ': content.chunks, fields),',
    replacement: ': row.claims > 1 ? (async function* () {})() : content.chunks, fields),',
    test: {
      file: recipients,
      name: 'the content > is whole after our own death, before the next hop answered and after it',
    },
  },
  {
    name: 'relay/no-body-at-a-later-attempt',
    file: 'pipeline/relay.ts',
    text: ': content.chunks, fields),',
    replacement: ': row.attempts > 0 ? (async function* () {})() : content.chunks, fields),',
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
    text: '  const results = await writeRows(ports, rows, facts);\n  await sendJobs(ports, rows);',
    replacement: '  await sendJobs(ports, rows);\n  const results = await writeRows(ports, rows, facts);',
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
    text: "  if (reading.kind === 'malformed') ports.watch.raise('SubmissionMalformed');\n",
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
    text: "  ports.watch.raise('Held');\n",
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
  {
    name: 'relay/postmaster-copy-answers-for-the-delivery',
    file: 'pipeline/relay.ts',
    text: '  if (standsAlone(row)) return; // it answers for nothing\n',
    replacement: '',
    test: {
      file: 'test/simulation/eager-queues.test.ts',
      name: 'a job that runs the instant it is sent finds what it needs > of a failure whose NDR is put off while the postmaster has his copy: that copy answers for nothing',
    },
  },
  {
    name: 'relay/expired-is-not-returned',
    file: 'pipeline/relay.ts',
    text: "current.state === 'failed' || current.state === 'expired'\n      ? withNoticeSettled",
    replacement: "current.state === 'failed'\n      ? withNoticeSettled",
    test: {
      file: 'test/simulation/eager-queues.test.ts',
      name: 'a job that runs the instant it is sent finds what it needs > of the sweep: expired, and returned',
    },
  },
  {
    name: 'relay/schedule-off-by-one',
    file: 'pipeline/relay.ts',
    text: 'attempts: claimed.attempts + 1,',
    replacement: 'attempts: claimed.attempts,',
    test: {
      file: 'test/unit/pipeline/warm-function.test.ts',
      name: 'the next attempt > after the second comes as the schedule has it',
    },
  },
  {
    name: 'relay/pace-ignored',
    file: 'pipeline/relay.ts',
    text: "outcome.kind === 'deferred' ? outcome.pace : undefined",
    replacement: 'undefined',
    test: {
      file: 'test/unit/pipeline/warm-function.test.ts',
      name: 'the next attempt > comes at the pace that the refusal calls for: what is ours to mend waits longer at once',
    },
  },
  {
    name: 'relay/content-left-open',
    file: 'pipeline/relay.ts',
    text: '    room.giveBack();\n    content.close();',
    replacement: '    room.giveBack();',
    test: {
      file: 'test/unit/pipeline/warm-function.test.ts',
      name: 'the budget of bytes is whole again > after attempts that were refused before the content',
    },
  },
  {
    name: 'relay/delete-marker-untold',
    file: 'pipeline/relay.ts',
    text: 'undeleted: attempt.opened?.undeleted === true,',
    replacement: 'undeleted: false,',
    test: {
      file: 'test/simulation/at-birth.test.ts',
      name: 'content under a delete marker is relayed, and the trace of its delivery says so',
    },
  },
  {
    name: 'in-turns/failure-dropped',
    file: 'pipeline/in-turns.ts',
    text: '  if (failure !== undefined) throw failure.reason;\n',
    replacement: '',
    test: {
      file: 'test/unit/pipeline/in-turns.test.ts',
      name: 'throws the first failure, once all that had begun has ended',
    },
  },
  {
    name: 'in-turns/goes-on-after-its-time',
    file: 'pipeline/in-turns.ts',
    text: 'index < inputs.length && !signal.aborted; index',
    replacement: 'index < inputs.length; index',
    test: { file: 'test/unit/pipeline/in-turns.test.ts', name: 'begins nothing more once time is short' },
  },
  {
    name: 'ingest/loops-ignored',
    file: 'pipeline/ingest.ts',
    text: 'const loop = findLoop(headers, ports.markKey);',
    replacement: 'const loop = findLoop([], ports.markKey);',
    test: {
      file: 'test/simulation/at-birth.test.ts',
      name: 'a message that goes in circles is refused, and its sender hears of it > four passes of our own',
    },
  },
  {
    name: 'ingest/quarantined-as-long-as-the-spool',
    file: 'pipeline/ingest.ts',
    text: 'row.acceptedAt + ports.settings.retentionMs.quarantine',
    replacement: 'row.acceptedAt + ports.settings.retentionMs.spool',
    test: {
      file: 'test/simulation/at-birth.test.ts',
      name: 'a receipt that is read late > is quarantined until the quarantine\u2019s end, not the spool\u2019s',
    },
  },
  {
    name: 'ingest/own-notice-not-known',
    file: 'pipeline/ingest.ts',
    text: '      ...(bearsNoticeMark(ports.markKey, headers) ? { ownNotice: true } : {}),\n',
    replacement: '',
    test: {
      file: 'test/simulation/at-birth.test.ts',
      name: 'a notice of our own that comes in and is refused has no notice',
    },
  },
  {
    name: 'ingest/accepted-when-read',
    file: 'pipeline/ingest-rows.ts',
    text: 'acceptedAt: facts.acceptedAt,',
    replacement: 'acceptedAt: now,',
    test: {
      file: 'test/simulation/at-birth.test.ts',
      name: 'a receipt that is read late > makes deliveries as old as their acceptance: lifetime and retention count from there',
    },
  },
  {
    name: 'ingest/loop-before-an-explicit-discard',
    file: 'pipeline/ingest-rows.ts',
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
    file: 'pipeline/ingest-submission.ts',
    text: 'head.size > head.bytes.length && !findHeaderEnd',
    replacement: 'head.size < head.bytes.length && !findHeaderEnd',
    test: {
      file: 'test/simulation/at-birth.test.ts',
      name: 'an envelope > whose content has a header section beyond the first read: all of it is looked at',
    },
  },
  {
    name: 'ingest/first-envelope-of-an-event',
    file: 'pipeline/ingest-submission.ts',
    text: 'for (const stored of event.envelopes)',
    replacement: 'for (const stored of event.envelopes.slice(0, 1))',
    test: {
      file: 'test/simulation/at-birth.test.ts',
      name: 'an envelope > told of beside another in one event: both go',
    },
  },
  {
    name: 'bounce/a-notice-counted-twice',
    file: 'pipeline/bounce.ts',
    text: '  if ((await ports.ledger.read(noticeRef(row, kind))) !== null) return null;\n',
    replacement: '',
    test: {
      file: 'test/unit/pipeline/notice-decisions.test.ts',
      name: 'the number of notices to a domain in an hour > is counted once for a failure, however often bounce is asked; the next failure is beyond it',
    },
  },
  {
    name: 'bounce/decided-once-more',
    file: 'pipeline/bounce.ts',
    text: "const given = row.notice?.kind === 'ndr' && row.notice.state === 'queued';",
    replacement: 'const given = false;',
    test: {
      file: 'test/unit/pipeline/notice-decisions.test.ts',
      name: 'a notice that is on its way is not withheld by a configuration that changed meanwhile',
    },
  },
  {
    name: 'bounce/looked-at-each-minute',
    file: 'pipeline/bounce.ts',
    text: 'Math.max(now, standing.nextAttemptAt) + ports.sweepAgainMs',
    replacement: 'now',
    test: {
      file: 'test/unit/pipeline/notice-decisions.test.ts',
      name: 'a delivery whose notice is queued is looked at again after the notice\u2019s next attempt, not before',
    },
  },
  {
    name: 'bounce/job-for-an-attempted-notice',
    file: 'pipeline/bounce.ts',
    text: 'if (standing.attempts === 0)',
    replacement: 'if (standing.attempts >= 0)',
    test: {
      file: 'test/unit/pipeline/notice-decisions.test.ts',
      name: 'a notice that was attempted has a schedule of its own: no job is sent for it',
    },
  },
  {
    name: 'feedback/first-delivery-of-an-event',
    file: 'pipeline/feedback.ts',
    text: 'for (const ref of event.refs) await',
    replacement: 'for (const ref of event.refs.slice(0, 1)) await',
    test: { file: 'test/simulation/lost-sends.test.ts', name: 'a word of SES > about two deliveries reaches both' },
  },
  {
    name: 'feedback/ses-has-the-last-word',
    file: 'pipeline/feedback.ts',
    text: "const elsewhere = teller === 'ses' && wentOn(ports.settings, current);",
    replacement: 'const elsewhere = false;',
    test: {
      file: 'test/simulation/lost-sends.test.ts',
      name: 'a word of SES > of a failure is not the last word on what went on to another next hop',
    },
  },
  {
    name: 'submit/denied-is-tried-again',
    file: 'pipeline/submit.ts',
    text: "return { kind: 'not-stored', cause: result.cause, detail: result.detail };",
    replacement: "return { kind: 'not-stored', cause: 'unavailable', detail: result.detail };",
    test: {
      file: 'test/unit/pipeline/submit.test.ts',
      name: 'nothing is promised > where the content is refused: no envelope is written',
    },
  },
  {
    name: 'A3/weights-are-no-whole-numbers',
    file: 'pipeline/byte-budget.ts',
    text: 'return Number.isSafeInteger(whole) && whole >= 0 ? whole : bytesMax;',
    replacement: 'return Number.isSafeInteger(whole) && whole >= 0 ? bytes : bytesMax;',
    test: {
      file: 'test/unit/pipeline/byte-budget.test.ts',
      name: 'is whole again after any weights, fractions of bytes among them',
    },
  },
  {
    name: 'A3/a-wait-has-no-end',
    file: 'pipeline/byte-budget.ts',
    text: '        if (waiting.includes(entry)) timer = setTimeout(',
    replacement: '        if (!waiting.includes(entry)) timer = setTimeout(',
    test: {
      file: 'test/unit/pipeline/byte-budget.test.ts',
      name: 'does not let anybody wait for longer than it is told',
    },
  },
  {
    name: 'A9/Bcc-is-shown-to-the-next-hop',
    file: 'pipeline/relay.ts',
    text: "message.direction === 'outbound' ? withoutBcc",
    replacement: "message.direction !== 'outbound' ? withoutBcc",
    test: {
      file: 'test/simulation/outbound.test.ts',
      name: 'what is submitted > shows its Bcc to no next hop and in no notice, and is stored as it was',
    },
  },
  {
    name: 'lost-submission/race-leaves-it-held',
    file: 'pipeline/lost-submission.ts',
    text: 'if ((await ports.ledger.rowKeys(spoolId, 2)).length > 1) {',
    replacement: 'if ((await ports.ledger.rowKeys(spoolId, 2)).length > 2) {',
    test: {
      file: 'test/simulation/lost-submission.test.ts',
      name: 'content without an envelope > whose envelope is read between the two looks of the search is not held: what stood for it goes at once',
    },
  },
  {
    name: 'lost-submission/not-counted',
    file: 'pipeline/lost-submission.ts',
    text: "    ports.watch.count('LostJob');\n",
    replacement: '',
    test: {
      file: 'test/simulation/lost-submission.test.ts',
      name: 'an envelope without rows: ingest is told again, and the message is relayed',
    },
  },
  {
    name: 'take-in/loops-ignored',
    file: 'pipeline/take-in.ts',
    text: 'findLoop(headers, ports.markKey)',
    replacement: 'findLoop([], ports.markKey)',
    test: {
      file: 'test/simulation/at-birth.test.ts',
      name: 'a message that goes in circles is refused, and its sender hears of it > also one without a receipt, whose recipients an operator names',
    },
  },
  {
    name: 'notice/way-decided-once',
    file: 'pipeline/notice-attempt.ts',
    text: 'kind: row.noticeKind }, startedAt, row.nextHop);',
    replacement: 'kind: row.noticeKind }, row.acceptedAt, row.nextHop);',
    test: { file: 'test/simulation/notice-ways.test.ts', name: 'goes as a report once a day has passed' },
  },
  {
    name: 'notice/waits-for-a-way-that-is-closed',
    file: 'pipeline/notice-attempt.ts',
    text: "if (way.kind === 'auto-replied') return { via: sesReport, reason: 'auto-replied' };",
    replacement: "if (way.kind === 'auto-replied') return { via: sesReport, reason: 'delivery-missing' };",
    test: {
      file: 'test/simulation/notice-ways.test.ts',
      name: 'about an automatic answer fails then, and its delivery is held with an alarm',
    },
  },
  {
    name: 'returned/lease-kept',
    file: 'pipeline/returned.ts',
    text: 'claims: Math.max(0, current.claims - 1)',
    replacement: 'claims: current.claims',
    test: {
      file: 'test/unit/pipeline/returned.test.ts',
      name: 'a late job > for a message that has gone on to the postmaster gives the lease back, and relay a job',
    },
  },
  {
    name: 'returned/no-job-for-relay',
    file: 'pipeline/returned.ts',
    text: '  await ports.relayQueue.send([workFor(next)]); // its own may have met our lease\n',
    replacement: '',
    test: {
      file: 'test/unit/pipeline/returned.test.ts',
      name: 'a late job > for a message that has gone on to the postmaster gives the lease back, and relay a job',
    },
  },
  {
    name: 'returned/settles-what-another-settled',
    file: 'pipeline/returned.ts',
    text: '    if (isUnderWay(current.state)) return decide(current);',
    replacement:
      "    if (isUnderWay(current.state) || current.state === 'held') return decide({ ...current, state: 'queued' });",
    test: {
      file: 'test/unit/pipeline/returned.test.ts',
      name: 'a late job > whose row somebody else settled meanwhile leaves it as it is, and says so',
    },
  },
  {
    name: 'returned/unreadable-calls-nobody',
    file: 'pipeline/returned.ts',
    text: "  ports.watch.count('ContentUnreadable');\n",
    replacement: '',
    test: { file: 'test/unit/pipeline/returned.test.ts', name: 'content that is denied is put off and calls somebody' },
  },
  {
    name: "returned/a-person's-words-are-a-report",
    file: 'pipeline/returned.ts',
    text: "if (!automatic && report.kind !== 'auto-reply') return sendOn",
    replacement: "if (!automatic && report.kind === 'none') return sendOn",
    test: {
      file: 'test/unit/pipeline/returned.test.ts',
      name: 'what a person wrote with the words of a report is no report: it goes to the postmaster',
    },
  },
  {
    name: 'compose/a-part-is-called-whole',
    file: 'pipeline/compose.ts',
    text: 'const whole = head.size <= head.bytes.byteLength && ',
    replacement: 'const whole = ',
    test: {
      file: 'test/simulation/notice-original.test.ts',
      name: 'one of more than 64 KiB: its header section, and nothing of its body',
    },
  },
  {
    name: 'compose/spam-is-sent-again',
    file: 'pipeline/compose.ts',
    text: '!isAboutContent(row) && ',
    replacement: '',
    test: {
      file: 'test/simulation/notice-original.test.ts',
      name: 'one that was refused as spam: its header section, and nothing of its body',
    },
  },
  {
    name: 'compose/RET-ignored',
    file: 'pipeline/compose.ts',
    text: " && message.submission?.ret !== 'HDRS';",
    replacement: ';',
    test: { file: 'test/simulation/notice-original.test.ts', name: 'of mail from our side as RET=HDRS has it' },
  },
];
