// What the next hop has, asked of the next hop: every recipient the whole message, byte for byte, however many there
// are and whatever came before the attempt that was accepted. The ledger is not asked.

import { describe, expect, it } from 'vitest';
import { Crash, Interrupt } from '#adapters/memory/interrupt.ts';
import type { Script } from '#adapters/memory/next-hop.ts';
import { lostJobAfterMs } from '#core/limits.ts';
import { namedRecipientsBody } from '#core/spool/named-recipients.ts';
import { hold, release, resubmit } from '#pipeline/operate/operate.ts';
import { pipelineSettings, TestPipeline } from '../kit/pipeline.ts';
import { settingsOf } from './routed.ts';
import { pipelineOf, recipient, settings as submitting, ULID } from './submitting.ts';

const HOUR = 3_600_000;
const ANN = 'ann@src.example';
const BOB = 'bob@example.com';
const NEVER = new AbortController().signal;
const ok = { code: 250, status: '2.0.0', text: 'Ok' };

/**
 * Every byte there is, bare line ends, a line of a dot, no line end at the end, and more than one chunk of the spool's.
 */
const BODY = Buffer.concat([
  Buffer.from('From: Ann <ann@src.example>\r\nSubject: all bytes\r\n\r\n.\r\n..\r\nbare\nends\r'),
  Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
  Buffer.alloc(150_000, 'x'),
  Buffer.from('the end'),
]);

function put(pipeline: TestPipeline, spoolId = 'm1'): void {
  const returnPath = Buffer.from(`Return-Path: <${ANN}>\r\n`);
  pipeline.spool.put(`in/${spoolId}`, Buffer.concat([returnPath, BODY]), pipeline.clock.now());
}
function received(script: Script = () => ok, interrupt = new Interrupt(), settings = pipelineSettings): TestPipeline {
  const pipeline = new TestPipeline(script, interrupt, settings, { second: () => ok });
  pipeline.receive('m1', ANN, [BOB]);
  put(pipeline);
  return pipeline;
}
const taken = (pipeline: TestPipeline) => [
  ...pipeline.exchange.accepted,
  ...(pipeline.others.get('second')?.accepted ?? []),
];

/** Each copy is our own fields and then the message, whole. */
function expectWhole(pipeline: TestPipeline, copies: number): void {
  const all = taken(pipeline);
  expect(all.map(({ forwardPath }) => forwardPath.address)).toEqual(Array(copies).fill(BOB));
  for (const { content, reversePath } of all) {
    const bytes = Buffer.from(content);
    expect(bytes.subarray(-BODY.length).equals(BODY), 'the message, byte for byte').toBe(true);
    expect(bytes.subarray(0, -BODY.length).toString()).toMatch(/^Received: [\s\S]*\r\nX-Everpost-Pass: [\s\S]*\r\n$/);
    expect(reversePath?.address).toBe(ANN);
  }
}

describe('the content', () => {
  const deferredAt = (at: 'rcpt' | 'final-dot'): Script => {
    return (_to, attempt) => (attempt < 4 ? { code: 451, status: '4.3.0', text: 'later', at } : ok);
  };
  it.each([
    ['at the first attempt', () => ok, 1],
    ['at the fourth, after three were put off before it', deferredAt('rcpt'), 1],
    ['at the fourth, after it was sent in vain three times', deferredAt('final-dot'), 1],
    [
      'twice, where the answer was lost',
      (_to, attempt) => (attempt === 1 ? { fault: 'connection-lost', at: 'final-dot', accepted: true } : ok),
      2,
    ],
  ] as [string, Script, number][])('is whole %s', async (_name, script, copies) => {
    const pipeline = received(script);
    await pipeline.live(24);
    expectWhole(pipeline, copies);
  });

  it('is whole after our own death, before the next hop answered and after it', async () => {
    for (const when of ['before', 'after'] as const) {
      let deaths = 3;
      const hook = new Interrupt(({ port, method, when: now }) => {
        if (port === 'nextHop' && method === 'attempt' && now === when && deaths-- > 0)
          throw new Crash('at the next hop');
      });
      const pipeline = received(() => ok, hook);
      await pipeline.live(24);
      expectWhole(pipeline, when === 'before' ? 1 : 2);
    }
  });

  it('is whole at the fallback, after a release, and when it is resubmitted', async () => {
    const later: Script = () => ({ code: 451, status: '4.3.0', text: 'later', at: 'rcpt' });
    const fallen = received(later, new Interrupt(), settingsOf({ fallback: true }));
    await fallen.live(24);
    expectWhole(fallen, 1);

    const pipeline = received((_to, attempt) => (attempt === 1 ? { code: 451, text: 'later', at: 'rcpt' } : ok));
    await pipeline.work();
    const { ledger, relayQueue, bounceQueue, feedbackQueue, clock, spool } = pipeline;
    const ports = { ledger, relayQueue, bounceQueue, feedbackQueue, clock, spool, sweepAgainMs: lostJobAfterMs };
    const row = () => {
      const [found] = ledger.all();
      if (found === undefined) throw new Error('no delivery');
      return found;
    };
    await hold(ports, row());
    await release(ports, row(), 48 * HOUR);
    await pipeline.live(24);
    expectWhole(pipeline, 1);
    await resubmit(ports, row(), 48 * HOUR, NEVER);
    await pipeline.live(24);
    expectWhole(pipeline, 2);
  });
});

describe('recipients', () => {
  const many = (count: number) => Array.from({ length: count }, (_, index) => `u${index}@example.com`);
  const arrived = (pipeline: TestPipeline) =>
    pipeline.exchange.accepted.map(({ forwardPath }) => forwardPath.address).sort();

  it.each([1, 2, 3, 4, 5, 10, 11, 49, 50])('%i of one receipt: each has it once', async (count) => {
    const pipeline = new TestPipeline(() => ok);
    pipeline.receive('m1', ANN, many(count));
    await pipeline.live(24);
    expect(arrived(pipeline)).toEqual(many(count).sort());
  });

  it('whose addresses are odd have it too, under their own', async () => {
    const odd = [
      'jürgen@example.com',
      '"two words"@example.com',
      'Upper@example.com',
      'upper@example.com',
      "o'x+tag@example.com",
    ];
    const pipeline = new TestPipeline(() => ok);
    pipeline.receive('m1', ANN, odd);
    await pipeline.live(24);
    expect(arrived(pipeline)).toEqual(odd.toSorted());
  });

  it.each([1, 4, 50])('%i of one envelope: each has it once', async (count) => {
    const far = many(count).map((address) => address.replace('example.com', 'far.example'));
    const pipeline = pipelineOf(() => ok, new Interrupt(), submitting);
    pipeline.submit('exchange', ULID, { envelope: { forwardPaths: far.map((address) => recipient(address)) } });
    await pipeline.live(24);
    expect(arrived(pipeline)).toEqual(far.sort());
  });

  it.each([1, 4, 50])('%i whom an operator names for an orphan: each has it once', async (count) => {
    const pipeline = new TestPipeline(() => ok);
    put(pipeline, 'orphan');
    await pipeline.lookForOrphans();
    pipeline.clock.advance(HOUR);
    await pipeline.lookForOrphans();
    pipeline.notify(namedRecipientsBody({ spoolId: 'orphan', recipients: many(count), lifetimeMs: 48 * HOUR }));
    await pipeline.live(24);
    expect(arrived(pipeline)).toEqual(many(count).sort());
  });

  it.each([2, 4, 50])('%i of one receipt who are refused: the sender hears of each once', async (count) => {
    const pipeline = new TestPipeline((to) =>
      to.address === ANN ? ok : { code: 550, status: '5.1.1', text: 'no', at: 'rcpt' },
    );
    pipeline.receive('m1', ANN, many(count));
    await pipeline.live(24);
    const told = pipeline.exchange.accepted.flatMap(({ content, forwardPath }) => {
      expect(forwardPath.address).toBe(ANN);
      return [
        ...Buffer.from(content)
          .toString()
          .matchAll(/^Final-Recipient: rfc822; ?(\S+)/gm),
      ].map(([, path]) => path);
    });
    expect(told.sort()).toEqual(many(count).sort());
  });

  it('of two routes’ actions and copies: each action takes it once', async () => {
    const to = [{ via: 'exchange' }, { via: 'second', copy: true }] as const;
    const pipeline = new TestPipeline(() => ok, new Interrupt(), settingsOf({ to }), { second: () => ok });
    pipeline.receive('m1', ANN, many(5));
    await pipeline.live(24);
    expect(arrived(pipeline)).toEqual(many(5).sort());
    const second = pipeline.others.get('second')?.accepted.map(({ forwardPath }) => forwardPath.address);
    expect(second?.sort()).toEqual(many(5).sort());
  });
});
