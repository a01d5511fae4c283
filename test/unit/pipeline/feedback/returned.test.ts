// A job for a message that came back, at an odd moment: when its row has gone on to the postmaster, when somebody else
// settled it meanwhile, when its content is not to be had. And whose word a report is: a program's, never a person's.

import { describe, expect, it } from 'vitest';
import { MemoryClock, MemoryEntropy } from '#adapters/memory/clock.ts';
import { MemoryJobQueue } from '#adapters/memory/job-queue.ts';
import { MemoryLedger } from '#adapters/memory/ledger.ts';
import { MemorySpool } from '#adapters/memory/spool.ts';
import { MemoryWatch } from '#adapters/memory/watch.ts';
import { type DeliveryRow, deliveryId } from '#core/delivery/delivery.ts';
import { returnsHop } from '#core/delivery/destination.ts';
import { heldByOperator } from '#core/delivery/hold-release.ts';
import { feedbackLeaseMs, feedbackVisibilityMs, lostJobAfterMs, maxReceiveCount } from '#core/limits.ts';
import { tokenAddress, tokenOf } from '#core/routing/return-path.ts';
import { compileRoutes } from '#core/routing/routes.ts';
import { returned } from '#pipeline/feedback/returned.ts';
import { facts, queued, T0 } from '../../../contract/rows.ts';
import { outcomesOf } from '../../../kit/board.ts';
import { pipelineSettings } from '../../../kit/pipeline.ts';

const NEVER = new AbortController().signal;
const delivery = queued('m1', { state: 'relayed', dueAt: null, attempts: 1, returnPath: 'token' });
const token = tokenOf('key', deliveryId(delivery));
const path = tokenAddress(token, pipelineSettings.returnPathDomain);
const REPORT = [
  ...[
    'From: MAILER-DAEMON@mx.far.example',
    'Content-Type: multipart/report; report-type=delivery-status; boundary="b"',
    '',
  ],
  ...['--b', 'Content-Type: text/plain', '', 'It failed.', '--b', 'Content-Type: message/delivery-status', ''],
  ...['Reporting-MTA: dns; mx.far.example', '', 'Final-Recipient: rfc822; bob@far.example', 'Action: failed'],
  ...['Status: 5.1.1', '--b--', ''],
].join('\r\n');

async function at(change: Partial<DeliveryRow> = {}, reversePath = '', content = REPORT) {
  const clock = new MemoryClock(T0 + 1_000);
  const [ledger, spool, watch] = [new MemoryLedger(), new MemorySpool(), new MemoryWatch()];
  const queue = () => new MemoryJobQueue({ clock, visibilityMs: feedbackVisibilityMs, maxReceiveCount });
  const row = queued('r1', {
    forwardPath: path,
    address: path,
    nextHop: returnsHop,
    message: facts('r1', { reversePath }),
    ...change,
  });
  spool.put('in/r1', Buffer.from(content));
  await ledger.create([delivery], null);
  await ledger.create([row], null);
  await ledger.keepToken(token, delivery, T0 + 1e10);
  const ports = {
    ...{ settings: pipelineSettings, routes: compileRoutes(pipelineSettings.routes), ledger, spool, watch, clock },
    ...{ relayQueue: queue(), bounceQueue: queue(), entropy: new MemoryEntropy(1), markKey: 'key' },
    ...{ leaseMs: feedbackLeaseMs, sweepAgainMs: lostJobAfterMs, outcomes: outcomesOf({ clock, watch }) },
  };
  const run = () => returned(ports, { version: 1, spoolId: 'r1', deliveryKey: row.deliveryKey }, NEVER);
  const standing = async (of: DeliveryRow) => {
    const found = await ledger.read(of);
    if (found === null) throw new Error('the row is gone');
    return found;
  };
  return { ports, run, row, standing, spool, watch };
}

it('a report is joined to its delivery, and what was opened for it is closed', async () => {
  const { run, standing, row, spool, ports } = await at();
  await run();
  expect(await standing(delivery)).toMatchObject({ state: 'failed', lastReason: 'reported-failed' });
  expect(await standing(row)).toMatchObject({ state: 'discarded', leaseUntil: null, claims: 0 });
  expect(ports.bounceQueue.receive(10).map(({ job }) => job.spoolId)).toEqual(['m1']);
  expect(spool.openCount).toBe(0);
});
it('one of megabytes is read up to its limit, and closed too', async () => {
  const { run, standing, spool } = await at({}, '', `${REPORT}${'x'.repeat(3_000_000)}`);
  await run();
  expect((await standing(delivery)).state).toBe('failed');
  expect(spool.openCount).toBe(0);
});
it('what a person wrote with the words of a report is no report: it goes to the postmaster', async () => {
  const { run, standing, row, ports } = await at({}, 'eve@far.example');
  await run();
  expect(await standing(delivery)).toMatchObject({ state: 'relayed' });
  expect(await standing(row)).toMatchObject({ state: 'queued', nextHop: 'exchange' });
  expect(ports.relayQueue.receive(10)).toHaveLength(1);
});

describe('a late job', () => {
  it('for a message that has gone on to the postmaster gives the lease back, and relay a job', async () => {
    const { run, standing, row, ports } = await at({ nextHop: 'exchange' });
    expect(await run()).toMatchObject({ became: 'not-ours' });
    expect(await standing(row)).toMatchObject({ state: 'queued', nextHop: 'exchange', leaseUntil: null, claims: 0 });
    expect(ports.relayQueue.receive(10).map(({ job, group }) => [job.spoolId, group])).toEqual([['r1', 'exchange']]);
  });
  it('whose row somebody else settled meanwhile leaves it as it is, and says so', async () => {
    const { run, standing, row, ports } = await at();
    const open = ports.spool.open.bind(ports.spool);
    ports.spool.open = async (objectKey, signal) => {
      const { row: held, events } = heldByOperator(await standing(row), T0 + 1_000);
      await ports.ledger.write(held, events);
      return open(objectKey, signal);
    };
    await run();
    const after = await standing(row);
    expect(after).toMatchObject({ state: 'held', stateReason: 'held-by-operator' });
    expect(after.trace.at(-1)).toMatchObject({ event: 'IGNORE', reason: 'late-return' });
  });
});

it.each(['denied', 'missing'] as const)('content that is %s is put off and calls somebody', async (cause) => {
  const { run, standing, row, spool, watch } = await at();
  spool.spoil('in/r1', cause);
  await run();
  expect(await standing(row)).toMatchObject({ state: 'deferred', attempts: 1, lastReason: 'content-unreadable' });
  expect([watch.total('ContentUnreadable'), watch.total('Deferred')]).toEqual([1, 1]);
});
