// The dearest message that each stage may meet, at the limits of what is accepted: its CPU time stays far below the
// stage's deadline, so that the signal comes in time and what stands beside it in the batch is not held
// (docs/decisions/bounded-work.md).

import { describe, expect, it } from 'vitest';
import { readRemoteReport } from '#core/feedback/report.ts';
import {
  deadlineMarginMs,
  feedbackTimeoutMs,
  headerBytesMax,
  ingestTimeoutMs,
  messageBytesMax,
  ndrOriginalBytesMax,
  relayTimeoutMs,
  sesMessageBytesMax,
  smtpReplyTextCharsMax,
} from '#core/limits.ts';
import { noEvidence } from '#core/message/author-trust.ts';
import { extractOf } from '#core/message/extract.ts';
import { readFrom } from '#core/message/from-field.ts';
import { headerFieldsOf, headerSection } from '#core/message/header.ts';
import { mendLines } from '#core/message/reencode.ts';
import { withoutRemovedFields } from '#core/message/removed-fields.ts';
import { sesEdit } from '#core/message/ses-edit.ts';
import { findLoop } from '#core/routing/loop.ts';
import { asLines, completed, recipientsInHeader } from '#core/submission/sendmail-message.ts';
import { readData } from '#core/submission/smtp-data.ts';
import { all, drained, MAILBOX } from '../feeding.ts';
import { noticeOf } from '../notice-readers.ts';

/** A fifth of what the stage has: ten messages may stand in one batch, and few of them are such. */
const shareOf = (timeoutMs: number) => (timeoutMs - deadlineMarginMs) / 5;
const HEADS = ['\r', 'a@b,', ',', '(', 'From: a@b\r\n', 'To: a@b,\r\n', '=?utf-8?q?a?= ', 'Received: x\r\n', 'é'];
const BODIES = ['\r\n', '\r', 'a', '=\r\n', '--b\r\n', '=3D ', 'é', 'Content-Type: message/rfc822\r\n\r\n'];

function repeated(before: string, pattern: string, bytes: number): Buffer {
  return Buffer.concat([Buffer.from(before), Buffer.alloc(bytes - before.length, pattern)]);
}

async function* inChunks(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 65_536) yield bytes.subarray(at, at + 65_536);
}

async function cpuMs(run: () => unknown): Promise<number> {
  const before = process.cpuUsage();
  await run();
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1_000;
}

async function dearest(patterns: readonly string[], run: (pattern: string) => unknown): Promise<number> {
  let most = 0;
  for (const pattern of patterns) most = Math.max(most, await cpuMs(() => run(pattern)));
  return most;
}

function bySes(message: Uint8Array): number {
  const section = headerSection(message);
  const mend = mendLines(message, section);
  const terms = { domains: ['example.com'], noticesFrom: 'postmaster@example.com', evidence: noEvidence };
  const edit = sesEdit(message, terms, section, mend.kind === 'mended' ? mend.change : null);
  return edit.header.length + (mend.kind === 'mended' ? all(mend.chunks()) : 0);
}

describe('the dearest message', () => {
  it('at ingest: a header section of the longest kind', async () => {
    const most = await dearest(HEADS, (pattern) => {
      const bytes = repeated('From: ', pattern, headerBytesMax);
      const fields = headerFieldsOf(bytes);
      return [findLoop(fields, 'key'), extractOf(fields, { subject: true }), readFrom(bytes)];
    });
    expect(most).toBeLessThan(shareOf(ingestTimeoutMs));
  });

  it('at relay by SES: the longest header section, and the largest body encoded anew', async () => {
    const heads = await dearest(HEADS, (pattern) => bySes(repeated('From: ', pattern, headerBytesMax)));
    expect(heads).toBeLessThan(shareOf(relayTimeoutMs));
    const long = 'y'.repeat(1_000);
    const bodies = await dearest(BODIES, (pattern) =>
      bySes(repeated(`MIME-Version: 1.0\r\n\r\n${long}\r\n`, pattern, sesMessageBytesMax)),
    );
    expect(bodies).toBeLessThan(shareOf(relayTimeoutMs));
  });

  it('at relay by SMTP: a message of the largest size as it passes', async () => {
    const most = await dearest(['\r', '\r\n ', 'Bcc: a\r\n'], (pattern) =>
      drained(
        withoutRemovedFields(inChunks(repeated('Subject: ', pattern, messageBytesMax)), {
          direction: 'outbound',
          domains: ['example.com'],
        }),
      ),
    );
    expect(most).toBeLessThan(shareOf(relayTimeoutMs));
  });

  it('at relay of a notice: an original, a reply and words of the longest kind', async () => {
    const most = await dearest(HEADS, (pattern) =>
      noticeOf(
        repeated('', pattern, smtpReplyTextCharsMax).toString('latin1'),
        repeated('Subject: ', pattern, ndrOriginalBytesMax).toString('latin1'),
      ),
    );
    expect(most).toBeLessThan(shareOf(relayTimeoutMs));
  });

  it('at feedback: 40 MB that come back to a return path', async () => {
    const most = await dearest([...BODIES, '\n', 'Final-Recipient: x; a@b\nAction: failed\n\n'], (pattern) =>
      readRemoteReport(repeated('From: mailer-daemon@x\n\n', pattern, messageBytesMax), { nullPath: true }),
    );
    expect(most).toBeLessThan(shareOf(feedbackTimeoutMs));
  });

  it('at the gateway and in sendmail: 40 MB of one client', async () => {
    const most = await dearest(['\r', '\n', '\r\n.', '\r\n..', 'a: b\r\n'], (pattern) => {
      const read = readData();
      for (let at = 0, whole = repeated('', pattern, messageBytesMax); at < whole.length; at += 65_536)
        read(Buffer.from(whole.subarray(at, at + 65_536)));
      const lines = asLines(repeated('To: ', pattern, messageBytesMax), true);
      const from = { name: 'Ann', mailbox: MAILBOX };
      completed(lines, { from, at: 0, messageIdField: '<1@x>', withoutBcc: true, received: '' });
      return recipientsInHeader(lines, 'example.com');
    });
    expect(most).toBeLessThan(shareOf(ingestTimeoutMs));
  });
});
