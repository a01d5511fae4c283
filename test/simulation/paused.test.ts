// A pause of three days, with purges in between: nothing is lost, nothing expires, each sender hears of the delay once,
// and after the resume every next hop takes every message, byte for byte. By the operator and by the configuration.

import { describe, expect, it } from 'vitest';
import type { Settings } from '#config/settings.ts';
import type { PauseMode } from '#core/delivery/pause.ts';
import { pause, resume } from '#pipeline/operate/pauses.ts';
import { purge } from '#pipeline/purge/purge.ts';
import { boardOf } from '../kit/board.ts';
import { TestPipeline } from '../kit/pipeline.ts';
import { ACCEPTED_AT } from './notification.ts';
import { CONTENT } from './submitted.ts';
import { deliveries, HOUR, settings as submitting } from './submitting.ts';

const MINUTE = 60_000;
const DAY = 24 * HOUR;
const { signal: NEVER } = new AbortController();
const ok = { code: 250, status: '2.0.0', text: 'Ok' };
const later = { code: 451, status: '4.3.0', text: 'later', at: 'rcpt' } as const;
/** Short enough that all of it, and the alarm for what never ends, would come within the three days. */
const base: Settings = {
  ...submitting,
  retry: { ...submitting.retry, lifetimeMs: 12 * HOUR, delayNoticeMs: 4 * HOUR },
  retentionMs: { ...submitting.retentionMs, spool: 13 * HOUR },
};
const OLD = { in: 'in-1', out: '01JD0000000000000000000001' };
const NEW = { in: 'in-2', out: '01JD0000000000000000000002' };
const toBob = { name: 'smart', to: 'bob@far.example' };
const toCarl = { name: 'exchange', to: 'carl@example.com' };

/** Both messages of each direction; the servers defer what comes in the first five minutes, or for longer. */
function world(given: Settings = base, deferredMs = 5 * MINUTE) {
  const start = ACCEPTED_AT + deferredMs;
  const script = (_to: unknown) => (pipeline.clock.now() < start ? later : ok);
  const pipeline: TestPipeline = new TestPipeline(
    (to) => (to.domainKey === 'example.com' && to.address !== 'ann@example.com' ? script(to) : ok),
    undefined,
    given,
    { smart: script },
  );
  const send = (which: typeof OLD) => {
    const acceptedAt = pipeline.clock.now();
    const [eve, carl] = [`eve-${which.in}@src.example`, [toCarl.to]];
    pipeline.receive(which.in, eve, carl, `Subject: ${which.in}\r\n\r\nHello\r\n`, [], { acceptedAt });
    pipeline.submit('exchange', which.out, { storedAt: acceptedAt });
  };
  const took = ({ name, to }: typeof toBob) =>
    (name === 'exchange' ? pipeline.exchange : pipeline.others.get('smart'))?.accepted
      .filter(({ forwardPath }) => forwardPath.address === to)
      .map(({ content }) => Buffer.from(content).toString('latin1')) ?? [];
  const told = (address: string) =>
    pipeline.exchange.accepted
      .filter(({ forwardPath }) => forwardPath.address === address)
      .map(({ content }) => /^Action: \w+/m.exec(Buffer.from(content).toString('latin1'))?.[0]);
  return { pipeline, send, took, told, ports: { board: pipeline.board, clock: pipeline.clock } };
}
type World = ReturnType<typeof world>;

/** Three days, with a purge each day. */
async function threeDays({ pipeline }: World, given: Settings): Promise<void> {
  for (let day = 0; day < 3; day++) {
    const until = pipeline.clock.now() + DAY;
    await pipeline.live(24);
    pipeline.clock.advanceTo(Math.max(until, pipeline.clock.now()));
    const ports = {
      settings: given,
      board: boardOf(pipeline, pipeline.board),
      ledger: pipeline.ledger,
      inventory: pipeline.spool,
      clock: pipeline.clock,
      watch: pipeline.watch,
    };
    await purge(ports, NEVER);
  }
}

async function pausedFor(mode: PauseMode, by: 'operator' | 'configuration') {
  const it = world();
  const { pipeline } = it;
  it.send(OLD);
  await pipeline.live(0.05);
  pipeline.clock.advance(10 * MINUTE);
  const paused = { ...base, transfer: { inbound: mode, outbound: mode } };
  if (by === 'configuration') pipeline.deploy(paused);
  else {
    await pause(it.ports, 'inbound', mode, 'ann');
    await pause(it.ports, 'outbound', mode, 'ann');
  }
  pipeline.clock.advance(10_000);
  await pipeline.live(0.05);
  pipeline.clock.advance(MINUTE);
  it.send(NEW);
  await threeDays(it, by === 'configuration' ? paused : base);
  const during = { bob: it.took(toBob).length, carl: it.took(toCarl).length };
  if (by === 'configuration') pipeline.deploy(base);
  else for (const scope of ['inbound', 'outbound']) await resume(it.ports, scope, 'ann');
  pipeline.clock.advance(10_000);
  await pipeline.live(3);
  return { ...it, during };
}

describe.each(['operator', 'configuration'] as const)('a pause of three days by the %s', (by) => {
  it.each(['hold', 'drain'] as const)('%s', async (mode) => {
    const { pipeline, took, told, during } = await pausedFor(mode, by);
    const older = mode === 'drain' ? 1 : 0; // deferred before it, and delivered in the drain alone
    expect(during).toEqual({ bob: older, carl: older });
    // Once each, byte for byte; what was accepted first goes first.
    const bodies = took(toCarl).map((content) => content.slice(content.lastIndexOf('Subject:')));
    expect(bodies).toEqual(['in-1', 'in-2'].map((id) => `Subject: ${id}\r\n\r\nHello\r\n`));
    expect(took(toBob).map((content) => content.endsWith(CONTENT))).toEqual([true, true]);
    expect(deliveries(pipeline).map(({ state }) => state)).toEqual(['relayed', 'relayed', 'relayed', 'relayed']);
    // Each sender hears of the delay once, and of nothing else.
    const delayed = ['Action: delayed'];
    expect(told('eve-in-1@src.example')).toEqual(older === 1 ? [] : delayed);
    expect(told('eve-in-2@src.example')).toEqual(delayed);
    expect(told('ann@example.com')).toEqual(older === 1 ? delayed : [...delayed, ...delayed]);
    const metrics = ['Expired', 'Held', 'NoEnd', 'LostJob', 'Poison', 'PossibleDuplicate'] as const;
    expect(metrics.map((metric) => [metric, pipeline.watch.total(metric)])).toEqual(metrics.map((name) => [name, 0]));
  });
});

describe('the delay notice', () => {
  const noticeIn = (pipeline: TestPipeline) =>
    pipeline.exchange.accepted
      .map(({ content }) => Buffer.from(content).toString('latin1'))
      .find((content) => content.includes('Action: delayed'));

  it('says until when it is tried, with what a pause added', async () => {
    const { pipeline, send, ports } = world(base, 9 * HOUR);
    const acceptedAt = pipeline.clock.now();
    send(OLD);
    await pipeline.live(0.05);
    await pause(ports, 'inbound', 'hold', 'ann');
    const from = pipeline.clock.now();
    await pipeline.live(1);
    await resume(ports, 'inbound', 'ann');
    const pausedMs = pipeline.clock.now() - from;
    await pipeline.live(4);
    const [, until = ''] = /^Will-Retry-Until: (.*)\r$/m.exec(noticeIn(pipeline) ?? '') ?? [];
    const second = (ms: number) => Math.floor(ms / 1_000);
    expect(second(Date.parse(until))).toBe(second(acceptedAt + base.retry.lifetimeMs + pausedMs));
  });

  it('is given of mail whose lifetime would have been over before it, and which a pause extended', async () => {
    const short: Settings = { ...base, retry: { ...base.retry, lifetimeMs: 3 * HOUR } };
    const { pipeline, send, ports, told } = world(short);
    await pause(ports, 'inbound', 'hold', 'ann');
    pipeline.clock.advance(10_000);
    send(OLD);
    await pipeline.live(3.5);
    expect(told('eve-in-1@src.example')).toEqual([]);
    await pipeline.live(20);
    expect(told('eve-in-1@src.example')).toEqual(['Action: delayed']);
    await resume(ports, 'inbound', 'ann');
    await pipeline.live(1);
    expect(pipeline.watch.total('Expired')).toBe(0);
    expect(told('eve-in-1@src.example')).toEqual(['Action: delayed']);
    expect(deliveries(pipeline).map(({ state }) => state)).toEqual(['relayed', 'relayed']);
  });

  it('gives no date while a pause keeps the mail: nobody knows it', async () => {
    const { pipeline, send, ports } = world();
    await pause(ports, 'inbound', 'hold', 'ann');
    pipeline.clock.advance(10_000);
    send(OLD);
    await pipeline.live(5);
    const notice = noticeIn(pipeline) ?? '';
    expect(notice).toContain('We keep trying. If it cannot be delivered, another notice will say so.');
    expect(notice).not.toContain('Will-Retry-Until');
  });
});
