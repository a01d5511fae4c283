// The section `network`: one's own VPC or one that the stack makes, by the form of ids alone. Each mistake gives the
// place, what is wrong and what to write. And what next hops may be with it and without it.

import { describe, expect, test } from 'vitest';
import { type Checked, checkConfig } from '#config/check.ts';
import type { Network } from '#config/settings.ts';

const id = (prefix: string, digit: string): string => `${prefix}-${digit.repeat(17)}`;
const [vpc, subnet, other, group] = [id('vpc', '0'), id('subnet', '1'), id('subnet', '2'), id('sg', '3')];

function checked(network: unknown, hop: object = {}): Checked {
  const mailboxes = { kind: 'smtp', host: 'mail.example.com', port: 587, tls: 'required', ...hop };
  return checkConfig(
    {
      domains: ['example.com'],
      nextHops: { mailboxes },
      routes: [{ match: '*@example.com', to: [{ via: 'mailboxes' }] }],
      notices: { from: 'postmaster@example.com', postmaster: 'postmaster@example.com' },
      ...(network === undefined ? {} : { network }),
    },
    'c.ts',
  );
}
const settingsOf = (network: unknown): Network | null | undefined => {
  const result = checked(network);
  return result.kind === 'ok' ? result.settings.network : undefined;
};
const problemsOf = (network: unknown): readonly string[] => {
  const result = checked(network);
  return result.kind === 'wrong' ? result.problems : [];
};

describe('is read', () => {
  test.each<[string, unknown, Network | null]>([
    ['not at all', undefined, null],
    ['as a VPC with a subnet', { vpc: { id: vpc, subnets: [subnet] } }, own([subnet], null)],
    [
      'as one with several subnets and groups',
      { vpc: { id: vpc, subnets: [subnet, other], securityGroups: [group] }, port25: 'unblocked' },
      { ...own([subnet, other], [group]), port25: 'unblocked' },
    ],
    ['with ids of before 2016', { vpc: { id: 'vpc-1a2b3c4d', subnets: ['subnet-1a2b3c4d'] } }, old()],
    ['as one to be made', { create: {} }, { vpc: null, create: { zones: 1 }, port25: 'private' }],
    ['in three zones', { create: { zones: 3 } }, { vpc: null, create: { zones: 3 }, port25: 'private' }],
  ])('%s', (_, given, settings) => {
    expect(settingsOf(given)).toEqual(settings);
  });
});

function own(subnets: readonly string[], securityGroups: readonly string[] | null): Network {
  return { vpc: { id: vpc, subnets, securityGroups }, create: null, port25: 'private' };
}
function old(): Network {
  const ids = { id: 'vpc-1a2b3c4d', subnets: ['subnet-1a2b3c4d'], securityGroups: null };
  return { vpc: ids, create: null, port25: 'private' };
}

const BOTH =
  "{ create: { zones: 1 } }, or { vpc: { id: 'vpc-0123456789abcdef0', subnets: ['subnet-0123456789abcdef0'] } }";
const many = Array.from({ length: 17 }, (_, index) => `subnet-${String(index).padStart(17, '0')}`);
const groups = Array.from({ length: 6 }, (_, index) => `sg-${String(index).padStart(17, '0')}`);

describe('a mistake is named with its place and what to write', () => {
  test.each<[string, unknown, readonly string[]]>([
    ['no object', true, ['network: true is no object; write { create: { zones: 1 } }']],
    ['neither', { port25: 'private' }, [`network: it names no VPC; write ${BOTH}`]],
    [
      'both',
      { vpc: { id: vpc, subnets: [subnet] }, create: { zones: 1 } },
      [`network: vpc is your own VPC and create makes one, so that only one of them can be; write ${BOTH}`],
    ],
    [
      'the id of something else',
      { vpc: { id: subnet, subnets: [vpc] } },
      [
        `network.vpc.id: "${subnet}" is no id of a VPC; write an id such as 'vpc-0123456789abcdef0', which the VPC console shows`,
        `network.vpc.subnets[0]: "${vpc}" is no id of a subnet; write an id such as 'subnet-0123456789abcdef0', which the VPC console shows`,
      ],
    ],
    [
      'an ARN',
      { vpc: { id: `arn:aws:ec2:eu-west-1:1:vpc/${vpc}`, subnets: [subnet] } },
      [
        `network.vpc.id: "arn:aws:ec2:eu-west-1:1:vpc/${vpc}" is no id of a VPC; write an id such as 'vpc-0123456789abcdef0', which the VPC console shows`,
      ],
    ],
    ['no subnets', { vpc: { id: vpc } }, ["network.vpc.subnets: it is missing; write ['subnet-0123456789abcdef0']"]],
    [
      'an empty list',
      { vpc: { id: vpc, subnets: [] } },
      ['network.vpc.subnets: the list is empty; write at least one subnet'],
    ],
    [
      'one subnet that is no list',
      { vpc: { id: vpc, subnets: subnet } },
      [`network.vpc.subnets: "${subnet}" is no list; write ['${subnet}']`],
    ],
    [
      'a subnet twice',
      { vpc: { id: vpc, subnets: [subnet, other, subnet] } },
      [`network.vpc.subnets[2]: "${subnet}" is named already at place 0; write each subnet once`],
    ],
    [
      'more subnets than Lambda takes',
      { vpc: { id: vpc, subnets: many } },
      ['network.vpc.subnets: there are more than the 16 that Lambda takes; write at most 16'],
    ],
    [
      'more groups than Lambda takes',
      { vpc: { id: vpc, subnets: [subnet], securityGroups: groups } },
      ['network.vpc.securityGroups: there are more than the 5 that Lambda takes; write at most 5'],
    ],
    [
      'an empty list of groups',
      { vpc: { id: vpc, subnets: [subnet], securityGroups: [] } },
      ['network.vpc.securityGroups: the list is empty; write at least one security group'],
    ],
    [
      'zones that no account has addresses for',
      { create: { zones: 4 } },
      ['network.create.zones: 4 is no whole number from 1 to 3; write a number from 1 to 3'],
    ],
    ['true for create', { create: true }, ['network.create: true is no object; write { zones: 1 }']],
    [
      "AWS's own words",
      { vpc: { vpcId: vpc, subnetIds: [subnet], securityGroupIds: [group] } },
      [
        'network.vpc.vpcId: there is no such key; write one of id, subnets, securityGroups',
        'network.vpc.subnetIds: there is no such key; write subnets',
        'network.vpc.securityGroupIds: there is no such key; write securityGroups',
        "network.vpc.id: it is missing; write an id such as 'vpc-0123456789abcdef0', which the VPC console shows",
      ],
    ],
    [
      'port 25 by another word',
      { create: {}, port25: 'open' },
      [
        'network.port25: "open" is none of its values; write unblocked (AWS has lifted the block for this account and region)',
      ],
    ],
    [
      'port 25 as a switch',
      { create: {}, port25: true },
      [`network.port25: true is none of its values; write ${ports()}`],
    ],
    [
      'a key that nobody knows',
      { create: {}, nat: 2 },
      ['network.nat: there is no such key; write one of vpc, create, port25'],
    ],
  ])('%s', (_, given, problems) => {
    expect(problemsOf(given)).toEqual(problems.map((line) => `c.ts: ${line}`));
  });
});

function ports(): string {
  return [
    'one of private (AWS still blocks port 25 to public addresses, as it does by default)',
    'unblocked (AWS has lifted the block for this account and region)',
  ].join(', ');
}

describe('what a next hop may be', () => {
  const warningsOf = (network: unknown, hop: object) => {
    const result = checked(network, hop);
    return result.kind === 'ok'
      ? result.notDeployed.map((line) => line.replace('c.ts: nextHops.mailboxes.', ''))
      : null;
  };
  const made = { create: { zones: 1 } };
  test.each<[string, unknown, object, readonly string[]]>([
    [
      'port 25 without a VPC',
      undefined,
      { port: 25 },
      [
        'port: a function outside a VPC reaches no port 25; write network: { create: { zones: 1 } }, or 587, 465 or another port of that host',
      ],
    ],
    ['port 25 of a name in a VPC', made, { port: 25 }, []],
    ['port 25 of a private address in a VPC', made, { port: 25, host: '10.1.2.3' }, []],
    ['a private host on any port in a VPC', made, { host: 'mx.corp.local' }, []],
    [
      'port 25 of a public address while the block stands',
      made,
      { port: 25, host: ['10.1.2.3', '192.0.2.1'] },
      [
        "host: AWS blocks port 25 to 192.0.2.1, which is no private address, until it lifts the block on request; write network.port25: 'unblocked' once it has (docs/network.md), or another port of that host",
      ],
    ],
    [
      'IPv6, on any port',
      made,
      { host: 'fd00::1' },
      ["host: relay has no IPv6 in its VPC, and fd00::1 is IPv6; write the host's name or IPv4 address"],
    ],
    ['another port of a public address', made, { port: 587, host: '192.0.2.1' }, []],
    [
      'port 25 of a public address once the block is lifted',
      { ...made, port25: 'unblocked' },
      { port: 25, host: '192.0.2.1' },
      [],
    ],
    [
      'the function itself',
      made,
      { host: 'localhost' },
      ["host: localhost is the function itself; write the host's own name or address"],
    ],
  ])('%s', (_, network, hop, warnings) => {
    expect(warningsOf(network, hop)).toEqual(warnings);
  });
});

test('a name that looks public behind port 25 is a warning while the block stands, and stops nothing', () => {
  const warningsOf = (port25: string, host: string) => {
    const result = checked({ create: {}, port25 }, { port: 25, host });
    return result.kind === 'ok' ? [result.warnings, result.notDeployed] : null;
  };
  const host = 'example-com.mail.protection.outlook.com';
  const line = `c.ts: nextHops.mailboxes.port: ${host} looks public, and AWS blocks port 25 to public addresses until it lifts the block on request; write network.port25: 'unblocked' once it has (docs/network.md)`;
  expect(warningsOf('private', host)).toEqual([[line], []]);
  expect(warningsOf('unblocked', host)).toEqual([[], []]);
  expect(warningsOf('private', 'mx.corp.local')).toEqual([[], []]);
  expect(warningsOf('private', '10.0.0.1')).toEqual([[], []]);
});
