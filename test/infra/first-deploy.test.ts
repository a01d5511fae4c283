// A first deploy that fails must be repeatable by the same command. CloudFormation rolls a failed creation back, and
// the cdk command deletes what is left of the stack before it creates it again. This file walks the template for
// whatever would stand in the way of either: protection of the stack, retained resources whose names are taken,
// deletions that fail, names of things that do not exist yet.

import { describe, expect, test } from 'vitest';
import { bySesAndSrs, ofType, type Resource, settingsOf, submitting, synthesised } from './template.ts';

const routes = [...bySesAndSrs.routes, ...submitting.routes.slice(-1)];
const templates = [
  ['the shipped configuration', synthesised(settingsOf())],
  ['every part', synthesised(settingsOf({ ...bySesAndSrs, ...submitting, routes, network: { create: { zones: 3 } } }))],
] as const;

/** The property by which each type is given a name. A type that is not here fails its test below. */
const namedBy: Readonly<Record<string, string>> = {
  'AWS::S3::Bucket': 'BucketName',
  'AWS::DynamoDB::Table': 'TableName',
  'AWS::SQS::Queue': 'QueueName',
  'AWS::SNS::Topic': 'TopicName',
  'AWS::Logs::LogGroup': 'LogGroupName',
  'AWS::SecretsManager::Secret': 'Name',
  'AWS::Lambda::Function': 'FunctionName',
  'AWS::IAM::Role': 'RoleName',
  'AWS::EC2::EIP': 'Address',
};

describe.each(templates)('%s', (_name, template) => {
  const all = Object.entries(template.resources);
  const outlives = ({ DeletionPolicy = 'Delete', UpdateReplacePolicy = 'Delete' }: Resource) =>
    DeletionPolicy !== 'Delete' || UpdateReplacePolicy !== 'Delete';

  test('the stack may be deleted, which is how the cdk command begins after a failed creation', () => {
    expect(template.terminationProtection).toBe(false);
  });

  test('of what outlives the stack, bucket and table alone outlive its failed creation', () => {
    // RetainExceptOnCreate would have the rollback delete a bucket that SES has written into, and a protected table:
    // ROLLBACK_FAILED. Nothing else holds anything yet.
    const cannotGo = ['AWS::S3::Bucket', 'AWS::DynamoDB::Table'];
    for (const [id, resource] of all.filter(([, it]) => outlives(it))) {
      const policy = cannotGo.includes(resource.Type) ? 'Retain' : 'RetainExceptOnCreate';
      expect([id, resource.DeletionPolicy, resource.UpdateReplacePolicy]).toEqual([id, policy, 'Retain']);
    }
  });

  test('what outlives the stack leaves the next one free to take its name', () => {
    for (const [id, { Type, Properties }] of all.filter(([, it]) => outlives(it))) {
      const property = namedBy[Type];
      expect([id, property]).toEqual([id, expect.any(String)]);
      expect([id, Properties?.[property ?? '']]).toEqual([id, undefined]);
    }
  });

  test('queues, functions, log groups and topics are found by eye: part, then kind', () => {
    const kinds: Readonly<Record<string, RegExp>> = {
      'AWS::SQS::Queue': /^(?:[A-Z][a-z]+)+(?:Queue|DeadLetters)[0-9A-F]{8}$/,
      'AWS::Lambda::Function': /^(?:[A-Z][a-z]+)+Function[0-9A-F]{8}$/,
      'AWS::Logs::LogGroup': /^(?:[A-Z][a-z]+)+Log[0-9A-F]{8}$/,
      'AWS::SNS::Topic': /^(?:FrontDoorReceipts|SesFeedbackEvents|WatchAlarms)[0-9A-F]{8}$/,
    };
    // CloudFormation makes the name of the stack's name, this id and twelve letters (its user guide, "Name type").
    for (const [id, { Type, Properties }] of all) {
      const kind = kinds[Type];
      if (kind === undefined || id.startsWith('Custom')) continue;
      expect([id, Properties?.[namedBy[Type] ?? '']]).toEqual([expect.stringMatching(kind), undefined]);
    }
  });

  test('what cannot be deleted is retained', () => {
    for (const [id, resource] of all) {
      const { Type, Properties, DeletionPolicy } = resource;
      const guarded =
        Type === 'AWS::S3::Bucket' || // SES writes its word of trial into it when a rule is made, and only an empty one can go
        Properties?.DeletionProtectionEnabled === true ||
        Properties?.DeletionProtection === true;
      if (guarded) expect([id, DeletionPolicy]).toEqual([id, 'Retain']);
    }
  });

  test('no queue names its sources: they do not exist yet when it is made', () => {
    const policies = ofType(template, 'AWS::SQS::Queue').map(([id, { Properties }]) => [
      id,
      Properties.RedriveAllowPolicy,
    ]);
    expect(policies.filter(([, policy]) => policy !== undefined)).toEqual([]);
  });

  test('nothing asks a new account for more than it has', () => {
    for (const [id, { Properties }] of ofType(template, 'AWS::Lambda::Function'))
      expect([id, Properties.ReservedConcurrentExecutions]).toEqual([id, undefined]);
  });
});
