// A queue that takes nothing: the stage that wanted to send must fail, so that its own job comes again. One that goes
// on all the same leaves what it wrote to the sweep, a quarter of an hour later; or, where nothing is due, for good.

import { describe, expect, it } from 'vitest';
import { MemoryClock } from '#adapters/memory/clock.ts';
import { MemoryLedger } from '#adapters/memory/ledger.ts';
import { MemoryWatch } from '#adapters/memory/watch.ts';
import { type DeliveryRow, deliveryId } from '#core/delivery/delivery.ts';
import { failedAtBirth } from '#core/delivery/progress.ts';
import { hopTimes } from '#core/delivery/waiting.ts';
import { expiryHourMs, lostAnywayAfterMs, lostJobAfterMs } from '#core/limits.ts';
import { statusOf } from '#core/reply/status.ts';
import { bounce } from '#pipeline/bounce/bounce.ts';
import { feedback } from '#pipeline/feedback/feedback.ts';
import { release, remove } from '#pipeline/operate/operate.ts';
import type { JobQueue } from '#pipeline/ports.ts';
import { sweep } from '#pipeline/sweep/sweep.ts';
import { facts, queued, T0 } from '../contract/rows.ts';
import { boardOf, outcomesOf } from '../kit/board.ts';
import { pipelineSettings, TestPipeline } from '../kit/pipeline.ts';
import { bySes, say } from './ses-events.ts';

const NEVER = new AbortController().signal;
const ANN = 'ann@src.example';
const BOB = 'bob@example.com';
const ok = { code: 250, status: '2.0.0', text: 'Ok' };
const no = { code: 550, status: '5.1.1', text: 'no such user', at: 'rcpt' } as const;
const shut: JobQueue = {
  send: async () => {
    await Promise.resolve();
    throw new Error('the queue takes nothing');
  },
  depth: async () => ({ visible: 0, inFlight: 0 }),
};

async function portsWith(...rows: readonly DeliveryRow[]) {
  const ledger = new MemoryLedger();
  const clock = new MemoryClock(T0 + 1_000_000);
  for (const row of rows) await ledger.create([row], null);
  const queues = { relayQueue: shut, slowRelayQueue: shut, bounceQueue: shut, feedbackQueue: shut };
  const times = {
    ...{ sweepAgainMs: lostJobAfterMs, lostAnywayMs: lostAnywayAfterMs, hourMs: expiryHourMs },
    hopTimes: hopTimes(1),
  };
  const watch = new MemoryWatch();
  const figures = { board: boardOf({ clock, watch }), outcomes: outcomesOf({ clock, watch }) };
  return { settings: pipelineSettings, ledger, ...figures, clock, watch, ...queues, ...times };
}
const job = { version: 1, spoolId: 'm1', deliveryKey: queued('m1').deliveryKey } as const;
const failed = () => failedAtBirth(queued('m1'), statusOf('5.1.1'), 'no-route', 'no such recipient', T0);

describe('a stage fails where its jobs are not taken', () => {
  it('ingest and relay, whose jobs come again until they are', async () => {
    for (const name of ['relayQueue', 'bounceQueue'] as const) {
      const pipeline = new TestPipeline((to) => (to.address === ANN ? ok : no));
      const send = pipeline[name].send.bind(pipeline[name]);
      let refusals = 2;
      pipeline[name].send = async (jobs) => (refusals-- > 0 ? shut.send(jobs) : send(jobs));
      pipeline.receive('m1', ANN, [BOB]);
      const removed: string[] = [];
      const remove = pipeline.relayQueue.remove.bind(pipeline.relayQueue);
      pipeline.relayQueue.remove = (sqsMessageId) => {
        if (name === 'bounceQueue' && refusals >= 1) removed.push(sqsMessageId);
        remove(sqsMessageId);
      };
      await pipeline.work();
      if (name === 'relayQueue') expect(pipeline.notifications).toHaveLength(1);
      expect(removed).toEqual([]);
      await pipeline.live(24);
      expect(pipeline.exchange.accepted.map(({ forwardPath }) => forwardPath.address)).toEqual([ANN]);
    }
  });
  it('bounce', async () => {
    await expect(bounce(await portsWith(failed()), job)).rejects.toThrow('takes nothing');
    const fallsBack = queued('m1', { state: 'expired', fallback: 'exchange', nextHop: 'other', lastReason: 'reply' });
    await expect(bounce(await portsWith(fallsBack), job)).rejects.toThrow('takes nothing');
  });
  it('feedback', async () => {
    const row = queued('m1', { state: 'relayed', nextHop: 'ses', dueAt: null, message: facts('m1') });
    const ports = { ...(await portsWith(row)), settings: bySes() };
    await expect(feedback(ports, say('bounce', deliveryId(row)))).rejects.toThrow('takes nothing');
  });
  it.each([
    ['what is due', queued('m1', { state: 'deferred', attempts: 1, dueAt: T0 + 1 })],
    [
      'what expired',
      queued('m1', { state: 'deferred', attempts: 1, lastReason: 'reply', dueAt: T0 + 1, expiresAt: T0 + 2 }),
    ],
    ['what failed', { ...failed(), dueAt: T0 + 1 }],
    ['what came back', queued('m1', { nextHop: 'returns', dueAt: T0 + 1 })],
  ])('the sweep: %s', async (_name, row) => {
    await expect(sweep(await portsWith(row), NEVER)).rejects.toThrow('takes nothing');
  });
  it('an operator’s verbs', async () => {
    const held = queued('m1', { state: 'held', dueAt: null });
    await expect(release(await portsWith(held), held, 1e8)).rejects.toThrow('takes nothing');
    await expect(remove(await portsWith(held), held, true)).rejects.toThrow('takes nothing');
  });
});

describe('a word of SES', () => {
  const relayed = (spoolId: string, nextHop: string) =>
    queued(spoolId, { state: 'relayed', nextHop, dueAt: null, attempts: 1, message: facts(spoolId) });
  const take: JobQueue = { send: async () => {}, depth: shut.depth };
  it('about two deliveries reaches both', async () => {
    const rows = [relayed('m1', 'ses'), relayed('m2', 'ses')];
    const ports = { ...(await portsWith(...rows)), settings: bySes(), bounceQueue: take };
    const event = JSON.parse(say('bounce', 'x'));
    event.mail.tags.everpost = rows.map(deliveryId);
    await feedback(ports, JSON.stringify(event));
    expect(ports.ledger.all().map(({ state }) => state)).toEqual(['failed', 'failed']);
  });
  it('of a failure is not the last word on what went on to another next hop', async () => {
    const rows = [relayed('m1', 'exchange')];
    const ports = { ...(await portsWith(...rows)), settings: bySes(), bounceQueue: take };
    await feedback(ports, say('bounce', deliveryId(rows[0] ?? relayed('m1', ''))));
    expect(ports.ledger.all()[0]).toMatchObject({ state: 'relayed' });
  });
});
