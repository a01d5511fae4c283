// A next hop that takes nothing, in virtual time: what waits costs no read and no write; one attempt at a time goes
// out, each with another message; what waited goes out oldest first when it takes mail again; and after 51 hours each
// sender has heard of the delay once, and then of the failure, in true words.

import { describe, expect, it } from 'vitest';
import { MemoryBoard } from '#adapters/memory/board.ts';
import { MemoryClock } from '#adapters/memory/clock.ts';
import { MemoryLedger } from '#adapters/memory/ledger.ts';
import type { Script, ScriptedReply } from '#adapters/memory/next-hop.ts';
import { MemoryWatch } from '#adapters/memory/watch.ts';
import type { Settings } from '#config/settings.ts';
import { type Health, unknownHealth } from '#core/delivery/next-hop-health.ts';
import { unknownTurns } from '#core/delivery/next-hop-turns.ts';
import { hopTimes } from '#core/delivery/waiting.ts';
import { boardEveryMs, expiryHourMs, lostAnywayAfterMs, lostJobAfterMs, settleMs } from '#core/limits.ts';
import { BoardView } from '#pipeline/next-hop-board.ts';
import type { Job, JobQueue, Ledger } from '#pipeline/ports.ts';
import { sweep } from '#pipeline/sweep/sweep.ts';
import { facts, queued } from '../contract/rows.ts';
import { pipelineSettings, TestPipeline } from '../kit/pipeline.ts';
import { ACCEPTED_AT } from './notification.ts';

const NEVER = new AbortController().signal;
const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const refused = { fault: 'refused', at: 'connect' } as const satisfies ScriptedReply;
const ok = { code: 250, status: '2.0.0', text: 'Ok' };

const failure = {
  ...{ reason: 'connection-refused', reply: null, detail: 'exchange.example.com refused the connection' },
  waitsFor: 'next-hop',
} as const;

/** A sweep alone, on a ledger and a board in memory. It counts the calls of the ledger. */
async function at(now: number, change: Partial<Health>, settings: Settings = pipelineSettings) {
  const clock = new MemoryClock(now);
  const [memory, board, watch] = [new MemoryLedger(), new MemoryBoard(), new MemoryWatch()];
  await board.writeHealth({ ...unknownHealth('exchange'), ...change });
  const calls: string[] = [];
  const ledger = new Proxy<Ledger>(memory, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (typeof value !== 'function') return value;
      return (...given: unknown[]) => {
        calls.push(String(name));
        return Reflect.apply(value, target, given);
      };
    },
  });
  const sent = { fast: [] as Job[], slow: [] as Job[] };
  const delays: (number | undefined)[] = [];
  const queue = (into: Job[]): JobQueue => ({
    async send(jobs) {
      into.push(...jobs.map(({ job }) => job));
      delays.push(...jobs.map(({ delayMs }) => delayMs));
    },
    depth: async () => ({ visible: 0, inFlight: 0 }),
  });
  const ports = {
    ...{ settings, ledger, watch, clock, bounceQueue: queue([]), feedbackQueue: queue([]) },
    ...{ relayQueue: queue(sent.fast), slowRelayQueue: queue(sent.slow), hopTimes: hopTimes(1) },
    ...{ sweepAgainMs: lostJobAfterMs, lostAnywayMs: lostAnywayAfterMs, hourMs: expiryHourMs },
    board: new BoardView({ board, clock, watch }, boardEveryMs),
  };
  const add = (count: number, of: (index: number) => object) =>
    memory.create(
      Array.from({ length: count }, (_, i) => queued(`m${i}`, { message: facts(`m${i}`), ...of(i) })),
      null,
    );
  const health = async () => (await board.read()).healths.get('exchange') ?? unknownHealth('exchange');
  return { ports, clock, memory, watch, calls, sent, delays, add, board, health };
}

const NOW = ACCEPTED_AT + 10 * HOUR;
const opened = { at: NOW - HOUR, probes: 3, nextProbeAt: NOW + 5 * MINUTE };
const open: Partial<Health> = {
  ...{ state: 'open', since: NOW - HOUR, waitsFor: 'next-hop', failingSince: NOW - HOUR, streak: 10, opened },
  lastFailure: { ...failure, at: NOW - 10 * MINUTE },
};
const waits = (index: number) => ({
  ...{ acceptedAt: NOW - HOUR + index, expiresAt: NOW + 47 * HOUR + index },
  ...{ nextAttemptAt: NOW - HOUR + index, dueAt: NOW - HOUR + index },
});
const idOf = ({ spoolId }: Job) => spoolId;

describe('behind an open next hop', () => {
  it('10,000 waiting rows cost one read of the index, and no other call', async () => {
    const { ports, add, calls, sent, watch } = await at(NOW, open);
    await add(10_000, waits);
    calls.length = 0;
    expect(await sweep(ports, NEVER)).toMatchObject({ seen: 0, waiting: 10_000, more: false });
    expect(calls).toEqual(['due']);
    expect([sent.fast, sent.slow]).toEqual([[], []]);
    expect(watch.total('LostJob')).toBe(0);
  });

  it('at its instant one attempt goes out, each time with another message, longest due first', async () => {
    const { ports, add, sent, clock, board, health } = await at(NOW, open);
    await add(3, waits);
    const tried: string[] = [];
    for (let turn = 0; turn < 3; turn++) {
      clock.advance(5 * MINUTE);
      expect(await sweep(ports, NEVER)).toMatchObject({ more: true });
      expect(await sweep(ports, NEVER, { again: true })).toMatchObject({ more: true }); // one at a time
      tried.push(...sent.slow.map(idOf));
      expect(sent.slow.splice(0).map(({ probe }) => probe)).toEqual([true]);
      const now = await health();
      await board.writeHealth({ ...now, probe: null, opened: { ...opened, nextProbeAt: clock.now() + 5 * MINUTE } });
    }
    expect(tried).toEqual(['m0', 'm1', 'm2']);
    expect(sent.fast).toEqual([]);
  });

  it('an attempt that was lost is sent again when its time is over; its answer is looked for at first', async () => {
    const { ports, add, sent, clock } = await at(NOW + 5 * MINUTE, open);
    await add(1, waits);
    expect(await sweep(ports, NEVER)).toMatchObject({ more: true, soon: true });
    clock.advance(MINUTE - 1);
    expect(await sweep(ports, NEVER)).toMatchObject({ more: true });
    clock.advance(1);
    expect(await sweep(ports, NEVER)).toMatchObject({ more: false });
    clock.advance(lostJobAfterMs - MINUTE - 1);
    await sweep(ports, NEVER);
    expect(sent.slow).toHaveLength(1);
    clock.advance(1);
    await sweep(ports, NEVER);
    expect(sent.slow.map(idOf)).toEqual(['m0', 'm0']);
  });

  it('a message whose first job relay has just given back is the attempt, where nothing else waits', async () => {
    const { ports, add, sent } = await at(NOW + 5 * MINUTE, open);
    expect(await sweep(ports, NEVER)).toMatchObject({ more: false });
    await add(1, () => ({ ...waits(0), nextAttemptAt: NOW, dueAt: NOW + lostJobAfterMs }));
    await sweep(ports, NEVER);
    expect(sent.slow.map(idOf)).toEqual(['m0']);
  });

  it('with refused credentials each run sends one, and no other look of the run', async () => {
    const { ports, add, sent, board, health } = await at(NOW, {
      ...open,
      waitsFor: 'operator',
      lastFailure: { ...failure, at: NOW - MINUTE, reason: 'login-refused', secretVersion: 'v1' },
    });
    await add(2, waits);
    expect(await sweep(ports, NEVER)).toMatchObject({ more: false }); // a secret seldom changes within a run
    expect(sent.slow).toHaveLength(1);
    await board.writeHealth({ ...(await health()), probe: null }); // relay saw the same version
    await sweep(ports, NEVER, { again: true });
    expect(sent.slow).toHaveLength(1);
    await sweep(ports, NEVER);
    expect(sent.slow).toHaveLength(2);
  });
});

describe('a next hop that takes mail again', () => {
  it('gets what waited oldest first, from when every function knows it, and nothing counts as lost', async () => {
    const recoveredAt = NOW - SECOND;
    const { ports, add, sent, clock, watch, memory } = await at(NOW, { recoveredAt, since: recoveredAt });
    await add(20, (index) => ({
      ...{ acceptedAt: NOW - index * MINUTE, expiresAt: NOW + 48 * HOUR - index * MINUTE },
      ...(index % 2 === 0
        ? { nextAttemptAt: NOW - index * MINUTE, dueAt: NOW - index * MINUTE + lostJobAfterMs } // its job was given back
        : {
            ...{ state: 'deferred', attempts: 2, lastReason: 'connection-refused', lastAttemptAt: NOW - HOUR },
            ...{ nextAttemptAt: NOW + index * HOUR, dueAt: NOW + index * HOUR },
          }),
    }));
    expect(await sweep(ports, NEVER)).toMatchObject({ toRelay: 0, more: true });
    clock.advance(settleMs);
    await sweep(ports, NEVER);
    expect(sent.fast.map(idOf)).toEqual(Array.from({ length: 20 }, (_, i) => `m${19 - i}`));
    expect(watch.total('LostJob')).toBe(0);
    expect(memory.all().flatMap(({ trace }) => trace.filter(({ event }) => event === 'RESUBMIT'))).toEqual([]);
    clock.advance(MINUTE);
    expect(await sweep(ports, NEVER)).toMatchObject({ seen: 0, more: false });
  });

  it('with a rate, its line begins anew: what waited does not stand behind places given before it failed', async () => {
    const recoveredAt = NOW - settleMs;
    const { exchange } = pipelineSettings.nextHops;
    if (exchange?.kind !== 'smtp') throw new Error('the pipeline has an SMTP server');
    const nextHops = { ...pipelineSettings.nextHops, exchange: { ...exchange, messagesPerSecond: 0.5 } };
    const { ports, add, sent, delays, board } = await at(NOW, { recoveredAt }, { ...pipelineSettings, nextHops });
    await board.writeTurns({ ...unknownTurns('exchange'), lineEndsAt: NOW + 14 * MINUTE });
    await add(10, waits);
    await sweep(ports, NEVER);
    expect([...sent.fast, ...sent.slow].map(idOf)).toEqual(Array.from({ length: 10 }, (_, i) => `m${i}`));
    const seconds = delays.map((delay = 0) => delay / SECOND).sort((a, b) => a - b);
    expect(seconds).toEqual(Array.from({ length: 10 }, (_, i) => 2 * i));
  });

  it('a full mailbox still waits for its schedule, and so does an attempt that failed afterwards', async () => {
    const recoveredAt = NOW - settleMs;
    const { ports, add, sent } = await at(NOW, { recoveredAt });
    const later = { state: 'deferred', attempts: 1, nextAttemptAt: NOW + HOUR, dueAt: NOW + HOUR };
    await add(2, (index) => ({
      ...later,
      ...(index === 0
        ? { lastReason: 'mailbox-full', lastAttemptAt: NOW - HOUR }
        : { lastReason: 'greylisted', lastAttemptAt: NOW - SECOND }),
    }));
    await sweep(ports, NEVER);
    expect(sent.fast).toEqual([]);
  });
});

describe('jobs of a slow next hop', () => {
  it('go to the slow lane', async () => {
    const { ports, add, sent } = await at(NOW, { state: 'slow', since: NOW - MINUTE });
    await add(5, (index) => ({ ...waits(index), state: 'deferred', attempts: 1 }));
    await sweep(ports, NEVER);
    expect([sent.fast.length, sent.slow.length]).toEqual([0, 5]);
  });
});

describe('a server that is dead for 51 hours', () => {
  const settings: Settings = {
    ...pipelineSettings,
    nextHops: { ...pipelineSettings.nextHops, notices: pipelineSettings.nextHops.exchange as never },
    retry: { ...pipelineSettings.retry, delayNoticeMs: 4 * HOUR },
    notices: { ...pipelineSettings.notices, via: 'notices' },
  };
  async function dead(script: Script) {
    const pipeline = new TestPipeline(script, undefined, settings, { notices: () => ok });
    for (let i = 0; i < 40; i++) pipeline.receive(`m${i}`, `s${i}@src.example`, [`r${i}@example.com`]);
    await pipeline.live(51);
    const texts = (pipeline.others.get('notices')?.accepted ?? []).map(({ content, forwardPath }) => ({
      to: forwardPath.address,
      text: new TextDecoder().decode(content).replaceAll('=\r\n', ''),
    }));
    return { pipeline, texts };
  }

  it('each sender hears of the delay once, and then gets an NDR with the last failure and its instant', async () => {
    let attempts = 0;
    const { pipeline, texts } = await dead(() => {
      attempts += 1;
      return refused;
    });
    expect(
      new Set(
        pipeline.ledger
          .all()
          .filter((row) => row.kind === 'delivery')
          .map(({ state }) => state),
      ),
    ).toEqual(new Set(['returned']));
    for (let i = 0; i < 40; i++) {
      const mine = texts.filter(({ to }) => to === `s${i}@src.example`);
      expect(mine.map(({ text }) => /^Subject: (\w+)/m.exec(text)?.[1])).toEqual(['Delayed', 'Undeliverable']);
    }
    expect(pipeline.watch.total('ExpiryHeld')).toBe(0);
    expect(pipeline.watch.total('LostJob')).toBe(0);
    // Ten that opened it, and one every quarter of an hour.
    expect(attempts).toBeGreaterThan(48 * 4 - 10);
    expect(attempts).toBeLessThan(10 + 51 * 4);
    const ndr = texts.find(({ to, text }) => to === 's20@src.example' && text.includes('Undeliverable'))?.text ?? '';
    expect(ndr).toMatch(/The server has taken no mail\s+from us since/);
    expect(ndr).toMatch(/with another\s+message/);
    expect(ndr).toContain('Status: 4.4.1');
  }, 60_000);

  it('a message whose content is lost comes to its end all the same: its attempts show nothing of the next hop', async () => {
    const pipeline = new TestPipeline(() => refused, undefined, settings, { notices: () => ok });
    for (let i = 0; i < 12; i++) pipeline.receive(`m${i}`, `s${i}@src.example`, [`r${i}@example.com`]);
    await pipeline.live(1);
    expect((await pipeline.board.read()).healths.get('exchange')?.state).toBe('open');
    for (let i = 0; i < 12; i++) pipeline.spool.spoil(`in/m${i}`, 'missing');
    await pipeline.live(60);
    const rows = pipeline.ledger.all().filter((row) => row.kind === 'delivery');
    expect(new Set(rows.map(({ state }) => state))).toEqual(new Set(['returned']));
    expect(Math.max(...rows.map(({ attempts }) => attempts))).toBeLessThan(60);
    expect(new Set(rows.map(({ stateReason, lastReason }) => stateReason ?? lastReason))).toEqual(
      new Set(['content-unreadable']),
    );
  }, 60_000);
});
