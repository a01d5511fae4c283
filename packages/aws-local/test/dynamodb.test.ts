// The emulated DynamoDB: the conformance suite, and what is ours alone (permissions, faults, expiry, survival of a
// crash).

import { spawn } from 'node:child_process';
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  CreateTableCommand,
  DeleteTableCommand,
  DynamoDBClient,
  GetItemCommand,
  PutItemCommand,
  QueryCommand,
  RestoreTableToPointInTimeCommand,
  TransactWriteItemsCommand,
} from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createDynamoDb, type DynamoDb } from '../src/dynamodb/dynamodb.ts';
import { itemBytes, openStore } from '../src/dynamodb/item-store.ts';
import { type StartedEmulators, startEmulators } from '../src/start-emulators.ts';
import { DamagedStore } from '../src/tally.ts';
import { conformanceTable, dynamodbConformance } from './conformance/dynamodb.ts';

let aws: StartedEmulators;
let dynamodb: DynamoDb;
const clients: DynamoDBClient[] = [];
beforeAll(async () => {
  aws = await startEmulators();
  dynamodb = await createDynamoDb(aws.world);
  aws.front.add(dynamodb.service);
  for (const TableName of ['conformance', 'own']) await dynamodb.tables.create({ TableName, ...conformanceTable });
});
afterAll(async () => {
  for (const client of clients) client.destroy();
  await dynamodb.close();
  await aws.close();
});
function client(credentials = aws.credentials, maxAttempts = 1): DynamoDBClient {
  const made = new DynamoDBClient({ endpoint: aws.endpoint, region: 'eu-west-1', credentials, maxAttempts });
  clients.push(made);
  return made;
}
const key = (pk: string) => ({ pk: { S: pk }, sk: { S: 'm' } });

describe('conformance', () => {
  dynamodbConformance(() => ({
    config: { endpoint: aws.endpoint, region: 'eu-west-1', credentials: aws.credentials },
    table: 'conformance',
    run: 'run',
  }));
});

describe('permissions', () => {
  const table = 'arn:aws:dynamodb:eu-west-1:000000000000:table/own';
  test('a role may do what its policy names, on the table that it names', async () => {
    const writer = client(aws.role('writer', [{ Effect: 'Allow', Action: 'dynamodb:PutItem', Resource: table }]));
    await writer.send(new PutItemCommand({ TableName: 'own', Item: key('a') }));
    await writer.send(new PutItemCommand({ TableName: table, Item: key('by-arn') }));
    await expect(writer.send(new GetItemCommand({ TableName: 'own', Key: key('a') }))).rejects.toMatchObject({
      name: 'AccessDeniedException',
      message: expect.stringContaining('dynamodb:GetItem'),
    });
    await expect(writer.send(new PutItemCommand({ TableName: 'conformance', Item: key('a') }))).rejects.toMatchObject({
      name: 'AccessDeniedException',
    });
  });
  test('a query of an index needs the permission on the index', async () => {
    const query = new QueryCommand({
      TableName: 'own',
      IndexName: 'due',
      KeyConditionExpression: 'dueShard = :s',
      ExpressionAttributeValues: { ':s': { S: 's' } },
    });
    const onTable = client(aws.role('on-table', [{ Effect: 'Allow', Action: 'dynamodb:Query', Resource: table }]));
    await expect(onTable.send(query)).rejects.toMatchObject({ name: 'AccessDeniedException' });
    const onIndex = client(
      aws.role('on-index', [{ Effect: 'Allow', Action: 'dynamodb:Query', Resource: `${table}/index/due` }]),
    );
    expect((await onIndex.send(query)).Items).toEqual([]);
  });
  test('dynamodb:LeadingKeys allows the partitions that it names, and no others', async () => {
    const Condition = { 'ForAllValues:StringEquals': { 'dynamodb:LeadingKeys': ['mine'] } };
    const Action = ['dynamodb:Query', 'dynamodb:GetItem'];
    const reader = client(aws.role('one-partition', [{ Effect: 'Allow', Action, Resource: table, Condition }]));
    const query = (pk: string, name = '#p') =>
      new QueryCommand({
        TableName: 'own',
        KeyConditionExpression: `${name} = :p`,
        ExpressionAttributeNames: name === '#p' ? { '#p': 'pk' } : undefined,
        ExpressionAttributeValues: { ':p': { S: pk } },
      });
    for (const name of ['#p', 'pk']) {
      expect((await reader.send(query('mine', name))).Items).toEqual([]);
      await expect(reader.send(query('theirs', name))).rejects.toMatchObject({ name: 'AccessDeniedException' });
    }
    expect((await reader.send(new GetItemCommand({ TableName: 'own', Key: key('mine') }))).Item).toBeUndefined();
    await expect(reader.send(new GetItemCommand({ TableName: 'own', Key: key('theirs') }))).rejects.toMatchObject({
      name: 'AccessDeniedException',
    });
  });
  test('a transaction needs the permission of each of its actions', async () => {
    const putter = client(aws.role('putter', [{ Effect: 'Allow', Action: 'dynamodb:PutItem', Resource: table }]));
    const Put = { TableName: 'own', Item: key('tx-put') };
    const ConditionCheck = { TableName: 'own', Key: key('other'), ConditionExpression: 'attribute_not_exists(pk)' };
    await putter.send(new TransactWriteItemsCommand({ TransactItems: [{ Put }] }));
    await expect(
      putter.send(new TransactWriteItemsCommand({ TransactItems: [{ Put }, { ConditionCheck }] })),
    ).rejects.toMatchObject({
      name: 'AccessDeniedException',
      message: expect.stringContaining('dynamodb:ConditionCheckItem'),
    });
  });
});

describe('faults', () => {
  test.each([
    ['deny', 'AccessDeniedException'],
    ['throttle', 'ProvisionedThroughputExceededException'],
  ])('%s is %s', async (effect, name) => {
    aws.faults.add({ service: 'dynamodb', operation: 'PutItem', match: 'own/struck', effect, times: 1 });
    await client().send(new PutItemCommand({ TableName: 'own', Item: key('spared') }));
    const struck = new PutItemCommand({ TableName: 'own', Item: key('struck') });
    await expect(client().send(struck)).rejects.toMatchObject({ name });
    await client().send(struck);
  });
  test('a lost response leaves the write done', async () => {
    aws.faults.add({ service: 'dynamodb', operation: 'PutItem', effect: 'lose-response', times: 1 });
    await expect(client().send(new PutItemCommand({ TableName: 'own', Item: key('unheard') }))).rejects.toThrow();
    const { Item } = await client().send(new GetItemCommand({ TableName: 'own', Key: key('unheard') }));
    expect(Item).toEqual(key('unheard'));
  });
});

test('what is not emulated is refused by name', async () => {
  const create = new CreateTableCommand({
    TableName: 'new',
    ...structuredClone(conformanceTable),
    BillingMode: 'PAY_PER_REQUEST',
  } as never);
  await expect(client().send(create)).rejects.toMatchObject({
    name: 'NotImplemented',
    message: expect.stringContaining('CreateTable'),
  });
  await expect(
    dynamodb.tables.create({ TableName: 'streamed', ...conformanceTable, StreamSpecification: {} } as never),
  ).rejects.toThrow('StreamSpecification');
});

test('a table is restored to the latest instant, into a new one that goes its own way, and deleted', async () => {
  const here = client();
  const item = { ...key('restored'), n: { N: '1' } };
  await here.send(new PutItemCommand({ TableName: 'own', Item: item }));
  const names = { SourceTableName: 'own', TargetTableName: 'own-restored' };
  const latest = { ...names, UseLatestRestorableTime: true };
  await here.send(new RestoreTableToPointInTimeCommand(latest));
  await here.send(new PutItemCommand({ TableName: 'own', Item: { ...item, n: { N: '2' } } }));
  const read = { TableName: 'own-restored', Key: key('restored') };
  expect((await here.send(new GetItemCommand(read))).Item).toEqual(item);
  await expect(here.send(new RestoreTableToPointInTimeCommand(latest))).rejects.toThrow(/already exists/);
  const earlier = { ...names, TargetTableName: 'other', RestoreDateTime: new Date(0) };
  await expect(here.send(new RestoreTableToPointInTimeCommand(earlier))).rejects.toThrow(/not emulated/);
  await here.send(new DeleteTableCommand({ TableName: 'own-restored' }));
  await expect(here.send(new GetItemCommand(read))).rejects.toThrow(/not found/);
});

test('items expire by the virtual clock, unless their expiry has moved on', async () => {
  const second = Math.floor(aws.clock.now() / 1000);
  const put = (pk: string, expiresAt: number) =>
    client().send(
      new PutItemCommand({
        TableName: 'own',
        Item: { ...key(pk), expiresAt: { N: String(expiresAt) }, dueShard: { S: 'ttl' }, dueAt: { N: '1' } },
      }),
    );
  await put('expires', second + 60);
  await put('moved', second + 60);
  await put('moved', second + 90_000);
  const present = async () => {
    const { Items } = await client().send(
      new QueryCommand({
        TableName: 'own',
        IndexName: 'due',
        KeyConditionExpression: 'dueShard = :s',
        ExpressionAttributeValues: { ':s': { S: 'ttl' } },
      }),
    );
    return Items?.map(({ pk }) => pk?.S).sort();
  };
  await dynamodb.tables.expire();
  expect(await present()).toEqual(['expires', 'moved']);
  await aws.clock.advance(2 * 3_600_000);
  expect(await present()).toEqual(['moved']);
  await aws.clock.advance(48 * 3_600_000);
  expect(await present()).toEqual([]);
});

test('a reopened folder has its tables and items; a new index is filled, a dropped one empty', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'everpost-dynamodb-'));
  const { GlobalSecondaryIndexes, ...plain } = conformanceTable;
  const opened = await startEmulators({ dataFolder: folder });
  let tables = await createDynamoDb(opened.world);
  opened.front.add(tables.service);
  await tables.tables.create({ TableName: 'kept', ...plain });
  const sdk = new DynamoDBClient({ endpoint: opened.endpoint, region: 'eu-west-1', credentials: opened.credentials });
  const Item = { ...key('a'), dueShard: { S: 's' }, dueAt: { N: '5' } };
  await sdk.send(new PutItemCommand({ TableName: 'kept', Item }));
  await tables.close();

  tables = await createDynamoDb(opened.world);
  opened.front.add(tables.service);
  expect(tables.tables.names()).toEqual(['kept']);
  await tables.tables.create({ TableName: 'kept', ...plain, GlobalSecondaryIndexes });
  const due = new QueryCommand({
    TableName: 'kept',
    IndexName: 'due',
    KeyConditionExpression: 'dueShard = :s',
    ExpressionAttributeValues: { ':s': { S: 's' } },
  });
  expect((await sdk.send(due)).Items).toHaveLength(1);
  await tables.tables.create({ TableName: 'kept', ...plain });
  await expect(sdk.send(due)).rejects.toMatchObject({ name: 'ValidationException' });
  await expect(
    tables.tables.create({ TableName: 'kept', ...plain, KeySchema: [{ AttributeName: 'pk', KeyType: 'HASH' }] }),
  ).rejects.toThrow('other keys');
  sdk.destroy();
  await tables.close();
  await opened.close();
  rmSync(folder, { recursive: true, force: true });
});

test('after kill -9 every answered write is there, and the index agrees with the table', async () => {
  const root = mkdtempSync(join(tmpdir(), 'everpost-dynamodb-kill-'));
  const folder = join(root, 'dynamodb');
  const store = new URL('../src/dynamodb/item-store.ts', import.meta.url).href;
  // Each row is one item and one index entry, written as one change; its number is printed once it is answered.
  const writer = `
    const { openStore } = await import(${JSON.stringify(store)});
    const store = await openStore(${JSON.stringify(folder)});
    for (let n = 0; ; n += 1) {
      await store.change(() => {
        store.engine.getItemDb('kept').put('k' + n, { n: { N: String(n) } }, () => {});
        store.engine.getIndexDb('global', 'kept', 'due').put('k' + n, { n: { N: String(n) } }, () => {});
      });
      process.stdout.write(n + '\\n');
    }`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', writer], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let printed = '';
  await new Promise<void>((resolve) => {
    child.stdout.on('data', (chunk: Buffer) => {
      printed += chunk.toString();
      if (printed.length > 4_000) child.kill('SIGKILL');
    });
    child.once('close', () => resolve());
  });
  const answered = printed.slice(0, printed.lastIndexOf('\n')).split('\n').length;
  expect(answered).toBeGreaterThan(100);
  const reopened = await openStore(folder);
  const rows = [];
  for await (const { item } of reopened.scan('kept')) rows.push(item);
  const entries = [];
  for await (const entry of reopened.engine.getIndexDb('global', 'kept', 'due').createValueStream({}))
    entries.push(entry);
  expect(rows.length).toBeGreaterThanOrEqual(answered);
  expect(entries.length).toBe(rows.length);
  await reopened.close();
  rmSync(root, { recursive: true, force: true });
});

test('an item is measured as DynamoDB measures it', () => {
  expect(itemBytes({ é: { S: 'ü' } })).toBe(4);
  expect(itemBytes({ a: { N: '-12.50' } })).toBeGreaterThanOrEqual(3);
  expect(itemBytes({ a: { M: { b: { BOOL: true } } } })).toBe(1 + 3 + 1 + 1 + 1);
  expect(itemBytes({ a: { B: 'AAAA' } })).toBe(4);
});

describe('a disk that is full', () => {
  test('undoes what was refused and what was decided upon it, and leaves what was acknowledged', async () => {
    const root = mkdtempSync(join(tmpdir(), 'everpost-dynamodb-full-'));
    let full = false;
    const heard: string[] = [];
    const store = await openStore(join(root, 'dynamodb'), {
      beforeWrite: () => {
        if (full) throw new Error('ENOSPC: no space left on device');
      },
      failed: (error) => heard.push(error.message),
    });
    const put = (to: typeof store, key: string, n: number): Promise<void> =>
      to.change(() => to.engine.getItemDb('kept').put(key, { n: { N: String(n) } }, () => {}));
    await put(store, 'acknowledged', 1);
    full = true;
    const told = (writing: Promise<void>): Promise<string> => writing.then(() => 'done', String);
    const refused = [told(put(store, 'acknowledged', 2)), told(put(store, 'refused', 2))];
    refused.push(new Promise((resolve) => queueMicrotask(() => resolve(told(put(store, 'waits behind', 2))))));
    for (const one of await Promise.all(refused)) expect(one).toContain('the disk refused a write');
    expect(store.item('kept', 'acknowledged')).toEqual({ n: { N: '1' } });
    expect(store.item('kept', 'refused')).toBeUndefined();
    full = false;
    await expect(put(store, 'after', 3)).rejects.toThrow('the disk refused a write');
    expect(heard).toEqual(['ENOSPC: no space left on device']);
    await store.close();
    const again = await openStore(join(root, 'dynamodb'));
    const rows = [];
    for await (const row of again.scan('kept')) rows.push(row);
    expect(rows).toEqual([{ key: 'acknowledged', item: { n: { N: '1' } } }]);
    await put(again, 'new', 4);
    await again.close();
    rmSync(root, { recursive: true, force: true });
  });
});

describe('tables that have lost writes are refused with their folder and the remedy', () => {
  /** As kill -9 leaves them, after 60 writes of 3 KB. */
  async function killed(root: string): Promise<string> {
    const live = join(root, 'live');
    const store = await openStore(live);
    for (let n = 0; n < 60; n += 1)
      await store.change(() => store.engine.getItemDb('kept').put(`k${n}`, { n: { S: 'x'.repeat(3_000) } }, () => {}));
    cpSync(live, join(root, 'dynamodb'), { recursive: true });
    cpSync(`${live}.tally`, join(root, 'dynamodb.tally'));
    await store.close();
    return join(root, 'dynamodb');
  }
  const logOf = (place: string): string =>
    join(place, readdirSync(place).find((name) => /^\d+\.log$/.test(name)) ?? 'no log');
  test.for<[string, (place: string) => void]>([
    ['the folder', (place) => rmSync(place, { recursive: true })],
    ['its log', (place) => rmSync(logOf(place))],
    ['the end of its log', (place) => truncateSync(logOf(place), 100_000)],
    [
      'a write in the middle',
      (place) => {
        const bytes = readFileSync(logOf(place));
        bytes[70_000] = (bytes[70_000] ?? 0) ^ 1;
        writeFileSync(logOf(place), bytes);
      },
    ],
    ['its CURRENT', (place) => rmSync(join(place, 'CURRENT'))],
    [
      'its MANIFEST',
      (place) => writeFileSync(join(place, readdirSync(place).find((it) => /^MANIFEST/.test(it)) ?? ''), 'x'),
    ],
  ])('%s is lost', async ([, damage]) => {
    const root = mkdtempSync(join(tmpdir(), 'everpost-dynamodb-lost-'));
    const place = await killed(root);
    damage(place);
    const opening = openStore(place);
    await expect(opening).rejects.toThrow(DamagedStore);
    await expect(opening).rejects.toThrow(`${place} `);
    await expect(opening).rejects.toThrow('or remove the data folder to begin anew');
    rmSync(root, { recursive: true, force: true });
  });
});
