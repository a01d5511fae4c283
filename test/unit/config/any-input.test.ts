// Whatever a module exports, the check answers: settings or lines, never an exception and never a wait.
// The values are put in every place of a configuration that is right.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { checkConfig } from '#config/check.ts';

type Tree = { [key: string]: Tree } | Tree[] | string | number | boolean;
const good = (): { [key: string]: Tree } =>
  JSON.parse(readFileSync(join(import.meta.dirname, '../../fixtures/config/good.json'), 'utf8'));

const cyclic: Record<string, unknown> = { domains: ['example.com'] };
cyclic.nextHops = cyclic;
cyclic.routes = [cyclic];
cyclic.notices = cyclic;
const ring: unknown[] = [];
ring.push(ring);
const revoked = Proxy.revocable({}, {});
revoked.revoke();
const throwing = new Proxy(
  {},
  {
    ownKeys: () => {
      throw new Error('ownKeys');
    },
  },
);
const thrower = (): never => {
  throw new Error('read me not');
};

const VALUES: readonly (readonly [string, unknown, string | null])[] = [
  ['a cyclic object', cyclic, null],
  ['a cyclic list', ring, null],
  ['a Map', new Map([['domains', ['example.com']]]), 'a Map'],
  ['a Set', new Set(['example.com']), 'a Set'],
  ['a Date', new Date(0), 'a Date'],
  ['an invalid Date', new Date(Number.NaN), 'a Date'],
  ['a RegExp', /./, 'a RegExp'],
  ['an Error', new Error('x'), 'an Error'],
  ['a Promise', Promise.resolve({}), 'a Promise'],
  ['a typed array', new Uint8Array(4), 'an Uint8Array'],
  ['a boxed string', Object('example.com'), 'a String'],
  ['a function', () => good(), 'a function'],
  ['a class', class Settings {}, 'a function'],
  ['a symbol', Symbol('domains'), 'a symbol'],
  ['a bigint', 10n, 'a bigint'],
  ['NaN', Number.NaN, 'NaN'],
  ['infinity', Number.POSITIVE_INFINITY, 'Infinity'],
  ['null', null, 'null'],
  [
    'a getter that throws',
    {
      get kind() {
        return thrower();
      },
      get from() {
        return thrower();
      },
    },
    null,
  ],
  ['toJSON and toString that throw', { toJSON: thrower, toString: thrower, valueOf: thrower }, null],
  [
    'a tag that throws',
    {
      get [Symbol.toStringTag]() {
        return thrower();
      },
    },
    'a value that cannot be read',
  ],
  ['a tag of its own', { [Symbol.toStringTag]: 'x\ny' }, null],
  ['a revoked proxy', revoked.proxy, 'a value that cannot be read'],
  ['a proxy that throws', throwing, null],
  ['an object without prototype', Object.create(null), null],
  ['an object with inherited keys', Object.create({ kind: 'smtp', from: 'a@example.com' }), null],
  ['a key __proto__', JSON.parse('{"__proto__": {"kind": "smtp"}, "constructor": 1}'), null],
  ['symbols as keys', { [Symbol('kind')]: 'smtp' }, null],
  ['a list with holes', new Array(5), null],
  ['a list without end', new Array(4_000_000_000), null],
  ['a long list', new Array(100_000).fill('x'), null],
  ['a long text', 'x'.repeat(1_000_000), null],
  ['half a character', '\ud800', null],
  ['a text with line ends', 'a\n\u2028b', null],
];

/** Every place of a configuration, as a path. */
function places(tree: Tree, at: readonly string[] = []): (readonly string[])[] {
  if (typeof tree !== 'object') return [at];
  return [at, ...Object.entries(tree).flatMap(([key, each]) => places(each, [...at, key]))];
}

function withValue(path: readonly string[], value: unknown): unknown {
  if (path.length === 0) return value;
  const config: Record<string, unknown> = good();
  const [last = '', ...above] = path.toReversed();
  const parent = above.toReversed().reduce((of, key) => of[key] as Record<string, unknown>, config);
  parent[last] = value;
  return config;
}

describe.each(VALUES)('%s', (name, value, named) => {
  test('gives lines, each on one line and short, in every place', () => {
    // What is large is put in the sections alone.
    const large = /long|end/.test(name);
    for (const path of places(good()).filter(({ length }) => !large || length < 2)) {
      const checked = checkConfig(withValue(path, value), 'c.ts');
      const lines = checked.kind === 'wrong' ? checked.problems : [...checked.warnings, ...checked.notYet];
      if (checked.kind === 'wrong') expect(lines.length).toBeGreaterThan(0);
      expect(lines.length).toBeLessThanOrEqual(201);
      for (const line of lines) {
        expect(line).toMatch(/^c\.ts: [^\n\r\u2028\u0000-\u001f]+$/);
        expect(line.length).toBeLessThan(1000);
      }
    }
  });
  if (named !== null)
    test('is called by its name', () => {
      const { problems } = checkConfig({ ...good(), notices: value }, 'c.ts') as { problems: readonly string[] };
      expect(problems).toEqual([
        expect.stringMatching(new RegExp(`^c\\.ts: notices: ${named} is no object; write \\{ from`)),
      ]);
    });
});

test('a list whose elements throw', () => {
  const list = ['example.com', 'x'];
  Object.defineProperty(list, 1, { get: thrower, enumerable: true });
  expect(checkConfig({ ...good(), domains: list }, 'c.ts')).toMatchObject({
    problems: ['c.ts: domains[1]: a value that cannot be read is no domain name; write a domain such as example.com'],
  });
});

test('a long key is shown in part', () => {
  const long = 'k'.repeat(1_000_000);
  const checked = checkConfig({ ...good(), [long]: 1, nextHops: { [long]: {} }, trace: { [`${long}.`]: 1 } }, 'c.ts');
  const problems = checked.kind === 'wrong' ? checked.problems : [];
  expect(problems.length).toBeGreaterThan(2);
  for (const line of problems) expect(line.length).toBeLessThan(400);
});

test('what stands where many things should is looked at once', () => {
  const before = process.cpuUsage();
  checkConfig({ ...good(), nextHops: 'x'.repeat(5_000_000), routes: 'x'.repeat(5_000_000) }, 'c.ts');
  expect(process.cpuUsage(before).user / 1000).toBeLessThan(1000); // 10 s, where each character is taken for a next hop
});

test('very many mistakes that each cost a look take no long time', () => {
  const domains = Array.from({ length: 10_000 }, (_, index) => `domain-with-a-long-name-${index}.example`);
  const via = { to: [{ via: 'unknown' }] };
  const routes = Array.from({ length: 50_000 }, (_, index) => ({
    match: `*@domain-with-a-lang-name-${index}.test`,
    ...via,
  }));
  const nextHops = Object.fromEntries(Array.from({ length: 20_000 }, (_, index) => [`hop-${index}`, { kind: 'ses' }]));
  const before = process.cpuUsage();
  const checked = checkConfig({ ...good(), domains, routes, nextHops }, 'c.ts');
  expect(process.cpuUsage(before).user / 1000).toBeLessThan(15_000); // 2 s; minutes, where each line is made
  expect(checked.kind === 'wrong' && checked.problems.length).toBe(201);
});

test('a list that is too long is one line', () => {
  expect(checkConfig({ ...good(), domains: new Array(4_000_000_000) }, 'c.ts')).toEqual({
    kind: 'wrong',
    problems: ['c.ts: domains: the list has 4000000000 elements; write at most 100000'],
  });
});

test('of very many mistakes the first are told, and how many more there are', () => {
  const checked = checkConfig({ ...good(), domains: new Array(100_000).fill('x') }, 'c.ts');
  const problems = checked.kind === 'wrong' ? checked.problems : [];
  expect(problems).toHaveLength(201);
  expect(problems.at(-1)).toBe('c.ts: and 99800 more');
});

test('an instance of a class, and a module, are objects like any other', () => {
  class Configuration {
    domains = ['example.com'];
  }
  const config = Object.assign(new Configuration(), { ...good(), domains: ['example.com'] }) as unknown as Record<
    string,
    unknown
  >;
  config.routes = [{ match: '*@example.com', to: [{ via: 'exchange' }] }];
  expect(checkConfig(config, 'c.ts')).toMatchObject({ kind: 'ok' });
  expect(checkConfig(Object.freeze(Object.assign(Object.create(null), config)), 'c.ts')).toMatchObject({ kind: 'ok' });
});
