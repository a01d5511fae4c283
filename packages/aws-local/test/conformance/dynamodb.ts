// What the ledger needs of DynamoDB, by the real SDK client: the emulator or, with an endpoint and credentials, AWS.
// Source: the DynamoDB section of docs/aws-contracts.md, and the API reference.

import {
  BatchGetItemCommand,
  BatchWriteItemCommand,
  ConditionalCheckFailedException,
  DeleteItemCommand,
  DescribeTableCommand,
  DescribeTimeToLiveCommand,
  DynamoDBClient,
  type DynamoDBClientConfig,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  ScanCommand,
  TransactGetItemsCommand,
  TransactionCanceledException,
  TransactWriteItemsCommand,
  UpdateItemCommand,
} from '@aws-sdk/client-dynamodb';
import { afterAll, expect, test } from 'vitest';

/** The table that the suite is run on: it must exist and be empty of the hash keys used here. */
export const conformanceTable = {
  KeySchema: [
    { AttributeName: 'pk', KeyType: 'HASH' },
    { AttributeName: 'sk', KeyType: 'RANGE' },
  ],
  AttributeDefinitions: [
    { AttributeName: 'pk', AttributeType: 'S' },
    { AttributeName: 'sk', AttributeType: 'S' },
    { AttributeName: 'dueShard', AttributeType: 'S' },
    { AttributeName: 'dueAt', AttributeType: 'N' },
  ],
  GlobalSecondaryIndexes: [
    {
      IndexName: 'due',
      KeySchema: [
        { AttributeName: 'dueShard', KeyType: 'HASH' },
        { AttributeName: 'dueAt', KeyType: 'RANGE' },
      ],
      Projection: { ProjectionType: 'KEYS_ONLY' },
    },
  ],
  TimeToLiveSpecification: { AttributeName: 'expiresAt', Enabled: true },
} as const;

/** Every key begins with `run`, so that a table in AWS can be used again. */
export function dynamodbConformance(target: () => { config: DynamoDBClientConfig; table: string; run: string }): void {
  let client: DynamoDBClient | undefined;
  const use = () => {
    const { config, table, run } = target();
    client ??= new DynamoDBClient(config);
    return {
      client,
      TableName: table,
      key: (name: string, sk = 'm') => ({ pk: { S: `${run}-${name}` }, sk: { S: sk } }),
      run,
    };
  };
  afterAll(() => client?.destroy());

  test('a put and a get return the item with every type of attribute', async () => {
    const { client, TableName, key } = use();
    const Item = {
      ...key('types'),
      text: { S: 'Grüße 📮' },
      empty: { S: '' },
      number: { N: '12345678901234567890.5' },
      bytes: { B: new Uint8Array([0, 10, 255]) },
      flag: { BOOL: false },
      nothing: { NULL: true },
      list: { L: [{ S: 'a' }, { M: { deep: { N: '1' } } }] },
      map: { M: { 'a.b': { S: 'c' } } },
      set: { SS: ['x', 'y'] },
    };
    await client.send(new PutItemCommand({ TableName, Item }));
    const { Item: read } = await client.send(
      new GetItemCommand({ TableName, Key: key('types'), ConsistentRead: true }),
    );
    expect(read).toEqual(Item);
    const { Item: none } = await client.send(new GetItemCommand({ TableName, Key: key('types', 'other') }));
    expect(none).toBeUndefined();
  });

  test('a conditional put that loses says so, with the present item on demand', async () => {
    const { client, TableName, key } = use();
    await client.send(new PutItemCommand({ TableName, Item: { ...key('cond'), version: { N: '1' } } }));
    const again = new PutItemCommand({
      TableName,
      Item: key('cond'),
      ConditionExpression: 'attribute_not_exists(pk)',
      ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
    });
    const error = await client.send(again).catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(ConditionalCheckFailedException);
    expect((error as ConditionalCheckFailedException).message).toBe('The conditional request failed');
    expect((error as ConditionalCheckFailedException).Item).toEqual({ ...key('cond'), version: { N: '1' } });
  });

  test('an update sets, adds, appends and removes in one write and returns what was asked', async () => {
    const { client, TableName, key } = use();
    const update = new UpdateItemCommand({
      TableName,
      Key: key('update'),
      UpdateExpression:
        'SET #s = :s, trace = list_append(if_not_exists(trace, :none), :event), lease = :lease ADD claims :one REMOVE gone',
      ConditionExpression: 'attribute_not_exists(version) OR version < :limit',
      ExpressionAttributeNames: { '#s': 'state' },
      ExpressionAttributeValues: {
        ':s': { S: 'queued' },
        ':none': { L: [] },
        ':event': { L: [{ M: { event: { S: 'RECEIVE' } } }] },
        ':lease': { N: '99' },
        ':one': { N: '1' },
        ':limit': { N: '5' },
      },
      ReturnValues: 'ALL_NEW',
    });
    await client.send(update);
    const { Attributes } = await client.send(update);
    expect(Attributes?.claims).toEqual({ N: '2' });
    expect(Attributes?.trace?.L).toHaveLength(2);
    expect(Attributes?.state).toEqual({ S: 'queued' });
  });

  test('of many conditional updates at one time exactly one wins', async () => {
    const { client, TableName, key } = use();
    await client.send(new PutItemCommand({ TableName, Item: { ...key('race'), lease: { N: '0' } } }));
    const claims = await Promise.allSettled(
      Array.from({ length: 40 }, (_, n) =>
        client.send(
          new UpdateItemCommand({
            TableName,
            Key: key('race'),
            UpdateExpression: 'SET lease = :mine',
            ConditionExpression: 'lease = :free',
            ExpressionAttributeValues: { ':free': { N: '0' }, ':mine': { N: String(n + 1) } },
          }),
        ),
      ),
    );
    expect(claims.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  test('a delete returns the old item, and is no error where there is none', async () => {
    const { client, TableName, key } = use();
    await client.send(new PutItemCommand({ TableName, Item: { ...key('delete'), n: { N: '1' } } }));
    const command = new DeleteItemCommand({ TableName, Key: key('delete'), ReturnValues: 'ALL_OLD' });
    expect((await client.send(command)).Attributes?.n).toEqual({ N: '1' });
    expect((await client.send(command)).Attributes).toBeUndefined();
  });

  test('a query pages through a partition in the order of its range key, both ways, and filters', async () => {
    const { client, TableName, key, run } = use();
    for (const n of [3, 1, 2, 10]) {
      await client.send(new PutItemCommand({ TableName, Item: { ...key('query', `d#${n}`), n: { N: String(n) } } }));
    }
    await client.send(new PutItemCommand({ TableName, Item: key('query', 'm') }));
    const base = {
      TableName,
      KeyConditionExpression: 'pk = :pk AND begins_with(sk, :d)',
      ExpressionAttributeValues: { ':pk': { S: `${run}-query` }, ':d': { S: 'd#' } },
    };
    const order: (string | undefined)[] = [];
    let ExclusiveStartKey: Record<string, { S: string }> | undefined;
    do {
      const page = await client.send(new QueryCommand({ ...base, Limit: 2, ExclusiveStartKey }));
      expect(page.Items?.length).toBeLessThanOrEqual(2);
      order.push(...(page.Items ?? []).map(({ sk }) => sk?.S));
      ExclusiveStartKey = page.LastEvaluatedKey as typeof ExclusiveStartKey;
    } while (ExclusiveStartKey);
    expect(order).toEqual(['d#1', 'd#10', 'd#2', 'd#3']);
    const backwards = await client.send(new QueryCommand({ ...base, ScanIndexForward: false, Limit: 1 }));
    expect(backwards.Items?.[0]?.sk?.S).toBe('d#3');
    const filtered = await client.send(
      new QueryCommand({
        ...base,
        FilterExpression: 'n > :two',
        ExpressionAttributeValues: { ...base.ExpressionAttributeValues, ':two': { N: '2' } },
      }),
    );
    expect([filtered.Count, filtered.ScannedCount]).toEqual([2, 4]);
  });

  test('a sparse index shows keys only, orders numbers as numbers, and follows every change', async () => {
    const { client, TableName, key, run } = use();
    const shard = { S: `${run}-shard` };
    const due = async (until: number) => {
      const { Items } = await client.send(
        new QueryCommand({
          TableName,
          IndexName: 'due',
          KeyConditionExpression: 'dueShard = :shard AND dueAt <= :until',
          ExpressionAttributeValues: { ':shard': shard, ':until': { N: String(until) } },
        }),
      );
      return Items ?? [];
    };
    // All of these share one index key or differ in digits only: none may hide another.
    const rows = [9, 10, 10, 100, 1_700_000_000_000].map((dueAt, n) => ({
      ...key(`due${n}`),
      dueShard: shard,
      dueAt: { N: String(dueAt) },
      body: { S: 'x' },
    }));
    for (const Item of rows) await client.send(new PutItemCommand({ TableName, Item }));
    await client.send(new PutItemCommand({ TableName, Item: { ...key('not-due'), dueShard: shard } }));
    await eventually(async () =>
      expect((await due(2e12)).map(({ dueAt }) => dueAt?.N)).toEqual(['9', '10', '10', '100', '1700000000000']),
    );
    expect(Object.keys((await due(9))[0] ?? {}).sort()).toEqual(['dueAt', 'dueShard', 'pk', 'sk']);
    await client.send(
      new UpdateItemCommand({
        TableName,
        Key: key('due0'),
        UpdateExpression: 'SET dueAt = :later',
        ExpressionAttributeValues: { ':later': { N: '500' } },
      }),
    );
    await client.send(new UpdateItemCommand({ TableName, Key: key('due1'), UpdateExpression: 'REMOVE dueAt' }));
    await client.send(new DeleteItemCommand({ TableName, Key: key('due2') }));
    await eventually(async () =>
      expect((await due(1000)).map(({ pk }) => pk?.S)).toEqual([`${run}-due3`, `${run}-due0`]),
    );
    await expect(
      client.send(
        new QueryCommand({
          TableName,
          IndexName: 'due',
          ConsistentRead: true,
          KeyConditionExpression: 'dueShard = :shard',
          ExpressionAttributeValues: { ':shard': shard },
        }),
      ),
    ).rejects.toMatchObject({ name: 'ValidationException' });
  });

  test('a batch writes and reads, and answers what it could not do with nothing left over', async () => {
    const { client, TableName, key } = use();
    const put = (n: number) => ({ PutRequest: { Item: { ...key('batch', String(n)), n: { N: String(n) } } } });
    const { UnprocessedItems } = await client.send(
      new BatchWriteItemCommand({ RequestItems: { [TableName]: [put(1), put(2), put(3)] } }),
    );
    expect(UnprocessedItems).toEqual({});
    await client.send(
      new BatchWriteItemCommand({ RequestItems: { [TableName]: [{ DeleteRequest: { Key: key('batch', '2') } }] } }),
    );
    const { Responses } = await client.send(
      new BatchGetItemCommand({
        RequestItems: { [TableName]: { Keys: [1, 2, 3].map((n) => key('batch', String(n))) } },
      }),
    );
    expect(Responses?.[TableName]?.map(({ n }) => n?.N).sort()).toEqual(['1', '3']);
  });

  test('a transaction writes all or nothing and names each reason', async () => {
    const { client, TableName, key } = use();
    await client.send(new PutItemCommand({ TableName, Item: { ...key('tx', 'taken'), n: { N: '1' } } }));
    const error = await client
      .send(
        new TransactWriteItemsCommand({
          TransactItems: [
            { Put: { TableName, Item: key('tx', 'new') } },
            {
              Update: {
                TableName,
                Key: key('tx', 'taken'),
                UpdateExpression: 'SET n = :two',
                ConditionExpression: 'n = :two',
                ExpressionAttributeValues: { ':two': { N: '2' } },
                ReturnValuesOnConditionCheckFailure: 'ALL_OLD',
              },
            },
            {
              ConditionCheck: { TableName, Key: key('tx', 'absent'), ConditionExpression: 'attribute_not_exists(pk)' },
            },
          ],
        }),
      )
      .catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(TransactionCanceledException);
    const { message, CancellationReasons: reasons } = error as TransactionCanceledException;
    expect(reasons?.map(({ Code }) => Code)).toEqual(['None', 'ConditionalCheckFailed', 'None']);
    expect(message).toContain('[None, ConditionalCheckFailed, None]');
    expect(reasons?.[1]?.Item?.n).toEqual({ N: '1' });
    const { Responses } = await client.send(
      new TransactGetItemsCommand({
        TransactItems: [{ Get: { TableName, Key: key('tx', 'new') } }, { Get: { TableName, Key: key('tx', 'taken') } }],
      }),
    );
    expect(Responses?.map(({ Item }) => Item?.n?.N)).toEqual([undefined, '1']);
    expect(Responses?.[0]?.Item).toBeUndefined();
  });

  test('a transaction repeated under its token changes nothing; other parameters are refused', async () => {
    const { client, TableName, key, run } = use();
    const add = (amount: string) =>
      new TransactWriteItemsCommand({
        ClientRequestToken: `${run}-token`.slice(-36),
        TransactItems: [
          {
            Update: {
              TableName,
              Key: key('token'),
              UpdateExpression: 'ADD n :n',
              ExpressionAttributeValues: { ':n': { N: amount } },
            },
          },
        ],
      });
    await client.send(add('1'));
    await client.send(add('1'));
    const { Item } = await client.send(new GetItemCommand({ TableName, Key: key('token'), ConsistentRead: true }));
    expect(Item?.n).toEqual({ N: '1' });
    await expect(client.send(add('2'))).rejects.toMatchObject({ name: 'IdempotentParameterMismatchException' });
  });

  test('two actions of one transaction on one item are refused', async () => {
    const { client, TableName, key } = use();
    const Put = { TableName, Item: key('twice') };
    await expect(
      client.send(new TransactWriteItemsCommand({ TransactItems: [{ Put }, { Put }] })),
    ).rejects.toMatchObject({ name: 'ValidationException' });
  });

  test.each([
    [
      'a reserved word in an expression',
      { UpdateExpression: 'SET state = :s', ExpressionAttributeValues: { ':s': { S: 'x' } } },
    ],
    [
      'a value that is not used',
      { UpdateExpression: 'SET a = :a', ExpressionAttributeValues: { ':a': { S: '' }, ':b': { S: '' } } },
    ],
    ['a change to the key', { UpdateExpression: 'SET sk = :a', ExpressionAttributeValues: { ':a': { S: 'x' } } }],
    [
      'an index key of another type',
      { UpdateExpression: 'SET dueAt = :a', ExpressionAttributeValues: { ':a': { S: 'x' } } },
    ],
  ])('%s is a ValidationException', async (_name, update) => {
    const { client, TableName, key } = use();
    await expect(
      client.send(new UpdateItemCommand({ TableName, Key: key('invalid'), ...update })),
    ).rejects.toMatchObject({
      name: 'ValidationException',
    });
  });

  test('an empty key and an item above 400 KB, counted in UTF-8, are refused', async () => {
    const { client, TableName, key } = use();
    await expect(client.send(new PutItemCommand({ TableName, Item: key('x', '') }))).rejects.toMatchObject({
      name: 'ValidationException',
    });
    const put = (text: string) =>
      client.send(new PutItemCommand({ TableName, Item: { ...key('big'), text: { S: text } } }));
    await put('x'.repeat(400 * 1024 - 100));
    await expect(put('x'.repeat(400 * 1024))).rejects.toMatchObject({ name: 'ValidationException' });
    await expect(put('ü'.repeat(200 * 1024))).rejects.toMatchObject({ name: 'ValidationException' });
  });

  test('a table that is not there is ResourceNotFoundException', async () => {
    const { client, key } = use();
    await expect(client.send(new GetItemCommand({ TableName: 'no-such-table', Key: key('x') }))).rejects.toMatchObject({
      name: 'ResourceNotFoundException',
    });
  });

  test('a scan sees what was written, and a table describes itself', async () => {
    const { client, TableName, key, run } = use();
    await client.send(new PutItemCommand({ TableName, Item: key('scan') }));
    const { Items } = await client.send(
      new ScanCommand({
        TableName,
        FilterExpression: 'pk = :pk',
        ExpressionAttributeValues: { ':pk': { S: `${run}-scan` } },
      }),
    );
    expect(Items).toEqual([key('scan')]);
    const { Table } = await client.send(new DescribeTableCommand({ TableName }));
    expect(Table?.TableStatus).toBe('ACTIVE');
    expect(Table?.GlobalSecondaryIndexes?.[0]?.IndexStatus).toBe('ACTIVE');
    const { TimeToLiveDescription } = await client.send(new DescribeTimeToLiveCommand({ TableName }));
    expect(TimeToLiveDescription).toEqual({ TimeToLiveStatus: 'ENABLED', AttributeName: 'expiresAt' });
  });
}

/** Global indexes follow their table within moments, not at once. */
async function eventually(check: () => Promise<void>): Promise<void> {
  for (let attempt = 0; attempt < 20; attempt += 1) {
    try {
      return await check();
    } catch {
      await new Promise((resume) => setTimeout(resume, 100));
    }
  }
  await check();
}
