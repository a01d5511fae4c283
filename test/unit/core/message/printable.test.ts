// What a terminal must not be given raw, whoever wrote it; and what people must still be able to read.

import { expect, test } from 'vitest';
import { printable, printableJson, printableLines } from '#core/message/printable.ts';

test.for<[string, string, string]>([
  ['escape sequences', 'a\u001b[2Jb', 'a\\u001b[2Jb'],
  ['a C1 control sequence introducer', 'a\u009b31mb', 'a\\u009b31mb'],
  ['backspace, bell, delete', 'a\b\u0007\u007fb', 'a\\u0008\\u0007\\u007fb'],
  ['line ends', 'a\r\nb\tc', 'a\\r\\nb\\tc'],
  ['an override', 'ann\u202egpj.exe', 'ann\\u202egpj.exe'],
  ['isolates, marks, the Arabic letter mark', '\u2066a\u2069\u200f\u061c', '\\u2066a\\u2069\\u200f\\u061c'],
  ['what has no width', 'a\u200bb\u2060c\ufeffd\u00ade', 'a\\u200bb\\u2060c\\ufeffd\\u00ade'],
  ['line and paragraph separators', 'a\u2028b\u2029c', 'a\\u2028b\\u2029c'],
  ['tags', 'a\u{e0041}b', 'a\\udb40\\udc41b'],
  ['fillers that are seen as nothing', 'a\u3164b\u115fc\u2800d', 'a\\u3164b\\u115fc\\u2800d'],
  ['half a character', 'a\ud800b', 'a\\ud800b'],
  ['a variation selector', 'a\ufe0fb', 'a\\ufe0fb'],
])('%s are shown as escapes', ([, text, shown]) => {
  expect(printable(text)).toBe(shown);
});

test.for(['Grüße', '日本語', 'שלום', 'مرحبا', 'नमस्ते', '✉ 😀', 'o\'hara \\ "q"'])('%s stays as it is', (text) => {
  expect(printable(text)).toBe(text);
});

test('our own line ends stay in what we laid out', () => {
  expect(printableLines('one\n  two\u001b[0m\r\n')).toBe('one\n  two\\u001b[0m\\r\n');
});

test('JSON stays JSON and means the same', () => {
  const value = { text: 'a\u202eb\u007f\u0085\u{e0041}\ud800\n"', list: ['\u2028'] };
  const shown = printableJson(JSON.stringify(value, null, 1));
  expect(shown).toMatch(/^[\x20-\x7e\n]*$/);
  expect(JSON.parse(shown)).toEqual(value);
});

test('a megabyte of them takes time in proportion', () => {
  expect(printable('\u202e'.repeat(1 << 20))).toHaveLength(6 << 20);
});
