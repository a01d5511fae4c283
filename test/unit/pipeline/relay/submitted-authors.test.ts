// Relay's look at the author of submitted content: the same bytes however they are cut, nothing before the author is
// known, and a header section in the smallest chunks costs no more than in one.

import { describe, expect, it } from 'vitest';
import { ContentUnreadable } from '#pipeline/ports.ts';
import { asAuthored } from '#pipeline/relay/submitted-authors.ts';
import { ownMsSince } from '../../../kit/own-time.ts';

type Given = Parameters<typeof asAuthored>;
const settings = { domains: ['example.com'], submitters: { web: { senderDomains: ['web.example'] } } };
const message = { submission: { submitter: 'web' }, reversePath: 'a@web.example', objectKey: 'web/1.eml' };

async function passed(text: string, size: number, row: object = { trace: [] }): Promise<string> {
  const bytes = Buffer.from(text, 'latin1');
  const buffer = Buffer.alloc(size); // one buffer for all chunks, as a reader of files has it
  async function* chunks() {
    for (let at = 0; at < bytes.length; at += size) {
      buffer.fill(0x2a);
      yield buffer.subarray(0, bytes.copy(buffer, 0, at, at + size));
    }
  }
  const given = [settings, row, message] as unknown as [Given[1], Given[2], Given[3]];
  let out = '';
  try {
    for await (const part of asAuthored(chunks(), ...given)) out += Buffer.from(part).toString('latin1');
  } catch (error) {
    expect(error).toBeInstanceOf(ContentUnreadable);
    return `refused after ${out.length}`;
  }
  return out;
}

it.each([
  'From: eve@src.example\r\nSubject: x\r\n\r\nbody\r\n\xff\0',
  'From: eve@src.example\r\nX: y',
  'hello',
  '',
  `From: a@web.example\r\n\r\n${'x'.repeat(5_000)}`,
])('%j leaves byte for byte', async (text) => {
  for (const size of [1, 3, 64, 100_000]) expect([size, await passed(text, size)]).toEqual([size, text]);
});

it.each([
  'From: ceo@example.com\r\n\r\nbody',
  'Subject: x\r\nFrom: ceo@example.com',
  `X: ${'y'.repeat(3_000)}\r\nFrom: ceo@eu.example.com\r\n\r\nbody`,
])('of %j nothing leaves', async (text) => {
  for (const size of [1, 3, 64, 100_000]) expect([size, await passed(text, size)]).toEqual([size, 'refused after 0']);
});

it('nothing leaves of a header section that is too long to be read whole', async () => {
  expect(await passed(`From: a@web.example\r\n${'X: y\r\n'.repeat(200_000)}\r\nbody`, 65_536)).toBe('refused after 0');
});

it('a header section that comes byte by byte costs little more than one that comes at once', async () => {
  const text = `From: a@web.example\r\n${'X: y\r\n'.repeat(30_000)}\r\nbody`;
  const began = process.cpuUsage();
  expect(await passed(text, 1)).toBe(text);
  expect(ownMsSince(began)).toBeLessThan(2_500);
});

describe('a foreign author leaves all the same', () => {
  const text = 'From: ceo@example.com\r\n\r\nbody';
  const held = (reason: string) => ({ event: 'HOLD', reason });
  it.each([
    ['where an operator released it from that', { releasedFrom: ['foreign-author'], trace: [] }],
    ['where it was released from a foreign reverse-path', { releasedFrom: ['operator', 'foreign-sender'], trace: [] }],
    ['where a version before released it', { trace: [held('foreign-author: web may not send …')] }],
    ['where a version before released an unknown submitter’s', { trace: [held('submitter-unknown: no submitter …')] }],
  ])('%s', async (_, row) => {
    expect(await passed(text, 64, row)).toBe(text);
  });
  it.each([
    ['where it was released from something else', { releasedFrom: ['operator'], trace: [] }],
    ['where a version before released it from something else', { trace: [held('held-by-operator')] }],
    [
      'because of a text in the trace, where the row says itself',
      {
        releasedFrom: ['operator'],
        trace: [held('foreign-author: said by nobody who holds')],
      },
    ],
  ])('but not %s', async (_, row) => {
    expect(await passed(text, 64, row)).toBe('refused after 0');
  });
});
