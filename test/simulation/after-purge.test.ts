// What may still be told of a message whose content is gone: its rows answer for it, and what is known of it lives as
// long as they do.

import { expect, it } from 'vitest';
import { Interrupt } from '#adapters/memory/interrupt.ts';
import type { Script } from '#adapters/memory/next-hop.ts';
import { deliveryId } from '#core/delivery/delivery.ts';
import { release, remove, resubmit } from '#pipeline/operate/operate.ts';
import { purge } from '#pipeline/purge/purge.ts';
import { judgeNotice } from '#test/judges/rfc3464.ts';
import { boardOf } from '../kit/board.ts';
import { pipelineSettings, TestPipeline } from '../kit/pipeline.ts';
import { ACCEPTED_AT } from './notification.ts';
import { ANN, BOB, DAY, noticesToAnn, ok, reportOf, reverseOf, row, settings, TARGET, text } from './returning.ts';
import { say } from './ses-events.ts';

const { spool: RETENTION, ledger: LEDGER } = pipelineSettings.retentionMs;
const CARL = 'carl@example.com';
const { signal: NEVER } = new AbortController();

const refused = { code: 550, status: '5.1.1', text: 'no such user', at: 'rcpt' } as const;

/** To Bob under a token, and purged. */
async function purged(recipients: readonly string[], script: Script = ok): Promise<TestPipeline> {
  const pipeline = new TestPipeline(script, new Interrupt(), settings('token'));
  pipeline.receive('m1', ANN, recipients, 'Subject: the offer\r\n\r\nHello\r\n');
  await pipeline.live(1);
  pipeline.clock.advanceTo(ACCEPTED_AT + RETENTION);
  expect(await purge(portsOf(pipeline), NEVER)).toMatchObject({ removed: 1, more: false });
  return pipeline;
}
const portsOf = (pipeline: TestPipeline) => ({
  settings: settings('token'),
  board: boardOf(pipeline, pipeline.board),
  ledger: pipeline.ledger,
  inventory: pipeline.spool,
  clock: pipeline.clock,
  watch: pipeline.watch,
});
const operator = (pipeline: TestPipeline) => {
  const { relayQueue, bounceQueue, feedbackQueue } = pipeline;
  return { ...portsOf(pipeline), relayQueue, bounceQueue, feedbackQueue, sweepAgainMs: 1 };
};
async function reported(pipeline: TestPipeline, day: number): Promise<void> {
  pipeline.clock.advanceTo(ACCEPTED_AT + day * DAY);
  pipeline.receive('r1', '', [reverseOf(pipeline)], reportOf(pipeline));
  await pipeline.live(24);
}
function expired(pipeline: TestPipeline, day: number): void {
  pipeline.clock.advanceTo(ACCEPTED_AT + day * DAY);
  pipeline.ledger.expire(pipeline.clock.now(), LEDGER);
}
const ofM1 = (pipeline: TestPipeline) => pipeline.ledger.all().filter(({ spoolId }) => spoolId === 'm1');

it('a report that comes back then gives a notice of what the receipt had said, and calls nobody', async () => {
  const pipeline = await purged([BOB]);
  pipeline.spool.lose('in/m1'); // after `retention.versions`
  await reported(pipeline, 30);
  expect(row(pipeline, 'm1')).toMatchObject({ state: 'returned', lastStatus: '5.1.1' });
  const [notice, another] = noticesToAnn(pipeline);
  expect(another).toBeUndefined();
  expect(judgeNotice(notice?.content ?? Buffer.alloc(0))).toEqual([]);
  expect(text(notice?.content)).toMatch(/Final-Recipient: rfc822; ?bob@example\.com/);
  expect(text(notice?.content)).toContain('Subject: m1'); // as the receipt had it
  expect(text(notice?.content)).not.toContain('the offer');
  expect(text(notice?.content)).not.toContain('kept.secret7');
  expect(pipeline.watch.total('ContentUnreadable')).toBe(0);
});

it('while the bytes are still there under their marker, it quotes them', async () => {
  const pipeline = await purged([BOB]);
  await reported(pipeline, 16);
  expect(text(noticesToAnn(pipeline)[0]?.content)).toContain('the offer');
});

it('content that is denied before its retention is over calls all the same', async () => {
  const pipeline = new TestPipeline(ok, new Interrupt(), settings('token'));
  pipeline.receive('m1', ANN, [BOB]);
  await pipeline.live(1);
  pipeline.spool.spoil('in/m1', 'denied');
  await reported(pipeline, 3);
  expect(noticesToAnn(pipeline)).toHaveLength(1);
  expect(pipeline.watch.total('ContentUnreadable')).toBe(1);
});

it('of a message with several recipients nothing is left when its rows have gone, and all until then', async () => {
  const pipeline = await purged([BOB, CARL]);
  expect(pipeline.ledger.ownItems()).toEqual(['m1']);
  expired(pipeline, 89.9);
  expect(await pipeline.ledger.trace({ spoolId: 'm1', limit: 1 })).toMatchObject([{ rows: [{}, {}] }]);
  expired(pipeline, 14 + 91);
  expect([ofM1(pipeline), pipeline.ledger.ownItems()]).toEqual([[], []]);
});

it('nothing is dated while a delivery of it is held', async () => {
  const pipeline = new TestPipeline(ok, new Interrupt(), settings('token'));
  pipeline.receive('m1', ANN, [BOB, CARL]);
  await pipeline.live(1);
  const carl = ofM1(pipeline).find(({ forwardPath }) => forwardPath === CARL);
  if (carl !== undefined) await pipeline.ledger.write({ ...carl, state: 'held' }, []);
  pipeline.clock.advanceTo(ACCEPTED_AT + RETENTION);
  expect(await purge(portsOf(pipeline), NEVER)).toMatchObject({ removed: 0, kept: 1 });
  expired(pipeline, 400);
  expect(await pipeline.ledger.trace({ spoolId: 'm1', limit: 1 })).toMatchObject([{ rows: [{ state: 'held' }] }]);
});

it('what is taken up again late, and held, keeps what is known of its message for as long as it is held', async () => {
  const pipeline = await purged([BOB, CARL], ({ address }) => (address === ANN ? refused : { code: 250 }));
  pipeline.spool.lose('in/m1');
  await reported(pipeline, 80);
  const bob = () => ofM1(pipeline).find(({ forwardPath }) => forwardPath === BOB);
  expect(bob()).toMatchObject({ state: 'held', message: { spoolId: 'm1', reversePath: ANN } });
  expired(pipeline, 400);
  expect(pipeline.ledger.ownItems()).toEqual([]);
  const [record] = await pipeline.ledger.trace({ spoolId: 'm1', limit: 1 });
  expect(record?.rows.map(({ state }) => state)).toEqual(['held']); // its notice's row has gone
  const standing = bob();
  if (standing === undefined) throw new Error('the delivery is gone');
  // Let go on, it is tried, and comes to the one end that is left to it: nothing throws.
  expect(await release(operator(pipeline), standing, DAY)).toMatchObject({ kind: 'done' });
  await pipeline.live(24 * 4);
  expect(bob()).toMatchObject({ state: 'held', lastReason: 'content-unreadable' });
  expect([...pipeline.relayQueue.deadLetters, ...pipeline.bounceQueue.deadLetters]).toEqual([]);

  const again = bob();
  if (again !== undefined) await remove(operator(pipeline), again, false);
  expect(
    ofM1(pipeline)
      .map(({ state }) => state)
      .toSorted(),
  ).toEqual(['held', 'removed']); // the notice, and its delivery
  expired(pipeline, 600);
  expect(ofM1(pipeline)).toEqual([]);
});

it('what is resubmitted from under a marker that was taken away, and held, keeps it likewise', async () => {
  let down = false;
  const pipeline = await purged([BOB, CARL], () => (down ? refused : { code: 250 }));
  pipeline.spool.put('in/m1', Buffer.from('Return-Path: <>\r\nSubject: the offer\r\n\r\nHello\r\n'), ACCEPTED_AT);
  down = true; // to Ann too
  const bob = () => ofM1(pipeline).find(({ forwardPath }) => forwardPath === BOB);
  const ports = { ...operator(pipeline), spool: pipeline.spool };
  const standing = bob();
  if (standing !== undefined) await resubmit(ports, standing, DAY, NEVER);
  await pipeline.live(24);
  expect(bob()?.state).toBe('held');
  expired(pipeline, 400);
  expect(await pipeline.ledger.trace({ spoolId: 'm1', limit: 1 })).toMatchObject([{ message: { reversePath: ANN } }]);
});

it('a notice that comes back late hands what is known on to the delivery that it holds', async () => {
  const gone: Script = ({ address }) => (address === TARGET ? refused : { code: 250 });
  const pipeline = await purged([BOB, CARL], gone);
  const notice = ofM1(pipeline).find(({ noticeKind }) => noticeKind === 'ndr');
  if (notice === undefined) throw new Error('there is no notice');
  pipeline.clock.advanceTo(ACCEPTED_AT + 80 * DAY);
  pipeline.tell(say('bounce', deliveryId(notice)));
  await pipeline.live(24);
  expired(pipeline, 400);
  expect(await pipeline.ledger.trace({ spoolId: 'm1', limit: 1 })).toMatchObject([
    { message: { reversePath: ANN }, rows: [{ forwardPath: BOB, state: 'held' }] },
  ]);
});
