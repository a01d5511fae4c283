// The conformance suites of S3, SQS and IAM against the emulators, each through the front with the real SDK clients.
// What only the emulators can do (faults, virtual time, survival) is tested beside it.

import { afterAll, beforeAll, describe } from 'vitest';
import { type StartedEmulators, startEmulators } from '../src/start-emulators.ts';
import { iamConformance } from './conformance/iam.ts';
import { s3Conformance } from './conformance/s3.ts';
import { type EventsBucket, s3EventsConformance } from './conformance/s3-events.ts';
import { sqsConformance } from './conformance/sqs.ts';

let aws: StartedEmulators;
let made = 0;
beforeAll(async () => {
  aws = await startEmulators({
    buckets: ['conformance', { name: 'conformance-versioned', versioned: true }],
    queues: ['conformance'],
  });
});
afterAll(() => aws.close());

describe('S3', () => {
  s3Conformance(() => ({
    config: aws.clientConfig,
    bucket: 'conformance',
    versionedBucket: 'conformance-versioned',
    withoutList: aws.role('without-list', [
      { Effect: 'Allow', Action: ['s3:GetObject', 's3:PutObject'], Resource: 'arn:aws:s3:::conformance/*' },
    ]),
  }));
});

/** A bucket and a queue of its own, which takes what the policy's conditions say from S3. */
async function notifying(from: string | null, filter = { prefix: '', suffix: '' }): Promise<EventsBucket> {
  made += 1;
  const name = `events-${made}`;
  const queueArn = aws.queues.arnOf(name);
  const statement = {
    Effect: 'Allow',
    Principal: { Service: 's3.amazonaws.com' },
    Action: 'sqs:SendMessage',
    Resource: queueArn,
    Condition: {
      StringEquals: { 'aws:SourceAccount': aws.world.account },
      ArnLike: { 'aws:SourceArn': `arn:aws:s3:::${from ?? name}` },
    },
  };
  const policy = { Version: '2012-10-17', Statement: [statement] };
  aws.queues.create({ name, ...(from === 'none' ? {} : { policy }) });
  aws.s3.buckets.create(name, { versioned: true });
  await aws.s3.buckets.notify(name, [{ id: 'it', queueArn, ...filter }]);
  return { bucket: name, queueUrl: aws.queueUrl(name) };
}

describe('S3 events', () => {
  s3EventsConformance(() => ({
    config: aws.clientConfig,
    makeBucket: (filter) => notifying(null, filter),
    makeRefused: (why) => notifying(why === 'no policy' ? 'none' : 'another'),
  }));
});

describe('SQS', () => {
  sqsConformance(() => ({
    config: aws.clientConfig,
    async makeQueue(attributes) {
      made += 1;
      const { VisibilityTimeout, RedrivePolicy, ...others } = attributes;
      if (Object.keys(others).length > 0) throw new Error(`makeQueue does not know ${Object.keys(others)}`);
      const name = `conformance-${made}`;
      const arn = aws.queues.create({
        name,
        ...(VisibilityTimeout === undefined ? {} : { visibilityTimeoutSeconds: Number(VisibilityTimeout) }),
        ...(RedrivePolicy === undefined ? {} : { redrive: JSON.parse(RedrivePolicy) }),
      });
      return { url: aws.queueUrl(name), arn };
    },
  }));
});

describe('IAM', () => {
  iamConformance(() => ({
    config: { endpoint: aws.endpoint, region: aws.region },
    bucket: 'conformance',
    queue: { url: aws.queueUrl('conformance'), arn: aws.queues.arnOf('conformance') },
    async role(statements) {
      made += 1;
      return aws.role(`role-${made}`, statements);
    },
  }));
});
