// The fields that we put in front of a message, the marks in them, and the loops found by those marks.
// What may not be forged, hidden or injected is tried here.

import { describe, expect, test } from 'vitest';
import { fields, fieldText, headerFieldsOf } from '#core/message/header.ts';
import {
  formatDate,
  isNoticeMark,
  noticeMark,
  passMark,
  relayFields,
  verifiedPass,
} from '#core/message/trace-fields.ts';
import { findLoop } from '#core/routing/loop.ts';

const GIVEN = {
  host: 'mx.example.com',
  deliveryId: 'd6iitobk75ur44p8kdnnp7g2n800/abcdefghijklmnop',
  forwardPath: 'ann@example.com',
  spoolId: 'd6iitobk75ur44p8kdnnp7g2n800',
  markKey: 'key',
  now: Date.UTC(2015, 8, 11, 20, 32, 33),
  possibleDuplicate: false,
  resubmitted: false,
};
const text = (given: Partial<typeof GIVEN>) => Buffer.from(relayFields({ ...GIVEN, ...given })).toString('latin1');
const unfolded = (given: Partial<typeof GIVEN>) => text(given).replace(/\r\n[ \t]/g, ' ');

describe('our fields', () => {
  test('Received says who, how, which delivery, for whom and when', () => {
    expect(unfolded({})).toMatch(
      /^Received: by mx\.example\.com \(Everpost\) with HTTP id d6iitobk75ur44p8kdnnp7g2n800\/abcdefghijklmnop for <ann@example\.com>; Fri, 11 Sep 2015 20:32:33 \+0000\r\nX-Everpost-Pass: v1 id=\S+ host=mx\.example\.com sig=\S+\r\n$/,
    );
  });

  test.each([
    ['ann@bücher.example', 'for <ann@xn--bcher-kva.example>;'],
    ['"a b"@example.com', 'for <"a b"@example.com>;'],
    [`${'v'.repeat(255)}@example.com`, `for <${'v'.repeat(255)}@example.com>;`],
  ])('for %s', (forwardPath, clause) => {
    expect(unfolded({ forwardPath })).toContain(clause);
  });

  // Servers that look behind us take the first address that a Received field names for the sender's.
  test.each(['ann@[192.0.2.1]', 'ann@[IPv6:2001:db8::1]', '"[192.0.2.1]"@example.com', '192.0.2.1@example.com'])(
    'no for clause where %j looks like an address of a host',
    (forwardPath) => {
      expect(unfolded({ forwardPath })).toMatch(/^Received: by \S+ \(Everpost\) with HTTP id \S+; Fri, /);
    },
  );

  test.each([['jürgen@example.com'], ['no mailbox'], ['eve>\r\nBcc: x@evil.example']])(
    'no for clause where %j has no ASCII form',
    (forwardPath) => {
      expect(unfolded({ forwardPath })).toMatch(/^Received: by \S+ \(Everpost\) with HTTP id \S+; Fri, /);
    },
  );

  test.each([
    ['ordinary', {}],
    [
      'long',
      {
        forwardPath: `${'v'.repeat(255)}@${'label.'.repeat(40)}example`,
        deliveryId: 'i'.repeat(900),
        host: 'h'.repeat(400),
        spoolId: 's'.repeat(400),
      },
    ],
    ['hostile', { deliveryId: 'x\r\nBcc: eve@evil.example\r\n\r\n', host: 'ü\0 h', spoolId: ' \r\n;"' }],
    ['empty', { deliveryId: '', host: '', spoolId: '', forwardPath: '' }],
    ['duplicate', { possibleDuplicate: true }],
    ['resubmitted', { possibleDuplicate: true, resubmitted: true }],
  ])('%s: whole ASCII fields, lines within 998 octets, nothing injected', (_, given) => {
    const bytes = relayFields({ ...GIVEN, ...given });
    const latin1 = Buffer.from(bytes).toString('latin1');
    expect(latin1).toMatch(/^(?:[\t\x20-\x7e]{1,998}\r\n)+$/);
    const names = Array.from(fields(bytes), (field) => field.name);
    expect(names).toEqual([
      'received',
      'x-everpost-pass',
      ...('possibleDuplicate' in given ? ['x-everpost-possible-duplicate'] : []),
    ]);
    expect(Array.from(fields(bytes)).at(-1)?.end).toBe(bytes.length);
  });

  test('ordinary lines keep to 78 octets', () => {
    for (const line of text({ possibleDuplicate: true }).split('\r\n')) expect(line.length).toBeLessThanOrEqual(78);
  });

  test.each([
    [0, 'Thu, 01 Jan 1970 00:00:00 +0000'],
    [Date.UTC(2024, 1, 29, 23, 59, 59, 999), 'Thu, 29 Feb 2024 23:59:59 +0000'],
  ])('%i is %s', (at, date) => {
    expect(formatDate(at)).toBe(date);
  });
});

describe('marks', () => {
  const mark = passMark('key', 'spool1', 'mx.example.com');

  test.each([
    ['as made', mark],
    ['folded', mark.replaceAll(' ', '\r\n\t')],
    ['with something folded onto it', `${mark} \r\n original first line`],
  ])('a pass verifies: %s', (_, value) => {
    expect(verifiedPass('key', value)).toBe('spool1');
  });

  test.each([
    ['another key', 'other', mark],
    ['no key', '', mark],
    ['another message', 'key', mark.replace('spool1', 'spool2')],
    ['another host', 'key', mark.replace('mx.', 'my.')],
    ['a cut signature', 'key', mark.slice(0, -1)],
    ['a longer signature', 'key', `${mark}A`],
    ['a notice mark', 'key', noticeMark('key', '<1@example.com>')],
    ['nothing', 'key', ''],
  ])('a pass does not verify: %s', (_, key, value) => {
    expect(verifiedPass(key, value)).toBeNull();
  });

  test('a notice is known again, and only with the key', () => {
    const notice = noticeMark('key', '<ndr.1@example.com>');
    expect(isNoticeMark('key', notice)).toBe(true);
    expect(isNoticeMark('key', ` ${notice} `)).toBe(true);
    expect(isNoticeMark('other', notice)).toBe(false);
    expect(isNoticeMark('key', notice.replace(/^v1\../, 'v1.~'))).toBe(false);
    expect(isNoticeMark('key', mark)).toBe(false);
    expect(notice.length).toBeLessThan(78);
  });

  test('what relay writes is what ingest finds again', () => {
    const bytes = relayFields(GIVEN);
    const pass = Array.from(fields(bytes)).find((field) => field.name === 'x-everpost-pass');
    expect(pass && verifiedPass('key', fieldText(bytes, pass))).toBe(GIVEN.spoolId);
    expect(headerFieldsOf(bytes).some((field) => verifiedPass('key', field.value) === GIVEN.spoolId)).toBe(true);
  });
});

describe('loops', () => {
  const pass = (spoolId: string, key = 'key') => ({
    name: 'X-Everpost-Pass',
    value: passMark(key, spoolId, 'mx.example.com'),
  });
  const received = (count: number) =>
    Array.from({ length: count }, () => ({ name: 'Received', value: 'from somewhere' }));
  const passes = (count: number, key = 'key') => Array.from({ length: count }, (_, i) => pass(`spool${i}`, key));

  test.each([
    ['nothing', [], false],
    ['an ordinary path', received(8), false],
    ['fifty Received fields', received(50), false],
    ['fifty-one', received(51), true],
    [
      'fields that only begin like it',
      Array.from({ length: 200 }, () => ({ name: 'Received-SPF', value: 'pass' })),
      false,
    ],
    ['three passes', passes(3), false],
    ['four passes', passes(4), true],
    ['four passes, any case of the name', passes(4).map(({ value }) => ({ name: 'x-EVERPOST-pass', value })), true],
    ['one pass, copied', Array.from({ length: 10 }, () => pass('spool1')), false],
    ['forged passes', passes(60, 'guess'), false],
    ['ours below forged ones', [...passes(20, 'guess'), ...passes(4)], true],
    ['a flood of forged passes', passes(5_000, 'guess'), false],
    ['a flood of forged passes, and still a loop', [...passes(5_000, 'guess'), ...received(51)], true],
  ])('%s', (_, list, loop) => {
    const finding = findLoop(list, 'key');
    expect(finding !== null).toBe(loop);
    if (finding !== null) expect(finding).toMatchObject({ kind: 'loop', status: '5.4.6' });
  });
});
