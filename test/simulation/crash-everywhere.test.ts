// Crash everywhere: count the port calls of a path, then for each call k die before and after it, start again, and
// require that the message is accounted for. Exhaustive and deterministic; it stands before anything random.

import { describe, expect, it } from 'vitest';
import { Interrupt } from '#adapters/memory/interrupt.ts';
import type { Script } from '#adapters/memory/next-hop.ts';
import { type DeliveryState, isFinal, isSettled } from '#core/delivery/delivery.ts';
import { failureKey } from '#core/delivery/failure-limit.ts';
import { failureLimitRecipients } from '#core/limits.ts';
import { classify } from '#core/reply/classify.ts';
import { statusOf } from '#core/reply/status.ts';
import type { UnreadableCause } from '#pipeline/ports.ts';
import { findingsIn } from '../claim/pipeline-evidence.ts';
import { acceptedBefore } from '../kit/board.ts';
import { pipelineSettings, TestPipeline } from '../kit/pipeline.ts';

type Path = {
  readonly name: string;
  readonly script: Script;
  readonly reversePath: string;
  readonly recipients: readonly string[];
  readonly ends: Readonly<Record<string, DeliveryState>>;
  readonly notices: number;
  /** Its lifetime, where that is what ends it: short, so that every one of its calls can be tried. */
  readonly lifetimeHours?: number;
  readonly delayNoticeHours?: number;
  /** The limit of failures is reached: ten others were refused in these words. */
  readonly refusedBefore?: string;
  /** Its content cannot be opened, for this cause. */
  readonly spoil?: UnreadableCause;
  /** Its first attempt takes ten seconds. */
  readonly slow?: true;
  /** Crashes around reads alone are left out: what waits is looked at each minute. */
  readonly effectsAlone?: true;
};

const READS = new Set([
  ...['board.read', 'ledger.due', 'ledger.enqueued', 'ledger.bookmark', 'relayQueue.depth'],
  ...['ledger.read', 'waiting.look', 'waiting.heldCount', 'waiting.walk', 'waiting.heldWithoutInstant'],
]);

const ANN = 'ann@src.example';
const ok = { code: 250, status: '2.0.0', text: 'Ok' };
const noSuchUser = { code: 550, status: '5.1.1', text: 'no such user', at: 'rcpt' } as const;
/** It opens the whole next hop at once. */
const loginRefused = { code: 535, status: '5.7.8', text: 'who are you', at: 'auth' } as const;
const later = { code: 451, status: '4.3.0', text: 'later', at: 'rcpt' } as const;

const paths: readonly Path[] = [
  {
    name: 'relayed at once',
    script: () => ok,
    reversePath: ANN,
    recipients: ['bob@example.com'],
    ends: { 'bob@example.com': 'relayed' },
    notices: 0,
  },
  {
    name: 'deferred, then relayed',
    script: (_to, attempt) => (attempt < 3 ? later : ok),
    reversePath: ANN,
    recipients: ['bob@example.com'],
    ends: { 'bob@example.com': 'relayed' },
    notices: 0,
  },
  {
    name: 'refused, one NDR',
    script: (to) => (to.address === ANN ? ok : noSuchUser),
    reversePath: ANN,
    recipients: ['bob@example.com'],
    ends: { 'bob@example.com': 'returned' },
    notices: 1,
  },
  {
    name: 'expired, one NDR',
    lifetimeHours: 3,
    script: (to) => (to.address === ANN ? ok : later),
    reversePath: ANN,
    recipients: ['bob@example.com'],
    ends: { 'bob@example.com': 'returned' },
    notices: 1,
  },
  {
    name: 'deferred so long that its sender hears of it, then relayed',
    delayNoticeHours: 1,
    script: (to, attempt) => (to.address === ANN || attempt > 5 ? ok : later),
    reversePath: ANN,
    recipients: ['bob@example.com'],
    ends: { 'bob@example.com': 'relayed' },
    notices: 1,
  },
  {
    name: 'expired, one notice of the delay and one NDR',
    delayNoticeHours: 1,
    lifetimeHours: 3,
    script: (to) => (to.address === ANN ? ok : later),
    reversePath: ANN,
    recipients: ['bob@example.com'],
    ends: { 'bob@example.com': 'returned' },
    notices: 2,
  },
  {
    name: 'deferred, and the notice of the delay is refused',
    delayNoticeHours: 1,
    script: (to, attempt) => (to.address === ANN ? noSuchUser : attempt > 5 ? ok : later),
    reversePath: ANN,
    recipients: ['bob@example.com'],
    ends: { 'bob@example.com': 'relayed' },
    notices: 0,
  },
  {
    name: 'refused in strange words and held by the limit, one notice of the delay and one NDR',
    delayNoticeHours: 1,
    lifetimeHours: 3,
    refusedBefore: 'Nope',
    script: (to) => (to.address === ANN ? ok : { code: 550, status: '5.0.0', text: 'Nope', at: 'rcpt' }),
    reversePath: ANN,
    recipients: ['bob@example.com'],
    ends: { 'bob@example.com': 'returned' },
    notices: 2,
  },
  {
    name: 'content that cannot be opened, one NDR without it',
    lifetimeHours: 3,
    spoil: 'denied',
    script: () => ok,
    reversePath: ANN,
    recipients: ['bob@example.com'],
    ends: { 'bob@example.com': 'returned' },
    notices: 1,
  },
  {
    name: 'deferred, null reverse-path',
    delayNoticeHours: 1,
    script: (_to, attempt) => (attempt > 5 ? ok : later),
    reversePath: '',
    recipients: ['bob@example.com'],
    ends: { 'bob@example.com': 'relayed' },
    notices: 0,
  },
  {
    name: 'refused, null reverse-path',
    script: () => noSuchUser,
    reversePath: '',
    recipients: ['bob@example.com'],
    ends: { 'bob@example.com': 'unreturnable' },
    notices: 0,
  },
  {
    name: 'refused, and its NDR too',
    script: () => noSuchUser,
    reversePath: ANN,
    recipients: ['bob@example.com'],
    ends: { 'bob@example.com': 'held' },
    notices: 0,
  },
  {
    name: 'connection lost after the final dot',
    script: (_to, attempt) => (attempt === 1 ? { fault: 'connection-lost', at: 'final-dot', accepted: true } : ok),
    reversePath: ANN,
    recipients: ['bob@example.com'],
    ends: { 'bob@example.com': 'relayed' },
    notices: 0,
  },
  {
    name: 'slow before MAIL, and accepted in the slow lane',
    script: () => ok,
    slow: true,
    reversePath: ANN,
    recipients: ['bob@example.com'],
    ends: { 'bob@example.com': 'relayed' },
    notices: 0,
  },
  {
    name: 'its next hop is open for an hour, then relayed',
    script: (_to, attempt) => (attempt < 3 ? loginRefused : ok),
    reversePath: ANN,
    recipients: ['bob@example.com', 'eve@example.com'],
    ends: { 'bob@example.com': 'relayed', 'eve@example.com': 'relayed' },
    notices: 0,
    effectsAlone: true,
  },
  {
    name: 'its next hop is open until its lifetime ends, one NDR each',
    lifetimeHours: 2,
    script: (to) => (to.address === ANN ? ok : loginRefused),
    reversePath: ANN,
    recipients: ['bob@example.com', 'eve@example.com'],
    ends: { 'bob@example.com': 'returned', 'eve@example.com': 'returned' },
    notices: 2,
    effectsAlone: true,
  },
  {
    name: 'two recipients, one refused',
    script: (to) => (to.address === 'eve@example.com' ? noSuchUser : ok),
    reversePath: ANN,
    recipients: ['bob@example.com', 'eve@example.com'],
    ends: { 'bob@example.com': 'relayed', 'eve@example.com': 'returned' },
    notices: 1,
  },
];

async function run(path: Path, interrupt: Interrupt): Promise<TestPipeline> {
  const lifetimeMs = (path.lifetimeHours ?? 48) * 3_600_000;
  const delayNoticeMs = path.delayNoticeHours === undefined ? null : path.delayNoticeHours * 3_600_000;
  const settings = { ...pipelineSettings, retry: { ...pipelineSettings.retry, lifetimeMs, delayNoticeMs } };
  const pipeline = new TestPipeline(path.script, interrupt, settings);
  if (path.slow === true) beginSlowly(pipeline);
  if (path.refusedBefore !== undefined) await refusedBefore(pipeline, path.refusedBefore);
  pipeline.receive('m1', path.reversePath, path.recipients);
  if (path.spoil !== undefined) pipeline.spool.spoil('in/m1', path.spoil);
  await pipeline.live(24 * 7);
  return pipeline;
}

/** Its first attempt takes ten seconds before MAIL, and ends there where it may take no more. */
function beginSlowly(pipeline: TestPipeline): void {
  let attempts = 0;
  pipeline.served.set('exchange', {
    attempt: async (transaction, signal) => {
      attempts += 1;
      if (attempts === 1) pipeline.clock.advance(10_000);
      if (transaction.patience?.aborted === true)
        return [{ kind: 'network', phase: 'greeting', fault: 'aborted', detail: '', host: 'exchange.example.com' }];
      return pipeline.interrupt.wrap('nextHop', pipeline.exchange).attempt(transaction, signal);
    },
    close: async () => {},
  });
}

async function refusedBefore(pipeline: TestPipeline, text: string): Promise<void> {
  await acceptedBefore(pipeline);
  const reply = { code: 550, status: statusOf('5.0.0'), text, host: 'mail.example.com' };
  const outcome = classify({ kind: 'reply', phase: 'rcpt', reply, tls: true });
  if (outcome.kind !== 'failed') throw new Error('it is no failure');
  const at = pipeline.clock.now();
  const failures = Array.from({ length: failureLimitRecipients }, (_, i) => ({ address: `r${i}`, at }));
  const key = failureKey({ nextHop: 'exchange', address: 'bob@example.com' }, outcome);
  await pipeline.failures.store.writeFailureCount({ key, version: 0, failures });
}

/** The claim, for one message: see DESIGN. */
function requireAccounted(pipeline: TestPipeline, path: Path, lives: number): void {
  const deliveries = pipeline.ledger.all().filter((row) => row.kind === 'delivery');
  expect(Object.fromEntries(deliveries.map((row) => [row.forwardPath, row.state]))).toEqual(path.ends);
  const expected = Object.entries(path.ends).map(([forwardPath, state]) => ({ forwardPath, state }));
  expect(findingsIn(pipeline, expected)).toEqual([]);
  expect(
    [pipeline.relayQueue, pipeline.slowRelayQueue, pipeline.bounceQueue].flatMap((queue) => queue.deadLetters),
  ).toEqual([]);
  for (const row of pipeline.ledger.all()) {
    expect(isFinal(row.state) || row.state === 'held', `${row.deliveryKey} is ${row.state}`).toBe(true);
    expect(row.leaseUntil, 'no lease is left').toBeNull();
    expect(row.dueAt === null, 'the sweep is done with it, or counts it').toBe(isSettled(row));
    if (row.kind === 'delivery') expect(row.trace.length, 'every end has its events').toBeGreaterThan(1);
  }
  const notices = pipeline.exchange.accepted.filter((each) => each.forwardPath.address === ANN);
  expect(notices.length).toBeGreaterThanOrEqual(path.notices);
  expect(notices.length, 'a second copy only where a result was lost').toBeLessThanOrEqual(path.notices + lives);
  if (lives === 0) expect(pipeline.spool.openCount, 'content is always closed').toBe(0); // a dead process closes nothing
}

describe.each(paths)('$name', (path) => {
  it('ends well without a crash', async () => {
    const interrupt = new Interrupt();
    const pipeline = await run(path, interrupt);
    requireAccounted(pipeline, path, 0);
    expect(interrupt.calls.length).toBeGreaterThan(5);
    if (path.slow !== true) return;
    expect(pipeline.ledger.all()[0]).toMatchObject({ attempts: 1, possibleDuplicate: false });
    expect(interrupt.calls).toContain('slowRelayQueue.send');
  });

  it('ends well after a crash before or after any port call', async () => {
    const counting = new Interrupt();
    await run(path, counting);
    for (let k = 1; k <= counting.calls.length; k++) {
      if (path.effectsAlone === true && READS.has(counting.calls[k - 1] ?? '')) continue;
      for (const when of ['before', 'after'] as const) {
        const pipeline = await run(path, Interrupt.at(k, when));
        try {
          requireAccounted(pipeline, path, 1);
        } catch (error) {
          throw new Error(`crash ${when} call ${k} (${counting.calls[k - 1]}): ${(error as Error).message}`, {
            cause: error,
          });
        }
      }
    }
  });
});

describe('lost work', () => {
  it('is found by the sweep when a queue was emptied', async () => {
    const pipeline = new TestPipeline(() => ok);
    pipeline.receive('m1', ANN, ['bob@example.com']);
    const stop = new Interrupt();
    pipeline.interrupt = stop;
    await pipeline.work();
    expect(pipeline.ledger.all()[0]?.state).toBe('relayed');

    const other = new TestPipeline(() => ok, Interrupt.at(3, 'before')); // between the rows and their jobs
    other.receive('m2', ANN, ['bob@example.com']);
    await other.work();
    other.relayQueue.lose();
    other.notifications.length = 0;
    await other.live(24);
    expect(other.ledger.all()[0]?.state).toBe('relayed');
  });

  it('makes no second delivery when every notification comes twice', async () => {
    const pipeline = new TestPipeline(() => ok);
    pipeline.receive('m1', ANN, ['bob@example.com', 'carol@example.com']);
    pipeline.receive('m1', ANN, ['bob@example.com']);
    pipeline.receive('m1', ANN, ['dave@example.com']);
    await pipeline.live(24);
    expect(pipeline.exchange.accepted.map((each) => each.forwardPath.address).sort()).toEqual([
      'bob@example.com',
      'carol@example.com',
      'dave@example.com',
    ]);
  });
});

describe('poison', () => {
  it('is dead-lettered, and its sender hears of it at the lifetime', async () => {
    const pipeline = new TestPipeline((to) => {
      if (to.address !== ANN) throw new Error('this message crashes the function');
      return ok;
    });
    pipeline.receive('m1', ANN, ['bob@example.com']);
    await pipeline.live(24 * 7);
    const row = pipeline.ledger.all().find((each) => each.kind === 'delivery');
    expect(pipeline.relayQueue.deadLetters.length).toBeGreaterThan(0);
    expect(row?.state).toBe('returned');
    expect(row?.lastStatus).toBe('5.3.0');
    expect(row?.trace.map((event) => event.event)).toContain('POISON');
  });
});
