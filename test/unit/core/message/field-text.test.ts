// Header text for people: encoded words of many charsets, broken ones, and attempts to write a second line.
// The last rows are there for time: nothing a sender writes may take more than linear work.

import { describe, expect, test } from 'vitest';
import { cutText, decodeUnlabelled, plainText } from '#core/message/field-text.ts';
import { ownMsSince } from '../../../kit/own-time.ts';

describe('header text for people', () => {
  test.each([
    ['nothing', '', ''],
    ['folding', 'a\r\n b\n\tc', 'a b c'],
    ['an injected line', 'a\r\nBcc: eve@evil.example', 'a Bcc: eve@evil.example'],
    ['controls', 'a\0\x1b[31mb\x7f\u0085c\u2028d', 'a [31mb c d'],
    ['bidirectional override', 'safe\u202Efdp.exe\u2066x\u2069', 'safefdp.exex'],
    ['a lone surrogate', 'a\ud83db', 'a\ufffdb'],
    ['Q', '=?iso-8859-1?Q?Gr=FC=DFe_aus_K=F6ln?=', 'Grüße aus Köln'],
    ['B', '=?UTF-8?B?5pel5pys6Kqe?=', '日本語'],
    ['B without padding', '=?UTF-8?B?5pel5pys6Kqe4?=', '日本語'],
    ['a stateful charset', '=?ISO-2022-JP?B?GyRCRnxLXBsoQg==?= =?ISO-2022-JP?B?GyRCOGwbKEI=?=', '日本語'],
    ['gb2312', '=?gb2312?B?xOO6ww==?=', '你好'],
    ['koi8-r', '=?koi8-r?B?8NLJ18XU?=', 'Привет'],
    ['a language', '=?utf-8*de?Q?Gr=C3=BC=C3=9Fe?=', 'Grüße'],
    ['the space between words is not shown', '=?utf-8?q?a?=\r\n =?utf-8?q?b?=', 'ab'],
    ['other text between words is', '=?utf-8?q?a?= x =?utf-8?q?b?=', 'a x b'],
    ['a character cut in two between words', '=?utf-8?q?J=C3?= =?utf-8?q?=BCrgen?=', 'Jürgen'],
    ['words of two charsets', '=?utf-8?q?=C3=BC?= =?iso-8859-1?q?=FC?=', 'üü'],
    ['a charset nobody knows', '=?x-nobody?q?J=C3=BCrgen?=', 'Jürgen'],
    ['a charset nobody knows, not UTF-8', '=?unknown-8bit?q?J=FCrgen?=', 'Jürgen'],
    ['broken bytes', '=?utf-8?q?a=FFb?=', 'a\ufffdb'],
    ['line ends inside a word', '=?utf-8?q?a=0D=0A=0D=0A<script>?=', 'a <script>'],
    ['not quite words', '=?utf-8?x?abc?= =?utf-8?q?abc? =?q?abc?=', '=?utf-8?x?abc?= =?utf-8?q?abc? =?q?abc?='],
    ['blanks inside a word', '=?utf-8?q?a b?=', 'a b'],
    ['an escape that is none', '=?utf-8?q?a=zz=4?=', 'a=zz=4'],
    ['an empty word', 'a =?utf-8?q??= b', 'a b'],
  ])('%s', (_, raw, text) => {
    expect(plainText(raw)).toBe(text);
  });

  test.each(['=?a?q?', '=?utf-8?q?=C3?= ', '=?', '?=', ' \r\n', '=?utf-8?b?A?= '])(
    'a megabyte of %j is done in little time',
    (piece) => {
      const from = process.cpuUsage();
      const text = plainText(piece.repeat(Math.ceil(1_000_000 / piece.length)));
      expect(text).not.toMatch(/[\r\n]/);
      expect(ownMsSince(from)).toBeLessThan(3_000);
    },
  );
});

test.each([
  ['UTF-8', [0x4a, 0xc3, 0xbc], 'Jü'],
  ['UTF-8 cut in a character', [0x4a, 0xe6, 0x97], 'J'],
  ['Windows-1252', [0x93, 0x4a, 0xfc, 0x94], '“Jü”'],
  ['nothing', [], ''],
])('bytes without a label: %s', (_, bytes, text) => {
  expect(decodeUnlabelled(Uint8Array.from(bytes))).toBe(text);
});

test.each([
  ['abc', 3, 'abc'],
  ['abc', 2, 'ab'],
  ['äöü', 3, 'ä'],
  ['日本語', 8, '日本'],
  ['a😀b', 4, 'a'],
  ['a😀b', 5, 'a😀'],
  ['abc', 0, ''],
])('%s in %i bytes is %s', (text, bytesMax, cut) => {
  expect(cutText(text, bytesMax)).toBe(cut);
});
