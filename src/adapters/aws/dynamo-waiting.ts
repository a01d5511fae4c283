// Mail that waits, by the ledger's table on DynamoDB: held rows are counted in the index, and those that a version
// before wrote without an instant are found by a scan of the table, a page at a time. A look reads a short index once
// for all that is asked. It writes nothing.

import { type DynamoDBClient, ScanCommand } from '@aws-sdk/client-dynamodb';
import type { DueClass } from '#core/delivery/due-class.ts';
import type { DueRow } from '#pipeline/ports.ts';
import type { HeldPage, WaitingIndex, WaitingLook } from '#pipeline/waiting-index.ts';
import { countInShards, type Entry, readDueIndex, ShortIndex } from './due-index.ts';
import { dueRowOfItem, dueShardsOf } from './dynamo-row.ts';
import type { Item } from './row-attributes.ts';

export class DynamoWaiting implements WaitingIndex {
  readonly #client: DynamoDBClient;
  readonly #table: string;
  readonly #short: ShortIndex;

  constructor(client: DynamoDBClient, table: string) {
    this.#client = client;
    this.#table = table;
    this.#short = new ShortIndex(client, table);
  }

  async look(): Promise<WaitingLook> {
    const all = await this.#short.read();
    return all === null ? this : lookAt(all);
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

function lookAt(all: readonly Entry[]): WaitingLook {
  const of = (dueClass: DueClass) => {
    const shards = dueShardsOf(dueClass);
    return all.filter(({ shard }) => shards.includes(shard));
  };
  return {
    heldCount: async () => of('held').length,
    async walk(dueClass, until, take) {
      for (const { row } of of(dueClass)) if (row.dueAt <= until) take(row);
    },
  };
}
