// Feedback: what SES reports of a delivery after it accepted the mail. An event is joined by its tag to its row;
// core/feedback/fact.ts decides what the row becomes. A failure then goes to bounce, as any other. Facts come twice,
// late and in any order.
//
// | effect, in order                | if we die right after                                                      |
// | ------------------------------- | -------------------------------------------------------------------------- |
// | (event in the feedback queue)   | SQS gives it again; nothing was done                                       |
// | 1 row written, with its event   | the event comes again and is known; a row that failed gets its bounce job  |
// |                                 | then, or by the sweep, which finds it by `dueAt`                           |
// | 2 bounce job: the failure's, or | done; a second job finds the row settled. A notice's delivery that hears   |
// |   that of a notice's delivery   | nothing of its confirmation is settled by the sweep's job, which reads the |
// |                                 | notice's row                                                               |
// An event about no delivery of ours is logged. One that cannot be read throws, and ends in the dead-letter queue, with
// an alarm.

import type { Settings } from '#config/settings.ts';
import type { DeliveryRef, DeliveryRow, MessageFacts } from '#core/delivery/delivery.ts';
import { deliveryId, isFinal, isUnderWay } from '#core/delivery/delivery.ts';
import { isCanary } from '#core/delivery/key.ts';
import { holdingFacts } from '#core/delivery/progress.ts';
import { type AfterFact, afterFact, type ReportedFact } from '#core/feedback/fact.ts';
import { feedbackBody } from '#core/feedback/queue-body.ts';
import { readSesEvent, type SesEvent } from '#core/feedback/ses-event.ts';
import type { Finished } from '#pipeline/finished.ts';
import { finished } from '#pipeline/finished.ts';
import { workFor } from '#pipeline/jobs.ts';
import type { OutcomeTally } from '#pipeline/outcome-tally.ts';
import type { Clock, JobQueue, Ledger, Watch } from '#pipeline/ports.ts';
import { recordOn } from '#pipeline/record.ts';

export type FeedbackPorts = {
  readonly settings: Settings;
  readonly ledger: Ledger;
  readonly bounceQueue: JobQueue;
  readonly clock: Clock;
  readonly watch: Watch;
  /** Kept between invocations. */
  readonly outcomes: OutcomeTally;
  readonly sweepAgainMs: number;
};

/** One body of the feedback queue, of any kind. Throws on one that cannot be understood. */
export async function feedback(ports: FeedbackPorts, body: string): Promise<Finished> {
  const arrived = feedbackBody(body);
  switch (arrived.kind) {
    case 'setup':
      return finished('setup-notification');
    case 'ses-event':
      return joinSesEvent(ports, arrived.json);
    case 'identity-notification':
      // The configuration set reports the same with tags; without them nothing can be joined.
      ports.watch.warn('feedback.identity-notification', { type: arrived.type, sesMessageId: arrived.sesMessageId });
      return finished('identity-notification');
    case 'malformed':
      throw new Error(`feedback that cannot be understood: ${arrived.why}`);
  }
}

async function joinSesEvent(ports: FeedbackPorts, json: unknown): Promise<Finished> {
  const reading = readSesEvent(json, ports.clock.now());
  if (reading.kind === 'malformed') throw new Error(`an event of SES that cannot be understood: ${reading.why}`);
  const { event } = reading;
  if (!event.known) ports.watch.warn('feedback.unknown-event', fieldsOf(event));
  if (event.refs.length === 0) {
    // Another application's mail by our configuration set, or a tag that is not ours.
    ports.watch.warn('feedback.foreign-event', { ...fieldsOf(event), tags: event.foreignTags });
    return finished('foreign-event');
  }
  if (event.fact === null) return finished('nothing-to-join');
  for (const ref of event.refs) await joinFact(ports, ref, event.fact, fieldsOf(event));
  return finished('joined');
}

/**
 * Joins a fact to its row: from an event of SES, or from a report to the delivery's return path. `about` goes into the
 * log.
 */
export async function joinFact(
  ports: FeedbackPorts,
  ref: DeliveryRef,
  fact: ReportedFact,
  about: Readonly<Record<string, unknown>>,
  teller: 'ses' | 'remote' = 'ses',
): Promise<AfterFact['became'] | 'unknown-delivery'> {
  const row = await ports.ledger.read(ref);
  if (row === null) {
    // Rows outlive the events about them. So a row was lost, or the id was made up: an operator must know.
    ports.watch.count('UnknownDelivery');
    ports.watch.error('feedback.unknown-delivery', { ...about, ...ref, deliveryId: deliveryId(ref), fact });
    return 'unknown-delivery';
  }
  const facts = await factsFor(ports, row, fact);
  const now = ports.clock.now();
  const { row: settled, decided } = await recordOn(ports, row, (current) => {
    const elsewhere = teller === 'ses' && wentOn(ports.settings, current);
    const attemptedBy = ports.settings.nextHops[current.nextHop]?.kind === 'ses' ? 'ses' : null;
    const after = afterFact(current, fact, { now, sweepAgainMs: ports.sweepAgainMs, elsewhere, attemptedBy });
    return after.became === 'known' ? null : { ...holdingFacts(after, facts), became: after.became };
  });
  const became = decided?.became ?? 'known';
  report(ports, settled, fact, became, about);
  if (became === 'failed') ports.outcomes.failedLater(settled);
  await follow(ports, settled, became, row);
  return became;
}

/**
 * What a final row must hold from now on: because of the event it becomes active again, or outlives its message's own
 * item.
 */
async function factsFor(ports: FeedbackPorts, row: DeliveryRow, { kind }: ReportedFact): Promise<MessageFacts | null> {
  if (row.message !== null || !isFinal(row.state)) return row.message;
  const mayBePurged = ports.clock.now() >= row.acceptedAt + ports.settings.retentionMs.spool;
  return kind === 'failed' || kind === 'uncertain' || mayBePurged ? ports.ledger.message(row.spoolId) : null;
}

/** It expired at SES and went on to the route's fallback: SES's report of a failure no longer decides. */
function wentOn({ nextHops }: Settings, { kind, nextHop }: DeliveryRow): boolean {
  const at = nextHops[nextHop];
  return kind === 'delivery' && at !== undefined && at.kind !== 'ses';
}

async function follow(
  ports: FeedbackPorts,
  row: DeliveryRow,
  became: AfterFact['became'],
  before: DeliveryRow,
): Promise<void> {
  if (row.state === 'failed') return sendBounceJob(ports, row, row);
  const told = became === 'confirmed' && row.noticeKind === 'ndr' && isUnderWay(before.state);
  // The notice arrived before relay could say so: its delivery is returned.
  if (told && row.noticeOf !== null)
    await sendBounceJob(ports, { spoolId: row.spoolId, deliveryKey: row.noticeOf }, row);
}

async function sendBounceJob(ports: FeedbackPorts, ref: DeliveryRef, { nextHop }: DeliveryRow): Promise<void> {
  await ports.bounceQueue.send([workFor({ ...ref, nextHop })]);
}

function report(
  ports: FeedbackPorts,
  row: DeliveryRow,
  fact: ReportedFact,
  became: AfterFact['became'],
  about: Readonly<Record<string, unknown>>,
): void {
  const { spoolId, deliveryKey, forwardPath, nextHop, state } = row;
  const { kind, reply, at } = fact;
  const reason = 'reason' in fact ? fact.reason : null;
  const fields = {
    ...about,
    spoolId,
    deliveryKey,
    forwardPath,
    nextHop,
    state,
    fact: kind,
    reason,
    at,
    reply: reply?.text,
  };
  switch (became) {
    case 'failed':
      if (!isCanary(row)) ports.watch.count('Failed');
      ports.watch.warn('feedback.failed', { ...fields, status: row.lastStatus });
      return;
    case 'confirmed':
      if (!isCanary(row)) ports.watch.count('Confirmed');
      ports.watch.info('feedback.confirmed', fields);
      return;
    case 'noted':
      if (kind === 'complained') ports.watch.count('Complained');
      ports.watch.warn(`feedback.${kind}`, fields);
      return;
    case 'ignored':
    case 'known':
      ports.watch.info(`feedback.${became}`, fields);
  }
}

function fieldsOf({ type, sesMessageId, recipients }: SesEvent): Readonly<Record<string, unknown>> {
  return { type, sesMessageId, recipients };
}
