// Which addresses port 25 reaches, by where relay runs, and what the operator reads where there are none.

import { describe, expect, it } from 'vitest';
import { reachableAt25 } from '#core/routing/port-25.ts';

const PUBLIC = ['192.0.2.1', '172.32.0.1', '100.128.0.1', '11.0.0.1', '2001:db8::1', 'fd00::1', '::ffff:192.0.2.1'];
const PRIVATE = [
  '10.1.2.3',
  '172.16.0.1',
  '172.31.255.255',
  '192.168.1.1',
  '100.64.0.1',
  '169.254.1.1',
  '::ffff:10.0.0.1',
];
const LOOPBACK = ['127.0.0.1', '::1'];

describe('at port 25', () => {
  it.each(PUBLIC)('private: %s is not reached', (address) => {
    expect(reachableAt25('mx.example', [address], 'private')).toMatchObject({ kind: 'none' });
  });
  it.each([...PRIVATE, ...LOOPBACK])('private: %s is reached', (address) => {
    expect(reachableAt25('mx.example', [address], 'private')).toEqual({ kind: 'some', addresses: [address] });
  });
  it('private: of several the private ones, in their order', () => {
    const given = ['2001:db8::1', '10.0.0.2', '192.0.2.1', '10.0.0.1'];
    expect(reachableAt25('mx.example', given, 'private')).toEqual({
      kind: 'some',
      addresses: ['10.0.0.2', '10.0.0.1'],
    });
  });
  it('unblocked: every IPv4 address and no IPv6 address', () => {
    const given = ['2001:db8::1', '192.0.2.1', '10.0.0.1'];
    expect(reachableAt25('mx.example', given, 'unblocked')).toEqual({ kind: 'some', addresses: given.slice(1) });
  });
  it('outside of a VPC: nothing but this machine itself', () => {
    for (const address of [...PUBLIC, ...PRIVATE])
      expect(reachableAt25('mx.example', [address], 'closed')).toMatchObject({ kind: 'none' });
    expect(reachableAt25('mx.example', ['192.0.2.1', '127.0.0.1'], 'closed')).toMatchObject({
      addresses: ['127.0.0.1'],
    });
  });

  it.each([
    [
      'private',
      ['192.0.2.1', '2001:db8::1'],
      /^mx\.example \(192\.0\.2\.1, 2001:db8::1\) .* public .*network\.port25: 'un/,
    ],
    ['private', ['2001:db8::1'], /^mx\.example \(2001:db8::1\) .* IPv6 .* is IPv4$/],
    ['unblocked', ['2001:db8::1'], /IPv6/],
    ['closed', ['192.0.2.1'], /outside of a VPC\. Set `network`/],
  ] as const)('%s: %j is told with its remedy, in a line of a trace', (reach, addresses, sentence) => {
    const told = reachableAt25('mx.example', addresses, reach);
    if (told.kind !== 'none') throw new Error('it was reached');
    expect(told.why).toMatch(sentence);
    expect(told.why.length).toBeLessThan(300);
  });
  it('an address as the host is named once', () => {
    expect(reachableAt25('192.0.2.1', ['192.0.2.1'], 'private')).toMatchObject({
      why: expect.stringMatching(/^192\.0\.2\.1 cannot/),
    });
  });
});
