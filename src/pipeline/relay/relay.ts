// Relay: one attempt at one delivery (or notice). The ledger row says whether it may run; the outcome is recorded
// before the job is finished. Content goes from the spool to the next hop in one pass, as bytes.
//
// | effect, in order          | if we die right after                                                              |
// | ------------------------- | ---------------------------------------------------------------------------------- |
// | 0 (next hop slow) job to  | two jobs: the claim of the second is refused                                       |
// |   the slow lane           |                                                                                    |
// | 1 claim (lease, claims+1) | the lease runs out; SQS gives the job again or the sweep sends one                 |
// |   return path's token     | nothing was sent under it: the next attempt writes the same one again              |
// |   (our deadline, before   | nobody died: `deadline` is recorded as an outcome of ours, so the next claim       |
// |   anything was sent)      | doubts nothing                                                                     |
// |   (slow before MAIL)      | the lease is given back, and no job: SQS gives this one again                      |
// | 2 the next hop's answer   | the result is lost: the next claim sees claims > 1 and the trace, the row and the  |
// |                           | message's own field say POSSIBLE_DUPLICATE                                         |
// |   (failed: failure limit's| the same recipient is counted again, which changes nothing                         |
// |   count; held: alarm)     | raised once too often                                                              |
// | 3 outcome written         | failed: the sweep finds the row by `dueAt` and sends the bounce job;               |
// |                           | deferred: the sweep sends the next job; relayed: final                             |
// | 4 failed: bounce job      | SQS gives the relay job again; the claim is refused, it finishes                   |
// |   notice relayed: its     | the delivery stays failed with a due notice; the sweep's bounce job reads the      |
// |   delivery is returned    | notice's row and settles it                                                        |

import type { Settings } from '#config/settings.ts';
import { isDelayOrSuccessKind, isSuccessNoticeDue } from '#core/delivery/delay-success.ts';
import type { AttemptedKind, DeliveryRow, MessageFacts } from '#core/delivery/delivery.ts';
import { deliveryId, isUnderWay, standsAlone } from '#core/delivery/delivery.ts';
import { afterFailureHeld } from '#core/delivery/failure-limit.ts';
import { afterOvertakenOutcome } from '#core/delivery/overtaken-outcome.ts';
import { afterAttempt, withNoticeSettled } from '#core/delivery/progress.ts';
import { nextAttemptAt, pacedSchedule } from '#core/delivery/retry-schedule.ts';
import { parseMailbox, parseReversePath } from '#core/message/address.ts';
import { intactEdit } from '#core/message/header.ts';
import { withoutRemovedFields } from '#core/message/removed-fields.ts';
import { relayFields } from '#core/message/trace-fields.ts';
import { classify } from '#core/reply/classify.ts';
import type { Outcome } from '#core/reply/outcome.ts';
import { deferredFor } from '#core/reply/outcome.ts';
import { authorEvidence } from '#core/submission/submitter.ts';
import { isDelayOver, settleDelayOrSuccessNotice } from '#pipeline/bounce/delay-success-notice.ts';
import { claim } from '#pipeline/claim.ts';
import { inTime, outOfRoom, outOfTime } from '#pipeline/deadline.ts';
import type { Finished } from '#pipeline/finished.ts';
import { finished } from '#pipeline/finished.ts';
import { workFor } from '#pipeline/jobs.ts';
import type { Job, NextHop, NextHopResult, UnreadableCause } from '#pipeline/ports.ts';
import { recordOn } from '#pipeline/record.ts';
import { type Attempt, fieldsOf, reportAttempt } from './attempt-report.ts';
import { AttemptedHops } from './attempted-hops.ts';
import { NoRoomInTime } from './byte-budget.ts';
import { asCommitted, ofSubmission, openedAgain } from './committed-content.ts';
import { disposeByRoute } from './dispose.ts';
import { giveProbeBack, type Lane, standingOf, turnAway } from './lanes.ts';
import { attemptNotice, outcomeOf } from './notice-attempt.ts';
import type { RelayPorts } from './relay-ports.ts';
import { leaveUnder } from './reverse-path.ts';
import { asAuthored } from './submitted-authors.ts';
import { comeAgain, inTurn } from './turn.ts';

export async function relay(ports: RelayPorts, job: Job, signal: AbortSignal, lane: Lane = 'fast'): Promise<Finished> {
  if (job.nextHop !== undefined) {
    const standing = await standingOf(ports, job, job.nextHop, lane);
    if (standing !== 'ready') return turnAway(ports, job, job.nextHop, standing);
  }
  const became = await inTurn(ports, job, signal, () => attemptOn(ports, job, signal, lane));
  if (job.probe === true && job.nextHop !== undefined) await giveProbeBack(ports, job, job.nextHop);
  return became;
}

async function attemptOn(given: RelayPorts, job: Job, signal: AbortSignal, lane: Lane): Promise<Finished> {
  const claimed = await claim(given, job, 'relay');
  if (claimed === null) return finished('claim-refused');
  if (claimed.nextHop !== job.nextHop) {
    // A job of an older version, or one that was sent before the fallback took over.
    const standing = await standingOf(given, job, claimed.nextHop, lane);
    if (standing !== 'ready') {
      await unclaim(given, claimed);
      return turnAway(given, job, claimed.nextHop, standing);
    }
  }
  const hops = new AttemptedHops(given, lane, job);
  const ports = { ...given, nextHop: hops.nextHop };
  const message = claimed.message ?? (await ports.ledger.message(claimed.spoolId));
  if (message === null) throw new Error(`the ledger has a delivery without its message: ${deliveryId(claimed)}`);
  if (await isDelayOver(ports, claimed)) return finished('delay-over');

  const disposed = await disposeByRoute(ports, claimed);
  if (disposed !== null) {
    await follow(ports, disposed);
    return finished(disposed.state);
  }

  const startedAt = ports.clock.now();
  const attempted = await attemptOnce(ports, claimed, message, signal);
  const attempt = { ...attempted, outcome: hops.outcomeOf(attempted.outcome) };
  if (hops.gaveBack !== null) {
    await hops.report();
    await unclaim(ports, claimed);
    const { nextHop, later } = hops.gaveBack;
    return later === null ? turnAway(ports, job, nextHop, 'slow') : comeAgain(ports, job, nextHop, later);
  }
  const overLimit = await ports.failures.isOver(claimed, attempt.outcome);
  const row = await record(ports, claimed, { ...attempt, overLimit }, startedAt);
  ports.outcomes.note(row, message.direction, attempt.outcome);
  if (attempt.outcome.kind === 'relayed') await ports.failures.accepted(row);
  await follow(ports, row);
  await hops.report();
  return finished(row.state);
}

/** Nothing was sent: the claim is taken back, and no attempt is counted. Another's claim, after its lease, is left. */
async function unclaim(ports: RelayPorts, claimed: DeliveryRow): Promise<void> {
  await recordOn(ports, claimed, (current) =>
    isUnderWay(current.state) && current.leaseUntil === claimed.leaseUntil
      ? { row: { ...current, claims: current.claims - 1, leaseUntil: null }, events: [] }
      : null,
  );
}

async function attemptOnce(
  ports: RelayPorts,
  row: DeliveryRow,
  message: MessageFacts,
  signal: AbortSignal,
): Promise<Attempt> {
  if (row.kind === 'notice') return attemptAsNotice(ports, row, message, signal);
  const nextHop = ports.nextHop(row.nextHop);
  const address = parseMailbox(row.address);
  if (nextHop === null || address === null)
    return plain(deferredFor('next-hop-missing', `no next hop is named "${row.nextHop}" in the configuration`));
  return attemptMessage(ports, nextHop, row, message, signal);
}

async function attemptMessage(
  ports: RelayPorts,
  nextHop: NextHop,
  row: DeliveryRow,
  message: MessageFacts,
  signal: AbortSignal,
): Promise<Attempt> {
  const leaving = await leaveUnder(ports, row, message);
  // Before anything is open: a field that cannot be written throws, and must keep neither content nor room.
  const fields = relayFields({
    host: ports.settings.host,
    deliveryId: deliveryId(row),
    forwardPath: row.forwardPath,
    spoolId: row.spoolId,
    markKey: ports.markKey,
    now: ports.clock.now(),
    possibleDuplicate: row.claims > 1 || row.possibleDuplicate,
    resubmitted: row.resubmitted !== undefined,
  });
  const openedAt = ports.clock.now();
  const opened = await inTime(ports.spool.open(message.objectKey, signal), signal);
  const openMs = ports.clock.now() - openedAt;
  if (opened === null) return { ...plain(outOfTime), openMs };
  const content = asCommitted(opened, message);
  if (content.kind === 'unreadable') return { ...plain(unreadable(content.cause, content.detail)), openMs };

  const room = await roomFor(ports, row, content.bytes * (nextHop.heldPerByte ?? 1), signal);
  if (room.giveBack === null) {
    content.close();
    return { ...plain(room.outcome), openMs, waitedMs: room.waitedMs };
  }
  const edited = (chunks: AsyncIterable<Uint8Array>) => asItLeaves(chunks, fields, ports, row, message);
  const again = openedAgain(ports.spool, message, edited, signal);
  try {
    const results = await nextHop.attempt(
      {
        reversePath: leaving.reversePath,
        forwardPaths: [mailboxOf(row.address)],
        bytes: content.bytes + fields.length,
        content: edited(content.chunks),
        contentAgain: again.open,
        tag: deliveryId(row),
        author: authorEvidence(ports.settings, message),
        ...ofSubmission(row, message),
      },
      signal,
    );
    const { bytes, version, undeleted = false } = content;
    // Where content breaks off because we stopped reading it, the content is not at fault.
    const stopped = signal.aborted && results[0]?.kind === 'content';
    const attempt = stopped ? plain(outOfTime) : decide(results, bytes);
    const returnPath = leaving.rewritten ? (leaving.reversePath?.address ?? null) : null;
    // A reverse-path that cannot be parsed cannot be given in MAIL. Accepted mail is relayed all the same, with a trace
    // event.
    const reversePathLost = !leaving.rewritten && parseReversePath(message.reversePath) === undefined;
    return {
      ...attempt,
      openMs,
      waitedMs: room.waitedMs,
      opened: { bytes, version, undeleted },
      returnPath,
      reversePathLost,
    };
  } finally {
    room.giveBack();
    again.close();
    content.close();
  }
}

/** The one way in which the stored bytes are changed: a few fields in front, and those that may not leave taken out. */
function asItLeaves(
  chunks: AsyncIterable<Uint8Array>,
  fields: Uint8Array,
  { settings }: RelayPorts,
  row: DeliveryRow,
  message: MessageFacts,
): AsyncIterable<Uint8Array> {
  const kept = withoutRemovedFields(asAuthored(chunks, settings, row, message), {
    direction: message.direction,
    domains: settings.domains,
  });
  return intactEdit(kept, fields);
}

type Room =
  | { readonly giveBack: () => void; readonly waitedMs: number }
  | { readonly giveBack: null; readonly waitedMs: number; readonly outcome: Outcome };

/**
 * Its share of the function's memory. A wait is logged when it begins: the attempts under way may take as long as the
 * function may run.
 */
async function roomFor(ports: RelayPorts, row: DeliveryRow, bytes: number, signal: AbortSignal): Promise<Room> {
  const waits = !ports.budget.fits(bytes) && !signal.aborted;
  if (waits) ports.watch.info('relay.waits-for-room', { ...fieldsOf(row), heldBytes: Math.ceil(bytes) });
  const since = ports.clock.now();
  try {
    const giveBack = await ports.budget.take(bytes, signal);
    return { giveBack, waitedMs: ports.clock.now() - since };
  } catch (error) {
    if (!signal.aborted && !(error instanceof NoRoomInTime)) throw error;
    return { giveBack: null, waitedMs: ports.clock.now() - since, outcome: waits ? outOfRoom : outOfTime };
  }
}

async function attemptAsNotice(
  ports: RelayPorts,
  row: DeliveryRow,
  message: MessageFacts,
  signal: AbortSignal,
): Promise<Attempt> {
  const attempt = await attemptNotice(ports, row, message, signal);
  if ('reason' in attempt) return { ...plain(outcomeOf(attempt)), via: attempt.via };
  return { ...decide(attempt.results, attempt.bytes), openMs: attempt.openMs, via: attempt.via };
}

function decide(results: readonly NextHopResult[], messageBytes: number): Attempt {
  const result = results[0];
  if (result === undefined) throw new Error('a next hop gave no result for its forward-path');
  const outcome = classify(result, { messageBytes });
  const bareLineEndings = 'bareLineEndings' in result ? (result.bareLineEndings ?? 0) : 0;
  const unknownReply = outcome.kind === 'deferred' && outcome.reason === 'unknown-reply';
  const dsnTaken = 'dsnTaken' in result && result.dsnTaken === true;
  const reencoded = 'reencoded' in result && result.reencoded === true;
  const author = 'author' in result ? result.author : undefined;
  return { ...plain(outcome), unknownReply, bareLineEndings, dsnTaken, reencoded, author, tried: result.tried };
}

async function record(
  ports: RelayPorts,
  claimed: DeliveryRow,
  attempt: Attempt,
  startedAt: number,
): Promise<DeliveryRow> {
  const now = ports.clock.now();
  const { outcome } = attempt;
  const next = nextAttemptAt({
    attempts: claimed.attempts + 1,
    now,
    acceptedAt: claimed.acceptedAt,
    scheduleMs: pacedSchedule(ports.settings.retry.scheduleMs, outcome.kind === 'deferred' ? outcome.pace : undefined),
    fraction: ports.entropy.fraction(),
  });
  if (attempt.overLimit === true) raiseFailureHeld(ports);
  const { row, decided } = await recordOn(ports, claimed, (current) => {
    if (!isUnderWay(current.state)) {
      const word = afterOvertakenOutcome(current, claimed, outcome, { startedAt, now, openMs: attempt.openMs });
      return { ...word, row: learnt(word.row, attempt), late: true };
    }
    const progress = afterAttempt(learnt(current, attempt), outcome, {
      attemptedBy: attemptedKind(ports.settings, claimed),
      startedAt,
      now,
      nextAttemptAt: next,
      sweepAgainMs: ports.sweepAgainMs,
      openMs: attempt.openMs,
      waitedMs: attempt.waitedMs,
      bareLineEndings: attempt.bareLineEndings,
      dsnTaken: attempt.dsnTaken,
      reencoded: attempt.reencoded,
      tried: attempt.tried,
      delayNoticeMs: ports.settings.retry.delayNoticeMs,
      undeleted: attempt.opened?.undeleted === true,
      returnPath: attempt.returnPath ?? null,
      reversePathLost: attempt.reversePathLost,
    });
    const counted = attempt.overLimit === true;
    return {
      ...(counted ? afterFailureHeld(progress, now, ports.settings.retry.delayNoticeMs) : progress),
      late: false,
    };
  });
  if (decided?.late === true) {
    // The function that settled it counted its result; here it is a doubt and no more.
    if (row.possibleDuplicate) ports.watch.count('PossibleDuplicate');
    ports.watch.warn('relay.late-outcome', { ...fieldsOf(row), state: row.state, outcome: outcome.kind });
    return row;
  }
  if (outcome.kind === 'relayed' && attempt.reversePathLost)
    ports.watch.warn('relay.reverse-path-not-carried', fieldsOf(row)); // the path itself is in the ledger
  reportAttempt(ports.watch, row, attempt);
  return row;
}

/** Before the row is written: an alarm too many is no loss. */
function raiseFailureHeld({ watch }: RelayPorts): void {
  watch.raise('FailureHeld');
  watch.raise('Held');
}

function attemptedKind({ nextHops }: Settings, { nextHop }: DeliveryRow): AttemptedKind | null {
  const kind = Object.hasOwn(nextHops, nextHop) ? nextHops[nextHop]?.kind : undefined;
  return kind === undefined || kind === 'refuse' || kind === 'discard' ? null : kind;
}

// Size and version of the object: SES's receipt has neither.
function learnt(given: DeliveryRow, attempt: Attempt): DeliveryRow {
  const row = attempt.via === null ? given : { ...given, nextHop: attempt.via };
  if (attempt.opened === null || row.message === null) return row;
  return { ...row, message: { ...row.message, size: attempt.opened.bytes, objectVersion: attempt.opened.version } };
}

async function follow(ports: RelayPorts, row: DeliveryRow): Promise<void> {
  if (row.state === 'failed' || isSuccessNoticeDue(row)) {
    await ports.bounceQueue.send([workFor(row)]);
    return;
  }
  const accepted = row.state === 'relayed' || row.state === 'confirmed'; // confirmed: SES was faster than our own word
  if (row.kind !== 'notice' || row.noticeOf === null || !accepted) return;
  if (isDelayOrSuccessKind(row.noticeKind)) return void (await settleDelayOrSuccessNotice(ports, row));
  if (standsAlone(row)) return; // it answers for nothing
  const reported = await ports.ledger.read({ spoolId: row.spoolId, deliveryKey: row.noticeOf });
  if (reported === null) return;
  const { row: settled, written } = await recordOn(ports, reported, (current) =>
    current.state === 'failed' || current.state === 'expired'
      ? withNoticeSettled(current, row, ports.clock.now())
      : null,
  );
  if (written && settled.state === 'returned') {
    ports.watch.count('Returned');
    ports.watch.info('relay.returned', { ...fieldsOf(settled), notice: row.forwardPath });
  }
}

function plain(outcome: Outcome): Attempt {
  const nothing = {
    openMs: 0,
    waitedMs: 0,
    opened: null,
    unknownReply: false,
    bareLineEndings: 0,
    dsnTaken: false,
    reencoded: false,
    reversePathLost: false,
  };
  return { ...nothing, outcome, via: null };
}

// A fault of ours: never blamed on the sender, tried again, with an alarm.
function unreadable(cause: UnreadableCause, detail: string): Outcome {
  return classify({ kind: 'content', cause, detail });
}

function mailboxOf(address: string) {
  const mailbox = parseMailbox(address);
  if (mailbox === null) throw new Error('an address that was checked before is no mailbox');
  return mailbox;
}
