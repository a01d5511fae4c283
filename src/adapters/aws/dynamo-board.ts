// Next hops' health and pauses on DynamoDB: two partitions of the ledger's table, an item each. One Query reads each
// of them; a submitter's policy allows that of the pauses alone. What a record says stands in one attribute as JSON: it
// is read and written whole, and only its version is compared. Items of next hops that the configuration no longer has
// stay; they are few, and harmless.

import { type AttributeValue, type DynamoDBClient, GetItemCommand, QueryCommand } from '@aws-sdk/client-dynamodb';
import type { Health } from '#core/delivery/next-hop-health.ts';
import { unknownHealth } from '#core/delivery/next-hop-health.ts';
import { type SharedTurns, unknownTurns } from '#core/delivery/next-hop-turns.ts';
import { type Pause, pausesPartition } from '#core/delivery/pause.ts';
import type { Board, NextHopBoard } from '#pipeline/next-hop-board.ts';
import { putVersioned, versionOf } from './dynamo-versioned.ts';

/** The partition of healths, beside that of the pauses; no spoolId has a hash sign. */
export const BOARD_KEY = '#next-hops';
/** Relay's alone, and read by their keys. */
const TURNS_KEY = '#turns';
const KEY = 'n#';

export class DynamoBoard implements NextHopBoard {
  readonly #client: DynamoDBClient;
  readonly #table: string;

  constructor(client: DynamoDBClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  async read(): Promise<Board> {
    const [found, pauses] = await Promise.all([this.#items(BOARD_KEY), this.readPauses()]);
    const healths = found.map(({ key, said }) => [key, healthOf(key, said)] as const);
    return { healths: new Map(healths), pauses };
  }

  async readPauses(): Promise<readonly Pause[]> {
    return (await this.#items(pausesPartition)).map(({ key, said }) => ({ ...said, scope: key }) as Pause);
  }

  async #items(partition: string) {
    const found: { readonly key: string; readonly said: object }[] = [];
    let start: Record<string, AttributeValue> | undefined;
    do {
      const page = await this.#client.send(
        new QueryCommand({
          TableName: this.#table,
          KeyConditionExpression: 'pk = :board',
          ExpressionAttributeValues: { ':board': { S: partition } },
          ConsistentRead: true,
          ExclusiveStartKey: start,
        }),
      );
      for (const item of page.Items ?? []) {
        const said = { ...JSON.parse(item.r?.S ?? '{}'), version: versionOf(item) };
        found.push({ key: (item.sk?.S ?? '').slice(KEY.length), said });
      }
      start = page.LastEvaluatedKey;
    } while (start !== undefined);
    return found;
  }

  writeHealth({ nextHop, version, ...record }: Health): Promise<'written' | 'lost'> {
    return this.#put(BOARD_KEY, nextHop, version, record);
  }

  writePause({ scope, version, ...record }: Pause): Promise<'written' | 'lost'> {
    return this.#put(pausesPartition, scope, version, record);
  }

  async readTurns(nextHop: string): Promise<SharedTurns | null> {
    const { Item } = await this.#client.send(
      new GetItemCommand({
        TableName: this.#table,
        Key: { pk: { S: TURNS_KEY }, sk: { S: KEY + nextHop } },
        ConsistentRead: true,
      }),
    );
    return Item === undefined ? null : turnsOf(nextHop, Item);
  }

  async writeTurns({ nextHop, version, ...record }: SharedTurns): Promise<SharedTurns | null> {
    const put = await this.#putOrStanding(TURNS_KEY, nextHop, version, record);
    return put === 'written' ? null : turnsOf(nextHop, put);
  }

  async #put(partition: string, name: string, version: number, record: object): Promise<'written' | 'lost'> {
    return (await this.#putOrStanding(partition, name, version, record)) === 'written' ? 'written' : 'lost';
  }

  #putOrStanding(
    partition: string,
    name: string,
    version: number,
    record: object,
  ): Promise<'written' | Record<string, AttributeValue>> {
    const item = { pk: { S: partition }, sk: { S: KEY + name }, r: { S: JSON.stringify(record) } };
    return putVersioned(this.#client, this.#table, item, version);
  }
}

/** Fields that a record of an older version lacks are those of a next hop about which nothing is recorded. */
function healthOf(nextHop: string, said: object): Health {
  return { ...unknownHealth(nextHop), ...said, nextHop };
}

function turnsOf(nextHop: string, item: Record<string, AttributeValue>): SharedTurns {
  const said: Partial<SharedTurns> = JSON.parse(item.r?.S ?? '{}');
  return { ...unknownTurns(nextHop), ...said, nextHop, version: versionOf(item) };
}
