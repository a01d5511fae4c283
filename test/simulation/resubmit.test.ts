// Mail that a next hop took and lost, relayed again on an operator's word. The command may die at any of its calls and
// be given again; the message arrives once more, not twice, marked. What fails then is reported, or held where its
// arrival had been confirmed.

import { describe, expect, it } from 'vitest';
import { Interrupt } from '#adapters/memory/interrupt.ts';
import type { Settings } from '#config/settings.ts';
import { type DeliveryRow, deliveryId } from '#core/delivery/delivery.ts';
import { traced } from '#core/delivery/trace.ts';
import { lostJobAfterMs } from '#core/limits.ts';
import { type ResubmitPorts, resubmit } from '#pipeline/operate/operate.ts';
import { pipelineSettings, TestPipeline } from '../kit/pipeline.ts';
import { settingsOf } from './routed.ts';
import { bySes, say } from './ses-events.ts';

const HOUR = 3_600_000;
const ANN = 'ann@src.example';
const BOB = 'bob@example.com';
const NEVER = new AbortController().signal;
const ok = { code: 250, status: '2.0.0', text: 'Ok' };
const no = { code: 550, status: '5.1.1', text: 'unknown', at: 'rcpt' } as const;
const later = { code: 451, status: '4.3.0', text: 'later', at: 'rcpt' } as const;
type Answer = typeof ok | typeof no | typeof later;

function portsOf(pipeline: TestPipeline, interrupt = new Interrupt()): ResubmitPorts {
  return {
    ledger: interrupt.wrap('ledger', pipeline.ledger),
    relayQueue: interrupt.wrap('relayQueue', pipeline.relayQueue),
    bounceQueue: interrupt.wrap('bounceQueue', pipeline.bounceQueue),
    feedbackQueue: interrupt.wrap('feedbackQueue', pipeline.feedbackQueue),
    spool: interrupt.wrap('spool', pipeline.spool),
    clock: pipeline.clock,
    sweepAgainMs: lostJobAfterMs,
  };
}
function deliveryIn(pipeline: TestPipeline): DeliveryRow {
  const [row] = pipeline.ledger.all(); // the first that was written
  if (row === undefined) throw new Error('no delivery');
  return row;
}
/** Relayed three days ago; `then` is what the next hop says of Bob's mail from the second time on. */
async function relayed(then: Answer = ok, settings: Settings = settingsOf({})): Promise<TestPipeline> {
  const pipeline = new TestPipeline(
    (to, attempt) => (to.address === BOB && attempt > 1 ? then : ok),
    new Interrupt(),
    settings,
    {
      ses: (to, attempt) => (to.address === BOB && attempt > 1 ? then : ok),
    },
  );
  pipeline.receive('m1', ANN, [BOB]);
  await pipeline.work();
  expect(deliveryIn(pipeline).state).toBe('relayed');
  pipeline.clock.advanceTo(pipeline.clock.now() + 72 * HOUR);
  return pipeline;
}
const again = (pipeline: TestPipeline, ports = portsOf(pipeline), row = deliveryIn(pipeline)) =>
  resubmit(ports, row, 3 * HOUR, NEVER);
const arrived = (pipeline: TestPipeline, to = BOB) =>
  pipeline.exchange.accepted.filter((each) => each.forwardPath.address === to);
const textOf = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);
const story = (pipeline: TestPipeline) => deliveryIn(pipeline).trace.map(({ event }) => event);

describe('what a next hop lost', () => {
  it('is relayed again, the same bytes under a mark, with a fresh lifetime', async () => {
    const pipeline = await relayed();
    const before = deliveryIn(pipeline);
    expect(await again(pipeline)).toMatchObject({ kind: 'done', row: { state: 'queued', attempts: 0 } });
    await pipeline.live(24);
    expect(deliveryIn(pipeline)).toMatchObject({
      state: 'relayed',
      attempts: 1,
      possibleDuplicate: true,
      dueAt: null,
      resubmitted: { at: before.acceptedAt + 72 * HOUR, from: 'relayed' },
      expiresAt: before.acceptedAt + 75 * HOUR,
    });
    expect(story(pipeline)).toEqual(['RECEIVE', 'SEND', 'RESUBMIT', 'SEND']);
    expect(deliveryIn(pipeline).trace[2]).toMatchObject({ reason: 'resubmitted-by-operator', nextHop: 'exchange' });
    const [first, second] = arrived(pipeline).map(({ content }) => textOf(content));
    expect(first).not.toContain('X-Everpost-Possible-Duplicate');
    expect(second?.replace(/\r\n\t/g, ' ')).toContain(
      'X-Everpost-Possible-Duplicate: it was relayed before, and is relayed again in case it was lost\r\n',
    );
    const bodyOf = (text = '') => text.slice(text.indexOf('Subject:'));
    expect(bodyOf(second)).toBe(bodyOf(first));
    expect(bodyOf(first)).toBe('Subject: m1\r\n\r\nHello\r\n');
  });

  it('may be resubmitted with a death at any call, and arrives once more', async () => {
    const counting = new Interrupt();
    const first = await relayed();
    await again(first, portsOf(first, counting));
    expect(counting.calls).toEqual(['spool.head', 'ledger.read', 'ledger.write', 'relayQueue.send']);
    for (let k = 1; k <= counting.calls.length; k++) {
      for (const when of ['before', 'after'] as const) {
        const pipeline = await relayed();
        const meant = deliveryIn(pipeline);
        await expect(again(pipeline, portsOf(pipeline, Interrupt.at(k, when)))).rejects.toThrow('crashed');
        await again(pipeline, portsOf(pipeline), meant); // given again at once: refused where the row was written
        await pipeline.live(24);
        await again(pipeline, portsOf(pipeline), meant); // and long afterwards, by who still has the old list
        await pipeline.live(24);
        expect([k, when, deliveryIn(pipeline).state, arrived(pipeline).length]).toEqual([k, when, 'relayed', 2]);
      }
    }
  });

  it('is deferred without a warning of the delay, and tried on the schedule', async () => {
    const settings = settingsOf({});
    const pipeline = await relayed(later, { ...settings, retry: { ...settings.retry, delayNoticeMs: HOUR } });
    await again(pipeline);
    await pipeline.live(2);
    expect(deliveryIn(pipeline)).toMatchObject({ state: 'deferred', notice: null });
    await pipeline.live(24);
    expect(deliveryIn(pipeline)).toMatchObject({ state: 'returned', lastStatus: '4.3.0' });
    expect(pipeline.ledger.all().map(({ noticeKind }) => noticeKind)).toEqual([null, 'ndr']);
  });
});

describe('what fails when it is relayed again', () => {
  it('comes back to its sender, who hears that the recipient may have it', async () => {
    const pipeline = await relayed(no);
    await again(pipeline);
    await pipeline.live(24);
    expect(deliveryIn(pipeline).state).toBe('returned');
    const [notice] = arrived(pipeline, ANN);
    expect(textOf(notice?.content).replace(/=?\r\n/g, ' ')).toMatch(
      /accepted this message before .* may have it all the same/,
    );
  });

  it('expires unattempted as what it is, and not with the success of the first time', async () => {
    const pipeline = await relayed();
    await again(pipeline);
    for (const { sqsMessageId } of pipeline.relayQueue.receive(10)) pipeline.relayQueue.remove(sqsMessageId);
    const row = deliveryIn(pipeline);
    const now = pipeline.clock.now();
    // Its job was lost, and so was the last one that the sweep gives to what nobody ever tried.
    const last = traced(row, 'RESUBMIT', now, { attempt: null, status: null, reason: 'last-attempt', reply: null });
    await pipeline.ledger.write({ ...row, lastJobSent: true, expiresAt: now, dueAt: now }, [last]);
    await pipeline.live(24);
    expect(deliveryIn(pipeline)).toMatchObject({
      state: 'returned',
      attempts: 0,
      lastStatus: '4.4.7',
      lastReply: null,
    });
  });

  it.each([
    ['confirmed before', 1],
    ['confirmed before, and resubmitted twice', 2],
  ])('is held where it had been %s: nobody is told what may be false', async (_name, times) => {
    const pipeline = await relayed(times === 1 ? no : ok, bySes());
    await pipeline.hear(say('delivery', deliveryId(deliveryIn(pipeline))));
    expect(deliveryIn(pipeline).state).toBe('confirmed');
    await again(pipeline);
    await pipeline.live(24);
    if (times === 2) {
      await again(pipeline);
      const row = deliveryIn(pipeline);
      expect(row.resubmitted?.from).toBe('confirmed');
      for (const { sqsMessageId } of pipeline.relayQueue.receive(10)) pipeline.relayQueue.remove(sqsMessageId);
      await pipeline.hear(say('bounce', deliveryId(row)));
      await pipeline.live(24);
    }
    expect(deliveryIn(pipeline)).toMatchObject({ state: 'held', stateReason: 'resubmitted-confirmed' });
    expect(pipeline.watch.total('Held')).toBe(1);
    expect(arrived(pipeline, ANN)).toEqual([]);
  });
});

describe('is told why not', () => {
  const change = async (pipeline: TestPipeline, to: Partial<DeliveryRow>) => {
    await pipeline.ledger.write({ ...deliveryIn(pipeline), ...to }, []);
  };
  const success = { kind: 'success', via: 'exchange', to: ANN, messageIdField: null, at: 0, reason: null } as const;
  it.each<[string, (pipeline: TestPipeline) => unknown, object]>([
    ['what was purged', (pipeline) => pipeline.spool.hide('in/m1'), { why: expect.stringContaining('was purged') }],
    [
      'what is gone',
      (pipeline) => pipeline.spool.lose('in/m1'),
      { why: expect.stringContaining('not in the spool any more') },
    ],
    [
      'what cannot be read',
      (pipeline) => pipeline.spool.spoil('in/m1', 'denied'),
      { why: expect.stringContaining('denied') },
    ],
    ['what S3 does not give now', (pipeline) => pipeline.spool.spoil('in/m1', 'unavailable'), { tryAgain: true }],
    [
      'what was returned',
      (pipeline) => change(pipeline, { state: 'returned' }),
      { why: 'it is returned, neither relayed nor confirmed' },
    ],
    ['a notice', (pipeline) => change(pipeline, { kind: 'notice' }), { why: expect.stringContaining('a notice') }],
    [
      'whose sender is being told of a success',
      (pipeline) => change(pipeline, { dsn: { notify: ['SUCCESS'], orcpt: null }, dueAt: 1 }),
      { why: expect.stringContaining('told of its success') },
    ],
    [
      'what somebody works on',
      (pipeline) => change(pipeline, { leaseUntil: pipeline.clock.now() + 1 }),
      { tryAgain: true },
    ],
  ])('%s', async (_name, make, refusal) => {
    const pipeline = await relayed();
    await make(pipeline);
    const row = deliveryIn(pipeline);
    expect(await again(pipeline)).toMatchObject({ kind: 'refused', ...refusal });
    expect(deliveryIn(pipeline)).toEqual(row);
    expect(pipeline.relayQueue.receive(10)).toEqual([]);
  });

  it.each(['unreturnable', 'relayed'] as const)(
    'but not of a success notice that is %s: no second one is written',
    async (state) => {
      const pipeline = await relayed();
      await change(pipeline, { dsn: { notify: ['SUCCESS'], orcpt: null }, notice: { ...success, state } });
      expect(await again(pipeline)).toMatchObject({ kind: 'done' });
      await pipeline.live(24);
      expect(deliveryIn(pipeline)).toMatchObject({ state: 'relayed', dueAt: null, notice: { kind: 'success', state } });
      expect(pipeline.ledger.all()).toHaveLength(1);
    },
  );
});

it('goes on to the fallback, should it expire once more', async () => {
  const pipeline = await relayed(later, settingsOf({ fallback: true }));
  await again(pipeline);
  await pipeline.live(24);
  expect(deliveryIn(pipeline)).toMatchObject({ nextHop: 'second', resubmitted: { from: 'relayed' } });
  expect(story(pipeline)).toContain('REDIRECT');
});

it('takes outbound mail too', async () => {
  const routes = [
    { ...(pipelineSettings.routes[0] as Settings['routes'][0]), match: ['*'], direction: 'outbound' as const },
  ];
  const submitters = { office: { secret: 'x', senderDomains: ['example.com'] } };
  const pipeline = new TestPipeline(() => ok, new Interrupt(), {
    ...pipelineSettings,
    routes: [...pipelineSettings.routes, ...routes],
    submitters,
  });
  pipeline.submit('office', '01JD8Z7Q9VXK4M2N6P8R3S5T7W', {});
  await pipeline.work();
  expect(await again(pipeline)).toMatchObject({ kind: 'done' });
  await pipeline.live(24);
  expect(arrived(pipeline, 'bob@far.example')).toHaveLength(2);
});
