// What an operator does with deliveries, between the stages: release, hold, remove. The command may die at any of its calls, and be
// given again; the message is relayed once, or ended once, all the same.

import { describe, expect, it } from 'vitest';
import { Interrupt } from '#adapters/memory/interrupt.ts';
import { lostJobAfterMs } from '#core/limits.ts';
import { hold, type OperatePorts, release, remove } from '#pipeline/operate/operate.ts';
import { settingsOf } from './routed.ts';
import { Town } from './town.ts';

const HOUR = 3_600_000;
const ANN = 'ann@src.example';
const BOB = 'bob@example.com';
const ok = { code: 250, status: '2.0.0', text: 'Ok' };
const later = { code: 451, status: '4.3.0', text: 'later', at: 'rcpt' } as const;

describe('an operator', () => {
  function portsOf(town: Town, interrupt = new Interrupt()): OperatePorts {
    return {
      ledger: interrupt.wrap('ledger', town.ledger),
      relayQueue: interrupt.wrap('relayQueue', town.relayQueue),
      bounceQueue: interrupt.wrap('bounceQueue', town.bounceQueue),
      feedbackQueue: interrupt.wrap('feedbackQueue', town.feedbackQueue),
      clock: town.clock,
      sweepAgainMs: lostJobAfterMs,
    };
  }
  async function quarantined(): Promise<Town> {
    const town = new Town(() => ok, new Interrupt(), settingsOf({}));
    town.receive('m1', ANN, [BOB], undefined, ['spam']);
    await town.work();
    town.clock.advanceTo(town.clock.now() + 10 * 24 * HOUR); // long past its lifetime
    return town;
  }
  const subjectOf = (content: Uint8Array) => /^Subject: (.*)\r$/m.exec(Buffer.from(content).toString('latin1'))?.[1];
  const refOf = (town: Town) => {
    const row = town.ledger.all().find((each) => each.kind === 'delivery');
    if (row === undefined) throw new Error('no delivery');
    return row;
  };

  it('releases: relayed, with a lifetime from now, and traced', async () => {
    const town = await quarantined();
    expect(refOf(town).state).toBe('quarantined');
    expect(await release(portsOf(town), refOf(town), 48 * HOUR)).toMatchObject({ kind: 'done' });
    await town.live(24);
    expect(refOf(town)).toMatchObject({ state: 'relayed', dueAt: null });
    expect(refOf(town).trace.map((event) => event.event)).toEqual(['RECEIVE', 'HOLD', 'RELEASE', 'SEND']);
  });

  it('releases what was not scanned, which policy quarantines only where it is told to', async () => {
    const { policy, ...rest } = settingsOf({});
    const took = async (unscanned: 'relay' | 'quarantine') => {
      const town = new Town(() => ok, new Interrupt(), { ...rest, policy: { ...policy, unscanned } });
      town.receive('m1', ANN, [BOB], undefined, [], { gray: ['virus'] });
      town.receive('m2', ANN, [BOB], undefined, [], { gray: ['spf', 'dkim', 'dmarc'] });
      await town.live(1);
      return { town, subjects: town.exchange.accepted.map((each) => subjectOf(each.content)) };
    };
    expect((await took('relay')).subjects).toEqual(['m1', 'm2']);

    const { town, subjects } = await took('quarantine');
    expect(subjects).toEqual(['m2']);
    expect(refOf(town)).toMatchObject({ spoolId: 'm1', state: 'quarantined', stateReason: 'policy-unscanned' });
    await release(portsOf(town), refOf(town), 48 * HOUR);
    await town.live(1);
    expect(town.exchange.accepted.map((each) => subjectOf(each.content))).toEqual(['m2', 'm1']);
    expect(refOf(town).trace.map(({ event, reason }) => [event, reason])).toEqual([
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
        const town = await quarantined();
        await release(portsOf(town, Interrupt.at(k, when)), refOf(town), 48 * HOUR).catch(() => null);
        if (refOf(town).state === 'quarantined') await release(portsOf(town), refOf(town), 48 * HOUR);
        await town.live(24);
        expect([k, when, refOf(town).state, town.exchange.accepted.length]).toEqual([k, when, 'relayed', 1]);
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
    const town = new Town(() => no, new Interrupt(), settingsOf({}));
    town.receive('m1', ANN, [BOB]);
    await town.live(24);
    expect(refOf(town)).toMatchObject({ state: 'held', notice: { kind: 'ndr' } });
    const rows = town.ledger.all().length;
    expect(await remove(portsOf(town), refOf(town), true)).toMatchObject({ kind: 'done', row: { state: 'removed' } });
    expect(await town.bounceQueue.depth()).toEqual({ visible: 0, inFlight: 0 });
    await town.live(24 * 7);
    expect(refOf(town)).toMatchObject({ state: 'removed', dueAt: null });
    expect(town.ledger.all()).toHaveLength(rows);
  });

  it('holds what is deferred: nothing is tried until it is released', async () => {
    const town = new Town((_to, attempt) => (attempt < 2 ? later : ok), new Interrupt(), settingsOf({}));
    town.receive('m1', ANN, [BOB]);
    await town.work();
    expect(await hold(portsOf(town), refOf(town))).toMatchObject({ kind: 'done', row: { state: 'held' } });
    await town.live(24);
    expect(refOf(town)).toMatchObject({ state: 'held', stateReason: 'held-by-operator' });
    await release(portsOf(town), refOf(town), 48 * HOUR);
    await town.live(24);
    expect(refOf(town).state).toBe('relayed');
  });

  it.each([
    ['release', (ports: OperatePorts, town: Town) => release(ports, refOf(town), HOUR), 'neither held nor quarantined'],
    ['hold', (ports: OperatePorts, town: Town) => hold(ports, refOf(town)), 'not under way'],
    ['remove', (ports: OperatePorts, town: Town) => remove(ports, refOf(town), true), 'nothing is left'],
  ])('is told why not: %s of what was relayed', async (_name, deed, why) => {
    const town = new Town(() => ok, new Interrupt(), settingsOf({}));
    town.receive('m1', ANN, [BOB]);
    await town.work();
    expect(await deed(portsOf(town), town)).toMatchObject({ kind: 'refused', why: expect.stringContaining(why) });
  });

  it('does not come between an attempt and its outcome', async () => {
    const town = new Town(() => ok, new Interrupt(), settingsOf({}));
    town.receive('m1', ANN, [BOB]);
    await town.work();
    const row = { ...refOf(town), state: 'queued', leaseUntil: town.clock.now() + 1 } as const;
    await town.ledger.write(row, []);
    expect(await remove(portsOf(town), row, true)).toMatchObject({ kind: 'refused', tryAgain: true });
  });
});
