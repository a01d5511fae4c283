// What every store of the failure limit's counts promises (pipeline/relay/failure-counts.ts), asked of the memory store
// and of DynamoFailures on the emulator; and that two functions which know nothing of each other leave none out.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DynamoFailures } from '#adapters/aws/dynamo-failures.ts';
import { MemoryClock } from '#adapters/memory/clock.ts';
import { MemoryFailures } from '#adapters/memory/failures.ts';
import { MemoryWatch } from '#adapters/memory/watch.ts';
import { failureLimitMs } from '#core/limits.ts';
import { classify } from '#core/reply/classify.ts';
import { FailureCounts, type FailureStore } from '#pipeline/relay/failure-counts.ts';
import { ledgerTable, openDynamoDb } from './emulated-aws.ts';
import { queued } from './rows.ts';

const T0 = 1_780_000_000_000;
const UNTIL = T0 + failureLimitMs;
const nope = classify({
  tls: true,
  ...{ kind: 'reply', phase: 'rcpt' },
  reply: { code: 550, status: '5.0.0', text: 'Nope', host: 'mx' },
} as Parameters<typeof classify>[0]);
const refusedTo = (address: string) => queued('m', { address });

function storeContract(name: string, open: () => Promise<{ store: FailureStore; close(): Promise<void> }>): void {
  describe(`${name} keeps the contract of a failure store`, () => {
    let under: Awaited<ReturnType<typeof open>>;
    beforeAll(async () => {
      under = await open();
    });
    afterAll(() => under.close());

    it('has no record at first, and gives back what was written', async () => {
      const count = { key: 'one', version: 0, failures: [{ address: 'r', at: T0 }] };
      expect(await under.store.failureCount('one')).toBeNull();
      expect(await under.store.writeFailureCount(count, UNTIL)).toBe('written');
      expect(await under.store.failureCount('one')).toEqual({ ...count, version: 1 });
    });
    it('refuses a write over a version that was not read', async () => {
      const count = { key: 'two', version: 0, failures: [] };
      expect(await under.store.writeFailureCount({ ...count, version: 3 }, UNTIL)).toBe('lost');
      expect(await under.store.writeFailureCount(count, UNTIL)).toBe('written');
      expect(await under.store.writeFailureCount(count, UNTIL)).toBe('lost');
      expect(await under.store.writeFailureCount({ ...count, version: 1 }, UNTIL)).toBe('written');
      expect((await under.store.failureCount('two'))?.version).toBe(2);
    });
    it('two functions at the same time: the first ten of forty recipients are under the limit', async () => {
      const ports = { store: under.store, clock: new MemoryClock(T0), watch: new MemoryWatch() };
      const functions = [new FailureCounts(ports, failureLimitMs), new FailureCounts(ports, failureLimitMs)];
      const over = await Promise.all(
        Array.from({ length: 40 }, (_, i) => functions[i % 2]?.isOver(refusedTo(`r${i}@example.com`), nope)),
      );
      expect(over.filter((each) => each === false)).toHaveLength(10);
      // An acceptance that one of them saw opens it for both.
      await functions[0]?.accepted(queued('m', {}));
      expect(await functions[1]?.isOver(refusedTo('new@example.com'), nope)).toBe(false);
    });
  });
}

storeContract('MemoryFailures', async () => ({ store: new MemoryFailures(), close: async () => {} }));
storeContract('DynamoFailures, on the emulator,', async () => {
  const { client, close } = await openDynamoDb();
  return { store: new DynamoFailures(client, ledgerTable.TableName), close };
});

describe('FailureCounts', () => {
  it('makes no call for an acceptance where it counted no failure within the hour', async () => {
    const [clock, watch, inner] = [new MemoryClock(T0), new MemoryWatch(), new MemoryFailures()];
    let calls = 0;
    const store: FailureStore = {
      failureCount: (key) => {
        calls += 1;
        return inner.failureCount(key);
      },
      writeFailureCount: (count) => inner.writeFailureCount(count),
    };
    const counts = new FailureCounts({ store, clock, watch }, failureLimitMs);
    await counts.accepted(queued('m', {}));
    expect(calls).toBe(0);
    await counts.isOver(refusedTo('bob@example.com'), nope);
    clock.advance(failureLimitMs);
    await counts.accepted(queued('m', {}));
    expect(calls).toBe(1);
  });

  it('counts neither a notice, nor a copy, nor what a rule knows', async () => {
    const [clock, watch, store] = [new MemoryClock(T0), new MemoryWatch(), new MemoryFailures()];
    const counts = new FailureCounts({ store, clock, watch }, failureLimitMs);
    const known = classify({
      ...{ kind: 'reply', phase: 'rcpt' },
      reply: { code: 550, status: '5.1.1', text: 'No such user', host: 'mx' },
    } as Parameters<typeof classify>[0]);
    for (let i = 0; i < 20; i += 1) {
      const address = `r${i}@example.com`;
      expect(await counts.isOver(queued('m', { address, kind: 'notice' }), nope)).toBe(false);
      expect(await counts.isOver(queued('m', { address, copy: true }), nope)).toBe(false);
      expect(await counts.isOver(refusedTo(address), known)).toBe(false);
    }
    expect(await counts.isOver(refusedTo('bob@example.com'), nope)).toBe(false);
  });
});
