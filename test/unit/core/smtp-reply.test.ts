// The reply reader against what servers send, and against what no server should.
// Every case is read whole, byte by byte, and in every split in two.

import { describe, expect, it } from 'vitest';
import { smtpReplyBytesMax, smtpReplyLineBytesMax, smtpReplyTextCharsMax } from '#core/limits.ts';
import { type SmtpReply, SmtpReplyReader } from '#core/smtp-reply.ts';

const latin1 = (text: string) => Buffer.from(text, 'latin1');
const brief = ({ code, status, text }: SmtpReply) => [code, status, text];

function read(...pieces: Uint8Array[]) {
  const reader = new SmtpReplyReader();
  const replies = pieces.flatMap((piece) => reader.push(piece)).map(brief);
  return { replies, garbled: reader.garbled, unfinished: reader.unfinished };
}

type Expected = [number, string | null, string];
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
];

const junk: readonly [string, Uint8Array][] = [
  ['no code', latin1('what?\r\n')],
  ['an empty line', latin1('\r\n')],
  ['two digits', latin1('25 ok\r\n')],
  ['four digits', latin1('2500 ok\r\n')],
  ['no space', latin1('250ok\r\n')],
  ['first digit 1', latin1('150 ok\r\n')],
  ['first digit 6', latin1('650 ok\r\n')],
  ['TLS bytes', Buffer.of(0x15, 3, 1, 0, 2, 2, 0x28, 10)],
  ['HTTP', latin1('HTTP/1.1 400 Bad Request\r\n')],
  ['two classes in one reply', latin1('550-no\r\n250 yes\r\n')],
];

describe('SmtpReplyReader', () => {
  it.each(good)('reads: %s', (_name, bytes, expected) => {
    const whole = { replies: expected, garbled: false, unfinished: false };
    expect(read(bytes)).toEqual(whole);
    expect(read(...Array.from(bytes, (byte) => Uint8Array.of(byte)))).toEqual(whole);
    for (let at = 1; at < bytes.length; at++) expect(read(bytes.subarray(0, at), bytes.subarray(at))).toEqual(whole);
  });

  it.each(junk)('takes for garbage: %s', (_name, bytes) => {
    expect(read(bytes)).toMatchObject({ replies: [], garbled: true });
    expect(read(latin1('220 hi\r\n'), bytes, latin1('250 ok\r\n'))).toMatchObject({
      replies: [[220, null, 'hi']],
      garbled: true,
    });
  });

  it('knows an unfinished reply', () => {
    expect(read(latin1('250-a\r\n'))).toEqual({ replies: [], garbled: false, unfinished: true });
    expect(read(latin1('2'))).toEqual({ replies: [], garbled: false, unfinished: true });
  });

  it('drops what a line has too much, and keeps the reply', () => {
    const reader = new SmtpReplyReader();
    const [reply] = reader.push(latin1(`550 5.7.1 ${'x'.repeat(smtpReplyLineBytesMax)}\r\n`));
    expect(reply).toMatchObject({ code: 550, status: '5.7.1' });
    expect(reply?.text).toHaveLength(smtpReplyTextCharsMax);
  });

  it('gives a reply up that has no end', () => {
    const reader = new SmtpReplyReader();
    let lines = 0;
    while (!reader.garbled && lines < 1e6) {
      expect(reader.push(latin1('250-and on\r\n'))).toEqual([]);
      lines++;
    }
    expect(lines).toBe(Math.floor(smtpReplyBytesMax / 12) + 1);
  });

  it('never cuts a surrogate pair in half', () => {
    const reader = new SmtpReplyReader();
    const [reply] = reader.push(Buffer.from(`550 x${'😀'.repeat(1_000)}\r\n`));
    expect(reply?.text.at(-1)).toBe('\ude00');
    expect(reply?.text).toHaveLength(smtpReplyTextCharsMax - 1);
  });
});
