// The write-through store: what one turn puts is committed together, what is read is what was put, and a refusal by the
// disk is heard by whoever waits and ends the store. What is damaged is not taken for empty. Survival of kill -9 is in
// survival.test.ts.

import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { openStore } from '../src/store.ts';
import { DamagedStore } from '../src/tally.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'everpost-store-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

test('rows are read back in the order of first insertion, also by the next process', async () => {
  const store = openStore(folder);
  const table = store.table<{ n: number }>('things');
  table.put('b', { n: 1 });
  table.put('a', { n: 2 });
  table.put('gone', { n: 3 });
  await store.flushed();
  table.put('b', { n: 4 });
  table.delete('gone');
  await store.flushed();
  store.close();
  const again = openStore(folder);
  expect([...again.table('things').entries()]).toEqual([
    ['b', { n: 4 }],
    ['a', { n: 2 }],
  ]);
  again.close();
});

test('a put is seen by get at once, and by another connection after flushed', async () => {
  const store = openStore(folder);
  const other = openStore(folder);
  const table = store.table<string>('seen');
  const elsewhere = other.table<string>('seen');
  table.put('key', 'value ✉');
  expect(table.get('key')).toBe('value ✉');
  expect(elsewhere.get('key')).toBeUndefined();
  await store.flushed();
  expect(elsewhere.get('key')).toBe('value ✉');
  table.delete('key');
  expect(table.get('key')).toBeUndefined();
  store.close();
  other.close();
});

test('the state at the flush is what is kept', async () => {
  const store = openStore(null);
  const table = store.table<{ n: number }>('rows');
  const row = { n: 1 };
  table.put('a', row);
  row.n = 2;
  await store.flushed();
  expect(table.get('a')).toEqual({ n: 2 });
  store.close();
});

test('a row that cannot be written rejects the wait, and the turn is not half committed', async () => {
  const store = openStore(null);
  const table = store.table<unknown>('rows');
  table.put('good', 1);
  table.put('bad', 1n); // JSON knows no bigint
  await expect(store.flushed()).rejects.toThrow(/BigInt/);
  table.put('bad', 2);
  await store.flushed();
  expect([...table.entries()].sort()).toEqual([
    ['bad', 2],
    ['good', 1],
  ]);
  store.close();
});

test('nothing pending is flushed at once; a table has a plain name', async () => {
  const store = openStore(null);
  await store.flushed();
  expect(() => store.table('no; DROP')).toThrow(/no name/);
  store.close();
});

test('bytes are what was put, by the next process too, and go with the turn that deletes them', async () => {
  const store = openStore(folder);
  const blobs = store.blobs('bytes');
  blobs.put('a', Uint8Array.of(0, 255, 13, 10));
  blobs.put('b', Buffer.from('gone'));
  expect(blobs.get('a')).toEqual(Buffer.from([0, 255, 13, 10]));
  await store.flushed();
  blobs.delete('b');
  expect(blobs.get('b')).toBeUndefined();
  store.close();
  const again = openStore(folder);
  expect(again.blobs('bytes').get('a')).toEqual(Buffer.from([0, 255, 13, 10]));
  expect(again.blobs('bytes').get('b')).toBeUndefined();
  again.close();
});

describe('a disk that is full', () => {
  test('undoes what was refused, refuses all that comes after, and leaves what was acknowledged', async () => {
    const place = path.join(folder, 'full');
    let full = false;
    const heard: string[] = [];
    const store = openStore(place, {
      beforeCommit: () => {
        if (full) throw new Error('ENOSPC: no space left on device');
      },
      failed: (error) => heard.push(error.message),
    });
    const table = store.table<number>('rows');
    table.put('acknowledged', 1);
    await store.flushed();
    full = true;
    table.put('acknowledged', 2);
    table.put('refused', 2);
    const refusal = store.flushed();
    await expect(refusal).rejects.toThrow('ENOSPC');
    expect([table.get('acknowledged'), table.get('refused')]).toEqual([1, undefined]);
    full = false; // there is room again, and what was decided upon the refused rows must not come down all the same
    table.put('after', 3);
    await expect(store.flushed()).rejects.toThrow('ENOSPC');
    expect(heard).toEqual(['ENOSPC: no space left on device']);
    store.close();
    const again = openStore(place);
    expect([...again.table('rows').entries()]).toEqual([['acknowledged', 1]]);
    again.table('rows').put('new', 4);
    await again.flushed();
    again.close();
  });
});

describe('a store that has lost commits is refused with its file and the remedy', () => {
  /** The folder as kill -9 leaves it: the log is not merged into the database. */
  async function killed(name: string): Promise<string> {
    const place = path.join(folder, name);
    const store = openStore(path.join(folder, `${name}-live`));
    const table = store.table<string>('rows');
    for (let row = 0; row < 20; row += 1) {
      table.put(`row ${row}`, 'x'.repeat(5_000));
      await store.flushed();
    }
    cpSync(path.join(folder, `${name}-live`), place, { recursive: true });
    store.close();
    expect(existsSync(path.join(place, 'state.sqlite-wal'))).toBe(true);
    return place;
  }
  const rowsOf = (place: string): number => {
    const store = openStore(place);
    const count = [...store.table('rows').entries()].length;
    store.close();
    return count;
  };
  const log = (place: string): string => path.join(place, 'state.sqlite-wal');

  test('as it was left, it is taken up', async () => {
    const place = await killed('whole');
    expect(rowsOf(place)).toBe(20);
    expect(rowsOf(place)).toBe(20);
  });
  test.for<[string, (place: string) => void, RegExp]>([
    ['its log is missing', (place) => rmSync(log(place)), /state\.sqlite lacks \d+ of 20 commits.*state\.sqlite-wal/],
    ['its log is empty', (place) => truncateSync(log(place), 0), /state\.sqlite-wal is damaged or missing/],
    ['its log is cut', (place) => truncateSync(log(place), 60_000), /state\.sqlite-wal is damaged or missing/],
    [
      'a byte of its log is another',
      (place) => {
        const bytes = readFileSync(log(place));
        bytes[40_000] = (bytes[40_000] ?? 0) ^ 1;
        writeFileSync(log(place), bytes);
      },
      /state\.sqlite-wal is damaged or missing/,
    ],
    [
      'the database is missing',
      (place) => rmSync(path.join(place, 'state.sqlite')),
      /state\.sqlite is missing, and 20 /,
    ],
    [
      'both are missing',
      (place) => {
        rmSync(log(place));
        rmSync(path.join(place, 'state.sqlite'));
      },
      /state\.sqlite is missing/,
    ],
    [
      'the database is something else',
      (place) => {
        rmSync(log(place));
        writeFileSync(path.join(place, 'state.sqlite'), 'not a database, but long enough '.repeat(400));
      },
      /state\.sqlite is damaged/,
    ],
  ])('%s', async ([name, damage, says]) => {
    const place = await killed(name);
    damage(place);
    for (const attempt of [1, 2]) {
      expect(() => openStore(place), `attempt ${attempt}`).toThrow(DamagedStore);
      expect(() => openStore(place)).toThrow(says);
      expect(() => openStore(place)).toThrow(`or remove ${place} to begin anew`);
    }
  });
  test('a log that is put back is taken up again', async () => {
    const place = await killed('put back');
    const bytes = readFileSync(log(place));
    rmSync(log(place));
    expect(() => openStore(place)).toThrow(DamagedStore);
    writeFileSync(log(place), bytes);
    expect(rowsOf(place)).toBe(20);
  });
});
