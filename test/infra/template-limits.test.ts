// What AWS takes at most of a template and of what stands in it, for each of the six configurations. A template above a
// limit fails at the deploy, after minutes, and no check of CDK's says so before.

import { describe, expect, test } from 'vitest';
import { settingsOfSix, sixConfigurations } from './six-configurations.ts';
import { each, ofType, type Resource, type Synthesised, synthesised } from './template.ts';

const templates = await Promise.all(
  Object.keys(sixConfigurations).map(async (name) => [name, synthesised(await settingsOfSix(name))] as const),
);

/** How long each token that is not known at synthesis can be, in any region of any partition. */
const longest: Readonly<Record<string, number>> = {
  'AWS::Partition': 'aws-iso-f'.length,
  'AWS::Region': 'us-isof-south-1'.length,
  'AWS::AccountId': 12,
  'AWS::StackName': 32,
  'AWS::StackId': 120,
  'AWS::URLSuffix': 'amazonaws.com.cn'.length,
};
/** Physical names: stack, logical id and a suffix; an ARN has some 60 characters before it, a queue's URL too. */
const referenceChars = 140;

/** The text of a value as AWS gets it, each token as long as it can be. White space does not count in policies. */
function asGiven(value: unknown): string {
  if (typeof value === 'string') return value;
  if (Array.isArray(value)) return `[${value.map(asGiven).join()}]`;
  if (value === null || typeof value !== 'object') return String(value);
  const [[key = '', inner] = []] = Object.entries(value);
  if (key === 'Ref') return 'x'.repeat(longest[String(inner)] ?? referenceChars);
  if (key === 'Fn::GetAtt') return 'x'.repeat(referenceChars);
  if (key === 'Fn::Join') return (inner as [string, unknown[]])[1].map(asGiven).join((inner as [string])[0]);
  const members = Object.entries(value).map(([name, it]) => `"${name}":${quoted(it)}`);
  return `{${members.join()}}`;
}

function quoted(value: unknown): string {
  const text = asGiven(value);
  return typeof value === 'string' || /^\{"(Ref|Fn::)/.test(JSON.stringify(value)) ? `"${text}"` : text;
}

const bytes = (value: unknown) => Buffer.byteLength(asGiven(value));
const of = (template: Synthesised, type: string) => ofType(template, type).map(([, resource]) => resource);

/** What it is, how much of it there may be, how much there is in the template at most, and who says so. */
const limits: readonly (readonly [
  what: string,
  max: number,
  measured: (template: Synthesised) => readonly number[],
  source: string,
])[] = [
  ['resources of a template', 500, ({ resources }) => [Object.keys(resources).length], 'CloudFormation quotas'],
  ['outputs of a template', 200, ({ outputs }) => [Object.keys(outputs).length], 'CloudFormation quotas'],
  [
    'bytes of a template',
    1_000_000,
    ({ resources, outputs }) => [JSON.stringify({ Resources: resources, Outputs: outputs }, null, 1).length],
    'CloudFormation quotas',
  ],
  [
    "bytes of an output's value",
    1_024,
    ({ outputs }) => Object.values(outputs).map((it) => bytes((it as { Value: unknown }).Value)),
    'CloudFormation quotas',
  ],
  [
    "characters of a function's environment",
    4_096,
    (template) => of(template, 'AWS::Lambda::Function').map(({ Properties }) => bytes(Properties.Environment ?? {})),
    'Lambda quotas',
  ],
  ["characters of a role's own policies", 10_240, rolePolicies, 'IAM quotas'],
  [
    'characters of a managed policy',
    6_144,
    (template) => of(template, 'AWS::IAM::ManagedPolicy').map(({ Properties }) => bytes(Properties.PolicyDocument)),
    'IAM quotas',
  ],
  [
    'managed policies of a role',
    10,
    (template) => of(template, 'AWS::IAM::Role').map(({ Properties }) => (Properties.ManagedPolicyArns ?? []).length),
    'IAM quotas',
  ],
  ["bytes of a bucket's policy", 20_480, documents('AWS::S3::BucketPolicy'), 'S3, bucket policies'],
  ["bytes of a topic's policy", 30_720, documents('AWS::SNS::TopicPolicy'), 'SNS quotas'],
  ["bytes of a queue's policy", 8_192, documents('AWS::SQS::QueuePolicy'), 'SQS quotas'],
  ['receipt rules', 200, (template) => [of(template, 'AWS::SES::ReceiptRule').length], 'SES quotas'],
  [
    'recipients of a receipt rule',
    500,
    (template) => of(template, 'AWS::SES::ReceiptRule').map(({ Properties }) => Properties.Rule.Recipients.length),
    'SES quotas',
  ],
  [
    'widgets of a dashboard',
    500,
    (template) =>
      of(template, 'AWS::CloudWatch::Dashboard').map(
        ({ Properties }) => asGiven(Properties.DashboardBody).split('"type":"').length,
      ),
    'CloudWatch quotas',
  ],
  [
    "characters of an alarm's description",
    1_024,
    (template) => of(template, 'AWS::CloudWatch::Alarm').map(({ Properties }) => bytes(Properties.AlarmDescription)),
    'CloudWatch API, PutMetricAlarm',
  ],
  [
    "characters of an alarm's name",
    255,
    (template) => of(template, 'AWS::CloudWatch::Alarm').map(({ Properties }) => bytes(Properties.AlarmName)),
    'CloudWatch API, PutMetricAlarm',
  ],
  [
    "characters of a function's description",
    256,
    (template) => of(template, 'AWS::Lambda::Function').map(({ Properties }) => bytes(Properties.Description ?? '')),
    'Lambda API, CreateFunction',
  ],
];

function rolePolicies(template: Synthesised): readonly number[] {
  return of(template, 'AWS::IAM::Role').map(({ Properties }) =>
    (Properties.Policies ?? []).reduce((sum: number, it: Resource['Properties']) => sum + bytes(it.PolicyDocument), 0),
  );
}

function documents(type: string): (template: Synthesised) => readonly number[] {
  return (template) => of(template, type).map(({ Properties }) => bytes(Properties.PolicyDocument));
}

describe.each(templates)('%s', (_name, template) => {
  test.each(limits)('%s: at most %i', (_what, max, measured) => {
    expect(Math.max(0, ...measured(template))).toBeLessThanOrEqual(max);
  });

  test('every resource that something depends on exists', () => {
    for (const [id, { DependsOn }] of Object.entries(template.resources))
      for (const needed of each<string>(DependsOn ?? []))
        expect([id, Object.hasOwn(template.resources, needed)]).toEqual([id, true]);
  });
});

test('ten thousand addresses stand in the rules', () => {
  const [, large] = templates.find(([name]) => name === 'ten-thousand-addresses') ?? [];
  const recipients =
    large === undefined
      ? []
      : of(large, 'AWS::SES::ReceiptRule').flatMap(({ Properties }) => Properties.Rule.Recipients);
  expect(recipients.filter((it: string) => it.startsWith('first.last-'))).toHaveLength(9_999);
});
