// The storage of tables and items: LevelDB, with one atomic write for all that an operation changes (item, index
// entries, expiry). So kill -9 cannot leave an index that disagrees with its table. Operations run synchronously, one
// after the other, and need no locks. It never answers before the kernel has the bytes.

import { Readable } from 'node:stream';
import { openTally } from '../tally.ts';
import { groupCommit, type Level, openLevel, type StoreOptions } from './commit-log.ts';
import type { EngineStore, Item, KeySpace, Range, Table } from './dynalite.ts';
import { validationError } from './dynalite.ts';

export type { StoreOptions } from './commit-log.ts';

const ITEM_BYTES_MAX = 409_600; // DynamoDB: 400 KB an item, attribute names included
const PAGE = 128; // entries fetched from LevelDB at a time

/** A table and when its items expire. */
export type TableRecord = { readonly table: Table; readonly expiresBy: string | null };

export type DynamoDbStore = {
  readonly engine: EngineStore;
  readonly tables: ReadonlyMap<string, TableRecord>;
  /**
   * Runs `work` and commits its writes as one; commits none of them where it throws. Resolves when the write is done.
   */
  change<T>(work: () => T): Promise<T>;
  /** Resolves when all that was written before the call is readable by `scan` and by the engine's queries. */
  settled(): Promise<void>;
  /** The item under an engine key, pending writes included. */
  item(table: string, key: string): Item | undefined;
  putTable(record: TableRecord): Promise<void>;
  dropTable(name: string): Promise<void>;
  dropIndex(table: string, index: string): Promise<void>;
  /** The items of a table with their keys, for back-filling an index or the expiry. */
  scan(table: string): AsyncIterable<{ readonly key: string; readonly item: Item }>;
  /** Keys of items whose expiry entry is at or before `second`; entries may be stale: look at the item. */
  expired(
    table: string,
    second: number,
    limit: number,
  ): Promise<readonly { readonly entry: string; readonly key: string }[]>;
  /** Inside `change` only: writes and forgets entries that the engine knows nothing of. */
  noteExpiry(table: string, key: string, item: Item): void;
  forget(entry: string): void;
  close(): Promise<void>;
};

/**
 * Opens or creates the store. `path` is a folder of its own. Throws DamagedStore where less is there than was
 * acknowledged.
 */
export async function openStore(path: string, options: StoreOptions = {}): Promise<DynamoDbStore> {
  const tally = openTally(`${path}.tally`);
  const level = await openLevel(path, tally).catch((error: unknown) => {
    tally.close();
    throw error;
  });
  const log = groupCommit(level, tally, options);
  const tables = new Map<string, TableRecord>();
  for await (const [key, value] of entries(level, within('t!')))
    tables.set(key.slice(2), JSON.parse(value) as TableRecord);

  const spaces = new Map<string, KeySpace>();
  function space(prefix: string, put: (key: string, value: Item) => void): KeySpace {
    const existing = spaces.get(prefix);
    if (existing) return existing;
    const made: KeySpace = {
      lock: (_key, run) => run((done) => done), // operations are synchronous: no other can come between
      get: (key, done) => done(null, parsed(log.read(prefix + key))),
      put: (key, value, done) => {
        put(key, value);
        done(null);
      },
      del: (key, done) => {
        log.write({ type: 'del', key: prefix + key });
        done(null);
      },
      createValueStream: (range) => Readable.from(values(level, prefix, range)),
    };
    spaces.set(prefix, made);
    return made;
  }
  const itemPrefix = (table: string) => `i!${table}!`;
  const indexPrefix = (table: string, index: string) => `x!${table}!${index}!`;
  const put = (prefix: string, key: string, item: Item) => {
    const value = JSON.stringify(item);
    if (value.length > ITEM_BYTES_MAX / 4 && itemBytes(item) > ITEM_BYTES_MAX) {
      throw validationError('Item size has exceeded the maximum allowed size');
    }
    log.write({ type: 'put', key: prefix + key, value });
  };
  const noteExpiry = (table: string, key: string, item: Item) => {
    const second = expiryOf(item, tables.get(table)?.expiresBy ?? null);
    if (second !== null) log.write({ type: 'put', key: `e!${table}!${padded(second)}!${key}`, value: '' });
  };

  return {
    engine: {
      options: { maxItemSize: ITEM_BYTES_MAX },
      getTable: (name, checkStatus, done) => {
        const answer = typeof checkStatus === 'function' ? checkStatus : done;
        const record = tables.get(name);
        if (record) answer?.(null, record.table);
        else answer?.(notFound(name));
      },
      getItemDb: (table) => {
        const prefix = itemPrefix(table);
        return space(prefix, (key, item) => {
          put(prefix, key, item);
          noteExpiry(table, key, item);
        });
      },
      getIndexDb: (_kind, table, index) => {
        const prefix = indexPrefix(table, index);
        return space(prefix, (key, item) => put(prefix, key, item));
      },
    },
    tables,
    change: (work) => log.change(work),
    settled: () => log.settled(),
    item: (table, key) => parsed(log.read(itemPrefix(table) + key)),
    putTable: async (record) => {
      await log.change(() =>
        log.write({ type: 'put', key: `t!${record.table.TableName}`, value: JSON.stringify(record) }),
      );
      tables.set(record.table.TableName, record);
    },
    dropTable: async (name) => {
      tables.delete(name);
      await log.change(() => log.write({ type: 'del', key: `t!${name}` }));
      for (const prefix of [itemPrefix(name), `x!${name}!`, `e!${name}!`]) await level.clear(within(prefix));
    },
    dropIndex: async (table, index) => {
      await log.settled();
      await level.clear(within(indexPrefix(table, index)));
    },
    scan: async function* (table) {
      await log.settled();
      const prefix = itemPrefix(table);
      for await (const [key, value] of entries(level, within(prefix))) {
        yield { key: key.slice(prefix.length), item: JSON.parse(value) as Item };
      }
    },
    expired: async (table, second, limit) => {
      await log.settled();
      const prefix = `e!${table}!`;
      const found: { entry: string; key: string }[] = [];
      for await (const [entry] of entries(level, { gte: prefix, lt: prefix + padded(second + 1), limit })) {
        found.push({ entry, key: entry.slice(prefix.length + EXPIRY_DIGITS + 1) });
      }
      return found;
    },
    noteExpiry,
    forget: (entry) => log.write({ type: 'del', key: entry }),
    close: async () => {
      await log.settled().catch(() => undefined); // each waiting caller got the error
      tally.close();
      await level.close();
    },
  };
}

async function* entries(level: Level, range: Range): AsyncGenerator<[string, string]> {
  const iterator = level.iterator(range);
  try {
    for (;;) {
      const page = await iterator.nextv(
        range.limit !== undefined && range.limit > 0 ? Math.min(range.limit, PAGE) : PAGE,
      );
      if (page.length === 0) return;
      yield* page;
    }
  } finally {
    await iterator.close();
  }
}

async function* values(level: Level, prefix: string, range: Range): AsyncGenerator<Item> {
  const bounds: Range = within(prefix);
  if (range.gt !== undefined) {
    delete bounds.gte;
    bounds.gt = prefix + range.gt;
  } else if (range.gte !== undefined) bounds.gte = prefix + range.gte;
  if (range.lte !== undefined) {
    delete bounds.lt;
    bounds.lte = prefix + range.lte;
  } else if (range.lt !== undefined) bounds.lt = prefix + range.lt;
  const limits: Range = { ...bounds, reverse: range.reverse === true, limit: range.limit ?? -1 };
  for await (const [, value] of entries(level, limits)) yield JSON.parse(value) as Item;
}

/** All keys that begin with `prefix`, which ends in '!': the next character bounds them. */
const within = (prefix: string): Range => ({ gte: prefix, lt: `${prefix.slice(0, -1)}"` });
const parsed = (text: string | undefined): Item | undefined =>
  text === undefined ? undefined : (JSON.parse(text) as Item);

const EXPIRY_DIGITS = 12;
const padded = (second: number): string => String(second).padStart(EXPIRY_DIGITS, '0');

/** The second at which an item expires; null where it has no usable number there. */
export function expiryOf(item: Item, attribute: string | null): number | null {
  const text = attribute === null ? undefined : item[attribute]?.N;
  const second = Number(text);
  return typeof text === 'string' && second > 0 && second < 10 ** EXPIRY_DIGITS ? Math.floor(second) : null;
}

function notFound(table: string): Error {
  const message = `Requested resource not found: Table: ${table} not found`;
  return Object.assign(new Error(message), {
    statusCode: 400,
    body: { __type: 'com.amazonaws.dynamodb.v20120810#ResourceNotFoundException', message },
  });
}

/**
 * An item's size as DynamoDB counts it: UTF-8 names and values, 3 bytes a list or map and 1 an element. The engine
 * counts UTF-16 units.
 */
export function itemBytes(item: Item): number {
  let bytes = 0;
  for (const [name, value] of Object.entries(item)) bytes += Buffer.byteLength(name) + valueBytes(value);
  return bytes;
}
function valueBytes(attribute: Readonly<Record<string, unknown>>): number {
  const [type, value] = Object.entries(attribute)[0] ?? ['NULL', true];
  if (type === 'S') return Buffer.byteLength(String(value));
  if (type === 'N') return numberBytes(String(value));
  if (type === 'B') return Buffer.byteLength(String(value), 'base64');
  if (type === 'M') return 3 + Object.keys(value as Item).length + itemBytes(value as Item);
  if (type === 'L') return (value as Attribute[]).reduce((sum, element) => sum + 1 + valueBytes(element), 3);
  if (type === 'SS') return (value as string[]).reduce((sum, element) => sum + Buffer.byteLength(element), 0);
  if (type === 'NS') return (value as string[]).reduce((sum, element) => sum + numberBytes(element), 0);
  if (type === 'BS') return (value as string[]).reduce((sum, element) => sum + Buffer.byteLength(element, 'base64'), 0);
  return 1;
}
type Attribute = Readonly<Record<string, unknown>>;
const numberBytes = (digits: string): number => Math.ceil(digits.replace(/^[-0.]+|[.e+-]/g, '').length / 2) + 1;
