// Next hops' health and pauses on DynamoDB: one partition of the ledger's table, an item each, so that one Query reads
// all of it. What a record says stands in one attribute as JSON: it is read and written whole, and only its version is
// compared. Items of next hops that the configuration no longer has stay; they are few, and harmless.

import {
  type AttributeValue,
  ConditionalCheckFailedException,
  type DynamoDBClient,
  PutItemCommand,
  QueryCommand,
} from '@aws-sdk/client-dynamodb';
import type { Health } from '#core/delivery/next-hop-health.ts';
import { unknownHealth } from '#core/delivery/next-hop-health.ts';
import type { Pause } from '#core/delivery/pause.ts';
import type { Board, NextHopBoard } from '#pipeline/next-hop-board.ts';

/** The partition; no spoolId has a hash sign. */
export const BOARD_KEY = '#next-hops';
const HEALTH = 'h#';
const PAUSE = 'p#';

export class DynamoBoard implements NextHopBoard {
  readonly #client: DynamoDBClient;
  readonly #table: string;

  constructor(client: DynamoDBClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  async read(): Promise<Board> {
    const healths = new Map<string, Health>();
    const pauses: Pause[] = [];
    let start: Record<string, AttributeValue> | undefined;
    do {
      const page = await this.#client.send(
        new QueryCommand({
          TableName: this.#table,
          KeyConditionExpression: 'pk = :board',
          ExpressionAttributeValues: { ':board': { S: BOARD_KEY } },
          ConsistentRead: true,
          ExclusiveStartKey: start,
        }),
      );
      for (const item of page.Items ?? []) {
        const key = item.sk?.S ?? '';
        const said = { ...JSON.parse(item.r?.S ?? '{}'), version: Number(item.v?.N ?? 0) };
        // Fields that a record of an older version lacks are those of a next hop about which nothing is recorded.
        if (key.startsWith(HEALTH)) healths.set(key.slice(HEALTH.length), healthOf(key.slice(HEALTH.length), said));
        if (key.startsWith(PAUSE)) pauses.push({ ...said, scope: key.slice(PAUSE.length) } as Pause);
      }
      start = page.LastEvaluatedKey;
    } while (start !== undefined);
    return { healths, pauses };
  }

  writeHealth({ nextHop, version, ...record }: Health): Promise<'written' | 'lost'> {
    return this.#put(HEALTH + nextHop, version, record);
  }

  writePause({ scope, version, ...record }: Pause): Promise<'written' | 'lost'> {
    return this.#put(PAUSE + scope, version, record);
  }

  async #put(key: string, version: number, record: object): Promise<'written' | 'lost'> {
    const isNew = version === 0;
    try {
      await this.#client.send(
        new PutItemCommand({
          TableName: this.#table,
          Item: {
            pk: { S: BOARD_KEY },
            sk: { S: key },
            v: { N: String(version + 1) },
            r: { S: JSON.stringify(record) },
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

function healthOf(nextHop: string, said: object): Health {
  return { ...unknownHealth(nextHop), ...said, nextHop };
}
