// The reply reader against what servers send, and against what no server should.
// Every case is read whole, byte by byte, and in every split in two.

import { describe, expect, it } from 'vitest';
import {
  smtpJunkBytesMax,
  smtpReplyBytesMax,
  smtpReplyEndlessBytes,
  smtpReplyLineBytesMax,
  smtpReplyTextCharsMax,
} from '#core/limits.ts';
import { isJunk, type SmtpJunk, type SmtpReply, SmtpReplyReader } from '#core/reply/smtp-reply.ts';

const latin1 = (text: string) => Buffer.from(text, 'latin1');
const brief = (item: SmtpReply | SmtpJunk) => (isJunk(item) ? item.junk : [item.code, item.status, item.text]);
const replyOf = (item: SmtpReply | SmtpJunk | undefined) => {
  if (item === undefined || isJunk(item)) throw new Error(`no reply: ${JSON.stringify(item)}`);
  return item;
};

function read(...pieces: Uint8Array[]) {
  const reader = new SmtpReplyReader();
  const replies = pieces.flatMap((piece) => reader.push(piece)).map(brief);
  return { replies, garbled: reader.garbled, unfinished: reader.unfinished };
}

type Expected = [number, string | null, string] | string;
const good: readonly [string, Uint8Array, readonly Expected[]][] = [
  ['plain', latin1('250 ok\r\n'), [[250, null, 'ok']]],
  ['code alone', latin1('250\r\n'), [[250, null, '']]],
  ['code and space', latin1('250 \r\n'), [[250, null, '']]],
  ['bare LF', latin1('250 ok\n'), [[250, null, 'ok']]],
  ['enhanced', latin1('550 5.1.1 no such user\r\n'), [[550, '5.1.1', 'no such user']]],
  ['enhanced alone', latin1('250 2.0.0\r\n'), [[250, '2.0.0', '']]],
  ['three digits in it', latin1('550 5.7.509 no\r\n'), [[550, '5.7.509', 'no']]],
  ['its class contradicts the code', latin1('550 4.1.1 no\r\n'), [[550, null, '4.1.1 no']]],
  ['a leading zero is no status', latin1('550 5.01.1 no\r\n'), [[550, null, '5.01.1 no']]],
  ['a version is no status', latin1('220 2.0.0-rc1 ready\r\n'), [[220, null, '2.0.0-rc1 ready']]],
  ['many lines', latin1('550-5.1.1 a\r\n550-5.1.1 b\r\n550 5.1.1 c\r\n'), [[550, '5.1.1', 'a b c']]],
  ['status on the first line only', latin1('550-5.1.1 a\r\n550 b\r\n'), [[550, '5.1.1', 'a b']]],
  ['codes of one class: the last', latin1('451-a\r\n421 b\r\n'), [[421, null, 'a b']]],
  [
    'two replies',
    latin1('250 a\r\n354 b\r\n'),
    [
      [250, null, 'a'],
      [354, null, 'b'],
    ],
  ], // prettier
  ['controls become spaces', latin1('550 a\u0000b\rc\u001b[31m\r\n'), [[550, null, 'a b c [31m']]],
  ['UTF-8', Buffer.from('550 5.1.1 Empfänger 宛先\r\n'), [[550, '5.1.1', 'Empfänger 宛先']]],
  ['Latin-1', latin1('550 Empf\xe4nger\r\n'), [[550, null, 'Empfänger']]],
  [
    'an empty line behind it',
    latin1('220 mx\r\n\r\n250 ok\r\n'),
    [
      [220, null, 'mx'],
      [250, null, 'ok'],
    ],
  ],
  ['CR CR LF', latin1('250-a\r\r\n250\r\r\n'), [[250, null, 'a']]],
  ['an empty line before it', latin1('\r\n \r\n220 mx\r\n'), [[220, null, 'mx']]],
  [
    'a line without a code inside',
    latin1('550-5.1.1 no\r\nsuch user\r\n\r\n550 5.1.1 here\r\n'),
    [[550, '5.1.1', 'no such user here']],
  ],
  [
    'lines without a code behind it',
    latin1('250 mx\r\n8BITMIME\r\nSIZE 20\r\n250 ok\r\n'),
    [[250, null, 'mx'], '8BITMIME', 'SIZE 20', [250, null, 'ok']],
  ],
  ['no code', latin1('what?\r\n250 ok\r\n'), ['what?', [250, null, 'ok']]],
  ['two digits', latin1('25 ok\r\n250 ok\r\n'), ['25 ok', [250, null, 'ok']]],
  ['four digits', latin1('2500 ok\r\n250 ok\r\n'), ['2500 ok', [250, null, 'ok']]],
  ['no space', latin1('250ok\r\n250 ok\r\n'), ['250ok', [250, null, 'ok']]],
  ['a CR for a space', latin1('250\rok\r\n250 ok\r\n'), ['250\rok', [250, null, 'ok']]],
  ['first digit 1', latin1('150 ok\r\n250 ok\r\n'), ['150 ok', [250, null, 'ok']]],
  ['first digit 6', latin1('650 ok\r\n250 ok\r\n'), ['650 ok', [250, null, 'ok']]],
  ['HTTP', latin1('HTTP/1.1 400 Bad Request\r\n250 ok\r\n'), ['HTTP/1.1 400 Bad Request', [250, null, 'ok']]],
  [
    'TLS bytes',
    Buffer.concat([Buffer.of(0x15, 3, 1, 0, 2, 2, 0x28, 10), latin1('250 ok\r\n')]),
    ['\x15\x03\x01\x00\x02\x02(', [250, null, 'ok']],
  ],
];

const endless = 'and on'.repeat(20);
describe('SmtpReplyReader', () => {
  it.each(good)('reads: %s', (_name, bytes, expected) => {
    const whole = { replies: expected, garbled: false, unfinished: false };
    expect(read(bytes)).toEqual(whole);
    expect(read(...Array.from(bytes, (byte) => Uint8Array.of(byte)))).toEqual(whole);
    for (let at = 1; at < bytes.length; at++) expect(read(bytes.subarray(0, at), bytes.subarray(at))).toEqual(whole);
  });

  it('takes a reply of two classes for garbage, for good', () => {
    expect(read(latin1('220 hi\r\n'), latin1('550-no\r\n250 yes\r\n'), latin1('250 ok\r\n'))).toMatchObject({
      replies: [[220, null, 'hi']],
      garbled: true,
    });
  });

  it('knows an unfinished reply', () => {
    expect(read(latin1('250-a\r\n'))).toEqual({ replies: [], garbled: false, unfinished: true });
    expect(read(latin1('2'))).toEqual({ replies: [], garbled: false, unfinished: true });
  });

  it.each([
    ['2', true],
    ['25', true],
    ['250', true],
    ['250\r', true],
    ['250 o', true],
    ['250-', true],
    ['250-a\r\n', true],
    ['250-a\r\nwhat', true],
    ['', false],
    ['\r\n', false],
    ['8BIT', false],
    ['25x', false],
    ['250x', false],
    ['2500', false],
    ['what', false],
    ['what?\r\n', false],
  ])('%j has begun: %s', (text, begun) => {
    for (const before of ['', '250 ok\r\n', 'junk\r\n']) {
      const reader = new SmtpReplyReader();
      reader.push(latin1(`${before}${text}`));
      expect(reader.begun).toBe(begun);
    }
  });

  it('drops what a line has too much, and keeps the reply', () => {
    const reader = new SmtpReplyReader();
    const [item] = reader.push(latin1(`550 5.7.1 ${'x'.repeat(smtpReplyLineBytesMax)}\r\n`));
    const reply = replyOf(item);
    expect(reply).toMatchObject({ code: 550, status: '5.7.1' });
    expect(reply.text).toHaveLength(smtpReplyTextCharsMax);
  });

  it.each([
    ['of many lines', `550-5.1.1 ${endless}\r\n`.repeat(700), '550 5.1.1 last\r\n'],
    ['of one line', `550 5.1.1 ${'x'.repeat(smtpReplyBytesMax)}`, '\r\n'],
    ['of lines without codes', `550-5.1.1 first\r\n${`${endless}\r\n`.repeat(700)}`, '550 5.1.1 last\r\n'],
    ['of NULs', `550-5.1.1 \0\r\n${'\0'.repeat(smtpReplyBytesMax)}\r\n`, '550 5.1.1 last\r\n'],
  ])('keeps the code of a reply above the limit, and the beginning: %s', (_name, begin, end) => {
    expect(begin.length).toBeGreaterThan(smtpReplyBytesMax);
    const reader = new SmtpReplyReader();
    expect(reader.push(latin1(begin))).toEqual([]);
    expect(reader.cut()).toMatchObject({ code: 550, status: '5.1.1' });
    const reply = replyOf(reader.push(latin1(end))[0]);
    expect(reply).toMatchObject({ code: 550, status: '5.1.1' });
    expect(reply.lines.join('').length).toBeLessThanOrEqual(smtpReplyBytesMax);
    expect({ garbled: reader.garbled, unfinished: reader.unfinished }).toEqual({ garbled: false, unfinished: false });
    expect(reader.push(latin1('250 in step\r\n')).map(brief)).toEqual([[250, null, 'in step']]);
  });

  it.each([
    ['lines', '250-and on\r\n'],
    ['one line', '250 and on '],
    ['NULs', '250-\0'],
  ])('ends a reply without end with its code: %s', (_name, piece) => {
    const reader = new SmtpReplyReader();
    const items: (SmtpReply | SmtpJunk)[] = [];
    let bytes = 0;
    while (!reader.garbled && bytes < 1e7) {
      items.push(...reader.push(latin1(piece)));
      bytes += piece.length;
    }
    expect(items).toHaveLength(1);
    expect(replyOf(items[0]).code).toBe(250);
    expect(bytes).toBeLessThanOrEqual(smtpReplyEndlessBytes + piece.length);
  });

  it.each([
    ['lines', 'and on\r\n'],
    ['one line', 'and on'],
    ['empty lines', '\r\n'],
    ['NULs', '\0'],
  ])('gives up what never becomes a reply: %s', (_name, piece) => {
    const reader = new SmtpReplyReader();
    let bytes = 0;
    while (!reader.garbled && bytes < 1e7) {
      reader.push(latin1(piece));
      bytes += piece.length;
    }
    expect(bytes).toBeLessThanOrEqual(smtpJunkBytesMax + piece.length);
  });

  it('says of a shorter reply nothing before its end', () => {
    const reader = new SmtpReplyReader();
    reader.push(latin1('250-and on\r\n'.repeat(1_000)));
    expect(reader.cut()).toBeNull();
  });

  it('never cuts a surrogate pair in half', () => {
    const reader = new SmtpReplyReader();
    const reply = replyOf(reader.push(Buffer.from(`550 x${'😀'.repeat(1_000)}\r\n`))[0]);
    expect(reply.text.at(-1)).toBe('\ude00');
    expect(reply.text).toHaveLength(smtpReplyTextCharsMax - 1);
  });
});
