// The ledger's contract, run by the memory ledger, by DynamoLedger on the emulator with and without search indexes, and
// with AWS_CONTRACT=1 on a real table (AWS_CONTRACT_TABLE; region and keys from the environment).

import { type DynamoDBClient, QueryCommand, ScanCommand } from '@aws-sdk/client-dynamodb';
import { describe } from 'vitest';
import { awsSettings, dynamoClient } from '#adapters/aws/clients.ts';
import { DynamoLedger } from '#adapters/aws/dynamo-ledger.ts';
import { MemoryLedger } from '#adapters/memory/ledger.ts';
import { ledgerTable, openDynamoDb } from './emulated-aws.ts';
import { ledgerContract } from './ledger.contract.ts';

const ledgerRetentionMs = 90 * 86_400_000;

ledgerContract('MemoryLedger', async () => ({ ledger: new MemoryLedger(), close: async () => {} }));

for (const search of [true, false]) {
  ledgerContract(`DynamoLedger ${search ? 'with' : 'without'} search indexes, on the emulator,`, async () => {
    const { client, close } = await openDynamoDb();
    return { ledger: new DynamoLedger(client, ledgerTable.TableName, { search, ledgerRetentionMs }), close };
  });
}

// A page of DynamoDB's ends at 1 MB, which no test's rows reach: here it ends after two items. Who reads the first page
// alone knows a part.
ledgerContract('DynamoLedger behind pages of two items, on the emulator,', async () => {
  const { client, close } = await openDynamoDb();
  const send = (command: unknown) => {
    if (command instanceof QueryCommand || command instanceof ScanCommand) command.input.Limit ??= 2;
    return client.send(command as QueryCommand);
  };
  const paged = { send } as unknown as DynamoDBClient;
  return { ledger: new DynamoLedger(paged, ledgerTable.TableName, { search: true, ledgerRetentionMs }), close };
});

// skipped: without AWS_CONTRACT=1 there are no credentials to use
describe.skipIf(process.env.AWS_CONTRACT !== '1')('on AWS', () => {
  ledgerContract('DynamoLedger', async () => {
    const client = dynamoClient(awsSettings(null));
    const table = process.env.AWS_CONTRACT_TABLE ?? '';
    return {
      ledger: new DynamoLedger(client, table, { search: true, ledgerRetentionMs: 86_400_000 }),
      close: async () => client.destroy(),
    };
  });
});
