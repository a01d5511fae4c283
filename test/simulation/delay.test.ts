// The notice of a delay: once, in time, only where one may be sent, and never after the end of what it speaks of.
// On the pipeline: real stages, memory ports, a virtual clock.

import { describe, expect, it } from 'vitest';
import type { Script } from '#adapters/memory/next-hop.ts';
import type { Settings } from '#config/settings.ts';
import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { parseNotice } from '../judges/rfc3464.ts';
import { pipelineSettings, TestPipeline } from '../kit/pipeline.ts';
import { ACCEPTED_AT } from './notification.ts';

const HOUR = 3_600_000;
const ANN = 'ann@src.example';
const ok = { code: 250, status: '2.0.0', text: 'Ok' };
const later = { code: 451, status: '4.3.0', text: 'later', at: 'rcpt' } as const;
const retry = { ...pipelineSettings.retry, delayNoticeMs: 4 * HOUR };
const settings: Settings = { ...pipelineSettings, retry };

async function lived(script: Script, reversePath = ANN, content?: string, given = settings): Promise<TestPipeline> {
  const pipeline = new TestPipeline(script, undefined, given);
  pipeline.receive('m1', reversePath, ['bob@example.com'], content);
  await pipeline.live(24 * 7);
  return pipeline;
}

function delivery(pipeline: TestPipeline): DeliveryRow {
  const row = pipeline.ledger.all().find((each) => each.kind === 'delivery');
  if (row === undefined) throw new Error('no delivery');
  return row;
}

const told = (pipeline: TestPipeline) => pipeline.exchange.accepted.filter((each) => each.forwardPath.address === ANN);
const trace = async (pipeline: TestPipeline) =>
  (await pipeline.ledger.trace({ limit: 1 }))[0]?.rows.find((row) => row.kind === 'delivery')?.trace ?? [];

describe('a delivery that a next hop defers for ever', () => {
  it('tells its sender once at four hours, and once at the end', async () => {
    const pipeline = await lived((to) => (to.address === ANN ? ok : later));
    const notices = told(pipeline).map((each) => Buffer.from(each.content));
    expect(notices).toHaveLength(2);
    expect(JSON.stringify(parseNotice(notices[0] ?? Buffer.alloc(0)))).toContain('delayed');
    expect(notices[0]?.toString()).toMatch(/^Action: delayed\r$/m);
    expect(notices[0]?.toString()).toMatch(/^Will-Retry-Until: /m);
    expect(notices[1]?.toString()).toMatch(/^Action: failed\r\nStatus: 4\.3\.0\r$/m);
    for (const each of told(pipeline)) expect(each.reversePath).toBeNull();
    expect(delivery(pipeline)).toMatchObject({ state: 'returned', notice: { kind: 'ndr', state: 'relayed' } });
    const dsn = (await trace(pipeline)).filter((event) => event.event === 'DSN');
    expect(dsn.map((event) => event.reason)).toEqual([
      `delay notice queued to ${ANN}`,
      `delay notice accepted for ${ANN}`,
      `queued to ${ANN}`,
      `accepted for ${ANN}`,
    ]);
    expect((dsn[0]?.at ?? 0) - ACCEPTED_AT).toBeGreaterThanOrEqual(4 * HOUR);
    expect((dsn[0]?.at ?? 0) - ACCEPTED_AT).toBeLessThan(4 * HOUR + 120_000);
  });
});

describe('a delivery that is late and then relayed', () => {
  it('keeps the notice of its delay as the latest', async () => {
    const pipeline = await lived((to, attempt) => (to.address === ANN || attempt > 8 ? ok : later));
    expect(told(pipeline)).toHaveLength(1);
    expect(delivery(pipeline)).toMatchObject({
      state: 'relayed',
      notice: { kind: 'delay', state: 'relayed', to: ANN, via: 'exchange', reason: null },
    });
  });
  it('leaves no notice behind that its own next hop put off: it is dropped', async () => {
    const pipeline = await lived((to, attempt) => (to.address !== ANN && attempt > 8 ? ok : later));
    expect(told(pipeline)).toEqual([]);
    const notice = pipeline.ledger.all().find((row) => row.kind === 'notice');
    expect(notice).toMatchObject({ noticeKind: 'delay', state: 'removed', stateReason: 'delivery-settled' });
    expect(notice?.trace.at(-1)?.event).toBe('DROP');
  });
  it.each([
    ['a null reverse-path', '', undefined, 'null-reverse-path'],
    ['notices held', ANN, { mode: 'hold' as const }, 'notices-held'],
  ])('sends none for %s, and says why', async (_name, reversePath, notices, reason) => {
    const given = { ...settings, notices: { ...settings.notices, ...notices } };
    const pipeline = await lived((_to, attempt) => (attempt > 8 ? ok : later), reversePath, undefined, given);
    expect(told(pipeline)).toEqual([]);
    expect(delivery(pipeline)).toMatchObject({ state: 'relayed', notice: { kind: 'delay', reason } });
    const suppressed = (await trace(pipeline)).filter((event) => event.event === 'SUPPRESSED');
    expect(suppressed.map((event) => event.reason)).toEqual([`delay notice: ${reason}`]);
  });
  it('sends none where it is switched off, or where the lifetime is shorter', async () => {
    for (const delayNoticeMs of [null, 48 * HOUR]) {
      const given = { ...settings, retry: { ...retry, delayNoticeMs } };
      const pipeline = await lived((_to, attempt) => (attempt > 8 ? ok : later), ANN, undefined, given);
      expect(delivery(pipeline).notice).toBeNull();
    }
  });
});

describe('a message that crashes relay', () => {
  it('has its delay told, and comes back at its lifetime', async () => {
    const pipeline = await lived((to) => {
      if (to.address !== ANN) throw new Error('this message crashes the function');
      return ok;
    });
    expect(told(pipeline).map((each) => /^Action: \w+/m.exec(Buffer.from(each.content).toString())?.[0])).toEqual([
      'Action: delayed',
      'Action: failed',
    ]);
    expect(delivery(pipeline)).toMatchObject({ state: 'returned', lastStatus: '5.3.0' });
  });
});
