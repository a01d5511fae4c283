// The ledger on DynamoDB, used by the functions and the operator's verbs: one table, one item a delivery, every change
// one conditional write (DESIGN §4). There are no transactions: what must stand first is written first, and every write
// may be repeated. Reads are consistent, except by index. A write that the SDK sent again after a lost answer is
// recognised as our own.

import { randomUUID } from 'node:crypto';
import {
  ConditionalCheckFailedException,
  type DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  ScanCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb';
import { answers } from '#adapters/trace-query.ts';
import { joinTrace, splitTrace } from '#adapters/trace-split.ts';
import type { DeliveryRef, DeliveryRow, MessageFacts, TraceEvent } from '#core/delivery/delivery.ts';
import type { ExpiryCount } from '#core/delivery/expiry-limit.ts';
import type { ClaimResult, DueRow, Ledger, TraceQuery, TraceRecord } from '#pipeline/ports.ts';
import { byNextHop, firstDue, isEnqueued, longestDue, readDueIndex, ShortIndex } from './due-index.ts';
import { canonical, scanFilter, sentAgain, standingItem } from './dynamo-conditions.ts';
import { countExpiry, countOnce, countUpTo } from './dynamo-counts.ts';
import {
  BOOKMARKS_KEY,
  CLAIM,
  dueShardsOf,
  eventOfItem,
  type ItemOptions,
  itemOfEvent,
  itemOfMessage,
  itemOfRow,
  itemOfToken,
  keyOfToken,
  MESSAGE_KEY,
  messageOfItem,
  rowOfItem,
  searchKeyOf,
  secondsOf,
  sortKeyOf,
  tokenOfItem,
} from './dynamo-row.ts';
import type { Item } from './row-attributes.ts';

/** Writes of one message's rows, and reads of one search, that run side by side. */
const concurrency = 16;

export class DynamoLedger implements Ledger {
  private readonly client: DynamoDBClient;
  private readonly table: string;
  private readonly options: ItemOptions;
  private readonly short: ShortIndex;

  constructor(client: DynamoDBClient, table: string, options: ItemOptions) {
    this.client = client;
    this.table = table;
    this.options = options;
    this.short = new ShortIndex(client, table);
  }

  async create(rows: readonly DeliveryRow[], message: MessageFacts | null): Promise<readonly ('created' | 'exists')[]> {
    // The facts first: a delivery whose message is unknown could not be relayed, nor its sender told.
    if (message !== null) await this.putNew(itemOfMessage(message, this.options));
    return inBatches(rows, (row) => this.putNew(itemOfRow(row, this.options)));
  }

  async claim(ref: DeliveryRef, terms: { readonly now: number; readonly leaseUntil: number }): Promise<ClaimResult> {
    const token = randomUUID().slice(0, 8);
    const command = new UpdateItemCommand({
      TableName: this.table,
      Key: keyOf(ref),
      UpdateExpression: 'SET #leaseUntil = :leaseUntil, #token = :token ADD #claims :one, #version :one',
      ConditionExpression:
        '(#state = :queued OR #state = :deferred) AND #nextAttemptAt <= :now' +
        ' AND (attribute_not_exists(#leaseUntil) OR #leaseUntil <= :now)',
      ExpressionAttributeNames: claimNames,
      ExpressionAttributeValues: {
        ':leaseUntil': { N: String(terms.leaseUntil) },
        ':token': { S: token },
        ':one': { N: '1' },
        ':queued': { S: 'queued' },
        ':deferred': { S: 'deferred' },
        ':now': { N: String(terms.now) },
      },
      ReturnValues: 'ALL_NEW',
      ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
    });
    try {
      const { Attributes } = await this.client.send(command);
      return { kind: 'claimed', row: rowOfItem(Attributes ?? {}) };
    } catch (error) {
      const standing = standingItem(error);
      if (standing === null) return { kind: 'refused', row: null };
      // Our own token: the claim was made, only its answer was lost.
      const ours = standing[CLAIM.token]?.S === token;
      return { kind: ours ? 'claimed' : 'refused', row: rowOfItem(standing) };
    }
  }

  async write(row: DeliveryRow, events: readonly TraceEvent[]): Promise<'written' | 'lost'> {
    const { kept, moved } = splitTrace(row.trace);
    await inBatches(moved, ({ key, event }) => this.put(itemOfEvent(row, key, event, this.options)));
    const item = itemOfRow({ ...row, version: row.version + 1, trace: [...kept, ...events] }, this.options);
    return (await this.put(item, { version: row.version })) ? 'written' : 'lost';
  }

  async read(ref: DeliveryRef): Promise<DeliveryRow | null> {
    const item = await this.get(keyOf(ref));
    return item === null ? null : rowOfItem(item);
  }

  async message(spoolId: string): Promise<MessageFacts | null> {
    const own = await this.get({ pk: { S: spoolId }, sk: { S: MESSAGE_KEY } });
    return own === null ? factsOf(await this.itemsOf(spoolId)) : messageOfItem(own);
  }

  async due(until: number, perLine: number, lineOf = byNextHop): Promise<readonly DueRow[]> {
    const found = longestDue(perLine, lineOf);
    const all = await this.short.read();
    if (all === null) await readDueIndex(this.client, this.table, { from: 0, until }, found.take);
    for (const { row } of all ?? []) if (row.dueAt <= until) found.take(row);
    return found.rows();
  }

  async dueBetween(
    { from, until, max }: { readonly from: number; readonly until: number; readonly max: number },
    wanted: (row: DueRow) => boolean,
  ): Promise<readonly DueRow[]> {
    const found = firstDue(max);
    await readDueIndex(this.client, this.table, { from: from + 1, until }, (row) => {
      if (wanted(row)) found.take(row);
    });
    return found.rows();
  }

  async enqueued(from: number, until: number): Promise<ReadonlyMap<string, number>> {
    const counts = new Map<string, number>();
    const shards = dueShardsOf('other', 'faulty', 'operator', 'unprocessed');
    const range = { from: from + 1, until, shards };
    await readDueIndex(this.client, this.table, range, (row) => {
      if (isEnqueued(row)) counts.set(row.nextHop, (counts.get(row.nextHop) ?? 0) + 1);
    });
    return counts;
  }

  countExpiry(hour: number, suspect: boolean): Promise<ExpiryCount> {
    return countExpiry(this.client, this.table, { hour, suspect, until: hour + this.options.ledgerRetentionMs });
  }

  countUpTo(name: string, max: number, until: number): Promise<boolean> {
    return countUpTo(this.client, this.table, { name, max, until });
  }

  countOnce(name: string, key: string, max: number, until: number): Promise<boolean> {
    return countOnce(this.client, this.table, { name, key, max, until });
  }

  async keepToken(token: string, ref: DeliveryRef, until: number): Promise<void> {
    await this.put(itemOfToken(token, ref, until));
  }

  async findToken(token: string): Promise<{ readonly ref: DeliveryRef; readonly until: number } | null> {
    const item = await this.get(keyOfToken(token));
    return item === null ? null : tokenOfItem(item);
  }

  async rowKeys(spoolId: string, max: number): Promise<readonly string[]> {
    const { Items = [] } = await this.client.send(
      new QueryCommand({
        TableName: this.table,
        KeyConditionExpression: 'pk = :pk AND begins_with(sk, :rows)',
        ExpressionAttributeValues: { ':pk': { S: spoolId }, ':rows': { S: 'd#' } },
        ProjectionExpression: 'pk, sk',
        ConsistentRead: true,
        Limit: max,
      }),
    );
    return Items.map((item) => refOf(item).deliveryKey);
  }

  async forgetMessage(spoolId: string, until: number): Promise<void> {
    const command = new UpdateItemCommand({
      TableName: this.table,
      Key: { pk: { S: spoolId }, sk: { S: MESSAGE_KEY } },
      UpdateExpression: 'SET #ttl = :until',
      ConditionExpression: 'attribute_exists(pk)', // an update would make one where none is
      ExpressionAttributeNames: { '#ttl': 'ttl' },
      ExpressionAttributeValues: { ':until': secondsOf(until) },
    });
    try {
      await this.client.send(command);
    } catch (error) {
      if (!(error instanceof ConditionalCheckFailedException)) throw error;
    }
  }

  async bookmark(name: string): Promise<string | null> {
    return (await this.get({ pk: { S: BOOKMARKS_KEY }, sk: { S: name } }))?.place?.S ?? null;
  }

  async setBookmark(name: string, place: string): Promise<void> {
    await this.put({ pk: { S: BOOKMARKS_KEY }, sk: { S: name }, place: { S: place } });
  }

  async trace(query: TraceQuery): Promise<readonly TraceRecord[]> {
    const records: TraceRecord[] = [];
    const spoolIds = await this.candidates(query);
    for (let at = 0; at < spoolIds.length && records.length < query.limit; at += concurrency) {
      const found = await Promise.all(spoolIds.slice(at, at + concurrency).map((spoolId) => this.record(spoolId)));
      records.push(
        ...found.filter((record) => record !== null).filter((record) => answers(query, record.message, record.rows)),
      );
    }
    return records.sort((a, b) => b.message.acceptedAt - a.message.acceptedAt).slice(0, query.limit);
  }

  /** Writes where nothing stands. */
  private async putNew(item: Item): Promise<'created' | 'exists'> {
    return (await this.put(item, { version: null })) ? 'created' : 'exists';
  }

  /**
   * False where the stored version is another one. `version: null` wants no item at all; without `where` anything is
   * replaced.
   */
  private async put(item: Item, where?: { readonly version: number | null }): Promise<boolean> {
    const condition =
      where === undefined
        ? {}
        : where.version === null
          ? { ConditionExpression: 'attribute_not_exists(pk)' }
          : {
              ConditionExpression: '#version = :version',
              ExpressionAttributeNames: { '#version': CLAIM.version },
              ExpressionAttributeValues: { ':version': { N: String(where.version) } },
            };
    const ReturnValuesOnConditionCheckFailure = where === undefined ? undefined : 'ALL_OLD';
    const command = new PutItemCommand({
      TableName: this.table,
      Item: item,
      ...condition,
      ReturnValuesOnConditionCheckFailure,
    });
    try {
      await this.client.send(command);
      return true;
    } catch (error) {
      const standing = standingItem(error);
      return standing !== null && sentAgain(error) && canonical(standing) === canonical(item);
    }
  }

  private async get(key: Item): Promise<Item | null> {
    const { Item } = await this.client.send(
      new GetItemCommand({ TableName: this.table, Key: key, ConsistentRead: true }),
    );
    return Item ?? null;
  }

  /** Everything under the message: its own item, deliveries, notices, events. */
  private async itemsOf(spoolId: string): Promise<readonly Item[]> {
    const items: Item[] = [];
    let from: Item | undefined;
    do {
      const page = await this.client.send(
        new QueryCommand({
          TableName: this.table,
          KeyConditionExpression: 'pk = :pk',
          ExpressionAttributeValues: { ':pk': { S: spoolId } },
          ConsistentRead: true,
          ExclusiveStartKey: from,
        }),
      );
      items.push(...(page.Items ?? []));
      from = page.LastEvaluatedKey;
    } while (from !== undefined);
    return items;
  }

  private async record(spoolId: string): Promise<TraceRecord | null> {
    const items = await this.itemsOf(spoolId);
    const message = factsOf(items);
    if (message === null) return null;
    const rows = items.filter(isRow).map((item) => {
      const row = rowOfItem(item);
      const moved = items.map((each) => eventOfItem(each, row)).filter((event) => event !== null);
      return { ...row, trace: joinTrace(row.trace, moved) };
    });
    return { message, rows };
  }

  /**
   * spoolIds that may answer, newest first: by the most telling term that has an index, else of everything accepted
   * since.
   */
  private async candidates(query: TraceQuery): Promise<readonly string[]> {
    if (query.spoolId !== undefined) return [query.spoolId];
    if (this.options.search) {
      if (query.messageIdField)
        return this.byIndex('byMessageIdField', 'messageIdField', query.messageIdField.slice(0, 512), query);
      if (query.reversePath !== undefined)
        return this.byIndex('byReversePath', 'reversePathKey', searchKeyOf(query.reversePath), query);
      if (query.forwardPath !== undefined)
        return this.byIndex('byForwardPath', 'forwardPathKey', searchKeyOf(query.forwardPath), query);
    }
    return this.byScan(query);
  }

  private async byIndex(
    index: string,
    attribute: string,
    value: string,
    query: TraceQuery,
  ): Promise<readonly string[]> {
    const spoolIds = new Set<string>();
    const terms = [query.messageIdField, query.reversePath, query.forwardPath, query.row];
    const single = terms.filter((term) => term !== undefined).length === 1;
    let from: Item | undefined;
    do {
      const page = await this.client.send(
        new QueryCommand({
          TableName: this.table,
          IndexName: index,
          KeyConditionExpression: '#key = :value AND acceptedAt >= :since',
          ExpressionAttributeNames: { '#key': attribute },
          ExpressionAttributeValues: { ':value': { S: value }, ':since': { N: String(query.since ?? 0) } },
          ScanIndexForward: false,
          ExclusiveStartKey: from,
        }),
      );
      for (const item of page.Items ?? []) spoolIds.add(refOf(item).spoolId);
      from = page.LastEvaluatedKey;
      // Where the index is the whole answer, no more is read than was asked for.
    } while (from !== undefined && !(single && spoolIds.size >= query.limit));
    return [...spoolIds];
  }

  /** Reads the whole table: the price of a search without a term, or with the search indexes switched off. */
  private async byScan({ since = 0, row = {} }: TraceQuery): Promise<readonly string[]> {
    const filter = scanFilter(since, row);
    const acceptedAt = new Map<string, number>();
    let from: Item | undefined;
    do {
      const page = await this.client.send(
        new ScanCommand({
          TableName: this.table,
          ...filter,
          ConsistentRead: true,
          ExclusiveStartKey: from,
        }),
      );
      for (const item of page.Items ?? []) {
        // A notice has its own, later acceptance; the message's is the earliest.
        const { spoolId } = refOf(item);
        const at = Number(item.acceptedAt?.N);
        acceptedAt.set(spoolId, Math.min(at, acceptedAt.get(spoolId) ?? at));
      }
      from = page.LastEvaluatedKey;
    } while (from !== undefined);
    return [...acceptedAt].sort(([, a], [, b]) => b - a).map(([spoolId]) => spoolId);
  }
}

const claimNames = Object.fromEntries(Object.entries(CLAIM).map(([name, attribute]) => [`#${name}`, attribute]));

const keyOf = (ref: DeliveryRef): Item => ({ pk: { S: ref.spoolId }, sk: { S: sortKeyOf(ref) } });
const isRow = (item: Item) => item.sk?.S?.startsWith('d#') === true;
const refOf = (item: Item): DeliveryRef => ({
  spoolId: item.pk?.S ?? '',
  deliveryKey: (item.sk?.S ?? '').slice('d#'.length),
});

function factsOf(items: readonly Item[]): MessageFacts | null {
  const own = items.find((item) => item.sk?.S === MESSAGE_KEY);
  if (own !== undefined) return messageOfItem(own);
  const sole = items.find((item) => isRow(item) && item.mf !== undefined);
  return sole === undefined ? null : rowOfItem(sole).message;
}

async function inBatches<In, Out>(inputs: readonly In[], work: (input: In) => Promise<Out>): Promise<Out[]> {
  const results: Out[] = [];
  for (let at = 0; at < inputs.length; at += concurrency) {
    results.push(...(await Promise.all(inputs.slice(at, at + concurrency).map(work))));
  }
  return results;
}
