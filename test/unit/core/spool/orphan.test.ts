// What may be an orphan, what is known of one, and how far the search for them has come.

import { describe, expect, it, test } from 'vitest';
import { deliveryKeyOf } from '#core/delivery/key.ts';
import { namedRecipientsMax } from '#core/limits.ts';
import { namedRecipientsBody, readNamedRecipients } from '#core/spool/named-recipients.ts';
import {
  orphanFacts,
  orphanShards,
  placeholderFor,
  placeholderKey,
  recipientHint,
  spoolIdOf,
} from '#core/spool/orphan.ts';
import { afterPage, isNew, placeOf, type Round, roundOf } from '#core/spool/orphan-round.ts';
import { ownMsSince } from '../../../kit/own-time.ts';

const field = (name: string, value: string) => ({ name, value });
const RECEIVED =
  'from mail.src.example (mail.src.example [192.0.2.1]) by inbound-smtp.eu-west-1.amazonaws.com with SMTP id m1 ';

describe('shards', () => {
  const holders = (key: string) =>
    orphanShards.filter(({ after, until }) => (after === null || key > after) && (until === null || key <= until));
  test.each([
    'in/',
    'in/0',
    'in/1',
    'in/1abc',
    'in/9z',
    'in/AMAZON',
    'in/a',
    'in/a0',
    'in/zz',
    'in/~',
    'in/ü',
    'in/😀',
  ])('%s lies in one', (key) => expect(holders(key)).toHaveLength(1));
  test('have names of their own, and spread the ids of SES', () => {
    expect(new Set(orphanShards.map(({ name }) => name)).size).toBe(36);
    const ids = [...'0123456789abcdefghijklmnopqrstuvwxyz'].map((first) => `in/${first}k2pq`);
    expect(new Set(ids.map((key) => holders(key)[0]?.name)).size).toBe(36);
  });
});

test.each([
  ['in/0123456789abcdefghijklmnopqrstuvwxyz0123', '0123456789abcdefghijklmnopqrstuvwxyz0123'],
  ['in/AMAZON_SES_SETUP_NOTIFICATION', null],
  ['in/', null],
  ['in/a/b', null],
  ['in/a b', null],
  ['in/a#b', null],
  ['out/x', null],
])('%s is the message %s', (key, spoolId) => expect(spoolIdOf(key)).toBe(spoolId));

test('the key of a placeholder is no delivery’s, and comes before all of them', () => {
  const mailbox = { address: 'a@b', localPart: 'a', domain: 'b', domainKey: 'b' };
  expect(deliveryKeyOf(mailbox, 0)).toMatch(/^[a-z2-7]{16}$/);
  expect(placeholderKey < '2').toBe(true);
  expect(`m1-${placeholderKey}`).toMatch(/^[A-Za-z0-9-]+$/);
});

describe('the hint at a recipient', () => {
  const top = field('Return-Path', '<ann@src.example>');
  test.each([
    ['for bob@example.com; Sun, 22 Nov 2026 10:00:00 +0000 (UTC)', 'bob@example.com'],
    ['for <bob@example.com>; Sun, 22 Nov 2026 10:00:00 +0000', 'bob@example.com'],
    ['; Sun, 22 Nov 2026 10:00:00 +0000', ''],
    ['for nobody; Sun, 22 Nov 2026 10:00:00 +0000', ''],
    ['for bob@example.com', ''],
  ])('%s', (rest, hint) => expect(recipientHint([top, field('Received', RECEIVED + rest)])).toBe(hint));
  test('is not what the peer says of itself', () => {
    const said = `from for eve@example.com; (x) ${RECEIVED}for bob@example.com; Sun, 22 Nov 2026 10:00:00 +0000`;
    expect(recipientHint([top, field('Received', said)])).toBe('bob@example.com');
  });
  test('is taken from SES’s own block alone', () => {
    const received = field('Received', `${RECEIVED}for eve@example.com; Sun, 22 Nov 2026 10:00:00 +0000`);
    expect(recipientHint([received])).toBe('');
    expect(recipientHint([top, field('Subject', 'x'), received])).toBe('');
    expect(recipientHint([field('Subject', 'x'), received])).toBe('');
  });
  test('takes no time on a field made to take long', () => {
    const long = field('Received', `${' for a@b.c;'.repeat(90_000)}x`);
    const began = process.cpuUsage();
    recipientHint([top, long]);
    expect(ownMsSince(began)).toBeLessThan(1_000);
  });
});

describe('what is known of an orphan', () => {
  const terms = { subject: false, markKey: 'key', configVersion: 'v' };
  const factsOf = (headers: Parameters<typeof recipientHint>[0] | null) =>
    orphanFacts({ spoolId: 'm1', objectKey: 'in/m1', size: 5, storedAt: 77, headers }, terms);
  test.each([
    ['<Ann@src.example>', 'Ann@src.example'],
    ['<>', ''],
    ['', ''],
    ['not a path', 'not a path'],
  ])('Return-Path %s', (value, reversePath) =>
    expect(factsOf([field('Return-Path', value)]).reversePath).toBe(reversePath),
  );
  it('is no verdict, and no subject where none shall be kept', () => {
    expect(factsOf([field('Return-Path', '<>'), field('Subject', 'secret')])).toMatchObject({
      acceptedAt: 77,
      size: 5,
      verdicts: null,
      extract: { subject: null },
    });
  });
  it('says of an unknown reverse-path that it is unknown: it is not the null one', () => {
    const reasonOf = (headers: Parameters<typeof recipientHint>[0] | null, why: string | null = null) =>
      placeholderFor(factsOf(headers), headers, why, 99).trace.at(-1)?.reason;
    expect(reasonOf([field('Return-Path', '<>')])).toBe('receipt-missing');
    expect(reasonOf([field('Subject', 'x'), field('Return-Path', '<eve@src.example>')])).toContain('unknown');
    expect(reasonOf(null, `denied: ${'x'.repeat(900)}`)).toMatch(/unknown: denied/);
    expect(reasonOf(null, 'x'.repeat(900))?.length).toBeLessThanOrEqual(300);
    expect(factsOf([field('Subject', 'x'), field('Return-Path', '<eve@src.example>')]).reversePath).toBe('');
  });
});

describe('a round', () => {
  const begun = roundOf(null, 1_000);
  it('looks at what was stored since the last one, up to its begin', () => {
    const next = roundOf(placeOf(afterPage(begun, null, false)), 5_000);
    expect([1_000, 1_001, 5_000, 5_001].map((at) => isNew(next, at))).toEqual([false, true, true, false]);
  });
  it('goes on where it was cut off, and looks at nothing that came after its begin', () => {
    const again = roundOf(placeOf(afterPage(begun, 'in/5', false)), 9_000);
    expect(again.under).toEqual({ upTo: 1_000, after: 'in/5', missed: false });
  });
  it('that missed something is not done: the next one looks at all of it again', () => {
    const ended = afterPage(afterPage(begun, 'in/5', true), null, false);
    expect(ended).toEqual({ examinedUntil: 0, under: null });
    expect(isNew(roundOf(placeOf(ended), 9_000), 500)).toBe(true);
  });
  it('of before a restore of the ledger says nothing, also one that is under way', () => {
    const ended = placeOf(afterPage(begun, null, false));
    const underWay = placeOf(afterPage(begun, 'in/5', false));
    for (const place of [ended, underWay]) {
      const anew = roundOf(place, 5_000, 4_000);
      expect(anew).toEqual({ examinedUntil: 0, under: { upTo: 5_000, after: null, missed: false }, restored: 4_000 });
      expect(roundOf(placeOf(afterPage(anew, null, false)), 9_000, 4_000).examinedUntil).toBe(5_000);
    }
  });
  it('never goes back', () => {
    const late: Round = { examinedUntil: 9_000, under: { upTo: 1_000, after: null, missed: false } };
    expect(afterPage(late, null, false).examinedUntil).toBe(9_000);
  });
  test.each(['', 'null', '[]', '{}', '{"examinedUntil":"x"}', '7'])('begins anew where %s was written down', (place) =>
    expect(roundOf(place, 1_000)).toEqual(begun),
  );
});

describe('named recipients', () => {
  const named = { spoolId: 'm1', recipients: ['bob@example.com'], lifetimeMs: 1 };
  it('are read as they were written', () => {
    expect(readNamedRecipients(namedRecipientsBody(named))).toEqual({ kind: 'named-recipients', version: 1, ...named });
  });
  it('name the caller of the command, who is kept short', () => {
    const by = 'arn:aws:iam::111122223333:user/ann';
    expect(readNamedRecipients(namedRecipientsBody({ ...named, by }))).toMatchObject({ by });
    expect(readNamedRecipients(namedRecipientsBody({ ...named, by: by.repeat(9) }))?.by).toHaveLength(256);
  });
  it('are no receipt, and no receipt is one', () => {
    expect(readNamedRecipients('{"notificationType":"Received","kind":"named-recipients"}')).toBeNull();
    expect(readNamedRecipients('not JSON')).toBeNull();
  });
  test.each([
    { spoolId: '' },
    { spoolId: 'a#b' },
    { recipients: [] },
    { recipients: ['bob'] },
    { recipients: ['bob@example.com\r\nRCPT TO:<eve@example.com>'] },
    { recipients: Array.from({ length: namedRecipientsMax + 1 }, (_, i) => `b${i}@example.com`) },
    { lifetimeMs: 0 },
    { lifetimeMs: 14 * 86_400_000 },
  ])('%j is refused', (change) => {
    expect(() => readNamedRecipients(namedRecipientsBody({ ...named, ...change }))).toThrow();
  });
  it('of a later version are refused', () => {
    expect(() => readNamedRecipients(namedRecipientsBody(named).replace('"version":1', '"version":2'))).toThrow('2');
  });
});
