// Returned: reads mail to a return path of ours, or to the address of our notices. Called by the feedback function. A
// delivery report becomes a fact about its delivery, and a failure then leads to one NDR of our own, in which the
// routed address never stands. It never passes the report itself on to the sender, and relays nothing except to the
// postmaster.
//
// | effect, in order              | if we die right after                                                         |
// | ----------------------------- | ----------------------------------------------------------------------------- |
// | 1 claim of the message's row  | the lease runs out; SQS gives the job again or the sweep sends one            |
// | 2 its delivery's row written  | the report is read again, and known by its instant: nothing is written twice; |
// |                               | the bounce job is sent then, or by the sweep, which finds the failed row by   |
// |                               | `dueAt`                                                                       |
// | 3 bounce job of the delivery  | as above; a second job finds the notice written                               |
// | 4 the message's row settled:  | done the sweep sends the relay job by the row's `dueAt`                       |
// |   joined, nobody's: discarded |                                                                               |
// |   for the postmaster: queued  |                                                                               |
// | 5 relay job                   | done; a second job is refused by the claim, or finds the row settled          |

import type { DeliveryRef, DeliveryRow, MessageFacts } from '#core/delivery/delivery.ts';
import { deliveryId, isUnderWay } from '#core/delivery/delivery.ts';
import { destinationOf } from '#core/delivery/destination.ts';
import { heldForPostmaster } from '#core/delivery/hold-release.ts';
import { afterAttempt } from '#core/delivery/progress.ts';
import { nextAttemptAt } from '#core/delivery/retry-schedule.ts';
import { type Progress, traced } from '#core/delivery/trace.ts';
import type { ReportedFact } from '#core/feedback/fact.ts';
import { type RemoteReport, readRemoteReport } from '#core/feedback/report.ts';
import { deliveryInOriginal, factOfReport, returnSettled, sentOnToPostmaster } from '#core/feedback/returned-mail.ts';
import { dayMs, reportBytesMax } from '#core/limits.ts';
import type { Mailbox } from '#core/message/address.ts';
import { isForPeople, mailboxKey, parseMailbox, parseReversePath } from '#core/message/address.ts';
import type { HeaderField } from '#core/message/header.ts';
import type { MarkKey } from '#core/message/mark-key.ts';
import { bearsNoticeMark } from '#core/message/trace-fields.ts';
import { isAutomatic } from '#core/notice/permission.ts';
import { classify } from '#core/reply/classify.ts';
import { disposition } from '#core/routing/policy.ts';
import { wayToPostmaster } from '#core/routing/postmaster-way.ts';
import { readSrs, returnAddressOf } from '#core/routing/return-path.ts';
import { claim } from '#pipeline/claim.ts';
import type { Finished } from '#pipeline/finished.ts';
import { finished } from '#pipeline/finished.ts';
import { workFor } from '#pipeline/jobs.ts';
import {
  ContentUnreadable,
  type Entropy,
  type Job,
  type JobQueue,
  type Spool,
  type UnreadableCause,
} from '#pipeline/ports.ts';
import { recordOn } from '#pipeline/record.ts';
import { type FeedbackPorts, joinFact } from './feedback.ts';

export type ReturnedPorts = FeedbackPorts & {
  readonly spool: Spool;
  readonly relayQueue: JobQueue;
  readonly entropy: Entropy;
  readonly markKey: MarkKey;
  /** As in relay; absent: no action uses SRS. */
  readonly srsSecrets?: (() => Promise<readonly string[]>) | undefined;
  readonly leaseMs: number;
};

export async function returned(ports: ReturnedPorts, job: Job, signal: AbortSignal): Promise<Finished> {
  const row = await claim(ports, job, 'returned');
  if (row === null) return finished('claim-refused');
  if (destinationOf(row) !== 'returns') return giveBack(ports, row);
  const message = row.message ?? (await ports.ledger.message(row.spoolId));
  if (message === null) throw new Error(`the ledger has a delivery without its message: ${deliveryId(row)}`);

  const addressee = await addresseeOf(ports, row);
  // A forger writes there as well as a person: no sender is answered (RFC 5321 §6.2, RFC 3834 §2), and the trace
  // records the message.
  if (addressee.kind === 'nobody') return settle(ports, row, addressee.why, null);
  if (addressee.kind === 'postmaster') return sendOn(ports, row, message, 'mail-for-the-postmaster');
  const content = await contentOf(ports, message, signal);
  if ('cause' in content) return putOff(ports, row, content);
  return act(ports, row, message, addressee, readRemoteReport(content.bytes, { nullPath: message.reversePath === '' }));
}

type Addressee =
  /** A token's delivery. */
  | { readonly kind: 'delivery'; readonly ref: DeliveryRef }
  /** The sender that an SRS address stands for. */
  | { readonly kind: 'sender'; readonly reversePath: Mailbox }
  /** The address of our notices. */
  | { readonly kind: 'notices' }
  | { readonly kind: 'postmaster' }
  | { readonly kind: 'nobody'; readonly why: 'return-path-unknown' | 'return-path-forged' | 'return-path-expired' };

async function addresseeOf(ports: ReturnedPorts, row: DeliveryRow): Promise<Addressee> {
  const mailbox = parseMailbox(row.forwardPath);
  if (mailbox === null || mailbox.domainKey !== ports.settings.returnPathDomain) return { kind: 'notices' };
  const claimed = returnAddressOf(mailbox);
  const now = ports.clock.now();
  if (claimed.kind === 'token') {
    const found = await ports.ledger.findToken(claimed.token);
    if (found === null) return { kind: 'nobody', why: 'return-path-unknown' };
    return found.until <= now ? { kind: 'nobody', why: 'return-path-expired' } : { kind: 'delivery', ref: found.ref };
  }
  if (claimed.kind === 'srs') {
    const secrets = (await ports.srsSecrets?.()) ?? [];
    const reading = readSrs(mailbox.localPart, { secrets, day: Math.floor(now / dayMs) });
    if (reading?.kind === 'sender') return reading;
    return { kind: 'nobody', why: reading?.kind === 'expired' ? 'return-path-expired' : 'return-path-forged' };
  }
  return isForPeople(mailbox.localPart) ? { kind: 'postmaster' } : { kind: 'nobody', why: 'return-path-unknown' };
}

async function act(
  ports: ReturnedPorts,
  row: DeliveryRow,
  message: MessageFacts,
  to: Exclude<Addressee, { kind: 'nobody' | 'postmaster' }>,
  report: RemoteReport,
): Promise<Finished> {
  // Reports have the null reverse-path, answers of programs say so. A person who writes here means the people behind
  // it.
  const automatic = message.reversePath === '' || isAutomatic(message.extract.autoSubmitted);
  if (!automatic && report.kind !== 'auto-reply') return sendOn(ports, row, message, 'not-automatic');
  switch (report.kind) {
    case 'none':
      return sendOn(ports, row, message, 'no-report');
    case 'auto-reply': {
      const ref = to.kind === 'delivery' ? to.ref : null;
      if (ref !== null) await join(ports, ref, answered(message), row);
      return settle(ports, row, 'automatic-answer', ref);
    }
    case 'complaint': {
      const ref = await deliveryOf(ports, to, report.original);
      if (ref === null) return sendOn(ports, row, message, 'complaint-about-nothing-known');
      const reason = `complaint-${report.feedbackType}`;
      const fact = { kind: 'complained', reason, at: message.acceptedAt, sentAt: null, reply: null } as const;
      return settle(ports, row, reasonOf(await join(ports, ref, fact, row)), ref);
    }
    case 'report': {
      const ref = await deliveryOf(ports, to, report.original);
      if (ref !== null) {
        const about = await ports.ledger.read(ref);
        const addresses = about === null ? [] : [about.address, about.forwardPath];
        const fact = factOfReport(report, message.acceptedAt, addresses);
        return settle(ports, row, reasonOf(await join(ports, ref, fact, row)), ref);
      }
      // SES reports on its notices by events, and a next hop that carries them returns none: there is nothing to join.
      if (to.kind === 'notices' && bearsNoticeMark(ports.markKey, report.original))
        return settle(ports, row, 'report-of-a-notice', null);
      return sendOn(ports, row, message, 'report-about-nothing-known');
    }
  }
}

/**
 * By token; else by our own mark in the returned header section, and then the address must stand for that message's
 * sender.
 */
async function deliveryOf(
  ports: ReturnedPorts,
  to: Addressee,
  original: readonly HeaderField[],
): Promise<DeliveryRef | null> {
  if (to.kind === 'delivery') return to.ref;
  if (to.kind !== 'sender') return null;
  const ref = deliveryInOriginal(original, ports.markKey);
  const message = ref === null ? null : await ports.ledger.message(ref.spoolId);
  const accepted = parseReversePath(message?.reversePath);
  return accepted && mailboxKey(accepted) === mailboxKey(to.reversePath) ? ref : null;
}

function answered({ acceptedAt }: MessageFacts): ReportedFact {
  return { kind: 'answered', reason: 'automatic-answer', at: acceptedAt, sentAt: null, reply: null };
}

function join(ports: ReturnedPorts, ref: DeliveryRef, fact: ReportedFact, row: DeliveryRow) {
  return joinFact(ports, ref, fact, { reportedBy: row.spoolId }, 'remote');
}

function reasonOf(became: Awaited<ReturnType<typeof joinFact>>): string {
  if (became === 'unknown-delivery') return 'delivery-unknown'; // joinFact has raised the alarm
  return became === 'ignored' ? 'report-ignored' : 'report-joined';
}

// ── The message's own row ───────────────────────────────────────────────────────────────────────────────────────────

async function settle(
  ports: ReturnedPorts,
  row: DeliveryRow,
  reason: string,
  ref: DeliveryRef | null,
): Promise<Finished> {
  const about = ref === null ? null : deliveryId(ref);
  await write(ports, row, (current) => returnSettled(current, reason, about, ports.clock.now()));
  ports.watch.count('Discarded');
  ports.watch.info('returned.settled', { ...fieldsOf(row), reason, about });
  return finished(reason);
}

/** Whole, as ordinary mail: by the routes, and under the policy, which did not apply to it before. */
async function sendOn(ports: ReturnedPorts, row: DeliveryRow, message: MessageFacts, why: string): Promise<Finished> {
  const { settings } = ports;
  const way = wayToPostmaster(settings, { nullReversePath: false });
  const policy =
    message.verdicts === null ? ({ kind: 'relay' } as const) : disposition(message.verdicts, settings.policy);
  const now = ports.clock.now();
  const terms = {
    now,
    lifetimeMs: settings.retry.lifetimeMs,
    sweepAgainMs: ports.sweepAgainMs,
    quarantineMs: settings.retentionMs.quarantine,
  };
  if (way === null) ports.watch.raise('Held');
  const next = await write(ports, row, (current) =>
    way === null ? heldForPostmaster(current, now) : sentOnToPostmaster(current, way, why, policy, terms),
  );
  const fields = { ...fieldsOf(row), reason: why, to: settings.notices.postmaster, nextHop: next.nextHop };
  if (next.state === 'held') {
    ports.watch.error('returned.held', fields);
  } else if (next.state === 'quarantined') {
    ports.watch.count('Quarantined');
    ports.watch.warn('returned.quarantined', fields);
  } else {
    await ports.relayQueue.send([workFor(next)]);
    ports.watch.count('Redirected');
    ports.watch.warn('returned.sent-on', fields);
  }
  return finished(next.state === 'queued' || next.state === 'deferred' ? 'sent-on' : next.state);
}

type Unreadable = { readonly cause: UnreadableCause; readonly detail: string };

/** As in relay: content that cannot be opened is deferred, with an alarm, until an operator restores it. */
async function putOff(ports: ReturnedPorts, row: DeliveryRow, { cause, detail }: Unreadable): Promise<Finished> {
  const now = ports.clock.now();
  const { retry } = ports.settings;
  const terms = {
    attemptedBy: null,
    startedAt: now,
    now,
    nextAttemptAt: nextAttemptAt({
      attempts: row.attempts + 1,
      now,
      acceptedAt: row.acceptedAt,
      scheduleMs: retry.scheduleMs,
      fraction: ports.entropy.fraction(),
    }),
    sweepAgainMs: ports.sweepAgainMs,
    openMs: 0,
    delayNoticeMs: retry.delayNoticeMs,
  };
  const outcome = classify({ kind: 'content', cause, detail });
  await write(ports, row, (current) => afterAttempt(current, outcome, terms));
  ports.watch.count('Deferred');
  ports.watch.count('ContentUnreadable');
  ports.watch.error('returned.content-unreadable', { ...fieldsOf(row), cause, detail });
  return finished('deferred');
}

async function contentOf(
  ports: ReturnedPorts,
  message: MessageFacts,
  signal: AbortSignal,
): Promise<{ readonly bytes: Uint8Array } | Unreadable> {
  const content = await ports.spool.open(message.objectKey, signal);
  if (content.kind === 'unreadable') return content;
  const taken: Buffer[] = [];
  let length = 0;
  try {
    for await (const chunk of content.chunks) {
      taken.push(Buffer.from(chunk)); // a copy: a chunk is good until the next one
      length += chunk.length;
      if (length >= reportBytesMax) break;
    }
  } catch (error) {
    if (error instanceof ContentUnreadable) return { cause: error.cause, detail: error.message };
    throw error;
  } finally {
    content.close();
  }
  return { bytes: Buffer.concat(taken).subarray(0, reportBytesMax) };
}

/** A late job for a message that is queued for the postmaster by now: relay takes its lease. */
async function giveBack(ports: ReturnedPorts, row: DeliveryRow): Promise<Finished> {
  const next = await write(ports, row, (current) => ({
    row: { ...current, leaseUntil: null, claims: Math.max(0, current.claims - 1) },
    events: [],
  }));
  await ports.relayQueue.send([workFor(next)]); // its own may have met our lease
  return finished('not-ours');
}

async function write(
  ports: ReturnedPorts,
  row: DeliveryRow,
  decide: (current: DeliveryRow) => Progress,
): Promise<DeliveryRow> {
  const { row: written } = await recordOn(ports, row, (current) => {
    if (isUnderWay(current.state)) return decide(current);
    // Our lease ran out, and another worker settled it meanwhile.
    const what = { attempt: null, status: null, reason: 'late-return', reply: null };
    return { row: current, events: [traced(current, 'IGNORE', ports.clock.now(), what)] };
  });
  return written;
}

function fieldsOf({ spoolId, deliveryKey, forwardPath }: DeliveryRow): Record<string, unknown> {
  return { spoolId, deliveryKey, forwardPath };
}
