// The template, construct by construct: what would lose mail if it changed unseen.
// Relations between numbers are asserted here too, since infra and code read the same limits.

import { describe, expect, test } from 'vitest';
import * as limits from '#core/limits.ts';
import { each, ofType, only, settingsOf, statementsOf, submitting, synthesised } from './template.ts';

const template = synthesised(settingsOf());
const queues = ofType(template, 'AWS::SQS::Queue');
const functions = ofType(template, 'AWS::Lambda::Function');

describe('spool', () => {
  const [id, bucket] = only(template, 'AWS::S3::Bucket');
  test('keeps its logical id, and outlives the stack', () => {
    expect(id).toBe('SpoolBucket');
    expect([bucket.DeletionPolicy, bucket.UpdateReplacePolicy]).toEqual(['Retain', 'Retain']);
  });
  test('has versions, encryption without a key, no public access', () => {
    expect(bucket.Properties.VersioningConfiguration).toEqual({ Status: 'Enabled' });
    const [rule] = bucket.Properties.BucketEncryption.ServerSideEncryptionConfiguration;
    expect(rule.ServerSideEncryptionByDefault).toEqual({ SSEAlgorithm: 'AES256' });
    expect(Object.values(bucket.Properties.PublicAccessBlockConfiguration)).toEqual([true, true, true, true]);
  });
  test('never expires a current version', () => {
    for (const rule of bucket.Properties.LifecycleConfiguration.Rules) {
      expect(Object.keys(rule).filter((key) => /^Expiration|^Transition/.test(key))).toEqual([]);
    }
  });
  test.each([
    ['1s', 1],
    ['7d', 7],
    ['25h', 2],
  ])('keeps deleted versions for %s: %i whole days', (versions, days) => {
    const [, { Properties }] = only(synthesised(settingsOf({ retention: { versions } })), 'AWS::S3::Bucket');
    expect(Properties.LifecycleConfiguration.Rules[0].NoncurrentVersionExpiration.NoncurrentDays).toBe(days);
  });
  test('treats all that lies there alike, submissions too', () => {
    for (const of of [template, synthesised(settingsOf(submitting))]) {
      const { Rules } = only(of, 'AWS::S3::Bucket')[1].Properties.LifecycleConfiguration;
      expect(Rules).toHaveLength(1);
      for (const narrowing of ['Prefix', 'TagFilters', 'ObjectSizeGreaterThan', 'ObjectSizeLessThan'])
        expect(Rules[0]).not.toHaveProperty(narrowing);
    }
  });
});

describe('ledger', () => {
  const [id, table] = only(template, 'AWS::DynamoDB::Table');
  test('keeps its logical id and keys, and outlives the stack', () => {
    expect(id).toBe('LedgerTable');
    expect([table.DeletionPolicy, table.UpdateReplacePolicy]).toEqual(['Retain', 'Retain']);
    expect(table.Properties).toMatchObject({
      DeletionProtectionEnabled: true,
      BillingMode: 'PAY_PER_REQUEST',
      KeySchema: [
        { AttributeName: 'pk', KeyType: 'HASH' },
        { AttributeName: 'sk', KeyType: 'RANGE' },
      ],
      TimeToLiveSpecification: { AttributeName: 'ttl', Enabled: true },
      PointInTimeRecoverySpecification: { PointInTimeRecoveryEnabled: true },
    });
  });
  const indexes = (of: typeof template) =>
    only(of, 'AWS::DynamoDB::Table')[1].Properties.GlobalSecondaryIndexes.map(
      (index: { IndexName: string; KeySchema: { AttributeName: string }[]; Projection: { ProjectionType: string } }) =>
        [index.IndexName, ...index.KeySchema.map((key) => key.AttributeName), index.Projection.ProjectionType].join(
          ' ',
        ),
    );
  test('has the index of what is due, and those for searches unless they are off', () => {
    expect(indexes(template)).toEqual([
      'due dueShard dueAt INCLUDE',
      'byMessageIdField messageIdField acceptedAt KEYS_ONLY',
      'byReversePath reversePathKey acceptedAt KEYS_ONLY',
      'byForwardPath forwardPathKey acceptedAt KEYS_ONLY',
    ]);
    expect(indexes(synthesised(settingsOf({ trace: { search: false } })))).toEqual(['due dueShard dueAt INCLUDE']);
  });
});

describe('queues', () => {
  const stageQueues = queues.filter(([, { Properties }]) => Properties.RedrivePolicy);
  const rest = queues.filter(([, { Properties }]) => !Properties.RedrivePolicy);
  test('of the stages have a dead-letter queue of their own each', () => {
    const names = ['Ingest', 'Relay', 'SlowRelay', 'Feedback'];
    expect(stageQueues.map(([id]) => id.replace(/Queue\w*$/, ''))).toEqual(names);
    const targets = stageQueues.map(([id, { Properties }]) => {
      const alone = ['Ingest', 'Feedback'].some((name) => id.startsWith(name)); // what is nowhere else
      expect(Properties.RedrivePolicy.maxReceiveCount).toBe(alone ? 25 : 5);
      return Properties.RedrivePolicy.deadLetterTargetArn['Fn::GetAtt'][0].replace(/DeadLetters\w*$/, '');
    });
    expect(targets).toEqual(names);
  });
  test('all hold their messages for as long as SQS can, encrypted, and outlive the stack', () => {
    expect(queues).toHaveLength(12);
    for (const [id, queue] of queues) {
      expect([id, queue.Properties.MessageRetentionPeriod]).toEqual([id, limits.queueRetentionMs / 1000]);
      expect([id, queue.DeletionPolicy, queue.UpdateReplacePolicy]).toEqual([id, 'RetainExceptOnCreate', 'Retain']);
      expect([id, queue.Properties.SqsManagedSseEnabled]).toEqual([id, true]);
    }
  });
  test('that nobody consumes are dead-letter queues, each of something', () => {
    const text = JSON.stringify(template.resources);
    for (const [id] of rest)
      expect(text).toMatch(
        new RegExp(`"(deadLetterTargetArn|DeadLetterConfig)":\\{("Arn":\\{)?"Fn::GetAtt":\\["${id}"`),
      );
    const consumed = ofType(template, 'AWS::Lambda::EventSourceMapping').map(
      ([, { Properties }]) => Properties.EventSourceArn['Fn::GetAtt'][0],
    );
    expect(consumed.sort()).toEqual(stageQueues.map(([id]) => id).sort());
  });
});

describe('stages', () => {
  const mappings = ofType(template, 'AWS::Lambda::EventSourceMapping').map(([, { Properties }]) => Properties);
  test('report what failed of a batch, and are paced at the mapping', () => {
    expect(mappings).toHaveLength(4);
    for (const mapping of mappings) {
      expect(mapping.FunctionResponseTypes).toEqual(['ReportBatchItemFailures']);
      expect(mapping.ScalingConfig.MaximumConcurrency).toBeGreaterThanOrEqual(2);
      expect(mapping.BatchSize).toBeLessThanOrEqual(10); // more needs a batching window, which every message would wait out
      expect(mapping.MaximumBatchingWindowInSeconds).toBeUndefined();
    }
    for (const [, { Properties }] of functions) expect(Properties.ReservedConcurrentExecutions).toBeUndefined();
  });
  test.each([{}, { network: { create: {} } }])(
    'reserve on demand what their mappings start at once, and no less: %j',
    (network) => {
      const stack = synthesised(settingsOf({ ...network, concurrency: { relay: 20, slowRelay: 3, reserve: true } }));
      const needed = new Map([['SweepFunction', 1]]);
      for (const [, { Properties }] of ofType(stack, 'AWS::Lambda::EventSourceMapping')) {
        const name = Properties.FunctionName.Ref.replace(/[0-9A-F]{8}$/, '');
        needed.set(name, (needed.get(name) ?? 0) + Properties.ScalingConfig.MaximumConcurrency);
      }
      const hourly = 'network' in network ? 1 : 0;
      needed.set('RelayFunction', (needed.get('RelayFunction') ?? 0) + hourly);
      expect(needed.get('RelayFunction')).toBe(23 + hourly);
      const reserved = ofType(stack, 'AWS::Lambda::Function').map(
        ([id, { Properties }]) => [id.replace(/[0-9A-F]{8}$/, ''), Properties.ReservedConcurrentExecutions] as const,
      );
      expect(new Map(reserved.filter(([, calls]) => calls !== undefined))).toEqual(needed);
    },
  );
  test('have six of their timeouts until a job is given to another', () => {
    for (const mapping of mappings) {
      const { Timeout } = template.resources[mapping.FunctionName.Ref]?.Properties ?? {};
      const { VisibilityTimeout } = template.resources[mapping.EventSourceArn['Fn::GetAtt'][0]]?.Properties ?? {};
      expect(VisibilityTimeout).toBeGreaterThanOrEqual(6 * Timeout);
      expect(VisibilityTimeout).toBeLessThanOrEqual(limits.visibilityMsMax / 1000);
    }
  });
  test('run on Node 24 on arm64, with a log that ends some day, and may recurse', () => {
    for (const [id, { Properties }] of functions) {
      expect([id, Properties.Runtime, Properties.Architectures, Properties.RecursiveLoop]).toEqual([
        id,
        'nodejs24.x',
        ['arm64'],
        'Allow',
      ]);
      expect(Properties.Timeout).toBeLessThanOrEqual(900);
      const log = template.resources[Properties.LoggingConfig.LogGroup.Ref];
      expect([log?.Type, log?.Properties.RetentionInDays]).toEqual(['AWS::Logs::LogGroup', limits.logRetentionDays]);
    }
  });
  test('know their table, bucket, queues and mark', () => {
    for (const name of ['Ingest', 'Relay', 'Feedback', 'Sweep', 'Purge']) {
      const { Variables } = only(template, 'AWS::Lambda::Function', name)[1].Properties.Environment;
      const ofSweep = ['EVERPOST_INGEST_QUEUE_URL', 'EVERPOST_ENTRY_DEAD_LETTERS', 'EVERPOST_WORK_DEAD_LETTERS'];
      expect(
        Object.keys(Variables)
          .filter((key) => ofSweep.includes(key))
          .sort(),
      ).toEqual(name === 'Sweep' ? ofSweep.sort() : []);
      const shared = Object.fromEntries(Object.entries(Variables).filter(([key]) => !ofSweep.includes(key)));
      expect(shared).toEqual({
        EVERPOST_TABLE: { Ref: 'LedgerTable' },
        EVERPOST_BUCKET: { Ref: 'SpoolBucket' },
        EVERPOST_ACCOUNT: { Ref: 'AWS::AccountId' },
        EVERPOST_RELAY_QUEUE_URL: { Ref: only(template, 'AWS::SQS::Queue', 'RelayQueue')[0] },
        EVERPOST_SLOW_RELAY_QUEUE_URL: { Ref: only(template, 'AWS::SQS::Queue', 'SlowRelayQueue')[0] },
        EVERPOST_BOUNCE_QUEUE_URL: { Ref: only(template, 'AWS::SQS::Queue', 'FeedbackQueue')[0] }, // as EVERPOST_MARK_KEY
        EVERPOST_FEEDBACK_QUEUE_URL: { Ref: only(template, 'AWS::SQS::Queue', 'FeedbackQueue')[0] },
        EVERPOST_STACK: 'Everpost',
        EVERPOST_MARK_SECRET: { Ref: only(template, 'AWS::SecretsManager::Secret', 'Marks')[0] },
        EVERPOST_STACK_ID: { Ref: 'AWS::StackId' },
        EVERPOST_MARK_KEY: { Ref: 'AWS::StackId' }, // code of the version before runs on for some seconds of a deploy
        POWERTOOLS_METRICS_NAMESPACE: 'Everpost',
        POWERTOOLS_SERVICE_NAME: 'Everpost',
      });
    }
    const orphans = only(template, 'AWS::Lambda::Function', 'Orphans')[1].Properties.Environment.Variables;
    expect(Object.keys(orphans).filter((name) => name.endsWith('_URL'))).toEqual([]);
    expect(orphans).toMatchObject({ EVERPOST_TABLE: { Ref: 'LedgerTable' }, EVERPOST_BUCKET: { Ref: 'SpoolBucket' } });
  });
});

test.each([
  ['Sweep', 'rate(1 minute)', 3_600],
  ['Purge', 'rate(6 hours)', 3_600],
])(
  '%s runs by %s, a run that failed is not repeated, and one that could not start is kept for an hour',
  (name, expression, ageSeconds) => {
    const [, rule] = only(template, 'AWS::Events::Rule', name);
    expect(rule.Properties).toMatchObject({ ScheduleExpression: expression, State: 'ENABLED' });
    expect(rule.Properties.Targets[0].DeadLetterConfig.Arn['Fn::GetAtt'][0]).toMatch(new RegExp(`^${name}DeadLetters`));
    const [, config] = only(template, 'AWS::Lambda::EventInvokeConfig', name);
    expect(config.Properties).toMatchObject({ MaximumRetryAttempts: 0, MaximumEventAgeInSeconds: ageSeconds });
  },
);

test('the search for orphans runs every hour, and may list and read received mail alone, and the secret of marks', () => {
  const [, rule] = only(template, 'AWS::Events::Rule', 'Orphans');
  expect(rule.Properties).toMatchObject({ ScheduleExpression: 'rate(1 hour)', State: 'ENABLED' });
  expect(rule.Properties.Targets[0].DeadLetterConfig.Arn['Fn::GetAtt'][0]).toMatch(/^OrphansDeadLetters/);
  const [, config] = only(template, 'AWS::Lambda::EventInvokeConfig', 'Orphans');
  expect(config.Properties).toMatchObject({ MaximumRetryAttempts: 0, MaximumEventAgeInSeconds: 3600 });
  const own = statementsOf(template).filter(({ role }) => role.startsWith('Orphans'));
  const [list] = own.filter(({ statement }) => each(statement.Action).includes('s3:ListBucket'));
  expect(list?.statement).toMatchObject({ Condition: { StringEquals: { 's3:prefix': 'in/' } } });
  const actions = own
    .flatMap(({ statement }) => each<string>(statement.Action))
    .filter((it) => !it.startsWith('logs:'));
  expect(actions.sort()).toEqual(
    [
      ...['dynamodb:GetItem', 'dynamodb:PutItem', 'dynamodb:Query', 's3:GetObject', 's3:ListBucket'],
      'secretsmanager:GetSecretValue', // of marks: a notice of ours is known by it
    ].sort(),
  );
});

test('one function only answers CloudFormation, and no other came along', () => {
  expect(functions.map(([id]) => id.replace(/Function\w*$/, '')).sort()).toEqual([
    'Feedback',
    'FrontDoorActivation',
    'Ingest',
    'Orphans',
    'Purge',
    'Relay',
    'Sweep',
  ]);
  const custom = Object.values(template.resources).filter(({ Type }) => /^Custom::|CustomResource$/.test(Type));
  expect(custom.map(({ Type }) => Type)).toEqual(['Custom::ActiveRuleSet']);
});

test('the outputs say what an operator and the command line need', () => {
  expect(Object.keys(template.outputs).sort()).toEqual([
    'AlarmTopic',
    'Bucket',
    'DashboardUrl',
    'FeedbackDeadLettersUrl',
    'FeedbackQueueUrl',
    'IngestDeadLettersUrl',
    'IngestQueueUrl',
    'MarkSecret',
    'MxRecord',
    'NextHops',
    'OperatorPolicyArn',
    'OrphansDeadLettersUrl',
    'PurgeDeadLettersUrl',
    'ReaderPolicyArn',
    'ReceiptDeadLettersUrl',
    'RelayDeadLettersUrl',
    'RelayQueueUrl',
    'ReturnPathMxRecord',
    'RuleSet',
    'SlowRelayDeadLettersUrl',
    'SlowRelayQueueUrl',
    'SweepDeadLettersUrl',
    'Table',
  ]);
  expect(JSON.stringify(template.outputs.MxRecord)).toContain('10 inbound-smtp.');
});
