// Mail that waits, by the ledger's table on DynamoDB: held rows are counted in the index, and those that a version
// before wrote without an instant are found by a scan of the table, a page at a time. It writes nothing.

import { type DynamoDBClient, ScanCommand } from '@aws-sdk/client-dynamodb';
import type { DueClass } from '#core/delivery/due-class.ts';
import type { DueRow } from '#pipeline/ports.ts';
import type { HeldPage, WaitingIndex } from '#pipeline/waiting-index.ts';
import { countInShards, readDueIndex } from './due-index.ts';
import { dueRowOfItem, dueShardsOf } from './dynamo-row.ts';
import type { Item } from './row-attributes.ts';

export class DynamoWaiting implements WaitingIndex {
  readonly #client: DynamoDBClient;
  readonly #table: string;

  constructor(client: DynamoDBClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  heldCount(): Promise<number> {
    return countInShards(this.#client, this.#table, dueShardsOf('held'));
  }

  walk(dueClass: DueClass, until: number, take: (row: DueRow) => void): Promise<void> {
    return readDueIndex(this.#client, this.#table, { from: 0, until, shards: dueShardsOf(dueClass) }, take);
  }

  async heldWithoutInstant(after: string | null): Promise<HeldPage> {
    const page = await this.#client.send(
      new ScanCommand({
        TableName: this.#table,
        FilterExpression: '#state = :held AND attribute_not_exists(dueAt)',
        ExpressionAttributeNames: { '#state': 'st' },
        ExpressionAttributeValues: { ':held': { S: 'held' } },
        ...(after === null ? {} : { ExclusiveStartKey: JSON.parse(after) as Item }),
      }),
    );
    const refs = (page.Items ?? []).map(dueRowOfItem).map(({ spoolId, deliveryKey }) => ({ spoolId, deliveryKey }));
    return { refs, after: page.LastEvaluatedKey === undefined ? null : JSON.stringify(page.LastEvaluatedKey) };
  }
}
