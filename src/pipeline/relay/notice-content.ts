// What a notice is composed from: the ledger, and what can still be read of the original. Called by notice-attempt.ts.
// It reads one range of the content at most. A notice never waits for content that cannot be opened: it then carries
// what the receipt said (DESIGN decision 5).

import type { Settings } from '#config/settings.ts';
import type { DeliveryRow, MessageFacts, NoticeKind } from '#core/delivery/delivery.ts';
import { extendedExpiry, isKept, pausesOf } from '#core/delivery/pause.ts';
import { ndrOriginalBytesMax } from '#core/limits.ts';
import { parseReversePath } from '#core/message/address.ts';
import type { MarkKey } from '#core/message/mark-key.ts';
import { noticeMark } from '#core/message/trace-fields.ts';
import { mayReturnBody, noticeBytesMax } from '#core/notice/body.ts';
import type { NoticeInput, NoticeOriginal } from '#core/notice/input.ts';
import { noticeMessageId, noticeRecipient } from '#core/notice/input.ts';
import type { BoardView } from '#pipeline/next-hop-board.ts';
import type { Clock, Ledger, Spool, UnreadableCause, Watch } from '#pipeline/ports.ts';
import type { WaitingIndex } from '#pipeline/waiting-index.ts';

export type ComposePorts = {
  readonly settings: Settings;
  readonly ledger: Ledger;
  readonly spool: Spool;
  readonly waiting: WaitingIndex;
  readonly board: BoardView;
  readonly clock: Clock;
  readonly watch: Watch;
  readonly markKey: MarkKey;
};

/** All that the notice about `reported` says; null when the notice's row names nobody to tell. */
export async function noticeInputFor(
  ports: ComposePorts,
  notice: DeliveryRow,
  reported: DeliveryRow,
  message: MessageFacts,
  signal: AbortSignal,
): Promise<NoticeInput | null> {
  if (notice.noticeOf === null || notice.noticeKind === null || notice.noticeKind === 'digest') return null;
  const to = parseReversePath(notice.forwardPath);
  if (to === null || to === undefined) return null;
  const { notices, host } = ports.settings;
  const messageIdField = noticeMessageId({
    spoolId: notice.spoolId,
    deliveryKey: notice.noticeOf,
    kind: notice.noticeKind,
    host,
  });
  return {
    kind: notice.noticeKind,
    from: notices.from,
    to,
    postmaster: notices.postmaster,
    reportingMta: host,
    messageIdField,
    marker: noticeMark(ports.markKey, messageIdField),
    now: ports.clock.now(),
    message,
    recipients: [noticeRecipient(reported, notice.noticeKind, await retriedUntil(ports, notice.noticeKind, reported))],
    ...(await originalOf(ports, notice.noticeKind, reported, message, signal)),
    smtputf8: false, // the null reverse-path's next hop may be any; RFC 6533 §3 has an ASCII form for every address
    repeated: notice.claims > 1 || notice.possibleDuplicate,
    threading: true,
  };
}

/** Pauses extend a lifetime. While one keeps the delivery, nobody knows until when it is tried. */
async function retriedUntil(
  { board, settings, clock }: ComposePorts,
  kind: NoticeKind,
  row: DeliveryRow,
): Promise<number | null> {
  if (kind !== 'delay') return null;
  const pauses = pausesOf((await board.board()).pauses, settings, clock.now());
  return isKept(row, pauses) ? null : extendedExpiry(row, pauses);
}

async function originalOf(
  ports: ComposePorts,
  kind: NoticeKind,
  row: DeliveryRow,
  message: MessageFacts,
  signal: AbortSignal,
): Promise<{ readonly original: NoticeOriginal; readonly bytesMax: number | null }> {
  const head = await ports.spool.head(message.objectKey, ndrOriginalBytesMax, signal);
  if (head.kind === 'unreadable') {
    const fields = { spoolId: row.spoolId, forwardPath: row.forwardPath, cause: head.cause };
    const purged = isPurged(ports, message, head.cause);
    if (!purged) ports.watch.count('ContentUnreadable');
    ports.watch.warn(purged ? 'relay.notice-after-purge' : 'relay.notice-without-original', fields);
    return { original: { kind: 'unavailable' }, bytesMax: null };
  }
  if (head.undeleted) ports.watch.warn('relay.delete-marker', { spoolId: row.spoolId, forwardPath: row.forwardPath });
  const whole = head.size <= head.bytes.byteLength && mayReturnBody(kind, row, message);
  const original = { kind: whole ? 'full' : 'headers', bytes: head.bytes } as const;
  return { original, bytesMax: noticeBytesMax(kind, message, head.size) };
}

/** A remote server may report for as long as the row is kept, which is longer than content is: it raises no alarm. */
function isPurged({ clock, settings }: ComposePorts, { acceptedAt }: MessageFacts, cause: UnreadableCause): boolean {
  const gone = cause === 'missing' || cause === 'denied'; // without ListBucket S3 says denied of either
  return gone && clock.now() >= acceptedAt + settings.retentionMs.spool;
}
