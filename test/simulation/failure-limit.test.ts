// The failure limit, in virtual time: a next hop that did accept, and turns to refuse everybody in words that no rule
// knows. At most ten senders hear of it before the rest is held; an operator retries or releases, or the time does.

import { describe, expect, it } from 'vitest';
import { Interrupt } from '#adapters/memory/interrupt.ts';
import type { ScriptedReply } from '#adapters/memory/next-hop.ts';
import { failureLimitMs, heldFailuresPerMinuteMax, lostJobAfterMs } from '#core/limits.ts';
import { type OperatePorts, release, retry } from '#pipeline/operate/operate.ts';
import { acceptedBefore, failuresOf } from '../kit/board.ts';
import { pipelineSettings, TestPipeline } from '../kit/pipeline.ts';

const HOUR = 3_600_000;
const ANN = 'ann@src.example';
const ok = { code: 250, status: '2.0.0', text: 'Ok' };
const nope = (text = 'Nope', at: 'rcpt' | 'final-dot' = 'rcpt') =>
  ({ code: 550, status: '5.0.0', text, at }) satisfies ScriptedReply;

type Given = { readonly delayNoticeMs?: number | null; readonly interrupt?: Interrupt };
async function turned(
  says: (to: string) => ScriptedReply = () => nope(),
  { delayNoticeMs = null, interrupt = new Interrupt() }: Given = {},
): Promise<TestPipeline> {
  const settings = { ...pipelineSettings, retry: { ...pipelineSettings.retry, delayNoticeMs } };
  const pipeline = new TestPipeline((to) => (to.address === ANN ? ok : says(to.address)), interrupt, settings);
  await acceptedBefore(pipeline);
  return pipeline;
}
const own = (i: number) => `r${i}@example.com`;
async function receive(pipeline: TestPipeline, from: number, count: number, to = own): Promise<void> {
  for (let i = from; i < from + count; i += 1) pipeline.receive(`m${i}`, ANN, [to(i)]);
  await pipeline.work();
}
const deliveries = (pipeline: TestPipeline) => pipeline.ledger.all().filter(({ kind }) => kind === 'delivery');
function states(pipeline: TestPipeline): Readonly<Record<string, number>> {
  const all = Map.groupBy(deliveries(pipeline), ({ state }) => state);
  return Object.fromEntries([...all].map(([state, rows]) => [state, rows.length]));
}
/** What the sender was sent, as text. */
const told = (pipeline: TestPipeline) =>
  pipeline.exchange.accepted
    .filter(({ forwardPath }) => forwardPath.address === ANN)
    .map(({ content }) => Buffer.from(content).toString('latin1').replace(/=\r\n/g, '').replace(/\s+/g, ' '));
function portsOf(pipeline: TestPipeline): OperatePorts {
  const { ledger, relayQueue, bounceQueue, feedbackQueue, clock } = pipeline;
  return { ledger, relayQueue, bounceQueue, feedbackQueue, clock, sweepAgainMs: lostJobAfterMs };
}
function heldRow(pipeline: TestPipeline) {
  return deliveries(pipeline).find(({ state }) => state === 'held') ?? expect.fail('nothing is held');
}

describe('a next hop that accepted mail, and refuses everybody in words that no rule knows', () => {
  it.each(['rcpt', 'final-dot'] as const)('at %s: ten are returned, and the rest is held with an alarm', async (at) => {
    const pipeline = await turned(() => nope('Nope', at));
    await receive(pipeline, 0, 200);
    expect(states(pipeline)).toEqual({ returned: 10, held: 190 });
    expect(told(pipeline)).toHaveLength(10);
    expect([pipeline.watch.total('FailureHeld'), pipeline.watch.total('Held')]).toEqual([190, 190]);
    const row = heldRow(pipeline);
    expect(row).toMatchObject({
      heldBecause: 'failure-limit',
      stateReason: 'failure-limit',
      lastReason: expect.any(String),
    });
    expect(row.trace.slice(-2)).toMatchObject([
      { event: 'FAIL', reply: '550 5.0.0 Nope', unrecognised: true },
      { event: 'HOLD', reason: `failure-limit: ${row.lastReason}` },
    ]);
    // One function after another, and an hour on: it stays closed as long as such failures go on.
    for (let i = 0; i < 12; i += 1) {
      await pipeline.live(0.25);
      await receive(pipeline, 200 + i * 10, 10);
    }
    expect(told(pipeline)).toHaveLength(10);
  });

  it.each<[string, (to: string, n: number) => ScriptedReply]>([
    ['ids', (_, n) => nope(`Refused, ref kXy${n}Z [10.0.0.${n}] (a${n}.b.example)`)],
    ['addresses', (to) => nope(`<${to}>: not today`)],
    ['names', (to) => nope(`${to.split('@')[0]}: not today`)],
  ])('whose words differ in %s: they count as the same', async (_name, says) => {
    let n = 0;
    const pipeline = await turned((to) => {
      n += 1;
      return says(to, n);
    });
    await receive(pipeline, 0, 40);
    expect(states(pipeline)).toEqual({ returned: 10, held: 30 });
  });

  it('counts a recipient once: forty refusals of one are forty NDRs', async () => {
    const pipeline = await turned();
    await receive(pipeline, 0, 40, () => 'bob@example.com');
    expect(states(pipeline)).toEqual({ returned: 40 });
    expect(pipeline.watch.total('FailureHeld')).toBe(0);
  });

  it('counts one hour: ten in an hour and a half are not held', async () => {
    const pipeline = await turned();
    for (let i = 0; i < 15; i += 1) {
      await receive(pipeline, i, 1);
      pipeline.clock.advanceTo(pipeline.clock.now() + failureLimitMs / 9);
    }
    expect(states(pipeline)).toEqual({ returned: 15 });
  });

  it('counts each wording by itself, and nothing that a rule knows', async () => {
    const wordings = ['Nope', 'Never', 'Not today', 'Go away'];
    const pipeline = await turned((to) => nope(wordings[Number(to.slice(1, 2)) % 4]));
    await receive(pipeline, 0, 10);
    expect(states(pipeline)).toEqual({ returned: 10 });
    const known = await turned(() => ({ code: 550, status: '5.1.1', text: 'No such user', at: 'rcpt' }));
    await receive(known, 0, 40);
    expect(states(known)).toEqual({ returned: 40 });
  });

  it('begins anew with an acceptance that the same function saw, and not with that of a notice', async () => {
    const pipeline = await turned((to) => (to.startsWith('good') ? ok : nope()));
    pipeline.failures.kept = failuresOf(pipeline, pipeline.failures.store);
    // One by one: each NDR is accepted by the same next hop before the next failure.
    for (let i = 0; i < 9; i += 1) await receive(pipeline, i, 1);
    pipeline.receive('good', ANN, ['good@example.com']);
    await pipeline.work();
    for (let i = 9; i < 29; i += 1) await receive(pipeline, i, 1);
    expect(states(pipeline)).toEqual({ returned: 19, relayed: 1, held: 10 });
  });
});

describe('what the limit holds', () => {
  it('is tried again by retry, with what was left of its lifetime', async () => {
    let mended = false;
    const pipeline = await turned(() => (mended ? ok : nope()));
    await receive(pipeline, 0, 20);
    const row = heldRow(pipeline);
    pipeline.clock.advanceTo(pipeline.clock.now() + 5 * HOUR);
    mended = true;
    for (const each of deliveries(pipeline).filter(({ state }) => state === 'held'))
      expect(await retry(portsOf(pipeline), each, 48 * HOUR)).toMatchObject({ kind: 'done' });
    expect(await pipeline.ledger.read(row)).toMatchObject({
      ...{ state: 'queued', attempts: 1, releasedFrom: ['failure-limit'] },
      expiresAt: row.expiresAt + 5 * HOUR,
    });
    await pipeline.work();
    expect(states(pipeline)).toEqual({ returned: 10, relayed: 10 });
    expect(told(pipeline)).toHaveLength(10);
    const [other] = deliveries(pipeline);
    expect(await retry(portsOf(pipeline), other ?? row, HOUR)).toMatchObject({ kind: 'refused' });
  });

  it('is returned by release, with the reply that refused it', async () => {
    const pipeline = await turned();
    await receive(pipeline, 0, 11);
    expect(await release(portsOf(pipeline), heldRow(pipeline), 48 * HOUR)).toMatchObject({ kind: 'done' });
    await pipeline.work();
    expect(states(pipeline)).toEqual({ returned: 11 });
    expect(told(pipeline).at(-1)).toContain('Diagnostic-Code: smtp; 550 5.0.0 Nope');
    expect(told(pipeline).at(-1)).toContain('Action: failed');
  });

  it('tells its senders of the delay after a day, once, and of the failure at the end of its lifetime, paced', async () => {
    const pipeline = await turned(() => nope(), { delayNoticeMs: 24 * HOUR });
    await receive(pipeline, 0, 50);
    await pipeline.live(25);
    const delays = told(pipeline).filter((text) => text.includes('Action: delayed'));
    expect(delays).toHaveLength(40);
    expect(delays[0]).toContain('Our postmaster decides whether we try again');
    expect(delays[0]).not.toContain('Will-Retry-Until');
    expect(states(pipeline)).toEqual({ returned: 10, held: 40 });
    await pipeline.live(26);
    expect(states(pipeline)).toEqual({ returned: 50 });
    expect(told(pipeline).filter((text) => text.includes('Action: failed'))).toHaveLength(50);
    expect(told(pipeline)).toHaveLength(90);
    const ends = deliveries(pipeline).flatMap(({ trace }) => trace.filter(({ event }) => event === 'RELEASE'));
    expect(ends).toHaveLength(40);
    const minutes = Map.groupBy(ends, ({ at }) => Math.floor(at / 60_000));
    for (const [, each] of minutes) expect(each.length).toBeLessThanOrEqual(heldFailuresPerMinuteMax);
  });
});
