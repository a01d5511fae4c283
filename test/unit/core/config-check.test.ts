import { describe, expect, test } from 'vitest';
import { checkConfig } from '#core/config-check.ts';

// A configuration with every section that this version takes, so that each case below is one mistake in it.
function good(): Loose {
  return {
    stackName: 'Everpost',
    domains: ['example.com', 'example.net'],
    nextHops: {
      exchange: {
        kind: 'smtp',
        host: ['mx1.example.org', '192.0.2.7'],
        port: 587,
        tls: 'required',
        auth: { secret: 'everpost/exchange' },
      },
      archive: {
        kind: 'smtp',
        host: 'archive.example.org',
        port: 465,
        tls: 'implicit',
        concurrency: 4,
        messagesPerSecond: 2.5,
      },
    },
    routes: [
      { match: ['postmaster@example.com', 'Ann@EXAMPLE.com'], to: [{ via: 'exchange' }] },
      { match: '*@example.net', to: [{ via: 'archive', address: 'box@archive.example' }] },
      { match: '*', direction: 'outbound', to: [{ via: 'exchange' }] },
    ],
    retry: { schedule: ['1s', '2m'], lifetime: '1h', delayNotice: false },
    policy: { spam: 'relay', virus: 'refuse', dmarcReject: 'quarantine' },
    notices: {
      from: 'mailer-daemon@example.com',
      postmaster: 'postmaster@example.com',
      via: 'exchange',
      mode: 'send',
      copyPostmasterOn: ['expired', '5.7.*'],
      perDomainPerHour: 7,
      dkim: { secret: 'everpost/dkim', selector: 'ep1' },
    },
    retention: { spool: '7d', versions: '3d', ledger: '30d', quarantine: '10d' },
    transfer: { inbound: 'normal' },
    feedback: { confirm: false },
    trace: { subject: false, search: true },
  };
}
// biome-ignore lint/suspicious/noExplicitAny: the input is what a person wrote; each case spoils one place of it
type Loose = any;

function problemsOf(spoil: (config: Loose) => unknown): readonly string[] {
  const config = good();
  const replaced = spoil(config);
  const checked = checkConfig(
    typeof replaced === 'object' && replaced !== null && 'instead' in replaced ? replaced.instead : config,
    'c.ts',
  );
  return checked.kind === 'wrong' ? checked.problems : [];
}
const instead = (value: unknown) => ({ instead: value });
const DURATIONS = "a number of seconds, minutes, hours or days such as '30s', '15m', '4h' or '2d'";

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
    });
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
        policy: { spam: 'quarantine', virus: 'quarantine', dmarcReject: 'quarantine' },
        notices: { mode: 'send', copyPostmasterOn: [], perDomainPerHour: 100, dkim: null },
        retentionMs: { spool: 1_209_600_000, versions: 604_800_000, ledger: 7_776_000_000, quarantine: 2_592_000_000 },
        transfer: { inbound: 'normal', outbound: 'normal' },
        trace: { subject: true, search: true },
        network: null,
      },
    });
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
    ['with a label', 'ann+list@example.com'],
    ['sub-domains', '*@.example.com'],
    ['one sub-domain', '*@eu.example.com'],
    ['letters beyond ASCII', 'jürgen@example.com'],
  ])('a match may be %s', (_, match) => {
    expect(problemsOf((c) => c.routes.push({ match, to: [{ via: 'archive' }] }))).toEqual([]);
  });

  test.each(['1s', '59s', '15m', '4h', '2d', '3650d'])('a duration may be %s', (duration) => {
    expect(
      problemsOf((c) => {
        c.retry.schedule = [duration];
      }),
    ).toEqual([]);
  });
});

// One line for each mistake: where, what is wrong, what to write.
test.each<[string, (config: Loose) => unknown, string[]]>([
  ['no object', () => instead([]), ['c.ts: a list is no object; write { … }']],
  ['nothing at all', () => instead(undefined), ['c.ts: nothing is no object; write { … }']],
  [
    'a mistyped key',
    (c) => {
      c.nextHop = {};
    },
    ['c.ts: nextHop: there is no such key; write nextHops'],
  ],
  [
    'a strange key',
    (c) => {
      c.relays = 1;
    },
    [
      'c.ts: relays: there is no such key; write one of stackName, domains, nextHops, routes, submitters, retry, policy, notices, returnPathDomain, retention, transfer, feedback, trace, network, dns',
    ],
  ],
  [
    'a mistyped key further in',
    (c) => {
      c.routes[0].to[0].adress = 'a@b.example';
    },
    ['c.ts: routes[0].to[0].adress: there is no such key; write address'],
  ],
  [
    'stackName',
    (c) => {
      c.stackName = '1st_stack';
    },
    ['c.ts: stackName: "1st_stack" is no stack name; write a letter, then up to 29 letters, digits and hyphens'],
  ],
  [
    'no domains',
    (c) => {
      delete c.domains;
    },
    ['c.ts: domains: it is missing; write [domain, …]'],
  ],
  [
    'empty domains',
    (c) => {
      c.domains = [];
    },
    ['c.ts: domains: the list is empty; write at least one domain'],
  ],
  [
    'a domain of one label',
    (c) => {
      c.domains.push('localhost');
    },
    ['c.ts: domains[2]: "localhost" is no domain name; write a domain such as example.com'],
  ],
  [
    'a domain with a closing dot',
    (c) => {
      c.domains[1] = 'example.net.';
    },
    ['c.ts: domains[1]: "example.net." is no domain name; write a domain such as example.com'],
  ],
  [
    'an IP address as domain',
    (c) => {
      c.domains.push('192.0.2.1');
    },
    ['c.ts: domains[2]: "192.0.2.1" is no domain name; write a domain such as example.com'],
  ],
  [
    'a domain twice, in two spellings',
    (c) => {
      c.domains.push('EXAMPLE.com');
    },
    ['c.ts: domains[2]: example.com is named already at domains[0]; write each domain once'],
  ],
  [
    'a domain without postmaster',
    (c) => {
      c.routes[0].match = 'ann@example.com';
    },
    [
      "c.ts: domains[0]: no route takes postmaster@example.com (RFC 5321 §4.5.1); write a route with match 'postmaster@example.com' or '*@example.com'",
    ],
  ],
  [
    'an outbound route takes no postmaster',
    (c) => {
      c.routes[1].direction = 'outbound';
    },
    [
      "c.ts: domains[1]: no route takes postmaster@example.net (RFC 5321 §4.5.1); write a route with match 'postmaster@example.net' or '*@example.net'",
    ],
  ],
  [
    'no next hop',
    (c) => {
      c.nextHops = {};
      c.routes = [c.routes[0]];
    },
    [
      "c.ts: nextHops: there is no next hop; write at least one, such as exchange: { kind: 'smtp', … }",
      'c.ts: routes[0].to[0].via: no next hop is named "exchange"; write the name of a next hop that nextHops has',
      'c.ts: notices.via: no next hop is named "exchange"; write the name of a next hop that nextHops has',
    ],
  ],
  [
    'a next hop with a strange name',
    (c) => {
      c.nextHops['my hop'] = c.nextHops.archive;
    },
    [
      'c.ts: nextHops["my hop"]: "my hop" can not name a next hop; write up to 64 letters, digits, dots, hyphens and underscores, a letter or digit first',
    ],
  ],
  [
    'a next hop that is text',
    (c) => {
      c.nextHops.archive = 'smtp';
    },
    ['c.ts: nextHops.archive: "smtp" is no object; write { … }'],
  ],
  [
    'no kind',
    (c) => {
      delete c.nextHops.archive.kind;
    },
    ['c.ts: nextHops.archive.kind: it is missing; write smtp'],
  ],
  [
    'an unknown kind',
    (c) => {
      c.nextHops.archive.kind = 'stmp';
    },
    ['c.ts: nextHops.archive.kind: "stmp" is none of its values; write smtp'],
  ],
  ...['lmtp', 'ses', 's3', 'webhook', 'refuse', 'discard'].map(
    (kind): [string, (config: Loose) => unknown, string[]] => [
      `a next hop of kind ${kind}`,
      (c) => {
        c.nextHops.archive = { kind };
      },
      [
        `c.ts: nextHops.archive.kind: a next hop of kind "${kind}" is not built yet in this version; write kind: 'smtp'`,
      ],
    ],
  ),
  [
    'no host',
    (c) => {
      delete c.nextHops.archive.host;
    },
    ["c.ts: nextHops.archive.host: it is missing; write a host name or an IP address such as 'mail.example.com'"],
  ],
  [
    'no hosts',
    (c) => {
      c.nextHops.archive.host = [];
    },
    ['c.ts: nextHops.archive.host: the list is empty; write at least one host'],
  ],
  [
    'a bad host among several',
    (c) => {
      c.nextHops.exchange.host[1] = 'mail.example.org:25';
    },
    [
      'c.ts: nextHops.exchange.host[1]: "mail.example.org:25" is no host; write a host name or an IP address such as \'mail.example.com\'',
    ],
  ],
  [
    'a port as text',
    (c) => {
      c.nextHops.archive.port = '465';
    },
    ['c.ts: nextHops.archive.port: "465" is no whole number from 1 to 65535; write a number from 1 to 65535'],
  ],
  [
    'port 0',
    (c) => {
      c.nextHops.archive.port = 0;
    },
    ['c.ts: nextHops.archive.port: 0 is no whole number from 1 to 65535; write a number from 1 to 65535'],
  ],
  [
    'tls missing',
    (c) => {
      delete c.nextHops.archive.tls;
    },
    ['c.ts: nextHops.archive.tls: it is missing; write one of implicit, required, opportunistic, off'],
  ],
  [
    'tls mistyped',
    (c) => {
      c.nextHops.archive.tls = 'requird';
    },
    ['c.ts: nextHops.archive.tls: "requird" is none of its values; write required'],
  ],
  [
    'tls: true',
    (c) => {
      c.nextHops.archive.tls = true;
    },
    ['c.ts: nextHops.archive.tls: true is none of its values; write one of implicit, required, opportunistic, off'],
  ],
  [
    'ca',
    (c) => {
      c.nextHops.archive.ca = 'ca.pem';
    },
    [
      'c.ts: nextHops.archive.ca: "ca.pem" is no PEM certificate and no readable PEM file; write the PEM text of the certificate authority, or the path of a PEM file',
    ],
  ],
  [
    'auth without secret',
    (c) => {
      c.nextHops.archive.auth = { user: 'x' };
    },
    [
      'c.ts: nextHops.archive.auth.user: there is no such key; write secret',
      "c.ts: nextHops.archive.auth.secret: it is missing; write the name of a secret in Secrets Manager such as 'everpost/exchange'",
    ],
  ],
  [
    'a secret as ARN',
    (c) => {
      c.nextHops.archive.auth = { secret: 'arn:aws:secretsmanager:eu-west-1:1:secret:x' };
    },
    [
      'c.ts: nextHops.archive.auth.secret: "arn:aws:secretsmanager:eu-west-1:1:secret:x" is no name of a secret; write the name of a secret in Secrets Manager such as \'everpost/exchange\'',
    ],
  ],
  [
    'concurrency',
    (c) => {
      c.nextHops.archive.concurrency = 1.5;
    },
    ['c.ts: nextHops.archive.concurrency: 1.5 is no whole number from 1 to 1000; write a number from 1 to 1000'],
  ],
  [
    'messagesPerSecond',
    (c) => {
      c.nextHops.archive.messagesPerSecond = -1;
    },
    [
      'c.ts: nextHops.archive.messagesPerSecond: -1 is no number above 0 and up to 10000; write a number such as 10 or 0.5',
    ],
  ],
  [
    'no routes',
    (c) => {
      c.routes = [];
    },
    ['c.ts: routes: the list is empty; write at least one route'],
  ],
  [
    'an unknown next hop',
    (c) => {
      c.routes[1].to[0].via = 'exchnage';
    },
    ['c.ts: routes[1].to[0].via: no next hop is named "exchnage"; write one of exchange, archive'],
  ],
  [
    'a next hop that every object has',
    (c) => {
      c.routes[1].to[0].via = 'constructor';
    },
    ['c.ts: routes[1].to[0].via: no next hop is named "constructor"; write one of exchange, archive'],
  ],
  [
    'via as a number',
    (c) => {
      c.routes[1].to[0].via = 3;
    },
    ["c.ts: routes[1].to[0].via: 3 is no next hop's name; write one of exchange, archive"],
  ],
  [
    '* for inbound mail',
    (c) => {
      c.routes[2].direction = 'inbound';
    },
    [
      "c.ts: routes[2].match: '*' alone would take mail for every domain; write '*@' and a domain, or direction: 'outbound'",
    ],
  ],
  [
    'a match that is none',
    (c) => {
      c.routes[0].match[1] = 'ann';
    },
    [
      'c.ts: routes[0].match[1]: "ann" is no match; write user@example.com, *@example.com, *@.example.com (its sub-domains), or * where direction is \'outbound\'',
    ],
  ],
  [
    'a pattern within a local part',
    (c) => {
      c.routes[0].match[1] = 'ann-*@example.com';
    },
    [
      'c.ts: routes[0].match[1]: "ann-*@example.com" is no match; write user@example.com, *@example.com, *@.example.com (its sub-domains), or * where direction is \'outbound\'',
    ],
  ],
  [
    'a match in a domain that is mistyped',
    (c) => {
      c.routes[0].match[1] = 'ann@exmaple.com';
    },
    ['c.ts: routes[0].match[1]: we do not receive for exmaple.com; write example.com'],
  ],
  [
    'a match in a domain that is not ours',
    (c) => {
      c.routes[0].match[1] = '*@other.test';
    },
    [
      'c.ts: routes[0].match[1]: we do not receive for other.test; write other.test among domains, or a match in one of them',
    ],
  ],
  [
    'a direction',
    (c) => {
      c.routes[2].direction = 'outward';
    },
    ['c.ts: routes[2].direction: "outward" is none of its values; write one of inbound, outbound'],
  ],
  [
    'no action',
    (c) => {
      c.routes[1].to = [];
    },
    ['c.ts: routes[1].to: the list is empty; write at least one action'],
  ],
  [
    'to as one action',
    (c) => {
      c.routes[1].to = { via: 'archive' };
    },
    ['c.ts: routes[1].to: an object is no list; write [action, …]'],
  ],
  [
    'an address',
    (c) => {
      c.routes[1].to[0].address = 'box';
    },
    ['c.ts: routes[1].to[0].address: "box" is no address; write an address such as postmaster@example.com'],
  ],
  [
    'a wildcard as address',
    (c) => {
      c.routes[1].to[0].address = '*@example.com';
    },
    ['c.ts: routes[1].to[0].address: "*@example.com" is no address; write an address such as postmaster@example.com'],
  ],
  [
    'a first action that is a copy',
    (c) => {
      c.routes[1].to[0].copy = true;
    },
    [
      'c.ts: routes[1].to[0].copy: the first action answers to the sender and can be no copy; write copy on the further actions alone',
    ],
  ],
  [
    'a further action that is no copy',
    (c) => {
      c.routes[1].to.push({ via: 'exchange' });
    },
    ['c.ts: routes[1].to[1]: only the first action answers to the sender; write copy: true for this one'],
  ],
  [
    'several actions',
    (c) => {
      c.routes[1].to.push({ via: 'exchange', copy: true });
    },
    ['c.ts: routes[1].to[1]: a route with several actions is not built yet in this version; write one action'],
  ],
  [
    'a return path',
    (c) => {
      c.routes[1].to[0].returnPath = 'srs';
    },
    ['c.ts: routes[1].to[0].returnPath: the return path "srs" is not built yet in this version; write \'keep\''],
  ],
  [
    'a fallback',
    (c) => {
      c.routes[1].fallback = 'exchange';
    },
    ['c.ts: routes[1].fallback: a fallback is not built yet in this version; write no fallback'],
  ],
  [
    'submitters',
    (c) => {
      c.submitters = { exchange: { secret: 's', senderDomains: ['example.com'] } };
    },
    [
      'c.ts: submitters: mail from our side (submitters) is not built yet in this version; write no submitters, inbound mail alone',
    ],
  ],
  [
    'submitters as a list',
    (c) => {
      c.submitters = [];
    },
    ['c.ts: submitters: a list is no object; write { … }'],
  ],
  [
    'a bad schedule',
    (c) => {
      c.retry.schedule = ['1m', '5 m'];
    },
    [`c.ts: retry.schedule[1]: "5 m" is no duration; write ${DURATIONS}`],
  ],
  [
    'a schedule as text',
    (c) => {
      c.retry.schedule = '1m 5m';
    },
    ['c.ts: retry.schedule: "1m 5m" is no list; write [duration, …]'],
  ],
  ...['0s', '1', 'm', '1.5h', '-1s', '1w', '4000d', '1s2m', '٣s'].map(
    (text): [string, (config: Loose) => unknown, string[]] => [
      `the duration ${text}`,
      (c) => {
        c.retry.lifetime = text;
      },
      [`c.ts: retry.lifetime: "${text}" is no duration; write ${DURATIONS}`],
    ],
  ),
  [
    'a duration as a number',
    (c) => {
      c.retry.delayNotice = 4;
    },
    [`c.ts: retry.delayNotice: 4 is no duration; write ${DURATIONS}`],
  ],
  [
    'a lifetime beyond SQS',
    (c) => {
      c.retry.lifetime = '14d';
      c.retention = { ...c.retention, spool: '30d' };
    },
    ['c.ts: retry.lifetime: SQS deletes a job after 14 days, unheard; write less than 14d'],
  ],
  [
    'policy',
    (c) => {
      c.policy.spam = 'discard';
    },
    ['c.ts: policy.spam: "discard" is none of its values; write one of relay, quarantine, refuse'],
  ],
  [
    'no notices',
    (c) => {
      delete c.notices;
    },
    ['c.ts: notices: it is missing; write { … }'],
  ],
  [
    'notices without from and postmaster',
    (c) => {
      c.notices = { via: 'exchange' };
    },
    [
      'c.ts: notices.from: it is missing; write an address such as postmaster@example.com',
      'c.ts: notices.postmaster: it is missing; write an address such as postmaster@example.com',
    ],
  ],
  [
    'notices without via',
    (c) => {
      delete c.notices.via;
    },
    [
      'c.ts: notices.via: sending notices without a next hop of their own is not built yet in this version; write via: one of exchange, archive',
    ],
  ],
  [
    'notices by an unknown next hop',
    (c) => {
      c.notices.via = 'x';
    },
    ['c.ts: notices.via: no next hop is named "x"; write one of exchange, archive'],
  ],
  [
    'notices.mode',
    (c) => {
      c.notices.mode = 'off';
    },
    ['c.ts: notices.mode: "off" is none of its values; write one of send, hold'],
  ],
  [
    'notices.copyPostmasterOn',
    (c) => {
      c.notices.copyPostmasterOn = ['Everything!'];
    },
    [
      "c.ts: notices.copyPostmasterOn[0]: \"Everything!\" is no reason; write a reason or a status such as 'expired' or '5.7.*'",
    ],
  ],
  [
    'notices.perDomainPerHour',
    (c) => {
      c.notices.perDomainPerHour = 0;
    },
    ['c.ts: notices.perDomainPerHour: 0 is no whole number from 1 to 1000000; write a number from 1 to 1000000'],
  ],
  [
    'notices.dkim',
    (c) => {
      c.notices.dkim = { secret: 's', selector: '-' };
    },
    ['c.ts: notices.dkim.selector: "-" is no DKIM selector; write a selector such as \'everpost\''],
  ],
  [
    'returnPathDomain',
    (c) => {
      c.returnPathDomain = 'bounces.example.com';
    },
    [
      'c.ts: returnPathDomain: a domain for return paths is not built yet in this version; write no returnPathDomain: return paths are kept',
    ],
  ],
  [
    'content that goes too early',
    (c) => {
      c.retention.spool = '1h';
    },
    [
      'c.ts: retention.spool: content would go before its deliveries have had their lifetime; write more than retry.lifetime',
    ],
  ],
  [
    'a trace that goes too early',
    (c) => {
      c.retention.ledger = '1d';
    },
    ['c.ts: retention.ledger: the trace would go before the content; write at least retention.spool'],
  ],
  [
    'transfer',
    (c) => {
      c.transfer = { inbound: 'hold', outbound: 'drain' };
    },
    [
      'c.ts: transfer.inbound: transfer "hold" is not built yet in this version; write \'normal\'',
      'c.ts: transfer.outbound: transfer "drain" is not built yet in this version; write \'normal\'',
    ],
  ],
  [
    'feedback',
    (c) => {
      c.feedback.confirm = true;
    },
    ["c.ts: feedback.confirm: SES's Delivery events is not built yet in this version; write false"],
  ],
  [
    'trace',
    (c) => {
      c.trace.search = 'yes';
    },
    ['c.ts: trace.search: "yes" is neither true nor false; write true or false'],
  ],
  [
    'network',
    (c) => {
      c.network = { vpcId: 'vpc-1' };
    },
    [
      'c.ts: network: reaching private hosts through a VPC is not built yet in this version; write no network, and next hops with public names',
    ],
  ],
  [
    'dns',
    (c) => {
      c.dns = { hostedZone: 'Z1' };
    },
    [
      "c.ts: dns: writing DNS records is not built yet in this version; write no dns, and set the records that the stack's outputs name",
    ],
  ],
  [
    'a value that is long',
    (c) => {
      c.stackName = 'x'.repeat(200);
    },
    [
      `c.ts: stackName: "${'x'.repeat(59)}… is no stack name; write a letter, then up to 29 letters, digits and hyphens`,
    ],
  ],
])('%s', (_, spoil, expected) => {
  expect(problemsOf(spoil)).toEqual(expected);
});

test('all mistakes come at once, each on one line', () => {
  const problems = problemsOf((c) => {
    c.domains[0] = 'x\ny';
    c.nextHops.exchange.port = 99_999;
    c.routes[1].to[0].via = 'a\nb';
    c.policy.virus = null;
  });
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
      'c.ts: nextHops.archive.port: AWS Lambda can not reach port 25; write 587, 465 or another port of that host',
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
      `c.ts: nextHops.archive.host: ${host.replace(/[[\]]/g, '')} can not be reached from AWS without network; write the host's public name`,
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
