// The emulated Secrets Manager: the conformance suite, its permissions, and the file that it reads.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { CreateSecretCommand, GetSecretValueCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createSecretsManager, readSecrets, secretArn } from '../src/secrets/secrets-manager.ts';
import { type StartedEmulators, startEmulators } from '../src/start-emulators.ts';
import { secretsConformance } from './conformance/secrets.ts';

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

test('a secrets file with a byte order mark is read; what is wrong in one is told without a word of it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'everpost-secrets-'));
  const path = join(folder, 's.json');
  for (const encoding of ['utf8', 'utf16le'] as const) {
    writeFileSync(path, Buffer.from(`\ufeff${JSON.stringify({ [name]: value })}`, encoding));
    expect(readSecrets(path)).toEqual({ [name]: value });
  }
  for (const broken of ['{"everpost/x": {"username": "u", "password": hunter2}}', 'hunter2', '{"hunter2": "x",}']) {
    writeFileSync(path, broken);
    expect(() => readSecrets(path)).toThrow(/^[^\n]*s\.json: it is not JSON( \(line \d+ column \d+\))?$/);
  }
  rmSync(folder, { recursive: true });
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
