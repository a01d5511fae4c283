// What the emulators remember across `kill -9`: one SQLite file, a table of JSON rows per kind of thing, kept in memory by
// their owners and written through here; and bytes by a key, kept here alone. Puts of one event-loop turn share one transaction; who answers a caller first waits
// for `flushed()`. The process may die, the machine not: WAL without fsync is enough, the page cache outlives the process.

import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { DatabaseSync, type StatementSync } from 'node:sqlite';

/** Rows are plain JSON data. A row is serialised at the flush, so the state it has then is what is kept. */
export type Table<Row> = {
  /** Everything committed, in the order of first insertion. */
  entries(): IterableIterator<[key: string, row: Row]>;
  get(key: string): Row | undefined;
  put(key: string, row: Row): void;
  delete(key: string): void;
};

/** Bytes by a key: what is too small for a file of its own. */
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
  /** Resolves when every put and delete so far is committed; rejects when the disk refused. */
  flushed(): Promise<void>;
  /** Commits at once, in this very turn. */
  flush(): void;
  close(): void;
};

type Pending = {
  readonly put: StatementSync;
  readonly drop: StatementSync;
  readonly rows: Map<string, unknown>;
  readonly encode: (row: unknown) => string | Uint8Array;
};
const dropped = Symbol('dropped');

/** Opens `folder`/state.sqlite, or a database in memory for `null`. Throws where the file is no database of ours. */
export function openStore(folder: string | null): Store {
  if (folder !== null) mkdirSync(folder, { recursive: true });
  const database = new DatabaseSync(folder === null ? ':memory:' : path.join(folder, 'state.sqlite'));
  database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF; PRAGMA busy_timeout = 2000;');
  const tables = new Map<string, Pending>();
  let turn: { readonly done: Promise<void>; settle(error: unknown): void } | undefined;
  let closed = false;

  return {
    table<Row>(name: string): Table<Row> {
      const pending = open(name, 'TEXT', JSON.stringify);
      const all = database.prepare(`SELECT key, row FROM ${name} ORDER BY rowid`);
      const one = database.prepare(`SELECT row FROM ${name} WHERE key = ?`);
      return {
        *entries() {
          flush();
          for (const found of all.iterate()) yield [String(found.key), JSON.parse(String(found.row)) as Row];
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
    flushed: () => turn?.done ?? Promise.resolve(),
    flush,
    close() {
      if (closed) return;
      flush();
      closed = true;
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
    if (turn !== undefined || closed) return;
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    promise.catch(() => {}); // whoever waits hears of it; nobody may be waiting
    turn = { done: promise, settle: (error) => (error === null ? resolve() : reject(error)) };
    setImmediate(() => {
      try {
        flush();
      } catch {
        // The waiters were told; the rows stay pending and go with the next turn.
      }
    });
  }

  function flush(): void {
    const ending = turn;
    turn = undefined;
    if (ending === undefined || closed) return;
    try {
      database.exec('BEGIN');
      for (const { put, drop, rows, encode } of tables.values()) {
        for (const [key, row] of rows) {
          if (row === dropped) drop.run(key);
          else put.run(key, encode(row));
        }
      }
      database.exec('COMMIT');
    } catch (error) {
      if (database.isTransaction) database.exec('ROLLBACK');
      ending.settle(error);
      throw error;
    }
    for (const { rows } of tables.values()) rows.clear();
    ending.settle(null);
  }
}
