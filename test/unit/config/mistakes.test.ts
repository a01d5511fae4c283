// Each mistake of a configuration has its one line: where, what is wrong, what to write. mistakes.txt is also the list
// of what a person may be told.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { fixtures, good, problemsOf } from './good.ts';

describe('one line for each mistake: where, what is wrong, what to write', () => {
  for (const block of readFileSync(join(fixtures, 'mistakes.txt'), 'utf8').split('\n\n')) {
    const lines = block.split('\n').filter((line) => line !== '');
    const [name] = lines;
    if (name === undefined) continue;
    test(name.slice(2), () => {
      const edits = lines.filter((line) => !/^[#>] /.test(line));
      const expected = lines.filter((line) => line.startsWith('> ')).map((line) => line.slice(2));
      expect(problemsOf(edits.reduce(spoil, good()))).toEqual(expected);
    });
  }
});

/** `routes[0].to[0].via = "x"`; nothing after the = takes the key away. */
function spoil(config: unknown, edit: string): unknown {
  const [, path, json] = /^(.+?) =(?: (.+))?$/.exec(edit) ?? [];
  if (path === undefined) throw new Error(`mistakes.txt: not an edit: ${edit}`);
  const value: unknown = json === undefined ? undefined : JSON.parse(json);
  if (path === '(the whole file)') return value;
  const keys = [...path.matchAll(/\["(.+?)"\]|\[(\d+)\]|([^.[\]]+)/g)].map(
    (found) => found[1] ?? found[2] ?? found[3] ?? '',
  );
  const last = keys.pop() ?? '';
  // biome-ignore lint/suspicious/noExplicitAny: as above
  const place = keys.reduce((at: any, key) => at[key], config);
  if (value === undefined) delete place[last];
  else place[last] = value;
  return config;
}

test('all mistakes come at once, each on one line', () => {
  const config = good();
  config.domains[0] = 'x\ny';
  config.nextHops.exchange.port = 99_999;
  config.routes[1].to[0].via = 'a\nb';
  config.policy.virus = null;
  const problems = problemsOf(config);
  expect(problems).toHaveLength(4);
  for (const problem of problems) expect(problem).not.toContain('\n');
});

test('a next hop cannot be named __proto__', () => {
  const config = good();
  Object.defineProperty(config.nextHops, '__proto__', { value: { kind: 'ses' }, enumerable: true });
  expect(problemsOf(config)).toEqual([
    'c.ts: nextHops.__proto__: "__proto__" cannot name a next hop; write up to 64 letters, digits, dots, hyphens and underscores, a letter or digit first',
  ]);
});

test('a key with a byte order mark is shown with it', () => {
  expect(problemsOf({ ...good(), trace: undefined, '\ufefftrace': {} })).toEqual([
    'c.ts: ["\\ufefftrace"]: there is no such key; write trace',
  ]);
});

describe('examples are for this file', () => {
  const domain = (edit: (config: ReturnType<typeof good>) => void): readonly string[] => {
    const text = JSON.stringify(good())
      .replaceAll(/example\.com/gi, 'acme.example')
      .replaceAll('exchange', 'mx');
    const config = JSON.parse(text);
    edit(config);
    return problemsOf(config);
  };
  test('with a domain of it', () => {
    expect(domain((config) => delete config.notices)).toEqual([
      "c.ts: notices: it is missing; write { from: 'postmaster@acme.example', postmaster: 'postmaster@acme.example' }",
    ]);
  });
  test('with a next hop of it', () => {
    expect(domain((config) => Object.assign(config.routes[1], { to: 7 }))).toEqual([
      "c.ts: routes[1].to: 7 is no list; write [{ via: 'mx' }]",
    ]);
  });
  test('and what the file says itself is shown as it stands', () => {
    expect(domain((config) => Object.assign(config.notices, { from: 'a b@example.com' }))).toEqual([
      'c.ts: notices.from: "a b@example.com" is no address; write an address such as postmaster@acme.example',
    ]);
  });
});
