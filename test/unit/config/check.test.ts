// The configuration's schema, by files: what is right becomes complete settings, and each mistake its one line.
// mistakes.txt is also the list of what a person may be told.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { checkConfig } from '#config/check.ts';

// good.json has every section that this version takes; each block of mistakes.txt spoils one place of it.
const fixtures = join(import.meta.dirname, '../../fixtures/config');
// biome-ignore lint/suspicious/noExplicitAny: the input is what a person wrote, and each case spoils it
const good = (): any => JSON.parse(readFileSync(join(fixtures, 'good.json'), 'utf8'));

function problemsOf(config: unknown): readonly string[] {
  const checked = checkConfig(config, 'c.ts');
  return checked.kind === 'wrong' ? checked.problems : [];
}

describe('what is right', () => {
  test('becomes settings: milliseconds, A-labels, defaults filled in', () => {
    const checked = checkConfig(
      {
        ...good(),
        retry: undefined,
        domains: ['Example.COM', 'bücher.example', 'example.net'],
        routes: [{ match: 'PostMaster@BÜCHER.example', to: [{ via: 'exchange' }] }, ...good().routes],
      },
      'c.ts',
    );
    if (checked.kind === 'wrong') throw new Error(checked.problems.join('\n'));
    const { settings, warnings } = checked;
    expect(warnings).toEqual([]);
    expect(settings.domains).toEqual(['example.com', 'xn--bcher-kva.example', 'example.net']);
    expect(settings.host).toBe('example.com');
    expect(settings.routes[0]?.match).toEqual(['PostMaster@xn--bcher-kva.example']);
    expect(settings.routes[1]).toEqual({
      match: ['postmaster@example.com', 'Ann@example.com'],
      direction: 'inbound',
      to: [{ via: 'exchange', address: null, copy: false, returnPath: 'keep' }],
      fallback: null,
    });
    // Mail that goes on to another address comes back to us first; nothing else is touched.
    expect(settings.routes[2]?.to[0]?.returnPath).toBe('token');
    expect(settings.returnPathDomain).toBe('bounces.example.com');
    expect(settings.nextHops.exchange).toMatchObject({
      hosts: ['mx1.example.org', '192.0.2.7'],
      ca: null,
      concurrency: null,
    });
    expect(settings.retry).toEqual({
      scheduleMs: [60_000, 300_000, 900_000, 1_800_000, 3_600_000, 7_200_000, 14_400_000],
      lifetimeMs: 172_800_000,
      delayNoticeMs: 14_400_000,
    });
    expect(settings.retentionMs).toEqual({
      spool: 604_800_000,
      versions: 259_200_000,
      ledger: 2_592_000_000,
      quarantine: 864_000_000,
    });
    expect(settings.notices).toMatchObject({ via: 'exchange', perDomainPerHour: 7, dkim: { selector: 'ep1' } });
  });

  test('needs only domains, next hops, routes and notices', () => {
    const { domains, nextHops, routes, notices } = good();
    const checked = checkConfig(
      { domains, nextHops, routes, notices: { from: notices.from, postmaster: notices.postmaster, via: 'exchange' } },
      'c.ts',
    );
    expect(checked).toMatchObject({
      kind: 'ok',
      settings: {
        stackName: 'Everpost',
        policy: { spam: 'quarantine', virus: 'quarantine', dmarcReject: 'quarantine', unscanned: 'relay' },
        notices: { mode: 'send', copyPostmasterOn: [], perDomainPerHour: 100, dkim: null },
        retentionMs: { spool: 1_209_600_000, versions: 604_800_000, ledger: 7_776_000_000, quarantine: 2_592_000_000 },
        transfer: { inbound: 'normal', outbound: 'normal' },
        trace: { subject: true, search: true },
        network: null,
      },
    });
  });

  test('every kind of next hop, with what stands where it says nothing; copies and a fallback', () => {
    const config = good();
    Object.assign(config.nextHops, {
      boxes: { kind: 'lmtp', host: 'mail.example.org', port: 24 },
      out: { kind: 'ses' },
      gone: { kind: 'refuse' },
      moved: { kind: 'refuse', status: '5.1.6', text: 'write to info@example.com' },
      trap: { kind: 'discard' },
    });
    config.routes.push({
      match: 'list@sub.example.net',
      to: [{ via: 'boxes' }, { via: 'archive', copy: true, address: 'journal@example.org' }],
      fallback: 'out',
    });
    const checked = checkConfig(config, 'c.ts');
    if (checked.kind === 'wrong') throw new Error(checked.problems.join('\n'));
    const { nextHops, routes } = checked.settings;
    expect(nextHops).toMatchObject({
      boxes: { kind: 'lmtp', hosts: ['mail.example.org'], port: 24, tls: 'opportunistic', ca: null, auth: null },
      out: { kind: 'ses' },
      gone: { kind: 'refuse', status: '5.7.1', text: 'mail to this address is refused' },
      moved: { kind: 'refuse', status: '5.1.6', text: 'write to info@example.com' },
      trap: { kind: 'discard' },
    });
    expect(routes.at(-1)).toMatchObject({
      to: [{ copy: false }, { copy: true, address: 'journal@example.org' }],
      fallback: 'out',
    });
  });

  test('submitters, with their domains as A-labels; notices may come from one of those', () => {
    const config = good();
    config.submitters = { 'cron-1': { secret: 'everpost/cron', senderDomains: ['Bücher.example', 'app.example'] } };
    config.nextHops.out = { kind: 'ses' };
    config.notices.from = 'postmaster@app.example';
    const checked = checkConfig(config, 'c.ts');
    if (checked.kind === 'wrong') throw new Error(checked.problems.join('\n'));
    expect(checked.settings.submitters).toEqual({
      'cron-1': { secret: 'everpost/cron', senderDomains: ['xn--bcher-kva.example', 'app.example'] },
    });
    expect(checked.notYet.filter((line) => line.includes('routes'))).toEqual([]);
  });

  test('delayNotice false means none; the version follows the content', () => {
    const one = checkConfig(good(), 'c.ts');
    const same = checkConfig(good(), 'another-name.ts');
    const other = checkConfig({ ...good(), stackName: 'Post' }, 'c.ts');
    if (one.kind === 'wrong' || same.kind === 'wrong' || other.kind === 'wrong') throw new Error('must be right');
    expect(one.settings.retry.delayNoticeMs).toBeNull();
    expect(one.settings.version).toMatch(/^[0-9a-f]{12}$/);
    expect(same.settings.version).toBe(one.settings.version);
    expect(other.settings.version).not.toBe(one.settings.version);
  });

  test.each([
    ['quoted local part', '"a b"@example.com'],
    ['with a label', 'bob+list@example.com'],
    ['sub-domains', '*@.example.com'],
    ['one sub-domain', '*@eu.example.com'],
    ['letters beyond ASCII', 'jürgen@example.com'],
  ])('a match may be %s', (_, match) => {
    const config = good();
    config.routes.push({ match, to: [{ via: 'archive' }] });
    expect(problemsOf(config)).toEqual([]);
  });

  test.each(['1s', '59s', '15m', '4h', '2d', '3650d'])('a duration may be %s', (duration) => {
    expect(problemsOf({ ...good(), retry: { schedule: [duration] } })).toEqual([]);
  });
});

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

describe('what works here but not in AWS is a warning', () => {
  const warningsOf = (hop: object) => {
    const config = good();
    Object.assign(config.nextHops.archive, hop);
    const checked = checkConfig(config, 'c.ts');
    return checked.kind === 'ok' ? checked.warnings : checked.problems;
  };
  test('port 25', () => {
    expect(warningsOf({ port: 25 })).toEqual([
      'c.ts: nextHops.archive.port: a function outside a VPC reaches no port 25; write network: { create: { zones: 1 } }, or 587, 465 or another port of that host',
    ]);
  });
  test.each([
    '127.0.0.1',
    '10.1.2.3',
    '172.31.0.1',
    '192.168.0.1',
    '169.254.1.1',
    '100.64.0.1',
    '[::1]',
    'fd00::1',
    'fe80::1',
    '::ffff:10.0.0.1',
    'localhost',
    'exchange',
    'mx.corp.local',
    'mx.internal',
  ])('the private host %s', (host) => {
    expect(warningsOf({ host })).toEqual([
      `c.ts: nextHops.archive.host: ${host.replace(/[[\]]/g, '')} cannot be reached from AWS without network; write network, or the host's public name`,
    ]);
  });
  test.each(['192.0.2.1', '172.32.0.1', '100.128.0.1', '2001:db8::1', 'mx.example.org', '11.0.0.1'])(
    'the host %s is not',
    (host) => {
      expect(warningsOf({ host })).toEqual([]);
    },
  );
  test('a password in the clear', () => {
    expect(warningsOf({ tls: 'off', auth: { secret: 's' } })).toEqual([
      "c.ts: nextHops.archive.tls: the password would cross the network in the clear; write 'required' or 'implicit'",
    ]);
  });
});

describe('what works and is probably not meant is a warning, and does not stop a deploy', () => {
  const checked = (change: (config: ReturnType<typeof good>) => void) => {
    const config = good();
    change(config);
    const result = checkConfig(config, 'c.ts');
    if (result.kind === 'wrong') throw new Error(result.problems.join('\n'));
    expect(result.notDeployed).toEqual([]);
    return result.warnings;
  };
  test("notices.from in somebody else's domain", () => {
    expect(checked((config) => Object.assign(config.notices, { from: 'postmaster@other.example' }))).toEqual([
      'c.ts: notices.from: other.example is none of domains, so that receivers may take notices for forgeries (SPF, DMARC); write an address such as postmaster@example.com',
    ]);
  });
  test.each(['postmaster@example.net', 'postmaster@mail.example.com', 'postmaster@app.example'])(
    'notices.from %s is ours',
    (from) => {
      const submitters = { app: { secret: 's', senderDomains: ['app.example'] } };
      expect(checked((config) => Object.assign(config, { submitters, notices: { ...config.notices, from } }))).toEqual(
        [],
      );
    },
  );
  const bySes = (config: ReturnType<typeof good>): void => {
    config.nextHops.out = { kind: 'ses' };
    config.routes[2].to = [{ via: 'out' }];
  };
  test('an outbound * by SES that also takes our own domains', () => {
    expect(checked(bySes)).toEqual([
      "c.ts: routes[2].match: '*' by SES also takes submitted mail for example.com and 1 more of domains, which " +
        "then leaves and comes back to SES; write a route before it such as { match: '*@example.com', direction: " +
        "'outbound', to: [{ via: 'exchange' }] }",
    ]);
  });
  test('it is none where routes before it take our own domains', () => {
    const before = { match: ['*@example.com', '*@example.net'], direction: 'outbound', to: [{ via: 'exchange' }] };
    const some = { ...before, match: '*@example.net' };
    const withRoute = (route: object) =>
      checked((config) => {
        bySes(config);
        config.routes.splice(2, 0, route);
      });
    expect(withRoute(before)).toEqual([]);
    expect(withRoute(some)).toEqual([expect.stringContaining('submitted mail for example.com, which')]);
  });
  test('it is none by a server of our own, nor for a domain alone', () => {
    expect(checked(() => {})).toEqual([]);
    expect(
      checked((config) => {
        bySes(config);
        config.routes[2].match = '*@far.example';
      }),
    ).toEqual([]);
  });
});

test('nothing is said of the mail server that this machine brings up itself', () => {
  const config = good();
  Object.assign(config.nextHops.archive, { host: '127.0.0.1', port: 2526, tls: 'off' });
  const builtIn = { hosts: ['127.0.0.1'], port: 2526 };
  const checked = (options: object) => checkConfig(config, 'c.ts', options);
  expect(checked({ builtIn })).toMatchObject({ warnings: [], notDeployed: [] });
  expect(checked({ builtIn: { ...builtIn, port: 2527 } })).toMatchObject({
    notDeployed: [expect.stringContaining('127.0.0.1')],
  });
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

test('one match twice is told apart by direction, and a label is not the whole mailbox', () => {
  const config = good();
  config.routes = [
    { match: ['postmaster@example.com', 'ann+list@example.com'], to: [{ via: 'exchange' }] },
    { match: ['ann@example.com', '*@example.net'], to: [{ via: 'exchange' }] },
    { match: '*@example.net', direction: 'outbound', to: [{ via: 'exchange' }] },
    { match: '*', direction: 'outbound', to: [{ via: 'exchange' }] },
    { match: '*@.example.com', to: [{ via: 'exchange' }] },
    { match: '*@example.com', to: [{ via: 'exchange' }] },
  ];
  expect(problemsOf(config)).toEqual([]);
});

test('many routes are compared in linear time', () => {
  const cpuMs = (routes: number): number => {
    const config = good();
    for (let each = 0; each < routes; each += 1)
      config.routes.push({ match: `u${each}@a.b.c.d.example.com`, to: [{ via: 'exchange' }] });
    const before = process.cpuUsage();
    expect(problemsOf(config)).toEqual([]);
    const { user } = process.cpuUsage(before);
    return user / 1000;
  };
  cpuMs(1000); // warm
  expect(cpuMs(16_000) / cpuMs(4000)).toBeLessThan(12); // 4 where it is linear, 16 where it is quadratic
});

describe('what is read but not acted on yet', () => {
  test('is said by name, and only where the file asks for it', () => {
    const checked = checkConfig(
      {
        domains: ['example.com'],
        nextHops: { exchange: { kind: 'smtp', host: 'mx.example.com', port: 587, tls: 'required', concurrency: 4 } },
        routes: [{ match: '*@example.com', to: [{ via: 'exchange' }] }],
        retry: { schedule: ['1m'], lifetime: '1h', delayNotice: '30m' },
        retention: { spool: '15d' },
        notices: {
          from: 'postmaster@example.com',
          postmaster: 'postmaster@example.com',
          via: 'exchange',
          dkim: { secret: 'everpost/dkim', selector: 'ep1' },
        },
      },
      'e.ts',
    );
    expect(checked.kind === 'ok' && checked.notYet).toEqual([
      'e.ts: nextHops.exchange.concurrency is read, but not acted on yet in this version',
      'e.ts: notices.dkim is read, but not acted on yet in this version',
    ]);
  });
});
