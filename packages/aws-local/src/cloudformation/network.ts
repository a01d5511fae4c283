// Creators of what a VPC is made of. Called by deploy.ts. Nothing of it is simulated: functions run on this machine and
// reach what this machine reaches. Each has its id and its attributes, so that a template that refers to them boots,
// and deploy.ts says by name what of the template is not simulated.

import { createHash } from 'node:crypto';
import type { Creator } from './creator.ts';
import { textOf, understood } from './properties.ts';

/** The ids look as EC2's do, and are the same at each start. */
function idOf(prefix: string, name: string): string {
  return `${prefix}-0${createHash('sha256').update(name).digest('hex').slice(0, 16)}`;
}

/** An address for documentation (RFC 5737): no host has it. */
function addressOf(name: string): string {
  return `203.0.113.${1 + ((createHash('sha256').update(name).digest()[0] ?? 0) % 254)}`;
}

function accepted(
  prefix: string,
  properties: readonly string[],
  attributes: (id: string, name: string) => Readonly<Record<string, string>> = () => ({}),
): Creator {
  return ({ type, name, properties: given }, boot) => {
    understood(given, [], [...properties, 'Tags']);
    boot.notSimulated.add(type);
    const id = idOf(prefix, name);
    return { ref: id, attributes: attributes(id, name) };
  };
}

const vpc: Creator = ({ type, name, properties }, boot) => {
  understood(properties, ['CidrBlock'], ['EnableDnsHostnames', 'EnableDnsSupport', 'InstanceTenancy', 'Tags']);
  boot.notSimulated.add(type);
  const id = idOf('vpc', name);
  const DefaultSecurityGroup = idOf('sg', `${name} default`);
  return { ref: id, attributes: { VpcId: id, CidrBlock: textOf(properties, 'CidrBlock'), DefaultSecurityGroup } };
};

const address: Creator = ({ type, name, properties }, boot) => {
  understood(properties, [], ['Domain', 'Tags']);
  boot.notSimulated.add(type);
  const ref = addressOf(name);
  return { ref, attributes: { AllocationId: idOf('eipalloc', name), PublicIp: ref } };
};

export const networkCreators: Readonly<Record<string, Creator>> = {
  'AWS::EC2::EIP': address,
  'AWS::EC2::InternetGateway': accepted('igw', [], (InternetGatewayId) => ({ InternetGatewayId })),
  'AWS::EC2::NatGateway': accepted('nat', ['AllocationId', 'SubnetId', 'ConnectivityType'], (NatGatewayId) => ({
    NatGatewayId,
  })),
  'AWS::EC2::Route': accepted('r', ['DestinationCidrBlock', 'GatewayId', 'NatGatewayId', 'RouteTableId']),
  'AWS::EC2::RouteTable': accepted('rtb', ['VpcId'], (RouteTableId) => ({ RouteTableId })),
  'AWS::EC2::SecurityGroup': accepted(
    'sg',
    ['GroupDescription', 'GroupName', 'SecurityGroupEgress', 'SecurityGroupIngress', 'VpcId'],
    (id) => ({ GroupId: id, Id: id }),
  ),
  'AWS::EC2::Subnet': accepted(
    'subnet',
    ['AvailabilityZone', 'CidrBlock', 'MapPublicIpOnLaunch', 'VpcId'],
    (SubnetId) => ({ SubnetId }),
  ),
  'AWS::EC2::SubnetRouteTableAssociation': accepted('rtbassoc', ['RouteTableId', 'SubnetId'], (Id) => ({ Id })),
  'AWS::EC2::VPC': vpc,
  'AWS::EC2::VPCEndpoint': accepted(
    'vpce',
    [
      ...['PolicyDocument', 'PrivateDnsEnabled', 'RouteTableIds', 'SecurityGroupIds', 'ServiceName', 'SubnetIds'],
      ...['VpcEndpointType', 'VpcId'],
    ],
    (Id) => ({ Id }),
  ),
  'AWS::EC2::VPCGatewayAttachment': accepted('igwattach', ['InternetGatewayId', 'VpcId']),
};
