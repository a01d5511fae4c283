// `everpost dns`: the records for given facts, exactly; their forms; and what the check says of a name server that has
// them, lacks them, or has something else.

import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import * as ses from '#adapters/aws/ses-identities.ts';
import { dns } from '#cli/dns.ts';
import { NotReachable, Usage } from '#cli/exit.ts';
import * as stacks from '#cli/find-instance.ts';
import { type NameServer, startNameServer } from '#test/kit/name-server.ts';

vi.mock(import('#cli/find-instance.ts'), { spy: true });
vi.mock(import('#adapters/aws/ses-identities.ts'), { spy: true });

const IDENTITY = { verified: true, tokens: ['t1', 't2', 't3'], signingZone: 'dkim.amazonses.com', mailFrom: null };
let out = '';
let err = '';
beforeEach(() => {
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += text;
    return true;
  });
  vi.spyOn(process.stderr, 'write').mockImplementation((text) => {
    err += text;
    return true;
  });
  identities({ 'example.org': {} });
});
afterEach(() => vi.restoreAllMocks());

/** SES has these, each with what differs. A name below one is covered by it. */
function identities(some: Readonly<Record<string, object>>): void {
  vi.mocked(ses.identitiesOfDomains).mockImplementation(async (_, domains) => {
    const found = (domain: string) =>
      Object.entries(some).find(([name]) => domain === name || domain.endsWith(`.${name}`));
    return new Map(
      domains.map((domain) => {
        const [name, differs] = found(domain) ?? [];
        return [domain, name === undefined ? null : { name, ...IDENTITY, ...differs }];
      }),
    );
  });
}

function stackWith(outputs: Readonly<Record<string, string>>): void {
  vi.mocked(stacks.findInstance).mockResolvedValue({ aws: null, region: 'eu-west-1', outputs } as never);
}

function configFile(change: object = {}): string {
  const file = join(mkdtempSync(join(tmpdir(), 'dns-')), 'everpost.config.json');
  const config = {
    domains: ['example.org'],
    nextHops: { corp: { kind: 'smtp', host: 'mail.example.org', port: 587, tls: 'required', auth: { secret: 's' } } },
    routes: [{ match: '*@example.org', to: [{ via: 'corp' }] }],
    notices: { from: 'postmaster@example.org', postmaster: 'admin@corp.example', via: 'corp' },
    ...change,
  };
  const more = config.domains.filter((domain) => domain !== 'example.org');
  config.routes.push(...more.map((domain) => ({ match: `*@${domain}`, to: [{ via: 'corp' }] })));
  writeFileSync(file, JSON.stringify(config));
  return file;
}

async function run(...args: string[]): Promise<number> {
  out = '';
  err = '';
  return dns.run(args);
}
const atRegion = (...args: string[]) => run('--region=eu-west-1', ...args);

const ZONE = `; SES: your domains, and their DKIM keys
t1._domainkey.example.org. 3600 IN CNAME t1.dkim.amazonses.com. ; proves to SES that example.org is yours, and lets it sign your mail
t2._domainkey.example.org. 3600 IN CNAME t2.dkim.amazonses.com. ; proves to SES that example.org is yours, and lets it sign your mail
t3._domainkey.example.org. 3600 IN CNAME t3.dkim.amazonses.com. ; proves to SES that example.org is yours, and lets it sign your mail

; DMARC. A record that you have already stays as it is
_dmarc.example.org. 3600 IN TXT "v=DMARC1; p=none" ; a DMARC policy: without one, large receivers refuse mail, and fewer authors of yours are kept

; Return paths
bounces.example.org. 3600 IN MX 10 inbound-smtp.eu-west-1.amazonaws.com. ; where reports about forwarded mail return

; Last, when all else is there and checked. This moves the mail of the domain to SES
; example.org. 3600 IN MX 10 inbound-smtp.eu-west-1.amazonaws.com.
`;

describe('the records', () => {
  it('are a zone file, in which the MX record that moves the mail is a comment', async () => {
    expect(await atRegion(`--config=${configFile()}`)).toBe(0);
    expect(out).toBe(ZONE);
    expect(err).toBe('');
  });
  it('lead to the zone that SES names, have its MAIL FROM domain, and no DKIM record where the key is one’s own', async () => {
    identities({
      'example.org': { signingZone: 'abc.dkim.eu-west-1.amazonses.com', mailFrom: 'ses.example.org' },
      'shop.example.net': { tokens: [] },
    });
    await atRegion(`--config=${configFile({ domains: ['example.org', 'shop.example.net'] })}`);
    expect(out).toContain('t3._domainkey.example.org. 3600 IN CNAME t3.abc.dkim.eu-west-1.amazonses.com. ;');
    expect(out).toContain('ses.example.org. 3600 IN MX 10 feedback-smtp.eu-west-1.amazonses.com. ;');
    expect(out).toContain('ses.example.org. 3600 IN TXT "v=spf1 include:amazonses.com ~all" ;');
    expect(out).not.toContain('_domainkey.shop.example.net');
    expect(out).toContain('_dmarc.example.net. 3600 IN TXT'); // the organisational domain's
    expect(out).toContain('; shop.example.net. 3600 IN MX 10 inbound-smtp.eu-west-1.amazonaws.com.\n');
  });
  it('name the stack’s own addresses in EHLO and in the SPF record of the return paths', async () => {
    stackWith({ NatAddress1: '203.0.113.7', NatAddress2: '203.0.113.8' });
    const to = [{ via: 'corp', returnPath: 'token' }];
    const network = { create: { zones: 2 }, port25: 'unblocked' };
    await run('--stack=Everpost', `--config=${configFile({ network, routes: [{ match: '*@example.org', to }] })}`);
    expect(out).toContain('mail.example.org. 3600 IN A 203.0.113.7 ;');
    expect(out).toContain('mail2.example.org. 3600 IN A 203.0.113.8 ;');
    expect(out).toContain(
      'bounces.example.org. 3600 IN TXT "v=spf1 ip4:203.0.113.7 ip4:203.0.113.8 a:mail.example.org ~all" ;',
    );
    expect(out).not.toContain('PTR');
  });
  it('are a change batch that replaces nothing and moves no mail', async () => {
    expect(await atRegion(`--config=${configFile()}`, '--route53')).toBe(0);
    const batch = JSON.parse(out);
    const sets = batch.Changes.map((each: Record<string, Record<string, unknown>>) => each.ResourceRecordSet);
    expect(new Set(batch.Changes.map((each: { Action: string }) => each.Action))).toEqual(new Set(['CREATE']));
    expect(sets).toHaveLength(5);
    expect(sets).toContainEqual({
      Name: '_dmarc.example.org.',
      Type: 'TXT',
      TTL: 3600,
      ResourceRecords: [{ Value: '"v=DMARC1; p=none"' }],
    });
    expect(out).not.toContain('"example.org."');
    const two = configFile({ domains: ['example.org', 'example.net'] });
    identities({ 'example.org': {}, 'example.net': {} });
    await expect(atRegion(`--config=${two}`, '--route53')).rejects.toThrow(
      'the records are of 2 domains; name one with --domain: ',
    );
    expect(await atRegion(`--config=${two}`, '--route53', '--domain=example.net')).toBe(0);
    expect(out).toContain('_dmarc.example.net.');
    expect(out).not.toContain('example.org');
  });
  it('are not whole without an identity: exit code 1, and the command that makes it', async () => {
    identities({});
    expect(await atRegion(`--config=${configFile()}`)).toBe(1);
    expect(err).toContain(
      'SES has no identity for example.org: aws sesv2 create-email-identity --email-identity example.org',
    );
    expect(out).not.toContain('_domainkey');
  });
  it('are not guessed where SES does not answer', async () => {
    vi.mocked(ses.identitiesOfDomains).mockRejectedValue(new Error('AccessDeniedException'));
    await expect(atRegion(`--config=${configFile()}`)).rejects.toThrow(NotReachable);
  });
});

describe('the check', () => {
  let server: NameServer;
  const records = new Map<string, readonly string[]>();
  beforeEach(async () => {
    records.clear();
    for (const token of ['t1', 't2', 't3'])
      records.set(`${token}._domainkey.example.org CNAME`, [`${token}.dkim.amazonses.com`]);
    records.set('_dmarc.example.org TXT', ['v=DMARC1; p=reject; rua=mailto:d@example.org']);
    records.set('bounces.example.org MX', ['10 inbound-smtp.eu-west-1.amazonaws.com']);
    records.set('example.org MX', ['5 mx1.old.example', '10 mx2.old.example']);
    server = await startNameServer(records);
  });
  afterEach(() => server.close());
  const check = (...args: string[]) =>
    atRegion(`--config=${configFile()}`, '--check', `--resolver=${server.address}`, ...args);
  const lineOf = (name: string) => out.split('\n').find((line) => line.includes(` ${name} `));

  it('is well before the mail is moved, and says where it goes now', async () => {
    expect(await check()).toBe(0);
    expect(lineOf('t1._domainkey.example.org')).toBe('set      t1._domainkey.example.org CNAME t1.dkim.amazonses.com');
    expect(lineOf('example.org')).toBe(
      'not yet  example.org MX 10 inbound-smtp.eu-west-1.amazonaws.com   (stands there: 5 mx1.old.example, 10 mx2.old.example)',
    );
    records.set('example.org MX', ['10 Inbound-SMTP.eu-west-1.amazonaws.com']);
    expect(await check()).toBe(0);
    expect(lineOf('example.org')).toMatch(/^set {6}example\.org MX/);
  });

  const wrong: readonly [string, string, readonly string[] | null, string][] = [
    ['a record that is not there', 't2._domainkey.example.org CNAME', null, 'missing  '],
    ['a key of another service', 't2._domainkey.example.org CNAME', ['x.dkim.example'], 'differs  '],
    ['a second DMARC record', '_dmarc.example.org TXT', ['v=DMARC1; p=none', 'v=DMARC1;p=none'], 'there are 2 DMARC'],
    ['a text that is no DMARC record', '_dmarc.example.org TXT', ['v=DMARC10'], 'missing  '],
    ['reports that go elsewhere', 'bounces.example.org MX', ['10 mx.other.example'], 'differs  '],
    [
      'another server beside ours',
      'bounces.example.org MX',
      ['10 inbound-smtp.eu-west-1.amazonaws.com', '20 mx.other.example'],
      'another server is named too',
    ],
    [
      'half of the domain’s mail',
      'example.org MX',
      ['10 inbound-smtp.eu-west-1.amazonaws.com', '10 mx.other.example'],
      'another server is named too',
    ],
  ];
  it.each(wrong)('finds %s', async (_, key, values, says) => {
    if (values === null) records.delete(key);
    else records.set(key, values);
    expect(await check()).toBe(1);
    expect(lineOf(key.split(' ')[0] ?? '')).toContain(says);
    expect(out.split('\n').filter((line) => line.startsWith('set '))).toHaveLength(key === 'example.org MX' ? 5 : 4);
  });
  it('takes a key that stands at the name itself, where a zone hides its aliases', async () => {
    records.delete('t2._domainkey.example.org CNAME');
    records.set('t2._domainkey.example.org TXT', ['p=MIGfMA0GCSq']);
    expect(await check()).toBe(0);
  });
  it('reads a long SPF record, and finds two of them', async () => {
    const routes = [{ match: '*@example.org', to: [{ via: 'corp', returnPath: 'token' }] }];
    const file = `--config=${configFile({ routes })}`;
    const again = () => atRegion(file, '--check', `--resolver=${server.address}`);
    expect(await again()).toBe(1);
    const filler = Array.from({ length: 30 }, (_, at) => `ip4:203.0.113.${at}`).join(' ');
    records.set('bounces.example.org TXT', [`v=spf1 ${filler} A:mail.example.org -all`, 'a text of another kind']);
    expect(await again()).toBe(0);
    records.set('bounces.example.org TXT', ['v=spf1 ip4:203.0.113.1 -all']);
    expect(await again()).toBe(1);
    expect(out).toContain('it lacks a:mail.example.org');
    records.set('bounces.example.org TXT', ['v=spf1 a:mail.example.org ~all', 'v=spf1 -all']);
    expect(await again()).toBe(1);
    expect(out).toContain('there are 2 SPF records');
  });
  it('never reads silence as a missing record', async () => {
    server.failing.add('_dmarc.example.org');
    expect(await check()).toBe(1);
    expect(lineOf('_dmarc.example.org')).toContain('unknown  ');
    for (const key of records.keys()) server.failing.add(key.split(' ')[0] ?? '');
    await expect(check()).rejects.toThrow('the resolver answered no question');
  });
  it('gives one JSON object', async () => {
    expect(await check('--json', '--domain=bounces.example.org')).toBe(0);
    expect(JSON.parse(out)).toEqual({
      records: [
        {
          name: 'bounces.example.org',
          type: 'MX',
          value: '10 inbound-smtp.eu-west-1.amazonaws.com',
          purpose: 'return-path',
          why: 'where reports about forwarded mail return',
          state: 'set',
          found: ['10 inbound-smtp.eu-west-1.amazonaws.com'],
          says: null,
        },
      ],
      withoutIdentity: [],
    });
  });
});

it('refuses what means nothing', async () => {
  const file = `--config=${configFile()}`;
  await expect(atRegion(file, '--resolver=1.1.1.1')).rejects.toThrow(Usage);
  await expect(atRegion(file, '--check', '--resolver=dns.example')).rejects.toThrow('is no address of a resolver');
  await expect(atRegion(file, '--route53', '--check')).rejects.toThrow(Usage);
  await expect(atRegion(file, '--stack=Everpost')).rejects.toThrow(Usage);
  await expect(atRegion(file, '--domain=other.example')).rejects.toThrow('no record is of the domain');
});
