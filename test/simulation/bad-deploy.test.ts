// A bad deploy: relay throws on everything. For an hour nobody is told anything, and after the mend all is relayed; for
// longer than the lifetime the limit lets no more than its number of reports out, and holds the rest with an alarm.

import { describe, expect, it } from 'vitest';
import type { Script } from '#adapters/memory/next-hop.ts';
import type { Settings } from '#config/settings.ts';
import { lostJobAfterMs, suspectExpiriesPerHourMax } from '#core/limits.ts';
import { release } from '#pipeline/operate/operate.ts';
import { pipelineSettings, TestPipeline } from '../kit/pipeline.ts';
import { ACCEPTED_AT } from './notification.ts';
import { settingsOf } from './routed.ts';

const HOUR = 3_600_000;
const ANN = 'ann@src.example';
const ok = { code: 250, status: '2.0.0', text: 'Ok' };
const later = { code: 451, status: '4.3.0', text: 'later', at: 'rcpt' } as const;

const notices = (pipeline: TestPipeline) =>
  pipeline.exchange.accepted.filter((each) => each.forwardPath.address === ANN);
const states = (pipeline: TestPipeline) => {
  const rows = pipeline.ledger.all().filter((row) => row.kind === 'delivery');
  return Object.fromEntries(
    Map.groupBy(rows, (row) => row.state)
      .entries()
      .map(([state, { length }]) => [state, length]),
  );
};

describe('relay throws on everything', () => {
  it('for an hour: no report leaves, the metric that calls a person counts, and all is relayed after the mend', async () => {
    let bad = true;
    const pipeline = new TestPipeline(() => {
      if (bad) throw new Error('a bad deploy');
      return ok;
    });
    for (let i = 0; i < 150; i++) pipeline.receive(`m${i}`, ANN, [`u${i}@example.com`]);
    await pipeline.live(1);
    expect(pipeline.exchange.accepted).toEqual([]);
    expect(pipeline.watch.total('Expired')).toBe(0);
    bad = false;
    await pipeline.live(24);
    expect(states(pipeline)).toEqual({ relayed: 150 });
    expect(notices(pipeline)).toEqual([]);
    expect(pipeline.relayQueue.deadLetters).toEqual([]);
  });

  it('for an hour in which old mail reaches its lifetime: what was under way is tried again first, and relayed after the mend', async () => {
    let mode: 'later' | 'bad' | 'well' = 'later';
    const pipeline = new TestPipeline(() => {
      if (mode === 'bad') throw new Error('a bad deploy');
      return mode === 'later' ? later : ok;
    });
    for (let i = 0; i < 150; i++) pipeline.receive(`m${i}`, ANN, [`u${i}@example.com`]);
    await pipeline.live(47.2);
    mode = 'bad';
    await pipeline.live(0.9);
    expect(notices(pipeline)).toEqual([]);
    mode = 'well';
    await pipeline.live(24);
    // Whose last attempt before the end of the lifetime was put off by the next hop comes back, as ever. What the bad
    // deploy had in hand does not.
    const rows = pipeline.ledger.all().filter((row) => row.kind === 'delivery');
    const returned = rows.filter((row) => row.state === 'returned');
    expect(rows.filter((row) => row.state === 'relayed').length).toBeGreaterThan(100);
    expect(rows.length - returned.length).toBe(rows.filter((row) => row.state === 'relayed').length);
    for (const row of returned) expect(row).toMatchObject({ lastStatus: '4.3.0', possibleDuplicate: false });
    for (const row of rows.filter((each) => each.possibleDuplicate)) expect(row.state).toBe('relayed');
  });

  it('for longer than the lifetime: a hundred reports, and the rest is held, each with its reason, until it is released', async () => {
    const settings = { ...pipelineSettings, retry: { ...pipelineSettings.retry, lifetimeMs: 12 * HOUR } };
    let bad = true;
    const pipeline = new TestPipeline(
      (to) => {
        if (bad && to.address !== ANN) throw new Error('a bad deploy');
        return ok;
      },
      undefined,
      settings,
    );
    const count = suspectExpiriesPerHourMax + 50;
    for (let i = 0; i < count; i++) pipeline.receive(`m${i}`, ANN, [`u${i}@example.com`]);
    await pipeline.live(48);
    expect(states(pipeline)).toEqual({ returned: suspectExpiriesPerHourMax, held: 50 });
    expect(notices(pipeline)).toHaveLength(suspectExpiriesPerHourMax);
    expect(pipeline.watch.total('ExpiryHeld')).toBe(50);
    expect(pipeline.watch.total('Poison')).toBe(count);
    const held = pipeline.ledger.all().filter((row) => row.state === 'held');
    for (const row of held) {
      expect(row).toMatchObject({ stateReason: 'expiry-limit', leaseUntil: null });
      expect(row.trace.at(-1)).toMatchObject({ event: 'HOLD', reason: 'expiry-limit: poison' });
      expect(row.trace.at(-1)?.at).toBeGreaterThanOrEqual(ACCEPTED_AT + 12 * HOUR);
    }
    for (const { spoolId } of held) expect(pipeline.spool.has(`in/${spoolId}`)).toBe(true);

    bad = false;
    const { ledger, relayQueue, bounceQueue, feedbackQueue, clock } = pipeline;
    const ports = { ledger, relayQueue, bounceQueue, feedbackQueue, clock, sweepAgainMs: lostJobAfterMs };
    for (const row of held) expect((await release(ports, row, 12 * HOUR)).kind).toBe('done');
    await pipeline.live(24);
    expect(states(pipeline)).toEqual({ returned: suspectExpiriesPerHourMax, relayed: 50 });
  });

  describe('expires what mails no report, however many: the limit neither holds nor counts it', () => {
    const ours = { fault: 'aborted', at: 'connect' } as const; // our own time was up: no word of the next hop
    const count = suspectExpiriesPerHourMax + 50;
    const briefly = { ...pipelineSettings.retry, lifetimeMs: 2 * HOUR };
    async function lived(settings: Settings, exchange: Script, second: Script = () => ok): Promise<TestPipeline> {
      const pipeline = new TestPipeline(exchange, undefined, settings, { second });
      for (let i = 0; i < count; i++) pipeline.receive(`m${i}`, ANN, [`u${i}@example.com`]);
      await pipeline.live(24);
      const hours = await Promise.all(
        [0, 1, 2, 3, 4].map((h) => pipeline.ledger.countExpiry(ACCEPTED_AT + h * HOUR, false)),
      );
      expect(hours).toEqual(hours.map(() => ({ total: 1, suspect: 0 })));
      expect(pipeline.watch.total('ExpiryHeld')).toBe(0);
      return pipeline;
    }

    it('where the route has a fallback: all goes on there', async () => {
      const pipeline = await lived({ ...settingsOf({ fallback: true }), retry: briefly }, () => ours);
      expect(states(pipeline)).toEqual({ relayed: count });
      expect(pipeline.others.get('second')?.accepted).toHaveLength(count);
      expect(notices(pipeline)).toEqual([]);
    });

    it('where a notice expires: its delivery is held, as ever', async () => {
      const no = { code: 550, status: '5.1.1', text: 'no such user', at: 'rcpt' } as const;
      const pipeline = await lived({ ...settingsOf({}), retry: briefly }, (to) => (to.address === ANN ? ours : no));
      expect(states(pipeline)).toEqual({ held: count });
      const [row] = pipeline.ledger.all().filter((each) => each.kind === 'delivery');
      expect(row).toMatchObject({ stateReason: 'notice expired: aborted' });
    });

    it('where a copy expires: it is held as a copy', async () => {
      const to = [{ via: 'exchange' }, { via: 'second', copy: true }] as const;
      const pipeline = await lived(
        { ...settingsOf({ to }), retry: briefly },
        () => ok,
        () => ours,
      );
      expect(states(pipeline)).toEqual({ relayed: count, held: count });
    });
  });

  it('holds what has a fallback that the configuration lost: its sender would be told', async () => {
    const settings = { ...settingsOf({ fallback: true }), retry: { ...pipelineSettings.retry, lifetimeMs: 2 * HOUR } };
    const { second: _, ...nextHops } = settings.nextHops;
    const pipeline = new TestPipeline(
      (to) => (to.address === ANN ? ok : { fault: 'aborted', at: 'connect' }),
      undefined,
      {
        ...settings,
        nextHops,
      },
    );
    for (let i = 0; i < suspectExpiriesPerHourMax + 50; i++) pipeline.receive(`m${i}`, ANN, [`u${i}@example.com`]);
    await pipeline.live(24);
    expect(states(pipeline)).toEqual({ returned: suspectExpiriesPerHourMax, held: 50 });
  });

  it('what it held has its fallback still, once it is released', async () => {
    let mode: 'bad' | 'later' = 'bad';
    const pipeline = new TestPipeline(
      (to) => {
        if (to.address === ANN) return ok;
        if (mode === 'bad') throw new Error('a bad deploy');
        return later;
      },
      undefined,
      { ...settingsOf({ fallback: true }), retry: { ...pipelineSettings.retry, lifetimeMs: 12 * HOUR } },
      { second: () => ok },
    );
    for (let i = 0; i < suspectExpiriesPerHourMax + 1; i++) pipeline.receive(`m${i}`, ANN, [`u${i}@example.com`]);
    await pipeline.live(48);
    expect(states(pipeline)).toEqual({ returned: suspectExpiriesPerHourMax, held: 1 });
    mode = 'later';
    const { ledger, relayQueue, bounceQueue, feedbackQueue, clock } = pipeline;
    const held = pipeline.ledger.all().find((row) => row.state === 'held');
    if (held === undefined) throw new Error('none is held');
    await release(
      { ledger, relayQueue, bounceQueue, feedbackQueue, clock, sweepAgainMs: lostJobAfterMs },
      held,
      2 * HOUR,
    );
    await pipeline.live(24);
    expect(await ledger.read(held)).toMatchObject({ state: 'relayed', nextHop: 'second' });
  });

  it('leaves ordinary expiries alone, however many', async () => {
    const settings = { ...pipelineSettings, retry: { ...pipelineSettings.retry, lifetimeMs: 2 * HOUR } };
    const pipeline = new TestPipeline((to) => (to.address === ANN ? ok : later), undefined, settings);
    for (let i = 0; i < 150; i++) pipeline.receive(`m${i}`, ANN, [`u${i}@example.com`]);
    await pipeline.live(24);
    expect(states(pipeline)).toEqual({ returned: 150 });
  });
});
