// Reads the notices among what next hops took, as a sender's program would: the machine-readable part of a
// multipart/report (RFC 3464). It shares no code with what composes them.

import { type MimePart, parseNotice } from '../judges/rfc3464.ts';
import type { ServiceNotice, Taken } from './evidence.ts';

export type Report = {
  /** Whose mailbox it is in; null where SES composed it, and so chose the reverse-path itself. */
  readonly to: string | null;
  readonly spoolId: string;
  readonly forwardPath: string;
  readonly action: string;
  readonly status: string;
  /** It says that the message may have arrived all the same. */
  readonly doubtful: boolean;
  /** It says of itself that it may have come before. */
  readonly marked: boolean;
  /** For the postmaster, beside the sender's. */
  readonly postmasterCopy: boolean;
};

/** The recipients on which it reports; null where it is no report of ours. */
export function reportsIn(taken: Taken): readonly Report[] | null {
  const head = Buffer.from(taken.content.subarray(0, 4_096)).toString('latin1');
  if (!/^content-type: *multipart\/report/im.test(head)) return null;
  const notice = parseNotice(taken.content);
  if (typeof notice === 'string') return null;
  const value = (name: string) => notice.fields.find(([field]) => field === name)?.[1] ?? '';
  if (value('x-everpost-notice') === '') return null;
  const groups = groupsOf(notice.parts.find(({ type }) => type === 'message/delivery-status'));
  const [about, ...recipients] = groups;
  const spoolId = about?.get('x-everpost-spool-id') ?? '';
  const people = notice.parts[0]?.content ?? '';
  return recipients.map((group) => ({
    to: taken.address,
    spoolId,
    forwardPath: (group.get('final-recipient') ?? '').replace(/^[^;]*; */, ''),
    action: group.get('action') ?? '',
    status: group.get('status') ?? '',
    doubtful: /may have (?:arrived|been delivered)/i.test(people.replace(/\s+/g, ' ')),
    marked: value('x-everpost-possible-duplicate') !== '',
    postmasterCopy: /^postmaster copy/i.test(value('subject')),
  }));
}

/** What SES tells in our name. It has no field of ours. */
export function reportOf(notice: ServiceNotice): Report {
  const { spoolId, forwardPath, action, status } = notice;
  return { to: null, spoolId, forwardPath, action, status, doubtful: false, marked: false, postmasterCopy: false };
}

function groupsOf(part: MimePart | undefined): ReadonlyMap<string, string>[] {
  const text = (part?.content ?? '').replace(/\r\n[ \t]+/g, ' ');
  return text
    .split('\r\n\r\n')
    .filter((group) => group.trim() !== '')
    .map(
      (group) =>
        new Map(
          group.split('\r\n').flatMap((line): [string, string][] => {
            const colon = line.indexOf(':');
            return colon < 1 ? [] : [[line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]];
          }),
        ),
    );
}
