// What goes over the wire for a given content, byte for byte, however the content is cut into chunks.
// The expectation is made by a second, plain reading of RFC 5321 §4.5.2, not by the code under test.

import { describe, expect, it } from 'vitest';
import { DotStuffer } from '#adapters/smtp/content.ts';

/** The wire form by the book: line endings first, then dots, then the end. */
function byTheBook(content: string): { wire: string; bare: number } {
  let bare = 0;
  const even = content.replace(/\r\n|\r|\n/g, (end) => {
    if (end !== '\r\n') bare++;
    return '\r\n';
  });
  const ended = even === '' || even.endsWith('\r\n') ? even : `${even}\r\n`;
  return { wire: `${ended.replace(/^\./gm, '..')}.\r\n`, bare };
}

/** Drives the stuffer as the sender does: clean stretch, then rewritten bytes, `rewriteBytes` at a time. */
function stuff(chunks: readonly Uint8Array[], rewriteBytes: number): { wire: string; bare: number } {
  const stuffer = new DotStuffer();
  const out = Buffer.alloc(3 * chunks.reduce((sum, chunk) => sum + chunk.length, 0) + DotStuffer.endBytesMax);
  let length = 0;
  for (const chunk of chunks) {
    for (let at = 0; at < chunk.length; ) {
      const clean = stuffer.cleanUntil(chunk, at);
      out.set(chunk.subarray(at, clean), length);
      length += clean - at;
      stuffer.pass(chunk.subarray(at, clean));
      at = Math.min(chunk.length, clean + rewriteBytes);
      length = stuffer.rewrite(chunk.subarray(clean, at), out, length);
    }
  }
  length = stuffer.end(out, length);
  return { wire: out.toString('latin1', 0, length), bare: stuffer.bareLineEndings };
}

const contents: readonly string[] = [
  '',
  '.',
  '..',
  '\r\n',
  '\n',
  '\r',
  '\r\r\n',
  '\n\r',
  '\n.\n',
  '\r.\r',
  'a',
  'a\r\n',
  'a\r',
  'a\n',
  '.\r\n',
  'a\r\n.\r\nb\r\n',
  'a\n.\nb',
  'a\r.\rb',
  'a\r\n..\r\n.b\r\n',
  'a.b\r\nc..\r\n',
  'nul \0 and \x07 and \t tab\r\n',
  '8-bit \xe9\xff\x80\r\n.\xff\r\n',
  'one long line without an end and with dots . . .',
  '\r\n\r\n\r\n.\r\n\r\n',
];
const lettered =
  'Subject: x\r\n\r\nbody line of some length, to fill words\r\n.dotted\r\nbare\nline\rend\r\n\x0b\x0c\r\n';

describe('DotStuffer', () => {
  it.each(contents.map((content) => [JSON.stringify(content), content]))('%s in every split', (_name, content) => {
    const bytes = Buffer.from(content, 'latin1');
    const expected = byTheBook(content);
    for (const rewriteBytes of [1, 3, 1024]) {
      expect(stuff([bytes], rewriteBytes)).toEqual(expected);
      expect(
        stuff(
          Array.from(bytes, (byte) => Buffer.of(byte)),
          rewriteBytes,
        ),
      ).toEqual(expected);
      for (let a = 0; a <= bytes.length; a++) {
        for (let b = a; b <= bytes.length; b++) {
          expect(stuff([bytes.subarray(0, a), bytes.subarray(a, b), bytes.subarray(b)], rewriteBytes)).toEqual(
            expected,
          );
        }
      }
    }
  });

  it('is the same at every alignment of memory', () => {
    const expected = byTheBook(lettered.repeat(3));
    for (let shift = 0; shift < 8; shift++) {
      const memory = new Uint8Array(shift + lettered.length * 3);
      memory.set(Buffer.from(lettered.repeat(3), 'latin1'), shift);
      for (const size of [1, 2, 3, 5, 7, 64, 1000]) {
        const chunks: Uint8Array[] = [];
        for (let at = shift; at < memory.length; at += size) chunks.push(memory.subarray(at, at + size));
        expect(stuff(chunks, 4)).toEqual(expected);
      }
    }
  });

  it('agrees with the book on every content of five of the bytes that matter', () => {
    const letters = ['\r', '\n', '.', 'a', '\t'];
    for (let n = 0; n < letters.length ** 6; n++) {
      let content = '';
      for (let rest = n, i = 0; i < 6; i++, rest = Math.floor(rest / letters.length))
        content += letters[rest % letters.length];
      const got = stuff([Buffer.from(content, 'latin1')], 2);
      const expected = byTheBook(content);
      if (got.wire !== expected.wire || got.bare !== expected.bare) expect([content, got]).toEqual([content, expected]);
    }
  });
});
