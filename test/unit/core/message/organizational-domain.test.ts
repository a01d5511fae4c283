// Organizations and relaxed alignment, as a table of domains.

import { describe, expect, it } from 'vitest';
import { isAligned, organizationalDomain } from '#core/message/organizational-domain.ts';

describe('the organization', () => {
  it.each([
    ['src.example', 'src.example'],
    ['a.mail.src.example', 'src.example'],
    ['a.shop.co.uk', 'shop.co.uk'],
    ['co.uk', null],
    ['example', null],
    ['a_b.src.example', 'src.example'],
    ['_dmarc.a_b.example', 'a_b.example'],
    ['x.github.io', 'x.github.io'], // the private part of the list
    ['github.io', null],
    ['xn--bcher-kva.example', 'xn--bcher-kva.example'],
    ['[192.0.2.1]', null],
    ['[ipv6:2001:db8::1]', null],
    ['192.0.2.1', null],
    ['', null],
  ])('of %j is %j', (domain, wanted) => {
    expect(organizationalDomain(domain)).toBe(wanted);
  });
});

describe('alignment', () => {
  it.each([
    ['src.example', 'src.example', true],
    ['mail.src.example', 'src.example', true],
    ['src.example', 'mail.src.example', true],
    ['a.src.example', 'b.src.example', true],
    ['src.example', 'notsrc.example', false],
    ['src.example', 'src.example.net', false],
    ['a.co.uk', 'b.co.uk', false],
    ['co.uk', 'a.co.uk', false],
    ['co.uk', 'github.io', false],
    ['a.github.io', 'b.github.io', false],
    ['github.io', 'github.io', true],
    ['localhost', 'localhost', false],
    ['[192.0.2.1]', '[192.0.2.1]', false],
    ['', '', false],
  ])('of %j and %j: %j', (a, b, wanted) => {
    expect(isAligned(a, b)).toBe(wanted);
  });
});
