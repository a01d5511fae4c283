// Orphans, between the stages: the receipt never came, comes late, comes twice, or an operator names the recipients
// first. Every function may die at any of its calls, and the message is held with an alarm, or is delivered once, all
// the same.

import { describe, expect, it } from 'vitest';
import { Interrupt } from '#adapters/memory/interrupt.ts';
import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { lostJobAfterMs } from '#core/limits.ts';
import { namedRecipientsBody } from '#core/spool/named-recipients.ts';
import { placeholderKey } from '#core/spool/orphan.ts';
import { release, remove } from '#pipeline/operate/operate.ts';
import { TestPipeline } from '../kit/pipeline.ts';
import { notification } from './notification.ts';
import { settingsOf } from './routed.ts';

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
function orphaned(interrupt = new Interrupt(), content = CONTENT): TestPipeline {
  const pipeline = new TestPipeline(() => ok, interrupt, settingsOf({}));
  pipeline.receive('m1', ANN, [BOB], content);
  pipeline.notifications.length = 0;
  return pipeline;
}
const lateReceipt = (pipeline: TestPipeline, recipients = [BOB]) =>
  pipeline.notify(notification('m1', ANN, recipients));
const name = (pipeline: TestPipeline, recipients: readonly string[]) =>
  pipeline.notify(namedRecipientsBody({ spoolId: 'm1', recipients, lifetimeMs: 48 * HOUR, by: 'ann' }));
const placeholder = (pipeline: TestPipeline): DeliveryRow | undefined =>
  pipeline.ledger.all().find((row) => row.deliveryKey === placeholderKey);
const delivered = (pipeline: TestPipeline) => pipeline.exchange.accepted.map((each) => each.forwardPath.address).sort();
const states = (pipeline: TestPipeline) =>
  Object.fromEntries(
    pipeline.ledger.all().flatMap((row) => (row.deliveryKey === placeholderKey ? [] : [[row.forwardPath, row.state]])),
  );
function operatorOf(pipeline: TestPipeline) {
  const { ledger, relayQueue, bounceQueue, feedbackQueue, clock } = pipeline;
  return { ledger, relayQueue, bounceQueue, feedbackQueue, clock, sweepAgainMs: lostJobAfterMs };
}
const placeholderRef = { spoolId: 'm1', deliveryKey: placeholderKey };

describe('a message whose receipt never came', () => {
  it('is held an hour after it was stored, with an alarm and what can be known of it', async () => {
    const pipeline = orphaned();
    await pipeline.lookForOrphans();
    expect(placeholder(pipeline)).toMatchObject({
      state: 'held',
      stateReason: 'receipt-missing',
      forwardPath: BOB,
      nextHop: '',
      dueAt: pipeline.clock.now() + 86_400_000,
      message: {
        reversePath: ANN,
        verdicts: null,
        extract: { subject: 'About m1', messageIdField: '<m1@src.example>' },
      },
    });
    expect(placeholder(pipeline)?.trace.map(({ event, reason }) => [event, reason])).toEqual([
      ['RECEIVE', null],
      ['HOLD', 'receipt-missing'],
    ]);
    expect([pipeline.watch.total('ReceiptMissing'), pipeline.watch.total('Held')]).toEqual([1, 1]);
    expect(pipeline.watch.total('OrphanSweepRun')).toBe(1);
  });

  it('is not looked at before the hour is over', async () => {
    const pipeline = orphaned();
    pipeline.spool.put('in/m2', Buffer.from('x'), pipeline.clock.now() + 1_000);
    await pipeline.lookForOrphans();
    expect(pipeline.ledger.all().map((row) => row.spoolId)).toEqual(['m1']);
    await pipeline.lookForOrphans();
    expect(pipeline.ledger.all().map((row) => row.spoolId)).toEqual(['m1', 'm2']);
  });

  it('never moves by itself: no attempt, no expiry, no notice, whatever time passes', async () => {
    const pipeline = orphaned();
    await pipeline.lookForOrphans();
    await pipeline.live(24 * 7);
    pipeline.clock.advanceTo(pipeline.clock.now() + 40 * 24 * HOUR);
    await pipeline.live(24);
    await pipeline.lookForOrphans();
    expect(placeholder(pipeline)?.state).toBe('held');
    expect(pipeline.exchange.accepted).toEqual([]);
    expect(pipeline.watch.total('ReceiptMissing')).toBe(1);
  });

  it('is held after a crash at any call of the search, and alarmed', async () => {
    const counting = new Interrupt();
    await orphaned(counting).lookForOrphans();
    expect(counting.calls.length).toBeGreaterThan(70);
    for (let k = 1; k <= counting.calls.length; k++) {
      for (const when of ['before', 'after'] as const) {
        const pipeline = orphaned(Interrupt.at(k, when));
        await pipeline.lookForOrphans();
        await pipeline.lookForOrphans();
        const alarms = pipeline.watch.total('ReceiptMissing');
        expect([k, when, placeholder(pipeline)?.state, alarms > 0]).toEqual([k, when, 'held', true]);
      }
    }
  });

  it('an empty object, and one that cannot be read, are held with what is known', async () => {
    const pipeline = orphaned();
    pipeline.spool.put('in/m1', new Uint8Array(0), pipeline.clock.now());
    pipeline.receive('m2', ANN, [BOB], CONTENT);
    pipeline.notifications.length = 0;
    pipeline.spool.spoil('in/m2', 'denied');
    await pipeline.lookForOrphans();
    expect(pipeline.ledger.all().map((row) => [row.state, row.message?.reversePath, row.forwardPath])).toEqual([
      ['held', '', ''],
      ['held', '', ''],
    ]);
    expect(pipeline.ledger.all().map((row) => row.trace.at(-1)?.reason)).toEqual([
      expect.stringMatching(/^receipt-missing: .*reverse-path is unknown.*empty/),
      expect.stringMatching(/^receipt-missing: .*reverse-path is unknown.*denied/),
    ]);
  });

  it("passes over SES's own test object and what is no mail", async () => {
    const pipeline = orphaned();
    for (const key of ['in/AMAZON_SES_SETUP_NOTIFICATION', 'in/', 'in/a/b', 'in/a b'])
      pipeline.spool.put(key, Buffer.from('x'), pipeline.clock.now());
    await pipeline.lookForOrphans();
    expect(pipeline.ledger.all().map((row) => row.spoolId)).toEqual(['m1']);
  });
});

describe('a late receipt', () => {
  it('takes its place: delivered once, the placeholder ends, traced', async () => {
    const pipeline = orphaned();
    await pipeline.lookForOrphans();
    lateReceipt(pipeline, [BOB, EVE]);
    lateReceipt(pipeline, [BOB, EVE]);
    await pipeline.live(24);
    expect(states(pipeline)).toEqual({ [BOB]: 'relayed', [EVE]: 'relayed' });
    expect(delivered(pipeline)).toEqual([BOB, EVE]);
    expect(placeholder(pipeline)).toMatchObject({ state: 'removed', stateReason: 'receipt-came', message: null });
    expect(placeholder(pipeline)?.trace.at(-1)).toMatchObject({ event: 'DROP', reason: 'receipt-came' });
    expect((await pipeline.ledger.message('m1'))?.verdicts?.spam).toBe('PASS'); // the receipt's facts, not the placeholder's
  });

  it('may come while the search looks, and either may die at any call', async () => {
    const counting = new Interrupt();
    const first = orphaned(counting);
    await first.lookForOrphans();
    lateReceipt(first);
    await first.work();
    for (let k = 1; k <= counting.calls.length; k++) {
      for (const when of ['before', 'after'] as const) {
        const pipeline = orphaned(Interrupt.at(k, when));
        await pipeline.lookForOrphans();
        lateReceipt(pipeline);
        await pipeline.live(24);
        await pipeline.lookForOrphans();
        const row = placeholder(pipeline);
        expect([k, when, states(pipeline), row?.state ?? 'removed', delivered(pipeline).length > 0]).toEqual([
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
    const pipeline = orphaned();
    const { ledger } = pipeline;
    // The search has seen that there is nothing, and ingest runs from begin to end before it writes: ingest finds no
    // placeholder to end.
    const create = ledger.create.bind(ledger);
    ledger.create = async (rows, message) => {
      ledger.create = create;
      lateReceipt(pipeline);
      await pipeline.work();
      return create(rows, message);
    };
    await pipeline.lookForOrphans();
    expect(placeholder(pipeline)).toMatchObject({ state: 'removed', stateReason: 'receipt-came' });
    expect(states(pipeline)).toEqual({ [BOB]: 'relayed' });
    expect(pipeline.watch.total('ReceiptMissing')).toBe(0);
  });

  it('and a search that died right then: the next one ends the placeholder', async () => {
    const pipeline = orphaned();
    const { ledger } = pipeline;
    const create = ledger.create.bind(ledger);
    ledger.create = async (rows, message) => {
      ledger.create = create;
      lateReceipt(pipeline);
      await pipeline.work();
      await create(rows, message);
      throw new Error('the function died');
    };
    await pipeline.lookForOrphans();
    expect(placeholder(pipeline)?.state).toBe('held');
    await pipeline.lookForOrphans();
    expect(placeholder(pipeline)).toMatchObject({ state: 'removed', stateReason: 'receipt-came' });
    expect(delivered(pipeline)).toEqual([BOB]);
  });

  it('leaves alone what an operator does with the placeholder at the same moment', async () => {
    const pipeline = orphaned();
    await pipeline.lookForOrphans();
    const { ledger } = pipeline;
    const read = ledger.read.bind(ledger);
    ledger.read = async (ref) => {
      const row = await read(ref);
      ledger.read = read;
      await remove(operatorOf(pipeline), placeholderRef, true);
      return row;
    };
    lateReceipt(pipeline);
    await pipeline.live(24);
    expect(placeholder(pipeline)?.stateReason).toBe('removed-by-operator');
    expect(delivered(pipeline)).toEqual([BOB]);
  });
});

describe('an operator who names the recipients', () => {
  it('has it delivered, by the routes, with a lifetime from now', async () => {
    const pipeline = orphaned();
    await pipeline.lookForOrphans();
    const namedAt = pipeline.clock.now() + 10 * 24 * HOUR;
    pipeline.clock.advanceTo(namedAt);
    name(pipeline, [BOB, EVE, BOB]);
    await pipeline.live(24);
    expect(states(pipeline)).toEqual({ [BOB]: 'relayed', [EVE]: 'relayed' });
    expect(delivered(pipeline)).toEqual([BOB, EVE]);
    expect(placeholder(pipeline)).toMatchObject({ state: 'removed', stateReason: 'recipients-named' });
    expect(placeholder(pipeline)?.trace.at(-1)).toMatchObject({ event: 'RELEASE', by: 'ann' });
    const bob = pipeline.ledger.all().find((row) => row.forwardPath === BOB && row.deliveryKey !== placeholderKey);
    expect(bob?.trace[0]).toMatchObject({ event: 'RECEIVE', reason: 'recipients-named' });
    expect(bob).toMatchObject({ attempts: 1, expiresAt: namedAt + 48 * HOUR });
    expect(await pipeline.ledger.message('m1')).toMatchObject({ reversePath: ANN, verdicts: null });
  });

  it('and a late receipt for more of them: nobody has it twice, nobody is left out', async () => {
    const pipeline = orphaned();
    await pipeline.lookForOrphans();
    name(pipeline, [BOB]);
    await pipeline.live(24);
    lateReceipt(pipeline, [BOB, EVE]);
    lateReceipt(pipeline, [BOB, EVE]);
    name(pipeline, [BOB, EVE]);
    await pipeline.live(24);
    expect(delivered(pipeline)).toEqual([BOB, EVE]);
    expect(placeholder(pipeline)).toMatchObject({ state: 'removed', stateReason: 'recipients-named' });
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
        const pipeline = orphaned();
        await pipeline.lookForOrphans();
        pipeline.interrupt = Interrupt.at(k, when);
        name(pipeline, [BOB]);
        lateReceipt(pipeline, [BOB, EVE]);
        await pipeline.live(24);
        const twice = delivered(pipeline).length - 2;
        const marked = pipeline.ledger.all().filter((row) => row.possibleDuplicate).length;
        expect([k, when, states(pipeline), placeholder(pipeline)?.state, twice <= marked]).toEqual([
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
    const pipeline = orphaned();
    await pipeline.lookForOrphans();
    name(pipeline, [BOB, 'bob@elsewhere.example']);
    await pipeline.live(24);
    expect(placeholder(pipeline)).toMatchObject({ state: 'held', stateReason: 'receipt-missing' });
    expect(placeholder(pipeline)?.trace.at(-1)).toMatchObject({
      event: 'HOLD',
      reason: 'not released: no route takes bob@elsewhere.example',
      by: 'ann',
    });
    expect(pipeline.ledger.all()).toHaveLength(1);
    name(pipeline, [BOB]);
    await pipeline.live(24);
    expect(delivered(pipeline)).toEqual([BOB]);
  });

  it('of mail whose header could not be read when it was held: its sender is known where it can be read now', async () => {
    const pipeline = orphaned();
    pipeline.spool.spoil('in/m1', 'denied');
    await pipeline.lookForOrphans();
    expect(placeholder(pipeline)?.message?.reversePath).toBe('');
    pipeline.spool.spoil('in/m1', null);
    name(pipeline, [BOB]);
    await pipeline.live(24);
    expect(pipeline.exchange.accepted[0]?.reversePath).toMatchObject({ address: ANN });
  });

  it('of what is no orphan: nothing happens', async () => {
    const pipeline = new TestPipeline(() => ok, new Interrupt(), settingsOf({}));
    pipeline.receive('m1', ANN, [BOB], CONTENT);
    await pipeline.live(24);
    name(pipeline, [EVE]);
    await pipeline.live(24);
    expect(delivered(pipeline)).toEqual([BOB]);
    expect(pipeline.lostNotifications).toEqual([]);
  });
});

describe('an operator who does not know the recipients', () => {
  it('cannot release it without them', async () => {
    const pipeline = orphaned();
    await pipeline.lookForOrphans();
    expect(await release(operatorOf(pipeline), placeholderRef, HOUR)).toMatchObject({
      kind: 'refused',
      why: expect.stringContaining('--to'),
    });
  });

  it('removes it: nobody is told, because nobody knows of what', async () => {
    const pipeline = orphaned();
    await pipeline.lookForOrphans();
    expect(await remove(operatorOf(pipeline), placeholderRef, true)).toMatchObject({ kind: 'done' });
    await pipeline.live(24);
    await pipeline.lookForOrphans();
    expect(placeholder(pipeline)).toMatchObject({ state: 'removed', stateReason: 'removed-by-operator' });
    expect(pipeline.exchange.accepted).toEqual([]);
    lateReceipt(pipeline); // who hands its receipt on after all wants it delivered
    await pipeline.live(24);
    expect(delivered(pipeline)).toEqual([BOB]);
    expect(placeholder(pipeline)?.stateReason).toBe('removed-by-operator');
  });
});
