// The lines of jobs at next hops with a rate, as one sweep fills them: how many jobs there is room for, their places,
// and the line that begins anew. Instants are literals.

import { describe, expect, it } from 'vitest';
import { MemoryBoard } from '#adapters/memory/board.ts';
import { MemoryClock } from '#adapters/memory/clock.ts';
import { MemoryWatch } from '#adapters/memory/watch.ts';
import { type SharedTurns, sesAccountTurns, unknownTurns } from '#core/delivery/next-hop-turns.ts';
import { hopTimes } from '#core/delivery/waiting.ts';
import { sweepLineMs } from '#core/limits.ts';
import { workFor } from '#pipeline/jobs.ts';
import { Lines } from '#pipeline/sweep/hop-lines.ts';
import { pipelineSettings } from '../../../kit/pipeline.ts';

const T0 = 1_780_000_000_000;
const MINUTE = 60_000;
const server = pipelineSettings.nextHops.exchange;
if (server?.kind !== 'smtp') throw new Error('the pipeline has an SMTP server');
const nextHops = { rated: { ...server, messagesPerSecond: 2 }, exchange: server, ses: { kind: 'ses' } as const };

async function linesOf(...turns: readonly (Partial<SharedTurns> & Pick<SharedTurns, 'nextHop'>)[]) {
  const board = new MemoryBoard();
  for (const each of turns) await board.writeTurns({ ...unknownTurns(each.nextHop), ...each });
  const clock = new MemoryClock(T0);
  const ports = { settings: { ...pipelineSettings, nextHops }, board, clock, watch: new MemoryWatch() };
  const lines = new Lines({ ...ports, hopTimes: hopTimes(1) });
  await lines.read(Object.keys(nextHops));
  return { lines, board };
}
const work = (nextHop: string, count: number) =>
  Array.from({ length: count }, (_, i) => workFor({ spoolId: `m${i}`, deliveryKey: 'k', nextHop }));

describe('the line of jobs at a next hop with a rate', () => {
  it('has room for what the rate takes until later sweeps, less what stands in it', async () => {
    const { lines } = await linesOf({ nextHop: 'rated', lineEndsAt: T0 + MINUTE });
    expect(lines.room('rated')).toBe((2 * (sweepLineMs - MINUTE)) / 1_000);
    expect(lines.room('exchange')).toBeNull();
    const full = await linesOf({ nextHop: 'rated', lineEndsAt: T0 + sweepLineMs });
    expect(full.lines.room('rated')).toBe(0);
  });
  it('gives places one after another, behind those that stand in it', async () => {
    const { lines, board } = await linesOf({ nextHop: 'rated', lineEndsAt: T0 + MINUTE });
    const placed = await lines.placed('rated', work('rated', 3));
    expect(placed.map(({ delayMs }) => delayMs)).toEqual([MINUTE, MINUTE + 500, MINUTE + 1_000]);
    expect(placed.every(({ job }) => job.inLine)).toBe(true);
    expect((await board.readTurns('rated'))?.lineEndsAt).toBe(T0 + MINUTE + 1_500);
    expect(await lines.placed('exchange', work('exchange', 1))).toEqual(work('exchange', 1));
  });
  it("is that of SES's account too", async () => {
    const { lines } = await linesOf({ ...unknownTurns(sesAccountTurns), messagesPerSecond: 1 });
    expect(lines.room('ses')).toBe(sweepLineMs / 1_000);
    const placed = await lines.placed('ses', work('ses', 3));
    expect(placed.map(({ delayMs }) => delayMs)).toEqual([undefined, undefined, 2_000]);
  });
  it('begins anew where the next hop takes mail again', async () => {
    const { lines, board } = await linesOf({ nextHop: 'rated', lineEndsAt: T0 + 10 * MINUTE });
    await lines.drop('rated');
    expect((await board.readTurns('rated'))?.lineEndsAt).toBe(T0);
    expect(lines.endsAt('rated')).toBe(T0);
  });
});
