// The emulated Secrets Manager: the conformance suite, its permissions, and the file that it reads.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateSecretCommand, GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createSecretsManager, readSecrets, secretArn } from '#local/aws/secrets.ts';
import { secretsConformance } from '#test/conformance/secrets.ts';
import { type StartedEmulators, startEmulators } from './start-emulators.ts';

const name = 'everpost/exchange';
const value = { username: 'u', password: 'p"\\ß' };
let aws: StartedEmulators;
beforeAll(async () => {
  aws = await startEmulators();
  aws.front.add(createSecretsManager(aws.world, () => ({ [name]: value })));
});
afterAll(() => aws.close());
const client = (credentials = aws.credentials) =>
  new SecretsManagerClient({ endpoint: aws.endpoint, region: 'eu-west-1', credentials, maxAttempts: 1 });

describe('conformance', () => {
  secretsConformance(() => ({
    config: { endpoint: aws.endpoint, region: 'eu-west-1', credentials: aws.credentials },
    name,
    value,
  }));
});

test('a role reads only the secrets that its policy names', async () => {
  const allowed = aws.role('reader', [
    {
      Effect: 'Allow',
      Action: 'secretsmanager:GetSecretValue',
      Resource: `${secretArn(aws.world, name).slice(0, -7)}-??????`,
    },
  ]);
  await client(allowed).send(new GetSecretValueCommand({ SecretId: name }));
  await expect(client(aws.role('other', [])).send(new GetSecretValueCommand({ SecretId: name }))).rejects.toMatchObject(
    {
      name: 'AccessDeniedException',
    },
  );
});

test('what is not emulated is refused by name', async () => {
  await expect(client().send(new CreateSecretCommand({ Name: 'x', SecretString: 'y' }))).rejects.toMatchObject({
    name: 'NotImplemented',
    message: expect.stringContaining('CreateSecret'),
  });
});

test.each([
  ['[]', 'must be an object'],
  ['{"a": 1}', '"a" must be'],
  ['{', 'JSON'],
])('a secrets file of %s is refused in one line', (content, message) => {
  const folder = mkdtempSync(join(tmpdir(), 'everpost-secrets-'));
  writeFileSync(join(folder, 's.json'), content);
  expect(() => readSecrets(join(folder, 's.json'))).toThrow(message);
  writeFileSync(join(folder, 's.json'), JSON.stringify({ [name]: value }));
  expect(readSecrets(join(folder, 's.json'))).toEqual({ [name]: value });
  rmSync(folder, { recursive: true });
});
