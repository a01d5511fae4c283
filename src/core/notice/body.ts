// How much of the original may be returned with a notice: the body or the header section alone, and how many bytes.
// Called where a notice is composed. Pure. In which form it is returned: core/notice/original-part.ts.

import type { DeliveryRow, MessageFacts, NoticeKind } from '#core/delivery/delivery.ts';
import { noticesPerMessageMax, sesFieldsBytes } from '#core/limits.ts';
import { parseReversePath } from '#core/message/address.ts';
import { reasonRow } from '#core/reply/reasons.ts';
import { isForMailbox, voucherOf } from './vouching.ts';

/**
 * Never where SES or the next hop found a virus, whatever policy says, to the postmaster neither. Never content that
 * was refused for what it is or for its size ("Do not send unfiltered (body) content", Postfix). Never to a
 * reverse-path that nothing vouches for, which may be somebody else's. RET of our own submitter (RFC 3461 §4.3) counts
 * within these limits.
 */
export function mayReturnBody(kind: NoticeKind, row: DeliveryRow, message: MessageFacts): boolean {
  if (message.verdicts?.virus === 'FAIL' || namesVirus(row) || isAboutContent(row)) return false;
  if (message.submission?.ret === 'HDRS') return false;
  return kind === 'postmaster' || isVouchedFor(message); // the postmaster is no stranger
}

/**
 * The bytes that such a notice about a message of `size` bytes, as it is stored, may have; null: no limit but its own.
 * The five notices of a message that nothing vouches for are together no larger than the message, so that nobody can
 * make us send a victim more bytes than we were sent.
 */
export function noticeBytesMax(kind: NoticeKind, message: MessageFacts, size: number): number | null {
  if (kind === 'postmaster' || isVouchedFor(message)) return null;
  return Math.max(0, Math.floor((size - sesFieldsBytes) / noticesPerMessageMax));
}

export function isVouchedFor({ direction, reversePath, verdicts, extract }: MessageFacts): boolean {
  const to = parseReversePath(reversePath);
  const fromField = extract.fromMisleads ? null : extract.from;
  return !!to && isForMailbox(voucherOf({ direction, reversePath: to, verdicts, fromField }));
}

function isAboutContent({ stateReason, lastReason, lastStatus }: DeliveryRow): boolean {
  if (reasonRow(stateReason)?.aboutContent === true || reasonRow(lastReason)?.aboutContent === true) return true;
  return /^5\.(7\.|6\.|3\.4$|2\.3$)/.test(lastStatus ?? '');
}

/** Whatever status stands before such words. */
function namesVirus({ lastReply, lastDetail }: DeliveryRow): boolean {
  return /virus|malware|trojan|infected|eicar/i.test(`${lastReply?.text ?? ''} ${lastDetail ?? ''}`);
}
