// Who gets a message: names as people break them, lists as cron and scripts write them, and a generator. Of a
// well-formed field exactly the addresses that were written; of a broken one each address that it shows and nobody
// else, or nothing at all. The seed is printed with every failure; SEED=n runs that one alone.

import { describe, expect, it, test } from 'vitest';
import { readArguments, readRecipients } from '#core/message/recipient-list.ts';
import { argumentRecipients, recipientsOf } from '#test/kit/probe.ts';
import { ownMsSince } from '../../../kit/own-time.ts';

const HOST = 'host.test';
const read = (text: string) => argumentRecipients(text, HOST);

describe('a list that can be read', () => {
  test.each<[string, string[]]>([
    ['ops@x.test,dev@y.test', ['ops@x.test', 'dev@y.test']],
    ['ops@x.test, dev@y.test,', ['ops@x.test', 'dev@y.test']],
    ['ops@x.test;dev@y.test', ['ops@x.test', 'dev@y.test']],
    ['Ann <ann@x.test>', ['ann@x.test']],
    ['<ann@x.test>', ['ann@x.test']],
    ['root', ['root@host.test']],
    ['root,operator', ['root@host.test', 'operator@host.test']],
    ['Ann <root>', ['root@host.test']],
    ['"Ann, Bob (both) <x>" <ann@x.test>, bob@y.test', ['ann@x.test', 'bob@y.test']],
    ['"Ann \\"the boss\\"" <ann@x.test>', ['ann@x.test']],
    ['John Q. Public <j@x.test>', ['j@x.test']],
    ["O'Brien <o'brien@x.test>", ["o'brien@x.test"]],
    ['[Team] Ann <ann@x.test>', ['ann@x.test']],
    ['ann@x.test <ann@x.test>', ['ann@x.test']],
    ["'ann@x.test' <Ann@x.test>", ['Ann@x.test']],
    ['"bob@y.test" <ann@x.test>', ['ann@x.test']],
    ['"\'bob@y.test\' via Team" <team@x.test>', ['team@x.test']],
    ['"Ann <ann@x.test>" <ann@x.test>', ['ann@x.test']],
    ['ann@x.test (Ann (the boss) of x)', ['ann@x.test']],
    ['(Ann) ann @ x.test', ['ann@x.test']],
    ['=?utf-8?Q?M=C3=BCller,_Ann_(Sales)?= <ann@x.test>', ['ann@x.test']],
    ['Zoë Brandt <zoë@x.test>', ['zoë@x.test']],
    ['Friends: Ann <ann@x.test>, bob@y.test;, c@z.test', ['ann@x.test', 'bob@y.test', 'c@z.test']],
    ['undisclosed-recipients:;', []],
    ['Undisclosed recipients:', []],
    ['mailto:ann@x.test', ['ann@x.test']],
    ['<@relay.test,@b.test:ann@x.test>', ['ann@x.test']],
    ['"a b@c"@x.test, ann@[192.0.2.1]', ['"a b@c"@x.test', 'ann@[192.0.2.1]']],
    ['a..b.@x.test', ['a..b.@x.test']],
    [' , ,', []],
  ])('%s', (text, to) => {
    expect(read(text)).toEqual({ to, unreadable: [] });
  });
});

describe('a list in which somebody could be lost or invented: unreadable', () => {
  test.each([
    'Ann :( <ann@x.test>',
    'Ann :) <ann@x.test>',
    'Ann ;) <ann@x.test>',
    'Ann ;-D <ann@x.test>',
    'Ann :( <ann@x.test>, Bob :) <bob@y.test>',
    'Ann :( ann@x.test :) <bob@y.test>',
    'Ann (the boss <ann@x.test>',
    'Ann) <ann@x.test>',
    'Ann ( <ann@x.test>, Bob ) <bob@y.test>',
    '"Ann <ann@x.test>',
    'Ann" <ann@x.test>',
    'Ann" <ann@x.test>, "Bob <bob@y.test>',
    'Ann " <ann@x.test>, " Bob <bob@y.test>',
    '"Ann \\" <ann@x.test>, "Bob" <bob@y.test>',
    '"C:\\" <ann@x.test>',
    'Ann \\ Bob <ann@x.test>',
    'Ann <ann@x.test',
    'Ann ann@x.test>',
    'Ann ann@x.test',
    '<ann@x.test> Ann',
    'Ann <ann@x.test> Bob <bob@y.test>',
    'ann@x.test bob@y.test',
    '<ann@x.test><bob@y.test>',
    '<ann@x.test, bob@y.test>',
    '<<ann@x.test>>',
    'Ann <>',
    'bob@y.test <ann@x.test>',
    'Ann @ Home <ann@x.test>',
    'Smith, John <j@x.test>',
    'Smith, PhD, John <j@x.test>',
    "'Smith, John' <j@x.test>",
    'Müller, Ann <ann@x.test>',
    'Smith, j@x.test',
    'Ann Smith',
    '=?utf-8?Q?Ann <ann@x.test>?=',
    '=?utf-8?B?QW5uIDxhbm5AeC50ZXN0Pg==?=',
    '<=?utf-8?Q?j=C3=B6?=@x.test>',
    'a@@x.test',
    'ann@x. test',
    'ann@',
    '@x.test',
    'ann@x.test: bob@y.test;',
    'A: B: c@x.test;;',
    'ann@x.test，bob@y.test',
    'ann\ufffd@x.test',
    '\u001b$B%"\u001b(B <ann@x.test>',
    '[ann@x.test] Bob <bob@y.test>',
    'ann@[192.0.2.1',
  ])('%s', (text) => {
    expect(read(text).unreadable).not.toEqual([]);
  });
  it('as arguments: a name that the shell parted from its address', () => {
    expect(readArguments(['Ann', '<ann@x.test>'], HOST).unreadable).toEqual(['Ann']);
    expect(readArguments(['root', 'ann@x.test'], HOST).unreadable).toEqual([]);
  });
  it('is shown in part, however long it is', () => {
    const [shown = ''] = readRecipients([`${'x'.repeat(100_000)} <`], HOST).unreadable;
    expect(Buffer.byteLength(shown)).toBe(200);
  });
});

describe('a header section', () => {
  const inHeader = (text: string) => recipientsOf(Buffer.from(text), HOST);
  test.each<[string, string[]]>([
    ['To: a@x.test\r\nSubject: no empty line\r\nmail me, b@y.test\r\n', ['a@x.test']],
    ['From ann Sun Nov 22\r\nTo: a@x.test\r\n\r\nTo: b@y.test\r\n', ['a@x.test']],
    ['\ufeffTo: a@x.test\r\nBCC : b@y.test\r\n\r\n', ['a@x.test', 'b@y.test']],
    ['To:\r\n a@x.test\r\n\t,b@y.test\r\n\r\n', ['a@x.test', 'b@y.test']],
  ])('%j', (text, to) => {
    expect(inHeader(text)).toEqual({ to, unreadable: [] });
  });
  test.each([
    'To: a@x.test,\r\nb@y.test\r\nSubject: s\r\n\r\n',
    'Subject: s\r\nCc: a@x.test,\r\nb@y.test\r\n\r\n',
    'Subject: s\r\nHello\r\nTo: b@y.test\r\n\r\n',
    'To: a@x.test\r\nSubject: s\r\nHello\r\nCc: root\r\n\r\n',
    `To: a@x.test\r\n${`X: ${'y'.repeat(998)}\r\n`.repeat(1_100)}Cc: b@y.test\r\n\r\n`,
  ])('unreadable: %#', (text) => {
    expect(inHeader(text).unreadable).not.toEqual([]);
  });
});

test('time is linear', () => {
  const long = ['(', '"', '<', ',', 'a,', 'a@x ', '=?a?q?,', ':', '(a@b ', '"a@b', '\\', '[', '@', ' '];
  for (const piece of long) {
    const before = process.cpuUsage();
    readRecipients([piece.repeat(200_000 / piece.length)], HOST);
    expect(ownMsSince(before), piece).toBeLessThan(3_000);
  }
});

// ── A generator ──

type Random = () => number;
/** mulberry32. */
function randomOf(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}
const pick = <T>(random: Random, from: readonly T[]): T => from[Math.floor(random() * from.length)] as T;

const WORDS = ['Ann', 'B.', 'Zoë', "O'Neil", '=?utf-8?Q?J=C3=B6?=', '山田', 'x+y', '-', 'of'];
const INSIDE = ['Ann', ',', '; ', ':', '<', '>', '\\"', '@', ' ', '\\\\', 'see b@old.test ', '.', '\\(', '\\)'];
const QUOTED = [...INSIDE, ':)', '(', ')'];
const BREAKS = [
  '"',
  '(',
  ')',
  '<',
  '>',
  ',',
  ';',
  ':',
  '\\',
  ':(',
  ':-)',
  '@',
  ' ',
  '\r\n ',
  '[',
  ']',
  '=?',
  'é',
  '\u0000',
  '',
];

function nameOf(random: Random): string {
  const some = (from: readonly string[], between: string) =>
    Array.from({ length: 1 + Math.floor(random() * 4) }, () => pick(random, from)).join(between);
  const kind = random();
  if (kind < 0.3) return '';
  if (kind < 0.6) return `${some(WORDS, ' ')} `;
  if (kind < 0.9) return `"${some(QUOTED, '')}"${pick(random, ['', ' '])}`;
  return `${some(WORDS, ' ')} (${some(INSIDE, '')}) `;
}

/** A field's value, the addresses that it names, and where characters stand that belong to none of them. */
function fieldOf(random: Random) {
  const addresses: string[] = [];
  const spans: [number, number][] = [];
  let text = pick(random, ['', ' ', '\r\n ']);
  const count = 1 + Math.floor(random() * 4);
  const group = random() < 0.15 ? pick(random, ['Team: ', '"A, B":']) : '';
  text += group;
  for (let i = 0; i < count; i += 1) {
    const address = `${pick(random, ['ann', 'bob.x', "o'neil", 'a+b', 'zoë'])}${i}@${pick(random, ['x.test', 'y-z.test', 'bücher.test'])}`;
    const name = nameOf(random);
    const bracketed = name !== '' || random() < 0.3;
    text += `${i === 0 ? '' : pick(random, [',', ', ', ',\r\n\t'])}${name}${bracketed ? '<' : ''}`;
    addresses.push(address);
    spans.push([text.length, text.length + address.length]);
    text += `${address}${bracketed ? '>' : ''}${random() < 0.15 ? ' (# (1%))' : ''}`;
  }
  return { text: group === '' ? text : `${text};`, addresses, spans };
}

const SEEDS = 20_000;
const FIRST = 20_261_129;
const seeds =
  process.env.SEED === undefined ? Array.from({ length: SEEDS }, (_, i) => FIRST + i) : [Number(process.env.SEED)];

describe(`generated fields (seeds ${seeds[0]} to ${seeds.at(-1)})`, () => {
  it('well-formed: exactly those that were written', () => {
    let doubted = 0;
    for (const seed of seeds) {
      const { text, addresses } = fieldOf(randomOf(seed));
      const { to, unreadable } = read(text);
      // `"… b@old.test>, …"` might be two names that lack a quote each: refused, and nobody else added.
      const doubt = unreadable.filter((each) => each !== 'b@old.test');
      expect([seed, text, to, doubt]).toEqual([seed, text, addresses, []]);
      doubted += unreadable.length > 0 ? 1 : 0;
    }
    expect(doubted).toBeLessThanOrEqual(seeds.length / 50);
  });
  it('broken: all of them and nobody else, or nothing is sent', () => {
    let sent = 0;
    for (const seed of seeds) {
      const random = randomOf(seed);
      const { text, addresses, spans } = fieldOf(random);
      let broken = text;
      const places = Array.from({ length: 1 + Math.floor(random() * 3) }, () => Math.floor(random() * text.length));
      for (const at of [...new Set(places)].sort((one, other) => other - one)) {
        const breaks = pick(random, BREAKS);
        const edge = /^[^\s"(),:;<>[\]\\@]/.test(breaks) || breaks === '@' ? 1 : 0; // it would become part of the address
        if (spans.some(([from, to]) => at > from - edge && at < to + edge)) continue;
        const cut = random() < 0.5 && !spans.some(([from, to]) => at === from || at + 1 === from || at === to) ? 1 : 0;
        broken = broken.slice(0, at) + breaks + broken.slice(at + cut);
      }
      const found = read(broken);
      if (found.unreadable.length > 0) continue;
      sent += 1;
      expect([seed, broken, [...found.to].sort()]).toEqual([seed, broken, [...addresses].sort()]);
    }
    expect(sent).toBeGreaterThan(seeds.length / 20);
  });
});
