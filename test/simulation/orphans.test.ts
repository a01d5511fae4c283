// Orphans, between the stages: the receipt never came, comes late, comes twice, or an operator names the recipients first. Every function may
// die at any of its calls, and the message is held with an alarm, or is delivered once, all the same.

import { describe, expect, it } from 'vitest';
import { Interrupt } from '#adapters/memory/interrupt.ts';
import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { lostJobAfterMs } from '#core/limits.ts';
import { namedRecipientsBody } from '#core/spool/named-recipients.ts';
import { placeholderKey } from '#core/spool/orphan.ts';
import { release, remove } from '#pipeline/operate/operate.ts';
import { notification } from './notification.ts';
import { settingsOf } from './routed.ts';
import { Town } from './town.ts';

const HOUR = 3_600_000;
const ANN = 'ann@src.example';
const BOB = 'bob@example.com';
const EVE = 'eve@example.com';
const ok = { code: 250, status: '2.0.0', text: 'Ok' };
const CONTENT =
  'Received: from peer (peer [192.0.2.1])\r\n by inbound-smtp.eu-west-1.amazonaws.com with SMTP id m1\r\n' +
  ' for bob@example.com;\r\n Sun, 22 Nov 2026 10:00:00 +0000 (UTC)\r\nX-SES-Spam-Verdict: PASS\r\n' +
  'From: Ann <ann@src.example>\r\nSubject: About m1\r\nMessage-ID: <m1@src.example>\r\n\r\nHello\r\n';

/** A message whose receipt is lost: its bytes lie in the spool, and nothing else. */
function orphaned(interrupt = new Interrupt(), content = CONTENT): Town {
  const town = new Town(() => ok, interrupt, settingsOf({}));
  town.receive('m1', ANN, [BOB], content);
  town.notifications.length = 0;
  return town;
}
const lateReceipt = (town: Town, recipients = [BOB]) => town.notify(notification('m1', ANN, recipients));
const name = (town: Town, recipients: readonly string[]) =>
  town.notify(namedRecipientsBody({ spoolId: 'm1', recipients, lifetimeMs: 48 * HOUR }));
const placeholder = (town: Town): DeliveryRow | undefined =>
  town.ledger.all().find((row) => row.deliveryKey === placeholderKey);
const delivered = (town: Town) => town.exchange.accepted.map((each) => each.forwardPath.address).sort();
const states = (town: Town) =>
  Object.fromEntries(
    town.ledger.all().flatMap((row) => (row.deliveryKey === placeholderKey ? [] : [[row.forwardPath, row.state]])),
  );
function operatorOf(town: Town) {
  const { ledger, relayQueue, bounceQueue, feedbackQueue, clock } = town;
  return { ledger, relayQueue, bounceQueue, feedbackQueue, clock, sweepAgainMs: lostJobAfterMs };
}
const placeholderRef = { spoolId: 'm1', deliveryKey: placeholderKey };

describe('a message whose receipt never came', () => {
  it('is held an hour after it was stored, with an alarm and what can be known of it', async () => {
    const town = orphaned();
    await town.lookForOrphans();
    expect(placeholder(town)).toMatchObject({
      state: 'held',
      stateReason: 'receipt-missing',
      forwardPath: BOB,
      nextHop: '',
      dueAt: null,
      message: {
        reversePath: ANN,
        verdicts: null,
        extract: { subject: 'About m1', messageIdField: '<m1@src.example>' },
      },
    });
    expect(placeholder(town)?.trace.map(({ event, reason }) => [event, reason])).toEqual([
      ['RECEIVE', null],
      ['HOLD', 'receipt-missing'],
    ]);
    expect([town.watch.total('ReceiptMissing'), town.watch.total('Held')]).toEqual([1, 1]);
    expect(town.watch.total('OrphanSweepRun')).toBe(1);
  });

  it('is not looked at before the hour is over', async () => {
    const town = orphaned();
    town.spool.put('in/m2', Buffer.from('x'), town.clock.now() + 1_000);
    await town.lookForOrphans();
    expect(town.ledger.all().map((row) => row.spoolId)).toEqual(['m1']);
    await town.lookForOrphans();
    expect(town.ledger.all().map((row) => row.spoolId)).toEqual(['m1', 'm2']);
  });

  it('never moves by itself: no attempt, no expiry, no notice, whatever time passes', async () => {
    const town = orphaned();
    await town.lookForOrphans();
    await town.live(24 * 7);
    town.clock.advanceTo(town.clock.now() + 40 * 24 * HOUR);
    await town.live(24);
    await town.lookForOrphans();
    expect(placeholder(town)?.state).toBe('held');
    expect(town.exchange.accepted).toEqual([]);
    expect(town.watch.total('ReceiptMissing')).toBe(1);
  });

  it('is held after a crash at any call of the search, and alarmed', async () => {
    const counting = new Interrupt();
    await orphaned(counting).lookForOrphans();
    expect(counting.calls.length).toBeGreaterThan(70);
    for (let k = 1; k <= counting.calls.length; k++) {
      for (const when of ['before', 'after'] as const) {
        const town = orphaned(Interrupt.at(k, when));
        await town.lookForOrphans();
        await town.lookForOrphans();
        const alarms = town.watch.total('ReceiptMissing');
        expect([k, when, placeholder(town)?.state, alarms > 0]).toEqual([k, when, 'held', true]);
      }
    }
  });

  it('an empty object, and one that can not be read, are held with what is known', async () => {
    const town = orphaned();
    town.spool.put('in/m1', new Uint8Array(0), town.clock.now());
    town.receive('m2', ANN, [BOB], CONTENT);
    town.notifications.length = 0;
    town.spool.spoil('in/m2', 'denied');
    await town.lookForOrphans();
    expect(town.ledger.all().map((row) => [row.state, row.message?.reversePath, row.forwardPath])).toEqual([
      ['held', '', ''],
      ['held', '', ''],
    ]);
    expect(town.ledger.all().map((row) => row.trace.at(-1)?.reason)).toEqual([
      expect.stringMatching(/^receipt-missing: .*reverse-path is unknown.*empty/),
      expect.stringMatching(/^receipt-missing: .*reverse-path is unknown.*denied/),
    ]);
  });

  it("passes over SES's own test object and what is no mail", async () => {
    const town = orphaned();
    for (const key of ['in/AMAZON_SES_SETUP_NOTIFICATION', 'in/', 'in/a/b', 'in/a b'])
      town.spool.put(key, Buffer.from('x'), town.clock.now());
    await town.lookForOrphans();
    expect(town.ledger.all().map((row) => row.spoolId)).toEqual(['m1']);
  });
});

describe('a late receipt', () => {
  it('takes its place: delivered once, the placeholder ends, traced', async () => {
    const town = orphaned();
    await town.lookForOrphans();
    lateReceipt(town, [BOB, EVE]);
    lateReceipt(town, [BOB, EVE]);
    await town.live(24);
    expect(states(town)).toEqual({ [BOB]: 'relayed', [EVE]: 'relayed' });
    expect(delivered(town)).toEqual([BOB, EVE]);
    expect(placeholder(town)).toMatchObject({ state: 'removed', stateReason: 'receipt-came', message: null });
    expect(placeholder(town)?.trace.at(-1)).toMatchObject({ event: 'DROP', reason: 'receipt-came' });
    expect((await town.ledger.message('m1'))?.verdicts?.spam).toBe('PASS'); // the receipt's facts, not the placeholder's
  });

  it('may come while the search looks, and either may die at any call', async () => {
    const counting = new Interrupt();
    const first = orphaned(counting);
    await first.lookForOrphans();
    lateReceipt(first);
    await first.work();
    for (let k = 1; k <= counting.calls.length; k++) {
      for (const when of ['before', 'after'] as const) {
        const town = orphaned(Interrupt.at(k, when));
        await town.lookForOrphans();
        lateReceipt(town);
        await town.live(24);
        await town.lookForOrphans();
        const row = placeholder(town);
        expect([k, when, states(town), row?.state ?? 'removed', delivered(town).length > 0]).toEqual([
          k,
          when,
          { [BOB]: 'relayed' },
          'removed',
          true,
        ]);
      }
    }
  });

  it('that comes between the look and the placeholder leaves none behind', async () => {
    const town = orphaned();
    const { ledger } = town;
    // The search has seen that there is nothing, and ingest runs from begin to end before it writes: ingest finds no placeholder to end.
    const create = ledger.create.bind(ledger);
    ledger.create = async (rows, message) => {
      ledger.create = create;
      lateReceipt(town);
      await town.work();
      return create(rows, message);
    };
    await town.lookForOrphans();
    expect(placeholder(town)).toMatchObject({ state: 'removed', stateReason: 'receipt-came' });
    expect(states(town)).toEqual({ [BOB]: 'relayed' });
    expect(town.watch.total('ReceiptMissing')).toBe(0);
  });

  it('and a search that died right then: the next one ends the placeholder', async () => {
    const town = orphaned();
    const { ledger } = town;
    const create = ledger.create.bind(ledger);
    ledger.create = async (rows, message) => {
      ledger.create = create;
      lateReceipt(town);
      await town.work();
      await create(rows, message);
      throw new Error('the function died');
    };
    await town.lookForOrphans();
    expect(placeholder(town)?.state).toBe('held');
    await town.lookForOrphans();
    expect(placeholder(town)).toMatchObject({ state: 'removed', stateReason: 'receipt-came' });
    expect(delivered(town)).toEqual([BOB]);
  });

  it('leaves alone what an operator does with the placeholder at the same moment', async () => {
    const town = orphaned();
    await town.lookForOrphans();
    const { ledger } = town;
    const read = ledger.read.bind(ledger);
    ledger.read = async (ref) => {
      const row = await read(ref);
      ledger.read = read;
      await remove(operatorOf(town), placeholderRef, true);
      return row;
    };
    lateReceipt(town);
    await town.live(24);
    expect(placeholder(town)?.stateReason).toBe('removed-by-operator');
    expect(delivered(town)).toEqual([BOB]);
  });
});

describe('an operator who names the recipients', () => {
  it('has it delivered, by the routes, with a lifetime from now', async () => {
    const town = orphaned();
    await town.lookForOrphans();
    const namedAt = town.clock.now() + 10 * 24 * HOUR;
    town.clock.advanceTo(namedAt);
    name(town, [BOB, EVE, BOB]);
    await town.live(24);
    expect(states(town)).toEqual({ [BOB]: 'relayed', [EVE]: 'relayed' });
    expect(delivered(town)).toEqual([BOB, EVE]);
    expect(placeholder(town)).toMatchObject({ state: 'removed', stateReason: 'recipients-named' });
    const bob = town.ledger.all().find((row) => row.forwardPath === BOB && row.deliveryKey !== placeholderKey);
    expect(bob?.trace[0]).toMatchObject({ event: 'RECEIVE', reason: 'recipients-named' });
    expect(bob).toMatchObject({ attempts: 1, expiresAt: namedAt + 48 * HOUR });
    expect(await town.ledger.message('m1')).toMatchObject({ reversePath: ANN, verdicts: null });
  });

  it('and a late receipt for more of them: nobody has it twice, nobody is left out', async () => {
    const town = orphaned();
    await town.lookForOrphans();
    name(town, [BOB]);
    await town.live(24);
    lateReceipt(town, [BOB, EVE]);
    lateReceipt(town, [BOB, EVE]);
    name(town, [BOB, EVE]);
    await town.live(24);
    expect(delivered(town)).toEqual([BOB, EVE]);
    expect(placeholder(town)).toMatchObject({ state: 'removed', stateReason: 'recipients-named' });
  });

  it('may see any call of it die, with a late receipt right behind', async () => {
    const counting = new Interrupt();
    const first = orphaned();
    await first.lookForOrphans();
    first.interrupt = counting;
    name(first, [BOB]);
    lateReceipt(first, [BOB, EVE]);
    await first.work();
    expect(counting.calls.length).toBeGreaterThan(15);
    for (let k = 1; k <= counting.calls.length; k++) {
      for (const when of ['before', 'after'] as const) {
        const town = orphaned();
        await town.lookForOrphans();
        town.interrupt = Interrupt.at(k, when);
        name(town, [BOB]);
        lateReceipt(town, [BOB, EVE]);
        await town.live(24);
        const twice = delivered(town).length - 2;
        const marked = town.ledger.all().filter((row) => row.possibleDuplicate).length;
        expect([k, when, states(town), placeholder(town)?.state, twice <= marked]).toEqual([
          k,
          when,
          { [BOB]: 'relayed', [EVE]: 'relayed' },
          'removed',
          true,
        ]);
      }
    }
  });

  it('but one that no route takes: nothing is sent, to anybody, and the trace says why', async () => {
    const town = orphaned();
    await town.lookForOrphans();
    name(town, [BOB, 'bob@elsewhere.example']);
    await town.live(24);
    expect(placeholder(town)).toMatchObject({ state: 'held', stateReason: 'receipt-missing' });
    expect(placeholder(town)?.trace.at(-1)).toMatchObject({
      event: 'HOLD',
      reason: 'not released: no route takes bob@elsewhere.example',
    });
    expect(town.ledger.all()).toHaveLength(1);
    name(town, [BOB]);
    await town.live(24);
    expect(delivered(town)).toEqual([BOB]);
  });

  it('of mail whose header could not be read when it was held: its sender is known where it can be read now', async () => {
    const town = orphaned();
    town.spool.spoil('in/m1', 'denied');
    await town.lookForOrphans();
    expect(placeholder(town)?.message?.reversePath).toBe('');
    town.spool.spoil('in/m1', null);
    name(town, [BOB]);
    await town.live(24);
    expect(town.exchange.accepted[0]?.reversePath).toMatchObject({ address: ANN });
  });

  it('of what is no orphan: nothing happens', async () => {
    const town = new Town(() => ok, new Interrupt(), settingsOf({}));
    town.receive('m1', ANN, [BOB], CONTENT);
    await town.live(24);
    name(town, [EVE]);
    await town.live(24);
    expect(delivered(town)).toEqual([BOB]);
    expect(town.lostNotifications).toEqual([]);
  });
});

describe('an operator who does not know the recipients', () => {
  it('can not release it without them', async () => {
    const town = orphaned();
    await town.lookForOrphans();
    expect(await release(operatorOf(town), placeholderRef, HOUR)).toMatchObject({
      kind: 'refused',
      why: expect.stringContaining('--to'),
    });
  });

  it('removes it: nobody is told, because nobody knows of what', async () => {
    const town = orphaned();
    await town.lookForOrphans();
    expect(await remove(operatorOf(town), placeholderRef, true)).toMatchObject({ kind: 'done' });
    await town.live(24);
    await town.lookForOrphans();
    expect(placeholder(town)).toMatchObject({ state: 'removed', stateReason: 'removed-by-operator' });
    expect(town.exchange.accepted).toEqual([]);
    lateReceipt(town); // who hands its receipt on after all wants it delivered
    await town.live(24);
    expect(delivered(town)).toEqual([BOB]);
    expect(placeholder(town)?.stateReason).toBe('removed-by-operator');
  });
});
