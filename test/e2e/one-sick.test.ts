// One next hop of three is sick, on the local runtime with real sockets: mail for the other two takes at most 1.2
// times its time, the first contact included, in one run. Then the one that refused connections is well again: its mail
// drains within the rate that the configuration sets, oldest first. `npm run bench -- sick` measures all four kinds
// with 10,000 messages for each.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { OneSick } from './one-sick.ts';
import type { Sickness } from './servers-of-three.ts';

/** Slow is an attempt of two seconds here; the well ones take 0.7. */
const terms = { each: 300, takesMs: 700, timeScale: 5, sickPerSecond: 20 } as const;
const ways: readonly Sickness[] = ['refuses', 'says nothing', 'sends one byte a second', 'stalls at the final dot'];
const mail = new OneSick(terms, ways);
let aloneMs = 0;

beforeAll(async () => {
  await mail.open();
  aloneMs = await mail.alone();
});
afterAll(() => mail.close());

// In this order: those that hold the functions of the slow lane come last.
it.each(ways)('beside a next hop that %s, mail for the other two takes at most 1.2 times its time', async (way) => {
  const { firstMs, sickTook } = await mail.beside(way);
  process.stdout.write(`${way}: ${(firstMs / aloneMs).toFixed(2)} of ${(aloneMs / 1_000).toFixed(1)} s\n`);
  expect(firstMs / aloneMs).toBeLessThanOrEqual(1.2);
  expect(sickTook).toBe(0);
  if (way !== 'refuses') return;
  const drained = await mail.recover(way);
  process.stdout.write(`drained: ${JSON.stringify(drained)}\n`);
  expect(drained).toMatchObject({ messages: terms.each, copies: terms.each });
  expect(drained.most).toBeLessThanOrEqual(1.3 * terms.sickPerSecond + 1); // the sockets' own delays
  expect(drained.ninetieth).toBeLessThanOrEqual(3 * terms.sickPerSecond); // places: what goes out in three seconds
});
