// What an operator does with deliveries, between the stages: release, hold, remove. The command may die at any of its
// calls, and be given again; the message is relayed once, or ended once, all the same.

import { describe, expect, it } from 'vitest';
import { Interrupt } from '#adapters/memory/interrupt.ts';
import { lostJobAfterMs } from '#core/limits.ts';
import { hold, type OperatePorts, release, remove } from '#pipeline/operate/operate.ts';
import { TestPipeline } from '../kit/pipeline.ts';
import { settingsOf } from './routed.ts';

const HOUR = 3_600_000;
const ANN = 'ann@src.example';
const BOB = 'bob@example.com';
const ok = { code: 250, status: '2.0.0', text: 'Ok' };
const later = { code: 451, status: '4.3.0', text: 'later', at: 'rcpt' } as const;

describe('an operator', () => {
  function portsOf(pipeline: TestPipeline, interrupt = new Interrupt()): OperatePorts {
    return {
      ledger: interrupt.wrap('ledger', pipeline.ledger),
      relayQueue: interrupt.wrap('relayQueue', pipeline.relayQueue),
      bounceQueue: interrupt.wrap('bounceQueue', pipeline.bounceQueue),
      feedbackQueue: interrupt.wrap('feedbackQueue', pipeline.feedbackQueue),
      clock: pipeline.clock,
      sweepAgainMs: lostJobAfterMs,
      by: 'arn:aws:iam::000000000000:user/ann',
    };
  }
  async function quarantined(): Promise<TestPipeline> {
    const pipeline = new TestPipeline(() => ok, new Interrupt(), settingsOf({}));
    pipeline.receive('m1', ANN, [BOB], undefined, ['spam']);
    await pipeline.work();
    pipeline.clock.advanceTo(pipeline.clock.now() + 10 * 24 * HOUR); // long past its lifetime
    return pipeline;
  }
  const subjectOf = (content: Uint8Array) => /^Subject: (.*)\r$/m.exec(Buffer.from(content).toString('latin1'))?.[1];
  const refOf = (pipeline: TestPipeline) => {
    const row = pipeline.ledger.all().find((each) => each.kind === 'delivery');
    if (row === undefined) throw new Error('no delivery');
    return row;
  };

  it('releases: relayed, with a lifetime from now, and traced', async () => {
    const pipeline = await quarantined();
    expect(refOf(pipeline).state).toBe('quarantined');
    expect(await release(portsOf(pipeline), refOf(pipeline), 48 * HOUR)).toMatchObject({ kind: 'done' });
    await pipeline.live(24);
    expect(refOf(pipeline)).toMatchObject({ state: 'relayed', dueAt: null });
    expect(refOf(pipeline).trace.map((event) => event.event)).toEqual(['RECEIVE', 'HOLD', 'RELEASE', 'SEND']);
    const ann = 'arn:aws:iam::000000000000:user/ann';
    expect(refOf(pipeline).trace.map((event) => event.by)).toEqual([undefined, undefined, ann, undefined]);
  });

  it('releases what was not scanned, which policy quarantines only where it is told to', async () => {
    const { policy, ...rest } = settingsOf({});
    const took = async (unscanned: 'relay' | 'quarantine') => {
      const pipeline = new TestPipeline(() => ok, new Interrupt(), { ...rest, policy: { ...policy, unscanned } });
      pipeline.receive('m1', ANN, [BOB], undefined, [], { gray: ['virus'] });
      pipeline.receive('m2', ANN, [BOB], undefined, [], { gray: ['spf', 'dkim', 'dmarc'] });
      await pipeline.live(1);
      return { pipeline, subjects: pipeline.exchange.accepted.map((each) => subjectOf(each.content)) };
    };
    expect((await took('relay')).subjects).toEqual(['m1', 'm2']);

    const { pipeline, subjects } = await took('quarantine');
    expect(subjects).toEqual(['m2']);
    expect(refOf(pipeline)).toMatchObject({ spoolId: 'm1', state: 'quarantined', stateReason: 'policy-unscanned' });
    await release(portsOf(pipeline), refOf(pipeline), 48 * HOUR);
    await pipeline.live(1);
    expect(pipeline.exchange.accepted.map((each) => subjectOf(each.content))).toEqual(['m2', 'm1']);
    expect(refOf(pipeline).trace.map(({ event, reason }) => [event, reason])).toEqual([
      ['RECEIVE', null],
      ['HOLD', 'policy-unscanned'],
      ['RELEASE', 'policy-unscanned'],
      ['SEND', null],
    ]);
  });

  it('may die at any call of a release', async () => {
    const counting = new Interrupt();
    const first = await quarantined();
    await release(portsOf(first, counting), refOf(first), 48 * HOUR);
    for (let k = 1; k <= counting.calls.length; k++) {
      for (const when of ['before', 'after'] as const) {
        const pipeline = await quarantined();
        await release(portsOf(pipeline, Interrupt.at(k, when)), refOf(pipeline), 48 * HOUR).catch(() => null);
        if (refOf(pipeline).state === 'quarantined') await release(portsOf(pipeline), refOf(pipeline), 48 * HOUR);
        await pipeline.live(24);
        expect([k, when, refOf(pipeline).state, pipeline.exchange.accepted.length]).toEqual([k, when, 'relayed', 1]);
      }
    }
  });

  it('removes: the sender is told, once, or nobody is', async () => {
    const told = await quarantined();
    await remove(portsOf(told), refOf(told), true);
    await told.live(24);
    expect(refOf(told)).toMatchObject({ state: 'returned', lastStatus: '5.7.1' });
    expect(told.exchange.accepted.map((each) => each.forwardPath.address)).toEqual([ANN]);

    const quiet = await quarantined();
    await remove(portsOf(quiet), refOf(quiet), false);
    await quiet.live(24);
    expect(refOf(quiet)).toMatchObject({ state: 'removed', dueAt: null });
    expect(quiet.exchange.accepted).toEqual([]);
  });

  it('removes for good what is held because its NDR could not be delivered: nobody is told a second time', async () => {
    const no = { code: 550, status: '5.1.1', text: 'no such user', at: 'rcpt' } as const;
    const pipeline = new TestPipeline(() => no, new Interrupt(), settingsOf({}));
    pipeline.receive('m1', ANN, [BOB]);
    await pipeline.live(24);
    expect(refOf(pipeline)).toMatchObject({ state: 'held', notice: { kind: 'ndr' } });
    const rows = pipeline.ledger.all().length;
    expect(await remove(portsOf(pipeline), refOf(pipeline), true)).toMatchObject({
      kind: 'done',
      row: { state: 'removed' },
    });
    expect(await pipeline.bounceQueue.depth()).toEqual({ visible: 0, inFlight: 0 });
    await pipeline.live(24 * 7);
    expect(refOf(pipeline)).toMatchObject({ state: 'removed', dueAt: null });
    expect(pipeline.ledger.all()).toHaveLength(rows);
  });

  it('holds what is deferred: nothing is tried until it is released', async () => {
    const pipeline = new TestPipeline((_to, attempt) => (attempt < 2 ? later : ok), new Interrupt(), settingsOf({}));
    pipeline.receive('m1', ANN, [BOB]);
    await pipeline.work();
    expect(await hold(portsOf(pipeline), refOf(pipeline))).toMatchObject({ kind: 'done', row: { state: 'held' } });
    await pipeline.live(24);
    expect(refOf(pipeline)).toMatchObject({ state: 'held', stateReason: 'held-by-operator' });
    await release(portsOf(pipeline), refOf(pipeline), 48 * HOUR);
    await pipeline.live(24);
    expect(refOf(pipeline).state).toBe('relayed');
  });

  it.each([
    [
      'release',
      (ports: OperatePorts, pipeline: TestPipeline) => release(ports, refOf(pipeline), HOUR),
      'neither held nor quarantined',
    ],
    ['hold', (ports: OperatePorts, pipeline: TestPipeline) => hold(ports, refOf(pipeline)), 'not under way'],
    [
      'remove',
      (ports: OperatePorts, pipeline: TestPipeline) => remove(ports, refOf(pipeline), true),
      'nothing is left',
    ],
  ])('is told why not: %s of what was relayed', async (_name, deed, why) => {
    const pipeline = new TestPipeline(() => ok, new Interrupt(), settingsOf({}));
    pipeline.receive('m1', ANN, [BOB]);
    await pipeline.work();
    expect(await deed(portsOf(pipeline), pipeline)).toMatchObject({
      kind: 'refused',
      why: expect.stringContaining(why),
    });
  });

  it('does not come between an attempt and its outcome', async () => {
    const pipeline = new TestPipeline(() => ok, new Interrupt(), settingsOf({}));
    pipeline.receive('m1', ANN, [BOB]);
    await pipeline.work();
    const row = { ...refOf(pipeline), state: 'queued', leaseUntil: pipeline.clock.now() + 1 } as const;
    await pipeline.ledger.write(row, []);
    expect(await remove(portsOf(pipeline), row, true)).toMatchObject({ kind: 'refused', tryAgain: true });
  });
});
