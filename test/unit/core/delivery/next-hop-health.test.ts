// What a next hop's health becomes, attempt by attempt.

import { describe, expect, it } from 'vitest';
import { MemoryEntropy } from '#adapters/memory/clock.ts';
import { type Attempted, sightOf } from '#core/delivery/attempt-sight.ts';
import {
  type Health,
  healthAfter,
  healthTerms,
  markedSlow,
  probeReturned,
  unknownHealth,
} from '#core/delivery/next-hop-health.ts';
import { classify } from '#core/reply/classify.ts';
import type { AttemptResult, Phase } from '#core/reply/reply.ts';
import type { Status } from '#core/reply/status.ts';

const T0 = 1_780_000_000_000;
const MINUTE = 60_000;
const terms = healthTerms(1);

const reply = (phase: Phase, code: number, status: string, text = 'words'): AttemptResult => ({
  ...{ kind: 'reply', phase, tls: true },
  reply: { code, status: status as Status, text, host: 'mx.example.com' },
});
const network = (phase: Phase, fault: 'refused' | 'timeout' | 'connection-lost' | 'aborted'): AttemptResult => ({
  ...{ kind: 'network', phase, fault, detail: '', host: 'mx.example.com' },
});
const accepted = reply('final-dot', 250, '2.0.0');
const refusedConnection = network('connect', 'refused');
const badLogin = reply('auth', 535, '5.7.8', 'authentication failed');

type Step = { readonly result: Attempted['result']; readonly tookMs?: number } & Partial<Attempted>;

/** The health after the steps, a second apart, and how many of them were written. */
function through(steps: readonly Step[], start: Health = unknownHealth('exchange'), secondsOn = 0) {
  let [health, writes, now] = [start, 0, T0 + secondsOn * 1_000];
  for (const { result, tookMs = 100, ...more } of steps) {
    now += 1_000;
    const attempted = { result, outcome: classify(result as AttemptResult), tookMs, endedAt: now };
    const sight = sightOf({ ...attempted, apart: false, probe: false, ...more });
    const next = sight === null ? null : healthAfter(health, sight, terms, now);
    if (next === null) continue;
    health = next;
    writes += 1;
  }
  return { health, writes, now };
}
const times = (count: number, step: Step): Step[] => Array.from({ length: count }, () => step);

describe('a healthy next hop', () => {
  it('is written once, at its first acceptance, and never again', () => {
    const { health, writes } = through(times(100, { result: accepted }));
    expect(health).toMatchObject({ state: 'healthy', firstAcceptedAt: T0 + 1_000 });
    expect(writes).toBe(1);
  });
  it('is not written for what is the recipient’s or the message’s fault, nor for our own end', () => {
    const known = { ...unknownHealth('exchange'), firstAcceptedAt: T0 };
    const steps = [
      { result: reply('rcpt', 550, '5.1.1', 'no such user') },
      { result: reply('final-dot', 554, '5.7.1', 'spam message rejected') },
      { result: network('final-dot', 'aborted'), tookMs: 700_000 },
    ];
    expect(through(steps, known).writes).toBe(0);
  });
});

describe('a next hop that takes nothing', () => {
  it('opens at the tenth failure in a row, and not at the ninth', () => {
    expect(through(times(9, { result: refusedConnection })).health.state).not.toBe('open');
    const { health, now } = through(times(10, { result: refusedConnection }));
    expect(health).toMatchObject({ state: 'open', waitsFor: 'next-hop', failingSince: T0 + 1_000 });
    expect(health.opened).toEqual({ at: now, probes: 0, nextProbeAt: now + MINUTE });
    expect(health.lastFailure).toMatchObject({ reason: 'connection-refused', at: now });
  });
  it.each([
    ['an acceptance', accepted],
    ['a refused recipient', reply('rcpt', 550, '5.1.1', 'no such user')],
  ])('begins to count anew after %s', (_name, between) => {
    const steps = [...times(9, { result: refusedConnection }), { result: between }];
    expect(through([...steps, ...times(9, { result: refusedConnection })]).health.state).not.toBe('open');
  });
  it.each([
    ['a greeting of 554', reply('greeting', 554, '5.7.1', 'no service')],
    ['421 to EHLO', reply('ehlo', 421, '4.3.2', 'closing')],
    ['silence', network('greeting', 'timeout')],
    ['silence after the final dot', network('final-dot', 'timeout')],
    ['a lost connection', network('mail', 'connection-lost')],
  ])('counts %s', (_name, result) => {
    expect(through(times(10, { result })).health.state).toBe('open');
  });
  it('is probed after 1, 2, 5 and 15 minutes, and then every 15', () => {
    let { health } = through(times(10, { result: refusedConnection }));
    const waits = [(health.opened?.nextProbeAt ?? 0) - health.since];
    for (let i = 0; i < 5; i++) {
      const out = { ...health, probe: { spoolId: 's', deliveryKey: 'k', until: T0 + MINUTE } };
      const next = through([{ result: refusedConnection, probe: true, apart: true }], out);
      expect(next.health.probe).toBeNull();
      waits.push((next.health.opened?.nextProbeAt ?? 0) - next.now);
      health = next.health;
    }
    expect(waits.map((wait) => wait / MINUTE)).toEqual([1, 2, 5, 15, 15, 15]);
  });
  it('is not put off by attempts that had begun before it opened', () => {
    const { health } = through(times(10, { result: refusedConnection }));
    expect(through(times(20, { result: refusedConnection }), health).writes).toBe(0);
  });
  it('recovers at the first answer to MAIL or after it', () => {
    const { health: open } = through(times(10, { result: refusedConnection }));
    const { health, now } = through([{ result: accepted, probe: true, apart: true }], open);
    expect(health).toMatchObject({ state: 'healthy', recoveredAt: now, failingSince: null, opened: null, streak: 0 });
    const busy = through([{ result: reply('rcpt', 450, '4.2.0', 'try again later') }], open).health;
    expect(busy).toMatchObject({ state: 'healthy', failingSince: T0 + 1_000 });
  });
});

describe('refused credentials', () => {
  it('open the next hop at once, and wait for the operator: 5, 15, 60 minutes, then every hour', () => {
    const first = through([{ result: badLogin, secretVersion: 'v1' }]);
    expect(first.health).toMatchObject({ state: 'open', waitsFor: 'operator' });
    expect(first.health.lastFailure).toMatchObject({ reason: 'login-refused', secretVersion: 'v1' });
    let { health } = first;
    const waits = [(health.opened?.nextProbeAt ?? 0) - first.now];
    for (let i = 0; i < 4; i++) {
      const next = through([{ result: badLogin, probe: true, apart: true }], health);
      waits.push((next.health.opened?.nextProbeAt ?? 0) - next.now);
      health = next.health;
    }
    expect(waits.map((wait) => wait / MINUTE)).toEqual([5, 15, 60, 60, 60]);
  });
  it('are no credentials refused where the server could not check them', () => {
    expect(through([{ result: reply('auth', 454, '4.7.0', 'try later') }]).health.state).not.toBe('open');
  });
});

it('another failure before MAIL is none of the secret', () => {
  const { health } = through(Array.from({ length: 10 }, () => ({ result: refusedConnection, secretVersion: 'v1' })));
  expect(health.state).toBe('open');
  expect(health.lastFailure).not.toHaveProperty('secretVersion');
});

describe('a slow next hop', () => {
  it('is one whose attempt took ten seconds or timed out', () => {
    expect(through([{ result: accepted, tookMs: 10_000 }]).health.state).toBe('slow');
    expect(through([{ result: accepted, tookMs: 9_999 }]).health.state).toBe('healthy');
    expect(through([{ result: network('connect', 'timeout'), tookMs: 5_000 }]).health.state).toBe('slow');
    expect(markedSlow(unknownHealth('a'), T0)).toMatchObject({ state: 'slow', since: T0 });
    expect(markedSlow({ ...unknownHealth('a'), state: 'open' }, T0)).toBeNull();
  });
  it('is healthy again after a quick answer in the slow lane, and not in the fast one', () => {
    const slow = { ...unknownHealth('exchange'), state: 'slow' as const };
    expect(through([{ result: accepted }], slow).health.state).toBe('slow');
    expect(through([{ result: accepted, apart: true, tookMs: 11_000 }], slow).health.state).toBe('slow');
    expect(through([{ result: accepted, apart: true }], slow).health.state).toBe('healthy');
  });
});

it('a probe that was not attempted lets the next one go, and no other does', () => {
  const probe = { spoolId: 's', deliveryKey: 'k', until: T0 };
  const health: Health = { ...unknownHealth('exchange'), state: 'open', probe };
  expect(probeReturned(health, { spoolId: 's', deliveryKey: 'other' })).toBeNull();
  expect(probeReturned(health, probe)?.probe).toBeNull();
});

describe('any sequence of attempts', () => {
  const drawn: readonly Attempted['result'][] = [
    accepted,
    reply('rcpt', 550, '5.1.1', 'no such user'),
    reply('rcpt', 450, '4.2.0', 'try again later'),
    reply('greeting', 421, '4.3.2', 'closing'),
    refusedConnection,
    network('final-dot', 'timeout'),
    network('greeting', 'aborted'),
    badLogin,
  ];

  function demandSane(before: Health, after: Health, now: number): void {
    expect(after.state === 'open').toBe(after.opened !== null);
    expect(after.state === 'open').toBe(after.waitsFor !== null);
    if (after.state !== 'open') expect(after).toMatchObject({ probe: null });
    if (after.state !== 'open') expect(after.streak).toBeLessThan(10);
    if (after.opened !== before.opened && after.opened !== null)
      expect(after.opened.nextProbeAt).toBeGreaterThanOrEqual(now + MINUTE);
    if (before.firstAcceptedAt !== null) expect(after.firstAcceptedAt).toBe(before.firstAcceptedAt);
    expect(after.since).toBeGreaterThanOrEqual(before.since);
  }

  it.each(Array.from({ length: 50 }, (_, i) => i + 1))(
    'is sane at each step, and an acceptance ends it: seed %i',
    (seed) => {
      const entropy = new MemoryEntropy(seed);
      const bias = entropy.fraction(); // from a next hop that takes all to one that takes nothing
      let health = unknownHealth('exchange');
      for (let i = 0; i < 100; i++) {
        const from = entropy.fraction() < bias ? 3 : 0;
        const result = drawn[from + Math.floor(entropy.fraction() * (drawn.length - from))] ?? accepted;
        const more = {
          tookMs: entropy.fraction() * 20_000,
          apart: entropy.fraction() < 0.5,
          probe: entropy.fraction() < 0.3,
        };
        const after = through([{ result, ...more }], health, i);
        demandSane(health, after.health, after.now);
        health = after.health;
      }
      const ended = through([{ result: accepted, apart: true, probe: true }], health, 100).health;
      expect(ended).toMatchObject({ state: 'healthy', failingSince: null, streak: 0, opened: null, probe: null });
    },
  );
});
