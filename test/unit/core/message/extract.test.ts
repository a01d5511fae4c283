// What the ledger keeps of a header section: the right fields, and never more than its share of bytes.
// Characters of one to four bytes are cut at every length that could go wrong.

import { describe, expect, test } from 'vitest';
import { extractBytesMax } from '#core/limits.ts';
import { extractOf } from '#core/message/extract.ts';
import { headerFieldsOf } from '#core/message/header.ts';

const of = (entries: Record<string, string>, subject = true) =>
  extractOf(
    Object.entries(entries).map(([name, value]) => ({ name, value })),
    { subject },
  );
const bytesOf = (extract: object) =>
  Object.values(extract).reduce(
    (sum: number, value: unknown) => sum + (typeof value === 'string' ? Buffer.byteLength(value) : 0),
    0,
  );

test('an ordinary message is kept whole', () => {
  expect(
    of({
      'Return-Path': '<a@src.example>',
      Date: 'Fri, 11 Sep 2015 20:32:32 +0000',
      From: '=?utf-8?q?J=C3=BCrgen?= <j@src.example>',
      To: '日本 <n@example.com>',
      Subject: '=?utf-8?B?5pel5pys6Kqe?=',
      'Message-ID': '<1@src.example>',
      'Auto-Submitted': 'auto-replied',
    }),
  ).toEqual({
    date: 'Fri, 11 Sep 2015 20:32:32 +0000',
    from: 'Jürgen <j@src.example>',
    to: '日本 <n@example.com>',
    subject: '日本語',
    messageIdField: '<1@src.example>',
    autoSubmitted: 'auto-replied',
  });
});

test('nothing is nothing', () => {
  expect(of({})).toEqual({
    from: null,
    to: null,
    date: null,
    subject: null,
    messageIdField: null,
    autoSubmitted: null,
  });
  expect(of({ Subject: ' \r\n ', From: '\0' })).toMatchObject({ subject: null, from: null });
});

test('the subject can be left out', () => {
  expect(of({ Subject: 'secret', From: 'a' }, false)).toMatchObject({ subject: null, from: 'a' });
});

test('the first of each name counts, whatever its case', () => {
  const fields = headerFieldsOf(Buffer.from('SUBJECT: one\r\nSubject: two\r\nmessage-id: <1@x>\r\n\r\n'));
  expect(extractOf(fields, { subject: true })).toMatchObject({ subject: 'one', messageIdField: '<1@x>' });
});

test('an identity is kept whole or not at all', () => {
  expect(of({ 'Message-ID': `<${'i'.repeat(247)}@>` }).messageIdField).toHaveLength(250);
  expect(of({ 'Message-ID': `<${'i'.repeat(300)}@x>` }).messageIdField).toBeNull();
});

describe('never more than 600 bytes together, cut between characters', () => {
  const names = ['Message-ID', 'Auto-Submitted', 'Date', 'From', 'Subject', 'To'];
  test.each(['a', 'ü', '日', '😀', '=?utf-8?b?8J+YgA==?= '])('of %s', (character) => {
    for (const length of [1, 20, 59, 100, 240, 300_000 / character.length]) {
      const extract = of(Object.fromEntries(names.map((name) => [name, character.repeat(Math.ceil(length))])));
      expect(bytesOf(extract)).toBeLessThanOrEqual(extractBytesMax);
      expect(JSON.stringify(extract)).not.toMatch(/\ufffd|\\ud/);
    }
  });

  test('what one leaves, the next may use', () => {
    const extract = of({ Subject: 's'.repeat(900), To: 'someone@example.com' });
    expect(extract.subject?.length).toBeGreaterThan(500);
    expect(extract.to).toBe('someone@example.com');
  });
});

describe('the kept From text vouches for the domain that it names', () => {
  const long = 'a'.repeat(60);
  test.each([
    ['Ann <ann@src.example>', false],
    ['"ann@src.example" <ann@src.example>', false],
    ['=?utf-8?q?J=C3=BCrgen?= <ann@b\u00fccher.example>', false],
    ['nonsense', false],
    [`"${long} <victim@victim.example> ${long}" <eve@src.example>`, true], // the author is cut off
    ['=?utf-8?q?V_=3Cv=40victim.example=3E_=28?= <eve@src.example>', true],
    ['victim@victim.example, eve@src.example', true],
    ['victim@victim.example (<eve@src.example>)', true],
    ['<@victim.example:eve@src.example>', true],
    ['victim@victim.example.', true],
    ['"Eve @ src" <eve+1@SRC.example>', false],
    ['"e ve"@src.example', false],
  ])('%s: misleads %s', (value, misleads) => {
    const fields = [{ name: 'From', value }];
    expect(extractOf(fields, { subject: true }).fromMisleads).toBe(misleads || undefined);
  });
  test('and not where a name puts another address of that domain in the place of the author, who is not kept', () => {
    for (const value of [
      `=?utf-8?q?=3Cvictim=40src=2Eexample=3E?= ${' '.repeat(9_000)} <eve@src.example>`,
      `=?utf-8?q?victim=40src=2Eexample?= ${'x'.repeat(700)} <eve@src.example>`,
    ])
      expect(extractOf([{ name: 'From', value }], { subject: true }).fromMisleads).toBe(true);
  });
  test('and does not where another From field stands behind it', () => {
    const fields = ['victim@victim.example', 'eve@src.example'].map((value) => ({ name: 'From', value }));
    expect(extractOf(fields, { subject: true }).fromMisleads).toBe(true);
  });
});
