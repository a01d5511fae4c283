// Writes DynamoDB's tables to LevelDB, many commits at once. Called by item-store.ts. A refused write ends the store:
// LevelDB's log then holds half a record, and the next start would lose all that follows. The next start finds every
// acknowledged commit and no refused one; where an acknowledged commit is missing, it does not open the store.

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { DamagedStore, type Tally } from '../tally.ts';
import type { Range } from './dynalite.ts';

export type Operation =
  | { readonly type: 'put'; readonly key: string; readonly value: string }
  | { readonly type: 'del'; readonly key: string };
export type Level = {
  open(): Promise<void>;
  close(): Promise<void>;
  getSync(key: string): string | undefined;
  batch(operations: readonly Operation[]): Promise<void>;
  clear(range: Range): Promise<void>;
  iterator(range: Range): { nextv(size: number): Promise<[string, string][]>; close(): Promise<void> };
};

// classic-level comes with dynalite; asked for where dynalite's own `level` finds it.
const fromDynalite = createRequire(createRequire(import.meta.url).resolve('dynalite/db'));
const { ClassicLevel } = createRequire(fromDynalite.resolve('level'))('classic-level') as {
  ClassicLevel: new (path: string, options: object) => Level;
};

export type StoreOptions = {
  /** Hears once that the disk refused a write: the store has ended. */
  readonly failed?: (error: Error) => void;
  /** Asked before each write; throws as a full disk does. For tests, which have no disk to fill. */
  readonly beforeWrite?: () => void;
};

/**
 * Each batch leaves its number here: a batch that is missing in the middle shows, too. More than LevelDB's log ever
 * holds before it is merged.
 */
const COUNTED = 16_384;
const countKey = (batch: number): string => `c!${String(batch % COUNTED).padStart(5, '0')}`;

/** Opens or creates the folder. Throws DamagedStore where less is there than was acknowledged. */
export async function openLevel(path: string, { before }: Tally): Promise<Level> {
  const acknowledged = before ?? 0;
  const damaged = (what: string): DamagedStore =>
    new DamagedStore(
      `${what}. Put it back from a copy; or remove the data folder to begin anew, without the mail that it holds`,
    );
  if (acknowledged > 0 && !existsSync(path))
    throw damaged(`${path} is missing, and ${acknowledged} writes to it were acknowledged`);
  const level = new ClassicLevel(path, {
    keyEncoding: 'utf8',
    valueEncoding: 'utf8',
    // else LevelDB takes a folder without its CURRENT for a new one, and empties it
    createIfMissing: acknowledged === 0,
  });
  try {
    await level.open();
  } catch (error) {
    const { cause } = error as Error & { cause?: Error & { code?: string } };
    const gone = /CURRENT|does not exist|No such file|missing files/i.test(cause?.message ?? '');
    if (cause?.code === 'LEVEL_CORRUPTION' || gone) throw damaged(`${path} is damaged (${cause?.message})`);
    throw cause ?? error;
  }
  let lacking = 0;
  for (let batch = Math.max(1, acknowledged - COUNTED + 1); batch <= acknowledged; batch += 1)
    if (Number(level.getSync(countKey(batch)) ?? 0) < batch) lacking += 1;
  if (lacking === 0) return level;
  await level.close();
  throw damaged(
    `${path} lacks ${lacking} of ${acknowledged} writes that were acknowledged: its log is damaged or missing`,
  );
}

export type Log = {
  read(key: string): string | undefined;
  write(operation: Operation): void;
  change<T>(work: () => T): Promise<T>;
  settled(): Promise<void>;
};

/**
 * Group commit: changes made while a write is under way share the next one. `pending` holds changes that LevelDB does
 * not show yet, so that the next operation, which runs at once, sees them. LevelDB hands each batch to the kernel
 * before it answers. That survives kill -9, but no power failure, which nothing here needs.
 */
export function groupCommit(level: Level, tally: Tally, options: StoreOptions): Log {
  const pending = new Map<string, { value: string | undefined; batch: number }>();
  let current: Operation[] | null = null;
  let queued: Operation[] = [];
  let batch = (tally.before ?? 0) + 1;
  let next: Promise<void> | null = null;
  let underWay: Promise<void> = Promise.resolve();
  let ended: Error | null = null;

  async function flush(after: Promise<void>): Promise<void> {
    await after;
    const operations = queued;
    const mine = batch;
    queued = [];
    batch += 1;
    next = null;
    try {
      options.beforeWrite?.();
      await level.batch([...operations, { type: 'put', key: countKey(mine), value: String(mine) }]);
    } catch (error) {
      throw end(error instanceof Error ? error : new Error(String(error)));
    }
    tally.acknowledge(mine);
    for (const { key } of operations) if (pending.get(key)?.batch === mine) pending.delete(key);
  }
  /** Ends the store after a refused write, and drops the writes that wait behind it. */
  function end(error: Error): Error {
    ended = new Error('the disk refused a write of the tables', { cause: error });
    pending.clear();
    options.failed?.(error);
    return ended;
  }
  function schedule(): Promise<void> {
    if (next === null) {
      next = flush(underWay);
      underWay = next; // a refused write refuses all that wait behind it
      underWay.catch(() => undefined);
    }
    return next;
  }

  return {
    read: (key) => {
      const waiting = pending.get(key);
      return waiting ? waiting.value : level.getSync(key);
    },
    write: (operation) => {
      if (current === null) throw new Error('written outside of a change');
      current.push(operation);
    },
    change: async (work) => {
      if (ended !== null) throw ended;
      const operations: Operation[] = [];
      current = operations;
      let result: ReturnType<typeof work>;
      try {
        result = work();
      } finally {
        current = null;
      }
      if (operations.length === 0) return result;
      for (const operation of operations) {
        pending.set(operation.key, { value: operation.type === 'put' ? operation.value : undefined, batch });
        queued.push(operation);
      }
      await schedule();
      return result;
    },
    settled: () => next ?? underWay,
  };
}
