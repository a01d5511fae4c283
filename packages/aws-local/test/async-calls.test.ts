// Asynchronous calls of a throttled function, on the virtual clock: how often they are tried, and when they are
// dropped.

import { expect, it } from 'vitest';
import { asyncCalls } from '../src/lambda/async-calls.ts';
import type { Invocation } from '../src/lambda/invocation.ts';
import type { LambdaHost } from '../src/lambda/lambda.ts';
import { bareWorld } from './bare-world.ts';

const by = { principal: { kind: 'service', name: 'events.amazonaws.com' } } as const;
const throttle: Invocation = { kind: 'refused', reason: 'TooManyRequestsException: Rate exceeded', throttled: true };
const HOUR = 3_600_000;

function at(answer: (tries: number) => Invocation) {
  const world = bareWorld();
  const began = world.clock.now();
  const tries: number[] = [];
  const host = {
    async invoke() {
      tries.push(Math.round((world.clock.now() - began) / 1000));
      return answer(tries.length);
    },
  } as unknown as LambdaHost;
  return { world, tries, calls: asyncCalls({ world, host, functionName: 'f', eventAgeMsMax: HOUR }) };
}

it('an event is tried after 1, 2, 4 … 300 seconds, for as long as it may wait, and is then dropped', async () => {
  const { world, tries, calls } = at(() => throttle);
  expect(await calls.call('{}', by)).toEqual(throttle);
  await world.clock.advance(2 * HOUR);
  const waits = tries.slice(1).map((second, index) => second - (tries[index] ?? 0));
  expect(waits.slice(0, 10)).toEqual([1, 2, 4, 8, 16, 32, 64, 128, 256, 300]);
  expect(new Set(waits.slice(9))).toEqual(new Set([300]));
  expect(tries.at(-1)).toBeGreaterThan(3_300);
  expect(tries.at(-1)).toBeLessThanOrEqual(3_600);
  expect(world.lines).toEqual(['f: an event is dropped: it was throttled for 3600 s']);
});

it('it runs once when there is room again, and what ran is not repeated, also where it failed', async () => {
  const error: Invocation = { kind: 'error', payload: '{}', errorType: 'Error', errorMessage: 'no' };
  for (const last of [{ kind: 'returned', payload: '{}' } as const, error]) {
    const { world, tries, calls } = at((times) => (times < 4 ? throttle : last));
    await calls.call('{}', by);
    await world.clock.advance(2 * HOUR);
    expect(tries).toHaveLength(4);
  }
});

it('one that may not be called is not Lambda’s to keep, and a stop forgets what waits', async () => {
  const refused = at(() => ({ kind: 'refused', reason: 'AccessDeniedException: no' }));
  await refused.calls.call('{}', by);
  const stopped = at(() => throttle);
  await stopped.calls.call('{}', by);
  await stopped.calls.stop();
  for (const { world, tries } of [refused, stopped]) {
    await world.clock.advance(HOUR);
    expect(tries).toHaveLength(1);
  }
});
