// What a VPC is made of: it boots with its ids, nothing of it is simulated, and that is said by name. Lambda still asks
// for the permissions of a function in a VPC.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, describe, expect, it } from 'vitest';
import { openAws } from '../src/aws.ts';
import type { Json, ResourceDefinition } from '../src/cloudformation/template.ts';

const folder = mkdtempSync(join(tmpdir(), 'network-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
let close = async (): Promise<void> => {};
afterEach(async () => {
  await close();
  close = async () => {};
});

const of = (type: string, properties: Json = {}): ResourceDefinition =>
  ({ Type: `AWS::EC2::${type}`, Properties: properties }) as ResourceDefinition;
const vpc: Readonly<Record<string, ResourceDefinition>> = {
  Vpc: of('VPC', { CidrBlock: '10.0.0.0/24', EnableDnsSupport: true }),
  Zone: of('Subnet', {
    VpcId: { Ref: 'Vpc' },
    CidrBlock: '10.0.0.0/26',
    AvailabilityZone: { 'Fn::Select': [0, { 'Fn::GetAZs': '' }] },
  }),
  Table: of('RouteTable', { VpcId: { Ref: 'Vpc' } }),
  Join: of('SubnetRouteTableAssociation', { RouteTableId: { Ref: 'Table' }, SubnetId: { Ref: 'Zone' } }),
  Door: of('InternetGateway'),
  Hinge: of('VPCGatewayAttachment', { VpcId: { Ref: 'Vpc' }, InternetGatewayId: { Ref: 'Door' } }),
  Address: of('EIP', { Domain: 'vpc' }),
  Nat: of('NatGateway', { AllocationId: { 'Fn::GetAtt': ['Address', 'AllocationId'] }, SubnetId: { Ref: 'Zone' } }),
  Out: of('Route', { RouteTableId: { Ref: 'Table' }, DestinationCidrBlock: '0.0.0.0/0', NatGatewayId: { Ref: 'Nat' } }),
  S3: of('VPCEndpoint', { VpcId: { Ref: 'Vpc' }, ServiceName: 's3', RouteTableIds: [{ Ref: 'Table' }] }),
  Group: of('SecurityGroup', { GroupDescription: 'out', VpcId: { Ref: 'Vpc' }, SecurityGroupEgress: [] }),
};

async function booted(resources: Readonly<Record<string, ResourceDefinition>>, outputs: Record<string, Json> = {}) {
  const lines: string[] = [];
  const code = join(folder, 'code');
  mkdirSync(code, { recursive: true });
  writeFileSync(join(code, 'index.js'), "exports.handler = async () => 'here';\n");
  const dataFolder = mkdtempSync(join(folder, 'data-'));
  const mail = { verifiedDomains: () => [], identities: () => [], out: { folder: join(dataFolder, 'out') } };
  const aws = await openAws({ dataFolder, mail, log: (line) => void lines.push(line) });
  close = aws.close;
  const Outputs = Object.fromEntries(Object.entries(outputs).map(([name, Value]) => [name, { Value }]));
  const template = { Resources: resources, Outputs };
  const deployed = await aws.deploy({ stackName: 'Test', template, asset: () => code }, null);
  aws.resume();
  return { aws, deployed, lines };
}

describe('a VPC', () => {
  it('boots, with ids that look as they do in EC2, and says what is not simulated', async () => {
    const { deployed, lines } = await booted(vpc, { Address: { Ref: 'Address' }, Vpc: { Ref: 'Vpc' } });
    expect(deployed.outputs.Address).toMatch(/^203\.0\.113\.\d+$/);
    expect(deployed.outputs.Vpc).toMatch(/^vpc-[0-9a-f]{17}$/);
    const types = ['EIP', 'InternetGateway', 'NatGateway', 'Route', 'RouteTable', 'SecurityGroup', 'Subnet'].concat(
      ...['SubnetRouteTableAssociation', 'VPC', 'VPCEndpoint', 'VPCGatewayAttachment'],
    );
    expect(lines).toEqual([
      `accepted and not simulated: ${types.map((type) => `AWS::EC2::${type}`).join(', ')}; functions reach what this machine reaches`,
    ]);
  });
  it('is nothing to speak of where there is none', async () => {
    expect((await booted({ Queue: { Type: 'AWS::SQS::Queue' } })).lines).toEqual([]);
  });
  it('with a property that nobody knows is refused', async () => {
    await expect(booted({ Vpc: of('VPC', { CidrBlock: '10.0.0.0/24', Ipv4IpamPoolId: 'x' }) })).rejects.toThrow(
      'Vpc (AWS::EC2::VPC): the property Ipv4IpamPoolId is not emulated',
    );
  });
});

describe('a function in a VPC', () => {
  const may = (Action: readonly string[], Resource: string) => ({ Effect: 'Allow', Action, Resource });
  const describeInterfaces = may(['ec2:DescribeNetworkInterfaces'], '*');
  const change = ['ec2:CreateNetworkInterface', 'ec2:DeleteNetworkInterface'];
  const notByCode = {
    Effect: 'Deny',
    Action: ['ec2:*'],
    Resource: '*',
    Condition: { Null: { 'lambda:SourceFunctionArn': 'false' } },
  };
  const withFunction = (statements: readonly object[]): Readonly<Record<string, ResourceDefinition>> => ({
    ...vpc,
    Role: {
      Type: 'AWS::IAM::Role',
      Properties: {
        AssumeRolePolicyDocument: {},
        Policies: [{ PolicyName: 'Own', PolicyDocument: { Version: '2012-10-17', Statement: statements as Json } }],
      },
    },
    Function: {
      Type: 'AWS::Lambda::Function',
      Properties: {
        Code: { S3Key: 'code' },
        Handler: 'index.handler',
        Runtime: 'nodejs24.x',
        Role: { 'Fn::GetAtt': ['Role', 'Arn'] },
        VpcConfig: { SubnetIds: [{ Ref: 'Zone' }], SecurityGroupIds: [{ 'Fn::GetAtt': ['Group', 'GroupId'] }] },
      },
    },
  });

  it('runs as any other does', async () => {
    const statements = [describeInterfaces, may(change, 'arn:aws:ec2:*:*:*/*'), notByCode];
    const { aws, lines } = await booted(withFunction(statements));
    expect(lines[0]).toContain('VpcConfig of AWS::Lambda::Function; functions reach what this machine reaches');
    expect(await aws.functions.invoke('Test-Function', '{}')).toEqual({ kind: 'returned', payload: '"here"' });
  });
  it.each([
    ['CreateNetworkInterface', [describeInterfaces]],
    ['DescribeNetworkInterfaces', [may(change, '*')]],
    ['DeleteNetworkInterface', [describeInterfaces, may(change.slice(0, 1), '*')]],
  ])('is not made by a role without %s', async (action, statements) => {
    await expect(booted(withFunction(statements))).rejects.toThrow(
      `The provided execution role does not have permissions to call ${action} on EC2`,
    );
  });
});
