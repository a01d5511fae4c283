// What the memory ports do beside their contracts: the consumer's side of the queue, the scripted next hop, and dying
// on time. No emulators here.

import { describe, expect, it } from 'vitest';
import { MemoryClock, MemoryEntropy } from '#adapters/memory/clock.ts';
import { Crash, Interrupt } from '#adapters/memory/interrupt.ts';
import { MemoryJobQueue } from '#adapters/memory/job-queue.ts';
import { MemoryLedger } from '#adapters/memory/ledger.ts';
import { MemoryNextHop } from '#adapters/memory/next-hop.ts';
import { MemorySpool } from '#adapters/memory/spool.ts';
import type { Mailbox } from '#core/message/address.ts';
import { ContentUnreadable, type Transaction } from '#pipeline/ports.ts';
import { newSpoolId, queued } from './rows.ts';

const { signal } = new AbortController();
const mailbox = (address: string): Mailbox => ({
  address,
  localPart: address.split('@')[0] ?? '',
  domain: 'x',
  domainKey: 'x',
});

function transaction(read: { count: number }, ...addresses: string[]): Transaction {
  async function* content() {
    read.count += 1;
    yield Buffer.from('Subject: x\r\n');
    yield Buffer.from('\r\nbody\r\n');
  }
  return { reversePath: null, forwardPaths: addresses.map(mailbox), bytes: null, content: content() };
}

describe('MemoryNextHop', () => {
  it('keeps what it accepts, byte for byte, and reads content only after 354', async () => {
    const read = { count: 0 };
    const hop = new MemoryNextHop(({ address }) =>
      address === 'no@x' ? { code: 550, status: '5.1.1', at: 'rcpt' } : { code: 250 },
    );
    expect(await hop.attempt(transaction(read, 'no@x'), signal)).toMatchObject([
      { kind: 'reply', phase: 'rcpt', reply: { code: 550, status: '5.1.1' } },
    ]);
    expect(read.count).toBe(0);
    expect(await hop.attempt(transaction(read, 'a@x', 'no@x', 'b@x'), signal)).toMatchObject([
      { phase: 'final-dot' },
      { phase: 'rcpt' },
      { phase: 'final-dot' },
    ]);
    expect(
      hop.accepted.map(({ forwardPath, content }) => [forwardPath.address, Buffer.from(content).toString()]),
    ).toEqual([
      ['a@x', 'Subject: x\r\n\r\nbody\r\n'],
      ['b@x', 'Subject: x\r\n\r\nbody\r\n'],
    ]);
  });
  it('can accept without anybody hearing so', async () => {
    const hop = new MemoryNextHop((_, attempt) =>
      attempt === 1 ? { fault: 'connection-lost', at: 'final-dot', accepted: true } : { code: 250 },
    );
    expect(await hop.attempt(transaction({ count: 0 }, 'a@x'), signal)).toMatchObject([
      { kind: 'network', fault: 'connection-lost', phase: 'final-dot' },
    ]);
    expect(hop.accepted).toHaveLength(1);
    await hop.attempt(transaction({ count: 0 }, 'a@x'), signal);
    expect(hop.accepted).toHaveLength(2);
  });
  it('accepts nothing of content that breaks off', async () => {
    const hop = new MemoryNextHop();
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield Buffer.from('half');
      throw new ContentUnreadable('unavailable', 'gone');
    }
    const result = await hop.attempt({ ...transaction({ count: 0 }, 'a@x'), content: broken() }, signal);
    expect(result).toEqual([{ kind: 'content', cause: 'unavailable', detail: 'gone' }]);
    expect(hop.accepted).toEqual([]);
  });
});

describe('MemoryJobQueue', () => {
  const job = { version: 1 as const, spoolId: 's', deliveryKey: 'k' };
  const made = () => {
    const clock = new MemoryClock(0);
    return { clock, queue: new MemoryJobQueue({ clock, visibilityMs: 1_000, maxReceiveCount: 2 }) };
  };
  it('shows a job again after its visibility timeout, and buries it after its last receive', async () => {
    const { clock, queue } = made();
    await queue.send([{ job, group: 'g' }]);
    expect(queue.receive(10)).toMatchObject([{ job, receives: 1 }]);
    expect(queue.receive(10)).toEqual([]);
    expect(queue.nextVisibleAt()).toBe(1_000);
    clock.advance(1_000);
    expect(queue.receive(10)).toMatchObject([{ receives: 2 }]);
    clock.advance(1_000);
    expect(queue.receive(10)).toEqual([]);
    expect(queue.deadLetters).toEqual([job]);
    expect(await queue.depth()).toEqual({ visible: 0, inFlight: 0 });
    await queue.redrive();
    expect(queue.receive(10)).toMatchObject([{ job, receives: 1 }]);
  });
});

describe('MemorySpool', () => {
  it('can be spoilt and mended', async () => {
    const spool = new MemorySpool();
    spool.put('k', Buffer.from('content'));
    spool.spoil('k', 'denied');
    expect(await spool.open('k', signal)).toMatchObject({ kind: 'unreadable', cause: 'denied' });
    spool.spoil('k', null);
    spool.breakAfter('k', 3);
    const content = await spool.open('k', signal);
    let read = '';
    const reading = (async () => {
      if (content.kind === 'opened') for await (const chunk of content.chunks) read += Buffer.from(chunk).toString();
    })();
    await expect(reading).rejects.toThrow(ContentUnreadable);
    expect(read).toBe('con');
    expect(spool.openCount).toBe(0);
  });
});

describe('MemoryClock and MemoryEntropy', () => {
  it('move only when told to, and never back', () => {
    const clock = new MemoryClock(5);
    clock.advanceTo(9);
    expect(clock.now()).toBe(9);
    expect(() => clock.advanceTo(8)).toThrow();
  });
  it('give the same fractions for the same seed, all within [0, 1)', () => {
    const [a, b, c] = [new MemoryEntropy(1), new MemoryEntropy(1), new MemoryEntropy(2)];
    const draw = (from: MemoryEntropy) => Array.from({ length: 1_000 }, () => from.fraction());
    const [first, second, third] = [draw(a), draw(b), draw(c)];
    expect(first).toEqual(second);
    expect(first).not.toEqual(third);
    expect(first.every((fraction) => fraction >= 0 && fraction < 1)).toBe(true);
    expect(Math.abs(first.reduce((sum, fraction) => sum + fraction, 0) / 1_000 - 0.5)).toBeLessThan(0.05);
  });
});

describe('Interrupt', () => {
  it('counts calls over all ports', async () => {
    const interrupt = new Interrupt();
    const ledger = interrupt.wrap('ledger', new MemoryLedger());
    const spool = interrupt.wrap('spool', new MemorySpool());
    const row = queued(newSpoolId());
    await ledger.create([row], null);
    await spool.open('none', signal);
    expect(ledger.all()).toHaveLength(1); // controls pass, uncounted
    expect(interrupt.calls).toEqual(['ledger.create', 'spool.open']);
  });
  it.each(['before', 'after'] as const)('dies %s a call, and stays dead', async (when) => {
    const inner = new MemoryLedger();
    const interrupt = Interrupt.at(2, when);
    const ledger = interrupt.wrap('ledger', inner);
    const row = queued(newSpoolId());
    await ledger.read(row);
    await expect(ledger.create([row], null)).rejects.toThrow(Crash);
    expect(inner.all()).toHaveLength(when === 'after' ? 1 : 0);
    await expect(ledger.read(row)).rejects.toThrow(Crash);
    expect(interrupt.crashed).toBe(true);
    expect(interrupt.calls).toEqual(['ledger.read', 'ledger.create']);
  });
  it('lets a hook fail one call without a crash', async () => {
    const interrupt = new Interrupt(({ index, when }) => {
      if (index === 1 && when === 'before') throw new Error('throttled');
    });
    const ledger = interrupt.wrap('ledger', new MemoryLedger());
    await expect(ledger.read(queued('x'))).rejects.toThrow('throttled');
    expect(await ledger.read(queued('x'))).toBeNull();
  });
});
