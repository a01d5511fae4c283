// A canary's content and its field: what is recognised, and that everything that was changed is ordinary mail. The
// bytes pass SES and the Internet between the two.

import { describe, expect, it, test } from 'vitest';
import { canaryClockSkewMs, canaryWindowMs } from '#core/limits.ts';
import { canaryId, canaryIn, canarySentAt, composeCanary, isInWindow } from '#core/message/canary.ts';
import type { MarkKey } from '#core/message/mark-key.ts';

const SENT_AT = Date.UTC(2026, 10, 22, 10, 0, 0);
const TO = 'canary@example.com';
const KEY: MarkKey = { current: 'new', previous: 'old', stackId: 'stack' };
const terms = { markKey: KEY, to: TO };
const id = canaryId(SENT_AT, 0.5);
const sent = Buffer.from(composeCanary(id, terms)).toString('latin1');
/** As SES stores it: fields above, Date and Message-ID of its own, another line end at the end. */
const asStored = (content: string) =>
  `Return-Path: <1@eu-west-1.amazonses.com>\r\nReceived: from a by b\r\n for ${TO};\r\n now\r\nDKIM-Signature: v=1\r\n${content
    .replace(/^Date: .*\r\n/m, 'Date: Sun, 22 Nov 2026 10:00:09 +0000\r\n')
    .replace(/^Message-ID: .*\r\n/m, 'Message-ID: <1@eu-west-1.amazonses.com>\r\n')}\r\n`;
const read = (content: string, of = terms) => canaryIn(Buffer.from(content, 'latin1'), of);

test('an id says when it was sent, and no other text does', () => {
  expect(canarySentAt(id)).toBe(SENT_AT);
  expect(canaryId(SENT_AT, 0)).toBe(`${SENT_AT.toString(36)}-00000000`);
  expect(canaryId(SENT_AT, 1 - Number.EPSILON)).toHaveLength(17);
  for (const text of ['', 'x', `${id}x`, `${id}\n`, 'b+abcdefghij']) expect(canarySentAt(text)).toBeNull();
});

test('its lines are ASCII and short, and no line is bare', () => {
  expect(sent).toMatch(/^(?:[\x20-\x7e]{0,78}\r\n|X-Everpost-Canary: [\x20-\x7e]{1,900}\r\n)+$/);
});

describe('a canary', () => {
  it('is recognised as it was sent, as SES stores it, and with LF alone', () => {
    expect(read(sent)).toBe(id);
    expect(read(asStored(sent))).toBe(id);
    expect(read(asStored(sent).replaceAll('\r\n', '\n'))).toBe(id);
  });
  it('is recognised by the key before, and by no other', () => {
    const older = Buffer.from(composeCanary(id, { markKey: { ...KEY, current: 'old' }, to: TO })).toString('latin1');
    expect(read(older)).toBe(id);
    expect(read(older, { ...terms, markKey: { ...KEY, previous: 'older' } })).toBeNull();
  });
  it.each<[string, (content: string) => string]>([
    ['another body', (content) => content.replace('may be deleted', 'must be paid')],
    ['a body that goes on', (content) => `${content}Pay here.\r\n`],
    ['a body before it', (content) => content.replace('\r\n\r\n', '\r\n\r\nPay here.\r\n')],
    ['another subject', (content) => content.replace('Everpost canary', 'Invoice')],
    ['a second subject', (content) => `Subject: Invoice\r\n${content}`],
    ['another author', (content) => content.replace(`From: ${TO}`, 'From: boss@example.com')],
    ['another type of content', (content) => content.replace('text/plain', 'text/html')],
    ['another encoding', (content) => content.replace('7bit', 'base64')],
    ['a second field of it', (content) => `X-Everpost-Canary: v1 id=${id} sig=x\r\n${content}`],
    ['another id', (content) => content.replace(`v1 id=${id}`, `v1 id=${canaryId(SENT_AT + 1, 0.5)}`)],
    ['another signature', (content) => content.replace(/sig=./, (text) => (text === 'sig=A' ? 'sig=B' : 'sig=A'))],
    ['no field of it', (content) => content.replace(/^X-Everpost-Canary:.*\r\n/m, '')],
    ['nothing at all', () => ''],
  ])('with %s is ordinary mail', (_what, changed) => {
    expect(changed(sent)).not.toBe(sent);
    expect(read(changed(sent))).toBeNull();
  });
  it('for another recipient is ordinary mail', () => {
    expect(read(sent, { ...terms, to: 'other@example.com' })).toBeNull();
  });
});

test('it is in its window from five minutes before it was sent, for another clock, until a day after', () => {
  const accepted = [-canaryClockSkewMs - 1, -canaryClockSkewMs, 0, canaryWindowMs, canaryWindowMs + 1];
  expect(accepted.map((after) => isInWindow(id, SENT_AT + after))).toEqual([false, true, true, true, false]);
  expect(isInWindow('no-canary', SENT_AT)).toBe(false);
});
