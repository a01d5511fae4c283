// What the ledger's index tells of mail that waits (pipeline/waiting-index.ts), of the memory ledger and of DynamoDB on
// the emulator, and the levels that the sweep makes of it. A ledger of the version before has its held rows counted.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { PutItemCommand, type ScanCommand } from '@aws-sdk/client-dynamodb';
import { describe, expect, it, vi } from 'vitest';
import { DynamoBoard } from '#adapters/aws/dynamo-board.ts';
import { DynamoLedger } from '#adapters/aws/dynamo-ledger.ts';
import { DynamoWaiting } from '#adapters/aws/dynamo-waiting.ts';
import { MemoryBoard } from '#adapters/memory/board.ts';
import { MemoryClock } from '#adapters/memory/clock.ts';
import { MemoryLedger } from '#adapters/memory/ledger.ts';
import { WaitingRows } from '#adapters/memory/waiting-rows.ts';
import { MemoryWatch } from '#adapters/memory/watch.ts';
import { heldByOperator } from '#core/delivery/hold-release.ts';
import { unknownHealth } from '#core/delivery/next-hop-health.ts';
import { boardEveryMs, lostJobAfterMs, shortIndexMax } from '#core/limits.ts';
import { BoardView, type NextHopBoard } from '#pipeline/next-hop-board.ts';
import type { DueRow, Ledger } from '#pipeline/ports.ts';
import { publishLevels } from '#pipeline/sweep/levels.ts';
import type { WaitingIndex } from '#pipeline/waiting-index.ts';
import { pipelineSettings } from '../kit/pipeline.ts';
import { rightSes } from '../kit/right-ses.ts';
import { ledgerTable, openDynamoDb } from './emulated-aws.ts';
import { facts, queued, T0 } from './rows.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const empty = { depth: async () => ({ visible: 0, inFlight: 0 }) };
const NEVER = new AbortController().signal;
const retention = { search: true, ledgerRetentionMs: 90 * 24 * HOUR };
const EVENTUALLY = { timeout: 10_000, interval: 20 };
const FIXTURES = join(import.meta.dirname, '../fixtures/rows-before');

type Under = { ledger: Ledger; waiting: WaitingIndex; board: NextHopBoard; close(): void };
const SUBJECTS: readonly [string, () => Promise<Under>][] = [
  [
    'in memory',
    async () => {
      const ledger = new MemoryLedger();
      return { ledger, waiting: new WaitingRows(ledger), board: new MemoryBoard(), close: () => {} };
    },
  ],
  [
    'on DynamoDB',
    async () => {
      const { client, close } = await openDynamoDb();
      const table = ledgerTable.TableName;
      const ledger = new DynamoLedger(client, table, retention);
      return { ledger, waiting: new DynamoWaiting(client, table), board: new DynamoBoard(client, table), close };
    },
  ],
];

/** The levels that one run of the sweep publishes at `now`. */
async function levels({ ledger, waiting, board }: Omit<Under, 'close'>, now: number) {
  const [clock, watch] = [new MemoryClock(now), new MemoryWatch()];
  const view = new BoardView({ board, clock, watch }, boardEveryMs);
  const queues = { ingest: empty, entry: [empty], work: [empty] };
  const ports = {
    settings: pipelineSettings,
    ledger,
    waiting,
    board: view,
    clock,
    watch,
    hourMs: HOUR,
    sweepAgainMs: lostJobAfterMs,
    queues,
    ...rightSes,
  };
  await publishLevels(ports, NEVER);
  return Object.fromEntries(watch.counted.map(({ metric, value }) => [metric, value]));
}

describe.each(SUBJECTS)('what waits, %s', (_name, open) => {
  it('is held, or put off by a fault that is not the sender’s; nothing else', async () => {
    const { close, ...under } = await open();
    const row = (spoolId: string, change = {}) => queued(spoolId, { message: facts(spoolId), ...change });
    const deferred = { state: 'deferred' as const, attempts: 1, dueAt: T0 + HOUR, expiresAt: T0 + 46 * HOUR };
    await under.ledger.create([row('fresh')], null);
    await under.ledger.create([row('full', { ...deferred, lastReason: 'mailbox-full' })], null);
    await under.ledger.create([row('down', { ...deferred, lastReason: 'timeout', nextHop: 'exchange' })], null);
    await under.ledger.create([row('login', { ...deferred, lastReason: 'login-refused', nextHop: 'other' })], null);
    const held = heldByOperator(row('held'), T0).row;
    await under.ledger.create([held], null);
    await under.board.writeHealth({ ...unknownHealth('exchange'), failingSince: T0 - 20 * MINUTE });
    await under.board.writeHealth({ ...unknownHealth('idle'), failingSince: T0 - HOUR });
    await vi.waitFor(async () => expect(await under.waiting.heldCount()).toBe(1), EVENTUALLY);
    const faulty: string[] = [];
    await under.waiting.walk('faulty', T0 + HOUR, ({ spoolId }) => faulty.push(spoolId));
    expect(faulty).toEqual(['down']);
    await under.waiting.walk('operator', T0 + HOUR, ({ spoolId }) => faulty.push(spoolId));
    expect(faulty).toEqual(['down', 'login']);
    const seen: DueRow[] = [];
    await under.waiting.walk('held', T0 + 24 * HOUR - 1, (entry) => seen.push(entry));
    expect(seen).toEqual([]);
    await under.waiting.walk('held', T0 + 24 * HOUR, (entry) => seen.push(entry));
    expect(seen).toMatchObject([{ spoolId: 'held', heldBecause: 'operator', nextAttemptAt: T0 }]);
    expect((await under.ledger.due(T0 + 24 * HOUR, 10)).map(({ spoolId }) => spoolId)).toContain('held');
    expect(await levels(under, T0)).toEqual({
      // What is held, and what waits for a login that only the operator can correct.
      ...{ WaitsForPerson: 2, NextHopDown: 20, WaitingLong: 2 * 60, PausedHours: 0 },
      ...{ FrontDoor: 0, SesReceiving: 0, SesSending: 0, SweepRun: 1 },
    });

    // The cause ends, and so does the level.
    await under.ledger.write({ ...held, state: 'removed', dueAt: null }, []);
    await under.ledger.write({ ...row('down'), ...deferred, state: 'relayed', dueAt: null }, []);
    await vi.waitFor(async () => expect(await under.waiting.heldCount()).toBe(0), EVENTUALLY);
    expect(await levels(under, T0)).toMatchObject({ WaitsForPerson: 1, NextHopDown: 0 });
    await under.board.writePause({
      scope: 'other',
      version: 0,
      mode: 'hold',
      since: T0 - 30 * HOUR,
      by: 'ann',
      ended: [],
    });
    expect(await levels(under, T0)).toMatchObject({ WaitsForPerson: 1, WaitingLong: 0, PausedHours: 30 });
    close();
  });
});

it('what is due and what waits is found whole: by one read where the index is short, else by its shards', async () => {
  const { client, close } = await openDynamoDb();
  const TableName = ledgerTable.TableName;
  const writer = new DynamoLedger(client, TableName, retention);
  const change = { message: null, dueAt: T0 - 1 };
  const rows = Array.from({ length: shortIndexMax - 3 }, (_, index) =>
    queued('many', { ...change, deliveryKey: String(index).padStart(4, '0') }),
  );
  const late = queued('late', { ...change, dueAt: T0 + 1 });
  const down = queued('down', { ...change, state: 'deferred', attempts: 1, lastReason: 'timeout', dueAt: T0 + HOUR });
  await writer.create([...rows, late, down, heldByOperator(queued('held', change), T0).row], null);

  const asked: string[] = [];
  const send = (given: ScanCommand) => {
    asked.push(given.constructor.name);
    return client.send(given);
  };
  const counting = { send } as unknown as typeof client;
  const ledger = new DynamoLedger(counting, TableName, retention);
  const waiting = new DynamoWaiting(counting, TableName);
  async function looked(due: number) {
    expect(await ledger.due(T0, 1_000)).toHaveLength(due);
    const look = await waiting.look();
    expect(await look.heldCount()).toBe(1);
    const seen: string[] = [];
    const take = ({ spoolId }: DueRow) => seen.push(spoolId);
    await look.walk('faulty', T0, take);
    expect(seen).toEqual([]);
    for (const each of ['faulty', 'operator', 'unprocessed'] as const) await look.walk(each, T0 + HOUR, take);
    expect(seen).toEqual(['down']);
    return asked.splice(0);
  }
  expect(await looked(rows.length)).toEqual(['ScanCommand', 'ScanCommand']);
  await writer.create([queued('one more', change)], null);
  const first = await looked(rows.length + 1);
  expect(first.filter((each) => each === 'ScanCommand')).toHaveLength(2);
  // It knows for a while that the index is long.
  expect(await looked(rows.length + 1)).toEqual(first.filter((each) => each === 'QueryCommand'));
  await close();
});

it('held rows of the version before are counted, once they were all found, and not before', async () => {
  const { client, close } = await openDynamoDb();
  const TableName = ledgerTable.TableName;
  const names = readdirSync(FIXTURES).filter((name) => name.startsWith('held-') && name !== 'held-notice-itself.json');
  expect(names.length).toBeGreaterThan(3);
  for (const [index, name] of names.entries()) {
    const { item } = JSON.parse(readFileSync(join(FIXTURES, name), 'utf8'));
    await client.send(new PutItemCommand({ TableName, Item: { ...item, pk: { S: `before-${index}` } } }));
  }
  const ledger = new DynamoLedger(client, TableName, retention);
  const whole = new DynamoWaiting(client, TableName);
  const board = new DynamoBoard(client, TableName);
  // A table of many pages: the first run does not come to its end.
  const waiting: WaitingIndex = {
    look: () => whole.look(),
    heldCount: () => whole.heldCount(),
    walk: (...given) => whole.walk(...given),
    heldWithoutInstant: async (after) =>
      Number(after ?? 0) < 6 ? { refs: [], after: String(Number(after ?? 0) + 1) } : whole.heldWithoutInstant(null),
  };
  expect(await levels({ ledger, waiting, board }, T0)).not.toHaveProperty('WaitsForPerson');
  await vi.waitFor(async () => {
    expect((await levels({ ledger, waiting, board }, T0)).WaitsForPerson).toBe(names.length);
  }, EVENTUALLY);
  await close();
});
