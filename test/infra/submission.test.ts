// What submitters bring into the template: who may write where, that nobody overwrites, and that S3 may tell the queue
// before the bucket asks it to. Without submitters nothing of it is there.

import { describe, expect, test } from 'vitest';
import { each, ofType, only, settingsOf, statementsOf, submitting, synthesised } from './template.ts';

const template = synthesised(settingsOf(submitting));
const [, bucket] = only(template, 'AWS::S3::Bucket');
const statementsAt = (type: string, start: string) =>
  only(template, type, start)[1].Properties.PolicyDocument.Statement;
/** People have managed policies too (infra/operators.ts). */
const ofSubmitters = (of: typeof template) =>
  ofType(of, 'AWS::IAM::ManagedPolicy').filter(([id]) => id.startsWith('Submission'));

describe('the bucket tells the ingest queue of envelopes', () => {
  test('of those alone', () => {
    const [queueId] = only(template, 'AWS::SQS::Queue', 'IngestQueue');
    expect(bucket.Properties.NotificationConfiguration).toEqual({
      QueueConfigurations: [
        {
          Event: 's3:ObjectCreated:*',
          Queue: { 'Fn::GetAtt': [queueId, 'Arn'] },
          Filter: {
            S3Key: {
              Rules: [
                { Name: 'prefix', Value: 'out/' },
                { Name: 'suffix', Value: '.envelope.json' },
              ],
            },
          },
        },
      ],
    });
  });

  test('and the queue takes it from this bucket by the time that S3 tries', () => {
    const [policyId] = only(template, 'AWS::SQS::QueuePolicy', 'IngestQueue');
    expect(bucket.DependsOn).toContain(policyId);
    const grant = statementsAt('AWS::SQS::QueuePolicy', 'IngestQueue').find(
      ({ Sid }: { Sid: string }) => Sid === 'AllowS3Events',
    );
    expect(grant).toMatchObject({
      Effect: 'Allow',
      Action: 'sqs:SendMessage',
      Principal: { Service: 's3.amazonaws.com' },
      Condition: {
        StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' } },
        ArnLike: {
          'aws:SourceArn': { 'Fn::Join': ['', ['arn:', { Ref: 'AWS::Partition' }, ':s3:::everpost-spoolbucket*']] },
        },
      },
    });
    // CloudFormation names a bucket after stack and logical id, in lower case; a circle would fail the deploy.
    expect(JSON.stringify(grant)).not.toContain('SpoolBucket"');
  });

  test('whatever the stack is called', () => {
    const named = synthesised(settingsOf({ ...submitting, stackName: 'Mail-Of-Ours' }));
    expect(JSON.stringify(ofType(named, 'AWS::SQS::QueuePolicy'))).toContain(':s3:::mail-of-ours-spoolbucket*');
  });
});

test('nobody puts anything over what is there', () => {
  const deny = statementsAt('AWS::S3::BucketPolicy', 'Spool').find(
    ({ Sid }: { Sid: string }) => Sid === 'DenyOverwriting',
  );
  expect(deny).toMatchObject({
    Effect: 'Deny',
    Principal: '*',
    Action: 's3:PutObject',
    Condition: { Null: { 's3:if-none-match': 'true' }, Bool: { 's3:ObjectCreationOperation': 'true' } },
  });
  expect(JSON.stringify(deny.Resource)).toContain('/out/*');
});

test('each submitter may put content and envelopes below its own prefix, in this account, and its policy is an output', () => {
  const policies = ofSubmitters(template);
  expect(policies).toHaveLength(2);
  for (const [submitter, output] of [
    ['exchange', 'SubmitterExchangePolicyArn'],
    ['cron-1', 'SubmitterCronDash1PolicyArn'],
  ] as const) {
    const [id, policy] = policies.find(([, each]) => JSON.stringify(each).includes(`/out/${submitter}/*`)) ?? [];
    const [statement, pauses, more] = policy?.Properties.PolicyDocument.Statement ?? [];
    expect(more).toBeUndefined();
    expect(pauses).toMatchObject({
      Effect: 'Allow',
      Action: 'dynamodb:Query',
      Resource: { 'Fn::GetAtt': ['LedgerTable', 'Arn'] },
      Condition: { 'ForAllValues:StringEquals': { 'dynamodb:LeadingKeys': ['#pauses'] } },
    });
    expect(statement).toMatchObject({
      Effect: 'Allow',
      Action: 's3:PutObject',
      Resource: ['.eml', '.envelope.json'].map((ending) => ({
        'Fn::Join': ['', [{ 'Fn::GetAtt': ['SpoolBucket', 'Arn'] }, `/out/${submitter}/*${ending}`]],
      })),
      Condition: { StringEquals: { 'aws:ResourceAccount': { Ref: 'AWS::AccountId' } } },
    });
    expect(template.outputs[output]).toMatchObject({ Value: { Ref: id } });
    const { senderDomains = [] } = settingsOf(submitting).submitters[submitter] ?? {};
    const told = template.outputs[output.replace('PolicyArn', 'SenderDomains')];
    expect(told).toMatchObject({ Value: senderDomains.join(' ') });
  }
});

test('the domains of ours are an output where somebody submits, so that sendmail refuses their authors', () => {
  expect(template.outputs.Domains).toMatchObject({ Value: settingsOf(submitting).domains.join(' ') });
});

test('SES sends as their domains too, and content is read below both prefixes', () => {
  const sending = synthesised(
    settingsOf({
      ...submitting,
      nextHops: { ...settingsOf().nextHops, mailboxes: { kind: 'ses' } },
      notices: { from: 'postmaster@example.com', postmaster: 'postmaster@example.com' },
    }),
  );
  const send = statementsOf(sending).find(({ statement }) => each(statement.Action).includes('ses:SendEmail'));
  expect(JSON.stringify(send?.statement.Resource)).toMatch(/identity\/cron\.example.*identity\/example\.com/);
  const read = statementsOf(template).filter(({ statement }) => each(statement.Action).includes('s3:GetObject'));
  expect(read.map(({ role }) => role.replace(/Role.*/, '')).sort()).toEqual(['Feedback', 'Ingest', 'Orphans', 'Relay']);
  expect(read.map(({ statement }) => each(statement.Resource).length).sort()).toEqual([1, 1, 2, 2]); // the search reads no submission, and none comes back
});

test('without submitters there is none of it', () => {
  const without = synthesised(settingsOf());
  expect(ofSubmitters(without)).toEqual([]);
  expect(only(without, 'AWS::S3::Bucket')[1].Properties.NotificationConfiguration).toBeUndefined();
  expect(JSON.stringify(without)).not.toMatch(/out\/|s3\.amazonaws\.com"/);
});

test('the outputs stay within what CloudFormation takes, whatever the number of submitters', () => {
  const one = { secret: 'everpost/x', senderDomains: ['example.org'] };
  const submitters = Object.fromEntries(Array.from({ length: 120 }, (_, index) => [`app${index}`, one]));
  const outputs = Object.keys(synthesised(settingsOf({ ...submitting, submitters })).outputs);
  expect(outputs.filter((name) => /^Submitter.*PolicyArn$/.test(name))).toHaveLength(120);
  expect(outputs.length).toBeLessThanOrEqual(200);
});
