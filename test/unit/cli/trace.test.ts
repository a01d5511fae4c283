// Which messages the words of `everpost trace` mean.

import { describe, expect, it } from 'vitest';
import { queryOf } from '#cli/trace.ts';

const NOW = Date.UTC(2026, 5, 1);

describe('the words', () => {
  it.for([
    ['<a@b>', '<a@b>'],
    ['a@b', '<a@b>'],
    [' a@b\n', '<a@b>'],
    ['Message-ID: <a@b>', '<a@b>'],
    ['message-id:a@b', '<a@b>'],
    ['', ''],
  ])('--message-id %j is %j', ([given, meant]) => {
    expect(queryOf({ 'message-id': given ?? '' }, NOW).messageIdField).toBe(meant);
  });
  it('--since counts from the clock that it is given', () => {
    expect(queryOf({ since: '2h' }, NOW).since).toBe(NOW - 7_200_000);
    expect(queryOf({}, NOW).since).toBeUndefined();
    expect(() => queryOf({ since: 'yesterday' }, NOW)).toThrow('a duration');
  });
  it('the null reverse-path has two spellings', () => {
    expect([
      queryOf({ 'reverse-path': '<>' }, NOW).reversePath,
      queryOf({ 'reverse-path': '' }, NOW).reversePath,
    ]).toEqual(['', '']);
  });
});
