// What every inventory of a spool promises (pipeline/ports.ts), as one suite that each implementation runs.
// It never looks behind the port; each implementation brings its own way to put content there.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SpoolInventory } from '#pipeline/ports.ts';

export type InventoryUnderTest = {
  readonly inventory: SpoolInventory;
  put(objectKey: string, content: Uint8Array): Promise<void>;
  /** What `put` would date an object with now, in milliseconds, give or take a minute. */
  now(): number;
  close(): Promise<void>;
};

export function inventoryContract(name: string, open: () => Promise<InventoryUnderTest>): void {
  describe(`${name} keeps the inventory's contract`, () => {
    let under: InventoryUnderTest;
    const { signal } = new AbortController();
    beforeAll(async () => {
      under = await open();
    });
    afterAll(() => under.close());

    const keysOf = async (prefix: string, after: string | null, max: number) => {
      const { entries, more } = await under.inventory.list({ prefix, after, max }, signal);
      return { keys: entries.map(({ objectKey }) => objectKey), more };
    };

    it('lists by the bytes of the key, page after page, under the prefix alone', async () => {
      const keys = ['pages/B', 'pages/a', 'pages/b/1 + %2F', 'pages/z', 'pages/ü'];
      for (const key of [...keys, 'other/a', 'pagesX']) await under.put(key, Buffer.from(key));
      expect(await keysOf('pages/', null, 1_000)).toEqual({ keys, more: false });
      expect(await keysOf('pages/', null, 2)).toEqual({ keys: keys.slice(0, 2), more: true });
      expect(await keysOf('pages/', 'pages/a', 2)).toEqual({ keys: keys.slice(2, 4), more: true });
      expect(await keysOf('pages/', 'pages/z', 2)).toEqual({ keys: keys.slice(4), more: false });
      expect(await keysOf('pages/', 'pages/b/0', 1)).toEqual({ keys: ['pages/b/1 + %2F'], more: true });
      expect(await keysOf('pages/', 'pages/ü', 2)).toEqual({ keys: [], more: false });
      expect(await keysOf('none/', null, 2)).toEqual({ keys: [], more: false });
    });

    it('says how large an object is, and when it was stored', async () => {
      await under.put('facts/a', Buffer.alloc(1234));
      const { entries } = await under.inventory.list({ prefix: 'facts/', after: null, max: 10 }, signal);
      expect(entries).toMatchObject([{ objectKey: 'facts/a', bytes: 1234 }]);
      expect(Math.abs((entries[0]?.storedAt ?? 0) - under.now())).toBeLessThan(60_000);
    });

    it('removes one object, and takes a second time for done', async () => {
      await under.put('removed/a', Buffer.from('a'));
      await under.put('removed/b', Buffer.from('b'));
      await under.inventory.remove('removed/a', signal);
      await under.inventory.remove('removed/a', signal);
      await under.inventory.remove('removed/never-there', signal);
      expect(await keysOf('removed/', null, 10)).toEqual({ keys: ['removed/b'], more: false });
    });

    it('lists an object again that was put again', async () => {
      await under.put('again/a', Buffer.from('a'));
      await under.inventory.remove('again/a', signal);
      await under.put('again/a', Buffer.from('longer'));
      const { entries } = await under.inventory.list({ prefix: 'again/', after: null, max: 10 }, signal);
      expect(entries).toMatchObject([{ objectKey: 'again/a', bytes: 6 }]);
    });

    it('asks for nothing once it is too late', async () => {
      const over = AbortSignal.abort(new Error('too late'));
      await expect(under.inventory.list({ prefix: 'pages/', after: null, max: 1 }, over)).rejects.toThrow();
      await expect(under.inventory.remove('pages/a', over)).rejects.toThrow();
      expect((await keysOf('pages/a', null, 1)).keys).toEqual(['pages/a']);
    });
  });
}
