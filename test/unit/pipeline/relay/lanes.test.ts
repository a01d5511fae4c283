// What relay does with a job of a next hop that is slow or takes nothing, what that costs in calls of the ledger, and
// which next hop an attempt speaks of.

import { describe, expect, it } from 'vitest';
import { MemoryBoard } from '#adapters/memory/board.ts';
import { MemoryClock, MemoryEntropy } from '#adapters/memory/clock.ts';
import { MemoryJobQueue } from '#adapters/memory/job-queue.ts';
import { MemoryLedger } from '#adapters/memory/ledger.ts';
import { MemoryNextHop, type Script } from '#adapters/memory/next-hop.ts';
import { MemorySpool } from '#adapters/memory/spool.ts';
import { WaitingRows } from '#adapters/memory/waiting-rows.ts';
import { MemoryWatch } from '#adapters/memory/watch.ts';
import type { SmtpSettings } from '#config/settings.ts';
import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { type Health, healthTerms, unknownHealth } from '#core/delivery/next-hop-health.ts';
import {
  batchBytesMax,
  boardEveryMs,
  gateDelayMsMax,
  lostJobAfterMs,
  maxReceiveCount,
  relayVisibilityMs,
  smtpLeaseMs,
} from '#core/limits.ts';
import { workFor } from '#pipeline/jobs.ts';
import type { Job, NextHop, Spool, Transaction } from '#pipeline/ports.ts';
import { byteBudget } from '#pipeline/relay/byte-budget.ts';
import { relay } from '#pipeline/relay/relay.ts';
import type { RelayPorts } from '#pipeline/relay/relay-ports.ts';
import { facts, queued } from '../../../contract/rows.ts';
import { boardOf, failuresOf, gateOf, outcomesOf } from '../../../kit/board.ts';
import { pipelineSettings } from '../../../kit/pipeline.ts';

const NEVER = new AbortController().signal;
const server = pipelineSettings.nextHops.exchange as SmtpSettings;
const ONE_A_MINUTE = { messagesPerSecond: 1 / 60 };
const accepts: Script = () => ({ code: 250, status: '2.0.0', text: 'Ok' });
const refuses: Script = () => ({ fault: 'refused', at: 'connect' });
const badLogin: Script = () => ({ code: 535, status: '5.7.8', text: 'authentication failed', at: 'auth' });

const delivery = (spoolId: string) =>
  queued(spoolId, { nextHop: 'exchange', message: facts(spoolId, { reversePath: 'ann@src.example' }) });
const jobFor = (row: DeliveryRow): Job => workFor(row).job;

/** The port's calls by their names, in order. */
function counted<T extends object>(port: T, calls: string[]): T {
  return new Proxy(port, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return (...given: unknown[]) => {
        calls.push(String(name));
        return value.apply(target, given);
      };
    },
  });
}

async function withRows(count: number, nextHop: NextHop) {
  const rows = Array.from({ length: count }, (_, i) => delivery(`m${i}`));
  const clock = new MemoryClock(rows[0]?.nextAttemptAt ?? 0);
  const [ledgerCalls, boardCalls]: [string[], string[]] = [[], []];
  const ledger = new MemoryLedger();
  const board = new MemoryBoard();
  const spool = new MemorySpool();
  const watch = new MemoryWatch();
  const queueTerms = { clock, visibilityMs: relayVisibilityMs, maxReceiveCount };
  const slowRelayQueue = new MemoryJobQueue(queueTerms);
  const ports: RelayPorts = {
    settings: pipelineSettings,
    spool,
    ledger: counted(ledger, ledgerCalls),
    waiting: new WaitingRows(ledger),
    board: boardOf({ clock, watch }, counted(board, boardCalls)),
    slowRelayQueue,
    gate: gateOf({ clock, watch, timer: clock }),
    failures: failuresOf({ clock, watch }),
    outcomes: outcomesOf({ clock, watch }),
    health: healthTerms(1),
    timer: clock,
    bounceQueue: new MemoryJobQueue(queueTerms),
    nextHop: () => nextHop,
    clock,
    entropy: new MemoryEntropy(1),
    watch,
    budget: byteBudget(batchBytesMax),
    markKey: 'key',
    leaseMs: smtpLeaseMs,
    sweepAgainMs: lostJobAfterMs,
  };
  for (const row of rows) {
    spool.put(row.message?.objectKey ?? '', Buffer.from('Subject: x\r\n\r\nHello\r\n'));
    await ledger.create([row], null);
  }
  const health = async () => (await board.read()).healths.get('exchange') ?? null;
  const known = (more: Partial<Health>) => board.writeHealth({ ...unknownHealth('exchange'), ...more });
  const standing = async (row: DeliveryRow) => {
    const found = await ledger.read(row);
    if (found === null) throw new Error('the row is gone');
    return found;
  };
  const redirected = () => slowRelayQueue.receive(10).map(({ job }) => job);
  return { rows, clock, ports, ledgerCalls, boardCalls, health, known, standing, redirected };
}

const first = <T>(all: readonly T[]): T => {
  const [one] = all;
  if (one === undefined) throw new Error('none');
  return one;
};

/** Gives no answer until `ms` have passed on the clock; `after` MAIL or before it. */
function slowHop(clock: () => MemoryClock, ms: number, after: boolean) {
  const seen: Transaction[] = [];
  const hop: NextHop = {
    attempt: async (transaction) => {
      seen.push(transaction);
      await Promise.resolve();
      clock().advance(ms);
      if (!after && transaction.patience?.aborted === true)
        return [{ kind: 'network', phase: 'greeting', fault: 'aborted', detail: '', host: 'mx.example.com' }];
      return new MemoryNextHop().attempt(transaction, NEVER);
    },
    close: async () => {},
  };
  return { hop, seen };
}

async function atSlowHop(ms: number, after: boolean) {
  let clock = new MemoryClock(0);
  const { hop, seen } = slowHop(() => clock, ms, after);
  const at = await withRows(1, hop);
  clock = at.clock;
  return { ...at, row: first(at.rows), seen };
}

describe('a job whose turn at its next hop comes later', () => {
  const limited = (at: Awaited<ReturnType<typeof withRows>>): RelayPorts => ({
    ...at.ports,
    gate: gateOf({
      ...{ ...at.ports, board: new MemoryBoard() },
      settings: { ...pipelineSettings, nextHops: { exchange: { ...server, ...ONE_A_MINUTE } } },
    }),
  });
  const delayed = (at: Awaited<ReturnType<typeof withRows>>) => {
    at.clock.advance(gateDelayMsMax);
    return at.redirected();
  };
  it('goes to the slow-relay queue with a delay before it is claimed, and its row is not touched', async () => {
    const at = await withRows(2, new MemoryNextHop(accepts));
    const [one, other] = at.rows;
    if (one === undefined || other === undefined) throw new Error('two rows');
    const ports = limited(at);
    await relay(ports, jobFor(one), NEVER, 'fast');
    const before = at.ledgerCalls.length;
    const row = await at.standing(other);
    expect((await relay(ports, jobFor(other), NEVER, 'fast')).became).toBe('waits-for-its-turn');
    expect(at.ledgerCalls.length).toBe(before);
    expect(await at.standing(other)).toEqual(row);
    expect(at.redirected()).toEqual([]);
    expect(delayed(at)).toEqual([{ ...jobFor(other), inLine: true }]);
    await relay(ports, jobFor(other), NEVER, 'slow');
    expect((await at.standing(other)).state).toBe('relayed');
  });
  it('that an older version sent without its next hop waits likewise, and gives its claim back', async () => {
    const at = await withRows(2, new MemoryNextHop(accepts));
    const [one, other] = at.rows;
    if (one === undefined || other === undefined) throw new Error('two rows');
    const ports = limited(at);
    await relay(ports, jobFor(one), NEVER, 'fast');
    await relay(ports, { version: 1, spoolId: other.spoolId, deliveryKey: other.deliveryKey }, NEVER, 'fast');
    expect(await at.standing(other)).toMatchObject({ state: 'queued', claims: 0, attempts: 0, leaseUntil: null });
    expect(delayed(at)).toEqual([{ ...jobFor(other), inLine: true }]);
  });
});

describe('a job of a slow next hop', () => {
  it('goes to the slow lane before it is claimed, and its row is not touched', async () => {
    const at = await withRows(1, new MemoryNextHop(accepts));
    const row = first(at.rows);
    await at.known({ state: 'slow', since: 1 });
    await relay(at.ports, jobFor(row), NEVER, 'fast');
    expect(at.ledgerCalls).toEqual([]);
    expect(at.redirected()).toEqual([jobFor(row)]);
  });
  it('is attempted in the slow lane, and a quick answer there makes the next hop healthy', async () => {
    const at = await withRows(1, new MemoryNextHop(accepts));
    const row = first(at.rows);
    await at.known({ state: 'slow', since: 1, firstAcceptedAt: 1 });
    await relay(at.ports, jobFor(row), NEVER, 'slow');
    expect((await at.standing(row)).state).toBe('relayed');
    expect(await at.health()).toMatchObject({ state: 'healthy', since: at.clock.now() });
  });
  it('that an older version sent without its next hop goes there too, and gives its claim back', async () => {
    const at = await withRows(1, new MemoryNextHop(accepts));
    const row = first(at.rows);
    await at.known({ state: 'slow', since: 1 });
    await relay(at.ports, { version: 1, spoolId: row.spoolId, deliveryKey: row.deliveryKey }, NEVER, 'fast');
    expect(await at.standing(row)).toMatchObject({ state: 'queued', attempts: 0, claims: 0, leaseUntil: null });
    expect(at.redirected()).toEqual([jobFor(row)]);
  });
});

describe('an attempt that takes ten seconds', () => {
  it('ends before MAIL in the fast lane: no attempt is counted, and the job changes lanes', async () => {
    const { ports, row, standing, health, redirected } = await atSlowHop(10_000, false);
    await relay(ports, jobFor(row), NEVER, 'fast');
    const { attempts, claims, leaseUntil, trace } = await standing(row);
    expect({ attempts, claims, leaseUntil, trace }).toEqual({
      attempts: 0,
      claims: 0,
      leaseUntil: null,
      trace: row.trace,
    });
    expect(await health()).toMatchObject({ state: 'slow', streak: 0, failingSince: null });
    expect(redirected()).toEqual([jobFor(row)]);
  });
  it('is no possible duplicate afterwards', async () => {
    const { ports, row, standing } = await atSlowHop(10_000, false);
    await relay(ports, jobFor(row), NEVER, 'fast');
    await relay({ ...ports, nextHop: () => new MemoryNextHop(accepts) }, jobFor(row), NEVER, 'slow');
    expect(await standing(row)).toMatchObject({ state: 'relayed', attempts: 1, possibleDuplicate: false });
  });
  it('goes on in the slow lane', async () => {
    const { ports, row, standing, seen } = await atSlowHop(11_000, false);
    await relay(ports, jobFor(row), NEVER, 'slow');
    expect(seen[0]?.patience?.aborted).toBe(false);
    expect((await standing(row)).state).toBe('relayed');
  });
  it('goes on after MAIL, and its next hop is slow while it runs: at SES too', async () => {
    const { ports, row, standing, health } = await atSlowHop(11_000, true);
    await relay(ports, jobFor(row), NEVER, 'fast');
    expect((await standing(row)).state).toBe('relayed');
    expect(await health()).toMatchObject({ state: 'slow', since: row.nextAttemptAt + 11_000 });
  });
  it('is quick where the spool alone was slow', async () => {
    const at = await withRows(1, new MemoryNextHop(accepts));
    const slowly = async function* (chunks: AsyncIterable<Uint8Array>) {
      at.clock.advance(20_000);
      yield* chunks;
    };
    const { spool: quick } = at.ports;
    const spool: Spool = {
      head: quick.head,
      open: async (...given) => {
        const opened = await quick.open(...given);
        return opened.kind === 'unreadable' ? opened : { ...opened, chunks: slowly(opened.chunks) };
      },
    };
    await relay({ ...at.ports, spool }, jobFor(first(at.rows)), NEVER, 'fast');
    expect((await at.standing(first(at.rows))).state).toBe('relayed');
    expect((await at.health())?.state).toBe('healthy');
  });
  it('is quick where it takes less', async () => {
    const { ports, row, health } = await atSlowHop(9_999, true);
    await relay(ports, jobFor(row), NEVER, 'fast');
    expect((await health())?.state).toBe('healthy');
  });
});

describe('a next hop that takes nothing', () => {
  it('opens at ten refused connections', async () => {
    const at = await withRows(12, new MemoryNextHop(refuses));
    for (const row of at.rows.slice(0, 10)) await relay(at.ports, jobFor(row), NEVER, 'fast');
    expect(await at.health()).toMatchObject({ state: 'open', waitsFor: 'next-hop', streak: 10 });
  });
  it('opens at one refused login, which the operator must mend', async () => {
    const at = await withRows(1, new MemoryNextHop(badLogin));
    await relay(at.ports, jobFor(first(at.rows)), NEVER, 'fast');
    expect(await at.health()).toMatchObject({ state: 'open', waitsFor: 'operator' });
  });
  it('has a job that is no probe finished, and its row is not touched', async () => {
    const nextHop = new MemoryNextHop(accepts);
    const at = await withRows(2, nextHop);
    const [row, other] = [first(at.rows), first(at.rows.slice(1))];
    const probe = { spoolId: other.spoolId, deliveryKey: other.deliveryKey, until: at.clock.now() + 60_000 };
    const opened = { at: 1, probes: 0, nextProbeAt: 1 };
    await at.known({ state: 'open', since: 1, waitsFor: 'next-hop', opened, probe });
    await relay(at.ports, jobFor(row), NEVER, 'slow');
    expect(at.ledgerCalls).toEqual([]);
    expect(nextHop.accepted).toEqual([]);
    await relay(at.ports, { ...jobFor(other), probe: true }, NEVER, 'slow');
    expect((await at.standing(other)).state).toBe('relayed');
    expect(await at.health()).toMatchObject({ state: 'healthy', probe: null, recoveredAt: at.clock.now() });
  });
});

describe('what is our own fault', () => {
  it('says nothing about the next hop', async () => {
    const at = await withRows(36, new MemoryNextHop(accepts));
    const broken: NextHop = {
      attempt: async () => [{ kind: 'content', cause: 'unavailable', detail: 'the connection was lost' }],
      close: async () => {},
    };
    const faults = [{ spool: new MemorySpool() }, { nextHop: () => null }, { nextHop: () => broken }];
    for (const [i, fault] of faults.entries())
      for (const row of at.rows.slice(i * 12, i * 12 + 12)) {
        await relay({ ...at.ports, ...fault }, jobFor(row), NEVER, 'fast');
        expect(await at.standing(row)).toMatchObject({ state: 'deferred', attempts: 1 });
      }
    expect(await at.health()).toBeNull();
  });
});

it('a healthy next hop costs one read of the board in ten seconds, and no further call of the ledger', async () => {
  const at = await withRows(100, new MemoryNextHop(accepts));
  for (const row of at.rows) {
    await relay(at.ports, jobFor(row), NEVER, 'fast');
    at.clock.advance(200);
  }
  const tens = (100 * 200) / boardEveryMs;
  expect(at.boardCalls).toEqual(['read', 'writeHealth', ...Array.from({ length: tens - 1 }, () => 'read')]);
  // For each message its claim and its outcome, as before there was a board.
  expect(at.ledgerCalls).toHaveLength(200);
});
