// The gate before a next hop, over several functions at once: its two limits are never exceeded, in virtual time; what
// would wait long is told when to come again; what it costs in calls to the ledger.

import { describe, expect, it } from 'vitest';
import { MemoryBoard } from '#adapters/memory/board.ts';
import { MemoryClock } from '#adapters/memory/clock.ts';
import { MemoryWatch } from '#adapters/memory/watch.ts';
import { sesAccountTurns, unknownTurns } from '#core/delivery/next-hop-turns.ts';
import { gateWaitMsMax } from '#core/limits.ts';
import type { Outcome } from '#core/reply/outcome.ts';
import { deferredFor } from '#core/reply/outcome.ts';
import type { Entry } from '#pipeline/relay/next-hop-gate.ts';
import { gateOf } from '../../../kit/board.ts';
import { pipelineSettings } from '../../../kit/pipeline.ts';

const T0 = 1_780_000_000_000;
const SECOND = 1_000;
const NEVER = new AbortController().signal;
const RELAYED: Outcome = { kind: 'relayed', reply: { code: 250, status: null, text: 'ok', host: null } };
const hop = pipelineSettings.nextHops.exchange;
if (hop?.kind !== 'smtp') throw new Error('the pipeline has an SMTP server');
const server = hop;

type Limits = { readonly concurrency?: number | null; readonly messagesPerSecond?: number | null };

/**
 * Functions that share one ledger, whose calls take so long, and a server that counts. Each has as many jobs as it can
 * get, ten a batch.
 */
function functions(count: number, limits: Limits, ledgerMs = 0) {
  const clock = new MemoryClock(T0);
  const watch = new MemoryWatch();
  const inner = new MemoryBoard();
  let calls = 0;
  const called = async () => {
    calls += 1;
    if (ledgerMs > 0) await new Promise<void>((resolve) => clock.after(ledgerMs, resolve));
  };
  const board = {
    readTurns: async (name: string) => {
      await called();
      return inner.readTurns(name);
    },
    writeTurns: async (turns: Parameters<MemoryBoard['writeTurns']>[0]) => {
      await called();
      return inner.writeTurns(turns);
    },
  };
  const nextHops = {
    exchange: { ...server, concurrency: null, messagesPerSecond: null, ...limits },
    other: { ...server, concurrency: 20, messagesPerSecond: null },
    bulk: { kind: 'ses', messagesPerSecond: 2 } as const,
    ses: { kind: 'ses' } as const,
  };
  const settings = {
    nextHops,
    concurrency: { ...pipelineSettings.concurrency, relay: count / 2, slowRelay: count / 2 },
  };
  const gates = Array.from({ length: count }, (_, i) =>
    gateOf({ settings, clock, timer: clock, watch, board, holder: `f${i}` }),
  );
  const began: number[] = [];
  let atOnce = 0;
  let most = 0;
  /** One job. Null: it was attempted; else when it is to come again. */
  async function job(gate: (typeof gates)[number], tookMs: number, name = 'exchange', outcome = RELAYED) {
    return attempted(await gate.enter(name, NEVER), gate, tookMs, name, outcome);
  }
  /** One that comes again when it was told to, until it was attempted. */
  async function comes(gate: (typeof gates)[number], tookMs: number, name = 'exchange') {
    let entry = await gate.enter(name, NEVER);
    while ('laterMs' in entry && entry.laterMs !== null) {
      const { laterMs, inLine } = entry;
      await new Promise<void>((resolve) => clock.after(laterMs, resolve));
      entry = await gate.enter(name, NEVER, inLine);
    }
    return attempted(entry, gate, tookMs, name, RELAYED);
  }
  async function attempted(
    entry: Entry,
    gate: (typeof gates)[number],
    tookMs: number,
    name: string,
    outcome: Outcome,
  ): Promise<number | null> {
    if ('laterMs' in entry) return entry.laterMs;
    const startedAt = clock.now();
    if (name !== 'other') began.push(startedAt);
    if (name === 'exchange') {
      atOnce += 1;
      most = Math.max(most, atOnce);
    }
    await new Promise<void>((resolve) => clock.after(tookMs, resolve));
    if (name === 'exchange') atOnce -= 1;
    gate.heard(name, outcome, startedAt);
    entry.leave();
    return null;
  }
  return { clock, watch, gates, began, job, comes, board: inner, most: () => most, calls: () => calls };
}

/** Lets everything happen that happens in so much virtual time. */
async function pass(clock: MemoryClock, ms: number, stepMs = 10): Promise<void> {
  for (let at = 0; at < ms; at += stepMs) {
    for (let turn = 0; turn < 30; turn++) await Promise.resolve();
    clock.advance(stepMs);
  }
  for (let turn = 0; turn < 30; turn++) await Promise.resolve();
}

/** Each function takes one batch of ten after the other. */
async function busy(given: ReturnType<typeof functions>, ms: number, tookMs: number): Promise<number> {
  const until = given.clock.now() + ms;
  const works = async (gate: (typeof given.gates)[number]) => {
    while (given.clock.now() < until) {
      await Promise.all(Array.from({ length: 10 }, () => given.comes(gate, tookMs)));
      await gate.ended();
      await new Promise<void>((resolve) => given.clock.after(50, resolve)); // until the next invocation
    }
  };
  for (const gate of given.gates) void works(gate);
  await pass(given.clock, ms + 30 * SECOND);
  return given.began.filter((at) => at < until).length;
}

/** The most that began within any span of so long. */
function mostIn(began: readonly number[], ms: number): number {
  const sorted = [...began].sort((a, b) => a - b);
  return Math.max(0, ...sorted.map((at, i) => sorted.slice(i).filter((other) => other < at + ms).length));
}

describe('concurrency', () => {
  it.each([1, 2, 3, 4, 5, 20])('%s is never exceeded by four functions, and is used', async (concurrency) => {
    const four = functions(4, { concurrency });
    const attempted = await busy(four, 20 * SECOND, 100);
    expect(four.most()).toBeLessThanOrEqual(concurrency);
    expect(four.most()).toBe(concurrency < 4 ? concurrency : Math.floor(concurrency / 4) * 4);
    expect(attempted).toBeGreaterThan(concurrency * 20);
  });
  it('costs no call where each function has a share, and two for an invocation where not', async () => {
    const shared = functions(4, { concurrency: 8 });
    await busy(shared, 5 * SECOND, 50);
    expect(shared.calls()).toBe(0);
    const one = functions(4, { concurrency: 1 });
    const [gate] = one.gates;
    if (gate === undefined) throw new Error('four functions');
    const batch = Array.from({ length: 10 }, () => one.job(gate, 50));
    await pass(one.clock, 6 * SECOND);
    expect(await Promise.all(batch)).toEqual(Array.from({ length: 10 }, () => null));
    expect(one.calls()).toBeLessThanOrEqual(4);
  });
  it('frees the place of a function that died, when its lease is over', async () => {
    const two = functions(4, { concurrency: 1 });
    const [died, other] = two.gates;
    if (died === undefined || other === undefined) throw new Error('four functions');
    void two.job(died, Number.POSITIVE_INFINITY);
    await pass(two.clock, SECOND);
    expect(await two.job(other, 1)).toBeGreaterThan(0);
    two.clock.advance(870 * SECOND);
    const after = two.job(other, 1);
    await pass(two.clock, SECOND);
    expect(await after).toBeNull();
  });
});

describe('a place of a function that died', () => {
  it('is asked for more and more seldom, by all that wait for it', async () => {
    const two = functions(4, { concurrency: 1 });
    const [died, other] = two.gates;
    if (died === undefined || other === undefined) throw new Error('four functions');
    void two.job(died, Number.POSITIVE_INFINITY);
    await pass(two.clock, SECOND);
    const waits: number[] = [];
    for (const until = two.clock.now() + 600 * SECOND; two.clock.now() < until; two.clock.advance(waits.at(-1) ?? 0))
      waits.push((await two.job(other, 1)) ?? 0);
    expect(waits.slice(0, 6)).toEqual([1, 2, 4, 8, 15, 15].map((seconds) => seconds * SECOND));
    expect(waits.length).toBeLessThan(50);
  });
});

describe('messagesPerSecond', () => {
  it.each([0.5, 2, 10, 100])('%s is never exceeded by four functions, and is reached', async (messagesPerSecond) => {
    const four = functions(4, { messagesPerSecond });
    const attempted = await busy(four, 20 * SECOND, 20);
    expect(mostIn(four.began, SECOND)).toBeLessThanOrEqual(Math.ceil(messagesPerSecond) + 1);
    expect(mostIn(four.began, 10 * SECOND)).toBeLessThanOrEqual(messagesPerSecond * 10 + 1);
    expect(attempted).toBeGreaterThan(messagesPerSecond * 20 * 0.8);
  });
  it('costs one call for a batch, not one for a message', async () => {
    const one = functions(2, { messagesPerSecond: 20 });
    const [gate] = one.gates;
    if (gate === undefined) throw new Error('two functions');
    const batch = Array.from({ length: 10 }, () => one.job(gate, 5));
    await pass(one.clock, SECOND);
    expect(await Promise.all(batch)).toEqual(Array.from({ length: 10 }, () => null));
    expect(one.calls()).toBe(1);
  });
});

describe("the rate of SES's account", () => {
  const rate = (messagesPerSecond: number | null, version = 0) => ({
    ...unknownTurns(sesAccountTurns),
    ...{ messagesPerSecond, version },
  });
  /** Each function has ten jobs for each name, again and again. */
  async function bySes(given: ReturnType<typeof functions>, names: readonly string[], ms: number) {
    const until = given.clock.now() + ms;
    const works = async (gate: (typeof given.gates)[number], name: string) => {
      while (given.clock.now() < until) {
        await Promise.all(Array.from({ length: 10 }, () => given.comes(gate, 20, name)));
        await new Promise<void>((resolve) => given.clock.after(50, resolve));
      }
    };
    for (const gate of given.gates) for (const name of names) void works(gate, name);
    await pass(given.clock, ms + 30 * SECOND);
    return given.began.filter((at) => at < until).length;
  }
  it('is kept by all next hops by SES and all notices together, over all functions', async () => {
    const four = functions(4, {});
    await four.board.writeTurns(rate(10));
    const sent = await bySes(four, ['ses', 'bulk', 'ses-report', 'ses-bounce'], 20 * SECOND);
    expect(mostIn(four.began, SECOND)).toBeLessThanOrEqual(11);
    expect(sent).toBeGreaterThan(160);
    expect(mostIn(four.began, 10 * SECOND)).toBeLessThanOrEqual(101);
  });
  it('stands beside the rate of one of them, and the lower one holds', async () => {
    const two = functions(2, {});
    await two.board.writeTurns(rate(10));
    expect(await bySes(two, ['bulk'], 10 * SECOND)).toBeLessThanOrEqual(2 * 11 + 1);
  });
  it('moves no message out of the instant that the other rate gave it, however long a call takes', async () => {
    for (const ledgerMs of [30, 150, 370, 490]) {
      const two = functions(2, {}, ledgerMs);
      await two.board.writeTurns(rate(3));
      expect(await bySes(two, ['bulk'], 20 * SECOND)).toBeGreaterThan(5);
      expect([ledgerMs, mostIn(two.began, SECOND / 2 - 1)]).toEqual([ledgerMs, expect.toBeOneOf([1, 2])]);
      expect([ledgerMs, mostIn(two.began, 5 * SECOND - 1)]).toEqual([ledgerMs, expect.toSatisfy((n) => n <= 11)]);
    }
  });
  it('holds nobody up until it is known, and costs one read a minute then; a new one holds at once', async () => {
    const two = functions(2, {});
    const [gate] = two.gates;
    if (gate === undefined) throw new Error('two functions');
    const entered = (entries: readonly Entry[]) => entries.filter((each) => 'leave' in each).length;
    const leave = (entries: readonly Entry[]) => {
      for (const each of entries) if ('leave' in each) each.leave();
    };
    for (let i = 0; i < 10; i++) {
      const entries = Array.from({ length: 10 }, () => gate.enter('ses', NEVER));
      await pass(two.clock, SECOND, 100);
      leave(await Promise.all(entries));
    }
    expect(two.calls()).toBe(1);
    await two.board.writeTurns(rate(1));
    await pass(two.clock, 60 * SECOND, 1_000);
    const held = Array.from({ length: 10 }, () => gate.enter('ses', NEVER));
    await pass(two.clock, 2 * SECOND, 100);
    expect(entered(await Promise.all(held))).toBeLessThanOrEqual(2);
    leave(await Promise.all(held));
    const standing = await two.board.readTurns(sesAccountTurns);
    await two.board.writeTurns({ ...(standing ?? rate(null)), messagesPerSecond: 100 });
    await pass(two.clock, 10 * SECOND, 100); // the line that stands
    const freed = Array.from({ length: 10 }, () => gate.enter('ses', NEVER));
    await pass(two.clock, 2 * SECOND, 100);
    expect(entered(await Promise.all(freed))).toBe(10);
  });
});

describe('a job that would wait long', () => {
  it('is told when to come again, one after another, and the jobs of another next hop wait for none of it', async () => {
    const one = functions(2, { messagesPerSecond: 0.1 });
    const [gate] = one.gates;
    if (gate === undefined) throw new Error('two functions');
    const slow = Array.from({ length: 5 }, () => one.job(gate, 5));
    const others = Array.from({ length: 5 }, () => one.job(gate, 5, 'other'));
    await pass(one.clock, 100);
    expect(await Promise.all(others)).toEqual(Array.from({ length: 5 }, () => null));
    const later = (await Promise.all(slow)).filter((each) => each !== null).sort((a, b) => a - b);
    expect(later).toHaveLength(4);
    expect(later[0]).toBeGreaterThan(gateWaitMsMax);
    later.slice(1).forEach((each, i) => {
      expect(each - (later[i] ?? 0)).toBeGreaterThanOrEqual(9 * SECOND);
    });
  });
});

describe('a next hop that asks for less', () => {
  const LESS = deferredFor('throttled', '421 4.7.0 too many');
  it('gets half, then half of that, and never less than one; success gives it back; no other is slowed', async () => {
    const one = functions(2, { concurrency: 16 });
    const [gate] = one.gates;
    if (gate === undefined) throw new Error('two functions');
    const round = async (outcome: Outcome, name = 'exchange') => {
      const before = one.began.length;
      const jobs = Array.from({ length: 8 }, () => one.job(gate, 10, name, outcome));
      await pass(one.clock, 1, 1);
      const first = one.began.length - before;
      await pass(one.clock, 2 * SECOND);
      await Promise.all(jobs);
      return first;
    };
    expect(await round(RELAYED)).toBe(8);
    const [lone] = [one.job(gate, 10, 'exchange', LESS)];
    await pass(one.clock, 50);
    await lone;
    expect(await round(RELAYED)).toBe(4);
    for (let i = 0; i < 6; i++) await round(LESS);
    expect(await round(RELAYED)).toBe(1);
    for (let i = 0; i < 12; i++) await round(RELAYED);
    expect(await round(RELAYED)).toBe(8);
    expect(one.watch.logged('next-hop.slowed-down').length).toBeGreaterThan(2);
    expect(one.calls()).toBe(0);
  });
});
