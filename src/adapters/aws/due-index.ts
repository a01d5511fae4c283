// Reads the due index of the ledger on DynamoDB, a page at a time. The sweep chooses rows by it without reading a row.
// The index's projection (infra/ledger.ts) has the fields of DueRow. Its reads are eventually consistent, so the sweep
// reads each row before it decides.

import { type DynamoDBClient, QueryCommand } from '@aws-sdk/client-dynamodb';
import { isUnderWay } from '#core/delivery/delivery.ts';
import type { DueRow, Quarantined, QuarantineQuery } from '#pipeline/ports.ts';
import { DUE_SHARDS, dueRowOfItem } from './dynamo-row.ts';
import type { Item } from './row-attributes.ts';

/**
 * A row whose job is with the relay queue, as the index shows it: core/delivery/sweep-decision.ts moved `dueAt` past
 * `nextAttemptAt`.
 */
export function isEnqueued(row: DueRow): boolean {
  return isUnderWay(row.state) && row.dueAt > row.nextAttemptAt;
}

/** All index entries with `from` < dueAt <= `until`, shard by shard side by side, each shard in order of time. */
export async function readDueIndex(
  client: DynamoDBClient,
  table: string,
  range: { readonly from: number; readonly until: number },
  take: (row: DueRow) => void,
): Promise<void> {
  await Promise.all(
    Array.from({ length: DUE_SHARDS }, async (_, shard) => {
      let start: Item | undefined;
      do {
        const page = await client.send(
          new QueryCommand({
            TableName: table,
            IndexName: 'due',
            KeyConditionExpression: 'dueShard = :shard AND dueAt BETWEEN :from AND :until',
            ExpressionAttributeValues: {
              ':shard': { S: `s${shard}` },
              ':from': { N: String(range.from) },
              ':until': { N: String(range.until) },
            },
            ExclusiveStartKey: start,
          }),
        );
        for (const item of page.Items ?? []) take(dueRowOfItem(item));
        start = page.LastEvaluatedKey;
      } while (start !== undefined);
    }),
  );
}

/**
 * Counts the rows in quarantine, and keeps the latest of the period: a flood of spam must fit into a function's memory.
 */
export function inQuarantine(query: QuarantineQuery): { take(row: DueRow): void; found(): Quarantined } {
  const told: DueRow[] = [];
  const counts = { inPeriod: 0, waiting: 0, soon: 0 };
  const latestFirst = () => told.sort((a, b) => b.nextAttemptAt - a.nextAttemptAt);
  return {
    take(row) {
      if (row.state !== 'quarantined') return;
      counts.waiting += 1;
      if (row.dueAt <= query.soonUntil) counts.soon += 1;
      if (row.nextAttemptAt <= query.from || row.nextAttemptAt > query.until) return;
      counts.inPeriod += 1;
      told.push(row);
      if (told.length >= 2 * query.max) latestFirst().splice(query.max);
    },
    found: () => ({ ...counts, told: latestFirst().slice(0, query.max) }),
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

/** Keeps the first `perNextHop` of each next hop and shard: a backlog of millions must fit into a function's memory. */
export function longestDue(perNextHop: number): { take(row: DueRow): void; rows(): readonly DueRow[] } {
  const kept = new Map<string, ReturnType<typeof firstDue>>();
  return {
    take(row) {
      const rows = kept.get(row.nextHop) ?? firstDue(perNextHop);
      kept.set(row.nextHop, rows);
      rows.take(row);
    },
    rows: () => [...kept.values()].flatMap((each) => each.rows()).sort((a, b) => a.dueAt - b.dueAt),
  };
}
