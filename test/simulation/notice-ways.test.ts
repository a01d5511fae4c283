// A notice whose way closes while it is being tried: SES takes bounces for a day after the message came. From then on
// it goes as a report, or, where only a report could carry it and the message is itself an answer, not at all; and then
// somebody must hear.

import { expect, it } from 'vitest';
import { MemoryBounceService } from '#adapters/memory/bounce-service.ts';
import { Interrupt } from '#adapters/memory/interrupt.ts';
import { pipelineSettings, TestPipeline } from '../kit/pipeline.ts';
import type { More } from './notification.ts';

const ANN = 'ann@src.example';
const ok = { code: 250, status: '2.0.0', text: 'Ok' };
const no = { code: 550, status: '5.1.1', text: 'no such user', at: 'rcpt' } as const;

/** SES does not answer SendBounce, for days. */
async function lived(more: More = {}): Promise<TestPipeline> {
  const silent = new MemoryBounceService(() => ({ fault: 'timeout', accepted: false }));
  const settings = { ...pipelineSettings, notices: { ...pipelineSettings.notices, via: null } };
  const pipeline = new TestPipeline((to) => (to.address === ANN ? ok : no), new Interrupt(), settings, {}, silent);
  pipeline.receive('m1', ANN, ['bob@example.com'], undefined, [], more);
  await pipeline.live(24 * 7);
  return pipeline;
}
const delivery = (pipeline: TestPipeline) => pipeline.ledger.all().find(({ kind }) => kind === 'delivery');
const reports = (pipeline: TestPipeline) =>
  pipeline.exchange.accepted.filter(({ forwardPath }) => forwardPath.address === ANN);

it('goes as a report once a day has passed', async () => {
  const pipeline = await lived();
  expect(delivery(pipeline)).toMatchObject({ state: 'returned', notice: { via: 'ses-report' } });
  expect([pipeline.bounces.accepted.length, reports(pipeline).length]).toEqual([0, 1]);
});
it('about an automatic answer fails then, and its delivery is held with an alarm', async () => {
  const pipeline = await lived({ autoSubmitted: 'auto-replied' });
  expect(delivery(pipeline)).toMatchObject({ state: 'held', stateReason: expect.stringContaining('auto-replied') });
  expect([pipeline.bounces.accepted.length, reports(pipeline).length]).toEqual([0, 0]);
  expect(pipeline.watch.total('Held')).toBeGreaterThan(0);
});
