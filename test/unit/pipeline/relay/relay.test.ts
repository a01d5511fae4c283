// One attempt, with what can come between its claim and its record: a reverse-path that nothing can carry, our own
// deadline, and somebody else who settles the row meanwhile. What the trace says then, what the metrics count, and what
// the next claim believes.

import { describe, expect, it } from 'vitest';
import { MemoryBounceService } from '#adapters/memory/bounce-service.ts';
import { MemoryClock, MemoryEntropy } from '#adapters/memory/clock.ts';
import { MemoryJobQueue } from '#adapters/memory/job-queue.ts';
import { MemoryLedger } from '#adapters/memory/ledger.ts';
import { MemoryNextHop, type Script } from '#adapters/memory/next-hop.ts';
import { MemorySpool } from '#adapters/memory/spool.ts';
import { MemoryWatch } from '#adapters/memory/watch.ts';
import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { heldByOperator } from '#core/delivery/hold-release.ts';
import { noticeKeyOf } from '#core/delivery/key.ts';
import { afterAttempt, failedAtBirth, newNotice } from '#core/delivery/progress.ts';
import {
  batchBytesMax,
  claimsMax,
  lostJobAfterMs,
  maxReceiveCount,
  relayVisibilityMs,
  smtpLeaseMs,
} from '#core/limits.ts';
import { statusOf } from '#core/reply/status.ts';
import type { NextHop } from '#pipeline/ports.ts';
import { byteBudget } from '#pipeline/relay/byte-budget.ts';
import { relay } from '#pipeline/relay/relay.ts';
import type { RelayPorts } from '#pipeline/relay/relay-ports.ts';
import { facts, queued } from '../../../contract/rows.ts';
import { relayBeside } from '../../../kit/board.ts';
import { pipelineSettings } from '../../../kit/pipeline.ts';

const NEVER = new AbortController().signal;
const ok = { code: 250, status: '2.0.0', text: 'Ok' } as const;
const no = { code: 550, status: '5.1.1', text: 'no such user', at: 'rcpt' } as const;

function at(script: Script, row: DeliveryRow) {
  const clock = new MemoryClock(row.nextAttemptAt);
  const ledger = new MemoryLedger();
  const spool = new MemorySpool();
  const watch = new MemoryWatch();
  const nextHop = new MemoryNextHop(script);
  const bounceQueue = new MemoryJobQueue({ clock, visibilityMs: relayVisibilityMs, maxReceiveCount });
  spool.put(row.message?.objectKey ?? '', Buffer.from('Subject: x\r\n\r\nHello\r\n'));
  const ports: RelayPorts = {
    settings: pipelineSettings,
    spool,
    ledger,
    ...relayBeside({ clock, watch }),
    bounceQueue,
    bounceService: new MemoryBounceService(),
    nextHop: () => nextHop,
    clock,
    entropy: new MemoryEntropy(1),
    watch,
    budget: byteBudget(batchBytesMax),
    markKey: 'key',
    leaseMs: smtpLeaseMs,
    sweepAgainMs: lostJobAfterMs,
  };
  const job = { version: 1, spoolId: row.spoolId, deliveryKey: row.deliveryKey } as const;
  const standing = async () => {
    const found = await ledger.read(row);
    if (found === null) throw new Error('the row is gone');
    return found;
  };
  return { ports, ledger, clock, watch, nextHop, job, standing };
}

const delivery = (spoolId: string, reversePath = 'ann@src.example') =>
  queued(spoolId, { nextHop: 'exchange', message: facts(spoolId, { reversePath }) });

describe('content for another host', () => {
  const bytesOf = async (chunks: AsyncIterable<Uint8Array> | null | undefined) => {
    const read: Uint8Array[] = [];
    for await (const chunk of chunks ?? []) read.push(Uint8Array.from(chunk));
    return Buffer.concat(read).toString('latin1');
  };

  it('is the same once more, and other hosts are named in the trace and the log', async () => {
    const row = delivery('m1');
    const { ports, ledger, watch, job, standing } = at(() => ok, row);
    await ledger.create([row], null);
    const read: string[] = [];
    const tried = ['a.example (greeting): 421 4.3.2 busy'];
    const hop: NextHop = {
      attempt: async ({ content, contentAgain }) => {
        read.push(await bytesOf(content), await bytesOf(await contentAgain?.()));
        return [
          {
            kind: 'reply',
            phase: 'final-dot',
            reply: { ...ok, status: statusOf('2.0.0'), host: 'b.example' },
            tls: false,
            tried,
          },
        ];
      },
      close: async () => {},
    };
    await relay({ ...ports, nextHop: () => hop }, job, NEVER);
    expect(read[0]).toMatch(/Hello\r\n$/);
    expect(read[1]).toBe(read[0]);
    const { state, trace } = await standing();
    expect(state).toBe('relayed');
    expect(trace.at(-1)).toMatchObject({ event: 'SEND', detail: `also tried: ${tried[0]}` });
    expect(watch.logged('relay.relayed')[0]).toMatchObject({ fields: { tried } });
  });

  it('that is gone by then ends the attempt as it was, and nothing is in doubt', async () => {
    const row = delivery('m1');
    const { ports, ledger, job, standing } = at(() => ok, row);
    await ledger.create([row], null);
    let again: unknown;
    const hop: NextHop = {
      attempt: async ({ contentAgain }) => {
        ports.spool.open = async () => Promise.reject(new Error('S3 is away'));
        again = await contentAgain?.();
        return [{ kind: 'network', phase: 'content', fault: 'connection-lost', detail: 'gone', host: 'a.example' }];
      },
      close: async () => {},
    };
    await relay({ ...ports, nextHop: () => hop }, job, NEVER);
    expect(again).toBeNull();
    expect(await standing()).toMatchObject({
      state: 'deferred',
      lastReason: 'connection-lost',
      possibleDuplicate: false,
    });
  });
});

describe('a reverse-path that does not parse', () => {
  it.each([
    ['ann@src_.example..', 'reverse-path-not-carried'],
    ['ann@src.example', null],
    ['', null],
  ])('%j: relayed all the same, and the trace says whether it could be carried', async (reversePath, reason) => {
    const row = delivery('m1', reversePath);
    const { ports, ledger, watch, nextHop, job, standing } = at(() => ok, row);
    await ledger.create([row], null);
    await relay(ports, job, NEVER);
    expect(nextHop.accepted).toHaveLength(1);
    expect((await standing()).trace.at(-1)).toMatchObject({ event: 'SEND', reason });
    expect(watch.logged('relay.reverse-path-not-carried')).toHaveLength(reason === null ? 0 : 1);
  });
});

describe('our own deadline, before anything was sent: a deferral of ours, and the next claim doubts nothing', () => {
  it.each([
    ['a message', (row: DeliveryRow) => row],
    [
      'a notice',
      (row: DeliveryRow) =>
        newNotice(
          row,
          {
            key: noticeKeyOf(row.deliveryKey, 'ndr'),
            to: 'ann@src.example',
            via: 'exchange',
            lifetimeMs: 1e9,
            sweepAgainMs: lostJobAfterMs,
          },
          row.nextAttemptAt,
        ),
    ],
  ])('%s', async (_name, made) => {
    const failed = failedAtBirth(delivery('m1'), statusOf('5.1.1'), 'no-route', 'there is no such recipient', 1);
    const row = made(delivery('m1'));
    const { ports, ledger, clock, watch, nextHop, standing } = at(() => ok, delivery('m1'));
    await ledger.create(row.kind === 'notice' ? [failed, row] : [row], null);
    const job = { version: 1, spoolId: row.spoolId, deliveryKey: row.deliveryKey } as const;
    await relay(ports, job, AbortSignal.abort(new Error('the function is about to run out of time')));
    const deferred = (await ledger.read(row)) ?? (await standing());
    expect(deferred).toMatchObject({ state: 'deferred', claims: 0, leaseUntil: null, possibleDuplicate: false });
    expect(deferred).toMatchObject({ lastReason: 'deadline', lastReply: null });
    expect(watch.total('ContentUnreadable')).toBe(0);

    clock.advanceTo(deferred.nextAttemptAt);
    await relay(ports, job, NEVER);
    expect(nextHop.accepted).toHaveLength(1);
    expect(Buffer.from(nextHop.accepted[0]?.content ?? []).toString()).not.toContain('Possible-Duplicate');
    expect(await ledger.read(row)).toMatchObject({ state: 'relayed', possibleDuplicate: false });
    expect(watch.total('PossibleDuplicate')).toBe(0);
  });

  it('while the content is being read: nothing was accepted, and it is not the content that is at fault', async () => {
    const row = delivery('m1');
    const deadline = new AbortController();
    const { ports, ledger, watch, job, standing } = at(() => {
      deadline.abort(new Error('the function is about to run out of time'));
      return ok;
    }, row);
    await ledger.create([row], null);
    const nextHop = ports.nextHop('exchange');
    if (nextHop === null) throw new Error('no next hop');
    // As the SMTP client does: content that throws is a result, and no final dot follows it.
    const attempt: typeof nextHop.attempt = (transaction, signal) =>
      nextHop.attempt(transaction, signal).catch(() => [{ kind: 'content', cause: 'unavailable', detail: 'aborted' }]);
    await relay({ ...ports, nextHop: () => ({ attempt, close: async () => {} }) }, job, deadline.signal);
    expect(await standing()).toMatchObject({ state: 'deferred', claims: 0, lastReason: 'deadline' });
    expect(watch.total('ContentUnreadable')).toBe(0);
  });

  it('anything else that the spool throws stays a bug: the claim stands', async () => {
    const row = delivery('m1');
    const { ports, ledger, job, standing } = at(() => ok, row);
    await ledger.create([row], null);
    const spool = { ...ports.spool, open: () => Promise.reject(new TypeError('a bug')) };
    await expect(relay({ ...ports, spool }, job, NEVER)).rejects.toThrow('a bug');
    expect(await standing()).toMatchObject({ state: 'queued', claims: 1 });
  });
});

describe('the row says what kind of next hop its attempt was at', () => {
  it.each([
    ['exchange', ok, 'smtp'],
    ['exchange', no, 'smtp'],
    ['ses', ok, 'ses'],
    ['gone', ok, undefined],
  ] as const)('%s', async (nextHop, answer, kind) => {
    const { ports, ledger, job, standing } = at(() => answer, delivery('m1'));
    const nextHops = { ...ports.settings.nextHops, ses: { kind: 'ses' } as const };
    await ledger.create([queued('m1', { nextHop, message: facts('m1') })], null);
    await relay({ ...ports, settings: { ...ports.settings, nextHops } }, job, NEVER);
    expect((await standing()).attemptedBy).toBe(kind);
  });
});

describe('a late outcome, on a row that somebody else has settled meanwhile', () => {
  const later = { kind: 'relayed', reply: { code: 250, status: null, text: 'Ok', host: 'other' } } as const;
  const terms = { attemptedBy: null, startedAt: 1, now: 2, nextAttemptAt: 3, sweepAgainMs: 4, openMs: 0 };

  it.each([
    ['relayed', ok, 'held', (row: DeliveryRow) => heldByOperator(row, row.nextAttemptAt)],
    ['failed', no, 'relayed', (row: DeliveryRow) => afterAttempt(row, later, terms)],
  ] as const)('%s: traced, and not counted as what it did not become', async (kind, reply, state, settle) => {
    const row = delivery('m1');
    const settling = async () => {
      const { row: next, events } = settle(await standing());
      await ledger.write(next, events);
    };
    const { ports, ledger, watch, job, standing, nextHop } = at(() => reply, row);
    await ledger.create([row], null);
    const attempt: typeof nextHop.attempt = async (transaction, signal) => {
      const results = await nextHop.attempt(transaction, signal);
      await settling();
      return results;
    };
    await relay({ ...ports, nextHop: () => ({ attempt, close: async () => {} }) }, job, NEVER);
    const ended = await standing();
    expect(ended).toMatchObject({ state, possibleDuplicate: true });
    expect(ended.trace.at(-1)).toMatchObject({ event: 'POSSIBLE_DUPLICATE', reason: `late-${kind}` });
    expect([watch.total('Relayed'), watch.total('Failed')]).toEqual([0, 0]);
    expect(watch.logged('relay.late-outcome')).toHaveLength(1);
  });

  it('and a route that refuses by now counts nothing either', async () => {
    const row = { ...delivery('m1'), nextHop: 'gone' };
    const { ports, ledger, watch, job, standing } = at(() => ok, row);
    await ledger.create([row], null);
    const write: typeof ledger.write = async (next, events) => {
      const current = await standing();
      if (current.state === 'queued') await ledger.write(heldByOperator(current, 1).row, []);
      return ledger.write(next, events);
    };
    const raced: RelayPorts['ledger'] = {
      claim: (ref, when) => ledger.claim(ref, when),
      read: (ref) => ledger.read(ref),
      message: (spoolId) => ledger.message(spoolId),
      write,
    } as RelayPorts['ledger'];
    const gone = { kind: 'refuse', status: statusOf('5.1.6'), text: 'moved' } as const;
    const settings = { ...pipelineSettings, nextHops: { ...pipelineSettings.nextHops, gone } };
    await relay({ ...ports, settings, ledger: raced }, job, NEVER);
    expect((await standing()).state).toBe('held');
    expect(watch.total('Failed')).toBe(0);
  });
});

describe('the claim that reaches the limit', () => {
  it('makes no attempt where somebody settled the row before POISON was written, and leaves that row as it is', async () => {
    const row = { ...delivery('poisoned'), claims: claimsMax - 1 };
    const { ports, ledger, nextHop, job, standing } = at(() => ok, row);
    await ledger.create([row], null);
    const write = ledger.write.bind(ledger);
    ledger.write = async (next, events) => {
      ledger.write = write;
      const current = await standing();
      await write({ ...current, state: 'confirmed', leaseUntil: null, dueAt: null }, []); // SES's event came just now
      return write(next, events);
    };
    expect(await relay(ports, job, NEVER)).toMatchObject({ became: 'claim-refused' });
    expect(nextHop.accepted).toEqual([]);
    expect(await standing()).toMatchObject({ state: 'confirmed', dueAt: null });
    expect((await standing()).trace.map(({ event }) => event)).not.toContain('POISON');
  });
});
