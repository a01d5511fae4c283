// Bounce: from a delivery that failed or expired to a notice for its sender, or to the recorded reason why there may be
// none. It composes and sends nothing: a notice is a delivery of its own, which relay attempts.
//
// | effect, in order                | if we die right after                                                          |
// | ------------------------------- | ------------------------------------------------------------------------------ |
// | (failure recorded, by others)   | SQS gives the bounce job again, or the sweep sends one by the row's `dueAt`    |
// | 0 postmaster's copy, its job    | the same job runs again: the row stands, its job is sent again                 |
// |   (held) alarm                  | raised once too often; the same job runs again and holds the row               |
// |   its counts raised             | its message's and its address's know it; the wide ones count it once more at   |
// |                                 | the next run: a limit is reached early, never late                             |
// |   (total limit reached) alarm   | raised once too often; the same job runs again and settles the row             |
// | 1 notice's row (if none stands) | the same job runs again: the row stands, its job is sent again                 |
// | 2 notice's relay job            | as above; a second job is refused by the claim                                 |
// | 3 delivery marked with notice   | done; `dueAt` brings the delivery back here until its notice is settled        |
// A notice that failed or expired, or bounced after its acceptance, makes its delivery held, with an alarm. It never
// causes another notice.

import {
  type DelayOrSuccessKind,
  isDelayOrSuccessKind,
  isSuccessNoticeDue,
  isUncertainNoticeDue,
} from '#core/delivery/delay-success.ts';
import type { DeliveryRow, MessageFacts, NoticeKind } from '#core/delivery/delivery.ts';
import { deliveryId, isHeldFailure, isUnderWay, standsAlone } from '#core/delivery/delivery.ts';
import { isCanary, noticeKeyOf } from '#core/delivery/key.ts';
import { newNotice, withNoticeQueued, withNoticeSettled, withNoticeWithheld } from '#core/delivery/progress.ts';
import { parseReversePath } from '#core/message/address.ts';
import { type NoticeCount, type NoticeLimit, noticeCounts } from '#core/notice/counts.ts';
import { noticeFactsOf } from '#core/notice/facts.ts';
import { noticeMessageId } from '#core/notice/input.ts';
import type { Withheld } from '#core/notice/permission.ts';
import { isCounted, reasonToWithhold } from '#core/notice/permission.ts';
import { wayName, wayOf } from '#core/notice/way.ts';
import { reasonRow } from '#core/reply/reasons.ts';
import type { Finished } from '#pipeline/finished.ts';
import { finished } from '#pipeline/finished.ts';
import { queueNotice } from '#pipeline/notice-queue.ts';
import type { Job } from '#pipeline/ports.ts';
import { recordOn } from '#pipeline/record.ts';
import type { BouncePorts } from './bounce-ports.ts';
import { giveDelayOrSuccessNotice, settleDelayOrSuccessNotice } from './delay-success-notice.ts';
import { givePostmasterCopy } from './postmaster-copy.ts';
import { fallBack } from './try-fallback.ts';

/** While its notice waits, a failed delivery is looked at after a quarter of an hour, and at last each hour. */
const LOOKS_APART = 4;

export async function bounce(ports: BouncePorts, job: Job): Promise<Finished> {
  const row = await ports.ledger.read(job);
  if (row === null) {
    ports.watch.error('bounce.row-missing', { ...job });
    return finished('row-missing');
  }
  if (row.kind === 'notice') return endNotice(ports, row);
  const due = noticeDue(row);
  if (due === null) return finished('settled-already');
  const redirected = await fallBack(ports, row);
  if (redirected !== null) return redirected;
  const message = row.message ?? (await ports.ledger.message(row.spoolId));
  if (message === null) throw new Error(`the ledger has a delivery without its message: ${deliveryId(row)}`);
  if (due !== 'ndr')
    return giveDelayOrSuccessNotice(ports, row, message, due, await withholdReason(ports, row, message, due));
  await givePostmasterCopy(ports, row, message);
  const withheld = isDecided(row) ? null : await withholdReason(ports, row, message, 'ndr');
  return withheld === null ? giveNotice(ports, row, message) : withhold(ports, row, withheld);
}

/** The notice that is due to the delivery's sender; null where there is none, or no more. */
function noticeDue(row: DeliveryRow): DelayOrSuccessKind | 'ndr' | null {
  if (isLost(row)) return 'ndr';
  if (isUnderWay(row.state) || isHeldFailure(row)) return 'delay'; // the sweep says so
  if (isSuccessNoticeDue(row)) return 'success';
  return isUncertainNoticeDue(row) ? 'uncertain' : null;
}

/** While a notice is on its way it is not decided again, by another hour's count or a changed configuration. */
function isDecided({ notice }: DeliveryRow): boolean {
  return notice?.kind === 'ndr' && notice.state === 'queued';
}

/** A notice's own row. Only one that failed or expired is settled here. */
async function endNotice(ports: BouncePorts, notice: DeliveryRow): Promise<Finished> {
  if (!isLost(notice)) return finished('settled-already');
  return isDelayOrSuccessKind(notice.noticeKind)
    ? settleDelayOrSuccessNotice(ports, notice)
    : settleFailedNotice(ports, notice);
}

async function withholdReason(
  ports: BouncePorts,
  row: DeliveryRow,
  message: MessageFacts,
  kind: NoticeKind,
): Promise<Withheld | null> {
  const now = ports.clock.now();
  const facts = noticeFactsOf(ports.settings, { row, message, kind }, now);
  if (!isCounted(facts) || facts.to === null) return reasonToWithhold(facts);
  // A notice that has its row already was counted with it.
  if ((await ports.ledger.read(noticeRef(row, kind))) !== null) return null;
  const about = { message, to: facts.to, kind, noticeKey: noticeKeyOf(row.deliveryKey, kind) };
  return reasonToWithhold({ ...facts, overLimit: await limitReached(ports, noticeCounts(ports.settings, about, now)) });
}

/** The first limit that is reached, in the order in which they are asked; each one before it has counted the notice. */
async function limitReached(ports: BouncePorts, counts: readonly NoticeCount[]): Promise<NoticeLimit | null> {
  for (const { limit, name, max, until, key } of counts) {
    const within =
      key === undefined
        ? await ports.ledger.countUpTo(name, max, until)
        : await ports.ledger.countOnce(name, key, max, until);
    if (within) continue;
    // The other limits concern one forger or one victim; this one means that no further sender is told in this hour.
    if (limit === 'total-limit') ports.watch.raise('NoticeLimit');
    return limit;
  }
  return null;
}

function noticeRef(row: DeliveryRow, kind: NoticeKind) {
  return { spoolId: row.spoolId, deliveryKey: noticeKeyOf(row.deliveryKey, kind) };
}

async function withhold(ports: BouncePorts, row: DeliveryRow, withheld: Withheld): Promise<Finished> {
  // Refused by policy, and a limit was reached, which ingest could not know: kept for a person to look at.
  const byPolicy = reasonRow(row.stateReason)?.byPolicy === true && withheld.name !== 'canary';
  const because = withheld.heldBecause ?? (byPolicy ? 'policy' : null);
  const hold = because !== null;
  if (hold) ports.watch.raise('Held');
  const { row: settled, written } = await recordOn(ports, row, (current) =>
    isLost(current) ? withNoticeWithheld(current, withheld.name, because, ports.clock.now()) : null,
  );
  if (!written) return finished('settled-already');
  if (!hold && !isCanary(row)) ports.watch.count('Unreturnable');
  ports.watch.warn(hold ? 'bounce.held' : 'bounce.withheld', {
    ...fieldsOf(row),
    reason: withheld.name,
    explanation: withheld.explanation,
  });
  return finished(settled.state);
}

async function giveNotice(ports: BouncePorts, row: DeliveryRow, message: MessageFacts): Promise<Finished> {
  const to = parseReversePath(message.reversePath);
  if (to === null || to === undefined)
    throw new Error('a reverse-path that takes no notice was not withheld: src/core/notice/permission.ts');
  const now = ports.clock.now();
  const notice = newNotice(
    row,
    {
      key: noticeKeyOf(row.deliveryKey, 'ndr'),
      to: to.address,
      via: wayName(wayOf(ports.settings, { row, message, kind: 'ndr' }, now)),
      lifetimeMs: ports.settings.retry.lifetimeMs,
      sweepAgainMs: ports.sweepAgainMs,
    },
    now,
  );
  const standing = await queueNotice(ports, notice);
  if (!isUnderWay(standing.state)) return settle(ports, row, standing);

  const messageIdField = noticeMessageId({
    spoolId: row.spoolId,
    deliveryKey: row.deliveryKey,
    kind: 'ndr',
    host: ports.settings.host,
  });
  // The notice's row is watched by itself. Behind a next hop that takes nothing this one is looked at once an hour.
  const { sweepAgainMs } = ports;
  const againMs = Math.min(Math.max(now - standing.acceptedAt, sweepAgainMs), LOOKS_APART * sweepAgainMs);
  const lookAgainAt = Math.max(now, standing.nextAttemptAt) + againMs;
  await recordOn(ports, row, (current) =>
    isLost(current)
      ? withNoticeQueued(current, { via: standing.nextHop, to: standing.forwardPath, messageIdField }, now, lookAgainAt)
      : null,
  );
  ports.watch.info('bounce.notice-queued', { ...fieldsOf(row), to: standing.forwardPath, via: standing.nextHop });
  return finished('notice-queued');
}

/**
 * The notice itself ended without its acceptance. There is never a third message: the delivery is held, and a person
 * must look.
 */
async function settleFailedNotice(ports: BouncePorts, notice: DeliveryRow): Promise<Finished> {
  const reported =
    notice.noticeOf === null || standsAlone(notice) // it answers for nothing
      ? null
      : await ports.ledger.read({ spoolId: notice.spoolId, deliveryKey: notice.noticeOf });
  if (reported !== null) await settle(ports, reported, notice);
  if (standsAlone(notice)) ports.watch.raise('Held');
  // The notice's own row last: while it is failed and due, the sweep brings it back here.
  const { written } = await recordOn(ports, notice, (current) =>
    isLost(current)
      ? withNoticeWithheld(current, 'notice-not-delivered', 'notice-not-delivered', ports.clock.now())
      : null,
  );
  if (written && standsAlone(notice)) {
    const { noticeKind, stateReason } = notice;
    ports.watch.error('bounce.notice-not-delivered', { ...fieldsOf(notice), noticeKind, reason: stateReason });
  }
  return finished('held');
}

async function settle(ports: BouncePorts, row: DeliveryRow, notice: DeliveryRow): Promise<Finished> {
  const cameBack = isLost(notice); // also after its acceptance had made the delivery returned
  const accepted = notice.state === 'relayed' || notice.state === 'confirmed';
  if (!accepted && (isLost(row) || row.state === 'returned')) ports.watch.raise('Held');
  const { row: settled, written } = await recordOn(ports, row, (current) =>
    isLost(current) || (current.state === 'returned' && cameBack)
      ? withNoticeSettled(current, notice, ports.clock.now())
      : null,
  );
  if (!written) return finished('settled-already');
  if (settled.state === 'held') {
    ports.watch.error('bounce.held', { ...fieldsOf(row), reason: settled.stateReason });
  } else if (settled.state === 'returned') ports.watch.count('Returned');
  return finished(settled.state);
}

function isLost(row: DeliveryRow): boolean {
  return row.state === 'failed' || row.state === 'expired';
}

function fieldsOf(row: DeliveryRow): Record<string, unknown> {
  return { spoolId: row.spoolId, deliveryKey: row.deliveryKey, forwardPath: row.forwardPath, status: row.lastStatus };
}
