// DynamoDB over HTTP: JSON 1.0, one operation a request, with the permissions that AWS demands for it. Opened by
// aws.ts. Validation and expressions are dynalite's (dynalite.ts). An operation that is not emulated is answered with
// NotImplemented and its name.

import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { readBody } from '../http/request-body.ts';
import { type Access, AwsError, type ConditionContext, type HttpCall, type HttpService, type World } from '../world.ts';
import { read, tableName, write } from './actions.ts';
import type { ActionName, Request, Table } from './dynalite.ts';
import { openStore, type StoreOptions } from './item-store.ts';
import { deleteTable, restoreTable } from './recovery.ts';
import { type Context, description, keyText, openTables, type Tables } from './tables.ts';
import { transactGet, transactions, transactionTargets } from './transactions.ts';

const BODY_BYTES_MAX = 16 * 1024 * 1024; // DynamoDB: 16 MB a BatchWriteItem request
const TYPE = 'application/x-amz-json-1.0';
const SERVICE_ERROR = 'com.amazonaws.dynamodb.v20120810#';

export type DynamoDb = { readonly service: HttpService; readonly tables: Tables; close(): Promise<void> };

type Operation = {
  readonly access: (request: Request, context: Context) => readonly Access[];
  /** A fault's `match` is searched in this. */
  readonly target: (request: Request, context: Context) => string;
  readonly run: (request: Request, context: Context) => Promise<unknown>;
};

/** Opens the tables under `world.dataFolder`/dynamodb. */
export async function createDynamoDb(world: World, options: StoreOptions = {}): Promise<DynamoDb> {
  const store = await openStore(join(world.dataFolder, 'dynamodb'), options);
  const tables = openTables(world, store);
  const context: Context = { world, store, tables };
  const operations = operationTable(transactions(context));
  return {
    service: { name: 'dynamodb', serve: (call) => serve(call, operations, context), fail },
    tables,
    close: async () => {
      tables.stop();
      await store.close();
    },
  };
}

async function serve(call: HttpCall, operations: ReadonlyMap<string, Operation>, context: Context): Promise<void> {
  const name = String(call.request.headers['x-amz-target'] ?? '').replace(/^DynamoDB_20120810\./, '');
  const body = await readBody(call.request, BODY_BYTES_MAX);
  const operation = operations.get(name);
  if (!operation)
    throw new AwsError('NotImplemented', 501, `DynamoDB ${name || 'without x-amz-target'} is not emulated`);
  const request = parse(body);
  const answer = await context.world.gate.pass(
    {
      service: 'dynamodb',
      operation: name,
      target: operation.target(request, context),
      principal: call.principal,
      access: operation.access(request, context),
      ...(call.kill ? { kill: call.kill } : {}),
    },
    () => operation.run(request, context),
  );
  send(call, 200, JSON.stringify(answer));
}

function parse(body: Buffer): Request {
  try {
    const request: unknown = JSON.parse(body.toString());
    if (typeof request === 'object' && request !== null) return request as Request;
  } catch {
    // falls through: not JSON
  }
  throw new AwsError('SerializationException', 400, 'The request body is not a JSON object');
}

function fail(call: HttpCall, error: AwsError): void {
  send(
    call,
    error.statusCode,
    JSON.stringify({ __type: SERVICE_ERROR + error.code, message: error.message, ...error.extra }),
  );
}

function send({ response, requestId }: HttpCall, status: number, text: string): void {
  response.writeHead(status, {
    'content-type': TYPE,
    'content-length': Buffer.byteLength(text),
    'x-amzn-requestid': requestId,
    'x-amz-crc32': crc32(text),
  });
  response.end(text); // as text: header and body leave in one write
}

/** Condition key dynamodb:LeadingKeys: the partition keys of the table's items that the request names. */
function leadingKeys(items: readonly unknown[], table: Table | undefined): ConditionContext {
  const name = table?.KeySchema.find(({ KeyType }) => KeyType === 'HASH')?.AttributeName ?? '';
  const values = items.flatMap((item) => {
    const value = (item as Record<string, Readonly<Record<string, unknown>>> | null | undefined)?.[name];
    return value === undefined ? [] : Object.values(value).filter((each) => typeof each === 'string');
  });
  return values.length === 0 ? {} : { 'dynamodb:leadingkeys': values };
}

/** What a Query of the table asks to be equal, as an item would have it. An index has partition keys of its own. */
function queriedKey(request: Request): Readonly<Record<string, unknown>> {
  if (request.IndexName !== undefined) return {};
  const names = (request.ExpressionAttributeNames ?? {}) as Readonly<Record<string, string>>;
  const values = (request.ExpressionAttributeValues ?? {}) as Readonly<Record<string, unknown>>;
  const equal = String(request.KeyConditionExpression ?? '').matchAll(/([#\w]{1,255})\s{0,9}=\s{0,9}(:\w{1,255})/g);
  return Object.fromEntries([...equal].map(([, name = '', value = '']) => [names[name] ?? name, values[value]]));
}

function operationTable(transactWrite: (request: Request) => Promise<unknown>): ReadonlyMap<string, Operation> {
  const onTable = (action: string): Pick<Operation, 'access' | 'target'> => ({
    access: (request, { world, store }) => [
      {
        action: `dynamodb:${action}`,
        resource: tableArn(world, request.TableName),
        context: leadingKeys([request.Key ?? request.Item], store.tables.get(tableName(request.TableName))?.table),
      },
    ],
    target: (request, { store }) => {
      const name = tableName(request.TableName);
      const key = keyText(request.Key ?? request.Item, store.tables.get(name)?.table);
      return key === '' ? name : `${name}/${key}`;
    },
  });
  const onIndex = (action: string): Pick<Operation, 'access' | 'target'> => {
    const suffix = (request: Request) => (request.IndexName === undefined ? '' : `/index/${String(request.IndexName)}`);
    return {
      access: (request, { world, store }) => [
        {
          action: `dynamodb:${action}`,
          resource: tableArn(world, request.TableName) + suffix(request),
          context: leadingKeys([queriedKey(request)], store.tables.get(tableName(request.TableName))?.table),
        },
      ],
      target: (request) => tableName(request.TableName) + suffix(request),
    };
  };
  const onItems = (action: string): Pick<Operation, 'access' | 'target'> => ({
    access: (request, { world }) =>
      Object.keys(request.RequestItems ?? {}).map((name) => ({
        action: `dynamodb:${action}`,
        resource: tableArn(world, name),
      })),
    target: (request) =>
      Object.keys(request.RequestItems ?? {})
        .map(tableName)
        .join(' '),
  });
  const onTransaction: Pick<Operation, 'access' | 'target'> = {
    access: (request, { world }) =>
      transactionTargets(request).map(({ action, table }) => ({
        action: `dynamodb:${action}`,
        resource: tableArn(world, table),
      })),
    target: (request, { store }) =>
      transactionTargets(request)
        .map(({ table, item }) => `${tableName(table)}/${keyText(item, store.tables.get(tableName(table))?.table)}`)
        .join(' '),
  };
  const writes =
    (action: ActionName) =>
    (request: Request, { store }: Context) =>
      write(action, request, store);
  const reads =
    (action: ActionName) =>
    (request: Request, { store }: Context) =>
      read(action, request, store);

  return new Map<string, Operation>([
    ['PutItem', { ...onTable('PutItem'), run: writes('putItem') }],
    ['UpdateItem', { ...onTable('UpdateItem'), run: writes('updateItem') }],
    ['DeleteItem', { ...onTable('DeleteItem'), run: writes('deleteItem') }],
    ['BatchWriteItem', { ...onItems('BatchWriteItem'), run: writes('batchWriteItem') }],
    ['GetItem', { ...onTable('GetItem'), run: reads('getItem') }],
    ['BatchGetItem', { ...onItems('BatchGetItem'), run: reads('batchGetItem') }],
    ['Query', { ...onIndex('Query'), run: reads('query') }],
    ['Scan', { ...onIndex('Scan'), run: reads('scan') }],
    ['TransactWriteItems', { ...onTransaction, run: transactWrite }],
    ['TransactGetItems', { ...onTransaction, run: transactGet }],
    [
      'DescribeTable',
      {
        ...onTable('DescribeTable'),
        run: async (request, { tables }) => ({
          Table: description(tables.record(tableName(request.TableName)).table),
        }),
      },
    ],
    [
      'ListTables',
      {
        access: () => [{ action: 'dynamodb:ListTables', resource: '*' }],
        target: () => '',
        run: async (_request, { tables }) => ({ TableNames: tables.names() }),
      },
    ],
    ['DeleteTable', { ...onTable('DeleteTable'), run: deleteTable }],
    [
      'RestoreTableToPointInTime',
      {
        access: (request, { world }) =>
          [request.SourceTableName, request.TargetTableName].map((name) => ({
            action: 'dynamodb:RestoreTableToPointInTime',
            resource: tableArn(world, name),
          })),
        target: (request) => tableName(request.TargetTableName),
        run: restoreTable,
      },
    ],
    ['DescribeTimeToLive', { ...onTable('DescribeTimeToLive'), run: describeTimeToLive }],
    ['UpdateTimeToLive', { ...onTable('UpdateTimeToLive'), run: updateTimeToLive }],
  ]);
}

async function describeTimeToLive(request: Request, { tables }: Context): Promise<unknown> {
  const { expiresBy } = tables.record(tableName(request.TableName));
  return {
    TimeToLiveDescription:
      expiresBy === null ? { TimeToLiveStatus: 'DISABLED' } : { TimeToLiveStatus: 'ENABLED', AttributeName: expiresBy },
  };
}

async function updateTimeToLive(request: Request, { tables }: Context): Promise<unknown> {
  const name = tableName(request.TableName);
  const wanted = request.TimeToLiveSpecification as { AttributeName?: unknown; Enabled?: unknown } | undefined;
  if (typeof wanted?.AttributeName !== 'string' || typeof wanted.Enabled !== 'boolean') {
    throw new AwsError('ValidationException', 400, 'TimeToLiveSpecification needs AttributeName and Enabled');
  }
  const { expiresBy } = tables.record(name);
  if (wanted.Enabled === (expiresBy !== null)) {
    throw new AwsError('ValidationException', 400, `TimeToLive is already ${wanted.Enabled ? 'enabled' : 'disabled'}`);
  }
  await tables.setExpiry(name, wanted.Enabled ? wanted.AttributeName : null);
  return { TimeToLiveSpecification: { AttributeName: wanted.AttributeName, Enabled: wanted.Enabled } };
}

function tableArn(world: World, table: unknown): string {
  return `arn:${world.partition}:dynamodb:${world.region}:${world.account}:table/${tableName(table)}`;
}
