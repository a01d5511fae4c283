// The failure limit's counts on DynamoDB: an item of the ledger's table for each next hop and its words, removed by TTL
// an hour after the last failure. The key is a hash: no reply and no address stands here. It decides nothing.

import {
  ConditionalCheckFailedException,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
} from '@aws-sdk/client-dynamodb';
import type { FailureCount } from '#core/delivery/failure-limit.ts';
import type { FailureStore } from '#pipeline/relay/failure-counts.ts';
import { secondsOf } from './dynamo-row.ts';

export class DynamoFailures implements FailureStore {
  readonly #client: DynamoDBClient;
  readonly #table: string;

  constructor(client: DynamoDBClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  async failureCount(key: string): Promise<FailureCount | null> {
    const { Item } = await this.#client.send(
      new GetItemCommand({ TableName: this.#table, Key: itemKey(key), ConsistentRead: true }),
    );
    if (Item === undefined) return null;
    const failures = JSON.parse(Item.f?.S ?? '[]') as FailureCount['failures'];
    return { key, version: Number(Item.v?.N ?? 0), failures };
  }

  async writeFailureCount({ key, version, failures }: FailureCount, until: number): Promise<'written' | 'lost'> {
    const isNew = version === 0;
    try {
      await this.#client.send(
        new PutItemCommand({
          TableName: this.#table,
          Item: {
            ...itemKey(key),
            v: { N: String(version + 1) },
            f: { S: JSON.stringify(failures) },
            ttl: secondsOf(until),
          },
          ConditionExpression: isNew ? 'attribute_not_exists(pk)' : 'v = :version',
          ...(isNew ? {} : { ExpressionAttributeValues: { ':version': { N: String(version) } } }),
        }),
      );
      return 'written';
    } catch (error) {
      if (error instanceof ConditionalCheckFailedException) return 'lost';
      throw error;
    }
  }
}

/** No spoolId has a hash sign. */
function itemKey(key: string) {
  return { pk: { S: `#failures#${key}` }, sk: { S: 'n' } };
}
