// The ten seconds of a next hop: time in which its message is read from the spool is not part of them, whether the next
// hop reads before it sends (SES) or between its writes (SMTP).

import { expect, it } from 'vitest';
import { MemoryClock } from '#adapters/memory/clock.ts';
import { NextHopTime } from '#pipeline/relay/next-hop-time.ts';

const LIMIT_MS = 10_000;

function started() {
  const clock = new MemoryClock(1_000_000);
  const ended: number[] = [];
  const time = new NextHopTime(
    { clock, timer: clock },
    { limitMs: LIMIT_MS, onLimit: () => ended.push(clock.now() - 1_000_000) },
  );
  /** Each chunk takes as long as it says. */
  async function* spool(...waits: readonly number[]) {
    for (const ms of waits) {
      await Promise.resolve();
      clock.advance(ms);
      yield new Uint8Array(1);
    }
  }
  return { clock, time, ended, spool };
}

async function sent(content: AsyncIterable<Uint8Array>, each: () => void): Promise<number> {
  let bytes = 0;
  for await (const chunk of content) {
    bytes += chunk.length;
    each();
  }
  return bytes;
}

it('a spool that takes a minute leaves the next hop its ten seconds', async () => {
  const { clock, time, ended, spool } = started();
  expect(await sent(time.content(spool(20_000, 40_000)), () => {})).toBe(2);
  expect([time.spentMs(), ended]).toEqual([0, []]);
  clock.advance(9_999);
  expect([time.spentMs(), ended]).toEqual([9_999, []]);
  clock.advance(1);
  expect([time.spentMs(), ended]).toEqual([10_000, [70_000]]);
});

it('a next hop that takes its time between the chunks is slow by that alone', async () => {
  const { clock, time, ended, spool } = started();
  await sent(time.content(spool(3_000, 8_000, 8_000)), () => clock.advance(4_000));
  expect([time.spentMs(), ended]).toEqual([12_000, [31_000]]);
});

it('says nothing once the attempt is over, and leaves off reading where its reader does', async () => {
  const { clock, time, ended, spool } = started();
  const content = spool(11_000, 1);
  for await (const _chunk of time.content(content)) break;
  expect(await content.next()).toEqual({ done: true, value: undefined });
  time.stop();
  clock.advance(60_000);
  expect(ended).toEqual([]);
});
