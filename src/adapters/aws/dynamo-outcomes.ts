// The hour's outcomes at next hops on DynamoDB: one partition of the ledger's table, and an item for each next hop and
// five minutes, removed by TTL. Each add is one atomic update. A call that the SDK sends again may count twice.

import { type AttributeValue, type DynamoDBClient, QueryCommand, UpdateItemCommand } from '@aws-sdk/client-dynamodb';
import type { HopOutcomes } from '#core/delivery/failure-share.ts';
import type { OutcomeStore } from '#pipeline/outcome-tally.ts';
import { secondsOf } from './dynamo-row.ts';

/** No spoolId has a hash sign. */
const PARTITION = '#outcomes';
const KEY = 's#';

export class DynamoOutcomes implements OutcomeStore {
  readonly #client: DynamoDBClient;
  readonly #table: string;

  constructor(client: DynamoDBClient, table: string) {
    this.#client = client;
    this.#table = table;
  }

  async add(slot: number, { nextHop, failed, accepted }: HopOutcomes, until: number): Promise<void> {
    await this.#client.send(
      new UpdateItemCommand({
        TableName: this.#table,
        Key: { pk: { S: PARTITION }, sk: { S: `${keyOf(slot)}#${nextHop}` } },
        UpdateExpression: 'ADD #failed :failed, #accepted :accepted SET #until = :until',
        ExpressionAttributeNames: { '#failed': 'f', '#accepted': 'a', '#until': 'ttl' },
        ExpressionAttributeValues: {
          ':failed': { N: String(failed) },
          ':accepted': { N: String(accepted) },
          ':until': secondsOf(until),
        },
      }),
    );
  }

  async since(slot: number): Promise<readonly HopOutcomes[]> {
    const found: HopOutcomes[] = [];
    let start: Record<string, AttributeValue> | undefined;
    do {
      const page = await this.#client.send(
        new QueryCommand({
          TableName: this.#table,
          KeyConditionExpression: 'pk = :outcomes AND sk >= :from',
          ExpressionAttributeValues: { ':outcomes': { S: PARTITION }, ':from': { S: keyOf(slot) } },
          ExclusiveStartKey: start,
        }),
      );
      for (const { sk, f, a } of page.Items ?? [])
        found.push({ nextHop: (sk?.S ?? '').slice(keyOf(0).length + 1), failed: Number(f?.N), accepted: Number(a?.N) });
      start = page.LastEvaluatedKey;
    } while (start !== undefined);
    return found;
  }
}

/** Of one length, so that they stand in order. */
function keyOf(slot: number): string {
  return KEY + String(slot).padStart(14, '0');
}
