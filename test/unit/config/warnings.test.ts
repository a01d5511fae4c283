// What a configuration is warned of, and still works: what AWS does not reach, what is probably not meant, and what has
// no effect yet.

import { describe, expect, test } from 'vitest';
import { checkConfig } from '#config/check.ts';
import { good } from './good.ts';

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

describe('what is read but not acted on yet', () => {
  test('is said by name, and only where the file asks for it', () => {
    const checked = checkConfig(
      {
        domains: ['example.com'],
        nextHops: { exchange: { kind: 'smtp', host: 'mx.example.com', port: 587, tls: 'required' } },
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
      'e.ts: notices.dkim is read, but not acted on yet in this version',
    ]);
  });
});

test('reserved concurrency is warned of, because a new account has too little', () => {
  const warningsOf = (concurrency: object) => {
    const checked = checkConfig({ ...good(), concurrency }, 'c.ts');
    return checked.kind === 'ok' ? checked.warnings.filter((line) => line.includes('concurrency')) : checked.problems;
  };
  expect(warningsOf({ reserve: true })).toEqual([
    'c.ts: concurrency.reserve: AWS reserves only while 100 executions stay unreserved, and a new account has 10 in all, so that the deploy fails there; write true once Service Quotas shows a higher quota for concurrent executions, else no reserve',
  ]);
  expect(warningsOf({ relay: 50 })).toEqual([]);
});

describe('a submitter without TLS', () => {
  const warningsOf = (from: string) => {
    const config = good();
    config.submitters = { erp: { senderDomains: ['example.com'], from: ['192.168.1.0/24', from], withoutTls: true } };
    const checked = checkConfig(config, 'c.ts');
    return checked.kind === 'ok' ? checked.warnings.filter((line) => line.includes('submitters')) : checked.problems;
  };
  test('outside private ranges', () => {
    expect(warningsOf('203.0.113.7')).toEqual([
      'c.ts: submitters.erp.withoutTls: 203.0.113.7 is no private range, so that strangers on the way can read and change this mail; write no withoutTls, or private addresses (a VPN)',
    ]);
  });
  test('within them nothing is said', () => {
    expect(warningsOf('fd00::/8')).toEqual([]);
  });
});

test('alarms that are mailed to a domain of ours are warned of', () => {
  const warningsOf = (email: unknown) => {
    const checked = checkConfig({ ...good(), alarms: { email } }, 'c.ts');
    return checked.kind === 'ok' ? checked.warnings.filter((line) => line.includes('alarms')) : checked.problems;
  };
  expect(warningsOf('ops@Example.COM')).toEqual([
    'c.ts: alarms.email: ops@example.com is in a domain of domains, so that where mail stands still, the mail about it stands still too; write an address elsewhere, such as you@example.net, also beside this one',
  ]);
  expect(warningsOf(['ops@elsewhere.example', 'ann@elsewhere.example'])).toEqual([]);
});
