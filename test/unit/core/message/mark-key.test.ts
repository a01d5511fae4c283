// The keys of marks: each kind has its own, what was signed before a deploy or a rotation is still known, and nothing
// older.

import { describe, expect, it } from 'vitest';
import type { MarkKey } from '#core/message/mark-key.ts';
import { acceptedKeys, signingKey } from '#core/message/mark-key.ts';
import { bearsNoticeMark, noticeMark, passMark, verifiedPass } from '#core/message/trace-fields.ts';
import { findLoop } from '#core/routing/loop.ts';
import { tokenOf } from '#core/routing/return-path.ts';

const stackId = 'arn:aws:cloudformation:eu-west-1:111122223333:stack/Everpost/0c1e';
const first: MarkKey = { current: 'one', previous: null, stackId };
const rotated: MarkKey = { current: 'two', previous: 'one', stackId };
const again: MarkKey = { current: 'three', previous: 'two', stackId };
const bears = (key: MarkKey, value: string) => bearsNoticeMark(key, [{ name: 'X-Everpost-Notice', value }]);

describe.each([
  ['the deploy that brings the secret', stackId, first],
  ['a rotation', first, rotated],
  ['the next rotation', rotated, again],
] as const)('%s', (_, before, after) => {
  it('still knows a pass and a notice that were marked before it', () => {
    expect(verifiedPass(after, passMark(before, 'spool-1', 'mx.example'))).toBe('spool-1');
    expect(bears(after, noticeMark(before, '<a@b>'))).toBe(true);
  });
  it('marks anew by another key', () => {
    expect(passMark(after, 'spool-1', 'mx.example')).not.toBe(passMark(before, 'spool-1', 'mx.example'));
    expect(noticeMark(after, '<a@b>')).not.toBe(noticeMark(before, '<a@b>'));
    expect(tokenOf(after, 'spool-1/k')).not.toBe(tokenOf(before, 'spool-1/k'));
    expect(verifiedPass(before, passMark(after, 'spool-1', 'mx.example'))).toBeNull();
  });
});

it('a loop is found though half of its passes are of before the deploy', () => {
  const passes = ['a', 'b', 'c', 'd'].map((id, at) => passMark(at < 2 ? stackId : first, id, 'mx.example'));
  expect(
    findLoop(
      passes.map((value) => ({ name: 'X-Everpost-Pass', value })),
      first,
    )?.kind,
  ).toBe('loop');
});

it("after the first rotation nobody can mark by the stack's id, which many may read", () => {
  expect(verifiedPass(rotated, passMark(stackId, 'spool-1', 'mx.example'))).toBeNull();
  expect(bears(rotated, noticeMark(stackId, '<a@b>'))).toBe(false);
});

it('what was signed two rotations ago is forgotten', () => {
  expect(verifiedPass(again, passMark(first, 'spool-1', 'mx.example'))).toBeNull();
});

it('each kind of mark has a key of its own, none of them the secret', () => {
  const keys = (['pass', 'notice', 'return-path'] as const).map((label) => signingKey(first, label).toString('hex'));
  expect(new Set([...keys, 'one', Buffer.from('one').toString('hex')]).size).toBe(5);
  for (const key of [first, rotated])
    for (const label of ['pass', 'notice'] as const) expect(acceptedKeys(key, label)).toHaveLength(2);
});
