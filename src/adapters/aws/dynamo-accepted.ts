// The slots in which mail was accepted, on DynamoDB: a partition of the ledger's table for each direction, and a small
// item for each slot, removed by TTL. A put that is repeated changes nothing. It decides nothing.

import { type AttributeValue, type DynamoDBClient, PutItemCommand, QueryCommand } from '@aws-sdk/client-dynamodb';
import type { Direction } from '#core/delivery/delivery.ts';
import type { AcceptedSlots } from '#pipeline/accepted-slots.ts';
import { secondsOf } from './dynamo-row.ts';

export class DynamoAccepted implements AcceptedSlots {
  readonly #client: DynamoDBClient;
  readonly #table: string;

  constructor(client: DynamoDBClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  async note(direction: Direction, slot: number, until: number): Promise<void> {
    const Item = { pk: { S: partition(direction) }, sk: { S: keyOf(slot) }, ttl: secondsOf(until) };
    await this.#client.send(new PutItemCommand({ TableName: this.#table, Item }));
  }

  async latest(direction: Direction, before: number): Promise<number | null> {
    const { Items = [] } = await this.#client.send(
      new QueryCommand({ ...this.#range(direction, 0, before), ScanIndexForward: false, Limit: 1 }),
    );
    return Items[0] === undefined ? null : slotOf(Items[0]);
  }

  async between(direction: Direction, from: number, before: number): Promise<readonly number[]> {
    if (from >= before) return [];
    const found: number[] = [];
    let start: Record<string, AttributeValue> | undefined;
    do {
      const page = await this.#client.send(
        new QueryCommand({ ...this.#range(direction, from, before), ExclusiveStartKey: start }),
      );
      for (const item of page.Items ?? []) found.push(slotOf(item));
      start = page.LastEvaluatedKey;
    } while (start !== undefined);
    return found;
  }

  /** BETWEEN has both ends. */
  #range(direction: Direction, from: number, before: number) {
    return {
      TableName: this.#table,
      KeyConditionExpression: 'pk = :direction AND sk BETWEEN :from AND :last',
      ExpressionAttributeValues: {
        ':direction': { S: partition(direction) },
        ':from': { S: keyOf(from) },
        ':last': { S: keyOf(before - 1) },
      },
      ProjectionExpression: 'sk',
    };
  }
}

/** No spoolId has a hash sign. */
function partition(direction: Direction): string {
  return `#accepted#${direction}`;
}

const KEY = 's#';
/** Of one length, so that they stand in order. */
function keyOf(slot: number): string {
  return KEY + String(slot).padStart(14, '0');
}
function slotOf(item: Record<string, AttributeValue>): number {
  return Number((item.sk?.S ?? '').slice(KEY.length));
}
