// How a delivery is born: by what its receipt or envelope says, and when that was, however late it is read; and what
// its header section says of where the message has been. Asked of the ledger's rows, which all later stages go by.

import { describe, expect, it } from 'vitest';
import { Interrupt } from '#adapters/memory/interrupt.ts';
import type { Settings } from '#config/settings.ts';
import { noticeMark, passMark } from '#core/message/trace-fields.ts';
import { namedRecipientsBody } from '#core/spool/named-recipients.ts';
import { writeSubmissionEvent } from '#core/submission/stored-event.ts';
import { pipelineSettings, TestPipeline } from '../kit/pipeline.ts';
import { ACCEPTED_AT, notification } from './notification.ts';
import { settingsOf } from './routed.ts';
import { deliveries, ENVELOPE, pipelineOf, ULID } from './submitting.ts';

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
const ANN = 'ann@src.example';
const BOB = 'bob@example.com';
const ok = { code: 250, status: '2.0.0', text: 'Ok' };
const no = { code: 550, status: '5.1.1', text: 'no such user', at: 'rcpt' } as const;
type Header = { readonly name: string; readonly value: string };

/** A receipt whose header section has these fields too. */
function withFields(fields: readonly Header[], recipients = [BOB]): string {
  const receipt = JSON.parse(notification('m1', ANN, recipients));
  receipt.mail.headers.push(...fields);
  return JSON.stringify(receipt);
}
async function born(body: string, settings: Settings = pipelineSettings, script = () => ok as typeof ok | typeof no) {
  const pipeline = new TestPipeline(script, new Interrupt(), settings);
  pipeline.spool.put('in/m1', Buffer.from('Subject: m1\r\n\r\nHello\r\n'), ACCEPTED_AT);
  pipeline.notify(body);
  await pipeline.work();
  const [row] = pipeline.ledger.all().filter(({ kind }) => kind === 'delivery');
  if (row === undefined) throw new Error('no delivery');
  return { pipeline, row };
}
const received = (count: number) => Array.from({ length: count }, () => ({ name: 'Received', value: 'from a by b' }));
const passes = (count: number, key = 'key') =>
  Array.from({ length: count }, (_, index) => ({
    name: 'X-Everpost-Pass',
    value: passMark(key, `m${index}`, 'example.com'),
  }));

describe('a message that goes in circles is refused, and its sender hears of it', () => {
  it.each([
    ['51 Received fields', received(51), 'returned'],
    ['50 Received fields, which an honest path may have', received(50), 'relayed'],
    ['four passes of our own', passes(4), 'returned'],
    ['three passes of our own', passes(3), 'relayed'],
    ['four passes that another key signed', passes(4, 'forged'), 'relayed'],
  ])('%s', async (_name, fields, state) => {
    const script = (to: { address: string }) => (to.address === ANN || state === 'relayed' ? ok : no);
    const { pipeline, row } = await born(withFields(fields), pipelineSettings, script as () => typeof ok);
    expect((await pipeline.ledger.read(row))?.state).toBe(state);
    if (state === 'returned') expect(row).toMatchObject({ lastStatus: '5.4.6', lastReason: 'loop', attempts: 0 });
  });
  it('also one without a receipt, whose recipients an operator names', async () => {
    const pipeline = new TestPipeline((to) => (to.address === ANN ? ok : no));
    const fields = received(51)
      .map(() => 'Received: from a by b\r\n')
      .join('');
    pipeline.spool.put('in/orphan', Buffer.from(`Return-Path: <${ANN}>\r\n${fields}\r\nHello\r\n`), ACCEPTED_AT);
    await pipeline.lookForOrphans();
    await pipeline.lookForOrphans();
    pipeline.notify(namedRecipientsBody({ spoolId: 'orphan', recipients: [BOB], lifetimeMs: DAY }));
    await pipeline.work();
    const row = pipeline.ledger.all().find(({ forwardPath }) => forwardPath === BOB);
    expect(row).toMatchObject({ attempts: 0, lastStatus: '5.4.6', lastReason: 'loop' });
  });
  it('but what an explicit route discards is discarded, loop or not', async () => {
    const { row } = await born(withFields(received(51)), settingsOf({ to: [{ via: 'sink' }] }));
    expect(row.state).toBe('discarded');
  });
});

it('a notice of our own that comes in and is refused has no notice', async () => {
  const mark = { name: 'X-Everpost-Notice', value: noticeMark('key', '<n1@example.com>') };
  const { row, pipeline } = await born(withFields([mark]), pipelineSettings, () => no);
  expect(row.state).toBe('unreturnable');
  expect(pipeline.ledger.all()).toHaveLength(1);
});

describe('a receipt that is read late', () => {
  it('makes deliveries as old as their acceptance: lifetime and retention count from there', async () => {
    const pipeline = new TestPipeline(() => ({ code: 451, status: '4.3.0', text: 'later', at: 'rcpt' }));
    pipeline.receive('m1', ANN, [BOB, 'eve@example.com']);
    pipeline.clock.advanceTo(ACCEPTED_AT + 7 * HOUR);
    await pipeline.work();
    for (const row of pipeline.ledger.all())
      expect(row).toMatchObject({ acceptedAt: ACCEPTED_AT, expiresAt: ACCEPTED_AT + 48 * HOUR, state: 'deferred' });
    expect((await pipeline.ledger.message('m1'))?.acceptedAt).toBe(ACCEPTED_AT);
  });
  it('is quarantined until the quarantine’s end, not the spool’s', async () => {
    const pipeline = new TestPipeline(() => ok);
    pipeline.receive('m1', ANN, [BOB], undefined, ['spam']);
    pipeline.clock.advanceTo(ACCEPTED_AT + 7 * HOUR);
    await pipeline.work();
    expect(pipeline.ledger.all()[0]).toMatchObject({ state: 'quarantined', dueAt: ACCEPTED_AT + 30 * DAY });
  });
});

describe('an envelope', () => {
  it('whose content has a header section beyond the first read: all of it is looked at', async () => {
    const pipeline = pipelineOf(() => ok);
    const long = Array.from({ length: 1_500 }, (_, index) => `X-Long-${index}: ${'x'.repeat(50)}\r\n`).join('');
    const content = `From: Ann <ann@example.com>\r\n${long}Subject: far below\r\n${received(51)
      .map(() => 'Received: from a by b\r\n')
      .join('')}\r\nHello\r\n`;
    pipeline.submit('exchange', ULID, { content });
    await pipeline.work();
    expect(deliveries(pipeline)[0]).toMatchObject({ state: 'returned', lastReason: 'loop' });
    expect((await pipeline.ledger.message(deliveries(pipeline)[0]?.spoolId ?? ''))?.extract.subject).toBe('far below');
  });
  it('told of beside another in one event: both go', async () => {
    const pipeline = pipelineOf(() => ok);
    const other = ULID.replace(/0$/, '1');
    for (const ulid of [ULID, other]) pipeline.submit('exchange', ulid, { times: 0 });
    const records = [ENVELOPE, ENVELOPE.replace(ULID, other)].flatMap(
      (objectKey) => JSON.parse(writeSubmissionEvent({ objectKey, storedAt: ACCEPTED_AT })).Records,
    );
    pipeline.notify(JSON.stringify({ Records: records }));
    await pipeline.work();
    expect(deliveries(pipeline).map(({ state }) => state)).toEqual(['relayed', 'relayed']);
  });
});

it('content under a delete marker is relayed, and the trace of its delivery says so', async () => {
  const pipeline = new TestPipeline(() => ok);
  pipeline.receive('m1', ANN, [BOB]);
  pipeline.spool.hide('in/m1');
  await pipeline.work();
  const [row] = pipeline.ledger.all();
  expect(row?.trace.map(({ event }) => event)).toEqual(['RECEIVE', 'RESTORE', 'SEND']);
  expect(pipeline.watch.logged('relay.delete-marker')).toHaveLength(1);
});
