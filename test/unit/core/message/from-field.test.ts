// Who wrote a message, read for decisions of trust: certain only where every reader finds the same authors. A table of
// From fields.

import { describe, expect, it } from 'vitest';
import { readFrom } from '#core/message/from-field.ts';
import { ownMsSince } from '../../../kit/own-time.ts';

const read = (message: string) => readFrom(Buffer.from(message, 'latin1'));
const ofField = (value: string) => read(`From: ${value}\r\nSubject: x\r\n\r\nbody`);

describe('authors are certain', () => {
  it.each([
    ['ann@example.com', ['ann@example.com']],
    ['<ann@example.com>', ['ann@example.com']],
    ['Ann <ann@example.com>', ['ann@example.com']],
    ['Ann A. <ann@example.com>', ['ann@example.com']],
    ['"Ann, the <boss>" <ann@example.com>', ['ann@example.com']],
    ['"eve@src.example" <ann@example.com>', ['ann@example.com']],
    ['=?utf-8?q?Ann=40x?= <ann@example.com>', ['ann@example.com']],
    ['ann@example.com (Ann)', ['ann@example.com']],
    ['Ann\r\n <ann@example.com>', ['ann@example.com']],
    ['Ann <ann@example.com>, bob@example.com', ['ann@example.com', 'bob@example.com']],
    ['"a b"@example.com', ['a b@example.com']],
    ['ann@example.com <ann@example.com>', ['ann@example.com']],
    ['Ann ann@example.com <bob@example.com>', ['bob@example.com']],
  ])('in %j', (value, wanted) => {
    const { authors, doubt } = ofField(value);
    expect(authors.map(({ localPart, domainKey }) => `${localPart}@${domainKey}`)).toEqual(wanted);
    expect(doubt).toBeNull();
  });
});

describe('nobody is known to have written, and the domain that some reader finds is named', () => {
  it.each([
    ['a source route', '<@a.example,@b.example:ann@example.com>'],
    ['a source route without brackets', '@a.example,@b.example:ann@example.com'],
    ['a final dot', 'ann@example.com.'],
    ['a final dot in brackets', 'Ann <ann@example.com.>'],
    ['two final dots', 'ann@example.com..'],
    ['a group', 'Staff: ann@example.com;'],
    ['a group beside an author', 'bob@src.example, Staff: ann@example.com;'],
    ['a comment in the address', 'ann@(home)example.com'],
    ['a comment in the domain', 'ann@example(home).com'],
    ['an address in a comment', 'bob@src.example (ann@example.com)'],
    ['a bracket in a comment', 'bob@src.example (<ann@example.com>)'],
    ['an address as a name', 'ann@example.com <bob@src.example>'],
    ['an address of a sub-domain as a name', 'ann@example.com <ann@eu.example.com>'],
    ['an encoded word as a name beside an address of the same domain', '=?utf-8?q?x?=@example.com <bob@example.com>'],
    ['blanks around the dot', 'ann@example . com'],
    ['blanks around the at sign', 'ann @ example.com'],
    ['an empty element', 'bob@src.example,, ann@example.com'],
    ['an address without brackets behind a name', 'bob@src.example ann@example.com'],
    ['two brackets', '<bob@src.example> <ann@example.com>'],
    ['a quote without a partner', '"Bob <bob@src.example>, ann@example.com'],
    ['a bracket without a partner', 'Bob <bob@src.example, ann@example.com'],
    ['junk behind the address', '<bob@src.example> and ann@example.com'],
    ['an at sign too many', 'bob@src.example@example.com'],
    ['an address in a quoted local part', '"ann@example.com>"@src.example'],
    ['a bare CR', 'bob@src.example\r, ann@example.com'],
    ['NUL', 'bob@src.example\0, ann@example.com'],
    ['NUL in the domain', 'ann@exam\0ple.com'],
    ['a fold in the domain', 'ann@exam\r\n ple.com'],
    ['a backslash in the domain', 'ann@exam\\ple.com'],
    ['quotes around a label', 'ann@"example".com'],
    ['brackets around the domain', 'ann@[example.com]'],
    ['two dots in the domain', 'ann@example..com'],
    ['comments in a comment', 'ann@example(a(b)c).com'],
    ['an escaped parenthesis in a comment', 'ann@example(a\\)b).com'],
    ['a comment behind a parenthesis in quotes', '"(" <ann@example(a).com>'],
    ['an encoded word as the address', '=?utf-8?q?ann=40example.com?='],
    ['an encoded word in brackets', '<=?utf-8?b?YW5uQGV4YW1wbGUuY29t?=>'],
    ['an encoded word as the domain', 'ann@=?utf-8?q?example.com?='],
    ['an address and NUL in an encoded word as local part', '=?utf-8?q?ann=40example.com=00?=@src.example'],
    ['a mark of direction', 'ann@example.com\xe2\x80\x8e'],
    ['a fullwidth at sign', 'ann\xef\xbc\xa0example.com'],
    ['a small at sign', 'ann\xef\xb9\xabexample.com'],
    ['a one dot leader', 'ann@example\xe2\x80\xa4com'],
    ['a byte of no charset', 'ann@example.com\x80'],
    ['more authors than are read', `${'bob@src.example, '.repeat(60)}ann@example.com`],
  ])('%s', (_, value) => {
    const { authors, doubt, domains } = ofField(value);
    expect([authors, doubt]).toEqual([[], 'from-unclear']);
    expect(domains).toContain('example.com');
  });
});

describe('the fields', () => {
  const ann = 'From: ann@example.com\r\n';
  it.each([
    ['none', 'Subject: x\r\n\r\nFrom: ann@example.com\r\n', 'no-from-field', []],
    ['two', `${ann}From: eve@src.example\r\n\r\n`, 'several-from-fields', ['example.com', 'src.example']],
    ['the same twice', `${ann}${ann}\r\n`, 'several-from-fields', ['example.com']],
    [
      'one in capitals too',
      `${ann}FROM: eve@src.example\r\n\r\n`,
      'several-from-fields',
      ['example.com', 'src.example'],
    ],
    [
      'one with a blank before its colon',
      `${ann}From : eve@src.example\r\n\r\n`,
      'several-from-fields',
      ['example.com', 'src.example'],
    ],
    [
      'one behind a bare CR',
      `X: a\rFrom: eve@src.example\r\n${ann}\r\n`,
      'several-from-fields',
      ['example.com', 'src.example'],
    ],
    ['one alone behind a bare CR', 'X: a\rFrom: eve@src.example\r\n\r\n', 'from-unclear', ['src.example']],
    [
      'one behind a line that is no field',
      `${ann}Hello world\r\nFrom: eve@src.example\r\n\r\n`,
      'several-from-fields',
      ['example.com', 'src.example'],
    ],
    ['one with NUL in its name', 'Fr\0om: eve@src.example\r\n\r\n', 'from-unclear', ['src.example']],
    ['one behind NUL', '\0From: eve@src.example\r\n\r\n', 'from-unclear', ['src.example']],
    ['one whose colon is folded away', 'From\r\n : eve@src.example\r\n\r\n', 'from-unclear', ['src.example']],
    ['an empty one', 'From:\r\n\r\n', 'from-unclear', []],
  ])('%s', (_, message, doubt, domains) => {
    expect(read(message)).toEqual({ authors: [], doubt, domains });
  });

  it('are looked for in the header section alone', () => {
    expect(read(`${ann}\r\nFrom: eve@src.example\r\n`).doubt).toBeNull();
    expect(read(`X-Note: From: eve@src.example\r\n${ann}\r\n`).doubt).toBeNull();
    expect(read(`From eve@src.example Mon Jan 1\r\n${ann}\r\n`).doubt).toBeNull();
  });

  it('may be one behind the end of what is read of a header section', () => {
    const endless = Buffer.from(ann + 'X: y\r\n'.repeat(200_000), 'latin1');
    for (const bytes of [endless, endless.subarray(0, 1_048_576)])
      expect(readFrom(bytes)).toMatchObject({ doubt: 'from-unclear', unread: true });
  });

  it('may be longer than what is read of them, in bytes too', () => {
    const read = (value: string) => readFrom(Buffer.from(`From: ${value}\r\n\r\n`));
    // Cut where 65,536 bytes end, each of these would be one author.
    const name = `"${'é'.repeat(32_757)}" `;
    for (const value of [
      `${name}<a@example.com>, eve@src.example`,
      `a@example.com${' '.repeat(70_000)}, eve@src.example`,
    ])
      expect(read(value)).toMatchObject({ authors: [], doubt: 'from-unclear', unread: true });
    expect(read(`"(" ${'x@a, '.repeat(2_000)} eve@src.example`).unread).toBe(true);
    expect(read(`${'eve@src.example, '.repeat(50)}eve@src.example`).unread).toBeUndefined();
  });
});

it('is read in time however strange it is', () => {
  const started = process.cpuUsage();
  for (const unit of [
    '@',
    '@ ',
    '(',
    '((@',
    '<@',
    'a@b.',
    ',',
    ' ',
    '"',
    '\\',
    '. ',
    'a@b,',
    'From:',
    '\r',
    '\rFrom:@a ',
    '()',
    '(@',
    'From\r\n \r\n ',
    'From\0',
    '\xef\xb7\xba',
    '=?utf-8?q?=40?=@a ',
  ])
    read(`From: ${unit.repeat(900_000 / unit.length)}\r\n\r\n`);
  expect(ownMsSince(started)).toBeLessThan(20_000);
});
