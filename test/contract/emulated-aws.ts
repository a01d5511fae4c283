// The emulated AWS of the local runtime for contract tests: one endpoint on a free port, a folder of its own, every call allowed.
// Faults and permissions are the emulators' own tests' business, not the adapters'.

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { AwsSettings } from '#adapters/aws-clients.ts';
import { createDynamoDb } from '#local/aws/dynamodb.ts';
import type { TableProperties } from '#local/aws/dynamodb-tables.ts';
import { openFront } from '#local/front.ts';
import { createKeys } from '#local/keys.ts';
import { bareWorld } from '#test/local/bare-world.ts';

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
    Projection: { ProjectionType: 'KEYS_ONLY' },
  };
}

export type EmulatedAws = { readonly settings: AwsSettings; close(): Promise<void> };

/** An endpoint with an empty ledger table. */
export async function openDynamoDb(): Promise<EmulatedAws> {
  const dataFolder = await mkdtemp(join(tmpdir(), 'everpost-contract-'));
  const world = bareWorld({ dataFolder });
  const keys = createKeys();
  const front = await openFront({ port: 0, keys, clock: world.clock, log: world.log });
  const dynamo = await createDynamoDb(world);
  front.add(dynamo.service);
  await dynamo.tables.create(ledgerTable);
  const credentials = keys.issue({ kind: 'root' });
  return {
    settings: { region: world.region, credentials, endpoint: front.endpoint },
    async close() {
      await front.close();
      await dynamo.close();
      await rm(dataFolder, { recursive: true });
    },
  };
}
