// The failure limit's counts on DynamoDB: an item of the ledger's table for each next hop and its words, removed by TTL
// an hour after the last failure. The key is a hash: no reply and no address stands here. It decides nothing.

import { type DynamoDBClient, GetItemCommand } from '@aws-sdk/client-dynamodb';
import type { FailureCount } from '#core/delivery/failure-limit.ts';
import type { FailureStore } from '#pipeline/relay/failure-counts.ts';
import { secondsOf } from './dynamo-row.ts';
import { putVersioned, versionOf } from './dynamo-versioned.ts';

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
    return { key, version: versionOf(Item), failures };
  }

  async writeFailureCount({ key, version, failures }: FailureCount, until: number): Promise<'written' | 'lost'> {
    const item = { ...itemKey(key), f: { S: JSON.stringify(failures) }, ttl: secondsOf(until) };
    return (await putVersioned(this.#client, this.#table, item, version)) === 'written' ? 'written' : 'lost';
  }
}

/** No spoolId has a hash sign. */
function itemKey(key: string) {
  return { pk: { S: `#failures#${key}` }, sk: { S: 'n' } };
}
