// Mail that a next hop took and lost, relayed again on an operator's word. The command may die at any of its calls and be given again; the
// message arrives once more, not twice, marked. What fails then is reported, or held where its arrival had been confirmed.

import { describe, expect, it } from 'vitest';
import { Interrupt } from '#adapters/memory/interrupt.ts';
import type { Settings } from '#config/settings.ts';
import { type DeliveryRow, deliveryId } from '#core/delivery/delivery.ts';
import { traced } from '#core/delivery/trace.ts';
import { lostJobAfterMs } from '#core/limits.ts';
import { type ResubmitPorts, resubmit } from '#pipeline/operate/operate.ts';
import { settingsOf } from './routed.ts';
import { bySes, say } from './ses-events.ts';
import { Town, townSettings } from './town.ts';

const HOUR = 3_600_000;
const ANN = 'ann@src.example';
const BOB = 'bob@example.com';
const NEVER = new AbortController().signal;
const ok = { code: 250, status: '2.0.0', text: 'Ok' };
const no = { code: 550, status: '5.1.1', text: 'unknown', at: 'rcpt' } as const;
const later = { code: 451, status: '4.3.0', text: 'later', at: 'rcpt' } as const;
type Answer = typeof ok | typeof no | typeof later;

function portsOf(town: Town, interrupt = new Interrupt()): ResubmitPorts {
  return {
    ledger: interrupt.wrap('ledger', town.ledger),
    relayQueue: interrupt.wrap('relayQueue', town.relayQueue),
    bounceQueue: interrupt.wrap('bounceQueue', town.bounceQueue),
    feedbackQueue: interrupt.wrap('feedbackQueue', town.feedbackQueue),
    spool: interrupt.wrap('spool', town.spool),
    clock: town.clock,
    sweepAgainMs: lostJobAfterMs,
  };
}
function deliveryIn(town: Town): DeliveryRow {
  const [row] = town.ledger.all(); // the first that was written
  if (row === undefined) throw new Error('no delivery');
  return row;
}
/** Relayed three days ago; `then` is what the next hop says of Bob's mail from the second time on. */
async function relayed(then: Answer = ok, settings: Settings = settingsOf({})): Promise<Town> {
  const town = new Town((to, attempt) => (to.address === BOB && attempt > 1 ? then : ok), new Interrupt(), settings, {
    ses: (to, attempt) => (to.address === BOB && attempt > 1 ? then : ok),
  });
  town.receive('m1', ANN, [BOB]);
  await town.work();
  expect(deliveryIn(town).state).toBe('relayed');
  town.clock.advanceTo(town.clock.now() + 72 * HOUR);
  return town;
}
const again = (town: Town, ports = portsOf(town), row = deliveryIn(town)) => resubmit(ports, row, 3 * HOUR, NEVER);
const arrived = (town: Town, to = BOB) => town.exchange.accepted.filter((each) => each.forwardPath.address === to);
const textOf = (bytes: Uint8Array | undefined) => new TextDecoder().decode(bytes);
const story = (town: Town) => deliveryIn(town).trace.map(({ event }) => event);

describe('what a next hop lost', () => {
  it('is relayed again, the same bytes under a mark, with a fresh lifetime', async () => {
    const town = await relayed();
    const before = deliveryIn(town);
    expect(await again(town)).toMatchObject({ kind: 'done', row: { state: 'queued', attempts: 0 } });
    await town.live(24);
    expect(deliveryIn(town)).toMatchObject({
      state: 'relayed',
      attempts: 1,
      possibleDuplicate: true,
      dueAt: null,
      resubmitted: { at: before.acceptedAt + 72 * HOUR, from: 'relayed' },
      expiresAt: before.acceptedAt + 75 * HOUR,
    });
    expect(story(town)).toEqual(['RECEIVE', 'SEND', 'RESUBMIT', 'SEND']);
    expect(deliveryIn(town).trace[2]).toMatchObject({ reason: 'resubmitted-by-operator', nextHop: 'exchange' });
    const [first, second] = arrived(town).map(({ content }) => textOf(content));
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
        const town = await relayed();
        const meant = deliveryIn(town);
        await expect(again(town, portsOf(town, Interrupt.at(k, when)))).rejects.toThrow('crashed');
        await again(town, portsOf(town), meant); // given again at once: refused where the row was written
        await town.live(24);
        await again(town, portsOf(town), meant); // and long afterwards, by who still has the old list
        await town.live(24);
        expect([k, when, deliveryIn(town).state, arrived(town).length]).toEqual([k, when, 'relayed', 2]);
      }
    }
  });

  it('is deferred without a warning of the delay, and tried on the schedule', async () => {
    const settings = settingsOf({});
    const town = await relayed(later, { ...settings, retry: { ...settings.retry, delayNoticeMs: HOUR } });
    await again(town);
    await town.live(2);
    expect(deliveryIn(town)).toMatchObject({ state: 'deferred', notice: null });
    await town.live(24);
    expect(deliveryIn(town)).toMatchObject({ state: 'returned', lastStatus: '4.3.0' });
    expect(town.ledger.all().map(({ noticeKind }) => noticeKind)).toEqual([null, 'ndr']);
  });
});

describe('what fails when it is relayed again', () => {
  it('comes back to its sender, who hears that the recipient may have it', async () => {
    const town = await relayed(no);
    await again(town);
    await town.live(24);
    expect(deliveryIn(town).state).toBe('returned');
    const [notice] = arrived(town, ANN);
    expect(textOf(notice?.content).replace(/=?\r\n/g, ' ')).toMatch(
      /accepted this message before .* may have it all the same/,
    );
  });

  it('expires unattempted as what it is, and not with the success of the first time', async () => {
    const town = await relayed();
    await again(town);
    for (const { sqsMessageId } of town.relayQueue.receive(10)) town.relayQueue.remove(sqsMessageId);
    const row = deliveryIn(town);
    const now = town.clock.now();
    // Its job was lost, and so was the last one that the sweep gives to what nobody ever tried.
    const last = traced(row, 'RESUBMIT', now, { attempt: null, status: null, reason: 'last-attempt', reply: null });
    await town.ledger.write({ ...row, lastJobSent: true, expiresAt: now, dueAt: now }, [last]);
    await town.live(24);
    expect(deliveryIn(town)).toMatchObject({ state: 'returned', attempts: 0, lastStatus: '4.4.7', lastReply: null });
  });

  it.each([
    ['confirmed before', 1],
    ['confirmed before, and resubmitted twice', 2],
  ])('is held where it had been %s: nobody is told what may be false', async (_name, times) => {
    const town = await relayed(times === 1 ? no : ok, bySes());
    await town.hear(say('delivery', deliveryId(deliveryIn(town))));
    expect(deliveryIn(town).state).toBe('confirmed');
    await again(town);
    await town.live(24);
    if (times === 2) {
      await again(town);
      const row = deliveryIn(town);
      expect(row.resubmitted?.from).toBe('confirmed');
      for (const { sqsMessageId } of town.relayQueue.receive(10)) town.relayQueue.remove(sqsMessageId);
      await town.hear(say('bounce', deliveryId(row)));
      await town.live(24);
    }
    expect(deliveryIn(town)).toMatchObject({ state: 'held', stateReason: 'resubmitted-confirmed', dueAt: null });
    expect(town.watch.total('Held')).toBe(1);
    expect(arrived(town, ANN)).toEqual([]);
  });
});

describe('is told why not', () => {
  const change = async (town: Town, to: Partial<DeliveryRow>) => {
    await town.ledger.write({ ...deliveryIn(town), ...to }, []);
  };
  const success = { kind: 'success', via: 'exchange', to: ANN, messageIdField: null, at: 0, reason: null } as const;
  it.each<[string, (town: Town) => unknown, object]>([
    ['what was purged', (town) => town.spool.hide('in/m1'), { why: expect.stringContaining('was purged') }],
    ['what is gone', (town) => town.spool.lose('in/m1'), { why: expect.stringContaining('not in the spool any more') }],
    ['what can not be read', (town) => town.spool.spoil('in/m1', 'denied'), { why: expect.stringContaining('denied') }],
    ['what S3 does not give now', (town) => town.spool.spoil('in/m1', 'unavailable'), { tryAgain: true }],
    [
      'what was returned',
      (town) => change(town, { state: 'returned' }),
      { why: 'it is returned, neither relayed nor confirmed' },
    ],
    ['a notice', (town) => change(town, { kind: 'notice' }), { why: expect.stringContaining('a notice') }],
    [
      'whose sender is being told of a success',
      (town) => change(town, { dsn: { notify: ['SUCCESS'], orcpt: null }, dueAt: 1 }),
      { why: expect.stringContaining('told of its success') },
    ],
    ['what somebody works on', (town) => change(town, { leaseUntil: town.clock.now() + 1 }), { tryAgain: true }],
  ])('%s', async (_name, make, refusal) => {
    const town = await relayed();
    await make(town);
    const row = deliveryIn(town);
    expect(await again(town)).toMatchObject({ kind: 'refused', ...refusal });
    expect(deliveryIn(town)).toEqual(row);
    expect(town.relayQueue.receive(10)).toEqual([]);
  });

  it.each(['unreturnable', 'relayed'] as const)(
    'but not of a success notice that is %s: no second one is written',
    async (state) => {
      const town = await relayed();
      await change(town, { dsn: { notify: ['SUCCESS'], orcpt: null }, notice: { ...success, state } });
      expect(await again(town)).toMatchObject({ kind: 'done' });
      await town.live(24);
      expect(deliveryIn(town)).toMatchObject({ state: 'relayed', dueAt: null, notice: { kind: 'success', state } });
      expect(town.ledger.all()).toHaveLength(1);
    },
  );
});

it('goes on to the fallback, should it expire once more', async () => {
  const town = await relayed(later, settingsOf({ fallback: true }));
  await again(town);
  await town.live(24);
  expect(deliveryIn(town)).toMatchObject({ nextHop: 'second', resubmitted: { from: 'relayed' } });
  expect(story(town)).toContain('REDIRECT');
});

it('takes outbound mail too', async () => {
  const routes = [
    { ...(townSettings.routes[0] as Settings['routes'][0]), match: ['*'], direction: 'outbound' as const },
  ];
  const submitters = { office: { secret: 'x', senderDomains: ['example.com'] } };
  const town = new Town(() => ok, new Interrupt(), {
    ...townSettings,
    routes: [...townSettings.routes, ...routes],
    submitters,
  });
  town.submit('office', '01JD8Z7Q9VXK4M2N6P8R3S5T7W', {});
  await town.work();
  expect(await again(town)).toMatchObject({ kind: 'done' });
  await town.live(24);
  expect(arrived(town, 'bob@far.example')).toHaveLength(2);
});
