// Ways in which AWS loses mail without a word, played on the pipeline in memory: what the services do not do here must
// end with the next hop's acceptance, a notice or an alarm all the same. Each is a row of docs/loss-paths.md, which
// names its test.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type DeliveryRow, deliveryId } from '#core/delivery/delivery.ts';
import { TestPipeline } from '../kit/pipeline.ts';
import { notification } from './notification.ts';
import { bySes, FAILURES, say } from './ses-events.ts';

const ANN = 'ann@src.example';
const BOB = 'bob@example.com';
const ok = { code: 250, status: '2.0.0', text: 'Ok' };
const later = { code: 451, status: '4.3.0', text: 'later', at: 'rcpt' } as const;
const delivered = (pipeline: TestPipeline): DeliveryRow | undefined =>
  pipeline.ledger.all().find(({ kind }) => kind === 'delivery');

it('what ingest does not understand is taken for no trial of SES: it ends among the dead letters', async () => {
  const pipeline = new TestPipeline(() => ok);
  const receipt = JSON.parse(notification('m1', ANN, [BOB]));
  const strange = [
    { ...receipt, mail: { ...receipt.mail, messageId: undefined } },
    { ...receipt, receipt: { ...receipt.receipt, recipients: [] } },
    { ...receipt, mail: { ...receipt.mail, messageId: undefined, subject: 'AMAZON_SES_SETUP_NOTIFICATION' } },
    { Message: JSON.stringify({ ...receipt, subject: 'AMAZON_SES_SETUP_NOTIFICATION' }) },
    {},
    null,
  ];
  for (const each of strange) pipeline.notify(JSON.stringify(each));
  pipeline.notify('Successfully validated SNS topic for Amazon SES event publishing.');
  pipeline.notify(readFileSync(join(import.meta.dirname, '../fixtures/events/setup-notification.json'), 'utf8'));
  await pipeline.live(24);
  // SES's trial of the receipt rule is the only one that is done with.
  expect(pipeline.lostNotifications).toHaveLength(strange.length + 1);
  expect(pipeline.ledger.all()).toEqual([]);
});

it('mail that waits for a next hop waits in no queue: 120,000 jobs in flight stop a queue without a word', async () => {
  const pipeline = new TestPipeline(() => later);
  for (let n = 0; n < 300; n += 1) pipeline.receive(`m${n}`, ANN, [BOB]);
  await pipeline.work();
  const queues = [pipeline.relayQueue, pipeline.slowRelayQueue, pipeline.bounceQueue, pipeline.feedbackQueue];
  for (const queue of queues) expect(await queue.depth()).toEqual({ visible: 0, inFlight: 0 });
  const waiting = pipeline.ledger.all().filter(({ state, dueAt }) => state === 'deferred' && dueAt !== null);
  expect(waiting).toHaveLength(300);
});

it('jobs whose time in their queue has ended are sent again by the sweep, at each stage', async () => {
  const expected = { relay: 'relayed', bounce: 'returned' };
  for (const stage of ['relay', 'bounce'] as const) {
    const pipeline = new TestPipeline((to) =>
      to.address === BOB && stage === 'bounce' ? { code: 550, status: '5.1.1', text: 'no', at: 'rcpt' } : ok,
    );
    const queue = stage === 'relay' ? pipeline.relayQueue : pipeline.bounceQueue;
    const send = queue.send.bind(queue);
    let forgotten = 0;
    queue.send = async (jobs) => {
      await send(jobs);
      if (forgotten > 0) return;
      forgotten += jobs.length;
      queue.lose();
    };
    pipeline.receive('m1', ANN, [BOB]);
    await pipeline.live(24);
    expect([stage, forgotten, delivered(pipeline)?.state]).toEqual([stage, 1, expected[stage]]);
  }
});

describe('SES answers 200 and then does not deliver', () => {
  it.each(FAILURES)('%s: the sender is told, once', async (said) => {
    const pipeline = new TestPipeline(() => ok, undefined, bySes());
    pipeline.receive('m1', ANN, [BOB]);
    await pipeline.work();
    const row = delivered(pipeline);
    expect(row?.state).toBe('relayed');
    for (let times = 0; times < 2; times += 1) pipeline.tell(say(said, row === undefined ? '' : deliveryId(row)));
    await pipeline.live(24);
    expect(delivered(pipeline)?.state).toBe('returned');
    expect(pipeline.exchange.accepted.filter(({ forwardPath }) => forwardPath.address === ANN)).toHaveLength(1);
  });
});

it('the notice fails as its message did: the message is held, with an alarm that stands', async () => {
  const pipeline = new TestPipeline(() => ({ code: 550, status: '5.1.1', text: 'no such user', at: 'rcpt' }));
  pipeline.receive('m1', ANN, [BOB]);
  await pipeline.live(24 * 7);
  expect(delivered(pipeline)).toMatchObject({ state: 'held', heldBecause: expect.any(String) });
  expect(pipeline.watch.total('Held')).toBe(1);
  const levels = pipeline.watch.counted.filter(({ metric }) => metric === 'WaitsForPerson');
  expect(levels.at(-1)?.value).toBe(1);
});
