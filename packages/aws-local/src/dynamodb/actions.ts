// Runs dynalite's actions on the store. Called by dynamodb.ts and transactions.ts. A change is one synchronous turn and
// one atomic write; a read sees every write that was answered before it. Errors of the engine become AWS's errors.

import { AwsError } from '../world.ts';
import { type ActionName, act, createKey, type EngineError, type Item, type Request, validated } from './dynalite.ts';
import type { DynamoDbStore } from './item-store.ts';

/** The name in a TableName parameter, which may also be the table's ARN. */
export const tableName = (value: unknown): string =>
  typeof value === 'string' ? value.replace(/^arn:[^/]*:table\//, '') : '';

/** A change by one of the engine's own actions. */
export async function write(action: ActionName, request: Request, store: DynamoDbStore): Promise<unknown> {
  const returnsItem = request.ReturnValuesOnConditionCheckFailure === 'ALL_OLD';
  const data = checked(action, request, store);
  return store.change(() => {
    try {
      return finished(action, store, data);
    } catch (error) {
      throw asAwsError(error, returnsItem ? presentItem(data, store) : undefined);
    }
  });
}

/** A read: it sees every write answered before it, and none that a crash could still take back. */
export async function read(action: ActionName, request: Request, store: DynamoDbStore): Promise<unknown> {
  const data = checked(action, request, store);
  await store.settled();
  return new Promise((resolve, reject) => {
    act(action, store.engine, data, (error, result) => (error ? reject(asAwsError(error)) : resolve(result)));
  });
}

export function checked(action: ActionName, request: Request, store: DynamoDbStore): Request {
  if (request.TableName !== undefined) request.TableName = tableName(request.TableName);
  try {
    return validated(action, request, store.engine);
  } catch (error) {
    throw asAwsError(error);
  }
}

/** Runs an action that must end before it returns: only so cannothing come between. */
export function finished(action: ActionName, store: DynamoDbStore, data: Request): unknown {
  let outcome: { error: EngineError | null; result?: unknown } | undefined;
  act(action, store.engine, data, (error, result) => {
    outcome = { error, result };
  });
  if (outcome === undefined) throw new Error(`${action} did not end at once`);
  if (outcome.error) throw outcome.error;
  return outcome.result;
}

/** The item that a write speaks of, as it stands. */
export function presentItem(data: Request, store: DynamoDbStore): Item | undefined {
  const name = String(data.TableName);
  const record = store.tables.get(name);
  const item = (data.Key ?? data.Item) as Item;
  return record ? store.item(name, createKey(item, record.table)) : undefined;
}

export function asAwsError(error: unknown, item?: Item): unknown {
  const { statusCode, body } = error as EngineError;
  if (statusCode === undefined || body === undefined) return error;
  const code = body.__type.replace(/^.*#/, '');
  const extra = item && code === 'ConditionalCheckFailedException' ? { Item: item } : {};
  return new AwsError(code, statusCode, body.message ?? body.Message ?? '', extra);
}
