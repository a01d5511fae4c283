// Crash everywhere, for notices that go by SES, are copied to the postmaster, counted against a domain, or held and
// released: die before and after every port call, start again, and require one answer to the sender, or the recorded
// reason why there is none.

import { describe, expect, it } from 'vitest';
import { MemoryBounceService, type ScriptedBounce } from '#adapters/memory/bounce-service.ts';
import { Interrupt } from '#adapters/memory/interrupt.ts';
import type { Script } from '#adapters/memory/next-hop.ts';
import type { Settings } from '#config/settings.ts';
import { type DeliveryState, isFinal } from '#core/delivery/delivery.ts';
import { findingsIn } from '../claim/pipeline-evidence.ts';
import { judgeNotice } from '../judges/rfc3464.ts';
import { pipelineSettings, TestPipeline } from '../kit/pipeline.ts';
import type { More } from './notification.ts';

const ANN = 'ann@src.example';
const POSTMASTER = 'postmaster@example.com';
const ok = { code: 250, status: '2.0.0', text: 'Ok' };
const noSuchUser = { code: 550, status: '5.1.1', text: 'no such user', at: 'rcpt' } as const;
const later = { code: 451, status: '4.3.0', text: 'later', at: 'rcpt' } as const;
const answering: Script = (to) => (to.address === 'bob@example.com' ? noSuchUser : ok);
const stalling: Script = (to) => (to.address === 'bob@example.com' ? later : ok);

type Path = {
  readonly name: string;
  readonly script: Script;
  readonly bounces?: (call: number) => ScriptedBounce;
  readonly notices?: Partial<Settings['notices']>;
  readonly more?: More;
  readonly lifetimeHours?: number;
  readonly ends: DeliveryState;
  /** Why there is no notice, or which way it went. */
  readonly notice: string;
  /** Answers to the sender: by SendBounce, and as reports. */
  readonly answers: readonly [bounces: number, reports: number];
  readonly copies?: number;
};

const paths: readonly Path[] = [
  { name: 'SendBounce', script: answering, ends: 'returned', notice: 'ses-bounce', answers: [1, 0] },
  {
    name: 'throttled: a report',
    script: answering,
    bounces: () => 'busy',
    ends: 'returned',
    notice: 'ses-report',
    answers: [0, 1],
  },
  {
    name: 'refused: a report',
    script: answering,
    bounces: () => 'refuse',
    ends: 'returned',
    notice: 'ses-report',
    answers: [0, 1],
  },
  {
    name: 'older than a day: a report',
    script: stalling,
    lifetimeHours: 30,
    ends: 'returned',
    notice: 'ses-report',
    answers: [0, 1],
  },
  {
    name: 'throttled, and an automatic answer: SendBounce later',
    script: answering,
    bounces: (call) => (call < 3 ? 'busy' : 'accept'),
    more: { autoSubmitted: 'auto-replied' },
    ends: 'returned',
    notice: 'ses-bounce',
    answers: [1, 0],
  },
  {
    name: 'an automatic answer, older than a day: none',
    script: stalling,
    lifetimeHours: 30,
    more: { autoSubmitted: 'auto-replied' },
    ends: 'unreturnable',
    notice: 'auto-replied',
    answers: [0, 0],
  },
  {
    name: "a result of SendBounce's that was lost",
    script: answering,
    bounces: (call) => (call === 1 ? { fault: 'timeout', accepted: true } : 'accept'),
    ends: 'returned',
    notice: 'ses-bounce',
    answers: [2, 0],
  },
  {
    name: 'with a copy for the postmaster',
    script: answering,
    notices: { copyPostmasterOn: ['5.1.*'] },
    ends: 'returned',
    notice: 'ses-bounce',
    answers: [1, 0],
    copies: 1,
  },
  {
    name: 'counted against its domain',
    script: answering,
    more: { gray: ['spf', 'dmarc'] },
    ends: 'returned',
    notice: 'ses-bounce',
    answers: [1, 0],
  },
  {
    name: 'over its domain limit',
    script: answering,
    notices: { perDomainPerHour: 0 },
    more: { gray: ['spf', 'dmarc'] },
    ends: 'unreturnable',
    notice: 'domain-limit',
    answers: [0, 0],
  },
];

async function run(path: Path, interrupt: Interrupt): Promise<TestPipeline> {
  const lifetimeMs = (path.lifetimeHours ?? 48) * 3_600_000;
  const settings: Settings = {
    ...pipelineSettings,
    retry: { ...pipelineSettings.retry, lifetimeMs },
    notices: { ...pipelineSettings.notices, via: null, ...path.notices },
  };
  const pipeline = new TestPipeline(path.script, interrupt, settings, {}, new MemoryBounceService(path.bounces));
  pipeline.receive('m1', ANN, ['bob@example.com'], undefined, [], path.more);
  await pipeline.live(24 * 7);
  return pipeline;
}

function requireAccounted(pipeline: TestPipeline, path: Path, lives: number): void {
  const rows = pipeline.ledger.all();
  const delivery = rows.find((row) => row.kind === 'delivery');
  expect(delivery?.state).toBe(path.ends);
  expect(findingsIn(pipeline, [{ forwardPath: 'bob@example.com', state: path.ends }])).toEqual([]);
  const { notice } = delivery ?? {};
  if (lives === 0) expect(path.ends === 'returned' ? notice?.via : notice?.reason).toBe(path.notice);
  for (const row of rows) {
    expect(isFinal(row.state), `${row.deliveryKey} is ${row.state}`).toBe(true);
    expect([row.leaseUntil, row.dueAt], row.deliveryKey).toEqual([null, null]);
  }
  const reports = pipeline.exchange.accepted.filter((each) => each.forwardPath.address === ANN);
  const copies = pipeline.exchange.accepted.filter((each) => each.forwardPath.address === POSTMASTER);
  const wanted = path.answers[0] + path.answers[1];
  const answers = pipeline.bounces.accepted.length + reports.length;
  expect(answers).toBeGreaterThanOrEqual(Math.min(wanted, 1));
  expect(answers, 'a second answer only where a result was lost').toBeLessThanOrEqual(
    wanted + (wanted > 0 ? lives : 0),
  );
  if (lives === 0) expect([pipeline.bounces.accepted.length, reports.length]).toEqual(path.answers);
  expect(copies.length).toBeGreaterThanOrEqual(path.copies ?? 0);
  expect(copies.length).toBeLessThanOrEqual((path.copies ?? 0) * (1 + lives));
  for (const report of reports) expect(judgeNotice(report.content)).toEqual([]);
  for (const bounce of pipeline.bounces.accepted)
    expect(bounce).toMatchObject({
      sesMessageId: 'm1',
      forwardPath: 'bob@example.com',
      action: 'failed',
      status: '5.1.1',
    });
}

describe.each(paths)('a notice by SES: $name', (path) => {
  it('ends well', async () => {
    requireAccounted(await run(path, new Interrupt()), path, 0);
  });

  it('ends well after a crash before or after any port call', async () => {
    const counting = new Interrupt();
    await run(path, counting);
    for (let k = 1; k <= counting.calls.length; k++) {
      for (const when of ['before', 'after'] as const) {
        const pipeline = await run(path, Interrupt.at(k, when));
        try {
          requireAccounted(pipeline, path, 1);
        } catch (error) {
          const where = `crash ${when} call ${k} (${counting.calls[k - 1]})`;
          throw new Error(`${where}: ${(error as Error).message}`, { cause: error });
        }
      }
    }
  });
});
