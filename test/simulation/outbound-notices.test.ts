// What submitters of mail are told, as they asked (RFC 3461), and a crash before and after every port call of each way
// that their mail can go.

import { describe, expect, it } from 'vitest';
import { Interrupt } from '#adapters/memory/interrupt.ts';
import type { Script } from '#adapters/memory/next-hop.ts';
import { isFinal, isSettled } from '#core/delivery/delivery.ts';
import type { UnreadableCause } from '#pipeline/ports.ts';
import { judgeNotice } from '#test/judges/rfc3464.ts';
import { TestPipeline } from '../kit/pipeline.ts';
import type { Submitted } from './submitted.ts';
import {
  ANN,
  BOB,
  deliveries,
  EML,
  ENVELOPE,
  endsOf,
  HOUR,
  lived,
  noSuchUser,
  noticesTo,
  ok,
  pipelineOf,
  recipient,
  settings,
  ULID,
} from './submitting.ts';

describe('notices, as they were asked for', () => {
  const asking = (notify: readonly string[] | null, more: object = {}): Submitted => ({
    envelope: { forwardPaths: [recipient(BOB, { notify })], ...more } as Submitted['envelope'],
  });

  it.each([
    ['NEVER', ['NEVER'], 'unreturnable notify-never', 0],
    ['SUCCESS alone', ['SUCCESS'], 'unreturnable notify-no-failure', 0],
    ['FAILURE', ['FAILURE'], 'returned', 1],
    ['nothing', null, 'returned', 1],
  ] as const)('a refusal, and %s', async (_, notify, end, notices) => {
    const pipeline = await lived(asking(notify), () => noSuchUser);
    expect(endsOf(pipeline)).toEqual({ [BOB]: end });
    expect(noticesTo(pipeline, ANN)).toHaveLength(notices);
  });

  it('a delay, and no DELAY', async () => {
    const given = { ...settings, retry: { ...settings.retry, delayNoticeMs: HOUR } };
    const later = { code: 451, status: '4.3.0', text: 'later', at: 'rcpt' } as const;
    const pipeline = await lived(asking(['FAILURE']), () => later, 'exchange', given);
    expect(noticesTo(pipeline, ANN)).toHaveLength(1);
    const told = await lived(asking(['FAILURE', 'DELAY']), () => later, 'exchange', given);
    expect(noticesTo(told, ANN)).toHaveLength(2);
  });

  it('a success, once, of headers alone, with what was asked for beside it', async () => {
    const pipeline = await lived(asking(['SUCCESS'], { envid: 'Q1', ret: 'FULL' }));
    expect(endsOf(pipeline)).toEqual({ [BOB]: 'relayed' });
    const [notice = '', another] = noticesTo(pipeline, ANN);
    expect(another).toBeUndefined();
    expect(judgeNotice(Buffer.from(notice, 'latin1'))).toEqual([]);
    expect(notice).toMatch(/Original-Envelope-Id: Q1[\s\S]*Action: relayed\r\nStatus: 2\.0\.0/);
    expect(notice).not.toContain('Hello');
    expect(deliveries(pipeline)[0]?.notice).toMatchObject({ kind: 'success', state: 'relayed', to: ANN });
  });

  it('a success under a null reverse-path, or of a next hop that reports itself, is told to nobody', async () => {
    const silent = await lived(asking(['SUCCESS'], { reversePath: '' }));
    expect(endsOf(silent)).toEqual({ [BOB]: 'relayed' });
    expect(deliveries(silent)[0]?.notice).toMatchObject({
      kind: 'success',
      state: 'unreturnable',
      reason: 'null-reverse-path',
    });
    const taken = await lived(asking(['SUCCESS']), () => ({ ...ok, dsnTaken: true }));
    expect(endsOf(taken)).toEqual({ [BOB]: 'relayed' });
    expect(noticesTo(taken, ANN)).toEqual([]);
    expect(deliveries(taken)[0]?.notice).toBeNull();
  });

  it("a success whose notice is refused changes nothing of the delivery's end, and holds nothing", async () => {
    const pipeline = new TestPipeline(
      (forwardPath) => (forwardPath.address === ANN ? noSuchUser : ok),
      new Interrupt(),
      settings,
    );
    pipeline.submit('exchange', ULID, asking(['SUCCESS']));
    await pipeline.live(24);
    expect(endsOf(pipeline)).toEqual({ [BOB]: 'relayed' });
    expect(pipeline.ledger.all().every((row) => row.dueAt === null && row.state !== 'held')).toBe(true);
  });

  it('of mail that an operator let go for a foreign sender none is sent to him', async () => {
    const pipeline = await lived({ envelope: { reversePath: 'eve@bank.example' } }, () => noSuchUser);
    const [held] = deliveries(pipeline);
    if (held === undefined) throw new Error('no delivery');
    await pipeline.ledger.write(
      {
        ...held,
        state: 'queued',
        nextAttemptAt: pipeline.clock.now(),
        dueAt: pipeline.clock.now(),
        expiresAt: pipeline.clock.now() + HOUR,
      },
      [],
    );
    await pipeline.live(24);
    expect(endsOf(pipeline)).toEqual({ [BOB]: 'unreturnable foreign-sender' });
    expect(pipeline.exchange.accepted).toEqual([]);
  });
});

describe('a crash before or after any port call', () => {
  type Way = {
    readonly name: string;
    readonly script: Script;
    readonly submitted: Submitted;
    readonly ends: object;
    readonly notices: number;
    readonly spoil?: readonly [string, UnreadableCause];
  };
  const ways: readonly Way[] = [
    { name: 'relayed', script: () => ok, submitted: { times: 2 }, ends: { [BOB]: 'relayed' }, notices: 0 },
    {
      name: 'two recipients, one refused',
      script: ({ address }) => (address === BOB ? noSuchUser : ok),
      submitted: { envelope: { forwardPaths: [recipient(BOB), recipient('eve@far.example')] } },
      ends: { [BOB]: 'returned', 'eve@far.example': 'relayed' },
      notices: 1,
    },
    {
      name: 'a success told',
      script: () => ok,
      submitted: { envelope: { forwardPaths: [recipient(BOB, { notify: ['SUCCESS'] })] } },
      ends: { [BOB]: 'relayed' },
      notices: 1,
    },
    {
      name: 'malformed',
      script: () => ok,
      submitted: { text: '{"reversePath":"ann@example.com"}' },
      ends: { unknown: 'returned' },
      notices: 1,
    },
    {
      name: 'held',
      script: () => ok,
      submitted: { envelope: { reversePath: 'e@bank.example' } },
      ends: { [BOB]: 'held foreign-sender' },
      notices: 0,
    },
    {
      name: 'unreadable content',
      script: () => ok,
      submitted: {},
      spoil: [EML, 'damaged'],
      ends: { [BOB]: 'returned' },
      notices: 1,
    },
    {
      name: 'unreadable envelope',
      script: () => ok,
      submitted: {},
      spoil: [ENVELOPE, 'denied'],
      ends: { unknown: 'held envelope-unreadable' },
      notices: 0,
    },
  ];

  async function run(way: Way, interrupt: Interrupt): Promise<TestPipeline> {
    const pipeline = pipelineOf(way.script, interrupt);
    pipeline.submit('exchange', ULID, way.submitted);
    if (way.spoil !== undefined) pipeline.spool.spoil(...way.spoil);
    await pipeline.live(24 * 7);
    return pipeline;
  }

  it.each(ways)('$name', async (way) => {
    const counting = new Interrupt();
    await run(way, counting);
    expect(counting.calls.length).toBeGreaterThan(3);
    for (let k = 0; k <= counting.calls.length; k++) {
      for (const when of ['before', 'after'] as const) {
        const pipeline = await run(way, k === 0 ? new Interrupt() : Interrupt.at(k, when));
        const place = `crash ${when} call ${k} (${counting.calls[k - 1]})`;
        expect(endsOf(pipeline), place).toEqual(way.ends);
        for (const row of pipeline.ledger.all()) {
          expect(isFinal(row.state) || row.state === 'held', `${place}: ${row.deliveryKey} is ${row.state}`).toBe(true);
          expect([row.leaseUntil, row.dueAt === null], place).toEqual([null, isSettled(row)]);
        }
        const notices = noticesTo(pipeline, ANN).length;
        expect(notices, place).toBeGreaterThanOrEqual(way.notices);
        expect(notices, place).toBeLessThanOrEqual(way.notices + (k === 0 ? 0 : 1));
        expect(pipeline.relayQueue.deadLetters.concat(pipeline.bounceQueue.deadLetters), place).toEqual([]);
      }
    }
  });
});
