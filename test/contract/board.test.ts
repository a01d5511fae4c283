// What every board of next hops promises (pipeline/next-hop-board.ts), asked of the memory board and of DynamoBoard on
// the emulator; and what one function's view of it asks of it.

import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DynamoBoard } from '#adapters/aws/dynamo-board.ts';
import { MemoryBoard } from '#adapters/memory/board.ts';
import { MemoryClock } from '#adapters/memory/clock.ts';
import { MemoryWatch } from '#adapters/memory/watch.ts';
import { type Health, unknownHealth } from '#core/delivery/next-hop-health.ts';
import { unknownTurns } from '#core/delivery/next-hop-turns.ts';
import type { Pause } from '#core/delivery/pause.ts';
import { boardEveryMs } from '#core/limits.ts';
import { BoardView, type NextHopBoard } from '#pipeline/next-hop-board.ts';
import { ledgerTable, openDynamoDb } from './emulated-aws.ts';

const T0 = 1_780_000_000_000;
const reply = { code: 535, status: '5.7.8', text: 'no\nway', host: 'mail.example.com' } as const;
const full: Health = {
  ...{ nextHop: 'exchange', version: 0, firstAcceptedAt: T0, state: 'open', since: T0 + 1, waitsFor: 'operator' },
  ...{ failingSince: T0 + 2, streak: 10, recoveredAt: T0 - 1 },
  lastFailure: {
    at: T0 + 3,
    reason: 'login-refused',
    reply,
    detail: 'no ß',
    waitsFor: 'operator',
    secretVersion: 'v1',
  } as Health['lastFailure'],
  opened: { at: T0 + 1, probes: 2, nextProbeAt: T0 + 60_000 },
  probe: { spoolId: 's', deliveryKey: 'k', until: T0 + 9 },
};
const pause: Pause = {
  ...{ scope: 'inbound', version: 0, mode: 'drain', since: T0, by: 'ann' },
  configured: { mode: 'hold', since: T0 - 3 },
  ended: [{ from: T0 - 9, until: T0 - 5, mode: 'hold' }],
};

function boardContract(name: string, open: () => Promise<{ board: NextHopBoard; close(): Promise<void> }>): void {
  describe(`${name} keeps the board's contract`, () => {
    let under: Awaited<ReturnType<typeof open>>;
    beforeAll(async () => {
      under = await open();
    });
    afterAll(() => under.close());

    it('is empty at first, and gives back what was written, whole', async () => {
      expect(await under.board.read()).toEqual({ healths: new Map(), pauses: [] });
      expect(await under.board.writeHealth(full)).toBe('written');
      expect(await under.board.writePause(pause)).toBe('written');
      const { healths, pauses } = await under.board.read();
      expect(healths).toEqual(new Map([['exchange', { ...full, version: 1 }]]));
      expect(pauses).toEqual([{ ...pause, version: 1 }]);
    });
    it('refuses a write over a version that was not read, and changes nothing', async () => {
      const other = { ...full, nextHop: 'other' };
      expect(await under.board.writeHealth({ ...other, version: 1 })).toBe('lost');
      expect(await under.board.writeHealth(other)).toBe('written');
      expect(await under.board.writeHealth({ ...other, streak: 3 })).toBe('lost');
      expect(await under.board.writeHealth({ ...other, version: 1, streak: 4 })).toBe('written');
      expect((await under.board.read()).healths.get('other')).toEqual({ ...other, version: 2, streak: 4 });
      expect(await under.board.writePause({ ...pause, by: 'bob' })).toBe('lost');
    });
    it('gives the turns that stand to who lost their write', async () => {
      const turns = {
        ...{ nextHop: 'exchange', version: 0, nextAt: T0, places: [{ holder: 'one', until: T0 + 5 }] },
        ...{ lineEndsAt: T0 + 60_000, returnsUntil: T0 + 1, messagesPerSecond: 14 },
      };
      expect(await under.board.readTurns('exchange')).toBeNull();
      expect(await under.board.writeTurns({ ...turns, version: 3 })).toEqual(unknownTurns('exchange'));
      expect(await under.board.writeTurns(turns)).toBeNull();
      expect(await under.board.readTurns('exchange')).toEqual({ ...turns, version: 1 });
      expect(await under.board.writeTurns({ ...turns, nextAt: 0 })).toEqual({ ...turns, version: 1 });
      expect(await under.board.writeTurns({ ...turns, version: 1, places: [] })).toBeNull();
      expect(await under.board.readTurns('exchange')).toEqual({ ...turns, version: 2, places: [] });
      expect((await under.board.read()).healths.get('exchange')?.version ?? 1).toBe(1);
    });
    it('lets one of many win', async () => {
      const results = await Promise.all(
        Array.from({ length: 10 }, () => under.board.writeHealth({ ...full, nextHop: 'many' })),
      );
      expect(results.filter((each) => each === 'written')).toHaveLength(1);
    });
  });
}

boardContract('MemoryBoard', async () => ({ board: new MemoryBoard(), close: async () => {} }));
boardContract('DynamoBoard, on the emulator,', async () => {
  const { client, close } = await openDynamoDb();
  return { board: new DynamoBoard(client, ledgerTable.TableName), close };
});

describe('BoardView', () => {
  const start = () => {
    const clock = new MemoryClock(T0);
    const board = new MemoryBoard();
    let reads = 0;
    const counted: NextHopBoard = {
      read: () => {
        reads += 1;
        return board.read();
      },
      writeHealth: (health) => board.writeHealth(health),
      writePause: (paused) => board.writePause(paused),
      readTurns: (name) => board.readTurns(name),
      writeTurns: (turns) => board.writeTurns(turns),
    };
    const watch = new MemoryWatch();
    const view = () => new BoardView({ board: counted, clock, watch }, boardEveryMs);
    return { clock, board, watch, view, reads: () => reads };
  };
  const more = (health: Health): Health => ({ ...health, streak: health.streak + 1 });

  it('reads at most once in ten seconds, also for many at the same time', async () => {
    const { clock, view, reads } = start();
    const mine = view();
    await Promise.all([mine.health('a'), mine.health('b'), mine.board()]);
    clock.advance(boardEveryMs - 1);
    await mine.health('a');
    expect(reads()).toBe(1);
    clock.advance(1);
    await mine.health('a');
    expect(reads()).toBe(2);
  });
  it('counts every change of two functions that know nothing of each other', async () => {
    const { board, view } = start();
    const [one, other] = [view(), view()];
    await Promise.all([one.board(), other.board()]);
    await Promise.all([one, other, one, other, one].map((each) => each.changeHealth('a', more)));
    expect((await board.read()).healths.get('a')?.streak).toBe(5);
    expect((await one.health('a')).streak).toBeGreaterThan(0);
  });
  it('makes no call where nothing is to be written', async () => {
    const { board, view, reads } = start();
    const mine = view();
    expect(await mine.changeHealth('a', () => null)).toEqual(unknownHealth('a'));
    expect((await board.read()).healths.size).toBe(0);
    expect(reads()).toBe(1);
  });
  it('gives up, with a line in the log, where others come between each time', async () => {
    const { board, watch, view } = start();
    const mine = view();
    await mine.changeHealth('a', (health) => {
      void board.writeHealth(health);
      return more(health);
    });
    expect((await mine.health('a')).streak).toBe(0);
    expect(watch.logged('next-hop.health-not-written')).toHaveLength(1);
  });
});
