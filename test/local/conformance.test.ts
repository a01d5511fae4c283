// The conformance suites of S3, SQS and IAM against the emulators, each through the front with the real SDK clients.
// What only the emulators can do (faults, virtual time, survival) is tested beside it.

import { afterAll, beforeAll, describe } from 'vitest';
import { iamConformance } from '#test/conformance/iam.ts';
import { s3Conformance } from '#test/conformance/s3.ts';
import { sqsConformance } from '#test/conformance/sqs.ts';
import { type StartedEmulators, startEmulators } from '#test/local/start-emulators.ts';

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
