// DynamoDB's recovery of a table: RestoreTableToPointInTime and DeleteTable. Called by dynamodb.ts. No earlier state is
// kept here, so that a table is restored to the latest instant alone; any other is refused by name. As on AWS the new
// table has the items and the indexes of its source, and neither expiry nor other settings.

import { AwsError } from '../world.ts';
import { tableName, write } from './actions.ts';
import type { Request } from './dynalite.ts';
import { type Context, description, type TableProperties } from './tables.ts';

export async function restoreTable(request: Request, { store, tables }: Context): Promise<unknown> {
  const { table } = tables.record(tableName(request.SourceTableName));
  const target = tableName(request.TargetTableName);
  if (request.UseLatestRestorableTime !== true)
    throw new AwsError('NotImplemented', 501, 'DynamoDB RestoreTableToPointInTime to RestoreDateTime is not emulated');
  if (tables.names().includes(target))
    throw new AwsError('TableAlreadyExistsException', 400, `Table already exists: ${target}`);
  const properties = { ...table, TableName: target } as unknown as Record<string, unknown>;
  const taken = 'TableName KeySchema AttributeDefinitions GlobalSecondaryIndexes LocalSecondaryIndexes'.split(' ');
  const given = Object.fromEntries(taken.flatMap((name) => (name in properties ? [[name, properties[name]]] : [])));
  await tables.create(given as TableProperties);
  await store.settled();
  for await (const { item } of store.scan(table.TableName))
    await write('putItem', { TableName: target, Item: item }, store);
  return { TableDescription: description(tables.record(target).table) };
}

export async function deleteTable(request: Request, { tables }: Context): Promise<unknown> {
  const name = tableName(request.TableName);
  const { table } = tables.record(name);
  await tables.drop(name);
  return { TableDescription: { ...description(table), TableStatus: 'DELETING' } };
}
