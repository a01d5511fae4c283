// The policy evaluator on its own: what is allowed, by whom, and what must throw instead of being guessed.
// The same through the services is in the conformance suite.

import { describe, expect, test } from 'vitest';
import { createIam } from '../src/iam/iam.ts';
import type { Principal } from '../src/world.ts';

const account = '000000000000';
const arn = `arn:aws:iam::${account}:role/Relay`;
const role: Principal = { kind: 'role', arn, functionName: 'relay' };
const sns: Principal = { kind: 'service', name: 'sns.amazonaws.com' };
const queue = `arn:aws:sqs:eu-west-1:${account}:relay`;
const send = { action: 'sqs:SendMessage', resource: queue };

const document = (...statements: object[]) => ({ Version: '2012-10-17', Statement: statements });
const allow = (more: object = {}) => ({ Effect: 'Allow', Action: 'sqs:SendMessage', Resource: queue, ...more });
const withRole = (...statements: object[]) => {
  const iam = createIam(account);
  iam.setRole(arn, [document(...statements)]);
  return iam;
};
const withQueuePolicy = (...statements: object[]) => {
  const iam = createIam(account);
  const policy = document(...statements);
  iam.addResourcePolicies((resource) => (resource === queue ? policy : null));
  return iam;
};
const may = (iam: ReturnType<typeof createIam>, principal: Principal = role, access: object = {}) =>
  iam.may(principal, { ...send, ...access });

describe('identity policies', () => {
  test('nothing is allowed by nothing', () => {
    expect(may(createIam(account))).toBe(false);
  });
  test.each([
    ['sqs:*', queue, true],
    ['*', '*', true],
    ['sqs:Send*', 'arn:aws:sqs:*:*:re?ay', true],
    ['SQS:SENDMESSAGE', queue, true],
    ['sqs:SendMessage', `${queue}2`, false],
    ['sqs:SendMessag', queue, false],
    ['sqs.SendMessage', queue, false],
    [['s3:GetObject', 'sqs:SendMessage'], [queue, 'x'], true],
  ])('%s on %s', (Action, Resource, expected) => {
    expect(may(withRole({ Effect: 'Allow', Action, Resource }))).toBe(expected);
  });
  test('several documents count as one; a deny in any of them wins', () => {
    const iam = createIam(account);
    iam.setRole(arn, [document(allow()), document({ ...allow(), Effect: 'Deny' })]);
    expect(may(iam)).toBe(false);
  });
  test('root may everything', () => {
    expect(may(createIam(account), { kind: 'root' })).toBe(true);
  });
});

describe('resource policies', () => {
  const source = { 'aws:sourcearn': 'arn:aws:sns:eu-west-1:000000000000:receipts', 'aws:sourceaccount': account };
  const fromSns = (more: object = {}) => allow({ Principal: { Service: 'sns.amazonaws.com' }, ...more });

  test('a service needs one', () => {
    expect(may(createIam(account), sns)).toBe(false);
    expect(may(withQueuePolicy(fromSns()), sns)).toBe(true);
    expect(may(withQueuePolicy(fromSns({ Principal: { Service: 'ses.amazonaws.com' } })), sns)).toBe(false);
    expect(may(withQueuePolicy(fromSns({ Principal: '*' })), sns)).toBe(true);
  });
  test.each([
    [{ ArnEquals: { 'aws:SourceArn': 'arn:aws:sns:eu-west-1:000000000000:receipts' } }, true],
    [{ ArnLike: { 'AWS:SourceArn': 'arn:aws:sns:*:*:receipt*' } }, true],
    [{ ArnLike: { 'aws:SourceArn': 'arn:aws:*:receipts' } }, false], // a wildcard stays within its part
    [{ ArnEquals: { 'aws:SourceArn': 'arn:aws:sns:eu-west-1:000000000000:other' } }, false],
    [{ StringEquals: { 'aws:SourceAccount': [account, '1'] } }, true],
    [{ StringEquals: { 'aws:SourceAccount': account, 'aws:SourceVpc': 'vpc-1' } }, false],
    [{ StringNotEquals: { 'aws:SourceVpc': 'vpc-1' } }, true],
    [{ StringNotEquals: { 'aws:SourceAccount': [account, '1'] } }, false],
    [{ StringLike: { 'aws:SourceAccount': '0*' } }, true],
    [{ StringEqualsIfExists: { 'aws:SourceVpc': 'vpc-1' } }, true],
    [{ Null: { 'aws:SourceVpc': 'true' } }, true],
    [{ Null: { 'aws:SourceAccount': true } }, false],
    [{ Bool: { 'aws:SecureTransport': 'true' } }, true],
    [{ Bool: { 'aws:PrincipalIsAWSService': 'true' } }, true],
    [{ NumericLessThan: { 'sqs:n': '5' } }, false],
    [{ 'ForAllValues:StringEquals': { 'aws:TagKeys': ['a'] } }, true],
    [{ 'ForAnyValue:StringEquals': { 'aws:TagKeys': ['a'] } }, false],
  ])('under %j', (Condition, expected) => {
    expect(may(withQueuePolicy(fromSns({ Condition })), sns, { context: source })).toBe(expected);
  });
  test.each([
    [['a', 'b'], 'ForAllValues:StringEquals', true],
    [['a', 'c'], 'ForAllValues:StringEquals', false],
    [['a', 'c'], 'ForAnyValue:StringEquals', true],
    [['c', 'd'], 'ForAnyValue:StringEquals', false],
    [['a', 'c'], 'ForAnyValue:StringNotEquals', true],
    [['c', 'd'], 'ForAllValues:StringNotEquals', true],
  ])('several values %j under %s a, b', (values, operator, expected) => {
    const Condition = { [operator]: { 'x:keys': ['a', 'b'] } };
    expect(may(withQueuePolicy(fromSns({ Condition })), sns, { context: { 'x:keys': values } })).toBe(expected);
  });
  test('a role of the account is allowed by either policy, and by neither after a deny in one', () => {
    expect(may(withQueuePolicy(allow({ Principal: { AWS: arn } })))).toBe(true);
    const denied = withQueuePolicy({ ...allow({ Principal: '*' }), Effect: 'Deny' });
    denied.setRole(arn, [document(allow())]);
    expect(may(denied)).toBe(false);
  });
  test('naming the account delegates: it gives a role nothing, but a deny for it holds', () => {
    const Principal = { AWS: `arn:aws:iam::${account}:root` };
    expect(may(withQueuePolicy(allow({ Principal })))).toBe(false);
    const denied = withQueuePolicy({ ...allow({ Principal }), Effect: 'Deny' });
    denied.setRole(arn, [document(allow())]);
    expect(may(denied)).toBe(false);
  });
  test('a default policy holds only where there is no own one', () => {
    const iam = createIam(account);
    const open = document(allow({ Principal: '*' }));
    let own: object | null = null;
    iam.addDefaultPolicies(() => open);
    iam.addResourcePolicies(() => own);
    expect(may(iam, sns)).toBe(true);
    own = document({ ...allow({ Principal: { Service: 'ses.amazonaws.com' } }) });
    expect(may(iam, sns)).toBe(false);
  });
});

describe('what is told', () => {
  test('a refusal in the words of AWS, and in the list', () => {
    const iam = createIam(account);
    expect(iam.authorize(role, send)).toEqual({
      kind: 'denied',
      message: `User: arn:aws:sts::${account}:assumed-role/Relay/relay is not authorized to perform: sqs:SendMessage on resource: ${queue} because no identity-based policy allows the sqs:SendMessage action`,
    });
    expect(iam.denials()).toEqual([
      { principal: `arn:aws:sts::${account}:assumed-role/Relay/relay`, action: 'sqs:SendMessage', resource: queue },
    ]);
  });
  test('a use by the statement that granted it, once', () => {
    const iam = withRole(allow({ Sid: 'Enqueue' }));
    iam.authorize(role, send);
    iam.authorize(role, send);
    expect(iam.used()).toEqual([
      expect.objectContaining({ action: 'sqs:SendMessage', grant: 'Relay[0].Statement[0] (Enqueue)' }),
    ]);
    expect(iam.denials()).toEqual([]);
  });
  test('asking with `may` leaves no denial', () => {
    const iam = createIam(account);
    may(iam);
    expect(iam.denials()).toEqual([]);
  });
});

describe('what is not understood throws', () => {
  test.each([
    ['an unknown operator', allow({ Condition: { IpAddress: { 'aws:SourceIp': '10.0.0.0/8' } } }), /IpAddress/],
    ['an operator of Object', allow({ Condition: { constructor: { a: 'b' } } }), /constructor/],
    ['an intrinsic', allow({ Resource: { 'Fn::GetAtt': ['Queue', 'Arn'] } }), /unresolved/],
    [
      'an intrinsic in a condition',
      allow({ Condition: { StringEquals: { 'aws:SourceArn': { Ref: 'T' } } } }),
      /unresolved/,
    ],
    ['a policy variable', allow({ Resource: 'arn:aws:s3:::b/$' + '{aws:username}' }), /variables/],
    ['an unknown element', allow({ NotPrincipal: '*' }), /NotPrincipal/],
    ['a principal in a role policy', allow({ Principal: '*' }), /Principal/],
    ['a missing resource', { Effect: 'Allow', Action: '*' }, /Resource/],
    ['another effect', allow({ Effect: 'Efect' }), /Effect/],
  ])('%s', (_what, statement, message) => {
    expect(() => withRole(statement)).toThrow(message);
  });
  test('a resource policy without principal', () => {
    expect(() => may(withQueuePolicy(allow()))).toThrow(/Principal/);
  });
});
