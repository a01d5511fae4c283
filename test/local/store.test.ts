// The write-through store: what one turn puts is committed together, what is read is what was put, and a refusal by the disk is
// heard by whoever waits. Survival of kill -9 is in survival.test.ts.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { openStore } from '#local/store.ts';

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

test('a row that can not be written rejects the wait, and the turn is not half committed', async () => {
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
