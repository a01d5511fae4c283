// What every store of submissions promises. One suite, run by each implementation.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { SubmissionStore } from '#pipeline/ports.ts';
import { storableBytes } from '#pipeline/submit/submit.ts';

export type SubmissionStoreUnderTest = {
  readonly store: SubmissionStore;
  /** What stands under the key; null: nothing. */
  read(objectKey: string): Promise<Buffer | null>;
  close(): Promise<void>;
};

export function submissionStoreContract(name: string, make: () => Promise<SubmissionStoreUnderTest>): void {
  describe(`submission store: ${name}`, () => {
    let under: SubmissionStoreUnderTest;
    const { signal } = new AbortController();
    let keys = 0;
    const nextKey = () => `out/exchange/01M82Q1HYR3QAFH2HYGP4Z6Q${String(++keys).padStart(2, '0')}.eml`;
    beforeAll(async () => {
      under = await make();
    });
    afterAll(() => under.close());

    it('stores the exact bytes', async () => {
      const key = nextKey();
      const bytes = Buffer.from('a\r\n\x00\xff\nb', 'latin1');
      expect(await under.store.put(key, storableBytes(bytes), signal)).toEqual({ kind: 'stored' });
      expect(await under.read(key)).toEqual(bytes);
    });
    it('stores what comes in many chunks', async () => {
      const key = nextKey();
      const whole = Buffer.alloc(3_000_000, 'abc\r\n');
      const content = {
        ...storableBytes(whole),
        async *chunks() {
          for (let at = 0; at < whole.length; at += 70_001) yield whole.subarray(at, at + 70_001);
        },
      };
      expect(await under.store.put(key, content, signal)).toEqual({ kind: 'stored' });
      expect((await under.read(key))?.equals(whole)).toBe(true);
    });
    it('never stores over what stands', async () => {
      const key = nextKey();
      await under.store.put(key, storableBytes(Buffer.from('first')), signal);
      expect(await under.store.put(key, storableBytes(Buffer.from('second')), signal)).toEqual({ kind: 'taken' });
      expect(String(await under.read(key))).toBe('first');
    });
    it('does not store bytes that are not those announced', async () => {
      const key = nextKey();
      const content = { ...storableBytes(Buffer.from('right')), chunks: storableBytes(Buffer.from('wrong')).chunks };
      expect(await under.store.put(key, content, signal)).toMatchObject({ kind: 'failed', cause: 'unavailable' });
      expect(await under.read(key)).toBe(null);
    });
    it('throws, and stores nothing, where nobody waits for it any more', async () => {
      const key = nextKey();
      const content = storableBytes(Buffer.from('late'));
      await expect(under.store.put(key, content, AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone');
      expect(await under.read(key)).toBe(null);
    });
  });
}
