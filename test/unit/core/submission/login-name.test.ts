// What a log may show of a name that was typed at a login: never a password whole, nor so much of one that the rest is
// guessed.

import { expect, test } from 'vitest';
import { loginNameShown } from '#core/submission/login-name.ts';

test.for([
  ['', ''],
  ['abc', '… (3 characters)'],
  ['erp1', 'e… (4 characters)'],
  ['hunter22', 'hu… (8 characters)'],
  ['ann@example.com', 'ann… (15 characters)'],
  ['\u{1f600}\u{1f601}\u{1f602}\u{1f603}', '\u{1f600}… (4 characters)'],
])('%s is shown as %s', ([name, shown]) => {
  expect(loginNameShown(name ?? '')).toBe(shown);
});
