// The purge below `out/`: content and envelope go together, and nothing that dies on the way has the message sent again
// or cries out.

import { describe, expect, it } from 'vitest';
import { Interrupt } from '#adapters/memory/interrupt.ts';
import { remove } from '#pipeline/operate/operate.ts';
import { purge } from '#pipeline/purge/purge.ts';
import { facts, queued } from '#test/contract/rows.ts';
import { boardOf } from '../kit/board.ts';
import type { TestPipeline } from '../kit/pipeline.ts';
import { ACCEPTED_AT } from './notification.ts';
import {
  BOB,
  EML,
  ENVELOPE,
  endsOf,
  HOUR,
  noSuchUser,
  ok,
  pipelineOf,
  recipient,
  settings,
  ULID,
} from './submitting.ts';

const { spool: RETENTION, ledger: LEDGER } = settings.retentionMs;
const { signal: NEVER } = new AbortController();
const listed = async (pipeline: TestPipeline, prefix = 'out/') =>
  (await pipeline.spool.list({ prefix, after: null, max: 1_000 }, NEVER)).entries.map(({ objectKey }) => objectKey);
const portsOf = (pipeline: TestPipeline, interrupt = new Interrupt(), given = settings) => ({
  settings: given,
  board: boardOf(pipeline, pipeline.board),
  ledger: interrupt.wrap('ledger', pipeline.ledger),
  inventory: interrupt.wrap('inventory', pipeline.spool),
  clock: pipeline.clock,
  watch: pipeline.watch,
});
const later = (pipeline: TestPipeline, ms: number) => pipeline.clock.advanceTo(pipeline.clock.now() + ms);
const ulid = (n: number) => `01JD000000000000000000${String(n).padStart(4, '0')}`;
const bothOf = (n: number) => [`out/exchange/${ulid(n)}.eml`, `out/exchange/${ulid(n)}.envelope.json`];

/**
 * One of each fate. 1 to 4 end; 5 to 8 do not; 9 is content alone, and the last an object that is no submission, which
 * goes.
 */
async function fates(): Promise<TestPipeline> {
  const pipeline = pipelineOf(({ address }) => (address.startsWith('gone') ? noSuchUser : ok));
  const two = [recipient(BOB), recipient('gone@far.example')];
  pipeline.receive('received', 'eve@src.example', ['carl@example.com']);
  pipeline.submit('exchange', ulid(1), {});
  pipeline.submit('exchange', ulid(2), { envelope: { forwardPaths: two } });
  pipeline.submit('exchange', ulid(3), { text: '{"reversePath":"ann@example.com"}' }); // malformed, and Ann is told
  pipeline.submit('exchange', ulid(4), { envelope: { forwardPaths: [recipient('gone@far.example')] } });
  pipeline.submit('exchange', ulid(5), { envelope: { reversePath: 'eve@bank.example' } }); // held: foreign-sender
  pipeline.submit('exchange', ulid(6), { text: 'no envelope' }); // held: submission-malformed, nobody to be told
  pipeline.submit('exchange', ulid(7), {}); // held: envelope-unreadable
  pipeline.spool.spoil(bothOf(7)[1] ?? '', 'denied');
  await pipeline.live(24);
  pipeline.submit('exchange', ulid(9), { times: 0 });
  pipeline.spool.lose(bothOf(9)[1] ?? '');
  await pipeline.lookForOrphans(); // held: envelope-missing
  await pipeline.lookForOrphans();
  pipeline.submit('exchange', ulid(8), { times: 0 }); // nobody told ingest
  pipeline.spool.put('out/exchange/readme.txt', Buffer.from('x'), ACCEPTED_AT);
  pipeline.clock.advanceTo(ACCEPTED_AT + RETENTION);
  return pipeline;
}
const STAY = [...[5, 6, 7, 8].flatMap(bothOf), bothOf(9)[0] ?? ''];

describe('the purge of submissions', () => {
  it('removes content and envelope of what is final for every delivery, and nothing else', async () => {
    const pipeline = await fates();
    expect(endsOf(pipeline)).toMatchObject({ [BOB]: expect.anything(), unknown: 'held envelope-missing' });
    pipeline.clock.advanceTo(ACCEPTED_AT + RETENTION);
    expect(await purge(portsOf(pipeline), NEVER)).toMatchObject({ listed: 19, removed: 6, kept: 5, more: false });
    expect(await listed(pipeline)).toEqual(STAY);
    expect(await listed(pipeline, 'in/')).toEqual([]);
    for (const key of bothOf(1)) expect(pipeline.spool.has(key), 'its bytes are still there').toBe(true);
    expect([pipeline.watch.total('Purged'), pipeline.watch.total('PurgeRun'), pipeline.watch.total('NoEnd')]).toEqual([
      6, 1, 0,
    ]);
    expect(pipeline.watch.logged('purge.strange-removed')).toHaveLength(1);
    expect(await purge(portsOf(pipeline), NEVER)).toMatchObject({ listed: 9, removed: 0 });
  });

  it('waits for the retention of what came last', async () => {
    const pipeline = pipelineOf();
    pipeline.submit('exchange', ULID, { storedAt: ACCEPTED_AT + 9 * HOUR });
    await pipeline.live(24);
    pipeline.clock.advanceTo(ACCEPTED_AT + RETENTION + 9 * HOUR - 1);
    expect(await purge(portsOf(pipeline), NEVER)).toMatchObject({ removed: 0 });
    later(pipeline, 1);
    expect(await purge(portsOf(pipeline), NEVER)).toMatchObject({ removed: 1 });
  });

  it('takes neither for the other: what stood for a missing envelope does not speak for one that came', async () => {
    for (const came of [true, false]) {
      const pipeline = pipelineOf();
      pipeline.submit('exchange', ULID, { times: 0 });
      pipeline.spool.lose(ENVELOPE);
      await pipeline.lookForOrphans();
      await pipeline.lookForOrphans();
      const [row] = pipeline.ledger.all();
      const { relayQueue, bounceQueue, feedbackQueue } = pipeline;
      const operator = { ...portsOf(pipeline), relayQueue, bounceQueue, feedbackQueue, sweepAgainMs: 1 };
      if (row !== undefined) await remove(operator, row, false);
      if (came) pipeline.submit('exchange', ULID, { times: 0, storedAt: ACCEPTED_AT + 4 * HOUR });
      later(pipeline, RETENTION + 8 * HOUR);
      await purge(portsOf(pipeline), NEVER);
      expect(await listed(pipeline)).toEqual(came ? [EML, ENVELOPE] : []);
    }
  });

  it('without submitters nobody looks there', async () => {
    const pipeline = await fates();
    const all = await listed(pipeline);
    await purge(portsOf(pipeline, undefined, { ...settings, submitters: {} }), NEVER);
    expect(await listed(pipeline)).toEqual(all);
    expect(pipeline.watch.total('PurgeRun')).toBe(1);
  });
});

describe('dying at any call of it', () => {
  it('the next run ends it, the search for orphans knows what is left, and nobody is told twice', async () => {
    const counting = new Interrupt();
    await purge(portsOf(await fates(), counting), NEVER);
    expect(counting.calls).toContain('ledger.forgetMessage');
    expect(counting.calls.filter((call) => call === 'inventory.remove')).toHaveLength(10);
    for (let k = 1; k <= counting.calls.length; k++) {
      for (const when of ['before', 'after'] as const) {
        const place = `${when} call ${k} (${counting.calls[k - 1]})`;
        const pipeline = await fates();
        const accepted = pipeline.exchange.accepted.length;
        await purge(portsOf(pipeline, Interrupt.at(k, when)), NEVER).catch(() => null);
        for (const key of STAY) expect(await listed(pipeline), place).toContain(key);
        await pipeline.lookForOrphans();
        await pipeline.live(1);
        expect(pipeline.exchange.accepted.length, place).toBeLessThanOrEqual(accepted + 1); // the one that nobody had told of
        expect(pipeline.watch.total('EnvelopeMissing'), place).toBe(1);
        await purge(portsOf(pipeline), NEVER);
        await purge(portsOf(pipeline), NEVER); // where only the end of the pass was lost, the first one lists nothing
        expect([place, await listed(pipeline)]).toEqual([place, STAY]);
        expect(pipeline.ledger.ownItems(), place).toEqual([`exchange-${ulid(2)}`]); // of two recipients
        pipeline.ledger.expire(pipeline.clock.now() + LEDGER, LEDGER);
        expect(pipeline.ledger.ownItems(), place).toEqual([]);
      }
    }
  });

  it('and no run after that until the rows are gone: nothing is ever sent again', async () => {
    const counting = new Interrupt();
    const relayed = async () => {
      const pipeline = pipelineOf();
      pipeline.submit('exchange', ULID, {});
      await pipeline.live(24);
      later(pipeline, RETENTION);
      return pipeline;
    };
    await purge(portsOf(await relayed(), counting), NEVER);
    for (let k = 1; k <= counting.calls.length; k++) {
      for (const when of ['before', 'after'] as const) {
        const pipeline = await relayed();
        await purge(portsOf(pipeline, Interrupt.at(k, when)), NEVER).catch(() => null);
        const left = await listed(pipeline);
        if (left.length !== 1) continue; // none went: the rows would be gone with both objects standing, for which the alarm has called for weeks
        expect(left).toEqual([EML]);
        later(pipeline, LEDGER);
        pipeline.ledger.expire(pipeline.clock.now(), LEDGER);
        expect(pipeline.ledger.all()).toEqual([]);
        await pipeline.lookForOrphans();
        await pipeline.live(24 * 7);
        expect(pipeline.exchange.accepted).toHaveLength(1);
        return;
      }
    }
    throw new Error('it never died between the two objects');
  });
});

describe('many submissions', () => {
  async function many(count: number): Promise<TestPipeline> {
    const pipeline = pipelineOf();
    pipeline.spool.put('out/exchange/00.txt', Buffer.from('x'), ACCEPTED_AT); // so that a page ends between the two of a message
    for (let n = 0; n < count; n++) {
      const [content = '', envelope = ''] = bothOf(n);
      const spoolId = `exchange-${ulid(n)}`;
      for (const key of [content, envelope]) pipeline.spool.put(key, Buffer.from('x'), ACCEPTED_AT);
      const message = facts(spoolId, { objectKey: content });
      await pipeline.ledger.create([queued(spoolId, { state: 'relayed', dueAt: null, message })], null);
    }
    later(pipeline, RETENTION);
    return pipeline;
  }

  it('the envelope of each goes first, also where a page ends between the two', async () => {
    const pipeline = await many(1_100);
    const removed: string[] = [];
    const watching = new Interrupt(({ method, when }, [key]) => {
      if (method === 'remove' && when === 'before') removed.push(String(key));
    });
    expect(await purge(portsOf(pipeline, watching), NEVER)).toMatchObject({ listed: 2_201, removed: 1_101, kept: 0 });
    expect(await listed(pipeline)).toEqual([]);
    expect(removed).toHaveLength(2_201);
    const at = new Map(removed.map((key, index) => [key, index]));
    for (let n = 0; n < 1_100; n++) {
      const [content = '', envelope = ''] = bothOf(n);
      expect(at.get(envelope), content).toBeLessThan(at.get(content) ?? -1);
    }
  });

  it('has a bookmark of its own, and the run is over only when both lists are', async () => {
    const pipeline = await many(1_100);
    const cut = new AbortController();
    const counting = new Interrupt(({ index, when }) => {
      if (index === 2_000 && when === 'after') cut.abort(new Error('time is short'));
    });
    const report = await purge(portsOf(pipeline, counting), cut.signal);
    expect(report).toMatchObject({ more: true });
    expect(await pipeline.ledger.bookmark('purge/out')).toBe(bothOf(498)[1]);
    expect(pipeline.watch.total('PurgeRun')).toBe(0);
    const rest = await purge(portsOf(pipeline), NEVER);
    expect(rest).toMatchObject({ removed: 1_101 - report.removed, more: false });
    expect(pipeline.watch.total('PurgeRun')).toBe(1);
  });
});
