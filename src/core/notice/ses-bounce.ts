// A notice in the form that SES's SendBounce takes: facts and a short text, from which SES composes the report itself.
// It is scrubbed as a report of our own: the sender never sees the routed address. It sends nothing.

import { bounceExplanationMax } from '#core/limits.ts';
import { parseMailbox } from '#core/message/address.ts';
import { asciiAddressOf } from '#core/message/authors.ts';
import { asciiLine, mailDate } from '#core/message/text-encoding.ts';
import type { Status } from '#core/reply/status.ts';
import { takesNothing } from './human-part.ts';
import type { NoticeInput } from './input.ts';
import { diagnosticCode, hostName, isOurWord, realReply } from './report-part.ts';
import { scrubber } from './scrub.ts';
import { statusText, WAITS_FOR_PERSON } from './texts.ts';

export type ServiceBounce = {
  readonly sesMessageId: string;
  /** Our address, for the From field. */
  readonly from: string;
  readonly reportingMta: string;
  /** Milliseconds since the epoch. */
  readonly arrivedAt: number;
  readonly explanation: string;
  /** One of the envelope's recipients as it was accepted, its domain in A-labels. */
  readonly forwardPath: string;
  readonly action: 'failed' | 'delayed';
  readonly status: Status;
  readonly diagnosticCode: string | null;
  readonly remoteMta: string | null;
  readonly lastAttemptAt: number | null;
};

export function bounceOf(input: NoticeInput): ServiceBounce {
  const [about] = input.recipients;
  const scrub = scrubber(input);
  const reply = realReply(about.reply);
  const mailbox = parseMailbox(about.forwardPath);
  return {
    sesMessageId: input.message.spoolId,
    from: input.from,
    reportingMta: hostName(input.reportingMta) ?? 'unknown',
    arrivedAt: input.message.acceptedAt,
    explanation: explanation(input),
    forwardPath: mailbox === null ? about.forwardPath : asciiAddressOf(mailbox),
    action: input.kind === 'delay' || input.kind === 'uncertain' ? 'delayed' : 'failed',
    status: about.status,
    diagnosticCode: diagnosticCode(about, reply, scrub),
    remoteMta: reply?.host == null ? null : hostName(scrub.text(reply.host)),
    lastAttemptAt: about.lastAttemptAt,
  };
}

const LEADS = {
  ndr: 'Your message could not be delivered',
  postmaster: 'A message could not be delivered',
  success: 'Your message was handed on',
  uncertain: 'This is a warning only: your message may not have been delivered',
} as const;

/** In one paragraph: SES's text is not ours to lay out. */
function explanation(input: NoticeInput): string {
  const [about] = input.recipients;
  const text = statusText(about.status, isOurWord(about), about.reason, about.rule);
  const until = about.willRetryUntil === null ? '' : ` until ${mailDate(about.willRetryUntil)}`;
  const sentences =
    input.kind === 'delay'
      ? [
          `THIS IS A WARNING ONLY. YOU DO NOT NEED TO RESEND YOUR MESSAGE. It has not been delivered yet to ${about.forwardPath}.`,
          about.waitsForPerson === true ? WAITS_FOR_PERSON : `${text.cause} We keep trying${until}.`,
        ]
      : [
          `${LEADS[input.kind]} to ${about.forwardPath}.`,
          text.cause,
          ...(about.hopFailed === undefined ? [] : [takesNothing(about, about.hopFailed)]),
          ...(about.mayHaveArrived === true
            ? ['The result of one of our attempts is not known to us. The message may have arrived all the same.']
            : []),
          text.whoCanFix,
          text.whatToDo,
        ];
  const whom = `Postmaster: ${input.postmaster}. Spool id: ${input.message.spoolId}.`;
  return asciiLine([...sentences, whom].join(' '), bounceExplanationMax);
}
