// The facts about one delivery that core/notice/permission.ts decides on, from its row, its message and the settings.
// Pure. Called by ingest before it refuses by policy, and by bounce before it writes a notice, so that the list of
// reasons stays one.

import type { Settings } from '#config/settings.ts';
import type { DeliveryRow, MessageFacts, NoticeKind } from '#core/delivery/delivery.ts';
import { isCanary } from '#core/delivery/key.ts';
import { isForPeople, parseMailbox, parseReversePath } from '#core/message/address.ts';
import { mayUsePath } from '#core/submission/submitter.ts';
import type { NoticeFacts } from './permission.ts';
import { wayOf } from './way.ts';

/**
 * The question that ingest asked, asked again: a submitter's request does not count for a reverse-path that it may not
 * use.
 */
function isForeign(settings: Settings, { submission, reversePath }: MessageFacts): boolean {
  const to = parseReversePath(reversePath);
  return submission !== undefined && !!to && mayUsePath(settings, submission.submitter, to).kind === 'refused';
}

/** Mail of our own submitters is answered whatever its recipient is. */
function isToReturnPath(settings: Settings, { forwardPath }: DeliveryRow, { direction }: MessageFacts): boolean {
  const mailbox = direction === 'inbound' ? parseMailbox(forwardPath) : null;
  return mailbox !== null && mailbox.domainKey === settings.returnPathDomain && !isForPeople(mailbox.localPart);
}

/** The limits are not in it: bounce counts and sets `overLimit`. */
export function noticeFactsOf(
  settings: Settings,
  about: { readonly row: DeliveryRow; readonly message: MessageFacts; readonly kind: NoticeKind },
  now: number,
): NoticeFacts {
  const { row, message, kind } = about;
  return {
    kind,
    canary: isCanary(row),
    ofNotice: row.kind === 'notice',
    copy: row.copy,
    direction: message.direction,
    reversePath: message.reversePath,
    to: parseReversePath(message.reversePath) ?? null,
    noticesFrom: settings.notices.from,
    toReturnPath: isToReturnPath(settings, row, message),
    bearsOurMarker: message.extract.ownNotice === true,
    verdicts: message.verdicts,
    fromField: message.extract.fromMisleads ? null : message.extract.from,
    autoSubmitted: message.extract.autoSubmitted,
    listMail: message.extract.listMail === true,
    overLimit: null,
    wayClosed: wayOf(settings, about, now).kind === 'auto-replied',
    mode: settings.notices.mode,
    notify: row.dsn?.notify ?? null,
    foreignSender: isForeign(settings, message),
    confirmedBefore: row.resubmitted?.from === 'confirmed',
  };
}
