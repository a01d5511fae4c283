// What relay tells a next hop about a message, apart from its bytes: who it is from and for, how long it is, by which
// name later events are joined, and whether its author is to be believed. Asked of the next hop, which counts what it
// was handed.

import { describe, expect, it } from 'vitest';
import { MemoryBounceService } from '#adapters/memory/bounce-service.ts';
import { MemoryClock, MemoryEntropy } from '#adapters/memory/clock.ts';
import { MemoryJobQueue } from '#adapters/memory/job-queue.ts';
import { MemoryLedger } from '#adapters/memory/ledger.ts';
import { MemoryNextHop } from '#adapters/memory/next-hop.ts';
import { MemorySpool } from '#adapters/memory/spool.ts';
import { MemoryWatch } from '#adapters/memory/watch.ts';
import { type DeliveryRow, deliveryId, type Verdicts } from '#core/delivery/delivery.ts';
import { noticeKeyOf } from '#core/delivery/key.ts';
import { failedAtBirth, newNotice } from '#core/delivery/progress.ts';
import { batchBytesMax, lostJobAfterMs, maxReceiveCount, relayVisibilityMs, smtpLeaseMs } from '#core/limits.ts';
import { statusOf } from '#core/reply/status.ts';
import type { Transaction } from '#pipeline/ports.ts';
import { byteBudget } from '#pipeline/relay/byte-budget.ts';
import { relay } from '#pipeline/relay/relay.ts';
import type { RelayPorts } from '#pipeline/relay/relay-ports.ts';
import { facts, queued, T0 } from '../../contract/rows.ts';
import { relayBeside } from '../../kit/board.ts';
import { pipelineSettings } from '../../kit/pipeline.ts';

const NEVER = new AbortController().signal;
const RETURN_PATH = 'Return-Path: <ann@src.example>\r\n'; // SES's, which goes
const CONTENT = Buffer.from(`${RETURN_PATH}Subject: x\r\n\r\n${'x'.repeat(5_000)}\r\n`);

/** The transaction that the next hop was given, and how many bytes came with it. */
async function handed(row: DeliveryRow, beside: readonly DeliveryRow[] = []) {
  const clock = new MemoryClock(row.nextAttemptAt);
  const [ledger, spool, taken] = [new MemoryLedger(), new MemorySpool(), new MemoryNextHop()];
  let seen: Transaction | null = null;
  const attempt: typeof taken.attempt = (transaction, signal) => {
    seen = transaction;
    return taken.attempt(transaction, signal);
  };
  spool.put('in/m1', CONTENT);
  await ledger.create([...beside, row], null);
  const watch = new MemoryWatch();
  const ports: RelayPorts = {
    ...{ settings: pipelineSettings, spool, ledger, clock, watch, entropy: new MemoryEntropy(1) },
    ...relayBeside({ clock, watch }),
    bounceQueue: new MemoryJobQueue({ clock, visibilityMs: relayVisibilityMs, maxReceiveCount }),
    nextHop: () => ({ attempt, close: async () => {} }),
    ...{ bounceService: new MemoryBounceService(), budget: byteBudget(batchBytesMax), markKey: 'key' },
    ...{ leaseMs: smtpLeaseMs, sweepAgainMs: lostJobAfterMs },
  };
  await relay(ports, { version: 1, spoolId: row.spoolId, deliveryKey: row.deliveryKey }, NEVER);
  if (seen === null) throw new Error('no attempt was made');
  return { transaction: seen as Transaction, bytes: taken.accepted[0]?.content.byteLength };
}
const verdicts = (dmarc: Verdicts['dmarc']): Verdicts => {
  return { spam: 'PASS', virus: 'PASS', spf: 'PASS', dkim: 'PASS', dmarc, dmarcPolicy: null };
};

describe('a message', () => {
  it('is announced with its length, all of it, and under its delivery’s own name', async () => {
    const row = queued('m1', { address: 'bob@inside.example' });
    const { transaction, bytes } = await handed(row);
    expect(transaction.bytes).toBe((bytes ?? 0) + RETURN_PATH.length); // never less than comes (RFC 1870 §6.1)
    expect(bytes).toBeGreaterThan(CONTENT.length);
    expect(transaction.tag).toBe(deliveryId(row));
    expect(transaction.reversePath?.address).toBe('ann@src.example');
    expect(transaction.forwardPaths.map(({ address }) => address)).toEqual(['bob@inside.example']);
  });
  it('tells a next hop that signs what speaks for its author: SES’s verdicts, and the reverse-path that they are of', async () => {
    const found = verdicts('GRAY');
    const message = facts('m1', { verdicts: found, reversePath: 'ann@src.example' });
    const { transaction } = await handed(queued('m1', { message, address: 'bob@inside.example' }));
    expect(transaction.author).toEqual({ by: 'receipt', verdicts: found, reversePath: 'ann@src.example' });
  });
  it('whose receipt was lost has nothing that speaks for its author', async () => {
    const message = facts('m1', { verdicts: null });
    expect((await handed(queued('m1', { message }))).transaction.author).toMatchObject({ verdicts: null });
  });
  it('with the null reverse-path leaves with it', async () => {
    const message = facts('m1', { reversePath: '' });
    expect((await handed(queued('m1', { message }))).transaction.reversePath).toBeNull();
  });
});

it('a notice is announced so too, and never has a reverse-path', async () => {
  const failed = failedAtBirth(queued('m1'), statusOf('5.1.1'), 'no-route', 'no such recipient', T0);
  const given = { to: 'ann@src.example', via: 'exchange', lifetimeMs: 1e9, sweepAgainMs: lostJobAfterMs };
  const notice = newNotice(failed, { key: noticeKeyOf(failed.deliveryKey, 'ndr'), ...given }, T0);
  const { transaction, bytes } = await handed(notice, [failed]);
  expect([transaction.reversePath, transaction.bytes, transaction.tag]).toEqual([null, bytes, deliveryId(notice)]);
  expect(transaction.forwardPaths.map(({ address }) => address)).toEqual(['ann@src.example']);
});
