// The first part of a notice, for people, in the five blocks that Exchange Online uses: what happened and to whom; why;
// who can fix it; what to do now; details for administrators. Plain text, no links. It never names our own parts (no
// bucket, no ARN, no stack trace).

import { replyLine } from '#core/delivery/trace.ts';
import { ndrSubjectTextMax, replyTextMax } from '#core/limits.ts';
import { mailDate, octetsOf, oneLine, quotedPrintable } from '#core/message/text-encoding.ts';
import type { NoticeInput, NoticeRecipient } from './input.ts';
import type { ReturnedOriginal } from './original-part.ts';
import { actionOf, isOurWord, realReply } from './report-part.ts';
import type { Scrubber } from './scrub.ts';
import { statusText, WAITS_FOR_PERSON } from './texts.ts';

const WIDTH = 72; // columns: room to be quoted in an answer
const ADDRESS_MAX = 900;
const MINUTE = 60_000;

/**
 * The MIME part without its delimiter: fields, empty line, content, closed by CRLF. `small`: with less of what the
 * original says.
 */
export function humanPart(input: NoticeInput, original: ReturnedOriginal, scrub: Scrubber, small = false): string {
  const text = humanText(input, original, scrub, small).join('\r\n');
  return `Content-Type: text/plain; charset=utf-8\r\nContent-Description: Notification\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n${quotedPrintable(octetsOf(text))}\r\n`;
}

function humanText(input: NoticeInput, original: ReturnedOriginal, scrub: Scrubber, small: boolean): string[] {
  const host = oneLine(input.reportingMta, 255);
  return [
    ...wrapped(
      `This is the mail system at ${host}. A program wrote this notice; the postmaster named below reads what you answer.`,
    ),
    ...(input.repeated === true ? ['', ...wrapped(REPEATED)] : []),
    '',
    ...OPENINGS[input.kind](input),
    '',
    ...yourMessage(original, small ? ndrSubjectTextMax / 2 : ndrSubjectTextMax * 2),
    ...(input.kind === 'success' ? [] : input.recipients.flatMap((recipient) => explanation(input, recipient))),
    ...wrapped(
      `This notice is about ${input.recipients.length === 1 ? 'the address' : 'the addresses'} above alone. If you wrote to others too, it says nothing about them.`,
    ),
    '',
    'DETAILS FOR MAIL ADMINISTRATORS',
    '',
    `  Reported by:  ${host}`,
    `  Spool id:     ${oneLine(input.message.spoolId, 255)}`,
    `  Accepted:     ${mailDate(input.message.acceptedAt)}`,
    `  Postmaster:   ${oneLine(input.postmaster, ADDRESS_MAX)}`,
    '',
    ...input.recipients.flatMap((recipient) => details(input, recipient, scrub)),
    ...wrapped(returnedNote(original)),
  ];
}

function ndrOpening(input: NoticeInput): string[] {
  return ['YOUR MESSAGE COULD NOT BE DELIVERED', '', 'It was not delivered to:', '', ...addresses(input)];
}

/** Postfix's wording; nobody must send anything twice because of a warning. */
function delayOpening(input: NoticeInput): string[] {
  const until = Math.max(...input.recipients.map((recipient) => recipient.willRetryUntil ?? 0));
  return [
    'THIS IS A WARNING ONLY. YOU DO NOT NEED TO RESEND YOUR MESSAGE.',
    '',
    'Your message has not been delivered yet to:',
    '',
    ...addresses(input),
    '',
    ...wrapped(
      input.recipients.every(({ waitsForPerson }) => waitsForPerson === true)
        ? WAITS_FOR_PERSON
        : `We keep trying${until > 0 ? ` until ${mailDate(until)}` : ''}. If it cannot be delivered${until > 0 ? ' by then' : ''}, another notice will say so.`,
    ),
  ];
}

/** A sender must not send again because of an absence notice, nor wait for a reply that will not come. */
function uncertainOpening(input: NoticeInput): string[] {
  return [
    'THIS IS A WARNING ONLY. YOUR MESSAGE MAY NOT HAVE ARRIVED.',
    '',
    'It is not known whether it was delivered to:',
    '',
    ...addresses(input),
    '',
    ...wrapped('Should we hear that it could not be delivered, another notice will say so.'),
  ];
}

/** For the operator: whose message it was, since the postmaster did not write it. */
function postmasterOpening(input: NoticeInput): string[] {
  const { reversePath } = input.message;
  return [
    'A MESSAGE COULD NOT BE DELIVERED',
    '',
    ...wrapped(
      `This copy is for you as postmaster: notices.copyPostmasterOn asks for it. Its sender is ${
        reversePath === '' ? 'the null reverse-path' : oneLine(reversePath, ADDRESS_MAX)
      }. It was not delivered to:`,
    ),
    '',
    ...addresses(input),
  ];
}

/** RFC 3461 §5.2.2: it says that the next hop accepted the mail, and that no further report may come. */
function successOpening(input: NoticeInput): string[] {
  return [
    'YOUR MESSAGE WAS HANDED ON',
    '',
    ...wrapped(
      'You asked to be told. The next mail system took it for the address below, and may not report whether it arrived in a mailbox:',
    ),
    '',
    ...addresses(input),
  ];
}

const OPENINGS = {
  ndr: ndrOpening,
  delay: delayOpening,
  uncertain: uncertainOpening,
  success: successOpening,
  postmaster: postmasterOpening,
} as const;

function addresses(input: NoticeInput): string[] {
  return input.recipients.map((recipient) => `  ${oneLine(recipient.forwardPath, ADDRESS_MAX)}`);
}

function yourMessage({ summary }: ReturnedOriginal, textMax: number): string[] {
  const known: readonly [string, string | null][] = [
    ['From:        ', summary.from],
    ['Subject:     ', summary.subject],
    ['Sent:        ', summary.date],
    ['Message-ID:  ', summary.messageIdField],
  ];
  const lines = known.flatMap(([label, value]) => (value === null ? [] : [`  ${label}${oneLine(value, textMax)}`]));
  return lines.length === 0 ? [] : ['Your message:', '', ...lines, ''];
}

function explanation(input: NoticeInput, recipient: NoticeRecipient): string[] {
  const text = statusText(recipient.status, isOurWord(recipient), recipient.reason, recipient.rule);
  const heading = (title: string) =>
    input.recipients.length === 1 ? [title, ''] : [`${title} (${oneLine(recipient.forwardPath, ADDRESS_MAX)})`, ''];
  return [
    ...heading('WHY'),
    ...wrapped(text.cause),
    ...(recipient.hopFailed === undefined ? [] : wrapped(takesNothing(recipient, recipient.hopFailed))),
    ...(input.kind !== 'delay' && recipient.expired ? wrapped(gaveUp(recipient)) : []),
    ...(recipient.relayedBefore === true ? ['', ...wrapped(RELAYED_BEFORE)] : []),
    ...(mayHaveArrived(input, recipient) ? ['', ...wrapped(MAY_HAVE_ARRIVED)] : []),
    '',
    ...heading('WHO CAN FIX IT'),
    ...wrapped(text.whoCanFix),
    '',
    ...heading('WHAT TO DO NOW'),
    ...wrapped(
      input.kind !== 'delay'
        ? text.whatToDo
        : 'You need not do anything. If the matter is urgent, reach the recipient in another way.',
    ),
    '',
  ];
}

const RELAYED_BEFORE =
  "The recipient's mail system had accepted this message before and seems to have lost it, so it was sent again. The recipient may have it all the same.";

const MAY_HAVE_ARRIVED =
  'The result of one of our attempts is not known to us. The message may have arrived all the same: ask the recipient before you send it again.';

function mayHaveArrived({ kind }: NoticeInput, recipient: NoticeRecipient): boolean {
  return kind !== 'success' && recipient.mayHaveArrived === true && recipient.relayedBefore !== true;
}

const REPEATED =
  'You may have had this notice before: the result of an earlier attempt to send it is not known to us. It is about the same message.';

/** It never claims that the server spoke about this message. */
export function takesNothing(
  { reply }: NoticeRecipient,
  { since, at }: NonNullable<NoticeRecipient['hopFailed']>,
): string {
  const last =
    realReply(reply) === null
      ? `Our last attempt to reach it was on ${mailDate(at)}, with another message.`
      : `Its last answer, quoted below, was on ${mailDate(at)}, to another message.`;
  return `The server has taken no mail from us since ${mailDate(since)}. ${last}`;
}

function gaveUp({ attempts, firstAttemptAt, lastAttemptAt, hopFailed }: NoticeRecipient): string {
  if (hopFailed !== undefined) return 'The time in which we keep trying has run out, and we have now given up.';
  if (attempts < 1) return 'The time in which we keep trying has run out.';
  const span = firstAttemptAt === null || lastAttemptAt === null ? null : duration(lastAttemptAt - firstAttemptAt);
  return `We tried ${times(attempts)}${span === null ? '' : ` within ${span}`}, and have now given up.`;
}

function details(input: NoticeInput, recipient: NoticeRecipient, scrub: Scrubber): string[] {
  const reply = realReply(recipient.reply);
  const host = reply?.host == null ? '' : oneLine(scrub.text(reply.host), 255);
  const said = reply === null ? '' : oneLine(scrub.remark(recipient, replyLine(reply)), replyTextMax);
  const own = reply === null ? oneLine(scrub.remark(recipient, recipient.detail ?? ''), replyTextMax) : '';
  const { attempts, firstAttemptAt, lastAttemptAt } = recipient;
  return [
    `  Recipient:    ${oneLine(recipient.forwardPath, ADDRESS_MAX)}`,
    ...(input.kind === 'postmaster' ? [`  Routed to:    ${oneLine(recipient.routedAddress, ADDRESS_MAX)}`] : []),
    `  Status:       ${recipient.status} (${actionOf(input.kind)})`,
    `  Attempts:     ${Math.max(0, Math.trunc(attempts) || 0)}`,
    ...(attempts > 0 && firstAttemptAt !== null ? [`  First one:    ${mailDate(firstAttemptAt)}`] : []),
    ...(attempts > 0 && lastAttemptAt !== null ? [`  Last one:     ${mailDate(lastAttemptAt)}`] : []),
    ...(recipient.hopFailed === undefined ? [] : [`  Other mail:   ${mailDate(recipient.hopFailed.at)} (quoted here)`]),
    ...(said === '' ? [] : [`  ${host === '' ? 'The remote server' : host} replied:`, ...wrapped(said, '    ')]),
    ...(own === '' ? [] : ['  We noted:', ...wrapped(own, '    ')]),
    '',
  ];
}

function returnedNote({ source, shortened, whole }: ReturnedOriginal): string {
  if (source === null) return 'Your message itself could not be opened any more, and nothing of it can be returned.';
  if (source === 'extract') {
    return 'Your message itself could not be opened any more. What we had noted of its header when we accepted it is attached.';
  }
  if (whole) return 'Your message is attached.';
  return shortened
    ? 'The header of your message is attached; its longest fields are left out.'
    : 'The header of your message is attached, without its content.';
}

function times(count: number): string {
  return count === 1 ? 'once' : `${count} times`;
}

/** Null for what takes less than a minute. */
function duration(ms: number): string | null {
  const minutes = Math.round(ms / MINUTE);
  if (!Number.isFinite(minutes) || minutes < 1) return null;
  if (minutes < 120) return minutes === 1 ? '1 minute' : `${minutes} minutes`;
  const hours = Math.round(minutes / 60);
  return hours < 72 ? `${hours} hours` : `${Math.round(hours / 24)} days`;
}

/** Broken at spaces to the width; a long word has a line of its own. */
function wrapped(text: string, indent = ''): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    if (line !== '' && indent.length + line.length + 1 + word.length > WIDTH) {
      lines.push(indent + line);
      line = word;
    } else {
      line = line === '' ? word : `${line} ${word}`;
    }
  }
  return [...lines, indent + line];
}
