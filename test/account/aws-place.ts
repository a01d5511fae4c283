// The trial in an account of AWS: deploys the stack of its own name by the same command as a user, and takes away all
// that it made. It touches nothing of another name, and refuses where a stack of its name stands. Called by
// first-account.ts.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DeleteTableCommand, DynamoDBClient, UpdateTableCommand } from '@aws-sdk/client-dynamodb';
import { DeleteBucketCommand, DeleteObjectCommand, ListObjectVersionsCommand, S3Client } from '@aws-sdk/client-s3';
import { CreateSecretCommand, DeleteSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { DeleteQueueCommand, SQSClient } from '@aws-sdk/client-sqs';
import { AccountReader } from '#adapters/aws/account-reader.ts';
import { findInstance, ownRegion } from '#cli/find-instance.ts';
import { type AccountPlace, isOpen, LOGIN, output, SECRET, STACK, show, trialConfig } from './account-place.ts';
import type { Opened } from './local-place.ts';

export class Refused extends Error {}

export async function openAws(domain: string, subDomain: string | null, keep: boolean): Promise<Opened> {
  const region = await ownRegion();
  const reader = new AccountReader({ aws: null, region, account: null });
  if ((await reader.stack(STACK, AbortSignal.timeout(30_000))) !== null)
    throw new Refused(`there is a stack ${STACK} in ${region}: use it with --existing, or remove it with --clean`);
  const folder = mkdtempSync(join(tmpdir(), 'everpost-first-account-'));
  const config = join(folder, 'everpost.config.json');
  writeFileSync(config, JSON.stringify(trialConfig(domain, subDomain)));
  const secrets = new SecretsManagerClient({ region });
  await secrets.send(new CreateSecretCommand({ Name: SECRET, SecretString: JSON.stringify(LOGIN) }));
  try {
    const code = await show('node', ['infra/deploy.ts', '--config', config, '--require-approval', 'never']);
    if (code !== 0) {
      await secrets.send(new DeleteSecretCommand({ SecretId: SECRET, ForceDeleteWithoutRecovery: true }));
      throw new Refused(`npm run deploy ended with ${code}: nothing was checked`);
    }
    const place = await placeOfStack(domain, subDomain);
    return { place, close: () => (keep ? Promise.resolve() : clean(place)) };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export async function placeOfStack(domain: string, subDomain: string | null): Promise<AccountPlace> {
  const instance = await findInstance({ stack: STACK });
  const { region, outputs, table, bucket } = instance;
  const host = `inbound-smtp.${region}.amazonaws.com`;
  return {
    instance,
    ...{ local: false, domain, subDomain, region, where: ['--stack', STACK], patienceMs: 10 * 60_000 },
    client: { region },
    outputs: { Table: table, Bucket: bucket, ...outputs },
    door: (await isOpen(host, 25)) ? { host, port: 25 } : null,
  };
}

/** The stack, and then what outlives it: the mail of a trial is nobody's. */
export async function clean(place: AccountPlace): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'everpost-first-account-'));
  const config = join(folder, 'everpost.config.json');
  writeFileSync(config, JSON.stringify(trialConfig(place.domain, place.subDomain)));
  const code = await show('npx', ['cdk', 'destroy', '--force', '-c', `config=${config}`]);
  rmSync(folder, { recursive: true, force: true });
  if (code !== 0) throw new Error(`cdk destroy ended with ${code}: repeat it with --clean`);
  await emptied(place, output(place, 'Bucket'));
  const secrets = new SecretsManagerClient(place.client);
  await secrets.send(new DeleteSecretCommand({ SecretId: SECRET, ForceDeleteWithoutRecovery: true }));
  const dynamo = new DynamoDBClient(place.client);
  const TableName = output(place, 'Table');
  await dynamo.send(new UpdateTableCommand({ TableName, DeletionProtectionEnabled: false }));
  await dynamo.send(new DeleteTableCommand({ TableName }));
  const sqs = new SQSClient(place.client);
  for (const [name, QueueUrl] of Object.entries(place.outputs))
    if (/(?:Queue|DeadLetters)Url$/.test(name)) await sqs.send(new DeleteQueueCommand({ QueueUrl }));
}

/** What is listed first goes first, so that each list is of what is left. */
async function emptied({ client: settings }: AccountPlace, Bucket: string): Promise<void> {
  const client = new S3Client(settings);
  for (;;) {
    const { Versions = [], DeleteMarkers = [] } = await client.send(new ListObjectVersionsCommand({ Bucket }));
    const all = [...Versions, ...DeleteMarkers];
    if (all.length === 0) break;
    for (const { Key = '', VersionId } of all) await client.send(new DeleteObjectCommand({ Bucket, Key, VersionId }));
  }
  await client.send(new DeleteBucketCommand({ Bucket }));
}
