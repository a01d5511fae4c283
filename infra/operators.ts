// What people may do who operate the stack: two managed policies, to be attached to a user or a role. Called by
// stack.ts, after all queues and functions. The reader sees the ledger, the metrics and the log, and no content. The
// operator has the other one beside it, carries out every verb of `everpost`, reads content and moves dead letters.
// Neither may remove content or a row. test/integration/cli/operators.test.ts takes each right away.

import { Aws, type Stack } from 'aws-cdk-lib';
import type { Table } from 'aws-cdk-lib/aws-dynamodb';
import { ManagedPolicy, type PolicyStatement } from 'aws-cdk-lib/aws-iam';
import type { Bucket } from 'aws-cdk-lib/aws-s3';
import { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { Settings } from '#config/settings.ts';
import { logGroupsOf } from './saved-queries.ts';
import { contentPrefixes, objectsBelow } from './spool.ts';
import { may } from './stage.ts';
import { findVersions, onLedger, type Stages } from './stages.ts';

type Given = {
  readonly settings: Settings;
  readonly bucket: Bucket;
  readonly table: Table;
  readonly stages: Stages;
};

/** The outputs, by name. */
export function operators(stack: Stack, given: Given): Readonly<Record<string, string>> {
  const here = new Construct(stack, 'Operators');
  const { stackName } = given.settings;
  const reader = new ManagedPolicy(here, 'Reader', {
    description: `Reads ledger, metrics and log of ${stackName}, and no content`,
    statements: [...reading(stack, given)],
  });
  const operator = new ManagedPolicy(here, 'Operator', {
    description: `Acts on deliveries and dead letters of ${stackName}, and reads content`,
    statements: [...acting(stack, given)],
  });
  return { ReaderPolicyArn: reader.managedPolicyArn, OperatorPolicyArn: operator.managedPolicyArn };
}

/** `everpost trace`, `pause` without a scope, `connector`, `dns`; the dashboard, its alarms and the saved queries. */
function reading(stack: Stack, { table, stages }: Given): readonly PolicyStatement[] {
  const { sources, deadLetters } = queuesOf(stack, stages);
  const identities = `arn:${Aws.PARTITION}:ses:${Aws.REGION}:${Aws.ACCOUNT_ID}:identity/*`;
  return [
    may(['cloudformation:DescribeStacks', 'cloudformation:ListStackResources'], Aws.STACK_ID),
    onLedger(table, 'GetItem', 'Query', 'Scan'),
    may(['dynamodb:Query'], `${table.tableArn}/index/*`),
    may(['sqs:GetQueueAttributes'], ...[...sources, ...deadLetters].map(({ queueArn }) => queueArn)),
    may(['ses:GetEmailIdentity'], identities),
    // CloudWatch knows no resource of these.
    may(['cloudwatch:DescribeAlarms', 'cloudwatch:GetMetricData', 'cloudwatch:ListMetrics'], '*'),
    may(['cloudwatch:GetDashboard', 'cloudwatch:ListDashboards'], '*'),
    may(['logs:StartQuery', 'logs:FilterLogEvents'], ...logGroupsOf(stack).map(({ logGroupArn }) => logGroupArn)),
    may(['logs:DescribeQueryDefinitions', 'logs:GetQueryResults', 'logs:StopQuery'], '*'),
  ];
}

/** The other verbs, and the dead letters. A row is written by its version, so that PutItem replaces none unseen. */
function acting(stack: Stack, { settings, bucket, table, stages }: Given): readonly PolicyStatement[] {
  const { sources, deadLetters } = queuesOf(stack, stages);
  const prefixes = contentPrefixes(settings);
  const move = ['ReceiveMessage', 'DeleteMessage', 'StartMessageMoveTask', 'ListMessageMoveTasks'];
  return [
    onLedger(table, 'PutItem'),
    // `everpost restore` reads the table to which an administrator restored the ledger.
    may(['dynamodb:GetItem', 'dynamodb:Scan'], `${table.tableArn}-restored*`),
    may(['sqs:SendMessage'], ...sources.map(({ queueArn }) => queueArn)),
    may(
      move.map((action) => `sqs:${action}`),
      ...deadLetters.map(({ queueArn }) => queueArn),
    ),
    may(['s3:GetObject'], ...objectsBelow(bucket, prefixes)),
    ...findVersions(bucket, prefixes),
  ];
}

/** The queues of the stages, and all others: in those lies what waits for a person. */
function queuesOf(stack: Stack, { ingest, relay, slowRelay, feedback }: Stages) {
  const sources = [ingest, relay, slowRelay, feedback].map(({ queue }) => queue);
  const all = stack.node.findAll().filter((each) => each instanceof Queue);
  return { sources, deadLetters: all.filter((each) => !sources.includes(each)) };
}
