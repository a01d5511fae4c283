// The operator's verbs against a ledger and queues: what they did to which rows, which jobs they sent where, what they
// said, and the exit code, by which a script goes on or stops.

import { PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { NotReachable, Usage } from '#cli/exit.ts';
import { hold } from '#cli/hold.ts';
import { release } from '#cli/release.ts';
import { remove } from '#cli/remove.ts';
import { resubmit } from '#cli/resubmit.ts';
import { retry } from '#cli/retry.ts';
import { trace } from '#cli/trace.ts';
import type { Verb } from '#cli/verb.ts';
import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { event, facts, newSpoolId, queued } from '#test/contract/rows.ts';
import { type Instance, openInstance, said } from './instance.ts';

const HOUR = 3_600_000;
const NOW = Date.now();
let instance: Instance;
beforeAll(async () => {
  instance = await openInstance();
});
afterAll(() => instance.close());

async function given(change: Partial<DeliveryRow> = {}): Promise<DeliveryRow> {
  const { spoolId = newSpoolId(), ...more } = change;
  const row = queued(spoolId, {
    ...{ acceptedAt: NOW - HOUR, nextAttemptAt: NOW - HOUR, expiresAt: NOW + 47 * HOUR, dueAt: NOW + HOUR },
    message: facts(spoolId, { acceptedAt: NOW - HOUR }),
    ...more,
  });
  await instance.ledger.create([row], null);
  return row;
}
const held = (change: Partial<DeliveryRow> = {}) =>
  given({ state: 'held', stateReason: 'held-by-operator', dueAt: null, ...change });
const stateOf = async (row: DeliveryRow) => (await instance.ledger.read(row))?.state;
const jobOf = ({ spoolId, deliveryKey, nextHop }: DeliveryRow) => ({ version: 1, spoolId, deliveryKey, nextHop });

const run = (verb: Verb, ...args: string[]) => said(() => verb.run([...args, '--data', instance.data]));
const lines = (out: string) =>
  JSON.parse(out) as { spoolId: string; state: string; done: boolean; why: string | null }[];

describe('one message', () => {
  it('is released: queued with a lifetime from now, and its relay job sent', async () => {
    const row = await held();
    expect(await run(release, '--spool-id', row.spoolId)).toMatchObject({ code: 0 });
    const after = await instance.ledger.read(row);
    expect(after).toMatchObject({ state: 'queued', attempts: 0, claims: 0 });
    expect(Math.abs((after?.expiresAt ?? 0) - (Date.now() + 48 * HOUR))).toBeLessThan(60_000);
    expect(Math.abs((after?.dueAt ?? 0) - (Date.now() + 15 * 60_000))).toBeLessThan(60_000);
    expect(await instance.sent('relay')).toEqual([jobOf(row)]);
    expect(await instance.sent('feedback')).toEqual([]);
  });
  it('is released for as long as was said', async () => {
    const row = await held();
    await run(release, '--spool-id', row.spoolId, '--lifetime', '3h');
    const { expiresAt = 0 } = (await instance.ledger.read(row)) ?? {};
    expect(Math.abs(expiresAt - (Date.now() + 3 * HOUR))).toBeLessThan(60_000);
    await instance.sent('relay');
  });
  it('is held, and no job is sent', async () => {
    const row = await given();
    expect(await run(hold, '--spool-id', row.spoolId)).toMatchObject({ code: 0 });
    expect(await instance.ledger.read(row)).toMatchObject({ state: 'held', dueAt: expect.any(Number) });
    for (const queue of ['relay', 'feedback'] as const) expect(await instance.sent(queue)).toEqual([]);
  });
  it('is removed, and its sender told; or nobody', async () => {
    const [told, quiet] = [await held(), await held()];
    expect(await run(remove, '--spool-id', told.spoolId)).toMatchObject({ code: 0 });
    expect(await stateOf(told)).toBe('failed');
    expect(await instance.sent('feedback')).toEqual([{ ...jobOf(told), work: 'bounce' }]);
    expect(await run(remove, '--spool-id', quiet.spoolId, '--without-notice')).toMatchObject({ code: 0 });
    expect(await stateOf(quiet)).toBe('removed');
    expect(await instance.sent('feedback')).toEqual([]);
  });
  it('of several recipients is released where it can be, and for one alone where that is said', async () => {
    const first = await held();
    const second = await held({ spoolId: first.spoolId, deliveryKey: 'second', forwardPath: 'eve@example.com' });
    const third = await given({ spoolId: first.spoolId, deliveryKey: 'third', state: 'relayed', dueAt: null });
    expect(await run(release, '--spool-id', first.spoolId, '--forward-path', 'eve@example.com')).toMatchObject({
      code: 0,
    });
    expect([await stateOf(first), await stateOf(second)]).toEqual(['held', 'queued']);
    expect(await run(release, '--spool-id', first.spoolId)).toMatchObject({ code: 0 });
    expect([await stateOf(first), await stateOf(third)]).toEqual(['queued', 'relayed']);
    await instance.sent('relay');
  });
});

describe('the exit code', () => {
  it('is 1 where only some were done, and says which', async () => {
    const [row, nowhere] = [await held(), await held({ nextHop: '' })];
    const some = await held({ spoolId: row.spoolId, deliveryKey: 'nowhere', nextHop: '' });
    const { code, out } = await run(release, '--spool-id', row.spoolId, '--json');
    expect(code).toBe(1);
    expect(
      lines(out)
        .map(({ done }) => done)
        .sort(),
    ).toEqual([false, true]);
    expect([await stateOf(row), await stateOf(some)]).toEqual(['queued', 'held']);
    expect(await run(release, '--spool-id', nowhere.spoolId)).toMatchObject({ code: 1 });
    await instance.sent('relay');
  });
  it('is 1 where nothing fits, or nothing can be done', async () => {
    expect(await run(release, '--spool-id', newSpoolId())).toMatchObject({ code: 1, out: 'no delivery fits\n' });
    expect(await run(hold, '--state', 'deferred', '--yes')).toMatchObject({ code: 1 });
    expect(await run(hold, '--state', 'deferred')).toMatchObject({ code: 1 });
    const relayed = await given({ state: 'relayed', dueAt: null });
    const { code, out } = await run(remove, '--spool-id', relayed.spoolId);
    expect([code, out]).toEqual([1, expect.stringContaining('nothing is left to remove')]);
  });
  it('is 75 while an attempt is under way, whatever became of the others', async () => {
    const busy = await given({ leaseUntil: Date.now() + HOUR, claims: 1 });
    const free = await given({ spoolId: busy.spoolId, deliveryKey: 'free' });
    expect(await run(hold, '--spool-id', busy.spoolId)).toMatchObject({ code: 75 });
    expect([await stateOf(busy), await stateOf(free)]).toEqual(['queued', 'held']);
  });
  it.each([
    [release, [], 'say which'],
    [release, ['--spool-id', 'x', '--state', 'held'], 'say which'],
    [release, ['--state', 'deferred'], '--state takes held or quarantined'],
    [hold, ['--state', 'held'], '--state takes queued or deferred'],
    [hold, ['--spool-id', 'x', '--lifetime', '2h'], '--lifetime means nothing here'],
    [remove, ['--spool-id', 'x', '--to', 'a@b.example'], '--to means nothing here'],
    [release, ['--spool-id', 'x', '--without-notice'], '--without-notice means nothing here'],
    [release, ['--spool-id', 'x', '--lifetime', 'long'], '--lifetime takes a duration'],
    [release, ['--spool-id', 'x', '--limit', '0'], '--limit takes a whole number'],
    [release, ['--spool-id', 'x', '--never'], "'--never'"],
    [release, ['--to', 'bob@example.com'], '--spool-id is missing'],
    [release, ['--spool-id', 'x', '--to', 'nobody'], '--to takes an address'],
    [release, ['--spool-id', 'x', '--to', 'a@b.example', '--lifetime', '14d'], 'less than 14d'],
  ] as [Verb, string[], string][])('%o %j is a wrong call', async (verb, args, why) => {
    const call = async () => verb.run([...args, '--data', instance.data]);
    await expect(call()).rejects.toThrow(Usage);
    await expect(call()).rejects.toThrow(why);
  });
  it('of an instance that is not there: it says so', async () => {
    for (const verb of [release, hold, remove])
      await expect(verb.run(['--spool-id', 'x', '--data', '/nowhere'])).rejects.toThrow(NotReachable);
    await expect(trace.run(['--data', '/nowhere'])).rejects.toThrow(NotReachable);
    const words = ['--next-hop', 'exchange', '--since', '1h', '--data', '/nowhere'];
    await expect(resubmit.run(words)).rejects.toThrow(NotReachable);
  });
});

describe('many', () => {
  it('are shown with how they came to be held, and why', async () => {
    const trace = [{ ...event('HOLD', NOW), reason: 'foreign-author: exchange may not send as cron.example' }];
    const row = await held({ stateReason: 'foreign-author', heldBecause: 'foreign-author', nextHop: 'why', trace });
    const { out } = await run(release, '--state', 'held', '--reason', 'foreign-author', '--next-hop', 'why');
    expect(out).toBe(
      `${row.spoolId}  <bob@example.com>  held, foreign-author: exchange may not send as cron.example  only shown: add --yes to do it\n`,
    );
    const json = await run(remove, '--state', 'held', '--next-hop', 'why', '--json');
    expect(lines(json.out)).toMatchObject([
      { state: 'held', heldBecause: 'foreign-author', reason: trace[0]?.reason, done: false },
    ]);
    const done = await run(release, '--spool-id', row.spoolId, '--json');
    expect(lines(done.out)).toMatchObject([{ state: 'queued', heldBecause: null, reason: null, done: true }]);
    await instance.sent('relay');
  });
  it('are only shown without --yes, and done with it, up to the limit', async () => {
    const rows = [];
    for (let index = 0; index < 5; index++)
      rows.push(await held({ stateReason: 'many', nextHop: 'lotus', acceptedAt: NOW - HOUR + index }));
    const shown = await run(release, '--state', 'held', '--reason', 'many', '--json');
    expect([shown.code, lines(shown.out).length]).toEqual([0, 5]);
    expect(await Promise.all(rows.map(stateOf))).toEqual(Array(5).fill('held'));
    expect(await instance.sent('relay')).toEqual([]);
    expect(await run(release, '--state', 'held', '--reason', 'many', '--limit', '2', '--yes')).toMatchObject({
      code: 0,
    });
    expect(await Promise.all(rows.map(stateOf))).toEqual(['held', 'held', 'held', 'queued', 'queued']);
    expect(await instance.sent('relay')).toHaveLength(2);
    await run(release, '--state', 'held', '--next-hop', 'lotus', '--yes');
    expect(await Promise.all(rows.map(stateOf))).toEqual(Array(5).fill('queued'));
    await instance.sent('relay');
  });
});

describe('retry', () => {
  const refused = {
    stateReason: 'failure-limit',
    heldBecause: 'failure-limit',
    nextHop: 'turned',
    attempts: 1,
  } as const;
  it('tries again what the failure limit holds, and shows many before', async () => {
    const [row, other] = [await held(refused), await held({ nextHop: 'turned' })];
    const shown = await run(retry, '--state', 'held', '--next-hop', 'turned');
    expect(shown.out).toContain(row.spoolId);
    expect(shown.out).not.toContain(other.spoolId);
    expect([shown.code, await stateOf(row)]).toEqual([0, 'held']);
    expect(await run(retry, '--state', 'held', '--next-hop', 'turned', '--yes')).toMatchObject({ code: 0 });
    expect(await instance.ledger.read(row)).toMatchObject({ state: 'queued', attempts: 1 });
    expect(await stateOf(other)).toBe('held');
    expect(await instance.sent('relay')).toEqual([{ ...jobOf(row), nextHop: 'turned' }]);
  });
  it('refuses what is held for another cause, and says which verb it takes', async () => {
    const row = await held();
    const { code, out } = await run(retry, '--spool-id', row.spoolId);
    expect([code, await stateOf(row)]).toEqual([1, 'held']);
    expect(out).toContain('the failure limit does not hold it, but operator: see everpost release');
    await instance.sent('relay');
  });
  it('leaves the NDR to release', async () => {
    const row = await held({ ...refused, lastReason: 'recipient-refused' });
    expect(await run(release, '--spool-id', row.spoolId)).toMatchObject({ code: 0 });
    expect(await instance.ledger.read(row)).toMatchObject({ state: 'failed', stateReason: 'recipient-refused' });
    expect(await instance.sent('feedback')).toEqual([
      expect.objectContaining({ spoolId: row.spoolId, work: 'bounce' }),
    ]);
    expect(await instance.sent('relay')).toEqual([]);
  });
});

describe('resubmit', () => {
  const lost = async (content = true) => {
    const row = await given({
      state: 'relayed',
      dueAt: null,
      lastAttemptAt: Date.now() - HOUR,
      nextHop: 'swallowed',
      attempts: 1,
    });
    const put = new PutObjectCommand({ Bucket: 'spool', Key: `in/${row.spoolId}`, Body: 'Subject: x\r\n\r\n' });
    if (content) await instance.s3.send(put);
    return row;
  };
  const words = ['--next-hop', 'swallowed', '--since', '2h'];
  it('shows, then does, then has nothing more to do; and 1 where one of them could not be done', async () => {
    const [first, second] = [await lost(), await lost()];
    expect(await run(resubmit, ...words)).toMatchObject({ code: 0 });
    expect([await stateOf(first), await instance.sent('relay')]).toEqual(['relayed', []]);
    expect(await run(resubmit, ...words, '--yes')).toMatchObject({ code: 0 });
    expect([await stateOf(first), await stateOf(second)]).toEqual(['queued', 'queued']);
    expect(await instance.sent('relay')).toHaveLength(2);
    expect(await run(resubmit, ...words, '--yes')).toMatchObject({ code: 1 });

    const [third, without] = [await lost(), await lost(false)];
    const { code, out } = await run(resubmit, ...words, '--yes', '--json');
    expect(code).toBe(1);
    expect(lines(out).find(({ spoolId }) => spoolId === without.spoolId)?.why).toContain('content');
    expect([await stateOf(third), await stateOf(without)]).toEqual(['queued', 'relayed']);
    await instance.sent('relay');
  });
});

describe('trace', () => {
  it('finds one message, by each of its words, and says nothing of others', async () => {
    const row = await given({ forwardPath: `${newSpoolId()}@example.com` });
    const messageIdField = row.message?.extract.messageIdField ?? '';
    for (const words of [
      ['--spool-id', row.spoolId],
      ['--forward-path', row.forwardPath.toUpperCase()],
      ['--message-id', messageIdField],
    ]) {
      const { code, out } = await run(trace, ...words, '--json');
      expect([code, lines(out).map(({ spoolId }) => spoolId)]).toEqual([0, [row.spoolId]]);
    }
  });
  it('ends with 1 where a message was named and is not there, and with 0 for a list that is empty', async () => {
    for (const words of [
      ['--spool-id', newSpoolId()],
      ['--message-id', `<${newSpoolId()}@src.example>`],
    ]) {
      expect(await run(trace, ...words)).toEqual({ code: 1, out: 'no message fits\n' });
      expect(await run(trace, ...words, '--json')).toEqual({ code: 1, out: '[]\n' });
    }
    expect(await run(trace, '--forward-path', 'nobody@nowhere.example')).toMatchObject({ code: 0 });
    const { spoolId } = await given();
    expect(await run(trace, '--spool-id', spoolId, '--since', '1m')).toMatchObject({ code: 1 });
    expect(await run(trace, '--spool-id', spoolId, '--since', '2h')).toMatchObject({ code: 0 });
  });
  it('is of those accepted within a time, and twenty at most unless more is said', async () => {
    const reversePath = `${newSpoolId()}@src.example`;
    for (let index = 0; index < 22; index++) {
      const acceptedAt = NOW - (index < 21 ? HOUR : 10 * HOUR);
      const spoolId = newSpoolId();
      await given({ spoolId, acceptedAt, message: facts(spoolId, { acceptedAt, reversePath }) });
    }
    const found = async (...words: string[]) =>
      lines((await run(trace, '--reverse-path', reversePath, '--json', ...words)).out).length;
    expect([await found(), await found('--limit', '100'), await found('--limit', '3')]).toEqual([20, 22, 3]);
    expect(await found('--limit', '100', '--since', '2h')).toBe(21);
  });
});

describe('an instance whose clock is ahead', () => {
  it('is meant by its own clock: lifetimes, losses and messages of the last hours', async () => {
    const ahead = 100 * HOUR;
    const other = await openInstance(ahead);
    try {
      const spoolId = newSpoolId();
      const acceptedAt = Date.now() + ahead - HOUR;
      const row = queued(spoolId, {
        ...{ state: 'held', stateReason: 'held-by-operator', dueAt: null, acceptedAt },
        message: facts(spoolId, { acceptedAt }),
      });
      await other.ledger.create([row], null);
      const { code } = await said(() =>
        release.run(['--state', 'held', '--since', '2h', '--yes', '--data', other.data]),
      );
      const { expiresAt = 0 } = (await other.ledger.read(row)) ?? {};
      expect(code).toBe(0);
      expect(Math.abs(expiresAt - (Date.now() + ahead + 48 * HOUR))).toBeLessThan(60_000);
    } finally {
      await other.close();
    }
  });
});
