// Bounce, asked a second time: what was decided on a failure stays decided, is counted once, and is looked at again by the sweep.

import { describe, expect, it } from 'vitest';
import { MemoryClock } from '#adapters/memory/clock.ts';
import { MemoryJobQueue } from '#adapters/memory/job-queue.ts';
import { MemoryLedger } from '#adapters/memory/ledger.ts';
import { MemoryWatch } from '#adapters/memory/watch.ts';
import type { Settings } from '#config/settings.ts';
import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { noticeKeyOf } from '#core/delivery/key.ts';
import { failedAtBirth } from '#core/delivery/progress.ts';
import { bounceVisibilityMs, lostJobAfterMs, maxReceiveCount } from '#core/limits.ts';
import { statusOf } from '#core/reply/status.ts';
import { bounce } from '#pipeline/bounce/bounce.ts';
import { facts, queued, T0 } from '../../contract/rows.ts';
import { townSettings } from '../../simulation/town.ts';

/** Nobody vouches for its reverse-path: notices to such are counted. */
const unverified = {
  spam: 'PASS',
  virus: 'PASS',
  spf: 'GRAY',
  dkim: 'GRAY',
  dmarc: 'GRAY',
  dmarcPolicy: null,
} as const;
const failed = (spoolId: string): DeliveryRow =>
  failedAtBirth(
    queued(spoolId, { message: facts(spoolId, { verdicts: unverified }) }),
    statusOf('5.1.1'),
    'no-route',
    'no such recipient',
    T0,
  );

async function at(perDomainPerHour: number, ...rows: readonly DeliveryRow[]) {
  const clock = new MemoryClock(T0 + 1);
  const ledger = new MemoryLedger();
  for (const row of rows) await ledger.create([row], null);
  const relayQueue = new MemoryJobQueue({ clock, visibilityMs: bounceVisibilityMs, maxReceiveCount });
  const settings: Settings = { ...townSettings, notices: { ...townSettings.notices, perDomainPerHour } };
  const ports = { settings, ledger, relayQueue, clock, watch: new MemoryWatch(), sweepAgainMs: lostJobAfterMs };
  const asked = async ({ spoolId, deliveryKey }: DeliveryRow, given = settings) =>
    (await bounce({ ...ports, settings: given }, { version: 1, spoolId, deliveryKey })).became;
  return { asked, ledger, relayQueue, clock, settings };
}

describe('the number of notices to a domain in an hour', () => {
  it('is counted once for a failure, however often bounce is asked; the next failure is beyond it', async () => {
    const [first, second] = [failed('m1'), failed('m2')];
    const { asked, ledger, clock } = await at(1, first, second);
    const write = ledger.write.bind(ledger);
    ledger.write = async () => {
      ledger.write = write;
      throw new Error('we die after the notice was written, and before the delivery says so');
    };
    await expect(asked(first)).rejects.toThrow('we die');
    expect([await asked(first), await asked(first)]).toEqual(Array(2).fill('notice-queued'));
    expect(await asked(second)).toBe('unreturnable');
    expect((await ledger.read(second))?.notice).toMatchObject({ reason: 'domain-limit' });
    clock.advance(3_600_000);
    const third = failed('m3');
    await ledger.create([third], null);
    expect(await asked(third)).toBe('notice-queued');
  });
});

it('a notice that is on its way is not withheld by a configuration that changed meanwhile', async () => {
  const row = failed('m1');
  const { asked, ledger, settings } = await at(100, row);
  await asked(row);
  const holding = { ...settings, notices: { ...settings.notices, mode: 'hold' as const } };
  expect(await asked(row, holding)).toBe('notice-queued');
  expect(await ledger.read(row)).toMatchObject({ state: 'failed', notice: { state: 'queued' } });
});

it('a delivery whose notice is queued is looked at again after the notice’s next attempt, not before', async () => {
  const row = failed('m1');
  const { asked, ledger, clock } = await at(100, row);
  await asked(row);
  expect((await ledger.read(row))?.dueAt).toBe(clock.now() + lostJobAfterMs);
  const notice = await ledger.read({ spoolId: 'm1', deliveryKey: noticeKeyOf(row.deliveryKey, 'ndr') });
  if (notice === null) throw new Error('no notice');
  const nextAttemptAt = clock.now() + 3_600_000;
  await ledger.write({ ...notice, state: 'deferred', attempts: 1, nextAttemptAt }, []);
  await asked(row);
  expect((await ledger.read(row))?.dueAt).toBe(nextAttemptAt + lostJobAfterMs);
});

it('a notice that was attempted has a schedule of its own: no job is sent for it', async () => {
  const row = failed('m1');
  const { asked, ledger, relayQueue } = await at(100, row);
  await asked(row);
  await asked(row);
  expect((await relayQueue.depth()).visible).toBe(2); // it was not attempted yet: a lost job is sent again
  const notice = await ledger.read({ spoolId: 'm1', deliveryKey: noticeKeyOf(row.deliveryKey, 'ndr') });
  if (notice === null) throw new Error('no notice');
  await ledger.write({ ...notice, state: 'deferred', attempts: 1 }, []);
  await asked(row);
  expect((await relayQueue.depth()).visible).toBe(2);
});
