// What DynamoLedger does that no other ledger has to: items of at most a kilobyte, sparse index attributes, expiry, and
// answers that are lost on their way back.

import {
  type AttributeValue,
  type DynamoDBClient,
  GetItemCommand,
  QueryCommand,
  ScanCommand,
} from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DynamoLedger } from '#adapters/aws/dynamo-ledger.ts';
import { itemOfRow, MESSAGE_KEY, sortKeyOf } from '#adapters/aws/dynamo-row.ts';
import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { extractBytesMax } from '#core/limits.ts';
import { statusOf } from '#core/reply/status.ts';
import { ledgerTable, openDynamoDb } from './emulated-aws.ts';
import { asNoticeOf, event, facts, fullRow, newSpoolId, queued, T0 } from './rows.ts';

const options = { search: true, ledgerRetentionMs: 90 * 86_400_000 };
const terms = { now: T0 + 10, leaseUntil: T0 + 750_010 };

/**
 * DynamoDB's documented item size: names and values in UTF-8, numbers about half their digits and two, maps and lists
 * three and one an entry.
 */
function bytesOf(value: AttributeValue): number {
  if (value.S !== undefined) return Buffer.byteLength(value.S);
  if (value.N !== undefined) return Math.ceil(value.N.replace(/^-|\.|0+$/g, '').length / 2) + 2;
  if (value.BOOL !== undefined) return 1;
  if (value.M !== undefined)
    return (
      3 + Object.entries(value.M).reduce((sum, [name, each]) => sum + Buffer.byteLength(name) + bytesOf(each) + 1, 0)
    );
  if (value.L !== undefined) return 3 + value.L.reduce((sum, each) => sum + bytesOf(each) + 1, 0);
  throw new Error(`no size for ${JSON.stringify(value)}`);
}
const itemBytes = (row: DeliveryRow) =>
  Object.entries(itemOfRow(row, options)).reduce(
    (sum, [name, each]) => sum + Buffer.byteLength(name) + bytesOf(each),
    0,
  );

/** One recipient, relayed at the first attempt, with an extract of `extractBytes`. */
function happy(extractBytes: number): DeliveryRow {
  const spoolId = newSpoolId();
  const messageIdField = `<${'a'.repeat(46)}@mail.src.example>`;
  const rest = extractBytes - messageIdField.length;
  const extract = {
    from: 'f'.repeat(Math.floor(rest / 3)),
    to: 't'.repeat(Math.floor(rest / 3)),
    date: null,
    subject: 's'.repeat(rest - 2 * Math.floor(rest / 3)),
    messageIdField,
    autoSubmitted: null,
  };
  return queued(spoolId, {
    forwardPath: 'firstname.lastname@example.com',
    address: 'firstname.lastname@example.com',
    state: 'relayed',
    attempts: 1,
    version: 3,
    firstAttemptAt: T0 + 2_345,
    lastAttemptAt: T0 + 2_345,
    nextAttemptAt: T0 + 1_234,
    dueAt: null,
    attemptedBy: 'smtp',
    lastReply: {
      code: 250,
      status: statusOf('2.0.0'),
      text: 'Ok: queued as 4Tq7xR2vKzz9XyZ',
      host: 'mail.example.com',
    },
    lastStatus: statusOf('2.0.0'),
    message: facts(spoolId, {
      reversePath: 'bounces+0123456789@mail.src.example',
      size: 74_213,
      objectVersion: '3HL4kqtJlcpXroDTDmJ+rmSpXd3dIbrH',
      extract,
      configVersion: '0123456789abcdef',
    }),
    trace: [
      event('RECEIVE', T0 + 1_234),
      event('SEND', T0 + 2_500, {
        attempt: 1,
        status: '2.0.0',
        reply: '250 2.0.0 Ok: queued as 4Tq7xR2vKzz9XyZ',
        latency: { openMs: 12, totalMs: 155 },
      }),
    ],
  });
}

describe('a row that was relayed at once', () => {
  // Measured: 825 bytes with 250 of extract (which ordinary mail has), 1,023 with 448, 1,175 with 600.
  it('is one write unit of 1,024 bytes with an extract of up to 448', () => {
    expect(itemBytes(happy(448))).toBeLessThanOrEqual(1_024);
  });
  it('is 151 bytes over with the largest extract there may be', () => {
    expect(itemBytes(happy(extractBytesMax))).toBeLessThanOrEqual(1_175);
  });
});

describe('DynamoLedger', () => {
  let under: Awaited<ReturnType<typeof openDynamoDb>>;
  let ledger: DynamoLedger;
  beforeAll(async () => {
    under = await openDynamoDb();
    ledger = new DynamoLedger(under.client, ledgerTable.TableName, options);
  });
  afterAll(() => under.close());

  const stored = async (row: DeliveryRow) => {
    const Key = { pk: { S: row.spoolId }, sk: { S: sortKeyOf(row) } };
    return (
      (await under.client.send(new GetItemCommand({ TableName: ledgerTable.TableName, Key, ConsistentRead: true })))
        .Item ?? {}
    );
  };
  const given = async (change: Partial<DeliveryRow> = {}) => {
    const row = queued(newSpoolId(), change);
    await ledger.create([row], null);
    return row;
  };
  const lose = (operation: string) =>
    under.aws.faults.add({ service: 'dynamodb', operation, effect: 'lose-response', times: 1 });

  it('looks for a row behind pages of newer messages to the same address', async () => {
    const forwardPath = `${newSpoolId()}@example.com`;
    const old = await given({ forwardPath, state: 'held', dueAt: null });
    for (const age of [1, 2]) await given({ forwardPath, state: 'relayed', acceptedAt: T0 + age, dueAt: null });
    const send = (command: unknown) => {
      if (command instanceof QueryCommand && command.input.IndexName !== undefined) command.input.Limit = 1;
      return under.client.send(command as QueryCommand);
    };
    const paged = new DynamoLedger({ send } as unknown as DynamoDBClient, ledgerTable.TableName, options);
    const found = await paged.trace({ forwardPath, row: { states: ['held'] }, limit: 1 });
    expect(found.map(({ message }) => message.spoolId)).toEqual([old.spoolId]);
  });

  it('indexes a row only while it is due, and lets only a final one expire', async () => {
    const row = await given();
    expect(await stored(row)).toMatchObject({
      dueAt: { N: String(row.dueAt) },
      dueShard: { S: expect.stringMatching(/^s[0-7]$/) },
    });
    expect(await stored(row)).not.toHaveProperty('ttl');
    await ledger.write({ ...row, state: 'held', dueAt: null }, []);
    const held = await stored(row);
    for (const name of ['dueAt', 'dueShard', 'ttl', 'lu']) expect(held).not.toHaveProperty(name);
    await ledger.write({ ...row, version: 2, state: 'relayed', dueAt: null }, []);
    expect((await stored(row)).ttl).toEqual({ N: String(Math.ceil((T0 + options.ledgerRetentionMs) / 1_000)) });
  });

  it('keeps a final row for its retention after what happened last, not after its acceptance', async () => {
    const row = await given({ state: 'held', dueAt: null });
    const releasedAt = T0 + 2 * options.ledgerRetentionMs; // held for longer than rows are kept
    await ledger.write({ ...row, state: 'relayed', lastAttemptAt: releasedAt }, [event('SEND', releasedAt + 5)]);
    const end = Math.ceil((releasedAt + 5 + options.ledgerRetentionMs) / 1_000);
    expect((await stored(row)).ttl).toEqual({ N: String(end) });
  });

  it("lets a held notice expire, whose delivery has the say, and no postmaster's copy", () => {
    const ttlOf = (change: Partial<DeliveryRow>) =>
      itemOfRow(queued('m1', { ...asNoticeOf(queued('m1')), state: 'held', ...change }), options).ttl;
    const end = { N: String(Math.ceil((T0 + options.ledgerRetentionMs) / 1_000)) };
    expect([ttlOf({}), ttlOf({ noticeKind: 'delay' })]).toEqual([end, end]);
    expect([ttlOf({ noticeKind: 'postmaster' }), ttlOf({ state: 'failed' })]).toEqual([undefined, undefined]);
  });

  it("dates a message's own item, later when that is said, and makes none", async () => {
    const spoolId = newSpoolId();
    const own = async () => {
      const Key = { pk: { S: spoolId }, sk: { S: MESSAGE_KEY } };
      return (await under.client.send(new GetItemCommand({ TableName: ledgerTable.TableName, Key }))).Item;
    };
    await ledger.forgetMessage(spoolId, T0);
    expect(await own()).toBeUndefined();
    await ledger.create([], facts(spoolId));
    expect(await own()).not.toHaveProperty('ttl');
    for (const until of [T0 + 1, T0 + 5_000]) {
      await ledger.forgetMessage(spoolId, until);
      expect(await own()).toMatchObject({ ttl: { N: String(Math.ceil(until / 1_000)) }, mf: expect.anything() });
    }
  });

  it('spreads what is due over all shards, each row always on the same', () => {
    const shards = Array.from({ length: 800 }, (_, i) => itemOfRow(queued(`spool${i}`), options).dueShard?.S ?? '');
    const counts = Map.groupBy(shards, (shard) => shard);
    expect([...counts.keys()].sort()).toEqual(['s0', 's1', 's2', 's3', 's4', 's5', 's6', 's7']);
    for (const each of counts.values()) expect(each.length).toBeGreaterThan(60);
    expect(itemOfRow(queued('always-the-same'), options).dueShard).toEqual(
      itemOfRow(queued('always-the-same', { version: 9 }), options).dueShard,
    );
  });

  it('writes no search attributes when search is off', () => {
    const row = fullRow(newSpoolId());
    const names = Object.keys(itemOfRow(row, { ...options, search: false }));
    for (const name of ['messageIdField', 'reversePathKey', 'forwardPathKey']) expect(names).not.toContain(name);
    expect(Object.keys(itemOfRow(row, options))).toEqual(
      expect.arrayContaining(['messageIdField', 'reversePathKey', 'forwardPathKey']),
    );
  });

  it('knows its own claim when the answer was lost', async () => {
    const row = await given();
    lose('UpdateItem');
    expect(await ledger.claim(row, terms)).toMatchObject({
      kind: 'claimed',
      row: { claims: 1, leaseUntil: terms.leaseUntil },
    });
    expect((await ledger.claim(row, terms)).kind).toBe('refused'); // and nobody else's
  });
  it('knows its own write when the answer was lost', async () => {
    const row = await given();
    lose('PutItem');
    expect(await ledger.write({ ...row, state: 'deferred' }, [event('DEFER', T0 + 1, { attempt: 1 })])).toBe('written');
    expect(await ledger.read(row)).toMatchObject({ version: 2, state: 'deferred' });
    expect((await ledger.read(row))?.trace).toHaveLength(2);
  });
  it('knows its own row when the answer was lost', async () => {
    const row = queued(newSpoolId());
    lose('PutItem');
    expect(await ledger.create([row], null)).toEqual(['created']);
    expect(await ledger.create([row], null)).toEqual(['exists']);
  });

  it('doubles no event when it dies between moving one out and writing the row', async () => {
    const row = await given({ attempts: 4, trace: [event('DEFER', T0 + 1, { attempt: 4 })] });
    // The row's own write fails after the event has moved out.
    under.aws.faults.add({
      service: 'dynamodb',
      operation: 'PutItem',
      match: sortKeyOf(row),
      effect: 'deny',
      times: 1,
    });
    await expect(ledger.write({ ...row, attempts: 5 }, [event('DEFER', T0 + 2, { attempt: 5 })])).rejects.toThrow(
      /denied|not authorized/i,
    );
    const traced = async () =>
      (await ledger.trace({ spoolId: row.spoolId, limit: 1 }))[0]?.rows[0]?.trace.map(({ attempt }) => attempt);
    expect(await traced()).toEqual([4]);
    expect(await ledger.write({ ...row, attempts: 5 }, [event('DEFER', T0 + 3, { attempt: 5 })])).toBe('written');
    expect(await traced()).toEqual([4, 5]);
  });

  it.each([
    ['create', (it) => it.create([queued('x')], facts('x'))],
    ['claim', (it) => it.claim(queued('x'), terms)],
    ['write', (it) => it.write(queued('x'), [])],
    ['read', (it) => it.read(queued('x'))],
    ['message', (it) => it.message('x')],
    ['due', (it) => it.due(T0, 1)],
    ['enqueued', (it) => it.enqueued(0, 1)],
    ['countExpiry', (it) => it.countExpiry(0, true)],
    ['countUpTo', (it) => it.countUpTo('x', 1, 1)],
    ['countOnce', (it) => it.countOnce('x', 'y', 1, 1)],
    ['rowKeys', (it) => it.rowKeys('x', 1)],
    ['forgetMessage', (it) => it.forgetMessage('x', 1)],
    ['bookmark', (it) => it.bookmark('x')],
    ['setBookmark', (it) => it.setBookmark('x', 'y')],
    ['keepToken', (it) => it.keepToken('x', queued('x'), 1)],
    ['findToken', (it) => it.findToken('x')],
    ['trace', (it) => it.trace({ spoolId: 'x', limit: 1 })],
    ['trace by an index', (it) => it.trace({ forwardPath: 'x@example.com', limit: 1 })],
    ['trace by a scan', (it) => it.trace({ limit: 1 })],
  ] as [string, (ledger: DynamoLedger) => Promise<unknown>][])(
    'never takes an outage for an answer: %s',
    async (_name, call) => {
      const send = () => Promise.reject(new Error('no answer'));
      const away = new DynamoLedger({ send } as unknown as DynamoDBClient, ledgerTable.TableName, options);
      await expect(call(away)).rejects.toThrow('no answer');
    },
  );

  it('counts an hour’s expiries for longer than that hour, and a domain’s notices until they may be forgotten', async () => {
    const hour = Math.floor(Date.now() / 3_600_000) * 3_600_000;
    await ledger.countExpiry(hour, true);
    await ledger.countUpTo('notices/x', 3, hour + 7_200_000);
    await ledger.countOnce('notices/of/x', 'y', 3, hour + 10_800_000);
    const { Items = [] } = await under.client.send(new ScanCommand({ TableName: ledgerTable.TableName }));
    const ttlOf = (pk: string) => Number(Items.find((item) => item.pk?.S === pk)?.ttl?.N) * 1_000;
    expect(ttlOf('#expiries')).toBeGreaterThanOrEqual(hour + 2 * 3_600_000);
    expect(ttlOf('n#notices/x')).toBe(hour + 7_200_000);
    expect(ttlOf('n#notices/of/x')).toBe(hour + 10_800_000);
  });

  describe('asks DynamoDB', () => {
    type Sent = { readonly name: string; readonly input: Record<string, unknown> };
    /** The commands of `work`, in the order in which they were answered. */
    async function sent(work: (ledger: DynamoLedger) => Promise<unknown>): Promise<Sent[]> {
      const commands: Sent[] = [];
      const send = async (command: GetItemCommand) => {
        const answer = await under.client.send(command);
        commands.push({ name: command.constructor.name, input: command.input as never });
        return answer;
      };
      await work(new DynamoLedger({ send } as unknown as DynamoDBClient, ledgerTable.TableName, options));
      return commands;
    }
    it('for what is written already, not for what was some seconds ago; but of an index, which has nothing else', async () => {
      const row = await given();
      const reads = await sent(async (it) => {
        await it.read(row);
        await it.message(row.spoolId);
        await it.rowKeys(row.spoolId, 2);
        await it.bookmark('x');
        await it.findToken('x');
        await it.trace({ spoolId: row.spoolId, limit: 1 });
        await it.trace({ row: { states: ['held'] }, limit: 1 });
      });
      expect(reads.length).toBeGreaterThanOrEqual(8);
      for (const { name, input } of reads) expect([name, input.ConsistentRead]).toEqual([name, true]);
      const ofIndex = await sent(async (it) => {
        await it.due(T0, 1);
        await it.trace({ forwardPath: 'nobody@example.com', limit: 1 });
      });
      for (const { input } of ofIndex)
        expect([input.IndexName, input.ConsistentRead]).toEqual([expect.any(String), undefined]);
    });
    it('to keep the message before its deliveries: one without it could not be relayed, nor its sender told', async () => {
      const spoolId = newSpoolId();
      const rows = ['a', 'b', 'c'].map((deliveryKey) => queued(spoolId, { deliveryKey, message: null }));
      const writes = await sent((it) => it.create(rows, facts(spoolId)));
      const keys = writes.map(({ input }) => (input.Item as { sk: { S: string } }).sk.S);
      expect(keys[0]).toBe(MESSAGE_KEY);
      expect(keys.slice(1).sort()).toEqual(['d#a', 'd#b', 'd#c']);
    });
    it('to keep an event that moves out of its row before the row is written without it', async () => {
      const row = await given({ attempts: 4, trace: [event('DEFER', T0 + 1, { attempt: 4 })] });
      const writes = await sent((it) => it.write({ ...row, attempts: 5 }, [event('DEFER', T0 + 2, { attempt: 5 })]));
      const keys = writes.map(({ input }) => (input.Item as { sk: { S: string } }).sk.S.slice(0, 2));
      expect(keys).toEqual(['e#', 'd#']);
    });
  });

  it('does one write for a claim and one for an outcome', async () => {
    const row = await given();
    const before = await countOf();
    const claimed = await ledger.claim(row, terms);
    await ledger.write(
      { ...(claimed.row ?? row), state: 'relayed', attempts: 1, claims: 0, leaseUntil: null, dueAt: null },
      [event('SEND', T0 + 20, { attempt: 1 })],
    );
    expect(await countOf()).toBe(before); // no item beside the row
    expect(await stored(row)).not.toHaveProperty('tk');
  });

  it('throws where the ledger cannot be reached, and where it is refused', async () => {
    under.aws.faults.add({ service: 'dynamodb', operation: 'GetItem', effect: 'deny', times: 1 });
    await expect(ledger.read(queued('x'))).rejects.toThrow();
  });

  async function countOf(): Promise<number> {
    const { Count } = await under.client.send(new ScanCommand({ TableName: ledgerTable.TableName, Select: 'COUNT' }));
    return Count ?? 0;
  }
});
