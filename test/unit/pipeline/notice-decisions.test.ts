// Bounce, asked a second time: what was decided on a failure stays decided, is counted once, and is looked at again by
// the sweep.

import { describe, expect, it } from 'vitest';
import { MemoryClock } from '#adapters/memory/clock.ts';
import { MemoryJobQueue } from '#adapters/memory/job-queue.ts';
import { MemoryLedger } from '#adapters/memory/ledger.ts';
import { MemoryWatch } from '#adapters/memory/watch.ts';
import type { Settings } from '#config/settings.ts';
import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { noticeKeyOf } from '#core/delivery/key.ts';
import { failedAtBirth } from '#core/delivery/progress.ts';
import { feedbackVisibilityMs, lostJobAfterMs, maxReceiveCount } from '#core/limits.ts';
import { statusOf } from '#core/reply/status.ts';
import { bounce } from '#pipeline/bounce/bounce.ts';
import { facts, queued, T0 } from '../../contract/rows.ts';
import { pipelineSettings } from '../../kit/pipeline.ts';

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
  const relayQueue = new MemoryJobQueue({ clock, visibilityMs: feedbackVisibilityMs, maxReceiveCount });
  const settings: Settings = { ...pipelineSettings, notices: { ...pipelineSettings.notices, perDomainPerHour } };
  const watch = new MemoryWatch();
  const ports = { settings, ledger, relayQueue, clock, watch, sweepAgainMs: lostJobAfterMs };
  const asked = async ({ spoolId, deliveryKey }: DeliveryRow, given = settings) =>
    (await bounce({ ...ports, settings: given }, { version: 1, spoolId, deliveryKey })).became;
  return { asked, ledger, relayQueue, clock, settings, watch };
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

describe('the number of notices of a message that nothing vouches for', () => {
  /** Deliveries of one message to as many recipients, all failed. */
  const many = (count: number) =>
    Array.from({ length: count }, (_, index) => ({
      ...failed('m1'),
      deliveryKey: `key${index}`,
      forwardPath: `r${index}@example.com`,
    }));

  it('is five, and the same five however often bounce dies and is asked again', async () => {
    const rows = many(8);
    const { asked, ledger } = await at(1_000, ...rows);
    const create = ledger.create.bind(ledger);
    for (const row of rows) {
      for (let deaths = 0; deaths < 3; deaths += 1) {
        ledger.create = async () => {
          ledger.create = create;
          throw new Error('we die after the notice was counted, and before it was written');
        };
        await asked(row).catch(() => {});
      }
      ledger.create = create;
    }
    const became = [];
    for (const row of rows) became.push(await asked(row));
    expect(became.slice(0, 5)).toEqual(Array(5).fill('notice-queued'));
    const beyond = await Promise.all(rows.slice(5).map((row) => ledger.read(row)));
    for (const row of beyond)
      expect(row).toMatchObject({ state: 'unreturnable', notice: { state: 'unreturnable', reason: 'message-limit' } });
    expect(beyond.map((row) => row?.trace.at(-1)?.event)).toEqual(Array(3).fill('SUPPRESSED'));
  });
});

it('the limit on all notices calls a person; the others call nobody', async () => {
  const { asked, ledger, watch } = await at(1_000);
  const [countUpTo, countOnce] = [ledger.countUpTo.bind(ledger), ledger.countOnce.bind(ledger)];
  for (const [limit, called] of [
    ['/of/', false],
    ['/to/', false],
    ['/in/', false],
    ['/all/', true],
  ] as const) {
    const row = { ...failed('m3'), spoolId: `m${limit}` };
    await ledger.create([row], null);
    ledger.countOnce = (name, key, max) => (name.includes(limit) ? Promise.resolve(false) : countOnce(name, key, max));
    ledger.countUpTo = (name, max) => (name.includes(limit) ? Promise.resolve(false) : countUpTo(name, max));
    expect(await asked(row)).toBe('unreturnable');
    expect([limit, watch.total('NoticeLimit') > 0]).toEqual([limit, called]);
  }
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
