// The canary on the local runtime: SES hands it to the MX, which a test may break; its next hop is down; its alarm is
// raised, stands and ends, by its article. Nothing else hears of it: no NDR leaves, and no other alarm is raised.

import { afterAll, beforeAll, expect, it } from 'vitest';
import { AlarmWatch, MINUTE } from './alarm-watch.ts';
import { trace } from './instance.ts';
import { type Catcher, catcher, sendMail } from './smtp.ts';

const TO = 'canary@example.com';
let watch: AlarmWatch;
/** The MX of example.com, as SES finds it: it leads to the front door, unless the record is gone. */
let mx: Catcher;
let isGone = false;
const handed: Promise<unknown>[] = [];

const config = (port: number) => ({
  domains: ['example.com'],
  nextHops: { boxes: { kind: 'smtp', host: '127.0.0.1', port, tls: 'off' } },
  routes: [{ match: '*@example.com', to: [{ via: 'boxes' }] }],
  notices: { from: 'postmaster@example.com', postmaster: 'postmaster@example.com' },
  retry: { schedule: ['1m'], delayNotice: '5m' },
  canary: { every: '1h', to: TO },
});

beforeAll(async () => {
  mx = await catcher({
    finalDot: ({ reversePath, forwardPaths, content }) => {
      if (!isGone) handed.push(sendMail(watch.runtime.ports.mx, reversePath, forwardPaths, content));
      return undefined;
    },
  });
  watch = await AlarmWatch.open(config, {}, `127.0.0.1:${mx.port}`);
});
afterAll(async () => {
  await watch?.close();
  await mx?.close();
});

async function minutes(count: number): Promise<void> {
  for (let i = 0; i < count; i += 1) {
    await watch.advance(MINUTE);
    await Promise.all(handed);
    await watch.advance(0);
  }
}

it('is raised by a next hop that is down, stands, and ends; nobody else hears of it', async () => {
  watch.begin();
  await minutes(3);
  expect(watch.server.caught.map(({ forwardPaths }) => forwardPaths)).toEqual([[TO]]);
  expect(watch.server.caught[0]?.content.toString()).toContain('X-Everpost-Canary: v1 id=');
  watch.behaviour.manners = { rcpt: () => '451 4.3.2 not accepting mail' };
  await minutes(60);
  expect(mx.caught).toHaveLength(2);
  expect(watch.on()).toEqual([]);
  await watch.raised('CanaryLate', 'its next hop defers everything', 15 * MINUTE);
  await watch.stands('CanaryLate', 30 * MINUTE);
  expect(watch.on()).toEqual(['CanaryLate']);
  watch.behaviour.manners = {};
  expect(await watch.follow('CanaryLate', /^npx everpost canary --stack/)).toMatch(/arrived after \d+\.\d s/);
  await minutes(20);
  await watch.ended('CanaryLate', 5 * MINUTE);
  expect(mx.caught.every(({ forwardPaths }) => forwardPaths.join() === TO)).toBe(true); // no NDR, no notice of a delay
  const traced = await trace({ data: watch.folder }, '--forward-path', TO);
  expect(traced.flatMap(({ deliveries }) => deliveries.map(({ state }) => state))).toEqual(traced.map(() => 'relayed'));
}, 300_000);

it('is raised by an MX record that leads elsewhere, and ends when it is restored', async () => {
  watch.begin();
  isGone = true;
  await watch.raised('CanaryLate', 'the MX record leads elsewhere', 80 * MINUTE);
  expect(watch.on()).toEqual(['CanaryLate']);
  await watch.does('CanaryLate', 'Another MX record, or none: restore it at the DNS.', () => {
    isGone = false;
  });
  await minutes(65);
  await watch.ended('CanaryLate', MINUTE);
}, 300_000); // some hours of virtual time, on a machine that may be busy
