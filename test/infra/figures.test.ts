// The template's figures and grants, word for word: what is worth a deploy is worth a line here. No constant of the
// code is asked, because one that was changed, or taken for another, would agree with itself.

import { describe, expect, test } from 'vitest';
import { bySesAndSrs, each, ofType, settingsOf, statementsOf, submitting, synthesised } from './template.ts';

const routes = [...bySesAndSrs.routes, ...submitting.routes.slice(-1)];
const template = synthesised(settingsOf({ ...bySesAndSrs, ...submitting, routes }));

/** A logical id without the digits that CDK puts at its end. */
const bare = (id: string) => id.replace(/[0-9A-F]{8}$/, '');
function words(value: unknown): string {
  if (typeof value !== 'object' || value === null) return String(value);
  const [[key = '', given] = []] = Object.entries(value);
  if (key === 'Ref') return bare(String(given));
  if (key === 'Fn::GetAtt') return bare(String((given as string[])[0]));
  if (key === 'Fn::Join') return (given as [string, unknown[]])[1].map(words).join('');
  return JSON.stringify(value);
}

test('functions have their time and memory', () => {
  const figures = ofType(template, 'AWS::Lambda::Function').map(([id, { Properties }]) => [
    bare(id).replace('Function', ''),
    `${Properties.Timeout} s, ${Properties.MemorySize} MB`,
  ]);
  expect(Object.fromEntries(figures)).toEqual({
    Feedback: '60 s, 512 MB',
    FrontDoorActivation: '60 s, 256 MB',
    Ingest: '60 s, 512 MB',
    Orphans: '840 s, 512 MB',
    Purge: '900 s, 512 MB',
    Relay: '840 s, 1024 MB',
    Sweep: '55 s, 512 MB',
  });
});

test('queues hide a job for six times that, keep it for fourteen days, and give it five times, or for two starved hours more', () => {
  const days = 14 * 86_400;
  const rest = [undefined, days, undefined];
  const figures = ofType(template, 'AWS::SQS::Queue').map(([id, { Properties }]) => [
    bare(id),
    [Properties.VisibilityTimeout, Properties.MessageRetentionPeriod, Properties.RedrivePolicy?.maxReceiveCount],
  ]);
  expect(Object.fromEntries(figures)).toEqual({
    ...{
      IngestQueue: [360, days, 25],
      RelayQueue: [5_040, days, 5],
      SlowRelayQueue: [5_040, days, 5],
      FeedbackQueue: [360, days, 25],
    },
    ...{ IngestDeadLetters: rest, RelayDeadLetters: rest, SlowRelayDeadLetters: rest },
    ...{ FeedbackDeadLetters: rest },
    ...{ FrontDoorReceiptDeadLetters: rest, SesFeedbackEventDeadLetters: rest },
    ...{ SweepDeadLetters: rest, OrphansDeadLetters: rest, PurgeDeadLetters: rest },
  });
});

test('each function takes from its own queue, relay from two, so many at once', () => {
  const figures = ofType(template, 'AWS::Lambda::EventSourceMapping').map(([, { Properties }]) => [
    words(Properties.EventSourceArn).replace('Queue', ''),
    [words(Properties.FunctionName), Properties.BatchSize, Properties.ScalingConfig.MaximumConcurrency],
  ]);
  expect(Object.fromEntries(figures)).toEqual({
    Ingest: ['IngestFunction', 10, 2],
    Relay: ['RelayFunction', 10, 2],
    SlowRelay: ['RelayFunction', 10, 2],
    Feedback: ['FeedbackFunction', 10, 2],
  });
});

test('schedules start their own function', () => {
  const figures = ofType(template, 'AWS::Events::Rule').map(([id, { Properties }]) => {
    const [target] = Properties.Targets;
    const { MaximumRetryAttempts, MaximumEventAgeInSeconds } = target.RetryPolicy;
    return [
      bare(id),
      [Properties.ScheduleExpression, words(target.Arn), MaximumRetryAttempts, MaximumEventAgeInSeconds],
    ];
  });
  expect(Object.fromEntries(figures)).toEqual({
    SweepEveryMinute: ['rate(1 minute)', 'SweepFunction', 185, 3_600],
    OrphansEveryHour: ['rate(1 hour)', 'OrphansFunction', 185, 3_600],
    PurgeRule: ['rate(6 hours)', 'PurgeFunction', 185, 3_600],
  });
});

describe('grants', () => {
  /** As whom relay may send is asked by permissions.test.ts. */
  const identities = (on: string) => (on.includes(':identity/') ? 'identities' : on);
  const grants = statementsOf(template).map(({ role, statement }) => {
    const { Action, Resource, Condition } = statement;
    const on = each(Resource).map(words).sort().join(' ');
    const when = Condition === undefined ? '' : ` when ${JSON.stringify(Object.values(Condition ?? {})[0])}`;
    return [bare(role).replace('Role', ''), `${each(Action).join(' ')} on ${identities(on)}${when}`] as const;
  });
  const log = (name: string) => `logs:CreateLogStream logs:PutLogEvents on ${name}Log`;
  const consume = (...names: string[]) =>
    `sqs:DeleteMessage sqs:GetQueueAttributes sqs:ReceiveMessage on ${names.map((it) => `${it}Queue`).join(' ')}`;
  const ledger = (...operations: string[]) => `${operations.map((it) => `dynamodb:${it}`).join(' ')} on LedgerTable`;
  const marks = 'secretsmanager:GetSecretValue on MarksSecret';
  const all = ['in/', 'out/'];
  const read = (...prefixes: string[]) => [
    `s3:GetObject s3:GetObjectVersion on ${prefixes.map((it) => `SpoolBucket/${it}*`).join(' ')}`,
    `s3:ListBucketVersions on SpoolBucket when {"s3:prefix":${JSON.stringify(prefixes.map((it) => `${it}*`))}}`,
  ];
  const list = (prefixes: string | string[]) =>
    `s3:ListBucket on SpoolBucket when {"s3:prefix":${JSON.stringify(prefixes)}}`;
  test.each([
    [
      'Ingest',
      [log('Ingest'), consume('Ingest'), ledger('GetItem', 'PutItem'), ...read(...all)],
      ['sqs:SendMessage on FeedbackQueue RelayQueue', marks],
    ],
    [
      'Relay',
      [
        log('Relay'),
        consume('Relay', 'SlowRelay'),
        ledger('GetItem', 'PutItem', 'Query', 'UpdateItem'),
        ...read(...all),
      ],
      [
        ...['dynamodb:Query on LedgerTable/index/due', 'sqs:SendMessage on FeedbackQueue SlowRelayQueue'],
        ...['secretsmanager:GetSecretValue on MarksSecret SrsSecret', 'ses:SendEmail ses:SendRawEmail on identities'],
      ],
    ],
    [
      'Feedback',
      [log('Feedback'), consume('Feedback'), ledger('GetItem', 'PutItem', 'Query', 'UpdateItem'), ...read('in/')],
      ['sqs:SendMessage on FeedbackQueue RelayQueue', 'secretsmanager:GetSecretValue on MarksSecret SrsSecret'],
    ],
    [
      'Sweep',
      [
        log('Sweep'),
        ledger('GetItem', 'PutItem', 'Query', 'Scan', 'UpdateItem'),
        'dynamodb:Query dynamodb:Scan on LedgerTable/index/due',
      ],
      [
        'sqs:SendMessage on FeedbackQueue RelayQueue SlowRelayQueue',
        'ses:DescribeActiveReceiptRuleSet ses:GetAccount ses:GetIdentityDkimAttributes ses:ListEmailIdentities on *',
        'sqs:GetQueueAttributes on FeedbackDeadLetters FrontDoorReceiptDeadLetters IngestDeadLetters IngestQueue RelayDeadLetters RelayQueue SesFeedbackEventDeadLetters SlowRelayDeadLetters SlowRelayQueue',
      ],
    ],
    [
      'Orphans',
      [log('Orphans'), ledger('GetItem', 'PutItem', 'Query'), 's3:GetObject on SpoolBucket/in/*'],
      [list('in/'), list('out/*'), 'sqs:SendMessage on IngestQueue', marks],
    ],
    [
      'Purge',
      [log('Purge'), ledger('GetItem', 'PutItem', 'Query', 'UpdateItem'), 'dynamodb:Query on LedgerTable/index/due'],
      [list(all), 's3:DeleteObject on SpoolBucket/in/* SpoolBucket/out/*', 'sqs:SendMessage on RelayQueue'],
    ],
    [
      'FrontDoorActivation',
      [log('FrontDoorActivation')],
      ['ses:DescribeActiveReceiptRuleSet ses:SetActiveReceiptRuleSet on *'],
    ],
  ])('of %s are these, and no others', (name, ...wanted) => {
    const own = grants.filter(([role]) => role === name).map(([, grant]) => grant);
    expect(own.filter((grant) => !/^ses:.* on arn/.test(grant)).sort()).toEqual(wanted.flat().sort());
  });
});
