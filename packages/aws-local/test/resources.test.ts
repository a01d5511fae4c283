// Resources: what is not understood is named, and nothing is left out in silence.
// The emulators are real; the templates are a few lines each.

import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, describe, expect, it } from 'vitest';
import type { Makers } from '../src/cloudformation/creator.ts';
import { deploy } from '../src/cloudformation/deploy.ts';
import type { ResourceDefinition } from '../src/cloudformation/template.ts';
import { type CloudWatch, startCloudWatch } from '../src/cloudwatch/cloudwatch.ts';
import { createMetrics } from '../src/cloudwatch/metric-data.ts';
import { type Emulators, openEmulators } from '../src/emulators.ts';

let open: { emulators: Emulators; cloudWatch: CloudWatch } | null = null;
afterEach(async () => {
  open?.cloudWatch.stop();
  await open?.emulators.close();
  open = null;
});

async function deployed(resources: Readonly<Record<string, ResourceDefinition>>) {
  const emulators = await openEmulators({ dataFolder: mkdtempSync(join(tmpdir(), 'resources-')) });
  const cloudWatch = startCloudWatch(
    emulators.world,
    createMetrics(() => emulators.clock.now()),
    emulators.topics.publish,
  );
  open = { emulators, cloudWatch };
  const template = { Resources: resources };
  const asset = (key: string): never => {
    throw new Error(`no asset ${key}`);
  };
  // Functions, tables and receipt rules are not made in these tests.
  const makers = {
    ...emulators,
    buckets: emulators.s3.buckets,
    cloudWatch,
    receiptRules: { retain: () => {} },
    queueUrl: (name: string) => `http://127.0.0.1:1/000000000000/${name}`,
  } as unknown as Makers;
  const made = await deploy({ stackName: 'Test', template, asset }, makers, 'arn:aws:cloudformation:::stack/Test/id');
  return { emulators, cloudWatch, ...made };
}

const queue: ResourceDefinition = { Type: 'AWS::SQS::Queue', Properties: { VisibilityTimeout: 60 } };

describe('a template', () => {
  it('becomes queues with their policies, and names that stay', async () => {
    const { created, emulators } = await deployed({
      Work: queue,
      Allow: {
        Type: 'AWS::SQS::QueuePolicy',
        Properties: {
          Queues: [{ Ref: 'Work' }],
          PolicyDocument: {
            Version: '2012-10-17',
            Statement: [
              {
                Effect: 'Allow',
                Principal: { Service: 'sns.amazonaws.com' },
                Action: 'sqs:SendMessage',
                Resource: { 'Fn::GetAtt': ['Work', 'Arn'] },
                Condition: { ArnEquals: { 'aws:SourceArn': 'arn:topic' } },
              },
            ],
          },
        },
      },
    });
    expect(created.get('Work')?.attributes.QueueName).toBe('Test-Work');
    const resource = 'arn:aws:sqs:eu-west-1:000000000000:Test-Work';
    const service = { kind: 'service', name: 'sns.amazonaws.com' } as const;
    const asked = (source: string): boolean =>
      emulators.world.gate.may(service, { action: 'sqs:SendMessage', resource, context: { 'aws:sourcearn': source } });
    expect([asked('arn:topic'), asked('arn:other')]).toEqual([true, false]);
  });

  it('takes SNS’s default policy away where the topic has one of its own', async () => {
    const publish = (emulators: Emulators, name: string): boolean =>
      emulators.world.gate.may(
        { kind: 'role', arn: 'arn:aws:iam::000000000000:role/any', functionName: null },
        {
          action: 'sns:Publish',
          resource: `arn:aws:sns:eu-west-1:000000000000:${name}`,
          context: { 'aws:sourceowner': '000000000000' },
        },
      );
    const { emulators } = await deployed({
      Open: { Type: 'AWS::SNS::Topic' },
      Closed: { Type: 'AWS::SNS::Topic' },
      Close: {
        Type: 'AWS::SNS::TopicPolicy',
        Properties: { Topics: [{ Ref: 'Closed' }], PolicyDocument: { Version: '2012-10-17', Statement: [] } },
      },
    });
    expect([publish(emulators, 'Test-Open'), publish(emulators, 'Test-Closed')]).toEqual([true, false]);
  });

  it.each<[string, Readonly<Record<string, ResourceDefinition>>, string]>([
    ['a type', { X: { Type: 'AWS::EC2::Instance' } }, 'X: the resource type AWS::EC2::Instance is not emulated'],
    [
      'a property',
      { Q: { Type: 'AWS::SQS::Queue', Properties: { KmsMasterKeyId: 'alias/x' } } },
      'Q (AWS::SQS::Queue): the property KmsMasterKeyId is not emulated',
    ],
    [
      'a lifecycle rule that would expire mail',
      {
        B: {
          Type: 'AWS::S3::Bucket',
          Properties: { LifecycleConfiguration: { Rules: [{ Id: 'x', Status: 'Enabled', ExpirationInDays: 3 }] } },
        },
      },
      'the property ExpirationInDays is not emulated',
    ],
    [
      'another runtime',
      { F: { Type: 'AWS::Lambda::Function', Properties: { Runtime: 'python3.13' } } },
      'Runtime: "python3.13" is not emulated',
    ],
    [
      'an alarm by expression',
      { A: { Type: 'AWS::CloudWatch::Alarm', Properties: { Metrics: [] } } },
      'the property Metrics is not emulated',
    ],
  ])('is refused by name for %s', async (_, resources, message) => {
    await expect(deployed(resources)).rejects.toThrow(message);
  });
});
