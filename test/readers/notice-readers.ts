// Readers of what goes into a notice: the next hop's reply, the original, the sender's own words. A notice is composed
// from all of it.

import { constantWords } from '#core/delivery/failure-limit.ts';
import { replyLine } from '#core/delivery/trace.ts';
import { composeNotice } from '#core/notice/compose.ts';
import { humanPart } from '#core/notice/human-part.ts';
import type { NoticeInput, NoticeRecipient } from '#core/notice/input.ts';
import { returnedOriginal } from '#core/notice/original-part.ts';
import { asciiAddress, diagnosticCode, hostName, isOurWord, realReply, reportPart } from '#core/notice/report-part.ts';
import { scrubber } from '#core/notice/scrub.ts';
import { bounceOf } from '#core/notice/ses-bounce.ts';
import { classify } from '#core/reply/classify.ts';
import { askedOf, decisionOn, replyStatus } from '#core/reply/decision.ts';
import type { Reply } from '#core/reply/reply.ts';
import { foldText } from '#core/reply/rules/fit.ts';
import { statusOf } from '#core/reply/status.ts';
import { bytes, latin1, MAILBOX } from './feeding.ts';
import { of } from './measure.ts';

const replyOf = (text: string): Reply => ({ code: 550, status: statusOf('5.1.1'), text, host: 'mx.next.example' });

function recipientOf(said: string): NoticeRecipient {
  return {
    ...{ forwardPath: 'sales@in.example', originalRecipient: null, routedAddress: 'box4711@store.example' },
    ...{ status: statusOf('5.1.1'), reply: replyOf(said), detail: said, reported: true as const },
    ...{ attempts: 1, firstAttemptAt: 0, lastAttemptAt: 0, willRetryUntil: null, expired: false },
  };
}

function inputOf(said: string, original: string, field = said): NoticeInput {
  return {
    ...{ kind: 'ndr', from: 'postmaster@in.example', postmaster: 'postmaster@in.example', reportingMta: 'in.example' },
    ...{ to: MAILBOX, messageIdField: '<ndr.1@in.example>', marker: '', now: 0, smtputf8: false, threading: true },
    message: {
      ...{ spoolId: 'm1', direction: 'inbound', reversePath: 'ann@src.example', objectKey: 'in/m1', size: null },
      extract: { from: field, to: field, date: field, subject: field, messageIdField: field, autoSubmitted: null },
      ...{ objectVersion: null, verdicts: null, acceptedAt: 0, configVersion: '1' },
    },
    recipients: [recipientOf(said)],
    original: { kind: 'full', bytes: bytes(original) },
  };
}

/** A notice as relay composes it, of what the server said and what the sender wrote. */
export const noticeOf = (said: string, original: string) => composeNotice(inputOf(said, original, ''));

const EMPTY = inputOf('', '');
const scrub = scrubber(EMPTY);
/**
 * Of a reply 2,000 characters are kept (smtpReplyTextCharsMax); it is looked at in every form in which it may hide an
 * address.
 */
const part = (text: string) => text.slice(0, text.length / 8);
const NOTHING = returnedOriginal(EMPTY, scrub);
const field = (text: string) => `From: a@b\r\nSubject: ${text}\r\nX-Said: box4711 ${text}\r\n\r\n`;

export const noticeReaders = {
  scrubber: of(
    (text) => scrub.text(text),
    (text) => scrub.text(`box4711 ${text} store.example`),
    (text) => scrub.octets(`box4711 ${latin1(text)}`),
    (text) => scrub.remark(recipientOf(''), `<box4711@store.example ${part(text)}`),
  ),
  returnedOriginal: of(
    (text) => returnedOriginal(inputOf('', text), scrub),
    (text) => returnedOriginal(inputOf('', field(text)), scrub),
    (text) => returnedOriginal(inputOf('', `Subject: x\r\n\r\nbox4711 ${text}`), scrub),
  ),
  composeNotice: of(
    (text) => composeNotice(inputOf(part(text), '')),
    (text) => composeNotice(inputOf('', field(part(text)), '')),
  ),
  humanPart: of((text) => humanPart(inputOf(part(text), ''), NOTHING, scrub)),
  reportPart: of((text) => reportPart(inputOf(part(text), ''), scrub)),
  bounceOf: of((text) => bounceOf(inputOf(part(text), ''))),
  diagnosticCode: of((text) => diagnosticCode(recipientOf(part(text)), replyOf(part(text)), scrub)),
  realReply: of((text) => realReply(replyOf(text))),
  isOurWord: of((text) => isOurWord(recipientOf(text))),
  asciiAddress: of(asciiAddress),
  hostName: of(hostName),
  replyLine: of((text) => replyLine(replyOf(text))),
  // Without a status every row and every general rule is asked, whatever the stage.
  decisionOn: of(
    (text) => decisionOn('final-dot', { ...replyOf(text), status: null }),
    (text) => decisionOn('mail', { ...replyOf(text), status: null }),
    (text) => decisionOn('rcpt', { ...replyOf(text), code: 450, status: null }),
  ),
  askedOf: of((text) => askedOf('rcpt', replyOf(text))),
  replyStatus: of((text) => replyStatus({ ...replyOf(text), status: null })),
  foldText: of(foldText),
  constantWords: of(
    (text) => constantWords(text, 'bob@example.com'),
    (text) => constantWords('550 no such user', `${text}@example.com`),
  ),
  classify: of(
    (text) => classify({ ...{ kind: 'reply', phase: 'rcpt', host: 'mx.next.example' }, reply: replyOf(text) } as never),
    (text) => classify({ kind: 'content', cause: 'unavailable', detail: text }),
  ),
};
