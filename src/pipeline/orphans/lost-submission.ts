// What the search for orphans does below `out/`. An envelope without a row: S3's event did not come, and ingest is told
// again. Content without an envelope: its program ended between the two, and Everpost accepted nothing; it is held,
// with an alarm, since only a person can tell. It never reads an envelope: ingest alone decides what one means.
//
// | effect, in order          | if we die right after                                            |
// | ------------------------- | ---------------------------------------------------------------- |
// |   (held row) alarm        | raised once too often; the next run raises it again before it    |
// | 1 event or held row       | the page is read again: the event comes twice, the row stands    |

import type { Settings } from '#config/settings.ts';
import type { SubmissionPlace } from '#core/submission/object-key.ts';
import { writeSubmissionEvent } from '#core/submission/stored-event.ts';
import { settleUnread, unreadFacts, unreadKey, unreadRow } from '#pipeline/ingest/unreadable-submission.ts';
import type { Clock, EventQueue, Ledger, SpoolEntry, SpoolInventory, Watch } from '#pipeline/ports.ts';

export type LostPorts = {
  readonly settings: Settings;
  readonly inventory: SpoolInventory;
  readonly ledger: Ledger;
  readonly ingestQueue: EventQueue | null;
  readonly clock: Clock;
  readonly watch: Watch;
};

/** True where it is held. `doubted`: a restore of the ledger may have lost some of its rows. */
export async function isLostSubmission(
  ports: LostPorts,
  { part, place }: { readonly part: 'content' | 'envelope'; readonly place: SubmissionPlace },
  { entry, doubted }: { readonly entry: SpoolEntry; readonly doubted: boolean },
  signal: AbortSignal,
): Promise<boolean> {
  const { spoolId } = place;
  const keys = await ports.ledger.rowKeys(spoolId, 2);
  const alone = keys.length === 1 && keys[0] === unreadKey;
  // Where a restore may have lost rows, ingest is told again: it writes those alone that are missing.
  if (keys.length > 0 && !((alone || doubted) && part === 'envelope')) return false;
  if (part === 'envelope') {
    if (ports.ingestQueue === null) throw new Error('submissions are searched, and no ingest queue is wired');
    await ports.ingestQueue.sendEvent(writeSubmissionEvent(entry));
    ports.watch.count('LostJob');
    ports.watch.warn('orphans.event-sent-again', { spoolId, envelopeKey: entry.objectKey });
    return false;
  }
  if (await hasEnvelope(ports, place, signal)) return false; // the list comes to it, and tells ingest
  const facts = unreadFacts(place, entry.storedAt, ports.settings.version);
  const detail = `there is no ${place.envelopeKey}`;
  const terms = { ...ports, sweepAgainMs: 0 };
  ports.watch.raise('EnvelopeMissing');
  await ports.ledger.create([unreadRow(terms, { ...facts, size: entry.bytes }, 'envelope-missing', detail)], null);
  // The envelope may have come between the two reads, and ingest may have looked for this row before it was written.
  if ((await ports.ledger.rowKeys(spoolId, 2)).length > 1) {
    await settleUnread(ports, spoolId);
    return false;
  }
  ports.watch.error('orphans.envelope-missing', { spoolId, contentKey: entry.objectKey, bytes: entry.bytes });
  return true;
}

async function hasEnvelope(
  { inventory }: LostPorts,
  { envelopeKey }: SubmissionPlace,
  signal: AbortSignal,
): Promise<boolean> {
  const { entries } = await inventory.list({ prefix: envelopeKey, after: null, max: 1 }, signal);
  return entries[0]?.objectKey === envelopeKey;
}
