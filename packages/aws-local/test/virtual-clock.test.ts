// Virtual time: it advances in order, waits for the work that it causes, and worker threads read the same instant.
// Real waiting in here stays under a second in all.

import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, test } from 'vitest';
import { createClock, type LocalClock, virtualNow } from '../src/virtual-clock.ts';

const hour = 3_600_000;
let clocks: LocalClock[] = [];
const open = (options: Parameters<typeof createClock>[0] = {}) => {
  const clock = createClock(options);
  clocks.push(clock);
  return clock;
};
afterEach(() => {
  for (const clock of clocks) clock.close();
  clocks = [];
});

describe('advance', () => {
  test('fires what is due in order, each at its own instant, and lands at the target', async () => {
    const clock = open();
    const start = clock.now();
    const fired: [string, number][] = [];
    const note = (name: string) => () => fired.push([name, Math.round((clock.now() - start) / 60_000)]);
    clock.at(start + 3 * hour, note('third'));
    clock.at(start + hour, note('first'));
    clock.at(start + 2 * hour, note('second'));
    clock.at(start + 5 * hour, note('never'));
    await clock.advance(4 * hour);
    expect(fired).toEqual([
      ['first', 60],
      ['second', 120],
      ['third', 180],
    ]);
    expect(Math.round((clock.now() - start) / 60_000)).toBe(240);
  });
  test('of nothing fires what is due now, waits for its work, and leaves the rest', async () => {
    const clock = open();
    const done: string[] = [];
    clock.at(clock.now(), () => {
      const free = clock.busy();
      setTimeout(() => {
        done.push('worked');
        free();
      }, 20);
    });
    clock.at(clock.now() + hour, () => done.push('later'));
    await clock.advance(0);
    expect(done).toEqual(['worked']);
  });
  test('a timer set by a timer fires in the same walk', async () => {
    const clock = open();
    const start = clock.now();
    let fired = 0;
    const again = () => {
      fired += 1;
      clock.at(clock.now() + hour, again);
    };
    clock.at(start + hour, again);
    await clock.advance(10 * hour + 1_000);
    expect(fired).toBe(10);
  });
  test('goes on only after the work has ended', async () => {
    const clock = open();
    const start = clock.now();
    const order: string[] = [];
    clock.at(start + hour, async () => {
      const done = clock.busy();
      order.push('begun');
      await sleep(50);
      order.push('ended');
      done();
      done(); // a second time means nothing
    });
    clock.at(start + 2 * hour, () => order.push('next'));
    await clock.advance(3 * hour);
    expect(order).toEqual(['begun', 'ended', 'next']);
  });
  test('work that hops through the event loop between two marks is waited for', async () => {
    const clock = open();
    let ended = false;
    clock.at(clock.now() + hour, async () => {
      for (let hop = 0; hop < 3; hop += 1) {
        const done = clock.busy();
        await sleep(5);
        done();
        await new Promise((resume) => setImmediate(resume));
      }
      ended = true;
    });
    await clock.advance(hour);
    expect(ended).toBe(true);
  });
  test('two at once happen one after the other', async () => {
    const clock = open();
    const start = clock.now();
    await Promise.all([clock.advance(hour), clock.advance(hour)]);
    expect(Math.round((clock.now() - start) / hour)).toBe(2);
  });
  test('never goes back', () => {
    expect(() => open().advance(-1)).toThrow(RangeError);
  });
});

describe('an advance that waits', () => {
  test('ends, says what it waits for, and stands where it stood; the next one goes on', async () => {
    const clock = open({ stillMsMax: 200 });
    const start = clock.now();
    let free = (): void => {};
    clock.at(start + hour, () => {
      free = clock.busy('function relay');
    });
    const waitsFor = await clock.advance(3 * hour);
    expect(waitsFor).toEqual([expect.stringMatching(/^function relay \(\d s\)$/)]);
    expect(Math.round((clock.now() - start) / 60_000)).toBe(60);
    expect(clock.busyWith()).toHaveLength(1);
    free();
    expect(await clock.advance(2 * hour)).toEqual([]);
    expect(Math.round((clock.now() - start) / 60_000)).toBe(180);
  });
  test('is patient while work ends', async () => {
    const clock = open({ stillMsMax: 200 });
    let rounds = 0;
    clock.at(clock.now() + hour, async () => {
      for (; rounds < 6; rounds += 1) {
        const done = clock.busy();
        await sleep(80);
        done();
      }
    });
    expect(await clock.advance(2 * hour)).toEqual([]);
    expect(rounds).toBe(6);
  });
  test('ends with the clock', async () => {
    const clock = open();
    clock.busy('what never ends');
    const walked = clock.advance(hour);
    await sleep(5);
    clock.close();
    expect(await walked).toEqual(['the instance, which ends']);
  });
  test('one that fails keeps no other from walking', async () => {
    let fail = true;
    const clock = open({
      saveOffset: () => {
        if (fail) throw new Error('the disk is full');
      },
    });
    await expect(clock.advance(hour)).rejects.toThrow('the disk is full');
    fail = false;
    expect(await clock.advance(hour)).toEqual([]);
  });
});

describe('timers', () => {
  test('fire in real time too, and not after they were cancelled', async () => {
    const clock = open();
    const fired: string[] = [];
    clock.at(clock.now() + 30, () => fired.push('soon'));
    const cancel = clock.at(clock.now() + 20, () => fired.push('cancelled'));
    clock.at(clock.now() + 40 * 24 * hour, () => fired.push('beyond what a real timer holds'));
    cancel();
    await sleep(80);
    expect(fired).toEqual(['soon']);
  });
  test('one in the past fires at once', async () => {
    const clock = open();
    let fired = false;
    clock.at(clock.now() - hour, () => {
      fired = true;
    });
    await clock.idle();
    expect(fired).toBe(true);
  });
});

describe('the offset', () => {
  test('is what worker threads read', async () => {
    const clock = open();
    await clock.advance(7 * hour);
    expect(Math.abs(virtualNow(clock.offset, Date.now()) - clock.now())).toBeLessThan(1_000);
  });
  test('is saved, and taken up again after a restart', async () => {
    let saved = 0;
    const clock = open({
      saveOffset: (offsetMs) => {
        saved = offsetMs;
      },
    });
    await clock.advance(2 * hour);
    expect(Math.round(saved / hour)).toBe(2);
    expect(Math.abs(open({ offsetMs: saved }).now() - clock.now())).toBeLessThan(1_000);
  });
});
