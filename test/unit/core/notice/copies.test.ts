// What differs in a postmaster's copy, and in what SendBounce is given: the one hides nothing, the other hides as an
// NDR does.

import { describe, expect, it } from 'vitest';
import { withNoticeWithheld } from '#core/delivery/progress.ts';
import { bearsNoticeMark, noticeMark } from '#core/message/trace-fields.ts';
import { composeNotice } from '#core/notice/compose.ts';
import { hasHeldNotice, noticeReleased } from '#core/notice/held-notice.ts';
import { type NoticeInput, noticeMessageId, noticeRecipient } from '#core/notice/input.ts';
import { bounceOf } from '#core/notice/ses-bounce.ts';
import { statusOf } from '#core/reply/status.ts';
import { facts, queued } from '#test/contract/rows.ts';
import { judgeNotice } from '../../../judges/rfc3464.ts';

const NOW = Date.UTC(2026, 10, 22);
const failed = {
  ...queued('m1', { forwardPath: 'bob@example.com', address: 'robert@hidden.example' }),
  state: 'failed' as const,
  stateReason: 'no-such-user',
  lastReason: 'no-such-user',
  attempts: 1,
  lastAttemptAt: NOW,
  lastStatus: statusOf('5.1.1'),
  lastReply: {
    code: 550,
    status: statusOf('5.1.1'),
    text: '<robert@hidden.example>: no such user',
    host: 'mx.hidden.example',
  },
};
function input(kind: NoticeInput['kind']): NoticeInput {
  return {
    kind,
    from: 'postmaster@example.com',
    to: { address: 'ann@src.example', localPart: 'ann', domain: 'src.example', domainKey: 'src.example' },
    postmaster: 'postmaster@example.com',
    reportingMta: 'example.com',
    messageIdField: noticeMessageId({ spoolId: 'm1', deliveryKey: 'k', kind, host: 'example.com' }),
    marker: noticeMark('key', '<m>'),
    now: NOW,
    message: facts('m1', { reversePath: 'ann@src.example' }),
    recipients: [noticeRecipient(failed, kind)],
    original: { kind: 'unavailable' },
    smtputf8: false,
    threading: true,
  };
}

describe("a postmaster's copy", () => {
  const text = Buffer.from(composeNotice(input('postmaster'))).toString('latin1');
  it('shows where the mail went, and answers nobody', () => {
    expect(text).toContain('robert@hidden.example');
    expect(text).toMatch(/^Auto-Submitted: auto-generated\r$/m);
    expect(text).toMatch(/^Subject: Postmaster copy: undeliverable:/m);
    expect(text).toMatch(/^Action: failed\r$/m);
  });
  it('is a sound report in all but whom it answers', () => {
    const findings = judgeNotice(Buffer.from(text, 'latin1'));
    expect(findings.filter((each) => !each.startsWith('not Auto-Submitted: auto-replied'))).toEqual([]);
  });
});

describe('what SendBounce is given', () => {
  it('names the forward-path and never the routed address', () => {
    const bounce = bounceOf(input('ndr'));
    expect(bounce).toMatchObject({
      forwardPath: 'bob@example.com',
      action: 'failed',
      status: '5.1.1',
      sesMessageId: 'm1',
    });
    expect(bounce.diagnosticCode).toMatch(/^smtp; 550 5\.1\.1 /);
    expect(JSON.stringify(bounce)).not.toContain('robert');
    expect(bounce.explanation).toContain('bob@example.com');
  });
  it('of a delay says that nothing need be sent again', () => {
    const bounce = bounceOf(input('delay'));
    expect(bounce.action).toBe('delayed');
    expect(bounce.explanation).toContain('YOU DO NOT NEED TO RESEND');
  });
});

describe('a notice that was held', () => {
  it.each([
    ['failed', '5.1.1', 'no-such-user'],
    ['expired', '4.3.0', 'deferred-by-next-hop'],
    ['expired', '5.3.0', 'content-unreadable'],
  ] as const)('goes on from %s (%s)', (state, status, reason) => {
    const row = { ...failed, state, lastStatus: statusOf(status), lastReason: reason, stateReason: reason };
    const { row: held } = withNoticeWithheld(row, 'notices-held', 'notices-held', NOW);
    expect(hasHeldNotice(held)).toBe(true);
    const { row: again, events } = noticeReleased(held, NOW, 60_000);
    expect(again).toMatchObject({
      state,
      stateReason: reason,
      dueAt: NOW + 60_000,
      notice: { kind: 'ndr', state: 'queued' },
    });
    expect(events.map((each) => each.event)).toEqual(['RELEASE']);
  });
  it('is another thing than a double bounce', () => {
    const { row } = withNoticeWithheld(failed, 'notice-not-delivered', 'notice-not-delivered', NOW);
    expect(hasHeldNotice(row)).toBe(false);
  });
});

it('our own notice is known again by its mark, and nobody else can make one', () => {
  const marked = (value: string) => [{ name: 'X-EVERPOST-Notice', value }];
  expect(bearsNoticeMark('key', marked(noticeMark('key', '<m>')))).toBe(true);
  expect(bearsNoticeMark('key', marked(noticeMark('other', '<m>')))).toBe(false);
  expect(bearsNoticeMark('key', [{ name: 'Subject', value: noticeMark('key', '<m>') }])).toBe(false);
});
