// Reads a job of the ingest queue: a receipt of SES, an event of S3 about a submission, or an operator's list of
// recipients for an orphan. The last makes deliveries as a receipt does, by the same routes. Policy does not apply to
// it, because there are no verdicts; the operator has decided.
//
// | effect, in order              | if we die right after                                                     |
// | ----------------------------- | ------------------------------------------------------------------------- |
// | (operator's word in queue)    | SQS gives it again; nothing was done                                      |
// | 1 message item, delivery rows | as above; rows that stand, the receipt's too, are left, jobs sent again   |
// | 2 relay and bounce jobs       | as above; a second job is refused by the claim                            |
// | 3 placeholder ended           | as above; the second time there is nothing to do                          |

import { stillHeld } from '#core/delivery/hold-release.ts';
import { doneBy } from '#core/delivery/trace.ts';
import { detailTextMax, headerBytesMax } from '#core/limits.ts';
import { headerFieldsOf } from '#core/message/header.ts';
import { findLoop } from '#core/routing/loop.ts';
import { type NamedRecipients, readNamedRecipients } from '#core/spool/named-recipients.ts';
import { orphanFacts, placeholderKey } from '#core/spool/orphan.ts';
import { readSubmissionEvent } from '#core/submission/stored-event.ts';
import { type Finished, finished } from '#pipeline/finished.ts';
import { recordOn } from '#pipeline/record.ts';
import { deliveries, ingest, plan } from './ingest.ts';
import type { IngestPorts } from './ingest-ports.ts';
import { endPlaceholder } from './placeholder.ts';
import { report, sendJobs, writeRows } from './rows.ts';
import { ingestSubmissions } from './submitted-mail.ts';

/** Throws on a body that cannot be understood: it then ends in ingest's dead-letter queue, with an alarm. */
export async function takeIn(ports: IngestPorts, body: string, signal: AbortSignal): Promise<Finished> {
  const event = readSubmissionEvent(body);
  if (event.kind !== 'other') return ingestSubmissions(ports, event, signal);
  const named = readNamedRecipients(body);
  return named === null ? ingest(ports, body, signal) : deliverTo(ports, named, signal);
}

async function deliverTo(ports: IngestPorts, named: NamedRecipients, signal: AbortSignal): Promise<Finished> {
  const { spoolId } = named;
  const standing = await ports.ledger.read({ spoolId, deliveryKey: placeholderKey });
  const known = standing?.message ?? null;
  if (standing?.state !== 'held' || known === null) {
    ports.watch.warn('ingest.no-orphan', { spoolId, state: standing?.state ?? null });
    return finished('no-orphan');
  }
  const plans = named.recipients.flatMap((forwardPath) => plan(ports, forwardPath, known));
  // A typing mistake of the operator's must not become an NDR to a sender who never wrote to that address.
  const strange = plans.find(({ unrouted }) => unrouted !== null);
  if (strange !== undefined) {
    const why = `not released: no route takes ${strange.forwardPath}`.slice(0, detailTextMax);
    await recordOn(ports, standing, (row) =>
      row.state === 'held' ? doneBy(stillHeld(row, why, ports.clock.now()), named.by) : null,
    );
    ports.watch.warn('ingest.not-released', { spoolId, forwardPath: strange.forwardPath, why });
    return finished('not-released');
  }
  const head = await ports.spool.head(known.objectKey, headerBytesMax, signal);
  const headers = head.kind === 'read' ? headerFieldsOf(head.bytes) : [];
  const { settings, markKey } = ports;
  const terms = { subject: settings.trace.subject, markKey, configVersion: settings.version };
  const size = head.kind === 'read' ? head.size : (known.size ?? 0);
  // The header section may be readable now, if it was not when the message was held. Else the facts of then count.
  const facts =
    head.kind === 'read'
      ? orphanFacts({ spoolId, objectKey: known.objectKey, size, storedAt: known.acceptedAt, headers }, terms)
      : known;
  const now = ports.clock.now();
  const born = deliveries(ports, plans, facts, findLoop(headers, ports.markKey), { kind: 'relay' }, 'recipients-named');
  const rows = born.map((row) => ({ ...row, expiresAt: now + named.lifetimeMs })); // its age would have expired it at birth
  const results = await writeRows(ports, rows, facts);
  await sendJobs(ports, rows);
  await endPlaceholder(ports, spoolId, 'recipients-named', named.by);
  report(ports, facts, rows, results);
  return finished('recipients-named');
}
