// The digest in the pipeline, as far as it tells of the quarantine: once a day where anything was quarantined, by the
// postmaster's way, dying at any call, composed from what waits at the attempt. Its own failure is held, and never
// causes a further notice.

import { describe, expect, it } from 'vitest';
import { Interrupt } from '#adapters/memory/interrupt.ts';
import type { Accepted, Script } from '#adapters/memory/next-hop.ts';
import { WaitingRows } from '#adapters/memory/waiting-rows.ts';
import { digestEntriesMax, lostJobAfterMs } from '#core/limits.ts';
import { release, remove } from '#pipeline/operate/operate.ts';
import { giveDigest } from '#pipeline/purge/digest-notice.ts';
import { boardOf } from '../kit/board.ts';
import { TestPipeline } from '../kit/pipeline.ts';
import { settingsOf } from './routed.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const ANN = 'ann@src.example';
const BOB = 'bob@example.com';
const POSTMASTER = 'postmaster@example.com';
const ok = { code: 250, status: '2.0.0', text: 'Ok' };
const noSuchUser = { code: 550, status: '5.1.1', text: 'no such user', at: 'rcpt' } as const;
const settings = settingsOf({});

const portsOf = (pipeline: TestPipeline, interrupt = new Interrupt()) => ({
  settings,
  ledger: interrupt.wrap('ledger', pipeline.ledger),
  waiting: interrupt.wrap('waiting', new WaitingRows(pipeline.ledger)),
  board: boardOf(pipeline, pipeline.board),
  relayQueue: interrupt.wrap('relayQueue', pipeline.relayQueue),
  clock: pipeline.clock,
  watch: pipeline.watch,
  sweepAgainMs: lostJobAfterMs,
});
const digestsIn = (pipeline: TestPipeline) =>
  pipeline.exchange.accepted.filter(({ forwardPath }) => forwardPath.address === POSTMASTER).map(received);
function received({ reversePath, content }: Accepted) {
  const whole = Buffer.from(content).toString('latin1');
  const end = whole.indexOf('\r\n\r\n');
  const decoded = whole.slice(end + 4).replace(/=\r\n/g, '');
  const text = decoded.replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
  return { reversePath, fields: whole.slice(0, end + 2), text };
}
/** One of spam, one with a virus for two, one that is relayed; then the next day. */
async function aDay(script: Script = () => ok): Promise<TestPipeline> {
  const pipeline = new TestPipeline(script, new Interrupt(), settings);
  pipeline.receive('m1', ANN, [BOB], undefined, ['spam']);
  pipeline.receive('m2', '', ['eve@example.com', BOB], undefined, ['virus']);
  pipeline.receive('m3', ANN, [BOB]);
  await pipeline.work();
  pipeline.clock.advanceTo(Math.ceil(pipeline.clock.now() / DAY) * DAY + HOUR);
  return pipeline;
}
/** Minutes of work and sweeps, short of the end of any quarantine. */
const settle = (pipeline: TestPipeline) => pipeline.live(72);

describe('the digest', () => {
  it('tells once of what was quarantined, and how to release it', async () => {
    const pipeline = await aDay();
    expect(await giveDigest(portsOf(pipeline))).toBe('queued');
    expect(await giveDigest(portsOf(pipeline))).toBe('nothing-due');
    await settle(pipeline);
    const [digest, ...more] = digestsIn(pipeline);
    expect(more).toEqual([]);
    expect(digest?.reversePath).toBeNull();
    expect(digest?.fields).toMatch(/^Auto-Submitted: auto-generated\r$/m);
    expect(digest?.fields).toMatch(/^X-Everpost-Notice: v1\./m);
    expect(digest?.fields).toMatch(/^Subject: Quarantine: 3 messages kept, 0 soon discarded\r$/m);
    expect(digest?.text).toContain('policy-spam');
    expect(digest?.text).toContain('From:      the null reverse-path');
    expect(digest?.text).toContain('Subject:   m1');
    expect(digest?.text).toContain(
      'npx everpost release --stack Everpost --spool-id m1 --forward-path bob@example.com --action 0',
    );
    expect(digest?.text).not.toContain('m3');
    const row = pipeline.ledger.all().find(({ noticeKind }) => noticeKind === 'digest');
    expect(row).toMatchObject({ state: 'relayed', dueAt: null, kind: 'notice' });
  });

  it('is silent where nothing was quarantined, and comes again with the next', async () => {
    const pipeline = await aDay();
    await giveDigest(portsOf(pipeline));
    await settle(pipeline);
    pipeline.clock.advanceTo(pipeline.clock.now() + DAY);
    expect(await giveDigest(portsOf(pipeline))).toBe('nothing-to-tell');
    pipeline.receive('m9', ANN, [BOB], undefined, ['spam']);
    await pipeline.work();
    pipeline.clock.advanceTo(pipeline.clock.now() + 3 * DAY); // days without a run leave nothing out
    expect(await giveDigest(portsOf(pipeline))).toBe('queued');
    await settle(pipeline);
    const last = digestsIn(pipeline).at(-1);
    expect(digestsIn(pipeline)).toHaveLength(2);
    expect(last?.text).toContain('--spool-id m9');
    expect(last?.text).not.toContain('--spool-id m1');
    expect(last?.text).toContain('altogether: 4 messages, of which 0');
  });

  it('tells what waits when it is attempted, not what waited when it was written', async () => {
    const pipeline = await aDay();
    await giveDigest(portsOf(pipeline));
    const row = pipeline.ledger.all().find(({ spoolId }) => spoolId === 'm1');
    if (row !== undefined)
      await release(
        { ...portsOf(pipeline), bounceQueue: pipeline.bounceQueue, feedbackQueue: pipeline.feedbackQueue },
        row,
        48 * HOUR,
      );
    await settle(pipeline);
    expect(digestsIn(pipeline)[0]?.text).not.toContain('--spool-id m1');
    expect(digestsIn(pipeline)[0]?.text).toContain('--spool-id m2');
  });

  it('does not tell what the index alone still shows', async () => {
    const pipeline = await aDay();
    await giveDigest(portsOf(pipeline));
    const { ledger } = pipeline;
    const stale = [...ledger.all()];
    pipeline.waitingRows.walk = (...given) => new WaitingRows({ all: () => stale }).walk(...given);
    const row = ledger.all().find(({ spoolId }) => spoolId === 'm1');
    if (row !== undefined)
      await release(
        { ...portsOf(pipeline), bounceQueue: pipeline.bounceQueue, feedbackQueue: pipeline.feedbackQueue },
        row,
        48 * HOUR,
      );
    await settle(pipeline);
    expect(digestsIn(pipeline)[0]?.text.match(/--spool-id m\d/g)).toEqual(['--spool-id m2', '--spool-id m2']);
  });

  it('warns of what is soon discarded', async () => {
    const pipeline = await aDay();
    pipeline.clock.advanceTo(pipeline.clock.now() + 25 * DAY);
    await giveDigest(portsOf(pipeline)); // the first ever: it begins a day ago
    pipeline.receive('m9', ANN, [BOB], undefined, ['spam']);
    await pipeline.work();
    pipeline.clock.advanceTo(pipeline.clock.now() + DAY);
    await giveDigest(portsOf(pipeline));
    await pipeline.work();
    expect(digestsIn(pipeline)[0]?.text).toContain(
      'altogether: 4 messages, of which 4 will be discarded within a week',
    );
  });

  it('may die at any of its calls: one digest all the same', async () => {
    const counting = new Interrupt();
    await giveDigest(portsOf(await aDay(), counting));
    expect(counting.calls.length).toBeGreaterThan(4);
    for (let k = 1; k <= counting.calls.length; k++) {
      for (const when of ['before', 'after'] as const) {
        const pipeline = await aDay();
        await giveDigest(portsOf(pipeline, Interrupt.at(k, when))).catch(() => null);
        await pipeline.work();
        pipeline.clock.advanceTo(pipeline.clock.now() + 6 * HOUR);
        await giveDigest(portsOf(pipeline));
        await settle(pipeline);
        expect([k, when, digestsIn(pipeline).length]).toEqual([k, when, 1]);
      }
    }
  });

  it('that cannot be delivered is held, with an alarm, and nobody is told of it', async () => {
    const pipeline = await aDay(() => noSuchUser);
    await giveDigest(portsOf(pipeline));
    const before = pipeline.watch.total('Held');
    await settle(pipeline);
    expect(pipeline.ledger.all().find(({ noticeKind }) => noticeKind === 'digest')).toMatchObject({ state: 'held' });
    expect(pipeline.watch.total('Held')).toBeGreaterThan(before);
    expect(pipeline.ledger.all().filter(({ spoolId }) => spoolId.startsWith('digest'))).toHaveLength(1);
  });

  it('that is held can be released, or removed, by an operator', async () => {
    for (const deed of ['release', 'remove'] as const) {
      let refused = true;
      const pipeline = await aDay(() => (refused ? noSuchUser : ok));
      await giveDigest(portsOf(pipeline));
      await settle(pipeline);
      refused = false;
      const ports = { ...portsOf(pipeline), bounceQueue: pipeline.bounceQueue, feedbackQueue: pipeline.feedbackQueue };
      const held = pipeline.ledger.all().find(({ noticeKind }) => noticeKind === 'digest');
      if (held === undefined) throw new Error('no digest');
      await (deed === 'release' ? release(ports, held, 48 * HOUR) : remove(ports, held, true));
      await settle(pipeline);
      const row = await pipeline.ledger.read(held);
      expect([row?.state, row?.dueAt]).toEqual([deed === 'release' ? 'relayed' : 'removed', null]);
      expect(digestsIn(pipeline)).toHaveLength(deed === 'release' ? 1 : 0);
    }
  });

  it('is bounded: the latest one by one, the rest by number', async () => {
    const pipeline = await aDay();
    pipeline.clock.advanceTo(pipeline.clock.now() + 1);
    const recipients = Array.from({ length: digestEntriesMax + 7 }, (_, i) => `u${i}@example.com`);
    pipeline.receive('flood', ANN, recipients, undefined, ['spam']);
    await pipeline.work();
    pipeline.clock.advanceTo(pipeline.clock.now() + DAY);
    await giveDigest(portsOf(pipeline));
    await pipeline.work();
    expect(digestsIn(pipeline)[0]?.text.match(/--spool-id /g)).toHaveLength(digestEntriesMax);
    expect(digestsIn(pipeline)[0]?.text).toContain('And 7 more');
  });
});
