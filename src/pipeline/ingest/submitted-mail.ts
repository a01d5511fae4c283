// Ingest of mail from our side: from S3's event about a stored envelope to a ledger row and a relay job for each
// delivery. The envelope says where mail goes; the header section is read for loops, notices and authors alone. No
// submission is lost: one that cannot be used is reported to its reverse-path, or held under a row of its own.
//
// | effect, in order               | if we die right after                                                     |
// | ------------------------------ | ------------------------------------------------------------------------- |
// | (event in ingest queue)        | SQS gives it again; nothing was done                                      |
// | 0 cannot be read: a held row  | as above; SQS gives it again all the same, and dead-letters it in the end |
// | 1 message item (several rows)  | as above; the item is written only where none stands                      |
// |   (held at birth) alarm        | raised once too often; it is raised again before each write of such rows  |
// | 2 delivery rows                | as above; rows that stand are left, jobs are sent again; without a second |
// |                                | event the sweep finds the rows by `dueAt` and sends their jobs            |
// | 3 relay and bounce jobs        | as above; a second job is refused by the claim                            |
// | 4 the held row of 0 removed    | as above; removed already                                                 |
// | 5 the five minutes noted       | as above; or the next message of the five minutes notes them              |
// | (event deleted)                | done                                                                      |

import type { DeliveryRow, MessageFacts } from '#core/delivery/delivery.ts';
import { failedAtBirth, type HeldAtBirth, heldAtBirth } from '#core/delivery/progress.ts';
import { envelopeBytesMax, headerBytesMax, submittedHeadBytes } from '#core/limits.ts';
import { parseMailbox, parseSubmittedPath } from '#core/message/address.ts';
import { extractOf } from '#core/message/extract.ts';
import { type FromReading, readFrom } from '#core/message/from-field.ts';
import type { HeaderField } from '#core/message/header.ts';
import { findHeaderEnd, headerFieldsOf, headerSection } from '#core/message/header.ts';
import { bearsNoticeMark } from '#core/message/trace-fields.ts';
import { statusOf } from '#core/reply/status.ts';
import type { LoopFinding } from '#core/routing/loop.ts';
import { findLoop } from '#core/routing/loop.ts';
import { placeOfEnvelope, type SubmissionPlace } from '#core/submission/object-key.ts';
import type { StoredEnvelope, SubmissionEventReading } from '#core/submission/stored-event.ts';
import {
  type EnvelopeReading,
  readEnvelope,
  type SubmittedEnvelope,
  type SubmittedRecipient,
} from '#core/submission/submission.ts';
import { mayAuthor, mayUsePath, type SenderFinding } from '#core/submission/submitter.ts';
import { type Finished, finished } from '#pipeline/finished.ts';
import type { UnreadableCause } from '#pipeline/ports.ts';
import type { IngestPorts } from './ingest-ports.ts';
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
import { settleUnread, unknownPlan, unreadFacts, unreadRow } from './unreadable-submission.ts';

/**
 * Throws on an event that cannot be understood, and while an envelope cannot be read: it then ends in ingest's
 * dead-letter queue, with an alarm.
 */
export async function ingestSubmissions(
  ports: IngestPorts,
  event: Exclude<SubmissionEventReading, { kind: 'other' }>,
  signal: AbortSignal,
): Promise<Finished> {
  if (event.kind === 'test') return finished('test-event');
  if (event.kind === 'malformed') throw new Error(`an event that is not S3's word of an envelope: ${event.why}`);
  const became: Finished[] = [];
  for (const stored of event.envelopes) became.push(await ingestSubmission(ports, stored, signal)); // S3 sends one in each event
  return became.find(({ became }) => became === 'accepted') ?? finished('known-already');
}

async function ingestSubmission(ports: IngestPorts, stored: StoredEnvelope, signal: AbortSignal): Promise<Finished> {
  const given = { place: placeOfEnvelope(stored.objectKey), acceptedAt: stored.storedAt };
  const reading = await readStored(ports, given, signal);
  const found = await headerFields(ports, given.place, signal);
  const headers = found?.headers ?? [];
  const facts = messageFacts(ports, given, reading, headers);
  if (found === null && reading.kind === 'envelope' && facts.reversePath === '')
    return unread(ports, given, 'the author of a null reverse-path'); // nobody else could speak for it

  const born =
    reading.kind === 'malformed'
      ? [malformedRow(ports, given.place, facts, reading.why)]
      : deliveries(ports, facts, reading.envelope, { headers, from: found?.from ?? null });
  const rows = found?.undeleted ? born.map(restored) : born;
  if (reading.kind === 'malformed') ports.watch.raise('SubmissionMalformed');
  const results = await writeRows(ports, rows, facts);
  await sendJobs(ports, rows);
  await settleUnread(ports, facts.spoolId);
  report(ports, facts, rows, results);
  await ports.accepted.accepted(facts.direction, facts.acceptedAt);
  return finished(results.includes('created') ? 'accepted' : 'known-already');
}

type Given = { readonly place: SubmissionPlace; readonly acceptedAt: number };

/** The envelope, or what is wrong with it. Throws where it cannot be read, after that is recorded. */
async function readStored(ports: IngestPorts, given: Given, signal: AbortSignal): Promise<EnvelopeReading> {
  const { envelopeKey, spoolId, why } = given.place;
  const read = await ports.spool.head(envelopeKey, envelopeBytesMax, signal);
  if (read.kind === 'unreadable' && read.cause === 'empty') return malformed('it has no bytes');
  if (read.kind === 'unreadable') {
    ports.watch.count('ContentUnreadable');
    ports.watch.error('ingest.envelope-unreadable', { spoolId, envelopeKey, cause: read.cause, detail: read.detail });
    return unread(ports, given, 'the envelope', read.cause);
  }
  if (read.size > envelopeBytesMax) return malformed(`it has more than ${envelopeBytesMax} bytes`);
  const reading = readEnvelope(textOf(read.bytes));
  if (why === null || reading.kind === 'malformed') return reading;
  return { kind: 'malformed', why, reversePath: reading.envelope.reversePath };
}

function malformed(why: string): EnvelopeReading {
  return { kind: 'malformed', why, reversePath: null };
}

/** Bytes that are no UTF-8 become U+FFFD, which no address may contain. */
function textOf(bytes: Uint8Array): string {
  return new TextDecoder('utf-8').decode(bytes);
}

type Head = { readonly headers: readonly HeaderField[]; readonly from: FromReading };

/**
 * Null where the content cannot be opened now. The rows are written all the same: relay meets the same content, and its
 * sender is told.
 */
async function headerFields(
  ports: IngestPorts,
  { spoolId, contentKey }: SubmissionPlace,
  signal: AbortSignal,
): Promise<(Head & { readonly undeleted: boolean }) | null> {
  let head = await ports.spool.head(contentKey, submittedHeadBytes, signal);
  if (head.kind === 'read' && head.size > head.bytes.length && !findHeaderEnd(head.bytes).complete)
    head = await ports.spool.head(contentKey, headerBytesMax, signal);
  if (head.kind === 'read') {
    const undeleted = head.undeleted === true;
    if (undeleted) ports.watch.warn('ingest.delete-marker', { spoolId });
    return { headers: headerFieldsOf(head.bytes), from: readFrom(head.bytes, headerSection(head.bytes)), undeleted };
  }
  ports.watch.count('ContentUnreadable');
  ports.watch.error('ingest.content-unreadable', { spoolId, cause: head.cause, detail: head.detail });
  return null;
}

function messageFacts(
  ports: IngestPorts,
  { place, acceptedAt }: Given,
  reading: EnvelopeReading,
  headers: readonly HeaderField[],
): MessageFacts {
  const envelope = reading.kind === 'envelope' ? reading.envelope : null;
  return {
    spoolId: place.spoolId,
    direction: 'outbound',
    reversePath: envelope?.reversePath ?? (reading.kind === 'malformed' ? (reading.reversePath ?? '') : ''),
    objectKey: place.contentKey,
    size: envelope?.bytes ?? null,
    objectVersion: null,
    extract: {
      ...extractOf(headers, { subject: ports.settings.trace.subject }),
      ...(bearsNoticeMark(ports.markKey, headers) ? { ownNotice: true } : {}),
    },
    verdicts: null,
    acceptedAt,
    configVersion: ports.settings.version,
    submission: {
      submitter: place.submitter,
      sha256: envelope?.sha256 ?? '',
      ret: envelope?.ret ?? null,
      envid: envelope?.envid ?? null,
      ...(envelope?.smtputf8 ? { smtputf8: true } : {}),
      ...(envelope?.client ? { client: envelope.client } : {}),
    },
  };
}

function deliveries(
  ports: IngestPorts,
  facts: MessageFacts,
  envelope: SubmittedEnvelope,
  { headers, from }: { readonly headers: readonly HeaderField[]; readonly from: FromReading | null },
): DeliveryRow[] {
  const now = ports.clock.now();
  const may = mayBeSent(ports, facts, from);
  const loop = findLoop(headers, ports.markKey);
  const plans = uniqueByKey(
    envelope.forwardPaths.flatMap((recipient) => plan(ports, recipient).map((each) => ({ ...each, recipient }))),
  );
  return plans.map((each) => {
    const row = withDsn(rowFor(ports, facts, each, { sole: plans.length === 1, reason: null }), each.recipient);
    // A refused reverse-path is not known to be the author's: a notice to it would be backscatter.
    return may.kind === 'refused' ? heldAtBirth(row, refusal(may), now) : disposed(ports, row, each, loop);
  });
}

/**
 * Content that cannot be opened now names no author: relay cannot open it either, and asks again in whose name SES may
 * sign.
 */
function refusal({ reason, detail }: Extract<SenderFinding, { kind: 'refused' }>): HeldAtBirth {
  const because = reason === 'submitter-unknown' ? 'foreign-sender' : reason;
  return { because, reason, detail, status: statusOf('5.7.1') };
}

function mayBeSent(ports: IngestPorts, facts: MessageFacts, from: FromReading | null): SenderFinding {
  const { settings } = ports;
  const submitter = facts.submission?.submitter ?? '';
  const reversePath = parseSubmittedPath(facts.reversePath) ?? null;
  const byPath = mayUsePath(settings, submitter, reversePath);
  return byPath.kind === 'refused' || from === null ? byPath : mayAuthor(settings, submitter, reversePath, from);
}

function disposed(ports: IngestPorts, row: DeliveryRow, planned: Plan, loop: LoopFinding | null): DeliveryRow {
  return disposedByRoute(ports, row, planned, loop) ?? row;
}

/**
 * Outbound routes first; mail to our own domains may also go as inbound mail does. Mail to other domains is not
 * relayed.
 */
function plan(ports: IngestPorts, { address }: SubmittedRecipient): Plan[] {
  const mailbox = parseMailbox(address);
  if (mailbox === null) throw new Error(`an envelope's address is no mailbox: ${address}`);
  const found = ports.routes.resolve(mailbox, 'outbound') ?? ports.routes.resolve(mailbox, 'inbound');
  if (found !== null) return routedPlans(found, mailbox, address);
  if (ports.settings.domains.includes(mailbox.domainKey))
    return [unroutedPlan(address, mailbox, 'no-route', 'there is no such recipient here')];
  const detail = `no outbound route takes mail for ${mailbox.domainKey}`;
  return [unroutedPlan(address, mailbox, 'no-outbound-route', detail)];
}

function withDsn(row: DeliveryRow, { notify, orcpt }: SubmittedRecipient): DeliveryRow {
  return row.copy || (notify === null && orcpt === null) ? row : { ...row, dsn: { notify, orcpt } };
}

// ── Submissions that cannot be used ──

/** Its recipients are not known, so one row stands for all of them. */
function malformedRow(ports: IngestPorts, place: SubmissionPlace, facts: MessageFacts, why: string): DeliveryRow {
  const now = ports.clock.now();
  const row = rowFor(ports, facts, unknownPlan('submission-malformed'), { sole: true, reason: null });
  const detail = `the envelope ${place.envelopeKey} cannot be used: ${why}`;
  const path = parseSubmittedPath(facts.reversePath) ?? null;
  const told = path !== null && mayUsePath(ports.settings, place.submitter, path).kind === 'allowed';
  if (told) return failedAtBirth(row, statusOf('5.6.0'), 'submission-malformed', detail, now);
  const reason = 'submission-malformed';
  return heldAtBirth(row, { because: reason, reason, detail, status: statusOf('5.6.0') }, now);
}

/**
 * A submission that cannot be read has its held row before SQS is asked to give the event again. An outage of S3 alone
 * makes no row.
 */
async function unread(ports: IngestPorts, given: Given, what: string, cause?: UnreadableCause): Promise<never> {
  const { place, acceptedAt } = given;
  if (cause !== 'unavailable') {
    const facts = unreadFacts(place, acceptedAt, ports.settings.version);
    const detail = `${what} cannot be read (${cause ?? 'content'}): ${place.envelopeKey}`;
    const row = unreadRow(ports, facts, 'envelope-unreadable', detail);
    report(ports, facts, [row], await writeRows(ports, [row], facts));
  }
  throw new Error(`${what} of ${place.spoolId} cannot be read`);
}
