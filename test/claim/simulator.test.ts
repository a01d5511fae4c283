// The claim under random schedules: 200 seeds of the simulator, and those that once showed a fault. `npm run sim` plays
// more, and one again.

import { describe, expect, it } from 'vitest';
import { SICKNESSES } from './conditions.ts';
import { FOUND } from './found.ts';
import { planOf } from './generator.ts';
import { type Run, simulateSeed } from './simulator.ts';

const SEEDS = 200;
const PART = 25;
/** The first so many have sick next hops, limits and pauses, which take five times as long. */
const WITH_CONDITIONS = 100;

function told({ plan, verdict }: Run): string[] {
  return verdict.findings.map(
    ({ kind, spoolId, says }) => `npm run sim -- --seed ${plan.seed}: ${kind} ${spoolId} ${says}`,
  );
}

describe('the claim holds', () => {
  const parts = Array.from({ length: SEEDS / PART }, (_, index) => [index * PART + 1, (index + 1) * PART] as const);
  it.each(parts)('in seeds %i to %i', async (from, to) => {
    let messages = 0;
    for (let seed = from; seed <= to; seed++) {
      const run = await simulateSeed(seed, { plain: seed > WITH_CONDITIONS });
      expect(told(run)).toEqual([]);
      messages += run.verdict.messages;
    }
    expect(messages).toBeGreaterThan(PART);
  });

  it.each(FOUND)('in seed $seed: $story', async ({ seed, plain, restore = false }) => {
    expect(told(await simulateSeed(seed, { plain, restore }))).toEqual([]);
  });
});

describe('a seed', () => {
  it('is the same run each time', async () => {
    const [first, second] = [
      await simulateSeed(81, {}, { verbose: true }),
      await simulateSeed(81, {}, { verbose: true }),
    ];
    expect(second.lines).toEqual(first.lines);
    expect(first.lines.length).toBeGreaterThan(100);
  });

  it('draws what is worth asking: of 200, each kind of message, route, next hop and trouble', () => {
    const plans = Array.from({ length: SEEDS }, (_, index) => planOf(index + 1));
    const messages = plans.flatMap((plan) => plan.messages);
    const fates = new Set(messages.flatMap(({ fates }) => Object.values(fates).map(({ kind }) => kind)));
    expect([...fates].sort()).toEqual(['accept', 'cut', 'defer', 'hang', 'lie', 'poison', 'refuse']);
    const troubles = new Set(plans.flatMap((plan) => plan.troubles.map(({ kind }) => kind)));
    expect([...troubles].sort()).toEqual(['bad-deploy', 'content', 'outage', 'purge-queue', 'skew']);
    expect(messages.some(({ recipients }) => recipients.length === 50)).toBe(true);
    expect(messages.some(({ bytes }) => bytes === 0)).toBe(true);
    expect(messages.some(({ bytes }) => bytes > 100_000)).toBe(true);
    expect(messages.some(({ reversePath }) => reversePath === '')).toBe(true);
    expect(messages.some(({ notifications }) => notifications.length > 2)).toBe(true);
    expect(new Set(messages.map(({ direction }) => direction)).size).toBe(2);
    expect(plans.some(({ settings }) => settings.notices.via === null)).toBe(true);
  });

  it('draws what befalls next hops, and what an operator does: of 200, each kind', () => {
    const plans = Array.from({ length: SEEDS }, (_, index) => planOf(index + 1));
    const conditions = plans.flatMap((plan) => plan.conditions);
    const sick = conditions.flatMap((each) => (each.kind === 'sick' ? [each] : []));
    expect(new Set(sick.map(({ how }) => how))).toEqual(new Set(SICKNESSES));
    expect(sick.some(({ how, from }) => how === 'turned' && from === 0)).toBe(true);
    const pauses = conditions.flatMap((each) => (each.kind === 'pause' ? [each] : []));
    const scopes = new Set(pauses.map(({ scope }) => scope));
    expect(['inbound', 'outbound', 'all', 'exchange'].filter((scope) => !scopes.has(scope))).toEqual([]);
    const modes = conditions.map((each) => ('mode' in each ? `${each.kind} ${each.mode}` : each.kind));
    expect(new Set(modes)).toEqual(
      new Set(['sick', 'pause hold', 'pause drain', 'transfer hold', 'transfer drain', 'operator']),
    );
    const hops = plans.flatMap(({ settings }) => Object.values(settings.nextHops));
    expect(hops.some((hop) => 'concurrency' in hop && hop.concurrency === 1)).toBe(true);
    expect(hops.some((hop) => 'messagesPerSecond' in hop && hop.messagesPerSecond === 0.05)).toBe(true);
    expect(planOf(7, { plain: true }).conditions).toEqual([]);
  });
});
