// TransactWriteItems and TransactGetItems, which dynalite lacks. Called by dynamodb.ts. All actions run on the store
// inside one change: every write is committed, or none. It never waits between actions, so that no other operation
// comes between.

import { createHash } from 'node:crypto';
import { AwsError } from '../world.ts';
import { asAwsError, checked, finished, presentItem, tableName } from './actions.ts';
import {
  type ActionName,
  conditionFailure,
  createKey,
  type EngineError,
  type Item,
  type Request,
  validateKey,
} from './dynalite.ts';
import type { Context } from './tables.ts';

const ACTIONS_MAX = 100; // DynamoDB: actions in one transaction
const BYTES_MAX = 4 * 1024 * 1024; // DynamoDB: aggregate size of a transaction
const TOKEN_MS = 600_000; // DynamoDB: a ClientRequestToken is remembered for ten minutes

type Kind = 'Put' | 'Update' | 'Delete' | 'ConditionCheck' | 'Get';
const KINDS: Readonly<Record<Kind, { action: ActionName; permission: string }>> = {
  Put: { action: 'putItem', permission: 'PutItem' },
  Update: { action: 'updateItem', permission: 'UpdateItem' },
  Delete: { action: 'deleteItem', permission: 'DeleteItem' },
  ConditionCheck: { action: 'deleteItem', permission: 'ConditionCheckItem' }, // same members as a delete; only judged
  Get: { action: 'getItem', permission: 'GetItem' },
};
type Step = { readonly kind: Kind; readonly data: Request; readonly returnsItem: boolean };
type Reason = { readonly Code: string; readonly Message?: string; readonly Item?: Item };

/** The items of a transaction, read from the request before it is validated: for permissions and faults. */
export function transactionTargets(request: Request): readonly { action: string; table: string; item: unknown }[] {
  return members(request).flatMap(({ kind, body }) => [
    { action: KINDS[kind].permission, table: String(body.TableName ?? ''), item: body.Key ?? body.Item },
  ]);
}

/** TransactWriteItems, with the memory of request tokens that makes a repeated one harmless. */
export function transactions(context: Context): (request: Request) => Promise<unknown> {
  const seen = new Map<string, { readonly digest: string; readonly at: number }>();
  return async (request) => {
    const token = request.ClientRequestToken;
    const digest = createHash('sha256').update(JSON.stringify(request.TransactItems)).digest('hex');
    const now = context.world.clock.now();
    for (const [old, { at }] of seen) if (now - at >= TOKEN_MS) seen.delete(old);
    if (typeof token === 'string') {
      const earlier = seen.get(token);
      if (earlier?.digest === digest) return {};
      if (earlier) {
        throw new AwsError(
          'IdempotentParameterMismatchException',
          400,
          'The token was used with other parameters within ten minutes',
        );
      }
    }
    if (JSON.stringify(request).length > BYTES_MAX) {
      throw new AwsError('ValidationException', 400, 'Member must have transaction size less than or equal to 4 MB');
    }
    await transactWrite(steps(request, context), context);
    if (typeof token === 'string') seen.set(token, { digest, at: now });
    return {};
  };
}

export async function transactGet(request: Request, context: Context): Promise<unknown> {
  const gets = steps(request, context);
  await context.store.settled();
  const responses = gets.map(({ data }) => {
    try {
      const { Item } = finished('getItem', context.store, data) as { Item?: Item };
      return Item ? { Item } : {};
    } catch (error) {
      throw asAwsError(error);
    }
  });
  return { Responses: responses };
}

function transactWrite(actions: readonly Step[], { store }: Context): Promise<void> {
  return store.change(() => {
    const reasons: Reason[] = actions.map((step) => {
      try {
        if (step.kind === 'ConditionCheck') judge(step, store);
        else finished(KINDS[step.kind].action, store, step.data);
        return { Code: 'None' };
      } catch (error) {
        return reasonOf(error, step.returnsItem ? presentItem(step.data, store) : undefined);
      }
    });
    if (reasons.every(({ Code }) => Code === 'None')) return;
    throw new AwsError(
      'TransactionCanceledException',
      400,
      `Transaction cancelled, please refer cancellation reasons for specific reasons [${reasons.map(({ Code }) => Code).join(', ')}]`,
      { CancellationReasons: reasons },
    );
  });
}

function judge(step: Step, store: Context['store']): void {
  const failure = conditionFailure(step.data, presentItem(step.data, store));
  if (failure) throw failure;
}

function reasonOf(error: unknown, item: Item | undefined): Reason {
  const { body } = error as EngineError;
  if (!body) throw error;
  const code = body.__type.replace(/^.*#/, '');
  const message = body.message ?? body.Message ?? '';
  if (code === 'ConditionalCheckFailedException') {
    return { Code: 'ConditionalCheckFailed', Message: message, ...(item ? { Item: item } : {}) };
  }
  if (code === 'ValidationException') return { Code: 'ValidationError', Message: message };
  throw asAwsError(error);
}

/** The transaction's actions, each validated; throws where the request as a whole is wrong. */
function steps(request: Request, { store, tables }: Context): readonly Step[] {
  const list = members(request);
  const given = Array.isArray(request.TransactItems) ? request.TransactItems.length : 0;
  if (given === 0 || given > ACTIONS_MAX) {
    throw new AwsError('ValidationException', 400, `TransactItems must have between 1 and ${ACTIONS_MAX} members`);
  }
  if (list.length !== given) {
    throw new AwsError(
      'ValidationException',
      400,
      'TransactItems can only contain one of Check, Put, Update or Delete',
    );
  }
  const touched = new Set<string>();
  return list.map(({ kind, body }) => {
    const data = checked(KINDS[kind].action, { ...body }, store);
    if (kind === 'ConditionCheck' && data.ConditionExpression === undefined) {
      throw new AwsError('ValidationException', 400, 'The ConditionExpression of a ConditionCheck must not be null');
    }
    const { table } = tables.record(tableName(body.TableName));
    const item = (data.Key ?? data.Item) as Item;
    const invalid = data.Key ? validateKey(item, table) : undefined;
    if (invalid) throw asAwsError(invalid);
    const key = keyed(item, table);
    if (touched.has(key)) {
      throw new AwsError(
        'ValidationException',
        400,
        'Transaction request cannot include multiple operations on one item',
      );
    }
    touched.add(key);
    return { kind, data, returnsItem: body.ReturnValuesOnConditionCheckFailure === 'ALL_OLD' };
  });
}

/** Names an item across tables; a put whose key is wrong is left to the engine, which refuses it. */
function keyed(item: Item, table: Parameters<typeof createKey>[1]): string {
  try {
    return `${table.TableName} ${createKey(item, table)}`;
  } catch {
    throw new AwsError('ValidationException', 400, 'The provided key element does not match the schema');
  }
}

function members(request: Request): readonly { kind: Kind; body: Request }[] {
  const list = Array.isArray(request.TransactItems) ? (request.TransactItems as Record<string, Request>[]) : [];
  return list.flatMap((member) => {
    const given = (Object.keys(KINDS) as Kind[]).filter((kind) => member?.[kind] != null);
    const [kind] = given;
    const body = kind && member[kind];
    return given.length === 1 && kind && body ? [{ kind, body }] : [];
  });
}
