// What the next hop has, asked of the next hop: every recipient the whole message, byte for byte, however many there are and whatever came before the
// attempt that was accepted. The ledger is not asked.

import { describe, expect, it } from 'vitest';
import { Crash, Interrupt } from '#adapters/memory/interrupt.ts';
import type { Script } from '#adapters/memory/next-hop.ts';
import { lostJobAfterMs } from '#core/limits.ts';
import { namedRecipientsBody } from '#core/spool/named-recipients.ts';
import { hold, release, resubmit } from '#pipeline/operate/operate.ts';
import { settingsOf } from './routed.ts';
import { recipient, settings as submitting, townOf, ULID } from './submitting-town.ts';
import { Town, townSettings } from './town.ts';

const HOUR = 3_600_000;
const ANN = 'ann@src.example';
const BOB = 'bob@example.com';
const NEVER = new AbortController().signal;
const ok = { code: 250, status: '2.0.0', text: 'Ok' };

/** Every byte there is, bare line ends, a line of a dot, no line end at the end, and more than one chunk of the spool's. */
const BODY = Buffer.concat([
  Buffer.from('From: Ann <ann@src.example>\r\nSubject: all bytes\r\n\r\n.\r\n..\r\nbare\nends\r'),
  Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
  Buffer.alloc(150_000, 'x'),
  Buffer.from('the end'),
]);

function put(town: Town, spoolId = 'm1'): void {
  const returnPath = Buffer.from(`Return-Path: <${ANN}>\r\n`);
  town.spool.put(`in/${spoolId}`, Buffer.concat([returnPath, BODY]), town.clock.now());
}
function received(script: Script = () => ok, interrupt = new Interrupt(), settings = townSettings): Town {
  const town = new Town(script, interrupt, settings, { second: () => ok });
  town.receive('m1', ANN, [BOB]);
  put(town);
  return town;
}
const taken = (town: Town) => [...town.exchange.accepted, ...(town.others.get('second')?.accepted ?? [])];

/** Each copy is our own fields and then the message, whole. */
function expectWhole(town: Town, copies: number): void {
  const all = taken(town);
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
    const town = received(script);
    await town.live(24);
    expectWhole(town, copies);
  });

  it('is whole after our own death, before the next hop answered and after it', async () => {
    for (const when of ['before', 'after'] as const) {
      let deaths = 3;
      const hook = new Interrupt(({ port, method, when: now }) => {
        if (port === 'nextHop' && method === 'attempt' && now === when && deaths-- > 0)
          throw new Crash('at the next hop');
      });
      const town = received(() => ok, hook);
      await town.live(24);
      expectWhole(town, when === 'before' ? 1 : 2);
    }
  });

  it('is whole at the fallback, after a release, and when it is resubmitted', async () => {
    const later: Script = () => ({ code: 451, status: '4.3.0', text: 'later', at: 'rcpt' });
    const fallen = received(later, new Interrupt(), settingsOf({ fallback: true }));
    await fallen.live(24);
    expectWhole(fallen, 1);

    const town = received((_to, attempt) => (attempt === 1 ? { code: 451, text: 'later', at: 'rcpt' } : ok));
    await town.work();
    const { ledger, relayQueue, bounceQueue, feedbackQueue, clock, spool } = town;
    const ports = { ledger, relayQueue, bounceQueue, feedbackQueue, clock, spool, sweepAgainMs: lostJobAfterMs };
    const row = () => {
      const [found] = ledger.all();
      if (found === undefined) throw new Error('no delivery');
      return found;
    };
    await hold(ports, row());
    await release(ports, row(), 48 * HOUR);
    await town.live(24);
    expectWhole(town, 1);
    await resubmit(ports, row(), 48 * HOUR, NEVER);
    await town.live(24);
    expectWhole(town, 2);
  });
});

describe('recipients', () => {
  const many = (count: number) => Array.from({ length: count }, (_, index) => `u${index}@example.com`);
  const arrived = (town: Town) => town.exchange.accepted.map(({ forwardPath }) => forwardPath.address).sort();

  it.each([1, 2, 3, 4, 5, 10, 11, 49, 50])('%i of one receipt: each has it once', async (count) => {
    const town = new Town(() => ok);
    town.receive('m1', ANN, many(count));
    await town.live(24);
    expect(arrived(town)).toEqual(many(count).sort());
  });

  it('whose addresses are odd have it too, under their own', async () => {
    const odd = [
      'jürgen@example.com',
      '"two words"@example.com',
      'Upper@example.com',
      'upper@example.com',
      "o'x+tag@example.com",
    ];
    const town = new Town(() => ok);
    town.receive('m1', ANN, odd);
    await town.live(24);
    expect(arrived(town)).toEqual(odd.toSorted());
  });

  it.each([1, 4, 50])('%i of one envelope: each has it once', async (count) => {
    const far = many(count).map((address) => address.replace('example.com', 'far.example'));
    const town = townOf(() => ok, new Interrupt(), submitting);
    town.submit('exchange', ULID, { envelope: { forwardPaths: far.map((address) => recipient(address)) } });
    await town.live(24);
    expect(arrived(town)).toEqual(far.sort());
  });

  it.each([1, 4, 50])('%i whom an operator names for an orphan: each has it once', async (count) => {
    const town = new Town(() => ok);
    put(town, 'orphan');
    await town.lookForOrphans();
    town.clock.advance(HOUR);
    await town.lookForOrphans();
    town.notify(namedRecipientsBody({ spoolId: 'orphan', recipients: many(count), lifetimeMs: 48 * HOUR }));
    await town.live(24);
    expect(arrived(town)).toEqual(many(count).sort());
  });

  it.each([2, 4, 50])('%i of one receipt who are refused: the sender hears of each once', async (count) => {
    const town = new Town((to) => (to.address === ANN ? ok : { code: 550, status: '5.1.1', text: 'no', at: 'rcpt' }));
    town.receive('m1', ANN, many(count));
    await town.live(24);
    const told = town.exchange.accepted.flatMap(({ content, forwardPath }) => {
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
    const town = new Town(() => ok, new Interrupt(), settingsOf({ to }), { second: () => ok });
    town.receive('m1', ANN, many(5));
    await town.live(24);
    expect(arrived(town)).toEqual(many(5).sort());
    const second = town.others.get('second')?.accepted.map(({ forwardPath }) => forwardPath.address);
    expect(second?.sort()).toEqual(many(5).sort());
  });
});
