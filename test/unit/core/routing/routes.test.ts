// Which route takes a forward-path: matches, labels, sub-domains, the order of the file, and what finding one costs.
// Pure tables; the cost is counted in look-ups, never in time.

import { describe, expect, test, vi } from 'vitest';
import type { RouteSettings } from '#config/settings.ts';
import type { Mailbox } from '#core/message/address.ts';
import { compileRoutes, parseMatch } from '#core/routing/routes.ts';

function mailbox(localPart: string, domain: string): Mailbox {
  return { address: `${localPart}@${domain}`, localPart, domain, domainKey: domain.toLowerCase() };
}

function routesOf(...matches: (string | readonly string[])[]): RouteSettings[] {
  return matches.map((match) => ({
    match: typeof match === 'string' ? [match] : match,
    direction: 'inbound',
    to: [{ via: 'hop', address: null, copy: false, returnPath: 'keep' }],
    fallback: null,
  }));
}

function routeOf(matches: (string | readonly string[])[], localPart: string, domain: string): number | null {
  return compileRoutes(routesOf(...matches)).resolve(mailbox(localPart, domain), 'inbound')?.route ?? null;
}

test.each<[match: string, localPart: string, domain: string, taken: boolean]>([
  // user@domain, with and without a label
  ['ann@a.example', 'ann', 'a.example', true],
  ['ann@a.example', 'ANN', 'A.Example', true],
  ['Ann@A.EXAMPLE', 'ann', 'a.example', true],
  ['ann@a.example', 'ann+list', 'a.example', true],
  ['ann@a.example', 'ann+list+more', 'a.example', true],
  ['ann@a.example', 'ann+', 'a.example', true],
  ['ann@a.example', 'anna', 'a.example', false],
  // not RFC 5321's grammar, but real providers gave such addresses out
  ['a..b.@a.example', 'a..b.', 'a.example', true],
  ['ann@a.example', 'ann-list', 'a.example', false],
  ['ann@a.example', '+ann', 'a.example', false],
  ['ann@a.example', 'ann', 'b.a.example', false],
  ['ann@a.example', 'ann', 'b.example', false],
  ['a.n@a.example', 'an', 'a.example', false],
  // user+label@domain takes only itself
  ['ann+list@a.example', 'ann+list', 'a.example', true],
  ['ann+list@a.example', 'Ann+LIST', 'a.example', true],
  ['ann+list@a.example', 'ann', 'a.example', false],
  ['ann+list@a.example', 'ann+other', 'a.example', false],
  ['ann+list@a.example', 'ann+list+more', 'a.example', false],
  ['+x@a.example', '+x', 'a.example', true],
  ['+x@a.example', '', 'a.example', false],
  // quoting is resolved on both sides
  ['"a b"@a.example', 'a b', 'a.example', true],
  ['"ann"@a.example', 'ann', 'a.example', true],
  ['"a\\"b"@a.example', 'a"b', 'a.example', true],
  ['"*"@a.example', '*', 'a.example', true],
  ['"*"@a.example', 'ann', 'a.example', false],
  ['"@b.example"@a.example', '@b.example', 'a.example', true],
  // letters beyond ASCII, composed or not
  ['j\u00fcrgen@a.example', 'ju\u0308rgen', 'a.example', true],
  ['J\u00dcRGEN@a.example', 'j\u00fcrgen', 'a.example', true],
  // *@domain
  ['*@a.example', 'anyone', 'a.example', true],
  ['*@a.example', '', 'a.example', true],
  ['*@a.example', 'any+label', 'a.example', true],
  ['*@a.example', 'any', 'b.a.example', false],
  ['*@a.example', 'any', 'xa.example', false],
  ['*@b\u00fccher.example', 'any', 'xn--bcher-kva.example', true],
  // *@.domain
  ['*@.a.example', 'any', 'b.a.example', true],
  ['*@.a.example', 'any', 'c.b.a.example', true],
  ['*@.a.example', 'any', 'a.example', false],
  ['*@.a.example', 'any', 'ba.example', false],
  // address literals are no domains with parents
  ['*@.0.2.1]', 'any', '[192.0.2.1]', false],
])('%s takes %s at %s: %s', (match, localPart, domain, taken) => {
  if (parseMatch(match) === null) expect(taken).toBe(false);
  else expect(routeOf([match], localPart, domain)).toBe(taken ? 0 : null);
});

describe('the first route in the file wins', () => {
  test.each<[matches: (string | string[])[], localPart: string, domain: string, route: number]>([
    [['*@a.example', 'ann@a.example'], 'ann', 'a.example', 0],
    [['ann@a.example', '*@a.example'], 'ann', 'a.example', 0],
    [['ann@a.example', '*@a.example'], 'bob', 'a.example', 1],
    [['ann+list@a.example', 'ann@a.example'], 'ann+list', 'a.example', 0],
    [['ann@a.example', 'ann+list@a.example'], 'ann+list', 'a.example', 0],
    [['*@.a.example', '*@b.a.example', 'x@b.a.example'], 'x', 'b.a.example', 0],
    [['*@.b.a.example', '*@.a.example'], 'x', 'c.b.a.example', 0],
    [['*@.a.example', '*@.b.a.example'], 'x', 'c.b.a.example', 0],
    [[['x@a.example', '*@b.example'], 'x@b.example'], 'x', 'b.example', 0],
    [['y@a.example', 'x@a.example', 'x@a.example'], 'x', 'a.example', 1],
  ])('%j: %s@%s goes by route %i', (matches, localPart, domain, route) => {
    expect(routeOf(matches, localPart, domain)).toBe(route);
  });
});

test('directions are kept apart, and * takes everything outbound', () => {
  const [inbound, outbound] = routesOf('*@a.example', '*');
  if (!inbound || !outbound) throw new Error('two routes');
  const table = compileRoutes([inbound, { ...outbound, direction: 'outbound' }]);
  expect(table.resolve(mailbox('x', 'far.example'), 'inbound')).toBeNull();
  expect(table.resolve(mailbox('x', 'far.example'), 'outbound')).toEqual({
    route: 1,
    actions: outbound.to,
    fallback: null,
  });
  expect(table.resolve(mailbox('x', '[192.0.2.1]'), 'outbound')?.route).toBe(1);
  expect(table.resolve(mailbox('x', 'a.example'), 'inbound')?.route).toBe(0);
});

test('a match that was not validated is a bug, not a route that never matches', () => {
  expect(() => compileRoutes(routesOf('ann'))).toThrow('routes[0].match was not validated: "ann"');
});

test.each([
  '',
  '@',
  'ann',
  '@a.example',
  'ann@',
  'ann@a',
  'a b@a.example',
  'ann@-a.example',
  '*@',
  '*@.',
  '""@a.example',
  '*x@a.example',
  `${'x'.repeat(256)}@a.example`,
  'ann@a.example.',
  '*@*.a.example',
])('%j is no match', (text) => {
  expect(parseMatch(text)).toBeNull();
});

test('finding a route costs the same among ten and among a hundred thousand', () => {
  const lookups = (count: number) => {
    const routes = routesOf(
      Array.from({ length: count - 1 }, (_, n) => `user${n}@d${n % 1000}.example`),
      '*@.sub.example',
    );
    const table = compileRoutes(routes);
    const get = vi.spyOn(Map.prototype, 'get');
    try {
      expect(table.resolve(mailbox('nobody+label', 'a.b.sub.example'), 'inbound')?.route).toBe(1);
      return get.mock.calls.length;
    } finally {
      get.mockRestore();
    }
  };
  const few = lookups(10);
  expect(few).toBe(7); // address, address without its label, domain, three parents, everything
  expect(lookups(100_000)).toBe(few);
});
