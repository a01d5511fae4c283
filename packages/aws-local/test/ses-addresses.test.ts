// The address lists that the emulated SES refuses, each from a public report where there is one, and those that it must
// take.

import { describe, expect, test } from 'vitest';
import { addressListFault } from '../src/ses/address-lists.ts';

describe('taken', () => {
  test.each([
    '',
    'ann@x.test',
    'Ann <ann@x.test>',
    '"Doe, Ann" <ann@x.test>, bob@x.test',
    'ann@x.test (Ann (of X))',
    'undisclosed-recipients:;',
    'Friends: ann@x.test, "B" <bob@x.test>;, eve@x.test',
    '=?utf-8?q?B=C3=BC?= <b@x.test>',
    'ann@b.test <ann@b.test>',
    '"a b"@x.test',
    'ann@[192.0.2.1]',
    '<@a.test,@b.test:ann@x.test>',
    ', ann@x.test,,',
    '"quo\\"ted" <q@x.test>',
    'Ann\r\n <ann@x.test>,\r\n\tbob@x.test',
  ])('%s', (value) => {
    expect(addressListFault(value)).toBeNull();
  });
});

describe('refused', () => {
  test.each([
    // cloud-custodian/cloud-custodian#8051, anymail/django-anymail#281, mozilla/fx-private-relay#1887
    ['undisclosed', "Missing final '@domain'"],
    ['undisclosed recipients', 'Local address contains control or whitespace'],
    ['"Ann"', "Missing final '@domain'"],
    ['resource_owner', "Missing final '@domain'"],
    // pm-pmaas/etailors_amazon_ses#100, openstax/accounts#254
    ['Doe, Ann <ann@x.test>', "Missing final '@domain'"],
    // arithmetic/aws-lambda-ses-forwarder#103
    ['<@x.test>', 'Missing local name'],
    ['Ann <@x.test>', 'Missing local name'],
    // bulwarkmail/webmail#973
    [
      '<First Last <first@example.com, Second Person <second@example.com>,\r\n\t"Third" <third@example.com>',
      'Local address contains control or whitespace',
    ],
    ['Ann Doe ann@x.test', 'Local address contains control or whitespace'],
    // soto-project/soto#331
    ['To: ann;x@x.test', "Missing final '@domain'"],
    ['<ann;bob@x.test>', 'Local address contains illegal character'],
    // SebastiaanKlippert/lambda-ses-forwarder#2
    ['name <name@mail.test%!>', 'Domain contains illegal character'],
    // arithmetic/aws-lambda-ses-forwarder#91
    ['Ann <ann@x.test> <ann@x.test>', 'Extra route-addr'],
    ['Ann :( <ann@x.test>', "Missing ')'"],
    ['Ann :) <ann@x.test>', "Missing '('"],
    ['Ann <ann@x.test', "Missing '>'"],
    ['Ann ann@x.test>', "Missing '<'"],
    ['"Ann <ann@x.test>', "Missing '\"'"],
    ['Ann <>', 'Empty address'],
    ['ann@x.test; bob@x.test', 'Illegal semicolon, not in group'],
    ['Friends: ann@x.test', "Missing ';'"],
    ['a: b: c@x.test;', 'Nested group'],
    ['.ann@x.test', 'Local address starts with dot'],
    ['an..n@x.test', 'Local address contains dot-dot'],
    ['ann.@x.test', 'Local address ends with dot'],
    ['ann@', 'Missing domain'],
    ['ann@.x.test', 'Domain starts with dot'],
    ['ann@x..test', 'Domain contains dot-dot'],
    ['ann@x.test.', 'Domain ends with dot'],
    ['ann@x test', 'Domain contains control or whitespace'],
    ['b\u00fc@x.test', 'Local address contains illegal character'],
    ['b@b\u00fc.test', 'Domain contains illegal character'],
    ['Friends: nobody;', "Missing final '@domain'"],
  ])('%s: %s', (value, words) => {
    expect(addressListFault(value)).toBe(words);
  });
});

test('however long it is, once through it is enough', () => {
  const times = [50_000, 200_000].map((length) => {
    const began = performance.now();
    for (const pattern of ['(', '"', '<', ',', '[', ' ', 'a.', '@a,', '\\\\'])
      addressListFault(pattern.repeat(length / pattern.length));
    return performance.now() - began;
  });
  expect(times[1] ?? 0).toBeLessThan(12 * Math.max(times[0] ?? 0, 5));
});
