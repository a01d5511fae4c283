// The header section as the emulated SES reads it: where it ends, and which fields it has.

import { expect, test } from 'vitest';
import { headerSection } from '../src/ses/header-section.ts';

test.each<[what: string, message: string, fields: Record<string, string>, body: string | null]>([
  ['CRLF', 'From: a\r\nTo: b\r\n\r\nbody', { from: ' a\r\n', to: ' b\r\n' }, 'body'],
  ['bare LF', 'From: a\nTo: b\n\nbody', { from: ' a\n', to: ' b\n' }, 'body'],
  ['line ends that were converted twice', 'From: a\r\r\n\r\r\nbody', { from: ' a\r\r\n' }, 'body'],
  ['folded lines', 'Subject: a\r\n b\r\n\tc\r\nTo: d\r\n\r\n', { subject: ' a\r\n b\r\n\tc\r\n', to: ' d\r\n' }, ''],
  ['blanks before the colon', 'From \t: a\r\n\r\n', { from: ' a\r\n' }, ''],
  ['a byte order mark', '\ufeffFrom: a\r\n\r\n', { from: ' a\r\n' }, ''],
  ['a line that is no field', 'From: a\r\nnothing\r\nTo: b\r\n\r\n', { from: ' a\r\n', to: ' b\r\n' }, ''],
  ['a name in another case', 'FROM: a\r\n\r\n', { from: ' a\r\n' }, ''],
  ['no field', '\r\nbody: x\r\n', {}, 'body: x\r\n'],
  ['no empty line', 'From: a\r\nTo: b', { from: ' a\r\n', to: ' b' }, null],
  ['no line end', 'From: a', { from: ' a' }, null],
  ['nothing', '', {}, null],
])('%s', (_what, message, fields, body) => {
  const bytes = Buffer.from(message);
  const text = (from: number, to?: number) => bytes.subarray(from, to).toString();
  const read = headerSection(bytes);
  expect(Object.fromEntries(read.fields.map(({ name, valueStart, end }) => [name, text(valueStart, end)]))).toEqual(
    fields,
  );
  expect(read.complete).toBe(body !== null);
  expect(text(read.bodyStart)).toBe(body ?? '');
  expect(text(0, read.end) + text(read.end, read.bodyStart) + text(read.bodyStart)).toBe(message);
  expect(text(read.end, read.bodyStart)).toMatch(body === null ? /^$/ : /^\r*\n$/);
});

test('takes time in proportion to the message, whatever it holds', () => {
  const hostile = ['x', 'x:\n', ' \n', 'x \n', '\r'].map((unit) => Buffer.from(unit.repeat(500_000 / unit.length)));
  for (const bytes of hostile) {
    const began = performance.now();
    headerSection(bytes);
    expect(performance.now() - began).toBeLessThan(10_000);
  }
});
