// An upgrade from a stack in which bounce had a queue of its own: its jobs are there and nobody reads them any more.
// The sweep finds each of their rows, and its sender hears what he would have heard.

import { expect, it } from 'vitest';
import type { Script } from '#adapters/memory/next-hop.ts';
import { pipelineSettings, TestPipeline } from '../kit/pipeline.ts';

const HOUR = 3_600_000;
const ANN = 'ann@src.example';
const OK = { code: 250, status: '2.0.0', text: 'Ok' } as const;
const refuses: Script = ({ address }) => (address === ANN ? OK : { code: 550, status: '5.1.1', at: 'rcpt' });
const busy: Script = ({ address }) => (address === ANN ? OK : { code: 451, status: '4.3.0', at: 'rcpt' });

async function upgraded(script: Script, hoursBefore: number, hoursAfter: number): Promise<TestPipeline> {
  const pipeline = new TestPipeline(script, undefined, {
    ...pipelineSettings,
    retry: { ...pipelineSettings.retry, delayNoticeMs: 4 * HOUR },
  });
  const { send } = pipeline.bounceQueue;
  const left: unknown[] = [];
  pipeline.bounceQueue.send = async (jobs) => void left.push(...jobs); // into the queue that is left behind
  pipeline.receive('m1', ANN, ['bob@example.com']);
  await pipeline.live(hoursBefore);
  expect(left.length).toBeGreaterThan(0);
  expect(pipeline.exchange.accepted).toEqual([]);
  pipeline.bounceQueue.send = send.bind(pipeline.bounceQueue);
  await pipeline.live(hoursAfter);
  return pipeline;
}
const subjects = (pipeline: TestPipeline) =>
  pipeline.exchange.accepted
    .filter(({ forwardPath }) => forwardPath.address === ANN)
    .map(({ content }) => /^Subject: (.*)$/m.exec(Buffer.from(content).toString('latin1'))?.[1]?.trim());

it('a refusal: one NDR', async () => {
  const pipeline = await upgraded(refuses, 0.2, 1);
  expect(subjects(pipeline)).toHaveLength(1);
  expect(pipeline.ledger.all().find(({ kind }) => kind === 'delivery')?.state).toBe('returned');
});

it('a delay, and then the end of the lifetime: a notice of each', async () => {
  const pipeline = await upgraded(busy, 5, 1);
  expect(subjects(pipeline)).toHaveLength(1);
  await pipeline.live(60);
  expect(subjects(pipeline)).toHaveLength(2);
  expect(pipeline.ledger.all().find(({ kind }) => kind === 'delivery')?.state).toBe('returned');
});

it('an expiry: one NDR', async () => {
  const pipeline = await upgraded(busy, 49, 1);
  expect(subjects(pipeline)).toHaveLength(1);
  expect(pipeline.ledger.all().find(({ kind }) => kind === 'delivery')?.state).toBe('returned');
});
