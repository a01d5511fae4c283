// Types for dynalite's engine, which is CommonJS without types: request validation, and the actions with the expression
// language. dynalite's own storage and server are not used; item-store.ts is the storage. `replaceIndexing` replaces
// two of its functions for this store.

import { createRequire } from 'node:module';
import { isDeepStrictEqual } from 'node:util';
import { type Parser, remember } from './parsed-expressions.ts';

export type Attribute = Readonly<Record<string, unknown>>;
export type Item = Record<string, Attribute>;
export type KeySchema = readonly { readonly AttributeName: string; readonly KeyType: 'HASH' | 'RANGE' }[];
export type Index = {
  readonly IndexName: string;
  readonly KeySchema: KeySchema;
  readonly Projection: { readonly ProjectionType?: string; readonly NonKeyAttributes?: readonly string[] };
  readonly IndexStatus?: string;
  readonly IndexArn?: string;
};
/** A table as the engine and DescribeTable see it. */
export type Table = {
  readonly TableName: string;
  readonly TableArn: string;
  readonly TableId: string;
  readonly TableStatus: 'ACTIVE';
  readonly CreationDateTime: number;
  readonly KeySchema: KeySchema;
  readonly AttributeDefinitions: readonly { readonly AttributeName: string; readonly AttributeType: 'S' | 'N' | 'B' }[];
  readonly GlobalSecondaryIndexes?: readonly Index[];
  readonly LocalSecondaryIndexes?: readonly Index[];
  readonly BillingModeSummary?: { readonly BillingMode: string };
  readonly ProvisionedThroughput: Readonly<Record<string, number>>;
};

/** The error of dynalite, thrown or called back: an HTTP status and a body with `__type`. */
export type EngineError = Error & {
  statusCode?: number;
  body?: { __type: string; message?: string; Message?: string };
};
export type Done = (error: EngineError | null, result?: unknown) => void;
export type Request = Record<string, unknown>;

/** The storage that an action uses: the items of one table, or of one index. */
export type KeySpace = {
  lock(key: string, run: (release: (done: Done) => Done) => void): void;
  get(key: string, done: Done): void;
  put(key: string, value: Item, done: Done): void;
  del(key: string, done: Done): void;
  createValueStream(range: Range): NodeJS.ReadableStream;
};
export type Range = { gt?: string; gte?: string; lt?: string; lte?: string; reverse?: boolean; limit?: number };
export type EngineStore = {
  readonly options: { readonly maxItemSize: number };
  getTable(name: string, checkStatus: boolean | Done, done?: Done): void;
  getItemDb(table: string): KeySpace;
  getIndexDb(type: string, table: string, index: string): KeySpace;
};

type Db = {
  createKey(item: Item, table: Table, keySchema?: KeySchema): string;
  createIndexKey(item: Item, table: Table, keySchema: KeySchema): string;
  validateKey(key: Item, table: Table): EngineError | undefined;
  checkConditional(data: Request, item: Item | undefined): EngineError | null;
  validationError(message: string): EngineError;
  updateIndexes(store: EngineStore, table: Table, before: Item | undefined, after: Item | null, done: Done): void;
};
type Types = Record<string, unknown>;
type Validation = { types: Types; custom?: (data: Request, store: EngineStore) => string | undefined };
type Validations = {
  checkTypes(data: Request, types: Types): Request;
  checkValidations(data: Request, types: Types, custom: Validation['custom'], store: EngineStore): void;
};
type Action = (store: EngineStore, data: Request, done: Done) => void;

/** The operations that the engine itself carries out. */
export const ACTIONS = [
  'putItem',
  'getItem',
  'updateItem',
  'deleteItem',
  'query',
  'scan',
  'batchGetItem',
  'batchWriteItem',
] as const;
export type ActionName = (typeof ACTIONS)[number];

const load = createRequire(import.meta.url);
const db = load('dynalite/db') as Db;
const validations = load('dynalite/validations') as Validations;
const actions = new Map(ACTIONS.map((name) => [name, load(`dynalite/actions/${name}`) as Action]));
const rules = new Map(ACTIONS.map((name) => [name, load(`dynalite/validations/${name}`) as Validation]));

/**
 * The request as the engine wants it: unknown members dropped, expressions parsed. Throws EngineError as AWS words it.
 */
export function validated(action: ActionName, request: Request, store: EngineStore): Request {
  const { types, custom } = found(rules, action);
  const data = validations.checkTypes(request, types);
  validations.checkValidations(data, types, custom, store);
  return data;
}

export function act(action: ActionName, store: EngineStore, data: Request, done: Done): void {
  found(actions, action)(store, data, done);
}

export const createKey = (item: Item, table: Table): string => db.createKey(item, table);
export const validateKey = (key: Item, table: Table): EngineError | undefined => db.validateKey(key, table);
export const validationError = (message: string): EngineError => db.validationError(message);
export const conditionFailure = (data: Request, item: Item | undefined): EngineError | null =>
  db.checkConditional(data, item);

/** The indexes of a table with their kind, as key spaces name it. */
export function indexesOf(table: Table): readonly { kind: 'global' | 'local'; index: Index }[] {
  return [
    ...(table.LocalSecondaryIndexes ?? []).map((index) => ({ kind: 'local' as const, index })),
    ...(table.GlobalSecondaryIndexes ?? []).map((index) => ({ kind: 'global' as const, index })),
  ];
}

/** The entry of an item in an index, or null where the item lacks one of its keys (a sparse index). */
export function indexEntry(
  item: Item,
  table: Table,
  index: Index,
  tableKey = db.createKey(item, table),
): { key: string; item: Item } | null {
  if (!index.KeySchema.every(({ AttributeName }) => item[AttributeName] != null)) return null;
  const key = db.createKey(item, table, index.KeySchema) + tableKey;
  if (index.Projection.ProjectionType === 'ALL') return { key, item };
  const names = [...index.KeySchema, ...table.KeySchema].map(({ AttributeName }) => AttributeName);
  const projected: Item = {};
  for (const name of [...names, ...(index.Projection.NonKeyAttributes ?? [])]) {
    const value = item[name];
    if (value !== undefined) projected[name] = value;
  }
  return { key, item: projected };
}

/**
 * dynalite ends an index key with six digits of a hash of the table's key: of a thousand rows due in one instant some
 * thirtieth of the time two share it, and one vanishes from the index. Ours ends with the whole key. And ours leaves an
 * index of keys alone while the keys stay: most changes of an item touch no key.
 */
function replaceIndexing(): void {
  db.createIndexKey = (item, table, keySchema) => db.createKey(item, table, keySchema) + db.createKey(item, table);
  db.updateIndexes = (store, table, before, after, done) => {
    const indexes = indexesOf(table).filter(({ index }) => !(before && after && staysPut(before, after, index)));
    const item = after ?? before;
    const tableKey = item && indexes.length > 0 ? db.createKey(item, table) : '';
    for (const { kind, index } of indexes) {
      const old = before ? indexEntry(before, table, index, tableKey) : null;
      const fresh = after ? indexEntry(after, table, index, tableKey) : null;
      const space = store.getIndexDb(kind, table.TableName, index.IndexName);
      if (old && old.key !== fresh?.key) space.del(old.key, ignore);
      if (fresh) space.put(fresh.key, fresh.item, ignore);
    }
    done(null);
  };
}

/**
 * True where the entry of an index that holds keys alone is the same before and after. The table's key never changes.
 */
function staysPut(before: Item, after: Item, { KeySchema, Projection }: Index): boolean {
  return (
    Projection.ProjectionType === 'KEYS_ONLY' &&
    KeySchema.every(({ AttributeName }) => isDeepStrictEqual(before[AttributeName], after[AttributeName]))
  );
}
const ignore = (): void => undefined;
replaceIndexing();
for (const grammar of ['conditionParser', 'updateParser', 'projectionParser'])
  remember(load(`dynalite/db/${grammar}`) as Parser);

function found<K, V>(map: ReadonlyMap<K, V>, key: K): V {
  const value = map.get(key);
  if (value === undefined) throw new Error(`no such action: ${String(key)}`);
  return value;
}
