// Ingest: from SES's notification of a received message to a ledger row and a relay job for each delivery.
// It never parses content for the envelope, and never decides twice: rows that stand are left alone.
//
// | effect, in order               | if we die right after                                                     |
// | ------------------------------ | ------------------------------------------------------------------------- |
// | (notification in ingest queue) | SQS gives it again; nothing was done                                      |
// | 0 a canary's id, its row noted | as above; the same message is the canary again                            |
// | 1 message item (several rows)  | as above; the item is written only where none stands                      |
// |   (held at birth) alarm        | raised once too often; it is raised again before each write of such rows  |
// | 2 delivery rows                | as above; rows that stand are left, jobs are sent again; without a second |
// |                                | notification the sweep finds the rows by `dueAt` and sends their jobs     |
// | 3 relay and bounce jobs        | as above; a second job is refused by the claim                            |
// | 4 placeholder ended, where the | as above; or the hourly search for orphans ends it                        |
// |   receipt came that late       |                                                                           |
// | 5 the five minutes noted       | as above; or the next message of the five minutes notes them              |
// | (notification deleted)         | done                                                                      |

import type { DeliveryRow, MessageFacts } from '#core/delivery/delivery.ts';
import { destinationOf, returnsHop } from '#core/delivery/destination.ts';
import { quarantinedAtBirth } from '#core/delivery/hold-release.ts';
import { failedAtBirth } from '#core/delivery/progress.ts';
import { traced } from '#core/delivery/trace.ts';
import { headerBytesMax } from '#core/limits.ts';
import type { Mailbox } from '#core/message/address.ts';
import { parseMailbox, parseReversePath } from '#core/message/address.ts';
import { extractOf } from '#core/message/extract.ts';
import type { HeaderField } from '#core/message/header.ts';
import { headerFieldsOf } from '#core/message/header.ts';
import { bearsNoticeMark } from '#core/message/trace-fields.ts';
import { noticeFactsOf } from '#core/notice/facts.ts';
import { reasonToWithhold } from '#core/notice/permission.ts';
import type { LoopFinding } from '#core/routing/loop.ts';
import { findLoop } from '#core/routing/loop.ts';
import type { Disposition } from '#core/routing/policy.ts';
import { disposition } from '#core/routing/policy.ts';
import { comesBack } from '#core/routing/return-path.ts';
import type { Receipt } from '#core/spool/receipt.ts';
import { inboundPrefix, readReceipt } from '#core/spool/receipt.ts';
import type { Finished } from '#pipeline/finished.ts';
import { finished } from '#pipeline/finished.ts';
import type { IngestPorts } from './ingest-ports.ts';
import { endPlaceholder } from './placeholder.ts';
import { canaryRowOf } from './received-canary.ts';
import {
  disposedByRoute,
  type Plan,
  report,
  restored,
  routedPlans,
  rowFor,
  sendJobs,
  uniqueByKey,
  unroutedPlan,
  writeRows,
} from './rows.ts';

/** Throws on a notification that cannot be understood: it then ends in ingest's dead-letter queue, with an alarm. */
export async function ingest(ports: IngestPorts, body: string, signal: AbortSignal): Promise<Finished> {
  const reading = readReceipt(body, inboundPrefix);
  if (reading.kind === 'setup') return finished('setup-notification');
  if (reading.kind === 'malformed') throw new Error(`a notification that is not an SES receipt: ${reading.why}`);
  const { receipt } = reading;

  const { headers, undeleted } = await headerFields(ports, receipt, signal);
  const loop = findLoop(headers, ports.markKey);
  const facts = messageFacts(ports, receipt, headers);
  const plans = receipt.recipients.flatMap((forwardPath) => plan(ports, forwardPath, facts));
  const policy = disposition(receipt.verdicts, ports.settings.policy);
  const canary = await canaryRowOf(ports, { recipients: receipt.recipients, headers, facts, plans }, signal);
  const decided = canary === null ? deliveries(ports, plans, facts, loop, policy) : [canary];
  const rows = decided.map((row) => (undeleted ? restored(row) : row));

  const results = await writeRows(ports, rows, facts);
  await sendJobs(ports, rows);
  // Only late mail needs this read. Half the time, because clocks differ and the search itself takes time.
  const late = ports.clock.now() - receipt.acceptedAt >= ports.orphanAfterMs / 2;
  if (late) await endPlaceholder(ports, facts.spoolId, 'receipt-came');
  report(ports, facts, rows, results);
  if (canary === null) await ports.accepted.accepted(facts.direction, facts.acceptedAt);
  return finished(results.includes('created') ? 'accepted' : 'known-already');
}

type Found = { readonly headers: readonly HeaderField[]; readonly undeleted: boolean };

async function headerFields(ports: IngestPorts, receipt: Receipt, signal: AbortSignal): Promise<Found> {
  const known = { headers: receipt.headers, undeleted: false };
  if (!receipt.headersTruncated) return known;
  const head = await ports.spool.head(receipt.objectKey, headerBytesMax, signal);
  if (head.kind === 'read') {
    const undeleted = head.undeleted === true;
    if (undeleted) ports.watch.warn('ingest.delete-marker', { spoolId: receipt.sesMessageId });
    return { headers: headerFieldsOf(head.bytes), undeleted };
  }
  // The rows are written all the same: relay meets the same content, defers it, and the sender is told at the
  // lifetime.
  ports.watch.count('ContentUnreadable');
  ports.watch.error('ingest.content-unreadable', {
    spoolId: receipt.sesMessageId,
    cause: head.cause,
    detail: head.detail,
  });
  return known;
}

function messageFacts(ports: IngestPorts, receipt: Receipt, headers: readonly HeaderField[]): MessageFacts {
  const reversePath = parseReversePath(receipt.source);
  return {
    spoolId: receipt.sesMessageId,
    direction: 'inbound',
    // A reverse-path that is no mailbox is kept as it is, for the trace: relay says that it could not be carried, and
    // bounce why it gets no notice.
    reversePath: reversePath === null ? '' : (reversePath?.address ?? receipt.source),
    objectKey: receipt.objectKey,
    size: null,
    objectVersion: null,
    extract: {
      ...extractOf(headers, { subject: ports.settings.trace.subject }),
      ...(bearsNoticeMark(ports.markKey, headers) ? { ownNotice: true } : {}),
    },
    verdicts: receipt.verdicts,
    acceptedAt: receipt.acceptedAt,
    configVersion: ports.settings.version,
  };
}

/**
 * The first rows of a message, each once. `reason`: that of their first event, where it was no receipt
 * that made them.
 */
export function deliveries(
  ports: IngestPorts,
  planned: readonly Plan[],
  facts: MessageFacts,
  loop: LoopFinding | null,
  policy: Disposition,
  reason: string | null = null,
): DeliveryRow[] {
  const plans = uniqueByKey(planned);
  const sole = plans.length === 1;
  return plans.map((each) => disposed(ports, rowFor(ports, facts, each, { sole, reason }), each, facts, loop, policy));
}

/** The row as ingest first writes it. */
function disposed(
  ports: IngestPorts,
  row: DeliveryRow,
  planned: Plan,
  facts: MessageFacts,
  loop: LoopFinding | null,
  policy: Disposition,
): DeliveryRow {
  if (destinationOf(row) === 'returns') return row;
  const ended = disposedByRoute(ports, row, planned, loop);
  if (ended !== null) return ended;
  if (policy.kind === 'relay') return row;
  const now = ports.clock.now();
  // A copy answers to no sender: where policy refuses the delivery, its copies are quarantined without a notice.
  const until = row.acceptedAt + ports.settings.retentionMs.quarantine;
  if (policy.kind === 'quarantine' || row.copy) return quarantinedAtBirth(row, policy.reason, until, now);
  // A refusal tells the sender; where no sender may be told, it is quarantine (INTERFACES, policy).
  const withheld = reasonToWithhold(noticeFactsOf(ports.settings, { row, message: facts, kind: 'ndr' }, now));
  if (withheld !== null && withheld.heldBecause === null) {
    const what = { attempt: null, status: null, reason: withheld.name, reply: null };
    const told = { ...row, trace: [...row.trace, traced(row, 'SUPPRESSED', now, what, null)] };
    return quarantinedAtBirth(told, policy.reason, until, now);
  }
  return failedAtBirth(row, policy.status, policy.reason, policy.detail, now);
}

// SES refuses unknown recipients during SMTP, by rules made from these routes. One that comes through all the same
// (during a deploy rules and functions differ for a moment) is answered, never dropped.
export function plan(ports: IngestPorts, forwardPath: string, { reversePath, extract }: MessageFacts): Plan[] {
  const mailbox = parseMailbox(forwardPath);
  if (mailbox === null) {
    const odd = { address: forwardPath, localPart: forwardPath, domain: '', domainKey: '' };
    return [unroutedPlan(forwardPath, odd, 'bad-address', 'the address is not a mailbox')];
  }
  const found = ports.routes.resolve(mailbox, 'inbound');
  const { autoSubmitted } = extract;
  if (comesBack(mailbox, ports.settings, { reversePath, autoSubmitted, routed: found !== null }))
    return [returnPlan(forwardPath, mailbox)];
  if (found === null) return [unroutedPlan(forwardPath, mailbox, 'no-route', 'there is no such recipient here')];
  return routedPlans(found, mailbox, forwardPath);
}

/**
 * Mail to a return path: routes, policy and loops do not apply to it; pipeline/feedback/returned.ts reads it.
 */
function returnPlan(forwardPath: string, mailbox: Mailbox): Plan {
  return {
    forwardPath,
    mailbox,
    route: -1,
    action: 0,
    via: returnsHop,
    address: forwardPath,
    copy: false,
    fallback: null,
    unrouted: null,
  };
}
