// The emulated AWS of the local runtime for contract tests: one endpoint on a free port, a folder of its own.
// Faults are set in the emulators, never in an adapter.

import type { AwsSettings } from '#adapters/aws/client-settings.ts';
import { dynamoClient } from '#adapters/aws/clients.ts';
import { createDynamoDb } from '#aws-local/dynamodb/dynamodb.ts';
import type { TableProperties } from '#aws-local/dynamodb/tables.ts';
import { createSecretsManager, type Secrets } from '#aws-local/secrets/secrets-manager.ts';
import { type StartedEmulators, startEmulators } from '#aws-local/start-emulators.ts';

export const ledgerTable: TableProperties = {
  TableName: 'contract-ledger',
  BillingMode: 'PAY_PER_REQUEST',
  KeySchema: [
    { AttributeName: 'pk', KeyType: 'HASH' },
    { AttributeName: 'sk', KeyType: 'RANGE' },
  ],
  AttributeDefinitions: [
    { AttributeName: 'pk', AttributeType: 'S' },
    { AttributeName: 'sk', AttributeType: 'S' },
    { AttributeName: 'dueShard', AttributeType: 'S' },
    { AttributeName: 'dueAt', AttributeType: 'N' },
    { AttributeName: 'messageIdField', AttributeType: 'S' },
    { AttributeName: 'reversePathKey', AttributeType: 'S' },
    { AttributeName: 'forwardPathKey', AttributeType: 'S' },
    { AttributeName: 'acceptedAt', AttributeType: 'N' },
  ],
  GlobalSecondaryIndexes: [
    index('due', 'dueShard', 'dueAt'),
    index('byMessageIdField', 'messageIdField', 'acceptedAt'),
    index('byReversePath', 'reversePathKey', 'acceptedAt'),
    index('byForwardPath', 'forwardPathKey', 'acceptedAt'),
  ],
  TimeToLiveSpecification: { AttributeName: 'ttl', Enabled: true },
};

function index(name: string, hash: string, range: string) {
  return {
    IndexName: name,
    KeySchema: [
      { AttributeName: hash, KeyType: 'HASH' as const },
      { AttributeName: range, KeyType: 'RANGE' as const },
    ],
    Projection:
      name === 'due'
        ? { ProjectionType: 'INCLUDE' as const, NonKeyAttributes: ['nh', 'st', 'na', 'ex'] }
        : { ProjectionType: 'KEYS_ONLY' as const },
  };
}

export const settingsOf = (aws: StartedEmulators): AwsSettings => ({
  region: aws.world.region,
  credentials: aws.credentials,
  endpoint: aws.endpoint,
});

/** An endpoint with an empty ledger table, and a client of it. */
export async function openDynamoDb() {
  const aws = await startEmulators();
  const dynamo = await createDynamoDb(aws.world);
  aws.front.add(dynamo.service);
  await dynamo.tables.create(ledgerTable);
  const client = dynamoClient(settingsOf(aws));
  return {
    aws,
    client,
    async close() {
      client.destroy();
      await dynamo.close();
      await aws.close();
    },
  };
}

/** An endpoint with these secrets. */
export async function openSecrets(secrets: Secrets): Promise<StartedEmulators> {
  const aws = await startEmulators();
  aws.front.add(createSecretsManager(aws.world, () => secrets));
  return aws;
}
