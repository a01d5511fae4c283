// A domain's key, in both strengths: as others' envelopes name domains, and as our configuration may.

import { expect, it } from 'vitest';
import { domainKeyOf, toDomainKey } from '#core/message/domain-key.ts';

it.each([
  ['Example.COM', 'example.com', 'example.com'],
  ['bücher.example', 'xn--bcher-kva.example', 'xn--bcher-kva.example'],
  ['under_score.example', 'under_score.example', null],
  ['localhost', 'localhost', null],
  ['192.0.2.1', '192.0.2.1', null],
  ['[192.0.2.1]', '[192.0.2.1]', null],
  ['[IPv6:2001:DB8::1]', '[ipv6:2001:db8::1]', null],
  ['[192.0.2.999]', null, null],
  ['-a.example', null, null],
  ['a..example', null, null],
  ['ann@a.example', null, null],
  ['a.example/b', null, null],
  ['a b.example', null, null],
  ['ü/b.example', null, null],
  ['\ud800.example', null, null],
  ['', null, null],
  [`${'a'.repeat(63)}.${'b.'.repeat(100)}example`, null, null],
])('%j', (text, anybody, ours) => {
  expect([toDomainKey(text), domainKeyOf(text)]).toEqual([anybody, ours]);
});
