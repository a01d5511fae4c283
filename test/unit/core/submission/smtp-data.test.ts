// DATA as the submission port reads it: where it ends, and which dots go, however the chunks fall.

import { describe, expect, test } from 'vitest';
import { readData } from '#core/submission/smtp-data.ts';

describe('the end of DATA', () => {
  const cases: [name: string, wire: string, content: string][] = [
    ['nothing at all', '.\r\n', ''],
    ['one empty line', '\r\n.\r\n', '\r\n'],
    ['a stuffed dot at the very start', '..\r\n.\r\n', '.\r\n'],
    ['stuffed dots', 'a\r\n..b\r\n...\r\n.\r\n', 'a\r\n.b\r\n..\r\n'],
    ['a dot that should have been stuffed', 'a\r\n.b\r\n.\r\n', 'a\r\nb\r\n'],
    ['a bare LF before a dot', 'a\n..b\n.\nc\n.\r\nd\r\n.\r\n', 'a\n..b\n.\nc\n.\r\nd\r\n'],
    ['a dot before a bare LF', 'a\r\n.\nb\r\n.\r\n', 'a\r\n\nb\r\n'],
    ['a bare CR before a dot', 'a\r.\r\nb\r\n.\r\n', 'a\r.\r\nb\r\n'],
    ['a dot before a bare CR', 'a\r\n.\rb\r\n.\r\n', 'a\r\n\rb\r\n'],
    ['CR CR LF', 'a\r\r\n.\r\n', 'a\r\r\n'],
    ['8-bit and NUL', '\xff\x00\x80\r\n.\r\n', '\xff\x00\x80\r\n'],
  ];
  test.each(cases)('%s, however the chunks fall', (_name, wire, content) => {
    const bytes = Buffer.from(`${wire}QUIT`, 'latin1');
    for (let first = 0; first <= wire.length; first += 1) {
      for (let second = first; second <= wire.length; second += 1) {
        const read = readData();
        let got = '';
        let rest: string | null = null;
        for (const part of [bytes.subarray(0, first), bytes.subarray(first, second), bytes.subarray(second)]) {
          if (rest !== null) rest += part.toString('latin1');
          else {
            const step = read(Buffer.from(part));
            got += step.content.toString('latin1');
            rest = step.rest?.toString('latin1') ?? null;
          }
        }
        expect([first, second, got, rest]).toEqual([first, second, content, 'QUIT']);
      }
    }
  });
});
