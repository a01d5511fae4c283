// What every spool promises (pipeline/ports.ts), as one suite that each implementation runs.
// It never looks behind the port; each implementation brings its own way to put content there.

import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { OpenedContent, Spool } from '#pipeline/ports.ts';

export type SpoolUnderTest = {
  readonly spool: Spool;
  put(objectKey: string, content: Uint8Array): Promise<void>;
  /** Puts a delete marker above it, where the implementation has versions. */
  hide?(objectKey: string): Promise<void>;
  close(): Promise<void>;
};

type Opened = Extract<OpenedContent, { kind: 'opened' }>;

export function spoolContract(name: string, open: () => Promise<SpoolUnderTest>): void {
  describe(`${name} keeps the spool's contract`, () => {
    let under: SpoolUnderTest;
    let spool: Spool;
    const { signal } = new AbortController();
    beforeAll(async () => {
      under = await open();
      spool = under.spool;
    });
    afterAll(() => under.close());

    const opened = async (objectKey: string): Promise<Opened> => {
      const content = await spool.open(objectKey, signal);
      expect(content.kind).toBe('opened');
      return content as Opened;
    };

    it.each([1, 255, 256, 65_536, 65_537, 3_000_001])('gives back %i bytes exactly', async (length) => {
      const content = Buffer.concat([
        Buffer.from(Array.from({ length: 256 }, (_, i) => i)),
        randomBytes(3_000_001),
      ]).subarray(0, length);
      await under.put(`in/exact-${length}`, content);
      const got = await opened(`in/exact-${length}`);
      expect(got.bytes).toBe(length);
      const hash = createHash('sha256');
      let read = 0;
      for await (const chunk of got.chunks) {
        expect(chunk.byteLength).toBeGreaterThan(0);
        read += chunk.byteLength;
        hash.update(chunk);
      }
      expect(read).toBe(length);
      expect(hash.digest('hex')).toBe(createHash('sha256').update(content).digest('hex'));
    });

    it('takes keys as they are', async () => {
      const keys = ['in/ü + %2F?#&=~', "out/office/a b'(c)*!.eml", 'in/a//b'];
      for (const key of keys) {
        await under.put(key, Buffer.from(key));
        const head = await spool.head(key, 100, signal);
        expect(head.kind === 'read' && Buffer.from(head.bytes).toString()).toBe(key);
      }
    });

    it('says what cannot be opened, as a value', async () => {
      await under.put('in/empty', new Uint8Array());
      expect(await spool.open('in/empty', signal)).toMatchObject({ kind: 'unreadable', cause: 'empty' });
      expect(await spool.head('in/empty', 10, signal)).toMatchObject({ kind: 'unreadable', cause: 'empty' });
      for (const content of [await spool.open('in/none', signal), await spool.head('in/none', 10, signal)]) {
        expect(content.kind).toBe('unreadable');
        // Without ListBucket S3 says 403 for a key that is not there.
        if (content.kind === 'unreadable') expect(['missing', 'denied']).toContain(content.cause);
      }
    });

    it('finds content under a delete marker, and says so', async () => {
      if (under.hide === undefined) return;
      await under.put('in/hidden', Buffer.from('still here'));
      await under.put('in/hidden-too', Buffer.from('another'));
      await under.hide('in/hidden');
      const content = await opened('in/hidden');
      expect(content).toMatchObject({ bytes: 10, undeleted: true });
      let text = '';
      for await (const chunk of content.chunks) text += Buffer.from(chunk).toString();
      expect(text).toBe('still here');
      const head = await spool.head('in/hidden', 5, signal);
      expect(head.kind === 'read' && Buffer.from(head.bytes).toString()).toBe('still');
      expect(head).toMatchObject({ undeleted: true });
      const other = await opened('in/hidden-too');
      expect(other.undeleted).toBeUndefined();
      other.close();
    });

    it('reads the head, and says how long the whole is', async () => {
      await under.put('in/head', Buffer.from('0123456789'));
      const text = async (bytesMax: number) => {
        const head = await spool.head('in/head', bytesMax, signal);
        return head.kind === 'read' ? [Buffer.from(head.bytes).toString(), head.size] : head;
      };
      expect(await text(4)).toEqual(['0123', 10]);
      expect(await text(1)).toEqual(['0', 10]);
      expect(await text(10)).toEqual(['0123456789', 10]);
      expect(await text(1_000_000)).toEqual(['0123456789', 10]);
    });

    it('may be closed at any time, and twice', async () => {
      await under.put('in/closed', randomBytes(2_000_000));
      (await opened('in/closed')).close();
      const half = await opened('in/closed');
      for await (const _ of half.chunks) break;
      half.close();
      half.close();
      const whole = await opened('in/closed');
      let read = 0;
      for await (const chunk of whole.chunks) read += chunk.byteLength;
      whole.close();
      expect(read).toBe(2_000_000);
    });

    it('gives up when it is told to', async () => {
      await under.put('in/aborted', randomBytes(8_000_000));
      const reason = new Error('the deadline');
      await expect(spool.open('in/aborted', AbortSignal.abort(reason))).rejects.toBe(reason);
      await expect(spool.head('in/aborted', 10, AbortSignal.abort(reason))).rejects.toBe(reason);

      const controller = new AbortController();
      const content = (await spool.open('in/aborted', controller.signal)) as Opened;
      const reading = (async () => {
        for await (const _ of content.chunks) controller.abort(reason);
      })();
      await expect(reading).rejects.toBe(reason);
    });
  });
}
