// Header sections of every shape, and the intact edit under every way of cutting a message into chunks.
// Chunks are wiped once the next one is asked for, as a socket's buffer is, so that keeping one would be seen.

import { describe, expect, test } from 'vitest';
import { headerBytesMax, returnPathFieldBytesMax } from '#core/limits.ts';
import { fields, fieldText, findHeaderEnd, headerFieldsOf, headerSection, intactEdit } from '#core/message/header.ts';

const latin1 = (text: string) => Buffer.from(text, 'latin1');
const range = (bytes: Uint8Array, start: number, end: number) =>
  Buffer.from(bytes.subarray(start, end)).toString('latin1');

describe('the header section ends at the first empty line', () => {
  test.each([
    // what, bytes, header section, complete
    ['CRLF', 'A: 1\r\nB: 2\r\n\r\nbody\r\n\r\n', 'A: 1\r\nB: 2\r\n', true],
    ['bare LF', 'A: 1\nB: 2\n\nbody', 'A: 1\nB: 2\n', true],
    ['mixed', 'A: 1\r\nB: 2\n\r\nbody', 'A: 1\r\nB: 2\n', true],
    ['mixed the other way', 'A: 1\nB: 2\r\n\nbody', 'A: 1\nB: 2\r\n', true],
    ['converted twice', 'A: 1\r\r\nB: 2\r\r\n\r\r\nbody', 'A: 1\r\r\nB: 2\r\r\n', true],
    ['no fields', '\r\nbody', '', true],
    ['a folded line of blanks is not empty', 'A: 1\r\n \t\r\nB: 2\r\n\r\n', 'A: 1\r\n \t\r\nB: 2\r\n', true],
    ['no empty line', 'A: 1\r\nB: 2\r\n', 'A: 1\r\nB: 2\r\n', false],
    ['no line end', 'A: 1', 'A: 1', false],
    ['a CR that ends the bytes', 'A: 1\r\n\r', 'A: 1\r\n\r', false],
    ['nothing', '', '', false],
    ['bare CRs end no line', 'A: 1\rB: 2\r\rbody', 'A: 1\rB: 2\r\rbody', false],
    ['NUL and 8-bit', 'A: \0\xff\r\n\r\n', 'A: \0\xff\r\n', true],
  ])('%s', (_, text, section, complete) => {
    const bytes = latin1(text);
    const found = findHeaderEnd(bytes);
    expect(range(bytes, 0, found.end)).toBe(section);
    expect(found.complete).toBe(complete);
    expect(found.bodyStart > found.end).toBe(complete);
  });

  test.each([
    ['a line that is no field, before a field of mail', 'To: 1\r\nstray\r\nSubject: 2\r\n', '\r\nbody'],
    ['or at a text whose empty line was forgotten', 'To: 1\r\n', 'Hello world\r\nNote: text\r\n\r\nmore'],
    ['or where there is no field at all', '', 'Hello world\r\nNote: text\r\n\r\nmore'],
  ])('%s', (_, section, rest) => {
    const found = headerSection(latin1(section + rest));
    expect([found.end, found.complete]).toEqual([section.length, true]);
    expect(found.bodyStart).toBe(section.length + (rest.startsWith('\r\n') ? 2 : 0));
    expect(found.fields.at(-1)?.end ?? 0).toBe(section.length);
  });

  test('nothing is looked for beyond the bound', () => {
    const bytes = Buffer.alloc(headerBytesMax + 1_000_000, 'a');
    bytes.write('\r\n\r\n', headerBytesMax + 10);
    expect(findHeaderEnd(bytes)).toEqual({ end: headerBytesMax, bodyStart: headerBytesMax, complete: false });
  });
});

describe('fields are byte ranges', () => {
  test.each([
    ['plain', 'From: a\r\nTo: b\r\n\r\nNot: a field', ['from=a', 'to=b']],
    ['folded', 'A: 1\r\n 2\r\n\t3\r\nB: 4\r\n\r\n', ['a=1\r\n 2\r\n\t3', 'b=4']],
    ['folded by bare LF', 'A: 1\n 2\nB: 3\n\n', ['a=1\n 2', 'b=3']],
    ['blanks before the colon', 'Subject :The\r\nX\t: y\r\n\r\n', ['subject=The', 'x=y']],
    ['empty values', 'A:\r\nB: \r\n\r\n', ['a=', 'b=']],
    ['an mbox line', 'From ann@src.example Mon Jan  1 00:00:00 2024\r\nTo: 1\r\n\r\n', ['to=1']],
    ['a quoted mbox line after fields', 'A: 1\n>From ann Mon Jan  1 00:00:00 2024\nTo: 2\n\n', ['a=1', 'to=2']],
    ['a byte order mark', '\xef\xbb\xbfFrom: a\r\n\r\n', ['from=a']],
    ['a byte order mark below what others put on top', 'A: 1\r\n\xef\xbb\xbfFrom: a\r\n\r\n', ['a=1', 'from=a']],
    ['a first line of blanks', '   lost\r\n more\r\nTo: 1\r\n\r\n', ['to=1']],
    ['a stray line and what is folded onto it', 'A: 1\r\nno field\r\n B: 2\r\nCc: 3\r\n\r\n', ['a=1', 'cc=3']],
    [
      'several stray lines, and an unknown name',
      'A: 1\r\nno\r\nno: 2\r\nno\r\nX-C: 3\r\n\r\n',
      ['a=1', 'no=2', 'x-c=3'],
    ],
    ['no name', ': 1\r\nTo: 2\r\n\r\n', ['to=2']],
    ['a name that is no ASCII', 'S\xfcbject: 1\r\nTo: 2\r\n\r\n', ['to=2']],
    ['NUL in a name', 'A\0: 1\r\nTo: 2\r\n\r\n', ['to=2']],
    ['the colon of the next line', 'A\r\nTo: 1\r\n\r\n', ['to=1']],
    ['a colon on the folded line', 'A\r\n : 1\r\nTo: 2\r\n\r\n', ['to=2']],
    ['text without an empty line before it', 'To: 1\r\nHello world\r\nNote: text\r\n\r\nmore', ['to=1']],
    ['text alone', 'Hello world\r\nNote: text\r\n\r\nmore', []],
    ['no empty line', 'A: 1\r\nB: 2', ['a=1', 'b=2']],
    ['an empty message', '', []],
    ['only a body', '\r\nA: 1\r\n\r\n', []],
  ])('%s', (_, text, expected) => {
    const bytes = latin1(text);
    const found = Array.from(
      fields(bytes),
      (field) => `${field.name}=${range(bytes, field.valueStart, field.end).trim()}`,
    );
    expect(found).toEqual(expected);
  });

  test('ranges of well-formed fields cover the section without a gap', () => {
    const bytes = latin1('Received: a\r\n\tb\r\nFrom: x\nTo: y\r\n\r\nbody');
    const parts = Array.from(fields(bytes), (field) => range(bytes, field.start, field.end));
    expect(parts.join('')).toBe(range(bytes, 0, findHeaderEnd(bytes).end));
  });

  test('a view into a larger buffer is not left', () => {
    const whole = latin1('X: 0\r\nA: 1\r\nB: 2\r\n\r\n');
    expect(headerFieldsOf(whole.subarray(6, 12))).toEqual([{ name: 'A', value: '1' }]);
  });

  test('as a receipt gives them', () => {
    const bytes = Buffer.from('Subject: Grüße\r\n aus =?utf-8?q?K=C3=B6ln?=\r\nX-Y:z\r\n\r\n');
    expect(headerFieldsOf(bytes)).toEqual([
      { name: 'Subject', value: 'Grüße aus =?utf-8?q?K=C3=B6ln?=' },
      { name: 'X-Y', value: 'z' },
    ]);
  });
});

describe('header sections made to hurt', () => {
  test.each([
    ['100,000 fields', 'A: 1\r\n'.repeat(100_000), 100_000],
    ['one field of 300 KB, folded', `Received: ${'x\r\n '.repeat(75_000)}\r\n`, 1],
    ['one field of 300 KB, unfolded', `Received: ${'x'.repeat(300_000)}\r\n`, 1],
    ['a name of 300 KB', `${'x'.repeat(300_000)}: 1\r\n`, 1],
    ['a million bare CRs', `A: ${'\r'.repeat(1_000_000)}\n`, 1],
    ['a million NULs', '\0'.repeat(1_000_000), 0],
    ['300,000 colons', `${':'.repeat(300_000)}\r\n`, 0],
    ['150,000 blanks before a colon', `A${' '.repeat(150_000)}: 1\r\n`, 1],
    ['half a million empty folds', `A: 1\r\n${' \n'.repeat(500_000)}`, 1],
  ])('%s, in little time', (_, section, count) => {
    const bytes = latin1(`${section}\r\nbody`);
    const from = process.cpuUsage();
    expect(Array.from(fields(bytes))).toHaveLength(count);
    expect(headerFieldsOf(bytes)).toHaveLength(count);
    findHeaderEnd(bytes);
    for (const field of fields(bytes)) {
      fieldText(bytes, field);
      break;
    }
    const { user, system } = process.cpuUsage(from);
    expect((user + system) / 1_000).toBeLessThan(20_000); // a second pass over the bytes for each of them would take minutes
  });
});

describe('field text is one line for people', () => {
  test.each([
    ['folded', 'Subject: a\r\n b\r\n', 'a b'],
    ['raw UTF-8', 'Subject: \xc3\xbc\r\n', 'ü'],
    ['raw Latin-1', 'Subject: \xfc\x80\r\n', 'ü€'],
    ['encoded words', 'Subject: =?utf-8?q?J=C3=BCrgen?=\r\n =?utf-8?b?IE3DvGxsZXI=?=\r\n', 'Jürgen Müller'],
    [
      'injection by an encoded word',
      'Subject: =?utf-8?q?a=0D=0ABcc:_eve@evil.example?=\r\n',
      'a Bcc: eve@evil.example',
    ],
    ['NUL', 'Subject: a\0b\r\n', 'a b'],
  ])('%s', (_, text, expected) => {
    const bytes = latin1(`X: y\r\n${text}\r\n`);
    const field = fields(bytes).find(({ name }) => name === 'subject');
    expect(field && fieldText(bytes, field)).toBe(expected);
  });
});

// ── Editing ─────────────────────────────────────────────────────────────────────────────────────────────────────────

const OURS = latin1('Received: by us\r\nX-Ours: 1\r\n');

async function* chunked(parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) {
    // As a socket does: one buffer, used again for each chunk.
    const reused = Uint8Array.from(part);
    yield reused;
    reused.fill(0x23);
  }
}

async function edited(parts: readonly Uint8Array[]): Promise<string> {
  let out = '';
  for await (const chunk of intactEdit(chunked(parts), OURS)) out += Buffer.from(chunk).toString('latin1');
  return out;
}

const EDITS: readonly (readonly [string, string, string])[] = [
  ['as SES stores it', 'Return-Path: <a@src.example>\r\nReceived: x\r\n\r\nbody', 'Received: x\r\n\r\nbody'],
  ['folded', 'Return-Path:\r\n <a@src.example>\r\n\t\r\nReceived: x\r\n', 'Received: x\r\n'],
  ['bare LF', 'Return-Path: <>\nFrom: x\n\nb', 'From: x\n\nb'],
  ['folded by bare LF', 'Return-Path:\n\t<>\nFrom: x\n\nb', 'From: x\n\nb'],
  ['any case, blanks before the colon', 'rETURN-pATH \t: <>\r\n\r\nb', '\r\nb'],
  ['only the first one', 'Return-Path: <1>\r\nReturn-Path: <2>\r\n\r\n', 'Return-Path: <2>\r\n\r\n'],
  ['nothing else', 'Return-Path: <1>\r\n', ''],
  ['cut off', 'Return-Path: <1>', ''],
  ['cut off in its name', 'Return-P', 'Return-P'],
  ['the name alone', 'Return-Path', 'Return-Path'],
  ['the name and blanks', 'Return-Path  ', 'Return-Path  '],
  ['not the first field', 'Received: x\r\nReturn-Path: <1>\r\n\r\n', 'Received: x\r\nReturn-Path: <1>\r\n\r\n'],
  ['a longer name', 'Return-Paths: x\r\n\r\n', 'Return-Paths: x\r\n\r\n'],
  ['a near name', 'Return Path: x\r\n\r\n', 'Return Path: x\r\n\r\n'],
  ['the name with one bit changed', 'Return\rPath: x\r\n\r\n', 'Return\rPath: x\r\n\r\n'],
  ['no colon', 'Return-Path\r\nFrom: x\r\n\r\n', 'Return-Path\r\nFrom: x\r\n\r\n'],
  ['in the body', '\r\nReturn-Path: <1>\r\n', '\r\nReturn-Path: <1>\r\n'],
  ['behind an mbox line', 'From a\r\nReturn-Path: <1>\r\n\r\n', 'From a\r\nReturn-Path: <1>\r\n\r\n'],
  [
    'NUL, bare CR and LF, dots, 8-bit',
    'A: \0\r\n\r\n.\r\n..\n\r\r\n\xff\xfe\0',
    'A: \0\r\n\r\n.\r\n..\n\r\r\n\xff\xfe\0',
  ],
  ['nothing', '', ''],
];

describe('an intact edit takes off the first Return-Path, puts ours in front, and changes nothing else', () => {
  test.each(EDITS)('%s, split everywhere', async (_, before, after) => {
    const bytes = latin1(before);
    const wanted = OURS.toString('latin1') + after;
    expect(await edited([bytes])).toBe(wanted);
    expect(await edited(Array.from(bytes, (byte) => Uint8Array.of(byte)))).toBe(wanted);
    for (let i = 0; i <= bytes.length; i += 1) {
      expect(await edited([bytes.subarray(0, i), bytes.subarray(i)])).toBe(wanted);
      for (let j = i; j <= bytes.length; j += 1) {
        expect(await edited([bytes.subarray(0, i), bytes.subarray(i, j), bytes.subarray(j)])).toBe(wanted);
      }
    }
  });

  test.each([
    returnPathFieldBytesMax - 1,
    returnPathFieldBytesMax,
    returnPathFieldBytesMax + 1,
    returnPathFieldBytesMax * 3,
  ])('a Return-Path of %i bytes fares alike however it is cut', async (size) => {
    const field = `${'Return-Path: '.padEnd(size - 2, 'x')}\r\n`;
    const text = `${field}From: a\r\n\r\nbody`;
    const wanted = OURS.toString('latin1') + (size <= returnPathFieldBytesMax ? text.slice(size) : text);
    const bytes = latin1(text);
    expect(await edited([bytes])).toBe(wanted);
    for (const step of [1, 7, 4095, 4096, 4097]) {
      const parts = [];
      for (let at = 0; at < bytes.length; at += step) parts.push(bytes.subarray(at, at + step));
      expect(await edited(parts), `steps of ${step}`).toBe(wanted);
    }
  });

  test('chunks are handed on, not copied', async () => {
    const first = latin1('Return-Path: <1>\r\nFrom: x\r\n\r\n');
    const body: Uint8Array[] = [new Uint8Array(65_536), new Uint8Array(65_536)];
    const out: Uint8Array[] = [];
    const source = async function* () {
      yield first;
      yield* body;
    };
    for await (const chunk of intactEdit(source(), OURS)) out.push(chunk);
    expect(out[0]).toBe(OURS);
    expect(out[1]?.buffer).toBe(first.buffer);
    expect(out.slice(2).map((chunk) => body.indexOf(chunk))).toEqual([0, 1]);
  });

  test('what is held stays, although the reader fills its buffer anew', async () => {
    const buffer = Buffer.alloc(8);
    const source = async function* () {
      for (const text of ['Return-P', 'ath: <1>', '\r\nFrom: ', 'x\r\n\r\nabc']) {
        buffer.write(text.padEnd(8), 'latin1');
        yield buffer;
      }
    };
    let out = '';
    for await (const chunk of intactEdit(source(), OURS)) out += Buffer.from(chunk).toString('latin1');
    expect(out).toBe(`${Buffer.from(OURS).toString('latin1')}From: x\r\n\r\nabc`);
  });

  test('what the content throws comes through, and leaving early lets the content go', async () => {
    const broken = async function* () {
      yield latin1('From: x\r\n\r\n');
      throw new Error('the stream broke');
    };
    await expect(async () => {
      for await (const chunk of intactEdit(broken(), OURS)) expect(chunk.length).toBeGreaterThan(0);
    }).rejects.toThrow('the stream broke');

    let closed = false;
    const endless = async function* () {
      try {
        while (true) yield latin1('x');
      } finally {
        closed = true;
      }
    };
    for await (const chunk of intactEdit(endless(), OURS)) if (chunk !== OURS) break;
    expect(closed).toBe(true);
  });
});

test('takes no text for stray lines: more of them than are kept as such begin the body, whatever field follows', () => {
  const prose = (lines: number) =>
    `Subject: x\r\n${'some words of a letter\r\n'.repeat(lines)}Date: 3 May, 10 h\r\n\r\nmore\r\n`;
  expect(headerSection(Buffer.from(prose(3))).fields.map(({ name }) => name)).toEqual(['subject', 'date']);
  const letter = headerSection(Buffer.from(prose(15)));
  expect(letter.fields.map(({ name }) => name)).toEqual(['subject']);
  expect(letter.bodyStart).toBe('Subject: x\r\n'.length);
  expect(letter.strays).toEqual([]);
});
