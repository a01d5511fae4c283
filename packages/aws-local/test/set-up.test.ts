// What an operator makes before a stack: an identity of SES, a secret. And who the caller is. By the SDK's clients, on
// an account that startAws opens.

import { CreateSecretCommand, GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import {
  CreateEmailIdentityCommand,
  GetEmailIdentityCommand,
  PutEmailIdentityFeedbackAttributesCommand,
  SESv2Client,
} from '@aws-sdk/client-sesv2';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type AwsLocal, startAws } from '../src/start-aws.ts';

const verified: string[] = [];
let aws: AwsLocal;
beforeAll(async () => {
  aws = await startAws({ mail: { domains: [], identities: () => verified }, secrets: { given: 'x' } });
});
afterAll(() => aws.close());
const as = (credentials = aws.credentials) => ({ ...aws.clientConfig, credentials, maxAttempts: 1 });

test('the caller is root, or a role, and needs no right to know it', async () => {
  const who = async (credentials = aws.credentials) =>
    (await new STSClient(as(credentials)).send(new GetCallerIdentityCommand())).Arn;
  const { account } = aws.world;
  expect(await who()).toBe(`arn:aws:iam::${account}:root`);
  expect(await who(aws.role('nobody', []))).toBe(`arn:aws:sts::${account}:assumed-role/nobody/nobody`);
});

test('an identity is created once, is not verified until the account says so, and forwards feedback until told', async () => {
  const ses = new SESv2Client(as());
  const one = { EmailIdentity: 'example.org' };
  const create = new CreateEmailIdentityCommand(one);
  await expect(new SESv2Client(as(aws.role('nobody', []))).send(create)).rejects.toMatchObject({
    name: 'AccessDeniedException',
  });
  const made = await ses.send(create);
  expect(made).toMatchObject({ IdentityType: 'DOMAIN', VerifiedForSendingStatus: false });
  expect(made.DkimAttributes?.Tokens).toHaveLength(3);
  await expect(ses.send(create)).rejects.toMatchObject({ name: 'AlreadyExistsException' });
  const found = () => ses.send(new GetEmailIdentityCommand(one));
  expect(await found()).toMatchObject({ VerifiedForSendingStatus: false, FeedbackForwardingStatus: true });
  verified.push('example.org');
  const told = { ...one, EmailForwardingEnabled: false };
  await ses.send(new PutEmailIdentityFeedbackAttributesCommand(told));
  expect(await found()).toMatchObject({ VerifiedForSendingStatus: true, FeedbackForwardingStatus: false });
  const other = new PutEmailIdentityFeedbackAttributesCommand({ ...told, EmailIdentity: 'other.example' });
  await expect(ses.send(other)).rejects.toMatchObject({ name: 'NotFoundException' });
});

test('a secret is created once, and read', async () => {
  const secrets = new SecretsManagerClient(as());
  const create = (Name: string) => new CreateSecretCommand({ Name, SecretString: '{"username":"u"}' });
  await expect(new SecretsManagerClient(as(aws.role('nobody', []))).send(create('a/b'))).rejects.toMatchObject({
    name: 'AccessDeniedException',
  });
  const { ARN } = await secrets.send(create('a/b'));
  expect(await secrets.send(new GetSecretValueCommand({ SecretId: ARN }))).toMatchObject({
    ...{ Name: 'a/b', SecretString: '{"username":"u"}' },
  });
  for (const name of ['a/b', 'given'])
    await expect(secrets.send(create(name))).rejects.toMatchObject({ name: 'ResourceExistsException' });
});
