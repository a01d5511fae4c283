// What every job queue promises (pipeline/ports.ts), as one suite that each implementation runs. Order is not promised.
// It never looks behind the port; each implementation brings its own way to receive.

import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Job, JobQueue } from '#pipeline/ports.ts';

export type ReceivedForTest = { readonly job: unknown; readonly group: string | undefined; remove(): Promise<void> };
export type JobQueueUnderTest = {
  readonly queue: JobQueue;
  /** Lets so much of the queue's time pass. */
  passes(ms: number): Promise<void>;
  /** Some of what is visible, hidden from others until it is removed. */
  receive(): Promise<readonly ReceivedForTest[]>;
  close(): Promise<void>;
};

export function jobQueueContract(name: string, open: () => Promise<JobQueueUnderTest>): void {
  describe(`${name} keeps the job queue's contract`, () => {
    let under: JobQueueUnderTest;
    beforeAll(async () => {
      under = await open();
    });
    afterAll(() => under.close());

    const jobs = (count: number, spoolId: string) =>
      Array.from({ length: count }, (_, i) => ({
        job: { version: 1 as const, spoolId, deliveryKey: `key${i}` },
        group: `hop-${i % 3}`,
      }));
    const drain = async (count: number): Promise<readonly ReceivedForTest[]> => {
      const received: ReceivedForTest[] = [];
      await vi.waitFor(
        async () => {
          received.push(...(await under.receive()));
          expect(received.length).toBeGreaterThanOrEqual(count);
        },
        { timeout: 10_000, interval: 5 },
      );
      return received;
    };

    it('says nothing to nobody', async () => {
      await under.queue.send([]);
      expect(await under.queue.depth()).toEqual({ visible: 0, inFlight: 0 });
    });

    it.each([1, 10, 11, 137])('delivers %i jobs, each with its group', async (count) => {
      const sent = jobs(count, `many-${count}-ü "quoted" \u{1f4e8}`);
      await under.queue.send(sent);
      const received = await drain(count);
      const order = (a: string, b: string) => (a < b ? -1 : 1);
      expect(received.map(({ job, group }) => JSON.stringify({ job, group })).sort(order)).toEqual(
        sent.map((each) => JSON.stringify(each)).sort(order),
      );
      await Promise.all(received.map((each) => each.remove()));
    });

    it('gives a delayed job to nobody before its time, and counts it as waiting', async () => {
      const [one] = jobs(1, 'delayed');
      if (one === undefined) throw new Error('one job');
      await under.queue.send([{ ...one, delayMs: 1 }]);
      await vi.waitFor(async () => expect((await under.queue.depth()).visible).toBe(1), { timeout: 10_000 });
      expect(await under.receive()).toEqual([]);
      await under.passes(1_000);
      const received = await drain(1);
      expect(received.map(({ job }) => job)).toEqual([one.job]);
      await Promise.all(received.map((each) => each.remove()));
    });

    it('counts what waits and what is being worked on', async () => {
      await under.queue.send(jobs(3, 'depth'));
      await vi.waitFor(async () => expect(await under.queue.depth()).toEqual({ visible: 3, inFlight: 0 }), {
        timeout: 10_000,
      });
      const received = await drain(3);
      await vi.waitFor(async () => expect(await under.queue.depth()).toEqual({ visible: 0, inFlight: 3 }), {
        timeout: 10_000,
      });
      await Promise.all(received.map((each) => each.remove()));
      await vi.waitFor(async () => expect(await under.queue.depth()).toEqual({ visible: 0, inFlight: 0 }), {
        timeout: 10_000,
      });
    });

    it('sends the same job as often as it is asked to', async () => {
      const [same] = jobs(1, 'twice');
      await under.queue.send([same, same] as { job: Job; group: string }[]);
      const received = await drain(2);
      expect(received.map(({ job }) => job)).toEqual([same?.job, same?.job]);
      await Promise.all(received.map((each) => each.remove()));
    });
  });
}
