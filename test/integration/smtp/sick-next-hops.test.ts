// Relay with real sockets: one next hop refuses connections, says nothing, sends a byte now and then, or stalls at the
// final dot. The mail of another one in the same batch is not held up by it, and none of its own mail is lost.
// Ten seconds are 500 ms here.

import { createServer, type Server, type Socket } from 'node:net';
import { describe, expect, it } from 'vitest';
import { MemoryEntropy } from '#adapters/memory/clock.ts';
import { MemoryJobQueue } from '#adapters/memory/job-queue.ts';
import { MemoryLedger } from '#adapters/memory/ledger.ts';
import { MemorySpool } from '#adapters/memory/spool.ts';
import { WaitingRows } from '#adapters/memory/waiting-rows.ts';
import { MemoryWatch } from '#adapters/memory/watch.ts';
import { SmtpNextHop } from '#adapters/smtp/next-hop.ts';
import { SystemClock, SystemTimer } from '#adapters/system-clock.ts';
import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { healthTerms } from '#core/delivery/next-hop-health.ts';
import { batchBytesMax, lostJobAfterMs, maxReceiveCount, relayVisibilityMs, smtpLeaseMs } from '#core/limits.ts';
import { workFor } from '#pipeline/jobs.ts';
import { byteBudget } from '#pipeline/relay/byte-budget.ts';
import type { Lane } from '#pipeline/relay/lanes.ts';
import { relay } from '#pipeline/relay/relay.ts';
import type { RelayPorts } from '#pipeline/relay/relay-ports.ts';
import { openCaseServer } from '../../cases/case-server.ts';
import { facts, queued } from '../../contract/rows.ts';
import { boardOf, failuresOf, gateOf, outcomesOf } from '../../kit/board.ts';
import { pipelineSettings } from '../../kit/pipeline.ts';
import { patient, settings } from './smtp-case.ts';

const NEVER = new AbortController().signal;
const SLOW_MS = 500;
const SCALE = 10_000 / SLOW_MS;
const EACH = 12;

/** A server of `behave`, and what ends it with all its connections. */
async function serve(behave: (socket: Socket) => void): Promise<{ port: number; close(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const server: Server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {}).on('close', () => sockets.delete(socket));
    behave(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const close = async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
  return { port: address.port, close };
}

/** Nothing listens there. */
async function refusing() {
  const { port, close } = await serve(() => {});
  await close();
  return { port, close: async () => {} };
}
const silent = () => serve((socket) => void socket.resume());
const trickling = () =>
  serve((socket) => {
    socket.resume();
    const greeting = [...`220 ${'a greeting that takes long '.repeat(40)}`];
    const timer = setInterval(() => void socket.write(greeting.shift() ?? ' '), 1_000 / SCALE);
    socket.on('close', () => clearInterval(timer));
  });
const stalling = () => openCaseServer({ dot: '' });

const timeoutsMs = { ...patient, finalDot: 1_500 };
const hopAt = (port: number) =>
  new SmtpNextHop(settings({ port }), { ehloName: 'our.example', credentials: null, timeoutsMs });

/** One function with two next hops: the jobs of a batch, as its stage runs them, and what became of them. */
async function functionWith(sickPort: number, goodPort: number) {
  const [clock, watch, ledger, spool] = [new SystemClock(), new MemoryWatch(), new MemoryLedger(), new MemorySpool()];
  const queueTerms = { clock, visibilityMs: relayVisibilityMs, maxReceiveCount };
  const slowRelayQueue = new MemoryJobQueue(queueTerms);
  const hops = new Map([
    ['sick', hopAt(sickPort)],
    ['exchange', hopAt(goodPort)],
  ]);
  const ports: RelayPorts = {
    ...{ settings: pipelineSettings, spool, ledger, clock, watch, slowRelayQueue, markKey: 'key' },
    ...{ board: boardOf({ clock, watch }), waiting: new WaitingRows(ledger) },
    gate: gateOf({ clock, watch, timer: new SystemTimer() }),
    failures: failuresOf({ clock, watch }),
    outcomes: outcomesOf({ clock, watch }),
    health: healthTerms(SCALE),
    timer: new SystemTimer(),
    bounceQueue: new MemoryJobQueue(queueTerms),
    nextHop: (name) => hops.get(name) ?? null,
    entropy: new MemoryEntropy(1),
    budget: byteBudget(batchBytesMax),
    ...{ leaseMs: smtpLeaseMs, sweepAgainMs: lostJobAfterMs },
  };
  async function rowsFor(nextHop: string, name: string): Promise<readonly DeliveryRow[]> {
    const rows = Array.from({ length: EACH }, (_, i) =>
      queued(`${name}${i}`, { nextHop, message: facts(`${name}${i}`) }),
    );
    for (const row of rows) spool.put(row.message?.objectKey ?? '', Buffer.from('Subject: x\r\n\r\nHello\r\n'));
    await ledger.create(rows, null);
    return rows;
  }
  /** How long each took. */
  const run = (rows: readonly DeliveryRow[], lane: Lane) =>
    Promise.all(
      rows.map(async (row) => {
        const began = Date.now();
        await relay(ports, workFor(row).job, NEVER, lane);
        return Date.now() - began;
      }),
    );
  const standing = (rows: readonly DeliveryRow[]) => Promise.all(rows.map((row) => ledger.read(row)));
  const close = () => Promise.all([...hops.values()].map((hop) => hop.close()));
  return { rowsFor, run, standing, close, health: () => ports.board.health('sick'), slowRelayQueue };
}

async function beside(sick: { readonly port: number; close(): Promise<void> }) {
  const good = await openCaseServer({});
  const at = await functionWith(sick.port, good.port);
  return {
    ...at,
    good,
    sick: await at.rowsFor('sick', 'a'),
    later: await at.rowsFor('sick', 'b'),
    neighbours: await at.rowsFor('exchange', 'c'),
    async end() {
      await Promise.all([at.close(), good.close(), sick.close()]);
    },
  };
}

// Real time is measured: a busy machine may come between once, and what is wrong is wrong each time.
describe('beside a next hop that', { retry: 2 }, () => {
  it.each([
    ['refuses connections', refusing, 'open'],
    ['accepts them and says nothing', silent, 'slow'],
    ['sends a byte a second', trickling, 'slow'],
  ] as const)('%s, mail for another one is not held up', async (_name, serveSick, state) => {
    const { run, standing, health, end, ...at } = await beside(await serveSick());
    try {
      const [held, neighbours] = await Promise.all([run(at.sick, 'fast'), run(at.neighbours, 'fast')]);
      expect(Math.max(...neighbours)).toBeLessThan(SLOW_MS);
      expect(Math.max(...held)).toBeLessThan(3 * SLOW_MS); // the whole batch, and so its function
      expect(at.good.took).toHaveLength(EACH);
      expect((await health()).state).toBe(state);
      // Its next batch takes no time of the fast lane at all.
      expect(Math.max(...(await run(at.later, 'fast')))).toBeLessThan(SLOW_MS / 3);
      const waiting = await standing([...at.sick, ...at.later]);
      expect(waiting.every((row) => row !== null && row.leaseUntil === null && !row.possibleDuplicate)).toBe(true);
      expect((await standing(at.later)).every((row) => row?.attempts === 0)).toBe(true);
    } finally {
      await end();
    }
  });

  it('stalls at the final dot, mail for another one is not held up, and the jobs behind it change lanes', async () => {
    const { run, standing, health, end, ...at } = await beside(await stalling());
    try {
      const held = run(at.sick, 'fast');
      expect(Math.max(...(await run(at.neighbours, 'fast')))).toBeLessThan(SLOW_MS);
      await new Promise((resolve) => setTimeout(resolve, SLOW_MS + 100));
      expect((await health()).state).toBe('slow'); // while its attempts run
      expect(Math.max(...(await run(at.later, 'fast')))).toBeLessThan(SLOW_MS / 3);
      // None was broken off: each had its whole time, or had waited for a connection and sent no MAIL.
      const took = await held;
      const rows = await standing(at.sick);
      const stalled = rows.filter((row) => row?.attempts === 1);
      expect(took.filter((ms) => ms >= timeoutsMs.finalDot - 50)).toHaveLength(stalled.length);
      expect(stalled.every((row) => row?.state === 'deferred')).toBe(true);
      expect(rows.every((row) => row?.leaseUntil === null)).toBe(true);
      expect((await health()).streak).toBe(stalled.length);
      expect(stalled.length).toBeGreaterThan(0);
    } finally {
      await end();
    }
  });
});
