// `everpost restore` against a ledger and a table beside it, as DynamoDB restores one: which rows are put back, how
// each is marked, and that no row that stands is lost.

import { DeleteObjectCommand, PutObjectCommand } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { dynamoClient } from '#adapters/aws/clients.ts';
import { DynamoLedger } from '#adapters/aws/dynamo-ledger.ts';
import { Usage } from '#cli/exit.ts';
import { restore } from '#cli/restoring.ts';
import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { readRestore } from '#pipeline/restore-record.ts';
import { ledgerTable, settingsOf } from '#test/contract/emulated-aws.ts';
import { facts, newSpoolId, queued } from '#test/contract/rows.ts';
import { type Instance, openInstance, said } from './instance.ts';

const [HOUR, DAY] = [3_600_000, 86_400_000];
const NOW = Date.now();
const RESTORED = `${ledgerTable.TableName}-restored`;
let instance: Instance;
let before: DynamoLedger;
beforeAll(async () => {
  instance = await openInstance(0, [{ ...ledgerTable, TableName: RESTORED }]);
  const options = { search: true, ledgerRetentionMs: 90 * DAY };
  before = new DynamoLedger(dynamoClient(settingsOf(instance.aws)), RESTORED, options);
});
afterAll(() => instance.close());

const run = (...args: string[]) => said(() => restore.run([...args, '--data', instance.data]));
const fromIt = (...more: string[]) => run('--from', RESTORED, '--instant', '1h', ...more);
const own = (spoolId: string, change: Partial<DeliveryRow> = {}) =>
  queued(spoolId, { acceptedAt: NOW - 2 * HOUR, message: facts(spoolId, { acceptedAt: NOW - 2 * HOUR }), ...change });

it('puts back what is missing, with its facts, its events and its date, marked; and writes nothing twice', async () => {
  const [lone, shared, ended] = [own(newSpoolId()), own(newSpoolId(), { message: null }), own(newSpoolId())];
  await before.create([lone], null);
  await before.create([shared], facts(shared.spoolId, { acceptedAt: shared.acceptedAt }));
  await before.create([ended], null);
  const relayed = { ...ended, state: 'relayed', dueAt: null, lastAttemptAt: NOW - HOUR } as const;
  await before.write(relayed, []);
  const done = await fromIt('--json');
  expect(JSON.parse(done.out)).toMatchObject({ state: 'ended', rows: 3, missing: 3, replaced: 0, purged: [] });
  for (const { spoolId } of [lone, shared, ended]) {
    const [record] = await instance.ledger.trace({ spoolId, limit: 1 });
    expect(record?.message.spoolId).toBe(spoolId);
    const [row] = record?.rows ?? [];
    expect(row).toMatchObject({ possibleDuplicate: true, putBack: { at: expect.any(Number) } });
    expect(row?.trace.at(-1)).toMatchObject({ event: 'POSSIBLE_DUPLICATE', reason: 'ledger-restored' });
    expect(row?.trace.at(-1)?.by).toMatch(/@/);
  }
  expect((await instance.ledger.read(ended))?.state).toBe('relayed');
  const dateOf = (ledger: string) => instance.itemOf(ledger, ended).then((item) => item.ttl?.N);
  expect(await dateOf(ledgerTable.TableName)).toBe(await dateOf(RESTORED));
  expect(await readRestore(instance.ledger)).toMatchObject({ ended: expect.any(Number) });
  const standing = await instance.ledger.read(lone);
  expect(JSON.parse((await fromIt('--json')).out)).toMatchObject({ rows: 3, missing: 0, replaced: 0 });
  expect(await instance.ledger.read(lone)).toEqual(standing);
});

it('leaves a row that stands alone, and puts it back where it is told to replace what was under way', async () => {
  const [waiting, over] = [own(newSpoolId()), own(newSpoolId(), { state: 'relayed', dueAt: null })];
  const later = own(newSpoolId());
  await before.create([waiting], null);
  await before.create([over], null);
  await instance.ledger.create([waiting], null);
  await instance.ledger.create([over], null);
  await instance.ledger.create([later], null);
  const gone = { ...waiting, state: 'removed', dueAt: null } as const;
  expect(await instance.ledger.write(gone, [])).toBe('written');
  expect(await instance.ledger.write({ ...over, state: 'failed', dueAt: NOW }, [])).toBe('written');

  await fromIt();
  expect((await instance.ledger.read(waiting))?.state).toBe('removed');

  expect(await run('--begin')).toMatchObject({ code: 0, out: expect.stringContaining('has begun') });
  const { begun } = (await readRestore(instance.ledger)) ?? {};
  expect((await fromIt('--replace')).out).toMatch(/0 were missing and are put back; [1-9]\d* stood and are put back/);
  const back = await instance.ledger.read(waiting);
  expect(back).toMatchObject({ state: 'queued', possibleDuplicate: true });
  expect(back?.version).toBeGreaterThan(waiting.version + 1);
  expect((await readRestore(instance.ledger))?.begun).toBe(begun);
  // What SES or a remote reported of it since is not lost, and what was accepted since stays.
  expect((await instance.ledger.read(over))?.state).toBe('failed');
  expect(await instance.ledger.read(later)).toMatchObject({ state: 'queued', possibleDuplicate: false });
});

it('ends a delivery whose content was purged since, and says which content lies under a delete marker', async () => {
  const old = { acceptedAt: NOW - 20 * DAY };
  const rows = ['gone', 'hidden', 'there'].map((name) => {
    const spoolId = `${name}${newSpoolId()}`;
    return own(spoolId, { ...old, message: facts(spoolId, old) });
  });
  const [gone, hidden, there] = rows as [DeliveryRow, DeliveryRow, DeliveryRow];
  for (const row of rows) await before.create([row], null);
  for (const row of [hidden, there]) {
    const at = { Bucket: 'spool', Key: row.message?.objectKey };
    await instance.s3.send(new PutObjectCommand({ ...at, Body: 'Subject: x\r\n\r\n' }));
    if (row === hidden) await instance.s3.send(new DeleteObjectCommand(at));
  }
  const { out } = await fromIt();
  expect(out).toContain(`${gone.spoolId}  <${gone.forwardPath}>  its content was removed since`);
  expect(out).toContain(`${hidden.spoolId}  <${hidden.forwardPath}>  its content lies under a delete marker`);
  expect(out).not.toContain(there.spoolId);
  const states = await Promise.all(rows.map(async (row) => (await instance.ledger.read(row))?.state));
  expect(states).toEqual(['removed', 'queued', 'queued']);
  const ended = await instance.ledger.read(gone);
  expect(ended).toMatchObject({ stateReason: 'content-purged', dueAt: null });
  expect(ended?.trace.at(-1)).toMatchObject({ event: 'DROP', reason: 'content-purged' });
});

it('is ended without a table where none is needed, and refuses a command that says two things, or another table', async () => {
  await run('--begin');
  expect(await run('--end')).toEqual({ code: 0, out: 'the restore is over\n' });
  expect(await run('--end')).toEqual({ code: 0, out: 'none is under way\n' });
  const wrong = [
    [],
    ['--begin', '--end'],
    ['--begin', '--replace'],
    ['--from', RESTORED],
    ['--from', ledgerTable.TableName, '--instant', '1h'],
    ['--from', 'other-restored', '--instant', '1h'],
    ['--from', RESTORED, '--instant', 'yesterday'],
  ];
  for (const args of wrong) await expect(run(...args)).rejects.toThrow(Usage);
});
