// A backlog at a next hop with a rate, in virtual time: it leaves at the rate, in order, each message once, and no job
// that waits for its turn counts as lost. It stands among the slower kinds for its size alone.

import { describe, expect, it } from 'vitest';
import { ACCEPTED_AT } from '../simulation/notification.ts';
import { mostOutOfOrder } from '../simulation/sick-hour.ts';
import { ThreeHops } from '../simulation/three-hops.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

describe('a backlog at a next hop with a rate', () => {
  it.each([
    // The sweep looks at a message that found no place in line fifteen minutes after its acceptance. Until then a later
    // one may find a place.
    { messages: 10_000, perSecond: 1, stepMs: 500, sweptFromMs: 17 * MINUTE },
    { messages: 2_000, perSecond: 20, stepMs: 100, sweptFromMs: 0 },
  ])('$messages messages at $perSecond in a second', async ({ messages, perSecond, stepMs, sweptFromMs }) => {
    const everpost = new ThreeHops(null, perSecond, stepMs);
    await everpost.accept('sick', messages);
    const isOver = () => (everpost.took.get('sick')?.length ?? 0) >= messages;
    await everpost.live(ACCEPTED_AT + 4 * HOUR, isOver);
    const took = everpost.took.get('sick') ?? [];
    const tookMs = (took.at(-1)?.at ?? 0) - ACCEPTED_AT;
    const swept = took.filter(({ at }) => at >= ACCEPTED_AT + sweptFromMs);
    const most = mostOutOfOrder(swept.map(({ spoolId }) => Number(spoolId.split('-')[1])));
    process.stdout.write(`${messages} in ${tookMs / 1_000} s, at most ${most} places out of order\n`);
    expect(new Set(took.map(({ spoolId }) => spoolId)).size).toBe(messages);
    expect(took).toHaveLength(messages);
    expect(most).toBeLessThanOrEqual(80);
    expect(tookMs).toBeLessThanOrEqual((1.1 * messages * 1_000) / perSecond);
    expect(tookMs).toBeGreaterThanOrEqual(((messages - 2) * 1_000) / perSecond);
    expect(everpost.watch.total('LostJob')).toBe(0);
  });
});
