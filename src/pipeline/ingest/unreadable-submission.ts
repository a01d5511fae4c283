// The row that stands for a submission whose recipients are not known yet: its envelope cannot be read, or is missing.
// It is held under a key of its own, so that a person is told of it, and ends by itself when the envelope is read. It
// is never sent and never expires.

import type { DeliveryRow, MessageFacts } from '#core/delivery/delivery.ts';
import { superseded } from '#core/delivery/hold-release.ts';
import { deliveryKeyOf } from '#core/delivery/key.ts';
import { heldAtBirth } from '#core/delivery/progress.ts';
import { statusOf } from '#core/reply/status.ts';
import type { SubmissionPlace } from '#core/submission/object-key.ts';
import type { Clock, Ledger } from '#pipeline/ports.ts';
import { recordOn } from '#pipeline/record.ts';
import { type Plan, type RowTerms, rowFor, unroutedPlan } from './rows.ts';

const STANDS_FOR_ALL = 'envelope-unreadable';

/** Of the row, whatever its reason. */
export const unreadKey = deliveryKeyOf(unknownPlan(STANDS_FOR_ALL).mailbox, 0);

/** It was written for content without an envelope, and knows of none. */
export function standsForMissingEnvelope(row: DeliveryRow): boolean {
  return row.deliveryKey === unreadKey && row.lastReason === 'envelope-missing';
}

export type UnreadReason = 'envelope-unreadable' | 'envelope-missing';

export function unreadRow(terms: RowTerms, facts: MessageFacts, reason: UnreadReason, detail: string): DeliveryRow {
  const row = rowFor(terms, facts, unknownPlan(STANDS_FOR_ALL), { sole: true, reason: null });
  const because = reason === 'envelope-missing' ? reason : 'submission-malformed';
  return heldAtBirth(row, { because, reason, detail, status: statusOf('5.3.0') }, terms.clock.now());
}

/** What is known of a submission without its envelope: its place, and since when it is stored. */
export function unreadFacts(place: SubmissionPlace, acceptedAt: number, configVersion: string): MessageFacts {
  return {
    spoolId: place.spoolId,
    direction: 'outbound',
    reversePath: '',
    objectKey: place.contentKey,
    size: null,
    objectVersion: null,
    extract: { from: null, to: null, date: null, subject: null, messageIdField: null, autoSubmitted: null },
    verdicts: null,
    acceptedAt,
    configVersion,
    submission: { submitter: place.submitter, sha256: '', ret: null, envid: null },
  };
}

/** Its recipients are not known, so one row stands for all of them. `reason` keeps such rows of a message apart. */
export function unknownPlan(reason: string): Plan {
  const nobody = { address: 'unknown', localPart: reason, domain: '', domainKey: '' };
  return unroutedPlan('unknown', nobody, 'submission-malformed', '');
}

/** It can be read now: the row that stood for it ends, with a trace event. */
export async function settleUnread(
  ports: { readonly ledger: Ledger; readonly clock: Clock },
  spoolId: string,
): Promise<void> {
  const standing = await ports.ledger.read({ spoolId, deliveryKey: unreadKey });
  if (standing?.state !== 'held') return;
  const now = ports.clock.now();
  await recordOn(ports, standing, (current) =>
    current.state === 'held' ? superseded(current, 'envelope-read', now) : null,
  );
}
