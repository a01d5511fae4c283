// `everpost connector`: the commands and records for given facts, exactly; what it refuses to guess; and that its words
// agree with the configuration that it proposes.

import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { connector } from '#cli/connector.ts';
import { addressesFrom, certificateFrom } from '#cli/connector-facts.ts';
import { Usage } from '#cli/exit.ts';
import type { Instance } from '#cli/find-instance.ts';
import * as stacks from '#cli/find-instance.ts';
import { checkConfig } from '#config/check.ts';

const fixtures = new URL('../../fixtures/tls/', import.meta.url);
vi.mock(import('#cli/find-instance.ts'), { spy: true });
let out = '';
beforeEach(() => {
  out = '';
  vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    out += text;
    return true;
  });
});
afterEach(() => vi.restoreAllMocks());

function configFile(change: object = {}): string {
  const file = join(mkdtempSync(join(tmpdir(), 'connector-')), 'everpost.config.json');
  const config = {
    domains: ['example.com', 'example.org'],
    network: { create: { zones: 2 }, port25: 'unblocked' },
    nextHops: {
      tenant: {
        ...{ kind: 'smtp', host: 'example-com.mail.protection.outlook.com', port: 25, tls: 'required' },
        helo: 'mx-out.example.com',
      },
      corp: { kind: 'smtp', host: 'ex1.corp.example.com', port: 25, tls: 'required' },
    },
    routes: [
      { match: '*@example.com', to: [{ via: 'tenant' }] },
      { match: '*@example.org', to: [{ via: 'corp' }] },
    ],
    notices: { from: 'postmaster@example.com', postmaster: 'postmaster@example.com', via: 'tenant' },
    ...change,
  };
  writeFileSync(file, JSON.stringify(config));
  return file;
}
async function said(...args: string[]): Promise<string> {
  out = '';
  expect(await connector.run(args)).toBe(0);
  return out;
}

describe('for Exchange Online', () => {
  it('by address: names the next hop by its host, both addresses, and their records', async () => {
    const text = await said('m365', `--config=${configFile()}`, '--address=203.0.113.7', '--address=203.0.113.8');
    expect(text).not.toContain('In everpost.config.ts'); // the next hop and its helo stand there
    expect(text).toContain(
      "New-InboundConnector -Name 'Everpost' -ConnectorType Partner -SenderDomains '*' -RequireTls $false -SenderIPAddresses '203.0.113.7','203.0.113.8' -RestrictDomainsToIPAddresses $false\n",
    );
    expect(text).toContain("-EFSkipLastIP $false -EFSkipIPs '203.0.113.7','203.0.113.8'\n");
    expect(text).toContain('mx-out.example.com  A  203.0.113.7 ');
    expect(text).toContain('mx-out2.example.com  A  203.0.113.8 ');
    expect(text).toContain('mx-out.example.com  TXT  "v=spf1 ip4:203.0.113.7 ip4:203.0.113.8 -all"');
    expect(text).not.toContain('PTR'); // somebody else's addresses: not ours to set
    expect(text).toContain('The MX records of example.com, example.org lead to Amazon SES');
  });

  it('by certificate: its name and its last day, without any address', async () => {
    const pem = new URL('server.pem', fixtures);
    const { name, until } = certificateFrom(readFileSync(pem, 'utf8'), 'server.pem');
    const text = await said('m365', `--config=${configFile()}`, `--certificate=${pem.pathname}`);
    expect(text).toContain(
      `-RequireTls $true -TlsSenderCertificateName '${name}' -RestrictDomainsToCertificate $false`,
    );
    expect(text).toContain('-EFSkipLastIP $true\n');
    expect(text).toContain(`The certificate ends on ${new Date(until).toISOString().slice(0, 10)}.`);
    expect(text).not.toContain('SenderIPAddresses ');
  });

  it('proposes a next hop that the configuration takes, where there is none', async () => {
    const file = configFile({
      domains: ['example.com'],
      nextHops: { corp: { kind: 'smtp', host: 'ex1.corp.example.com', port: 25, tls: 'required' } },
      routes: [{ match: '*@example.com', to: [{ via: 'corp' }] }],
      notices: { from: 'postmaster@example.com', postmaster: 'postmaster@example.com', via: 'corp' },
    });
    const text = await said('m365', `--config=${file}`, '--address=203.0.113.7');
    const proposed = /nextHops: (\{ m365: \{ (.*) \} \})/.exec(text)?.[2] ?? '';
    const hop = Object.fromEntries(
      proposed.split(', ').map((pair) => {
        const [key = '', value = ''] = pair.split(': ');
        return [key, value.startsWith("'") ? value.slice(1, -1) : Number(value)];
      }),
    );
    const checked = checkConfig(
      {
        ...(JSON.parse(readFileSync(file, 'utf8')) as object),
        nextHops: { m365: hop },
        routes: [{ match: '*@example.com', to: [{ via: 'm365' }] }],
        notices: { from: 'postmaster@example.com', postmaster: 'postmaster@example.com', via: 'm365' },
      },
      'proposed',
    );
    expect(checked).toMatchObject({ kind: 'ok', settings: { nextHops: { m365: { helo: 'mail.example.com' } } } });
  });
});

it('for Google Workspace: both doors', async () => {
  const text = await said('workspace', `--config=${configFile()}`, '--address=203.0.113.7');
  expect(text).toContain('Gateway IPs: 203.0.113.7\n');
  expect(text).toContain('Only accept mail from the specified IP addresses: 203.0.113.7\n');
  expect(text).toContain("host: 'smtp.google.com', port: 25, tls: 'required', helo: 'mail.example.com'");
});

it('for Exchange Server: the networks, and neither records nor a right to relay', async () => {
  const text = await said('exchange', `--config=${configFile()}`, '--address=10.0.1.0/24', '--address=10.0.2.0/24');
  expect(text).toContain("-RemoteIPRanges '10.0.1.0/24','10.0.2.0/24' -PermissionGroups AnonymousUsers");
  expect(text).toContain('# Never give it Ms-Exch-SMTP-Accept-Any-Recipient');
  expect(text).not.toContain('DNS records');
});

it('takes the addresses of the stack in the order of the zones, and tells how to set their PTR records', async () => {
  const outputs = { NatAddress2: '198.51.100.2', NatAddress1: '198.51.100.1', Table: 't' };
  expect(addressesFrom([], outputs)).toEqual({ addresses: ['198.51.100.1', '198.51.100.2'], made: true });
  expect(addressesFrom(['203.0.113.7', '203.0.113.7'], outputs)).toEqual({ addresses: ['203.0.113.7'], made: false });
  expect(addressesFrom([], null)).toEqual({ addresses: [], made: false });
});

it('takes addresses and certificate from the stack and the secret of the next hop', async () => {
  const pem = readFileSync(new URL('server.pem', fixtures), 'utf8');
  const key = readFileSync(new URL('server.key', fixtures), 'utf8');
  const asked: string[] = [];
  vi.spyOn(stacks, 'findInstance').mockResolvedValue({
    outputs: { NatAddress1: '198.51.100.1' },
  } as unknown as Instance);
  vi.spyOn(stacks, 'secretsFor').mockReturnValue({
    read: (name: string, shape: (members: object) => unknown) => {
      asked.push(name);
      return Promise.resolve(shape({ certificate: pem, key }));
    },
  } as unknown as ReturnType<typeof stacks.secretsFor>);
  const tenant = { kind: 'smtp', host: 'example-com.mail.protection.outlook.com', port: 25, tls: 'required' };
  const file = configFile({
    domains: ['example.com'],
    nextHops: { tenant: { ...tenant, clientCertificate: { secret: 'everpost/tenant' } } },
    routes: [{ match: '*@example.com', to: [{ via: 'tenant' }] }],
  });
  const text = await said('m365', `--config=${file}`, '--stack=Everpost');
  expect(asked).toEqual(['everpost/tenant']);
  expect(text).toContain(`-TlsSenderCertificateName '${certificateFrom(pem, 'x').name}'`);
  expect(text).toContain("-EFSkipIPs '198.51.100.1'");
  expect(text).toContain('198.51.100.1  PTR  mail.example.com');
  expect(text).toContain('--domain-name mail.example.com\n');
  expect(text).not.toMatch(/PRIVATE KEY/);
});

it('prints one JSON object with --json', async () => {
  const text = await said('m365', `--config=${configFile()}`, '--address=203.0.113.7', '--json');
  expect(JSON.parse(text)).toMatchObject({
    ...{ kind: 'm365', domains: ['example.com', 'example.org'], helo: 'mx-out.example.com' },
    ...{ addresses: ['203.0.113.7'], certificate: null, nextHop: 'tenant' },
    records: [{ name: 'mx-out.example.com', type: 'A', value: '203.0.113.7' }, { type: 'TXT' }],
  });
});

it.each<[readonly string[], RegExp]>([
  [[], /^connector takes a kind; write one of: m365, workspace, exchange/],
  [['gmail'], /^there is no kind "gmail"/],
  [['m365', 'exchange', '--address=203.0.113.7'], /^there is no kind "m365 exchange"/],
  [['m365'], /^it is not known from which addresses your mail comes: name the stack with --stack NAME/],
  [['workspace', '--certificate=nowhere.pem'], /^--certificate nowhere.pem cannot be read: ENOENT/],
  [['exchange', '--address=10.0.1.0/40'], /^--address 10\.0\.1\.0\/40 is neither an address/],
  [['exchange', '--address=mail.example.com'], /^--address mail\.example\.com is neither an address/],
  [
    ['m365', '--address=203.0.113.7', '--hop=mailboxes'],
    /has no SMTP next hop "mailboxes"; those that it has: tenant, corp/,
  ],
])('refuses %j', async (args, why) => {
  const error = await connector.run([...args, `--config=${configFile()}`]).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(Usage);
  expect((error as Error).message).toMatch(why);
});
