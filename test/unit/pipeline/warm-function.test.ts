// One function that works on one job after the other, as a warm one does: what its attempts share is as it was before,
// whatever became of each. And what the message itself says of an earlier attempt whose result was lost.

import { describe, expect, it } from 'vitest';
import { MemoryClock, MemoryEntropy } from '#adapters/memory/clock.ts';
import { MemoryJobQueue } from '#adapters/memory/job-queue.ts';
import { MemoryLedger } from '#adapters/memory/ledger.ts';
import { MemoryNextHop, type Script } from '#adapters/memory/next-hop.ts';
import { MemorySpool } from '#adapters/memory/spool.ts';
import { MemoryWatch } from '#adapters/memory/watch.ts';
import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { lostJobAfterMs, maxReceiveCount, relayVisibilityMs, smtpLeaseMs } from '#core/limits.ts';
import { byteBudget } from '#pipeline/relay/byte-budget.ts';
import { relay } from '#pipeline/relay/relay.ts';
import type { RelayPorts } from '#pipeline/relay/relay-ports.ts';
import { facts, queued, T0 } from '../../contract/rows.ts';
import { relayBeside } from '../../kit/board.ts';
import { pipelineSettings } from '../../kit/pipeline.ts';

const ok = { code: 250, status: '2.0.0', text: 'Ok' } as const;
const BUDGET = 1_000;
const CONTENT = Buffer.from(`Subject: x\r\n\r\n${'x'.repeat(386)}`); // two fit at once, a third does not

function warm(script: Script) {
  const clock = new MemoryClock(T0);
  const ledger = new MemoryLedger();
  const spool = new MemorySpool();
  const nextHop = new MemoryNextHop(script);
  const budget = byteBudget(BUDGET);
  const watch = new MemoryWatch();
  const ports: RelayPorts & { readonly watch: MemoryWatch } = {
    ...{ settings: pipelineSettings, spool, ledger, clock, entropy: new MemoryEntropy(1), watch },
    ...relayBeside({ clock, watch }),
    bounceQueue: new MemoryJobQueue({ clock, visibilityMs: relayVisibilityMs, maxReceiveCount }),
    ...{ nextHop: () => nextHop, budget, markKey: 'key', leaseMs: smtpLeaseMs, sweepAgainMs: lostJobAfterMs },
  };
  const given = async (spoolId: string, change: Partial<DeliveryRow> = {}) => {
    const row = queued(spoolId, { message: facts(spoolId), ...change });
    spool.put(`in/${spoolId}`, CONTENT);
    await ledger.create([row], null);
    return { version: 1, spoolId, deliveryKey: row.deliveryKey } as const;
  };
  return { ports, ledger, spool, nextHop, budget, clock, given };
}
const soon = () => AbortSignal.timeout(300);

describe('the budget of bytes is whole again', () => {
  const attempts: readonly [string, Script][] = [
    ['accepted', () => ok],
    ['refused before the content', () => ({ code: 550, status: '5.1.1', text: 'no', at: 'rcpt' })],
    ['put off after it', () => ({ code: 451, status: '4.3.0', text: 'later' })],
    ['lost on the way', () => ({ fault: 'connection-lost', at: 'content' })],
    [
      'ended by a bug of ours',
      () => {
        throw new Error('a bug');
      },
    ],
  ];
  it.each(attempts)('after attempts that were %s', async (_name, script) => {
    const { ports, nextHop, budget, given, spool } = warm(script);
    for (let index = 0; index < 10; index++) await relay(ports, await given(`m${index}`), soon()).catch(() => null);
    const all = await Promise.all(Array.from({ length: 10 }, (_, index) => given(`n${index}`)));
    await Promise.all(all.map((job) => relay(ports, job, soon()).catch(() => null)));
    const giveBack = await budget.take(BUDGET, soon()); // all of it
    giveBack();
    expect(nextHop.accepted).toHaveLength(script === attempts[0]?.[1] ? 20 : 0);
    expect(spool.openCount, 'what was opened is closed').toBe(0);
  });

  it('after content that cannot be opened, or breaks off', async () => {
    const { ports, budget, given, spool } = warm(() => ok);
    for (let index = 0; index < 10; index++) {
      const job = await given(`m${index}`);
      if (index % 2 === 0) spool.breakAfter(`in/m${index}`, 100);
      else spool.spoil(`in/m${index}`, 'denied');
      await relay(ports, job, soon());
    }
    (await budget.take(BUDGET, soon()))();
  });

  it('after attempts that waited for it until time was over; and what was opened for them is closed', async () => {
    const { ports, budget, given, spool, ledger } = warm(() => ok);
    const others = await budget.take(BUDGET, soon());
    const jobs = await Promise.all([1, 2, 3].map((index) => given(`m${index}`)));
    const brief = AbortSignal.timeout(20);
    const ended = await Promise.all(jobs.map((job) => relay(ports, job, brief)));
    expect(ended.map(({ became }) => became)).toEqual(['deferred', 'deferred', 'deferred']);
    expect(spool.openCount).toBe(0);
    for (const row of ledger.all()) expect(row).toMatchObject({ lastReason: 'no-room', claims: 0 });
    expect(ports.watch.logged('relay.waits-for-room')).toHaveLength(3);
    others();
    (await budget.take(BUDGET, soon()))();
  });

  it('and never were more bytes under way than it has', async () => {
    let [under, most] = [0, 0];
    const { ports, given, nextHop } = warm(() => ok);
    const attempt: typeof nextHop.attempt = async (transaction, signal) => {
      under += CONTENT.length;
      most = Math.max(most, under);
      await new Promise((resolve) => setTimeout(resolve, 5));
      under -= CONTENT.length;
      return nextHop.attempt(transaction, signal);
    };
    const jobs = await Promise.all(Array.from({ length: 9 }, (_, index) => given(`m${index}`)));
    const slow = { ...ports, nextHop: () => ({ attempt, close: async () => {} }) };
    await Promise.all(jobs.map((job) => relay(slow, job, soon())));
    expect(nextHop.accepted).toHaveLength(9);
    expect(most).toBe(2 * CONTENT.length);
  });

  it('a next hop that holds more for each byte takes more of it', async () => {
    let [under, most] = [0, 0];
    const { ports, given, nextHop } = warm(() => ok);
    const attempt: typeof nextHop.attempt = async (transaction, signal) => {
      under += 1;
      most = Math.max(most, under);
      await new Promise((resolve) => setTimeout(resolve, 5));
      under -= 1;
      return nextHop.attempt(transaction, signal);
    };
    const jobs = await Promise.all([1, 2, 3].map((index) => given(`m${index}`)));
    // Fractions of bytes, as SES's next hop has them.
    const heavy = { ...ports, nextHop: () => ({ attempt, close: async () => {}, heldPerByte: 2.4 }) };
    await Promise.all(jobs.map((job) => relay(heavy, job, soon())));
    expect([most, nextHop.accepted.length]).toEqual([1, 3]);
    expect(ports.budget.fits(BUDGET)).toBe(true);
  });

  it('and who waited for it is told of at once in the log, and in the trace', async () => {
    const { ports, ledger, given, clock } = warm(() => ok);
    const others = await ports.budget.take(BUDGET, soon());
    const [job, second] = await Promise.all([given('m1'), given('m2')]);
    const attempts = Promise.all([relay(ports, job, soon()), relay(ports, second, soon())]);
    while (ports.watch.logged('relay.waits-for-room').length < 2)
      await new Promise((resolve) => setTimeout(resolve, 1));
    clock.advanceTo(clock.now() + 31_000);
    others();
    await attempts;
    const traces = await Promise.all(['m1', 'm2'].map((spoolId) => ledger.trace({ spoolId, limit: 1 })));
    const sent = traces.flatMap(([found]) => found?.rows[0]?.trace ?? []).filter(({ event }) => event === 'SEND');
    expect(sent.map(({ reason }) => reason)).toEqual(['waited 31 s for room', 'waited 31 s for room']);
    expect(ports.watch.logged('relay.relayed').map(({ fields }) => fields.waitedMs)).toEqual([31_000, 31_000]);
  });
});

describe('the next attempt', () => {
  const MINUTE = 60_000;
  it.each([
    ['the first', 0, 1],
    ['the second', 1, 5],
    ['the third', 2, 15],
    ['the fourth', 3, 60],
    ['the tenth', 9, 60],
  ])('after %s comes as the schedule has it', async (_name, attempts, minutes) => {
    const { ports, ledger, given, clock } = warm(() => ({ code: 451, status: '4.3.0', text: 'later', at: 'rcpt' }));
    clock.advance(40 * 60 * MINUTE); // long after its acceptance, which an early attempt would be measured by
    await relay(ports, await given('m1', { attempts, state: attempts === 0 ? 'queued' : 'deferred' }), soon());
    const waits = (ledger.all()[0]?.nextAttemptAt ?? 0) - clock.now();
    expect(waits).toBeGreaterThanOrEqual(0.8 * minutes * MINUTE);
    expect(waits).toBeLessThanOrEqual(1.2 * minutes * MINUTE);
    expect(ledger.all()[0]).toMatchObject({ state: 'deferred', attempts: attempts + 1, claims: 0, leaseUntil: null });
  });
  it('comes at the pace that the refusal calls for: what is ours to mend waits longer at once', async () => {
    const { ports, ledger, given, clock } = warm(() => ({ code: 535, status: '5.7.8', text: 'login', at: 'auth' }));
    await relay(ports, await given('m1'), soon());
    expect((ledger.all()[0]?.nextAttemptAt ?? 0) - clock.now()).toBeGreaterThanOrEqual(0.8 * 5 * MINUTE);
  });
});

describe('the message says that it may be the second', () => {
  const UNKNOWN = 'X-Everpost-Possible-Duplicate: the result of an earlier attempt is unknown\r\n';
  const sent = async (change: Partial<DeliveryRow>) => {
    const { ports, nextHop, given } = warm(() => ok);
    await relay(ports, await given('m1', change), soon());
    return Buffer.from(nextHop.accepted[0]?.content ?? [])
      .toString()
      .replace(/\r\n\t/g, ' ');
  };
  it.each([
    ['a claim before it never ended', { claims: 1 }],
    ['two claims before it never ended', { claims: 2 }],
    ['an answer was lost, and recorded so', { possibleDuplicate: true, attempts: 1, state: 'deferred' }],
  ] as [string, Partial<DeliveryRow>][])('where %s', async (_name, change) => {
    expect(await sent(change)).toContain(UNKNOWN);
  });
  it.each([
    ['is the first', {}],
    ['comes after a refusal that was heard', { attempts: 1, state: 'deferred', lastReason: 'reply' }],
  ] as [string, Partial<DeliveryRow>][])('and not where it %s', async (_name, change) => {
    expect(await sent(change)).not.toContain('Possible-Duplicate');
  });
});
