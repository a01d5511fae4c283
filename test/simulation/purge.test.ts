// The purge in the town: what it removes, what it never does, dying at any of its calls, running out of time on any page, and meeting
// what it can not read. A removal too many is somebody's mail.

import { describe, expect, it } from 'vitest';
import { Interrupt } from '#adapters/memory/interrupt.ts';
import { purgeFailuresMax, sesFeedbackMs } from '#core/limits.ts';
import { release } from '#pipeline/operate/operate.ts';
import { purge } from '#pipeline/purge/purge.ts';
import { facts, queued } from '#test/contract/rows.ts';
import { ACCEPTED_AT } from './notification.ts';
import { settingsOf } from './routed.ts';
import { Town, townSettings } from './town.ts';

const HOUR = 3_600_000;
const RETENTION = townSettings.retentionMs.spool;
const ANN = 'ann@src.example';
const BOB = 'bob@example.com';
const ok = { code: 250, status: '2.0.0', text: 'Ok' };
const noSuchUser = { code: 550, status: '5.1.1', text: 'no such user', at: 'rcpt' } as const;
const { signal: NEVER } = new AbortController();

const listed = async (town: Town) =>
  (await town.spool.list({ prefix: '', after: null, max: 1_000 }, NEVER)).entries.map(({ objectKey }) => objectKey);
const portsOf = (town: Town, interrupt = new Interrupt(), settings = townSettings) => ({
  settings,
  ledger: interrupt.wrap('ledger', town.ledger),
  inventory: interrupt.wrap('inventory', town.spool),
  clock: town.clock,
  watch: town.watch,
});
const later = (town: Town, ms: number) => town.clock.advanceTo(town.clock.now() + ms);

/** One of each fate, and an object that nobody knows. */
async function fates(): Promise<Town> {
  const town = new Town(
    (to) => (to.address.startsWith('gone') || to.address === 'nobody@src.example' ? noSuchUser : ok),
    new Interrupt(),
    settingsOf({}),
  );
  town.receive('relayed', ANN, [BOB]);
  town.receive('returned', ANN, ['gone@example.com']);
  town.receive('unreturnable', '', ['gone@example.com']);
  town.receive('held', 'nobody@src.example', ['gone@example.com']);
  town.receive('quarantined', ANN, [BOB], undefined, ['spam']);
  town.receive('mixed', ANN, [BOB, 'gone@example.com']);
  town.spool.put('in/orphan', Buffer.from('x'), ACCEPTED_AT);
  town.spool.put('in/relayed-not', Buffer.from('x'), ACCEPTED_AT);
  await town.live(24);
  return town;
}
const STAY = ['in/held', 'in/orphan', 'in/quarantined', 'in/relayed-not'];

describe('the purge', () => {
  it('removes what is final for every delivery and past its retention, and nothing else', async () => {
    const town = await fates();
    const all = await listed(town);
    town.clock.advanceTo(ACCEPTED_AT + RETENTION - 1);
    expect(await purge(portsOf(town), NEVER)).toMatchObject({ removed: 0, kept: 0, more: false });
    expect(await listed(town)).toEqual(all);
    later(town, 1);
    expect(await purge(portsOf(town), NEVER)).toMatchObject({ listed: 8, removed: 4, kept: 4, more: false });
    expect(await listed(town)).toEqual(STAY);
    expect(town.spool.has('in/relayed'), 'its bytes are still there').toBe(true);
    expect(await purge(portsOf(town), NEVER)).toMatchObject({ listed: 4, removed: 0 });
    expect([town.watch.total('Purged'), town.watch.total('PurgeRun')]).toEqual([4, 3]);
    expect(town.watch.total('NoEnd')).toBe(0);
  });

  it("takes no other message's rows for those of an object", async () => {
    const town = new Town(() => ok);
    const row = queued('m1', { state: 'relayed', dueAt: null });
    await town.ledger.create([{ ...row, message: facts('m1', { objectKey: 'out/office/m1.eml' }) }], null);
    town.spool.put('in/m1', Buffer.from('x'), ACCEPTED_AT);
    later(town, RETENTION);
    expect(await purge(portsOf(town), NEVER)).toMatchObject({ removed: 0, kept: 1 });
  });

  it('takes what was held or quarantined once it has come to its end', async () => {
    const town = await fates();
    town.clock.advanceTo(ACCEPTED_AT + RETENTION);
    const row = town.ledger.all().find(({ spoolId, kind }) => spoolId === 'quarantined' && kind === 'delivery');
    const { relayQueue, bounceQueue, feedbackQueue } = town;
    const operator = { ...portsOf(town), relayQueue, bounceQueue, feedbackQueue, sweepAgainMs: 1 };
    if (row !== undefined) await release(operator, row, HOUR);
    await purge(portsOf(town), NEVER);
    expect(await listed(town), 'released is not relayed').toEqual(STAY);
    await town.live(24);
    await purge(portsOf(town), NEVER);
    expect(await listed(town)).toEqual(STAY.filter((key) => key !== 'in/quarantined'));
  });

  it('waits for what SES may still report', async () => {
    const settings = { ...townSettings, nextHops: { exchange: { kind: 'ses' } as const } };
    const town = new Town(() => ok, new Interrupt(), settings);
    town.receive('m1', ANN, [BOB]);
    town.clock.advanceTo(ACCEPTED_AT + RETENTION); // its notification comes late
    await town.work();
    const relayedAt = town.ledger.all()[0]?.lastAttemptAt ?? 0;
    town.clock.advanceTo(relayedAt + sesFeedbackMs - 1);
    expect(await purge(portsOf(town, undefined, settings), NEVER)).toMatchObject({ removed: 0, kept: 1 });
    later(town, 1);
    expect(await purge(portsOf(town, undefined, settings), NEVER)).toMatchObject({ removed: 1 });
  });

  it('may die at any of its calls, and the next run ends it', async () => {
    const counting = new Interrupt();
    const first = await fates();
    later(first, RETENTION);
    await purge(portsOf(first, counting), NEVER);
    expect(counting.calls.length).toBeGreaterThan(12);
    for (let k = 1; k <= counting.calls.length; k++) {
      for (const when of ['before', 'after'] as const) {
        const town = await fates();
        later(town, RETENTION);
        await purge(portsOf(town, Interrupt.at(k, when)), NEVER).catch(() => null);
        for (const key of STAY) expect(await listed(town), `${k} ${when}`).toContain(key);
        await purge(portsOf(town), NEVER);
        await purge(portsOf(town), NEVER); // where only the end of the pass was lost, the first one lists nothing
        expect([k, when, await listed(town)]).toEqual([k, when, STAY]);
      }
    }
  });
});

describe('the purge of many', () => {
  async function many(count: number): Promise<Town> {
    const town = new Town(() => ok);
    const names = Array.from({ length: count }, (_, i) => `m${String(i).padStart(4, '0')}`);
    for (const name of names) town.spool.put(`in/${name}`, Buffer.from(name), ACCEPTED_AT);
    for (const name of names) await town.ledger.create([queued(name, { state: 'relayed', dueAt: null })], null);
    later(town, RETENTION);
    return town;
  }
  /** A signal that falls with the k-th call of a port. */
  function cutAt(town: Town, k: number) {
    const cut = new AbortController();
    const counting = new Interrupt(({ index, when }) => {
      if (index === k && when === 'after') cut.abort(new Error('time is short'));
    });
    return { ports: portsOf(town, counting), signal: cut.signal };
  }

  it('goes on where its time ended, and is over only at the end of the list', async () => {
    const town = await many(2_100);
    const { ports, signal } = cutAt(town, 3_500); // in the second page
    const report = await purge(ports, signal);
    expect(report).toMatchObject({ listed: 2_000, more: true });
    expect(report.removed).toBeGreaterThan(1_000);
    expect(await town.ledger.bookmark('purge/in')).toBe('in/m0999');
    expect(town.watch.total('PurgeRun')).toBe(0);
    const rest = await purge(portsOf(town), NEVER);
    expect(rest).toMatchObject({ removed: 2_100 - report.removed, more: false });
    expect((await town.ledger.bookmark('purge/in')) || null).toBeNull();
    expect(await listed(town)).toEqual([]);
  });

  it('is no failure when the time ends within a call', async () => {
    const town = await many(3);
    const ports = portsOf(town);
    const over = AbortSignal.abort(new Error('time is short'));
    expect(await purge(ports, over)).toMatchObject({ listed: 0, more: true });
    const { ports: cut, signal } = cutAt(town, 1); // after the cursor: the list is refused
    expect(await purge(cut, signal)).toMatchObject({ removed: 0, more: true });
    expect(town.watch.entries.filter(({ level }) => level === 'error')).toEqual([]);
  });

  it('passes by what it can not read, and calls', async () => {
    const town = await many(5);
    const broken = new Interrupt(({ method, when }, [query]) => {
      if (method === 'trace' && when === 'before' && (query as { spoolId: string }).spoolId === 'm0001')
        throw new Error('a damaged row');
    });
    await expect(purge(portsOf(town, broken), NEVER)).rejects.toThrow('1 messages');
    expect(await listed(town)).toEqual(['in/m0001']);
    expect(town.watch.total('PurgeRun')).toBe(1);
  });

  it('stops in an outage, and begins there again', async () => {
    const town = await many(purgeFailuresMax + 1_100);
    const broken = new Interrupt(({ method, when }) => {
      if (method === 'remove' && when === 'before') throw new Error('AccessDenied');
    });
    await expect(purge(portsOf(town, broken), NEVER)).rejects.toThrow('1000 messages');
    expect((await town.ledger.bookmark('purge/in')) || null).toBeNull();
    expect(town.watch.total('PurgeRun')).toBe(0);
    expect(await purge(portsOf(town), NEVER)).toMatchObject({ removed: purgeFailuresMax + 1_100, more: false });
  });
});

it('says so where something came to no end', async () => {
  const town = new Town(() => ok);
  town.receive('m1', ANN, [BOB]);
  town.clock.advanceTo(ACCEPTED_AT + RETENTION);
  await town.work();
  const [row] = town.ledger.all();
  if (row !== undefined) await town.ledger.write({ ...row, state: 'queued', dueAt: null }, []); // a bug forgot it
  expect(await purge(portsOf(town), NEVER)).toMatchObject({ removed: 0, kept: 1 });
  expect(town.watch.total('NoEnd')).toBe(1);
});
