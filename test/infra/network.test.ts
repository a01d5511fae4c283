// `network` in the template: six shapes pass `npm run synth`'s own checks, relay alone is in the VPC, what is made has
// addresses that stay, a further zone changes nothing of those that stand, and relay is called every hour without work.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, test, vi } from 'vitest';
import { isKeepAlive } from '#core/delivery/keep-alive.ts';
import { nagReasons } from '#infra/nag-reasons.ts';
import { networkPriceLine } from '#infra/network-price.ts';
import { synthesise } from '#infra/synthesise.ts';
import {
  each,
  ofType,
  only,
  type Resource,
  type Synthesised,
  settingsOf,
  statementsOf,
  synthesised,
} from './template.ts';

vi.setConfig({ testTimeout: 240_000 }); // a synthesis with every check takes seconds, on a machine that may be busy
const folder = mkdtempSync(join(tmpdir(), 'everpost-network-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const id = (prefix: string, digit: string): string => `${prefix}-${digit.repeat(17)}`;
const own = (subnets: readonly string[], more: object = {}) => ({ vpc: { id: id('vpc', '0'), subnets, ...more } });
const three = ['1', '2', '3'].map((digit) => id('subnet', digit));
const shapes: readonly (readonly [string, object])[] = [
  ['one subnet of yours', own(three.slice(0, 1))],
  ['three subnets of yours', own(three)],
  ['subnets and security groups of yours', own(three, { securityGroups: [id('sg', '4'), id('sg', '5')] })],
  ['one zone that is made', { create: { zones: 1 } }],
  ['two zones that are made', { create: { zones: 2 } }],
  ['three zones that are made', { create: { zones: 3 }, port25: 'unblocked' }],
];
/** With a next hop on port 25, which is what most ask for it. */
const at25 = { nextHops: { mailboxes: { kind: 'smtp', host: 'mx.example.org', port: 25, tls: 'opportunistic' } } };
const templateOf = (network: object): Synthesised => synthesised(settingsOf({ ...at25, network }));

describe("npm run synth's way", () => {
  test.each(shapes)('%s: builds, and passes the validation of CDK and cdk-nag', async (_, network) => {
    const outdir = mkdtempSync(join(folder, 'out-'));
    const settings = settingsOf({ ...at25, network });
    const { assembly } = await synthesise({ settings, outdir, validate: true });
    const { template } = assembly.getStackByName(settings.stackName) as { template: { Resources: object } };
    const relay = Object.entries(template.Resources).find(([name]) => name.startsWith('RelayFunction'));
    expect(JSON.stringify(relay)).toContain('VpcConfig');
    expect(JSON.stringify(assembly.manifest)).not.toContain('"missing"'); // nothing is looked up in an account
  });
});

describe('a reason', () => {
  test.each(shapes)('stands for what is there, and for nothing else: %s', (_, network) => {
    const [settings, without] = [settingsOf({ network }), settingsOf()];
    const added = nagReasons(settings).slice(nagReasons(without).length);
    const rules = added.map(({ rule }) => rule);
    expect(rules.includes('AwsSolutions-VPC7')).toBe('create' in network);
    expect(rules).toContain('AwsSolutions-IAM5[Resource::*]');
    for (const { reason } of added) expect(reason.length).toBeGreaterThan(60);
  });
});

describe('relay', () => {
  test.each(shapes)('is in the VPC, and no other function: %s', (_, network) => {
    const functions = ofType(templateOf(network), 'AWS::Lambda::Function');
    const placed = functions.filter(([, { Properties }]) => Properties.VpcConfig !== undefined);
    expect(placed.map(([name]) => name.replace(/[0-9A-F]{8}$/, ''))).toEqual(['RelayFunction']);
  });

  test('is in the subnets and groups that are named', () => {
    const template = templateOf(own(three, { securityGroups: [id('sg', '4')] }));
    const relay = only(template, 'AWS::Lambda::Function', 'Relay')[1].Properties;
    expect(relay.VpcConfig).toEqual({ SubnetIds: three, SecurityGroupIds: [id('sg', '4')] });
    expect(Object.values(template.resources).filter(({ Type }) => Type.startsWith('AWS::EC2::'))).toEqual([]);
  });

  test('has a group that lets all out and nothing in, where none is named', () => {
    for (const network of [own(three), { create: {} }]) {
      const template = templateOf(network);
      const [group, { Properties }] = only(template, 'AWS::EC2::SecurityGroup');
      expect(Properties.SecurityGroupIngress).toBeUndefined();
      expect(Properties.SecurityGroupEgress).toEqual([
        { CidrIp: '0.0.0.0/0', Description: 'AWS services and next hops', IpProtocol: '-1' },
      ]);
      const relay = only(template, 'AWS::Lambda::Function', 'Relay')[1].Properties;
      expect(relay.VpcConfig.SecurityGroupIds).toEqual([{ 'Fn::GetAtt': [group, 'GroupId'] }]);
      expect(ofType(template, 'AWS::EC2::SecurityGroupIngress')).toEqual([]);
    }
  });

  test('alone may manage interfaces, and its code may not', () => {
    for (const [, network] of shapes) {
      const statements = statementsOf(templateOf(network)).filter(({ statement }) =>
        each(statement.Action).some((action) => action.startsWith('ec2:')),
      );
      expect(new Set(statements.map(({ role }) => role.replace(/[0-9A-F]{8}$/, '')))).toEqual(new Set(['RelayRole']));
      expect(statements.map(({ statement }) => statement)).toEqual([
        { Effect: 'Allow', Action: ['ec2:DescribeNetworkInterfaces', 'ec2:DescribeSubnets'], Resource: '*' },
        {
          Effect: 'Allow',
          Action: [
            ...['ec2:AssignPrivateIpAddresses', 'ec2:CreateNetworkInterface'],
            ...['ec2:DeleteNetworkInterface', 'ec2:UnassignPrivateIpAddresses'],
          ],
          Resource: {
            'Fn::Join': ['', ['arn:', { Ref: 'AWS::Partition' }, ':ec2:', { Ref: 'AWS::Region' }, ':*:*/*']],
          },
        },
        {
          Effect: 'Deny',
          Action: expect.arrayContaining(['ec2:CreateNetworkInterface', 'ec2:DescribeSubnets']),
          Resource: '*',
          Condition: { Null: { 'lambda:SourceFunctionArn': 'false' } },
        },
      ]);
      expect(statements[2]?.statement.Action).toHaveLength(6);
    }
  });

  test('without `network` is where it was: no EC2 in the template, and no call every hour', () => {
    const template = synthesised(settingsOf());
    expect(JSON.stringify(template)).not.toMatch(/AWS::EC2|ec2:|VpcConfig|keep-alive/);
  });
});

describe('a VPC that is made', () => {
  const [one, two, all] = [1, 2, 3].map((zones) => templateOf({ create: { zones } })) as [
    Synthesised,
    Synthesised,
    Synthesised,
  ];
  test('has an address for each zone, which outlives the stack and not its failed creation', () => {
    for (const [template, count] of [
      [one, 1],
      [two, 2],
      [all, 3],
    ] as const) {
      const addresses = ofType(template, 'AWS::EC2::EIP');
      expect(addresses.map(([name]) => name)).toEqual(
        ['NetworkAddress13BC55EC4', 'NetworkAddress22D54C537', 'NetworkAddress3E10672D3'].slice(0, count),
      );
      for (const [, { DeletionPolicy, UpdateReplacePolicy }] of addresses)
        expect([DeletionPolicy, UpdateReplacePolicy]).toEqual(['RetainExceptOnCreate', 'Retain']);
    }
  });

  test('says the addresses in its outputs, in the order of the zones', () => {
    const shown = Object.entries(all.outputs).filter(([name]) => name.startsWith('NatAddress'));
    expect(shown).toEqual([
      ['NatAddress1', { Value: { Ref: 'NetworkAddress13BC55EC4' }, Description: expect.stringContaining('PTR') }],
      ['NatAddress2', { Value: { Ref: 'NetworkAddress22D54C537' }, Description: expect.stringContaining('SPF') }],
      ['NatAddress3', { Value: { Ref: 'NetworkAddress3E10672D3' }, Description: expect.stringContaining('SPF') }],
    ]);
  });

  test('leaves by the gateway of its own zone, and that by the address of its number', () => {
    for (const zone of [1, 2, 3]) {
      const [route] = ofType(all, 'AWS::EC2::Route').filter(([name]) => name.includes(`PrivateSubnet${zone}`));
      const gateway = all.resources[route?.[1].Properties.NatGatewayId.Ref];
      const [address] = ofType(all, 'AWS::EC2::EIP')[zone - 1] ?? [];
      expect(gateway?.Properties.AllocationId).toEqual({ 'Fn::GetAtt': [address, 'AllocationId'] });
    }
  });

  test('loses nothing by a further zone: what stands stays as it is', () => {
    const made = (template: Synthesised): Record<string, Resource> =>
      Object.fromEntries(Object.entries(template.resources).filter(([, { Type }]) => Type.startsWith('AWS::EC2::')));
    for (const [fewer, more] of [
      [one, two],
      [two, all],
    ] as const) {
      for (const [name, resource] of Object.entries(made(fewer))) {
        if (resource.Type === 'AWS::EC2::VPCEndpoint') continue; // it serves one route table more
        expect([name, made(more)[name]]).toEqual([name, resource]);
      }
    }
  });

  test('reaches S3 and DynamoDB without a gateway, from every private subnet', () => {
    const endpoints = ofType(all, 'AWS::EC2::VPCEndpoint');
    expect(endpoints.map(([, { Properties }]) => Properties.ServiceName['Fn::Join'][1].at(-1))).toEqual([
      '.s3',
      '.dynamodb',
    ]);
    for (const [, { Properties }] of endpoints) {
      expect(Properties.VpcEndpointType).toBe('Gateway');
      expect(Properties.RouteTableIds).toHaveLength(3);
    }
  });

  test('takes no custom resource, and stands before relay is called', () => {
    expect(Object.values(all.resources).filter(({ Type }) => Type.startsWith('Custom::'))).toHaveLength(1); // the rule set
    const relay = only(all, 'AWS::Lambda::Function', 'Relay')[1];
    const ways = ofType(all, 'AWS::EC2::Route').filter(([name]) => name.includes('Private'));
    expect(relay.DependsOn).toEqual(expect.arrayContaining(ways.map(([name]) => name)));
    expect(relay.DependsOn).toEqual(expect.arrayContaining(ofType(all, 'AWS::EC2::VPCEndpoint').map(([name]) => name)));
  });
});

describe('the hourly call', () => {
  const template = templateOf({ create: {} });
  const [, rule] = only(template, 'AWS::Events::Rule', 'Relay');

  test('comes from a schedule that may call relay, and has its dead letters with an alarm', () => {
    expect(rule.Properties).toMatchObject({ ScheduleExpression: 'rate(1 hour)', State: 'ENABLED' });
    const [target] = rule.Properties.Targets;
    expect(target.Arn['Fn::GetAtt'][0]).toMatch(/^RelayFunction/);
    const queue = target.DeadLetterConfig.Arn['Fn::GetAtt'][0];
    expect(template.outputs.KeepAliveDeadLettersUrl).toMatchObject({ Value: { Ref: queue } });
    const [permission] = ofType(template, 'AWS::Lambda::Permission').filter(([name]) => name.startsWith('Relay'));
    expect(permission?.[1].Properties).toMatchObject({
      Action: 'lambda:InvokeFunction',
      Principal: 'events.amazonaws.com',
    });
    const [, alarm] = only(template, 'AWS::CloudWatch::Alarm', 'WatchKeepAlive');
    expect(alarm.Properties.Dimensions[0].Value['Fn::GetAtt'][0]).toBe(queue);
  });

  test('is one that relay tells from a queue', () => {
    expect(isKeepAlive(JSON.parse(rule.Properties.Targets[0].Input))).toBe(true);
  });

  test('is there without a VPC too, where a next hop has a client certificate, and reserves a call', () => {
    const [name = '', hop] = Object.entries(settingsOf().nextHops)[0] ?? [];
    const certified = { ...hop, tls: 'required', auth: null, clientCertificate: { secret: 'certificate' } };
    const sealed = synthesised({
      ...settingsOf({ concurrency: { reserve: true } }),
      nextHops: { [name]: certified as never },
    });
    const plain = synthesised(settingsOf({ concurrency: { reserve: true } }));
    const reserved = (of: Synthesised) =>
      only(of, 'AWS::Lambda::Function', 'Relay')[1].Properties.ReservedConcurrentExecutions;
    expect(only(sealed, 'AWS::Events::Rule', 'Relay')[1].Properties.ScheduleExpression).toBe('rate(1 hour)');
    expect(reserved(sealed)).toBe(reserved(plain) + 1);
  });
});

test.each<[string, object, string | null]>([
  [
    'one zone',
    { create: {} },
    'network: 1 NAT gateway and its public IPv4 address, $36.50 a month, and $0.045 for each GB through them (us-east-1, 2026-11; docs/network.md)',
  ],
  [
    'three zones',
    { create: { zones: 3 } },
    'network: 3 NAT gateways and their public IPv4 addresses, $109.50 a month, and $0.045 for each GB through them (us-east-1, 2026-11; docs/network.md)',
  ],
  [
    'a VPC of yours',
    own(three),
    'network: your VPC; this stack adds no hourly price, an interface endpoint is $7.30 a month in each zone (us-east-1, 2026-11; docs/network.md)',
  ],
])('the price of %s', (_, network, line) => {
  expect(networkPriceLine(settingsOf({ network }))).toBe(line);
  expect(networkPriceLine(settingsOf())).toBeNull();
});
