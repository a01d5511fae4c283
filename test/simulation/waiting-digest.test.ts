// The digest of what waits, as the postmaster gets it: byte for byte as its fixture, with figures that equal the levels
// of the same instant. A day on which nothing waits has none, and neither has one on which a digest alone is held.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { Interrupt } from '#adapters/memory/interrupt.ts';
import type { Script } from '#adapters/memory/next-hop.ts';
import { WaitingRows } from '#adapters/memory/waiting-rows.ts';
import { MemoryWatch } from '#adapters/memory/watch.ts';
import { hold } from '#core/delivery/become.ts';
import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { heldByOperator } from '#core/delivery/hold-release.ts';
import { type Health, unknownHealth } from '#core/delivery/next-hop-health.ts';
import { neverPaused } from '#core/delivery/pause.ts';
import { expiryHourMs, lostJobAfterMs } from '#core/limits.ts';
import { statusOf } from '#core/reply/status.ts';
import { giveDigest } from '#pipeline/purge/digest-notice.ts';
import { publishLevels } from '#pipeline/sweep/levels.ts';
import { facts, queued } from '../contract/rows.ts';
import { boardOf } from '../kit/board.ts';
import { TestPipeline } from '../kit/pipeline.ts';
import { rightSes } from '../kit/right-ses.ts';
import { watchedQueues } from '../kit/watched-queues.ts';
import { settingsOf } from './routed.ts';

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const NEVER = new AbortController().signal;
const POSTMASTER = 'postmaster@example.com';
const FIXTURE = join(import.meta.dirname, '../fixtures/digest/all-that-waits.eml');
const ok = { code: 250, status: '2.0.0', text: 'Ok' };
const settings = settingsOf({});

/** A day on, at 05:00 UTC. `quarantined`: recipients of spam the day before. */
async function morning(script: Script = () => ok, quarantined: readonly string[] = []) {
  const pipeline = new TestPipeline(script, new Interrupt(), settings);
  const { clock, ledger, board, watch } = pipeline;
  const midnight = Math.ceil(clock.now() / DAY) * DAY;
  clock.advanceTo(midnight + HOUR);
  pipeline.receive('m1', 'ann@src.example', quarantined, undefined, ['spam']);
  await pipeline.work();
  clock.advanceTo(midnight + DAY + 5 * HOUR);
  const now = clock.now();
  const ports = {
    ...{ settings, ledger, clock, watch, waiting: new WaitingRows(ledger), relayQueue: pipeline.relayQueue },
    ...{ board: boardOf(pipeline, board), sweepAgainMs: lostJobAfterMs, hourMs: expiryHourMs },
  };
  const row = (spoolId: string, nextHop: string, acceptedAt: number, change: Partial<DeliveryRow> = {}) =>
    queued(spoolId, {
      ...{ message: facts(spoolId), nextHop, acceptedAt, nextAttemptAt: acceptedAt, dueAt: acceptedAt },
      ...{ expiresAt: acceptedAt + settings.retry.lifetimeMs, ...change },
    });
  const add = (...rows: readonly DeliveryRow[]) => ledger.create(rows, null);
  const health = (nextHop: string, change: Partial<Health>) =>
    board.writeHealth({ ...unknownHealth(nextHop), ...change });
  const pause = (scope: string, since: number) =>
    board.writePause({ ...neverPaused(scope), mode: 'hold', since, by: 'ann@admin' });
  /** The digests that arrived, byte for byte. */
  async function digests(): Promise<string[]> {
    await pipeline.work();
    return pipeline.exchange.accepted
      .filter(({ forwardPath }) => forwardPath.address === POSTMASTER)
      .map(({ content }) => Buffer.from(content).toString('latin1'));
  }
  async function levels() {
    const seen = new MemoryWatch();
    await publishLevels({ ...ports, watch: seen, queues: watchedQueues(pipeline), ...rightSes }, NEVER);
    return Object.fromEntries(seen.counted.map(({ metric, value }) => [metric, value]));
  }
  return { pipeline, ports, now, row, add, health, pause, digests, levels };
}

function textOf(mail: string): string {
  return mail
    .slice(mail.indexOf('\r\n\r\n') + 4)
    .replaceAll('=\r\n', '')
    .replace(/=([0-9A-F]{2})/g, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)));
}

const reply = (code: number, status: string, text: string) => ({ code, status: statusOf(status), text, host: null });
const timeout = { state: 'deferred', attempts: 1, lastReason: 'timeout' } as const;

function limited(row: DeliveryRow, now: number): DeliveryRow {
  const failed = { ...row, state: 'failed' as const, attempts: 1, lastReply: reply(550, '5.7.1', 'We know you not') };
  return hold(failed, 'notice-failed', 'failure-limit', { reason: 'failure-limit', now });
}

/** Something of everything. */
async function all() {
  const at = await morning(() => ok, ['bob@example.com']);
  const { now, row, add, health, pause } = at;
  await add(heldByOperator(row('o1', 'exchange', now - 9 * HOUR), now - 3 * HOUR).row);
  await add(heldByOperator(row('o2', 'exchange', now - 9 * HOUR), now - 2 * HOUR).row);
  await add(limited(row('f1', 'smart', now - 4 * HOUR), now - 4 * HOUR));
  await add(
    row('d1', 'mail', now - 2 * HOUR, { ...timeout, nextAttemptAt: now + MINUTE }),
    row('d2', 'mail', now - HOUR),
  );
  await add(row('g1', 'slow-one', now - 10 * MINUTE), row('t1', 'busy', now - MINUTE, timeout));
  const kept = ['01JD0000000000000000000001', '01JD0000000000000000000002'];
  await add(...kept.map((ulid, i) => row(`crm-${ulid}`, 'paused', now - HOUR - i * MINUTE, timeout)));
  await health('mail', {
    ...{ state: 'open', since: now - 80 * MINUTE, failingSince: now - 90 * MINUTE, waitsFor: 'next-hop' },
    opened: { at: now - 80 * MINUTE, probes: 4, nextProbeAt: now + MINUTE },
    lastFailure: {
      ...{ at: now - 5 * MINUTE, reason: 'connection-refused', reply: null, waitsFor: 'next-hop' },
      detail: 'mail.example.com refused the connection',
    },
  });
  await health('slow-one', { state: 'slow', since: now - 20 * MINUTE });
  const busy = { at: now - MINUTE, reason: 'later', detail: '', waitsFor: 'next-hop' as const };
  const hostile = 'busy\r\n   npx everpost remove --yes';
  await health('busy', { failingSince: now - MINUTE, lastFailure: { ...busy, reply: reply(451, '4.3.2', hostile) } });
  await health('paused', { failingSince: now - 5 * HOUR });
  await pause('outbound', now - 30 * HOUR);
  return at;
}

describe('the digest of what waits', () => {
  it('is this mail, byte for byte', async () => {
    const { ports, digests } = await all();
    expect(await giveDigest(ports)).toBe('queued');
    const [mail = '', ...more] = await digests();
    expect(more).toEqual([]);
    if (process.env.UPDATE === '1') writeFileSync(FIXTURE, mail, 'latin1');
    expect(mail).toBe(readFileSync(FIXTURE, 'latin1'));
  });

  it('has the figures of the levels', async () => {
    const { ports, now, digests, levels } = await all();
    await giveDigest(ports);
    const text = textOf((await digests())[0] ?? '');
    const found = (pattern: RegExp) => [...text.matchAll(pattern)].map(([, figure = '']) => figure);
    const since = (pattern: RegExp) => Math.max(...found(pattern).map((date) => now - Date.parse(date)));
    expect(await levels()).toMatchObject({
      // And a pause of more than a day, which the digest lists apart.
      WaitsForPerson: 1 + Number(found(/^WAITS FOR A PERSON: (\d+)/gm)[0]),
      NextHopDown: Math.floor(since(/: (?:takes nothing|puts mail off) since (.*)\r$/gm) / MINUTE),
      WaitingLong: Math.floor(since(/^ {3}\d+ deliver(?:y|ies) waits?, (?:the oldest )?accepted (.*)\r$/gm) / MINUTE),
      PausedHours: Math.floor(since(/\(hold\), since (.*), by/gm) / HOUR),
    });
    expect(await levels()).toMatchObject({
      ...{ WaitsForPerson: 4, NextHopDown: 90, WaitingLong: 120, PausedHours: 30 },
    });
  });

  it('costs one walk of the index, however much waits', async () => {
    const { pipeline, ports, now, row, add } = await all();
    await add(...Array.from({ length: 2_000 }, (_, i) => row(`n${i}`, 'mail', now - HOUR, timeout)));
    const calls = new Interrupt();
    const ledger = calls.wrap('ledger', pipeline.ledger);
    await giveDigest({ ...ports, ledger, waiting: calls.wrap('waiting', ports.waiting) });
    expect(calls.calls.filter((name) => name === 'waiting.walk')).toHaveLength(5); // a class each
    expect(calls.calls.length).toBeLessThan(11);
  });

  it('is not sent where nothing waits, or where mail was put off a moment ago', async () => {
    const { ports, now, row, add, digests } = await morning();
    await add(row('d1', 'exchange', now - 20 * MINUTE, { ...timeout, nextAttemptAt: now + HOUR, dueAt: now + HOUR }));
    expect(await giveDigest(ports)).toBe('nothing-to-tell');
    expect(await digests()).toEqual([]);
  });

  it('comes each day while something waits, and not for a digest that is held itself', async () => {
    const refused = { code: 550, status: '5.1.1', text: 'no such user', at: 'rcpt' } as const;
    const { pipeline, ports, now, row, add } = await morning((to) => (to.address === POSTMASTER ? refused : ok));
    const held = heldByOperator(row('o1', 'exchange', now - HOUR), now - HOUR).row;
    await add(held);
    expect(await giveDigest(ports)).toBe('queued');
    await pipeline.work();
    pipeline.clock.advance(DAY);
    expect(await giveDigest(ports)).toBe('queued');
    await pipeline.work();
    await pipeline.ledger.write({ ...held, state: 'removed', dueAt: null }, []);
    const digests = pipeline.ledger.all().filter(({ noticeKind }) => noticeKind === 'digest');
    expect(digests.map(({ state }) => state)).toEqual(['held', 'held']);
    pipeline.clock.advance(DAY);
    expect(await giveDigest(ports)).toBe('nothing-to-tell');
  });
});
