// A configuration that is right becomes complete settings: defaults, milliseconds, A-labels. Its mistakes are in
// mistakes.test.ts, what is only warned of in warnings.test.ts.

import { describe, expect, test } from 'vitest';
import { checkConfig } from '#config/check.ts';
import { good, problemsOf } from './good.ts';

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
      concurrency: 20,
      messagesPerSecond: null,
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
        alarms: { set: 'all', dashboard: true },
        concurrency: { relay: 2, slowRelay: 2, ingest: 2, feedback: 2, reserve: false },
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
