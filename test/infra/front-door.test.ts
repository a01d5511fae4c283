// The front door's policies and order: each of these, when it was wrong, lost mail without a sound in somebody's stack
// (aws-contracts §1.4 and §10). Conditions are held word for word.

import { describe, expect, test } from 'vitest';
import { ofType, only, settingsOf, synthesised } from './template.ts';

const template = synthesised(settingsOf());
const arnOf = (rule: string) => ({
  'Fn::Join': [
    '',
    [
      'arn:',
      { Ref: 'AWS::Partition' },
      ':ses:',
      { Ref: 'AWS::Region' },
      ':',
      { Ref: 'AWS::AccountId' },
      `:receipt-rule-set/Everpost:receipt-rule/${rule}`,
    ],
  ],
});
const statements = (id: string) => template.resources[id]?.Properties.PolicyDocument.Statement;

test('SES may put into in/ of the spool, for our rules in our account alone', () => {
  const [id] = only(template, 'AWS::S3::BucketPolicy');
  expect(statements(id)).toContainEqual({
    Sid: 'AllowSESPuts',
    Effect: 'Allow',
    Principal: { Service: 'ses.amazonaws.com' },
    Action: 's3:PutObject',
    Resource: { 'Fn::Join': ['', [{ 'Fn::GetAtt': ['SpoolBucket', 'Arn'] }, '/in/*']] },
    Condition: {
      StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' }, 'aws:SourceArn': [arnOf('Everpost-0')] },
    },
  });
});

test('SES may publish receipts: the topic has a policy, so that needs saying, and nothing denies it', () => {
  const [topic, { Properties }] = only(template, 'AWS::SNS::Topic', 'FrontDoorReceipts');
  expect(Properties?.KmsMasterKeyId).toBeUndefined(); // SES would need a grant of the key's owner
  const [id, policy] = only(template, 'AWS::SNS::TopicPolicy', 'FrontDoor');
  expect(policy.Properties.Topics).toEqual([{ Ref: topic }]);
  expect(statements(id)).toEqual([
    {
      Sid: 'AllowSESPublish',
      Effect: 'Allow',
      Principal: { Service: 'ses.amazonaws.com' },
      Action: 'sns:Publish',
      Resource: { Ref: topic },
      Condition: {
        StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } },
        ArnLike: { 'aws:SourceArn': arnOf('*') },
      },
    },
  ]);
});

test('receipts go raw to the ingest queue, and what SNS cannot hand over to a queue of its own', () => {
  const [, { Properties }] = only(template, 'AWS::SNS::Subscription');
  expect(Properties).toMatchObject({ Protocol: 'sqs', RawMessageDelivery: true });
  expect(Properties.Endpoint['Fn::GetAtt'][0]).toBe(only(template, 'AWS::SQS::Queue', 'IngestQueue')[0]);
  const deadLetters = Properties.RedrivePolicy.deadLetterTargetArn['Fn::GetAtt'][0];
  const topic = Properties.TopicArn;
  for (const queue of [Properties.Endpoint['Fn::GetAtt'][0], deadLetters]) {
    const policy = ofType(template, 'AWS::SQS::QueuePolicy').find(
      ([, each]) => each.Properties.Queues[0].Ref === queue,
    );
    expect(policy?.[1].Properties.PolicyDocument.Statement).toContainEqual({
      Effect: 'Allow',
      Principal: { Service: 'sns.amazonaws.com' },
      Action: 'sqs:SendMessage',
      Resource: { 'Fn::GetAtt': [queue, 'Arn'] },
      Condition: { ArnEquals: { 'aws:SourceArn': topic } },
    });
  }
});

describe('receipt rules', () => {
  const [, rule] = only(template, 'AWS::SES::ReceiptRule');
  test('are on, scan, take mail without TLS, store and publish', () => {
    expect(rule.Properties.RuleSetName).toBe('Everpost');
    expect(rule.Properties.Rule).toEqual({
      Name: 'Everpost-0',
      Enabled: true,
      ScanEnabled: true,
      TlsPolicy: 'Optional',
      Recipients: ['bounces.example.com', 'example.com'],
      Actions: [
        {
          S3Action: {
            BucketName: { Ref: 'SpoolBucket' },
            ObjectKeyPrefix: 'in/',
            TopicArn: { Ref: only(template, 'AWS::SNS::Topic', 'FrontDoorReceipts')[0] },
          },
        },
      ],
    });
  });
  test('come after both policies: SES tries them when a rule is made', () => {
    expect(rule.DependsOn).toEqual(
      expect.arrayContaining([
        only(template, 'AWS::S3::BucketPolicy')[0],
        only(template, 'AWS::SNS::TopicPolicy', 'FrontDoor')[0],
        only(template, 'AWS::SES::ReceiptRuleSet')[0],
      ]),
    );
  });
  test('name addresses where the routes do; several are written from the last to the first', () => {
    const match = ['postmaster@example.com', ...Array.from({ length: 1500 }, (_, n) => `user${n}@example.com`)];
    const large = synthesised(settingsOf({ routes: [{ match, to: [{ via: 'mailboxes' }] }] }));
    const rules = ofType(large, 'AWS::SES::ReceiptRule');
    expect(rules.length).toBeGreaterThan(3);
    const taken = [...match, 'bounces.example.com'].sort();
    expect(rules.flatMap(([, { Properties }]) => Properties.Rule.Recipients).sort()).toEqual(taken);
    const bySlot = new Map(
      rules.map(([id, { Properties }]) => [Number(Properties.Rule.Name.replace('Everpost-', '')), id]),
    );
    for (const [id, { Properties, DependsOn }] of rules) {
      const next = bySlot.get(Number(Properties.Rule.Name.replace('Everpost-', '')) + 1);
      if (next !== undefined) expect([id, DependsOn?.includes(next)]).toEqual([id, true]);
    }
    const [, policy] = only(large, 'AWS::S3::BucketPolicy');
    const put = policy.Properties.PolicyDocument.Statement.find(
      (each: { Sid?: string }) => each.Sid === 'AllowSESPuts',
    );
    expect(put.Condition.StringEquals['aws:SourceArn']).toHaveLength(rules.length);
  });
});

describe('activation', () => {
  const active = (of: typeof template) => only(of, 'Custom::ActiveRuleSet')[1];
  test('comes last, when mail that is accepted has its whole way', () => {
    expect(active(template).DependsOn).toEqual(
      expect.arrayContaining([
        only(template, 'AWS::SES::ReceiptRule')[0],
        only(template, 'AWS::SNS::Subscription')[0],
        only(template, 'AWS::SQS::Queue', 'IngestQueue')[0],
        only(template, 'AWS::SQS::QueuePolicy', 'IngestQueuePolicy')[0],
      ]),
    );
  });
  test('displaces a foreign rule set only when it is told to, and looks again when the configuration changes', () => {
    expect(active(template).Properties).toMatchObject({
      RuleSetName: 'Everpost',
      Replace: 'no',
      ConfigVersion: settingsOf().version,
    });
    expect(active(synthesised(settingsOf(), { replaceRuleSet: true })).Properties.Replace).toBe('yes');
  });
});
