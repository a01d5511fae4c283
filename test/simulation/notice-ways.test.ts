// A notice whose way closes while it is being tried: SES takes bounces for a day after the message came. From then on it goes as a report, or,
// where only a report could carry it and the message is itself an answer, not at all; and then somebody must hear.

import { expect, it } from 'vitest';
import { MemoryBounceService } from '#adapters/memory/bounce-service.ts';
import { Interrupt } from '#adapters/memory/interrupt.ts';
import type { More } from './notification.ts';
import { Town, townSettings } from './town.ts';

const ANN = 'ann@src.example';
const ok = { code: 250, status: '2.0.0', text: 'Ok' };
const no = { code: 550, status: '5.1.1', text: 'no such user', at: 'rcpt' } as const;

/** SES does not answer SendBounce, for days. */
async function lived(more: More = {}): Promise<Town> {
  const silent = new MemoryBounceService(() => ({ fault: 'timeout', accepted: false }));
  const settings = { ...townSettings, notices: { ...townSettings.notices, via: null } };
  const town = new Town((to) => (to.address === ANN ? ok : no), new Interrupt(), settings, {}, silent);
  town.receive('m1', ANN, ['bob@example.com'], undefined, [], more);
  await town.live(24 * 7);
  return town;
}
const delivery = (town: Town) => town.ledger.all().find(({ kind }) => kind === 'delivery');
const reports = (town: Town) => town.exchange.accepted.filter(({ forwardPath }) => forwardPath.address === ANN);

it('goes as a report once a day has passed', async () => {
  const town = await lived();
  expect(delivery(town)).toMatchObject({ state: 'returned', notice: { via: 'ses-report' } });
  expect([town.bounces.accepted.length, reports(town).length]).toEqual([0, 1]);
});
it('about an automatic answer fails then, and its delivery is held with an alarm', async () => {
  const town = await lived({ autoSubmitted: 'auto-replied' });
  expect(delivery(town)).toMatchObject({ state: 'held', stateReason: expect.stringContaining('auto-replied') });
  expect([town.bounces.accepted.length, reports(town).length]).toEqual([0, 0]);
  expect(town.watch.total('Held')).toBeGreaterThan(0);
});
