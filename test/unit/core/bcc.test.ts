// Bcc taken out of what leaves: every form of the field, whole; no other byte; the same however the content is cut into chunks.

import { expect, test } from 'vitest';
import { withoutBcc } from '#core/message/bcc.ts';

async function filtered(text: string, size: number): Promise<string> {
  const bytes = Buffer.from(text, 'latin1');
  const buffer = Buffer.alloc(size); // one buffer for all chunks, as a reader of files has it
  async function* chunks() {
    for (let at = 0; at < bytes.length; at += size) {
      const part = bytes.subarray(at, at + size);
      buffer.fill(0x2a);
      part.copy(buffer);
      yield buffer.subarray(0, part.length);
    }
  }
  let out = '';
  for await (const part of withoutBcc(chunks())) out += Buffer.from(part).toString('latin1');
  return out;
}

const cases: readonly (readonly [what: string, given: string, left: string])[] = [
  ['one field', 'From: a@x\r\nBcc: b@y\r\nTo: c@z\r\n\r\nBcc: body\r\n', 'From: a@x\r\nTo: c@z\r\n\r\nBcc: body\r\n'],
  ['the first field', 'Bcc: b@y\r\nTo: c@z\r\n\r\n', 'To: c@z\r\n\r\n'],
  ['the last field', 'To: c@z\r\nBcc: b@y\r\n\r\nx', 'To: c@z\r\n\r\nx'],
  ['two in a row', 'Bcc: b@y\r\nBcc: c@y\r\nX: y\r\n\r\n', 'X: y\r\n\r\n'],
  ['odd case', 'bCC: b@y\r\nRESENT-bcc: c@y\r\nX: y\r\n\r\n', 'X: y\r\n\r\n'],
  ['blanks before the colon', 'Bcc : b@y\r\nBcc\t \t: c@y\r\nResent-Bcc :d@y\r\nX: y\r\n\r\n', 'X: y\r\n\r\n'],
  ['folded', 'X: y\r\nBcc: b@y,\r\n\tc@y,\r\n  \r\n d@y\r\nZ: z\r\n folded\r\n\r\n', 'X: y\r\nZ: z\r\n folded\r\n\r\n'],
  ['folded at once', 'Bcc:\r\n b@y\r\nX: y\r\n\r\n', 'X: y\r\n\r\n'],
  ['bare line feeds', 'X: y\nBcc: b@y\n c@y\n\nBcc: body\n', 'X: y\n\nBcc: body\n'],
  ['line ends converted twice', 'X: y\r\r\nBcc: b@y\r\r\n\r\r\nBcc: body\r\r\n', 'X: y\r\r\n\r\r\nBcc: body\r\r\n'],
  ['behind a CR alone, which leaves as CRLF', 'Subject: x\rBcc: b@y\r\nTo: c@z\r\n\r\n', 'Subject: x\rTo: c@z\r\n\r\n'],
  ['up to a CR alone', 'Bcc: b@y\rTo: c@z\r\n\r\n', 'To: c@z\r\n\r\n'],
  ['CRs at the end', 'X: y\r\r', 'X: y\r\r'],
  ['behind a byte order mark', '\xef\xbb\xbfBcc: b@y\r\nX: y\r\n\r\n', 'X: y\r\n\r\n'],
  [
    'behind a line that is no field',
    'From a Sun\r\nBcc: b@y\r\nstray\r\nBCC: c@y\r\n\r\n',
    'From a Sun\r\nstray\r\n\r\n',
  ],
  ['without an empty line', 'X: y\r\nBcc: b@y', 'X: y\r\n'],
  ['an empty field', 'Bcc:\r\nX: y\r\n\r\n', 'X: y\r\n\r\n'],
  ...(
    [
      ['other names', 'X-Bcc: b@y\r\nBccc: b@y\r\nBc: c\r\nResent-Bccs: d\r\nAbcc: e\r\n\r\n'],
      ['no colon', 'X: y\r\nBcc\r\nbcc b@y: z\r\n\r\n'],
      ['a fold of another field', 'Subject: a\r\n Bcc: b@y\r\n\r\n'],
      ['no header section', '\r\nBcc: b@y\r\n'],
      ['nothing', ''],
      ['the beginning of a name', 'X: y\r\nRese'],
      ['all bytes', `X: ${String.fromCharCode(...Array.from({ length: 246 }, (_, i) => i + 10))}\r\n\r\n\x00\xff`],
    ] as const
  ).map(([what, text]) => [what, text, text] as const),
];

test.each(cases)('%s', async (_, given, left) => {
  for (const size of [1, 2, 3, 5, 7, 64, 10_000]) expect([size, await filtered(given, size)]).toEqual([size, left]);
});

test('a field of a megabyte goes, and nothing of it is held', async () => {
  const long = `Bcc: ${'b@y.test,\r\n '.repeat(100_000)}c@y\r\n`;
  expect(await filtered(`X: y\r\n${long}Z: z\r\n\r\nbody`, 65_536)).toBe('X: y\r\nZ: z\r\n\r\nbody');
});
