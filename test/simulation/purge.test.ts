// The purge in the pipeline: what it removes, what it never does, dying at any of its calls, running out of time on any
// page, and meeting what it cannot read. A removal too many is somebody's mail.

import { describe, expect, it } from 'vitest';
import { Interrupt } from '#adapters/memory/interrupt.ts';
import { purgeFailuresMax, sesFeedbackMs } from '#core/limits.ts';
import { release } from '#pipeline/operate/operate.ts';
import { purge } from '#pipeline/purge/purge.ts';
import { facts, queued } from '#test/contract/rows.ts';
import { boardOf } from '../kit/board.ts';
import { pipelineSettings, TestPipeline } from '../kit/pipeline.ts';
import { ACCEPTED_AT } from './notification.ts';
import { settingsOf } from './routed.ts';

const HOUR = 3_600_000;
const RETENTION = pipelineSettings.retentionMs.spool;
const ANN = 'ann@src.example';
const BOB = 'bob@example.com';
const ok = { code: 250, status: '2.0.0', text: 'Ok' };
const noSuchUser = { code: 550, status: '5.1.1', text: 'no such user', at: 'rcpt' } as const;
const { signal: NEVER } = new AbortController();

const listed = async (pipeline: TestPipeline) =>
  (await pipeline.spool.list({ prefix: '', after: null, max: 1_000 }, NEVER)).entries.map(({ objectKey }) => objectKey);
const portsOf = (pipeline: TestPipeline, interrupt = new Interrupt(), settings = pipelineSettings) => ({
  board: boardOf(pipeline, pipeline.board),
  settings,
  ledger: interrupt.wrap('ledger', pipeline.ledger),
  inventory: interrupt.wrap('inventory', pipeline.spool),
  clock: pipeline.clock,
  watch: pipeline.watch,
});
const later = (pipeline: TestPipeline, ms: number) => pipeline.clock.advanceTo(pipeline.clock.now() + ms);

/** One of each fate, and an object that nobody knows. */
async function fates(): Promise<TestPipeline> {
  const pipeline = new TestPipeline(
    (to) => (to.address.startsWith('gone') || to.address === 'nobody@src.example' ? noSuchUser : ok),
    new Interrupt(),
    settingsOf({}),
  );
  pipeline.receive('relayed', ANN, [BOB]);
  pipeline.receive('returned', ANN, ['gone@example.com']);
  pipeline.receive('unreturnable', '', ['gone@example.com']);
  pipeline.receive('held', 'nobody@src.example', ['gone@example.com']);
  pipeline.receive('quarantined', ANN, [BOB], undefined, ['spam']);
  pipeline.receive('mixed', ANN, [BOB, 'gone@example.com']);
  pipeline.spool.put('in/orphan', Buffer.from('x'), ACCEPTED_AT);
  pipeline.spool.put('in/relayed-not', Buffer.from('x'), ACCEPTED_AT);
  await pipeline.live(24);
  return pipeline;
}
const STAY = ['in/held', 'in/orphan', 'in/quarantined', 'in/relayed-not'];

describe('the purge', () => {
  it('removes what is final for every delivery and past its retention, and nothing else', async () => {
    const pipeline = await fates();
    const all = await listed(pipeline);
    pipeline.clock.advanceTo(ACCEPTED_AT + RETENTION - 1);
    expect(await purge(portsOf(pipeline), NEVER)).toMatchObject({ removed: 0, kept: 0, more: false });
    expect(await listed(pipeline)).toEqual(all);
    later(pipeline, 1);
    expect(await purge(portsOf(pipeline), NEVER)).toMatchObject({ listed: 8, removed: 4, kept: 4, more: false });
    expect(await listed(pipeline)).toEqual(STAY);
    expect(pipeline.spool.has('in/relayed'), 'its bytes are still there').toBe(true);
    expect(await purge(portsOf(pipeline), NEVER)).toMatchObject({ listed: 4, removed: 0 });
    expect([pipeline.watch.total('Purged'), pipeline.watch.total('PurgeRun')]).toEqual([4, 3]);
    expect(pipeline.watch.total('NoEnd')).toBe(0);
  });

  it("takes no other message's rows for those of an object", async () => {
    const pipeline = new TestPipeline(() => ok);
    const row = queued('m1', { state: 'relayed', dueAt: null });
    await pipeline.ledger.create([{ ...row, message: facts('m1', { objectKey: 'out/office/m1.eml' }) }], null);
    pipeline.spool.put('in/m1', Buffer.from('x'), ACCEPTED_AT);
    later(pipeline, RETENTION);
    expect(await purge(portsOf(pipeline), NEVER)).toMatchObject({ removed: 0, kept: 1 });
  });

  it('takes what was held or quarantined once it has come to its end', async () => {
    const pipeline = await fates();
    pipeline.clock.advanceTo(ACCEPTED_AT + RETENTION);
    const row = pipeline.ledger.all().find(({ spoolId, kind }) => spoolId === 'quarantined' && kind === 'delivery');
    const { relayQueue, bounceQueue, feedbackQueue } = pipeline;
    const operator = { ...portsOf(pipeline), relayQueue, bounceQueue, feedbackQueue, sweepAgainMs: 1 };
    if (row !== undefined) await release(operator, row, HOUR);
    await purge(portsOf(pipeline), NEVER);
    expect(await listed(pipeline), 'released is not relayed').toEqual(STAY);
    await pipeline.live(24);
    await purge(portsOf(pipeline), NEVER);
    expect(await listed(pipeline)).toEqual(STAY.filter((key) => key !== 'in/quarantined'));
  });

  it('waits for what SES may still report', async () => {
    const settings = { ...pipelineSettings, nextHops: { exchange: { kind: 'ses' } as const } };
    const pipeline = new TestPipeline(() => ok, new Interrupt(), settings);
    pipeline.receive('m1', ANN, [BOB]);
    pipeline.clock.advanceTo(ACCEPTED_AT + RETENTION); // its notification comes late
    await pipeline.work();
    const relayedAt = pipeline.ledger.all()[0]?.lastAttemptAt ?? 0;
    pipeline.clock.advanceTo(relayedAt + sesFeedbackMs - 1);
    expect(await purge(portsOf(pipeline, undefined, settings), NEVER)).toMatchObject({ removed: 0, kept: 1 });
    later(pipeline, 1);
    expect(await purge(portsOf(pipeline, undefined, settings), NEVER)).toMatchObject({ removed: 1 });
  });

  it('may die at any of its calls, and the next run ends it', async () => {
    const counting = new Interrupt();
    const first = await fates();
    later(first, RETENTION);
    await purge(portsOf(first, counting), NEVER);
    expect(counting.calls.length).toBeGreaterThan(12);
    for (let k = 1; k <= counting.calls.length; k++) {
      for (const when of ['before', 'after'] as const) {
        const pipeline = await fates();
        later(pipeline, RETENTION);
        await purge(portsOf(pipeline, Interrupt.at(k, when)), NEVER).catch(() => null);
        for (const key of STAY) expect(await listed(pipeline), `${k} ${when}`).toContain(key);
        await purge(portsOf(pipeline), NEVER);
        await purge(portsOf(pipeline), NEVER); // where only the end of the pass was lost, the first one lists nothing
        expect([k, when, await listed(pipeline)]).toEqual([k, when, STAY]);
      }
    }
  });
});

describe('the purge of many', () => {
  async function many(count: number): Promise<TestPipeline> {
    const pipeline = new TestPipeline(() => ok);
    const names = Array.from({ length: count }, (_, i) => `m${String(i).padStart(4, '0')}`);
    for (const name of names) pipeline.spool.put(`in/${name}`, Buffer.from(name), ACCEPTED_AT);
    for (const name of names) await pipeline.ledger.create([queued(name, { state: 'relayed', dueAt: null })], null);
    later(pipeline, RETENTION);
    return pipeline;
  }
  /** A signal that falls with the k-th call of a port. */
  function cutAt(pipeline: TestPipeline, k: number) {
    const cut = new AbortController();
    const counting = new Interrupt(({ index, when }) => {
      if (index === k && when === 'after') cut.abort(new Error('time is short'));
    });
    return { ports: portsOf(pipeline, counting), signal: cut.signal };
  }

  it('goes on where its time ended, and is over only at the end of the list', async () => {
    const pipeline = await many(2_100);
    const { ports, signal } = cutAt(pipeline, 3_500); // in the second page
    const report = await purge(ports, signal);
    expect(report).toMatchObject({ listed: 2_000, more: true });
    expect(report.removed).toBeGreaterThan(1_000);
    expect(await pipeline.ledger.bookmark('purge/in')).toBe('in/m0999');
    expect(pipeline.watch.total('PurgeRun')).toBe(0);
    const rest = await purge(portsOf(pipeline), NEVER);
    expect(rest).toMatchObject({ removed: 2_100 - report.removed, more: false });
    expect((await pipeline.ledger.bookmark('purge/in')) || null).toBeNull();
    expect(await listed(pipeline)).toEqual([]);
  });

  it('is no failure when the time ends within a call', async () => {
    const pipeline = await many(3);
    const ports = portsOf(pipeline);
    const over = AbortSignal.abort(new Error('time is short'));
    expect(await purge(ports, over)).toMatchObject({ listed: 0, more: true });
    const { ports: cut, signal } = cutAt(pipeline, 1); // after the cursor: the list is refused
    expect(await purge(cut, signal)).toMatchObject({ removed: 0, more: true });
    expect(pipeline.watch.entries.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('passes by what it cannot read, and calls', async () => {
    const pipeline = await many(5);
    const broken = new Interrupt(({ method, when }, [query]) => {
      if (method === 'trace' && when === 'before' && (query as { spoolId: string }).spoolId === 'm0001')
        throw new Error('a damaged row');
    });
    await expect(purge(portsOf(pipeline, broken), NEVER)).rejects.toThrow('1 messages');
    expect(await listed(pipeline)).toEqual(['in/m0001']);
    expect(pipeline.watch.total('PurgeRun')).toBe(1);
  });

  it('stops in an outage, and begins there again', async () => {
    const pipeline = await many(purgeFailuresMax + 1_100);
    const broken = new Interrupt(({ method, when }) => {
      if (method === 'remove' && when === 'before') throw new Error('AccessDenied');
    });
    await expect(purge(portsOf(pipeline, broken), NEVER)).rejects.toThrow('1000 messages');
    expect((await pipeline.ledger.bookmark('purge/in')) || null).toBeNull();
    expect(pipeline.watch.total('PurgeRun')).toBe(0);
    expect(await purge(portsOf(pipeline), NEVER)).toMatchObject({ removed: purgeFailuresMax + 1_100, more: false });
  });
});

it('says so where something came to no end', async () => {
  const pipeline = new TestPipeline(() => ok);
  pipeline.receive('m1', ANN, [BOB]);
  pipeline.clock.advanceTo(ACCEPTED_AT + RETENTION);
  await pipeline.work();
  const [row] = pipeline.ledger.all();
  if (row !== undefined) await pipeline.ledger.write({ ...row, state: 'queued', dueAt: null }, []); // a bug forgot it
  expect(await purge(portsOf(pipeline), NEVER)).toMatchObject({ removed: 0, kept: 1 });
  expect(pipeline.watch.total('NoEnd')).toBe(1);
});
