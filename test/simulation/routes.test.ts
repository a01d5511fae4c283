// Routes that do more than relay: copies, a fallback, refuse, discard, quarantine. For each, crash before and after
// every port call, start again, and require that each (forward-path, action) came to its one end, and nobody got what
// was not for them.

import { describe, expect, it } from 'vitest';
import { Interrupt } from '#adapters/memory/interrupt.ts';
import type { Script } from '#adapters/memory/next-hop.ts';
import type { NextHopSettings } from '#config/settings.ts';
import { type DeliveryState, isFinal, isSettled, type TraceEventName } from '#core/delivery/delivery.ts';
import { statusOf } from '#core/reply/status.ts';
import { findingsIn } from '../claim/pipeline-evidence.ts';
import { TestPipeline } from '../kit/pipeline.ts';
import type { Check } from './notification.ts';
import { type Routed, settingsOf } from './routed.ts';

const HOUR = 3_600_000;
const ANN = 'ann@src.example';
const BOB = 'bob@example.com';
const ok = { code: 250, status: '2.0.0', text: 'Ok' };
const no = { code: 550, status: '5.1.1', text: 'no such user', at: 'rcpt' } as const;
const later = { code: 451, status: '4.3.0', text: 'later', at: 'rcpt' } as const;
const takesNotices: (then: typeof no | typeof later) => Script = (then) => (to) => (to.address === ANN ? ok : then);

type Path = Routed & {
  readonly name: string;
  readonly exchange: Script;
  /** The next hop `second`: an archive, or the fallback. */
  readonly second?: Script;
  readonly reversePath?: string;
  readonly failed?: readonly Check[];
  /** action → state */
  readonly ends: readonly DeliveryState[];
  readonly notices: number;
  /** What `second` has in the end. */
  readonly atSecond: number;
  readonly events: readonly TraceEventName[];
};

const paths: readonly Path[] = [
  {
    name: 'a copy beside the delivery',
    exchange: () => ok,
    second: () => ok,
    to: [{ via: 'exchange' }, { via: 'second', copy: true, address: 'archive@example.net' }],
    ends: ['relayed', 'relayed'],
    notices: 0,
    atSecond: 1,
    events: ['SEND'],
  },
  {
    name: 'a copy that is refused is held, and never answers',
    exchange: () => ok,
    second: () => no,
    to: [{ via: 'exchange' }, { via: 'second', copy: true }],
    ends: ['relayed', 'held'],
    notices: 0,
    atSecond: 0,
    events: ['SEND', 'FAIL', 'HOLD'],
  },
  {
    name: 'a copy does not answer for the delivery either',
    exchange: takesNotices(no),
    second: () => ok,
    to: [{ via: 'exchange' }, { via: 'second', copy: true }],
    ends: ['returned', 'relayed'],
    notices: 1,
    atSecond: 1,
    events: ['FAIL', 'DSN', 'SEND'],
  },
  {
    name: 'a copy that expires is held',
    exchange: () => ok,
    second: () => later,
    to: [{ via: 'exchange' }, { via: 'second', copy: true }],
    fallback: true,
    ends: ['relayed', 'held'],
    notices: 0,
    atSecond: 0,
    events: ['EXPIRE', 'HOLD'],
  },
  {
    name: 'expired, and taken by the fallback',
    exchange: () => later,
    second: (_to, attempt) => (attempt < 3 ? later : ok),
    fallback: true,
    ends: ['relayed'],
    notices: 0,
    atSecond: 1,
    events: ['EXPIRE', 'REDIRECT', 'SEND'],
  },
  {
    name: 'expired twice: one NDR',
    exchange: takesNotices(later),
    second: () => later,
    fallback: true,
    ends: ['returned'],
    notices: 1,
    atSecond: 0,
    events: ['EXPIRE', 'REDIRECT', 'EXPIRE', 'DSN'],
  },
  {
    name: 'expired, then refused by the fallback: one NDR',
    exchange: takesNotices(later),
    second: () => no,
    fallback: true,
    ends: ['returned'],
    notices: 1,
    atSecond: 0,
    events: ['EXPIRE', 'REDIRECT', 'FAIL', 'DSN'],
  },
  {
    name: 'a refusal never falls back',
    exchange: takesNotices(no),
    second: () => ok,
    fallback: true,
    ends: ['returned'],
    notices: 1,
    atSecond: 0,
    events: ['FAIL', 'DSN'],
  },
  {
    name: 'refused by the route',
    exchange: () => ok,
    to: [{ via: 'gone' }],
    ends: ['returned'],
    notices: 1,
    atSecond: 0,
    events: ['FAIL', 'DSN'],
  },
  {
    name: 'refused by the route, with a copy',
    exchange: () => ok,
    second: () => ok,
    to: [{ via: 'gone' }, { via: 'second', copy: true }],
    ends: ['returned', 'relayed'],
    notices: 1,
    atSecond: 1,
    events: ['FAIL', 'DSN', 'SEND'],
  },
  {
    name: 'discarded by the route, with a copy',
    exchange: () => ok,
    second: () => ok,
    to: [{ via: 'sink' }, { via: 'second', copy: true }],
    ends: ['discarded', 'relayed'],
    notices: 0,
    atSecond: 1,
    events: ['DROP', 'SEND'],
  },
  {
    name: 'spam, discarded by the route before policy looks',
    exchange: () => ok,
    to: [{ via: 'sink' }],
    failed: ['spam'],
    ends: ['discarded'],
    notices: 0,
    atSecond: 0,
    events: ['DROP'],
  },
  {
    name: 'quarantined with its copy, and discarded when its time is over',
    exchange: () => ok,
    second: () => ok,
    to: [{ via: 'exchange' }, { via: 'second', copy: true }],
    failed: ['spam'],
    ends: ['discarded', 'discarded'],
    notices: 0,
    atSecond: 0,
    events: ['HOLD', 'DROP'],
  },
  {
    name: 'refused by policy: one NDR, and the copy is quarantined',
    exchange: () => ok,
    second: () => ok,
    to: [{ via: 'exchange' }, { via: 'second', copy: true }],
    failed: ['spam'],
    spam: 'refuse',
    ends: ['returned', 'discarded'],
    notices: 1,
    atSecond: 0,
    events: ['FAIL', 'DSN', 'HOLD', 'DROP'],
  },
  ...(
    [
      ['the null reverse-path', { reversePath: '', failed: ['spam'] }],
      ['a forged one', { failed: ['spam', 'spf', 'dmarc'] }],
      ['no path at all', { reversePath: 'nobody', failed: ['spam'] }],
    ] as const
  ).map(
    ([from, more]): Path => ({
      name: `refused by policy, and ${from}: no notice may go, so it is quarantined`,
      exchange: () => ok,
      spam: 'refuse',
      ends: ['discarded'],
      notices: 0,
      atSecond: 0,
      events: ['SUPPRESSED', 'HOLD', 'DROP'],
      ...more,
    }),
  ),
];

async function run(path: Path, interrupt: Interrupt): Promise<TestPipeline> {
  const pipeline = new TestPipeline(path.exchange, interrupt, settingsOf(path), { second: path.second ?? (() => ok) });
  pipeline.receive('m1', path.reversePath ?? ANN, [BOB], undefined, path.failed);
  await pipeline.live(24 * 40);
  return pipeline;
}

function deliveriesOf(pipeline: TestPipeline) {
  return pipeline.ledger
    .all()
    .filter((row) => row.kind === 'delivery')
    .sort((a, b) => a.action - b.action);
}

async function requireEnds(pipeline: TestPipeline, path: Path, lives: number): Promise<void> {
  const deliveries = deliveriesOf(pipeline);
  expect(deliveries.map((row) => row.state)).toEqual(path.ends);
  const actions = path.to ?? [{ via: 'exchange' }];
  const expected = actions.map(({ via, copy = false, address = BOB }, action) => {
    const hops = [via, ...(path.fallback === true && !copy ? ['second'] : [])];
    const ways = hops.map((nextHop) => ({ nextHop, address }));
    return { forwardPath: BOB, action, copy, ways, state: path.ends[action] ?? 'queued' };
  });
  expect(findingsIn(pipeline, expected)).toEqual([]);
  expect(pipeline.relayQueue.deadLetters.concat(pipeline.bounceQueue.deadLetters)).toEqual([]);
  for (const row of pipeline.ledger.all()) {
    expect(isFinal(row.state) || row.state === 'held', `${row.deliveryKey} is ${row.state}`).toBe(true);
    expect([row.leaseUntil, row.dueAt === null]).toEqual([null, isSettled(row)]);
  }
  const [record] = await pipeline.ledger.trace({ spoolId: 'm1', limit: 1 });
  const events = (record?.rows ?? []).flatMap((row) => row.trace.map((event) => event.event));
  for (const event of path.events) expect(events).toContain(event);
  if (!path.events.includes('REDIRECT')) expect(events).not.toContain('REDIRECT');
  const notices = pipeline.exchange.accepted.filter((each) => each.forwardPath.address === ANN).length;
  expect(notices).toBeGreaterThanOrEqual(path.notices);
  expect(notices).toBeLessThanOrEqual(path.notices + (path.notices === 0 ? 0 : lives));
  const atSecond = pipeline.others.get('second')?.accepted.length ?? 0;
  expect(atSecond).toBeGreaterThanOrEqual(path.atSecond);
  expect(atSecond, 'a second one only where a result was lost').toBeLessThanOrEqual(
    path.atSecond === 0 ? 0 : path.atSecond + lives,
  );
}

describe.each(paths)('$name', (path) => {
  it('ends well without a crash', async () => {
    const pipeline = await run(path, new Interrupt());
    await requireEnds(pipeline, path, 0);
  });

  it('ends well after a crash before or after any port call', async () => {
    const counting = new Interrupt();
    await run(path, counting);
    for (let k = 1; k <= counting.calls.length; k++) {
      for (const when of ['before', 'after'] as const) {
        const pipeline = await run(path, Interrupt.at(k, when));
        await requireEnds(pipeline, path, 1).catch((error: Error) => {
          throw new Error(`crash ${when} call ${k} (${counting.calls[k - 1]}): ${error.message}`, { cause: error });
        });
      }
    }
  });
});

it('the fallback gets a whole lifetime and the schedule from its start', async () => {
  const at: number[] = [];
  const pipeline: TestPipeline = new TestPipeline(() => later, new Interrupt(), settingsOf({ fallback: true }), {
    second: () => {
      at.push(pipeline.clock.now());
      return later;
    },
  });
  pipeline.receive('m1', '', [BOB]);
  await pipeline.live(24);
  const [first = 0, next = 0, last = 0] = [at[0], at[1], at.at(-1)];
  expect((next - first) / 60_000).toBeCloseTo(1, 0); // the schedule's first interval, not its last
  expect((last - first) / HOUR).toBeGreaterThan(1.5);
  expect(deliveriesOf(pipeline)[0]).toMatchObject({ state: 'unreturnable', nextHop: 'second', fallback: null });
});

it('content that cannot be opened does not fall back: another next hop would not open it either', async () => {
  const pipeline = new TestPipeline(() => ok, new Interrupt(), settingsOf({ fallback: true }), { second: () => ok });
  pipeline.receive('m1', ANN, [BOB]);
  pipeline.spool.lose('in/m1');
  await pipeline.live(24);
  expect(deliveriesOf(pipeline)[0]).toMatchObject({ state: 'returned', nextHop: 'exchange' });
  expect(pipeline.others.get('second')?.accepted).toEqual([]);
});

describe('a next hop that came to refuse or discard while mail waited for it', () => {
  it.each([
    ['discard', { kind: 'discard' }, 'discarded', 0],
    ['refuse', { kind: 'refuse', status: statusOf('5.1.6'), text: 'moved' }, 'returned', 1],
  ] as const)('%s', async (_name, becomes: NextHopSettings, state, notices) => {
    const settings = settingsOf({ to: [{ via: 'second' }] });
    const pipeline = new TestPipeline(() => ok, new Interrupt(), settings, { second: () => later });
    pipeline.receive('m1', ANN, [BOB]);
    await pipeline.work();
    expect(deliveriesOf(pipeline)[0]?.state).toBe('deferred');
    Object.assign(settings.nextHops, { second: becomes });
    await pipeline.live(24);
    expect(deliveriesOf(pipeline)[0]?.state).toBe(state);
    expect(pipeline.exchange.accepted).toHaveLength(notices);
  });
});
