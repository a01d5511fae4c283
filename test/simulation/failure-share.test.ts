// A next hop that lost its directory: it refuses in words that a rule knows, so that each sender is told, and no limit
// holds anything. The level stands as long as the last hour was like that.

import { describe, expect, it } from 'vitest';
import { acceptedBefore } from '../kit/board.ts';
import { TestPipeline } from '../kit/pipeline.ts';

const ANN = 'ann@src.example';
const ok = { code: 250, status: '2.0.0', text: 'Ok' };
const no = { code: 550, status: '5.1.1', text: 'no such user', at: 'rcpt' } as const;
const MINUTE = 60_000;

/** A message a minute, and what the level says after each; `lost` of ten recipients are gone. */
async function hours(lost: number, messages: number) {
  const pipeline = new TestPipeline((to) => (Number(/^r(\d)/.exec(to.address)?.[1] ?? 9) < lost ? no : ok));
  await acceptedBefore(pipeline);
  for (let i = 0; i < messages; i++) {
    pipeline.receive(`m${i}`, ANN, [`r${i % 10}x${i}@example.com`]);
    await pipeline.live(1 / 60);
    pipeline.clock.advanceTo(pipeline.clock.now() + MINUTE);
  }
  const level = () => pipeline.watch.counted.findLast(({ metric }) => metric === 'FailureShare')?.value;
  return { pipeline, level };
}

describe('the share of failures', () => {
  it('is told while every sender hears that there is no such user', async () => {
    const { pipeline, level } = await hours(9, 40);
    expect(level()).toBeGreaterThan(80);
    const returned = pipeline.ledger.all().filter(({ state }) => state === 'returned');
    expect(returned.length).toBeGreaterThan(30);
    pipeline.clock.advanceTo(pipeline.clock.now() + 65 * MINUTE);
    await pipeline.live(1 / 60);
    expect(level()).toBe(0);
  });

  it('is nothing at an address mistyped now and then', async () => {
    expect((await hours(1, 40)).level()).toBe(0);
  });
});
