// Reads the due index of the ledger on DynamoDB: in one read where it is short, else shard by shard, a page at a time.
// The sweep chooses rows by it without reading a row, since its projection (infra/ledger.ts) has the fields of DueRow.
// Its reads are eventually consistent, so the sweep reads each row before it decides.

import { type DynamoDBClient, QueryCommand, type QueryCommandOutput, ScanCommand } from '@aws-sdk/client-dynamodb';
import { isUnderWay } from '#core/delivery/delivery.ts';
import { shortIndexAgainAfter, shortIndexMax } from '#core/limits.ts';
import type { DueRow } from '#pipeline/ports.ts';
import { dueRowOfItem, dueShardsOf } from './dynamo-row.ts';
import type { Item } from './row-attributes.ts';

/**
 * A row whose job is with the relay queue, as the index shows it: core/delivery/sweep-decision.ts moved `dueAt` past
 * `nextAttemptAt`.
 */
export function isEnqueued(row: DueRow): boolean {
  return isUnderWay(row.state) && row.dueAt > row.nextAttemptAt;
}

/** Entries with `from` <= dueAt <= `until`, of all shards unless some are named, each shard in order of time. */
export async function readDueIndex(
  client: DynamoDBClient,
  table: string,
  range: {
    readonly from: number;
    readonly until: number;
    readonly shards?: readonly string[];
  },
  take: (row: DueRow) => void,
): Promise<void> {
  await Promise.all(
    (range.shards ?? dueShardsOf('other', 'faulty', 'operator', 'unprocessed', 'held')).map(async (shard) => {
      let start: Item | undefined;
      do {
        const page: QueryCommandOutput = await client.send(
          new QueryCommand({ ...inShard(table, shard, range), ExclusiveStartKey: start }),
        );
        for (const item of page.Items ?? []) take(dueRowOfItem(item));
        start = page.LastEvaluatedKey;
      } while (start !== undefined);
    }),
  );
}

/** An entry of the index and the shard in which it stands. */
export type Entry = { readonly shard: string; readonly row: DueRow };

/** The index in one read, where it is short. A function keeps one: it knows for a while that the index was longer. */
export class ShortIndex {
  readonly #client: DynamoDBClient;
  readonly #table: string;
  #readsByShard = 0;

  constructor(client: DynamoDBClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  /** All entries, or null: it is longer, or was a short time ago, and each shard is to be asked. */
  async read(): Promise<readonly Entry[] | null> {
    if (this.#readsByShard > 0) {
      this.#readsByShard -= 1;
      return null;
    }
    const page = await this.#client.send(
      new ScanCommand({ TableName: this.#table, IndexName: 'due', Limit: shortIndexMax + 1 }),
    );
    // Only an answer without this key says that there is no more, however many entries it has.
    if (page.LastEvaluatedKey === undefined)
      return (page.Items ?? []).map((item) => ({ shard: item.dueShard?.S ?? '', row: dueRowOfItem(item) }));
    this.#readsByShard = shortIndexAgainAfter;
    return null;
  }
}

/** How many entries the shards have, whenever they are due. */
export async function countInShards(client: DynamoDBClient, table: string, shards: readonly string[]): Promise<number> {
  const counts = shards.map(async (shard) => {
    let [start, count]: [Item | undefined, number] = [undefined, 0];
    do {
      const whole = inShard(table, shard, { from: 0, until: Number.MAX_SAFE_INTEGER });
      const page: QueryCommandOutput = await client.send(
        new QueryCommand({ ...whole, Select: 'COUNT', ExclusiveStartKey: start }),
      );
      count += page.Count ?? 0;
      start = page.LastEvaluatedKey;
    } while (start !== undefined);
    return count;
  });
  return (await Promise.all(counts)).reduce((sum, each) => sum + each, 0);
}

function inShard(table: string, shard: string, { from, until }: { readonly from: number; readonly until: number }) {
  const whole = from <= 0;
  return {
    TableName: table,
    IndexName: 'due',
    KeyConditionExpression: `dueShard = :shard AND dueAt ${whole ? '<= :until' : 'BETWEEN :from AND :until'}`,
    ExpressionAttributeValues: {
      ':shard': { S: shard },
      ':until': { N: String(until) },
      ...(whole ? {} : { ':from': { N: String(from) } }),
    },
  };
}

/** Keeps the first `max`; shards arrive interleaved, so that twice as many are let in before the latest are cut off. */
export function firstDue(max: number): { take(row: DueRow): void; rows(): readonly DueRow[] } {
  const rows: DueRow[] = [];
  const firstOf = () => rows.sort((a, b) => a.dueAt - b.dueAt).splice(max);
  return {
    take(row) {
      if (rows.push(row) >= 2 * max) firstOf();
    },
    rows() {
      firstOf();
      return rows;
    },
  };
}

export function byNextHop({ nextHop }: DueRow): string {
  return nextHop;
}

/** Keeps the first `perLine` of each line: a backlog of millions must fit into a function's memory. */
export function longestDue(
  perLine: number,
  lineOf: (row: DueRow) => string,
): { take(row: DueRow): void; rows(): readonly DueRow[] } {
  const kept = new Map<string, ReturnType<typeof firstDue>>();
  return {
    take(row) {
      const line = lineOf(row);
      const rows = kept.get(line) ?? firstDue(perLine);
      kept.set(line, rows);
      rows.take(row);
    },
    rows: () => [...kept.values()].flatMap((each) => each.rows()).sort((a, b) => a.dueAt - b.dueAt),
  };
}
