// By which way a notice leaves, decided anew at each attempt (DESIGN decision 9): `notices.via`, which carries the null
// reverse-path; else SES's SendBounce while SES accepts one for the message; else a report of our own by SES, whose
// envelope sender is never null. It never decides whether a notice may be sent: core/notice/permission.ts does, and
// asks here which way could carry it.

import type { Settings } from '#config/settings.ts';
import type { DeliveryRow, Direction, MessageFacts, NoticeKind } from '#core/delivery/delivery.ts';
import { destinationOf, sesBounce, sesReport } from '#core/delivery/destination.ts';
import { bounceAgeMsMax } from '#core/limits.ts';
import { needsSmtputf8, parseMailbox } from '#core/message/address.ts';

export type NoticeWay =
  | { readonly kind: 'next-hop'; readonly name: string }
  /** `orReport`: where SES does not accept the bounce, the report may be sent in its place. */
  | { readonly kind: 'ses-bounce'; readonly orReport: boolean }
  | { readonly kind: 'ses-report' }
  /** Only a report with an envelope sender could carry it, and that is no answer for mail that is an answer itself. */
  | { readonly kind: 'auto-replied' };

export type WayFacts = {
  readonly kind: NoticeKind;
  /** `notices.via`. */
  readonly via: string | null;
  readonly direction: Direction;
  /** When SES received the message, and now. */
  readonly acceptedAt: number;
  readonly now: number;
  /** Of the message that the notice is about. */
  readonly autoSubmitted: string | null;
  readonly forwardPath: string;
  /** Bounce's choice for a postmaster's copy, which has no sender to answer. */
  readonly rowNextHop: string;
};

export function noticeWay(facts: WayFacts): NoticeWay {
  // The row's address is the one for its next hop: another one may not know it.
  if (facts.kind === 'postmaster' && destinationOf({ nextHop: facts.rowNextHop }) !== 'ses-report')
    return { kind: 'next-hop', name: facts.rowNextHop };
  if (facts.via !== null) return { kind: 'next-hop', name: facts.via };
  if (facts.kind === 'postmaster') return { kind: 'ses-report' };
  const answersAnAnswer = isAutoReplied(facts.autoSubmitted);
  if (takesBounce(facts)) return { kind: 'ses-bounce', orReport: !answersAnAnswer };
  return answersAnAnswer ? { kind: 'auto-replied' } : { kind: 'ses-report' };
}

/** The way of a notice of that kind about `row` now. */
export function wayOf(
  settings: Settings,
  about: { readonly row: DeliveryRow; readonly message: MessageFacts; readonly kind: NoticeKind },
  now: number,
  rowNextHop = sesReport,
): NoticeWay {
  const { row, message, kind } = about;
  const { direction, acceptedAt, extract } = message;
  const { autoSubmitted } = extract;
  const { via } = settings.notices;
  return noticeWay({ kind, via, direction, acceptedAt, now, autoSubmitted, forwardPath: row.forwardPath, rowNextHop });
}

/** Where the notice will probably go: what its row says before its first attempt. */
export function wayName(way: NoticeWay): string {
  switch (way.kind) {
    case 'next-hop':
      return way.name;
    case 'ses-bounce':
      return sesBounce;
    case 'ses-report':
    case 'auto-replied':
      return sesReport;
  }
}

/**
 * SES bounces mail that it received itself, for a day, to recipients that its ASCII API can name (docs/aws-contracts.md
 * §2.7).
 */
function takesBounce({ direction, acceptedAt, now, forwardPath }: WayFacts): boolean {
  const mailbox = parseMailbox(forwardPath);
  return direction === 'inbound' && now - acceptedAt < bounceAgeMsMax && mailbox !== null && !needsSmtputf8(mailbox);
}

/** RFC 3834 §5.1: an answer of a program. Mail that a program merely generated has a sender who relies on notices. */
function isAutoReplied(autoSubmitted: string | null): boolean {
  return /^\s*auto-replied\b/i.test(autoSubmitted ?? '');
}
