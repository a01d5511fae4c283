// Networks by which submitters are known: what is one, how large it may be, and whose an address is.

import { describe, expect, test } from 'vitest';
import { readSourceNetwork } from '#core/submission/source-network.ts';
import { submittersByAddress } from '#core/submission/submitter-address.ts';

test.each([
  ['192.168.10.0/24', '192.168.10.0/24'],
  ['10.0.0.0/8', '10.0.0.0/8'],
  ['172.16.0.0/12', '172.16.0.0/12'],
  ['127.0.0.0/8', '127.0.0.0/8'],
  ['203.0.113.0/24', '203.0.113.0/24'],
  ['203.0.113.7', '203.0.113.7'],
  ['203.0.113.7/32', '203.0.113.7'],
  ['2001:DB8:12:AB00::/56', '2001:db8:12:ab00::/56'],
  ['2001:db8::7', '2001:db8::7'],
  ['fd00::/8', 'fd00::/8'],
  ['fe80::/10', 'fe80::/10'],
  ['::1', '::1'],
  ['2001:db8:0:0:1:0:0:1/128', '2001:db8::1:0:0:1'],
])('%s is a network', (text, normal) => {
  expect(readSourceNetwork(text)).toMatchObject({ kind: 'network', text: normal });
});

test.each([
  '203.0.112.0/23', // outside private ranges: at most /24
  '11.0.0.0/8',
  '10.0.0.0/7', // half of it private
  '192.168.0.0/15',
  '192.0.0.0/8', // partly private
  '172.0.0.0/8',
  '172.32.0.0/12', // behind RFC 1918
  '100.64.0.0/10', // shared with the provider's other customers
  '8.0.0.0/7',
  '0.0.0.0/0',
  '::/0',
  '2001:db8:12::/55',
  'fc00::/6', // more than RFC 4193
  '::ffff:10.0.0.0/104',
  '10.0.0.1/8',
  '2001:db8::1/64',
  '10.0.0.0/',
  '10.0.0.0/-1',
  '10.0.0.0/8 ',
  '10.0.0/8',
  '010.0.0.0/8',
  '256.0.0.0/8',
  'fe80::1%eth0',
  'printers.example',
  '',
])('%s is none', (text) => {
  const read = readSourceNetwork(text);
  expect(read.kind).toBe('wrong');
  if (read.kind === 'wrong') expect([read.wrong, read.write]).not.toContain('');
});

describe('whose an address is', () => {
  const at = submittersByAddress({
    printers: { from: ['192.168.10.0/24', '2001:db8:12:ab00::/56'], oldTls: true },
    erp: { from: ['203.0.113.7'], withoutTls: true },
    exchange: {},
  });
  test.each([
    ['192.168.10.1', 'printers'],
    ['192.168.10.255', 'printers'],
    ['192.168.9.255', null],
    ['192.168.11.0', null],
    ['::ffff:192.168.10.1', 'printers'],
    ['2001:db8:12:ab01:1:2:3:4', 'printers'],
    ['2001:DB8:12:ABFF::1%eth0', 'printers'],
    ['2001:db8:12:ac00::1', null],
    ['203.0.113.7', 'erp'],
    ['203.0.113.6', null],
    ['', null],
    ['unknown', null],
  ])('%s: %s', (address, submitter) => {
    expect(at(address)?.submitter ?? null).toBe(submitter);
  });
  test('and what its settings allow', () => {
    expect(at('192.168.10.1')).toEqual({ submitter: 'printers', oldTls: true, withoutTls: false });
    expect(at('203.0.113.7')).toEqual({ submitter: 'erp', oldTls: false, withoutTls: true });
  });
});
