// A table to which DynamoDB restored the ledger, read page by page and put back into the ledger's own table. Used by
// `everpost restore`. Rows are for the caller to judge; what belongs to a message beside them is copied here, where
// nothing stands. Items of no message (bookmarks, pauses, healths, counts) are those of the living table, and stay so.

import {
  type AttributeValue,
  ConditionalCheckFailedException,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  ScanCommand,
} from '@aws-sdk/client-dynamodb';
import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { restorePage, restoreRowsAtOnce } from '#core/limits.ts';
import { inTurns } from '#pipeline/in-turns.ts';
import type { RestoredLedger } from '#pipeline/operate/restore.ts';
import type { Clock } from '#pipeline/ports.ts';
import { CLAIM, itemOfRow, MESSAGE_KEY, rowOfItem, sortKeyOf } from './dynamo-row.ts';
import type { Item } from './row-attributes.ts';

type Tables = { readonly restored: string; readonly ledger: string };
const NEVER = new AbortController().signal;

export class DynamoRestored implements RestoredLedger {
  readonly #client: DynamoDBClient;
  readonly #tables: Tables;
  readonly #clock: Clock;
  /** Of the rows of the last page: what the row itself does not say. */
  #items = new Map<string, Item>();

  constructor(client: DynamoDBClient, tables: Tables, clock: Clock) {
    this.#client = client;
    this.#tables = tables;
    this.#clock = clock;
  }

  async page(after: string | null): Promise<{ readonly rows: readonly DeliveryRow[]; readonly after: string | null }> {
    const { Items = [], LastEvaluatedKey } = await this.#client.send(
      new ScanCommand({
        TableName: this.#tables.restored,
        Limit: restorePage,
        ConsistentRead: true,
        ExclusiveStartKey: after === null ? undefined : (JSON.parse(after) as Item),
      }),
    );
    const items = Items.filter((item) => !this.#isOver(item) && item.pk?.S?.startsWith('#') !== true);
    const rows = items.filter(isRow);
    const facts = [...new Set(rows.flatMap((item) => (item.mf === undefined ? (item.pk?.S ?? []) : [])))];
    const beside = items.filter((item) => !isRow(item));
    await inTurns(beside, restoreRowsAtOnce, (item) => this.#putNew(item), NEVER);
    await inTurns(facts, restoreRowsAtOnce, (spoolId) => this.#putFacts(spoolId), NEVER);
    this.#items = new Map(rows.map((item) => [keyOf(item), item]));
    return {
      rows: rows.map(rowOfItem),
      after: LastEvaluatedKey === undefined ? null : JSON.stringify(LastEvaluatedKey),
    };
  }

  async putBack(row: DeliveryRow, standing: number | null): Promise<'written' | 'lost'> {
    const before = this.#items.get(keyOf({ pk: { S: row.spoolId }, sk: { S: sortKeyOf(row) } })) ?? {};
    const search = before.forwardPathKey !== undefined;
    const item = itemOfRow(row, { search, ledgerRetentionMs: 0 });
    // The stack's retention is not known here: it is that of the date which the row had.
    if (before.ttl === undefined) delete item.ttl;
    else item.ttl = before.ttl;
    return this.#put(item, standing);
  }

  /** A delivery without its message could not be relayed, nor its sender told: the facts go before its row. */
  async #putFacts(spoolId: string): Promise<void> {
    const key = { pk: { S: spoolId }, sk: { S: MESSAGE_KEY } };
    const get = new GetItemCommand({ TableName: this.#tables.restored, Key: key, ConsistentRead: true });
    const { Item } = await this.#client.send(get);
    if (Item !== undefined) await this.#putNew(Item);
  }

  async #putNew(item: Item): Promise<void> {
    await this.#put(item, null);
  }

  async #put(item: Item, standing: number | null): Promise<'written' | 'lost'> {
    const where =
      standing === null
        ? { ConditionExpression: 'attribute_not_exists(pk)' }
        : {
            ConditionExpression: '#version = :version',
            ExpressionAttributeNames: { '#version': CLAIM.version },
            ExpressionAttributeValues: { ':version': { N: String(standing) } },
          };
    try {
      await this.#client.send(new PutItemCommand({ TableName: this.#tables.ledger, Item: item, ...where }));
      return 'written';
    } catch (error) {
      if (error instanceof ConditionalCheckFailedException) return 'lost';
      throw error;
    }
  }

  /** DynamoDB was about to delete it. */
  #isOver({ ttl }: Item): boolean {
    return ttl?.N !== undefined && Number(ttl.N) * 1_000 <= this.#clock.now();
  }
}

const isRow = (item: Item) => item.sk?.S?.startsWith('d#') === true;
const keyOf = ({ pk, sk }: Record<string, AttributeValue>) => `${pk?.S} ${sk?.S}`;
