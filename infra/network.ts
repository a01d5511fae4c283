// The network in which relay runs, where the configuration has `network`: the operator's own VPC, named by its ids, or
// a VPC that this stack makes. Called by stack.ts. Only relay runs there; the doctor's prober, which is planned, will
// take the same `place`. It looks nothing up: synth asks no account (docs/decisions/network.md).

import { Aws, CfnOutput, Fn } from 'aws-cdk-lib';
import {
  CfnEIP,
  CfnSecurityGroup,
  GatewayVpcEndpointAwsService,
  IpAddresses,
  NatProvider,
  SubnetType,
  Vpc,
} from 'aws-cdk-lib/aws-ec2';
import { Effect, PolicyStatement } from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import type { OwnVpc, Settings } from '#config/settings.ts';
import { networkZonesMax } from '#core/limits.ts';
import { may, outlivesStack, type Place } from './stage.ts';

/** Null where the configuration has no `network`. */
export function network(scope: Construct, { network: wanted }: Settings): Place | null {
  if (wanted === null) return null;
  const here = new Construct(scope, 'Network');
  return wanted.vpc === null ? madePlace(here, wanted.create.zones) : ownPlace(here, wanted.vpc);
}

function ownPlace(here: Construct, { id, subnets, securityGroups }: OwnVpc): Place {
  const group = securityGroups ? null : outwardGroup(here, id);
  return {
    subnetIds: subnets,
    securityGroupIds: group === null ? (securityGroups ?? []) : [group.attrGroupId],
    may: manageInterfaces(),
    ready: [],
    occupied: group === null ? [] : [group],
  };
}

/**
 * For each zone a private subnet and a NAT gateway with an address of its own. A further zone changes nothing of those
 * that stand: subnets keep room for all of them, and the address of a zone belongs to its number.
 */
function madePlace(here: Construct, zones: number): Place {
  const addresses = Array.from({ length: zones }, (_, index) => natAddress(here, index + 1));
  const vpc = new Vpc(here, 'Vpc', {
    // Unusual, so that it can be joined to others; room for three zones.
    ipAddresses: IpAddresses.cidr('10.225.25.0/24'),
    availabilityZones: Array.from({ length: zones }, (_, index) => Fn.select(index, Fn.getAzs())),
    reservedAzs: networkZonesMax - zones,
    natGateways: zones,
    natGatewayProvider: NatProvider.gateway({
      eipAllocationIds: addresses.map(({ attrAllocationId }) => attrAllocationId),
    }),
    subnetConfiguration: [
      { name: 'Private', subnetType: SubnetType.PRIVATE_WITH_EGRESS, cidrMask: 26 },
      { name: 'Public', subnetType: SubnetType.PUBLIC, cidrMask: 28, mapPublicIpOnLaunch: false },
    ],
    restrictDefaultSecurityGroup: false, // it takes a custom resource, and nothing is in that group
  });
  const subnets = [{ subnetType: SubnetType.PRIVATE_WITH_EGRESS }];
  const endpoints = [
    vpc.addGatewayEndpoint('S3', { service: GatewayVpcEndpointAwsService.S3, subnets }),
    vpc.addGatewayEndpoint('DynamoDb', { service: GatewayVpcEndpointAwsService.DYNAMODB, subnets }),
  ];
  output(here, 'NetworkVpc', vpc.vpcId, 'The VPC that relay runs in: for peering, a VPN, or flow logs');
  const group = outwardGroup(here, vpc.vpcId);
  return {
    subnetIds: vpc.privateSubnets.map(({ subnetId }) => subnetId),
    securityGroupIds: [group.attrGroupId],
    may: manageInterfaces(),
    ready: [...vpc.privateSubnets.map((subnet) => subnet.internetConnectivityEstablished), ...endpoints],
    occupied: [...vpc.privateSubnets, group],
  };
}

/**
 * An address that SPF records, PTR records and others' connectors name: it outlives the stack. The address of a failed
 * creation is in no record and is released, because an account has five of them.
 */
function natAddress(here: Construct, zone: number): CfnEIP {
  const address = new CfnEIP(here, `Address${zone}`, { domain: 'vpc' });
  address.applyRemovalPolicy(outlivesStack);
  const first = zone === 1 ? '; the first one is for helo: its A record, and its PTR record' : '';
  output(here, `NatAddress${zone}`, address.ref, `Our address in zone ${zone}, for SPF records and connectors${first}`);
  return address;
}

/**
 * Everything out, nothing in. The ports of next hops and token endpoints, and the DNS servers of one's own VPC, are not
 * known here.
 */
function outwardGroup(here: Construct, vpcId: string): CfnSecurityGroup {
  const group = new CfnSecurityGroup(here, 'Outward', {
    vpcId,
    groupDescription: 'Relay calls, and is never called',
    securityGroupEgress: [{ ipProtocol: '-1', cidrIp: '0.0.0.0/0', description: 'AWS services and next hops' }],
  });
  output(here, 'RelaySecurityGroup', group.attrGroupId, 'The security group of relay: let it in at a server of yours');
  return group;
}

function output(here: Construct, name: string, value: string, description: string): void {
  new CfnOutput(here, name, { value, description }).overrideLogicalId(name);
}

/**
 * Lambda makes the function's interfaces by the function's role. The function's code may not: its calls carry the
 * function's ARN, and Lambda's own calls do not (Lambda developer guide, "Working with Lambda execution
 * environment credentials" and "Giving Lambda functions access to resources in an Amazon VPC").
 */
function manageInterfaces(): readonly PolicyStatement[] {
  const describe = ['ec2:DescribeNetworkInterfaces', 'ec2:DescribeSubnets'];
  const change = [
    'ec2:CreateNetworkInterface',
    'ec2:DeleteNetworkInterface',
    'ec2:AssignPrivateIpAddresses',
    'ec2:UnassignPrivateIpAddresses',
  ];
  const notByCode = new PolicyStatement({
    effect: Effect.DENY,
    actions: [...describe, ...change],
    resources: ['*'],
    conditions: { Null: { 'lambda:SourceFunctionArn': 'false' } },
  });
  return [may(describe, '*'), may(change, `arn:${Aws.PARTITION}:ec2:${Aws.REGION}:*:*/*`), notByCode];
}
