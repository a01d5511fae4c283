// What may still be told of a message whose content is gone: its rows answer for it, and what is known of it lives as long as they do.

import { expect, it } from 'vitest';
import { Interrupt } from '#adapters/memory/interrupt.ts';
import type { Script } from '#adapters/memory/next-hop.ts';
import { deliveryId } from '#core/delivery/delivery.ts';
import { release, remove, resubmit } from '#pipeline/operate/operate.ts';
import { purge } from '#pipeline/purge/purge.ts';
import { judgeNotice } from '#test/judges/rfc3464.ts';
import { ACCEPTED_AT } from './notification.ts';
import { ANN, BOB, DAY, noticesToAnn, ok, reportOf, reverseOf, row, settings, TARGET, text } from './returning.ts';
import { say } from './ses-events.ts';
import { Town, townSettings } from './town.ts';

const { spool: RETENTION, ledger: LEDGER } = townSettings.retentionMs;
const CARL = 'carl@example.com';
const { signal: NEVER } = new AbortController();

const refused = { code: 550, status: '5.1.1', text: 'no such user', at: 'rcpt' } as const;

/** To Bob under a token, and purged. */
async function purged(recipients: readonly string[], script: Script = ok): Promise<Town> {
  const town = new Town(script, new Interrupt(), settings('token'));
  town.receive('m1', ANN, recipients, 'Subject: the offer\r\n\r\nHello\r\n');
  await town.live(1);
  town.clock.advanceTo(ACCEPTED_AT + RETENTION);
  expect(await purge(portsOf(town), NEVER)).toMatchObject({ removed: 1, more: false });
  return town;
}
const portsOf = (town: Town) => ({
  settings: settings('token'),
  ledger: town.ledger,
  inventory: town.spool,
  clock: town.clock,
  watch: town.watch,
});
const operator = (town: Town) => {
  const { relayQueue, bounceQueue, feedbackQueue } = town;
  return { ...portsOf(town), relayQueue, bounceQueue, feedbackQueue, sweepAgainMs: 1 };
};
async function reported(town: Town, day: number): Promise<void> {
  town.clock.advanceTo(ACCEPTED_AT + day * DAY);
  town.receive('r1', '', [reverseOf(town)], reportOf(town));
  await town.live(24);
}
function expired(town: Town, day: number): void {
  town.clock.advanceTo(ACCEPTED_AT + day * DAY);
  town.ledger.expire(town.clock.now(), LEDGER);
}
const ofM1 = (town: Town) => town.ledger.all().filter(({ spoolId }) => spoolId === 'm1');

it('a report that comes back then gives a notice of what the receipt had said, and calls nobody', async () => {
  const town = await purged([BOB]);
  town.spool.lose('in/m1'); // after `retention.versions`
  await reported(town, 30);
  expect(row(town, 'm1')).toMatchObject({ state: 'returned', lastStatus: '5.1.1' });
  const [notice, another] = noticesToAnn(town);
  expect(another).toBeUndefined();
  expect(judgeNotice(notice?.content ?? Buffer.alloc(0))).toEqual([]);
  expect(text(notice?.content)).toMatch(/Final-Recipient: rfc822; ?bob@example\.com/);
  expect(text(notice?.content)).toContain('Subject: m1'); // as the receipt had it
  expect(text(notice?.content)).not.toContain('the offer');
  expect(text(notice?.content)).not.toContain('kept.secret7');
  expect(town.watch.total('ContentUnreadable')).toBe(0);
});

it('while the bytes are still there under their marker, it quotes them', async () => {
  const town = await purged([BOB]);
  await reported(town, 16);
  expect(text(noticesToAnn(town)[0]?.content)).toContain('the offer');
});

it('content that is denied before its retention is over calls all the same', async () => {
  const town = new Town(ok, new Interrupt(), settings('token'));
  town.receive('m1', ANN, [BOB]);
  await town.live(1);
  town.spool.spoil('in/m1', 'denied');
  await reported(town, 3);
  expect(noticesToAnn(town)).toHaveLength(1);
  expect(town.watch.total('ContentUnreadable')).toBe(1);
});

it('of a message with several recipients nothing is left when its rows have gone, and all until then', async () => {
  const town = await purged([BOB, CARL]);
  expect(town.ledger.ownItems()).toEqual(['m1']);
  expired(town, 89.9);
  expect(await town.ledger.trace({ spoolId: 'm1', limit: 1 })).toMatchObject([{ rows: [{}, {}] }]);
  expired(town, 14 + 91);
  expect([ofM1(town), town.ledger.ownItems()]).toEqual([[], []]);
});

it('nothing is dated while a delivery of it is held', async () => {
  const town = new Town(ok, new Interrupt(), settings('token'));
  town.receive('m1', ANN, [BOB, CARL]);
  await town.live(1);
  const carl = ofM1(town).find(({ forwardPath }) => forwardPath === CARL);
  if (carl !== undefined) await town.ledger.write({ ...carl, state: 'held' }, []);
  town.clock.advanceTo(ACCEPTED_AT + RETENTION);
  expect(await purge(portsOf(town), NEVER)).toMatchObject({ removed: 0, kept: 1 });
  expired(town, 400);
  expect(await town.ledger.trace({ spoolId: 'm1', limit: 1 })).toMatchObject([{ rows: [{ state: 'held' }] }]);
});

it('what is taken up again late, and held, keeps what is known of its message for as long as it is held', async () => {
  const town = await purged([BOB, CARL], ({ address }) => (address === ANN ? refused : { code: 250 }));
  town.spool.lose('in/m1');
  await reported(town, 80);
  const bob = () => ofM1(town).find(({ forwardPath }) => forwardPath === BOB);
  expect(bob()).toMatchObject({ state: 'held', message: { spoolId: 'm1', reversePath: ANN } });
  expired(town, 400);
  expect(town.ledger.ownItems()).toEqual([]);
  const [record] = await town.ledger.trace({ spoolId: 'm1', limit: 1 });
  expect(record?.rows.map(({ state }) => state)).toEqual(['held']); // its notice's row has gone
  const standing = bob();
  if (standing === undefined) throw new Error('the delivery is gone');
  // Let go on, it is tried, and comes to the one end that is left to it: nothing throws.
  expect(await release(operator(town), standing, DAY)).toMatchObject({ kind: 'done' });
  await town.live(24 * 4);
  expect(bob()).toMatchObject({ state: 'held', lastReason: 'content-unreadable' });
  expect([...town.relayQueue.deadLetters, ...town.bounceQueue.deadLetters]).toEqual([]);

  const again = bob();
  if (again !== undefined) await remove(operator(town), again, false);
  expect(
    ofM1(town)
      .map(({ state }) => state)
      .toSorted(),
  ).toEqual(['held', 'removed']); // the notice, and its delivery
  expired(town, 600);
  expect(ofM1(town)).toEqual([]);
});

it('what is resubmitted from under a marker that was taken away, and held, keeps it likewise', async () => {
  let down = false;
  const town = await purged([BOB, CARL], () => (down ? refused : { code: 250 }));
  town.spool.put('in/m1', Buffer.from('Return-Path: <>\r\nSubject: the offer\r\n\r\nHello\r\n'), ACCEPTED_AT);
  down = true; // to Ann too
  const bob = () => ofM1(town).find(({ forwardPath }) => forwardPath === BOB);
  const ports = { ...operator(town), spool: town.spool };
  const standing = bob();
  if (standing !== undefined) await resubmit(ports, standing, DAY, NEVER);
  await town.live(24);
  expect(bob()?.state).toBe('held');
  expired(town, 400);
  expect(await town.ledger.trace({ spoolId: 'm1', limit: 1 })).toMatchObject([{ message: { reversePath: ANN } }]);
});

it('a notice that comes back late hands what is known on to the delivery that it holds', async () => {
  const gone: Script = ({ address }) => (address === TARGET ? refused : { code: 250 });
  const town = await purged([BOB, CARL], gone);
  const notice = ofM1(town).find(({ noticeKind }) => noticeKind === 'ndr');
  if (notice === undefined) throw new Error('there is no notice');
  town.clock.advanceTo(ACCEPTED_AT + 80 * DAY);
  town.tell(say('bounce', deliveryId(notice)));
  await town.live(24);
  expired(town, 400);
  expect(await town.ledger.trace({ spoolId: 'm1', limit: 1 })).toMatchObject([
    { message: { reversePath: ANN }, rows: [{ forwardPath: BOB, state: 'held' }] },
  ]);
});
