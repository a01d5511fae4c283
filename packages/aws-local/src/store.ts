// The state of the emulators that outlives `kill -9`: one SQLite file with a table of JSON rows for each kind of thing,
// and bytes by key. Opened by emulators.ts. Owners keep their rows in memory and write them through. Writes of one turn
// of the event loop share a transaction; a caller that answers somebody waits for `flushed()` first. WAL without fsync
// is enough: the page cache outlives the process, not the machine.
//
// A commit that the disk refused ends the store: nothing of that turn is kept, nothing more is written, and every later
// wait is refused. The owners still hold the refused state in memory, so they must not continue. The next start finds
// the acknowledged state.

import { existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';
import { DamagedStore, openTally, type Tally } from './tally.ts';

/** Rows are plain JSON data. A row is serialised at the flush: its state at that moment is stored. */
export type Table<Row> = {
  /** Everything committed, in the order of first insertion. */
  entries(): IterableIterator<[key: string, row: Row]>;
  get(key: string): Row | undefined;
  put(key: string, row: Row): void;
  delete(key: string): void;
};

/** Bytes by key, for content that is too small for a file of its own. */
export type Blobs = {
  /** May be the very bytes that were put: not to be changed. */
  get(key: string): Buffer | undefined;
  /** The bytes are not to be changed afterwards. */
  put(key: string, bytes: Uint8Array): void;
  delete(key: string): void;
};

export type Store = {
  /** Opens or creates the table. The name is the caller's constant: lower-case letters, digits and underscores. */
  table<Row>(name: string): Table<Row>;
  /** The same for bytes. A name is of a table or of blobs, not of both. */
  blobs(name: string): Blobs;
  /** Resolves when every put and delete so far is committed; rejects when the disk refused, and ever after. */
  flushed(): Promise<void>;
  /** Commits at once, in this very turn. */
  flush(): void;
  /** Commits the waiting writes. It never throws: where the commit fails, the waits are rejected. */
  close(): void;
};

export type StoreOptions = {
  /** Hears once that the disk refused a commit: the store has ended. */
  readonly failed?: (error: Error) => void;
  /** Asked before each commit; throws as a full disk does. For tests, which have no disk to fill. */
  readonly beforeCommit?: () => void;
};

type Pending = {
  readonly put: StatementSync;
  readonly drop: StatementSync;
  readonly rows: Map<string, unknown>;
  readonly encode: (row: unknown) => string | Uint8Array;
};
const dropped = Symbol('dropped');

/**
 * Opens `folder`/state.sqlite, or a database in memory for `null`. Throws DamagedStore where less is there than was
 * acknowledged.
 */
export function openStore(folder: string | null, options: StoreOptions = {}): Store {
  const { database, tally } = folder === null ? inMemory() : openFile(folder);
  const count = database.prepare('UPDATE everpost_commits SET commits = commits + 1 RETURNING commits');
  const tables = new Map<string, Pending>();
  let turn: { readonly done: Promise<void>; settle(error: unknown): void } | undefined;
  let closed = false;
  let ended: Error | null = null;

  return {
    table<Row>(name: string): Table<Row> {
      const pending = open(name, 'TEXT', JSON.stringify);
      const all = database.prepare(`SELECT key, row FROM ${name} ORDER BY rowid`);
      const one = database.prepare(`SELECT row FROM ${name} WHERE key = ?`);
      return {
        *entries() {
          flush();
          for (const found of all.iterate())
            yield [String(found.key), readable(folder, () => JSON.parse(String(found.row)) as Row)];
        },
        get(key) {
          if (pending.rows.has(key)) {
            const row = pending.rows.get(key);
            return row === dropped ? undefined : (row as Row);
          }
          const found = one.get(key);
          return found === undefined ? undefined : (JSON.parse(String(found.row)) as Row);
        },
        put(key, row) {
          pending.rows.set(key, row);
          begin();
        },
        delete(key) {
          pending.rows.set(key, dropped);
          begin();
        },
      };
    },
    blobs(name) {
      const pending = open(name, 'BLOB', (bytes) => bytes as Uint8Array);
      const one = database.prepare(`SELECT row FROM ${name} WHERE key = ?`);
      return {
        get(key) {
          const bytes = pending.rows.has(key) ? pending.rows.get(key) : one.get(key)?.row;
          return bytes instanceof Uint8Array ? Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length) : undefined;
        },
        put(key, bytes) {
          pending.rows.set(key, bytes);
          begin();
        },
        delete(key) {
          pending.rows.set(key, dropped);
          begin();
        },
      };
    },
    flushed: () => turn?.done ?? (ended === null ? Promise.resolve() : refusing(ended)),
    flush,
    close() {
      if (closed) return;
      try {
        flush();
      } catch {
        // The waiters were told.
      }
      closed = true;
      ended ??= new Error('the store is closed');
      tally?.close();
      database.close();
    },
  };

  function open(name: string, type: 'TEXT' | 'BLOB', encode: Pending['encode']): Pending {
    if (!/^[a-z][a-z0-9_]*$/.test(name)) throw new Error(`"${name}" is no name for a table`);
    database.exec(`CREATE TABLE IF NOT EXISTS ${name} (key TEXT PRIMARY KEY, row ${type} NOT NULL)`);
    const pending: Pending = tables.get(name) ?? {
      put: database.prepare(`INSERT INTO ${name} VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET row = excluded.row`),
      drop: database.prepare(`DELETE FROM ${name} WHERE key = ?`),
      rows: new Map(),
      encode,
    };
    tables.set(name, pending);
    return pending;
  }

  function begin(): void {
    if (turn !== undefined || closed || ended !== null) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    promise.catch(() => {}); // each waiting caller gets it; there may be none
    turn = { done: promise, settle: (error) => (error === null ? resolve() : reject(error)) };
    setImmediate(() => {
      try {
        flush();
      } catch {
        // The waiters were told.
      }
    });
  }

  function flush(): void {
    const ending = turn;
    turn = undefined;
    if (ending === undefined || closed || ended !== null) return;
    try {
      // a row that cannot be encoded is a bug: the disk has refused nothing, and the rows stay pending
      const encoded = encodedRows();
      try {
        commit(encoded);
      } catch (error) {
        end(error instanceof Error ? error : new Error(String(error)));
        throw error;
      }
    } catch (error) {
      ending.settle(error);
      throw error;
    }
    for (const { rows } of tables.values()) rows.clear();
    ending.settle(null);
  }

  function encodedRows(): readonly (() => unknown)[] {
    const writes: (() => unknown)[] = [];
    for (const { put, drop, rows, encode } of tables.values()) {
      for (const [key, row] of rows) {
        if (row === dropped) writes.push(() => drop.run(key));
        else {
          const value = encode(row);
          writes.push(() => put.run(key, value));
        }
      }
    }
    return writes;
  }

  function commit(writes: readonly (() => unknown)[]): void {
    options.beforeCommit?.();
    let commits = 0;
    try {
      database.exec('BEGIN');
      for (const write of writes) write();
      commits = Number(count.get()?.commits);
      database.exec('COMMIT');
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK');
      throw error;
    }
    tally?.acknowledge(commits);
  }

  /** Drops the refused writes: reads show the committed state. */
  function end(error: Error): void {
    ended = error;
    for (const { rows } of tables.values()) rows.clear();
    options.failed?.(error);
  }
}

/** The waits are rejected; there may be none. */
function refusing(error: Error): Promise<void> {
  const refused = Promise.reject(error);
  refused.catch(() => {});
  return refused;
}

type Opened = { readonly database: DatabaseSync; readonly tally: Tally | null };
const COUNT = 'CREATE TABLE IF NOT EXISTS everpost_commits (commits INTEGER NOT NULL)';
const COUNT_BEGINS = 'INSERT INTO everpost_commits SELECT 0 WHERE NOT EXISTS (SELECT * FROM everpost_commits)';

function inMemory(): Opened {
  const database = new DatabaseSync(':memory:');
  database.exec(`${COUNT}; ${COUNT_BEGINS};`);
  return { database, tally: null };
}

function openFile(folder: string): Opened {
  mkdirSync(folder, { recursive: true });
  const file = path.join(folder, 'state.sqlite');
  const tally = openTally(path.join(folder, 'state.tally'));
  try {
    const acknowledged = tally.before ?? 0;
    // Before anything is opened for writing: SQLite removes a log whose database is missing, and cuts off a damaged
    // one.
    const held = existsSync(file) ? commitsIn(file, folder) : 0;
    if (held < acknowledged)
      throw damaged(
        folder,
        existsSync(file)
          ? `${file} lacks ${acknowledged - held} of ${acknowledged} commits that were acknowledged: its log ${file}-wal is damaged or missing`
          : `${file} is missing, and ${acknowledged} commits to it were acknowledged`,
      );
    const database = readable(folder, () => {
      const opened = new DatabaseSync(file);
      opened.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA busy_timeout = 2000;');
      opened.exec(`${COUNT}; ${COUNT_BEGINS};`);
      return opened;
    });
    return { database, tally };
  } catch (error) {
    tally.close();
    throw error;
  }
}

/** Read without a change to the file. */
function commitsIn(file: string, folder: string): number {
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    return readable(folder, () => {
      const there = database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'everpost_commits'").get();
      return there === undefined ? 0 : Number(database.prepare('SELECT commits FROM everpost_commits').get()?.commits);
    });
  } finally {
    database.close();
  }
}

/** SQLITE_CORRUPT and SQLITE_NOTADB, and a row that is no JSON: the file was changed or damaged. */
function readable<T>(folder: string | null, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const { errcode, message } = error as Error & { errcode?: number };
    const primary = (errcode ?? 0) & 0xff;
    if (folder === null || (primary !== 11 && primary !== 26 && !(error instanceof SyntaxError))) throw error;
    throw damaged(folder, `${path.join(folder, 'state.sqlite')} is damaged (${message})`);
  }
}

function damaged(folder: string, what: string): DamagedStore {
  return new DamagedStore(
    `${what}. Put it back from a copy of ${folder}; or remove ${folder} to begin anew, without the mail that it holds`,
  );
}
