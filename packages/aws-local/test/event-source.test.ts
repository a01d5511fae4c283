// The event source mapping: what its answer means, and how it polls. The queue here is a few lines in memory.
// Each row of the first table decides whether mail is deleted (aws-contracts §4.2).

import { afterEach, describe, expect, it } from 'vitest';
import { type EventSourceOptions, failures, type SourceMessage, startEventSource } from '../src/lambda/event-source.ts';
import type { Invocation } from '../src/lambda/invocation.ts';
import type { LambdaHost } from '../src/lambda/lambda.ts';
import { bareWorld } from './bare-world.ts';

const ids = new Set(['a', 'b']);
const returned = (payload: string): Invocation => ({ kind: 'returned', payload });

describe('an answer with ReportBatchItemFailures', () => {
  it.each<[string, string, readonly string[] | 'all']>([
    ['an empty list', '{"batchItemFailures":[]}', []],
    ['a null list', '{"batchItemFailures":null}', []],
    ['an empty response', '{}', []],
    ['a null response', 'null', []],
    ['one failure', '{"batchItemFailures":[{"itemIdentifier":"b"}]}', ['b']],
    ['both failed', '{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"b"}]}', ['a', 'b']],
    [
      'a proxy response, whose list is not at the top',
      '{"statusCode":200,"body":"{\\"batchItemFailures\\":[{\\"itemIdentifier\\":\\"a\\"}]}"}',
      [],
    ],
    ['invalid JSON', '{"batchItemFailures":', 'all'],
    ['an empty identifier', '{"batchItemFailures":[{"itemIdentifier":""}]}', 'all'],
    ['a null identifier', '{"batchItemFailures":[{"itemIdentifier":null}]}', 'all'],
    ['a wrong key', '{"batchItemFailures":[{"messageId":"a"}]}', 'all'],
    ['an unknown identifier', '{"batchItemFailures":[{"itemIdentifier":"a"},{"itemIdentifier":"z"}]}', 'all'],
    ['a null item', '{"batchItemFailures":[null]}', 'all'],
    ['a list that is none', '{"batchItemFailures":"a"}', 'all'],
    ['text', '"done"', 'all'],
  ])('%s', (_, payload, expected) => {
    const failed = failures(returned(payload), ids, true);
    expect(failed === 'all' ? failed : [...failed]).toEqual(expected);
  });

  it('a function error or a throttle fails all', () => {
    expect(failures({ kind: 'error', payload: '{}', errorType: 'E', errorMessage: 'm' }, ids, true)).toBe('all');
    expect(failures({ kind: 'refused', reason: 'Rate Exceeded' }, ids, true)).toBe('all');
  });

  it('means nothing without the setting: returned is done', () => {
    expect(failures(returned('{"batchItemFailures":[{"itemIdentifier":"b"}]}'), ids, false)).toEqual(new Set());
  });
});

type Answer = (ids: readonly string[], event: { Records: Record<string, unknown>[] }) => Promise<Invocation>;
const running: { stop(): Promise<void> }[] = [];
afterEach(() => Promise.all(running.splice(0).map((it) => it.stop())));

function mapping(answer: Answer, settings: Partial<EventSourceOptions> = {}, queueName = 'q') {
  const world = bareWorld();
  const visible: SourceMessage[] = [];
  const removed: string[] = [];
  const batches: string[][] = [];
  let receives = 0;
  let wake = (): void => {};
  let together = 0;
  const seen = { togetherMax: 0 };
  const host = {
    seat: async () => ({
      async run(payload: string) {
        const event = JSON.parse(payload) as { Records: Record<string, unknown>[] };
        const batch = event.Records.map((it) => String(it.messageId));
        batches.push(batch);
        seen.togetherMax = Math.max(seen.togetherMax, ++together);
        try {
          return await answer(batch, event);
        } finally {
          together--;
        }
      },
      leave() {},
    }),
  } as unknown as LambdaHost;
  const start = (): void => {
    running.push(
      startEventSource({
        world,
        host,
        functionName: 'f',
        batchSize: 10,
        windowMs: 0,
        concurrencyMax: null,
        reportsItemFailures: true,
        queue: {
          arn: `arn:aws:sqs:eu-west-1:000000000000:${queueName}`,
          async receive(max) {
            receives++;
            return visible.splice(0, max);
          },
          async remove(handles) {
            expect(handles.length).toBeLessThanOrEqual(10);
            removed.push(...handles);
          },
          onVisible(callback) {
            wake = callback;
            return () => {
              wake = () => {};
            };
          },
        },
        ...settings,
      }),
    );
  };
  const send = (...messageIds: string[]): void => {
    for (const messageId of messageIds)
      visible.push({
        messageId,
        receiptHandle: `handle-${messageId}`,
        body: `body ${messageId}`,
        md5OfBody: 'md5',
        attributes: { ApproximateReceiveCount: '1' },
        messageAttributes: { kind: { DataType: 'String', StringValue: 's' } },
      });
    wake();
  };
  return { world, start, send, removed, batches, seen, receives: () => receives };
}
const done: Answer = async () => returned('{"batchItemFailures":[]}');

describe('the mapping', () => {
  it('hands over records as Lambda does, and deletes what is done', async () => {
    let record: unknown;
    const m = mapping(async (_, event) => {
      record = event.Records[0];
      return returned('{}');
    });
    m.start();
    m.send('a');
    await m.world.clock.idle();
    expect(record).toEqual({
      messageId: 'a',
      receiptHandle: 'handle-a',
      body: 'body a',
      attributes: { ApproximateReceiveCount: '1' },
      messageAttributes: { kind: { stringValue: 's', stringListValues: [], binaryListValues: [], dataType: 'String' } },
      md5OfBody: 'md5',
      eventSource: 'aws:sqs',
      eventSourceARN: 'arn:aws:sqs:eu-west-1:000000000000:q',
      awsRegion: 'eu-west-1',
    });
    expect(m.removed).toEqual(['handle-a']);
  });

  it('takes what waited before it started, in batches of ten', async () => {
    const m = mapping(done);
    m.send(...Array.from({ length: 25 }, (_, i) => `m${i}`));
    m.start();
    await m.world.clock.idle();
    expect(m.batches.map((it) => it.length)).toEqual([10, 10, 5]);
    expect(m.removed.length).toBe(25);
  });

  it('does not poll an empty queue', async () => {
    const m = mapping(done);
    m.start();
    await new Promise((resolve) => setTimeout(resolve, 200));
    expect(m.receives()).toBe(1);
  });

  it('keeps what the function reports as failed, and does not slow down', async () => {
    const m = mapping(async () => returned('{"batchItemFailures":[{"itemIdentifier":"b"}]}'));
    m.start();
    m.send('a', 'b', 'c');
    await m.world.clock.idle();
    expect(m.removed).toEqual(['handle-a', 'handle-c']);
  });

  it('backs off after function errors, and recovers', async () => {
    let fail = true;
    const m = mapping(async () =>
      fail ? { kind: 'error', payload: '', errorType: 'E', errorMessage: 'm' } : returned('{}'),
    );
    m.start();
    for (const id of ['a', 'b', 'c']) {
      m.send(id);
      await m.world.clock.idle();
    }
    expect(m.batches).toEqual([['a']]);
    fail = false;
    await m.world.clock.advance(1_000);
    expect(m.batches).toEqual([['a'], ['b', 'c']]);
    expect(m.removed).toEqual(['handle-b', 'handle-c']);
  });

  it('never runs more batches at once than its maximum concurrency', async () => {
    const m = mapping(
      async () => {
        await new Promise((resolve) => setTimeout(resolve, 10));
        return returned('{}');
      },
      { concurrencyMax: 2, batchSize: 1 },
    );
    m.start();
    m.send(...Array.from({ length: 9 }, (_, i) => `m${i}`));
    await m.world.clock.idle();
    expect(m.seen.togetherMax).toBe(2);
    expect(m.removed.length).toBe(9);
  });

  it('keeps its maximum beside another mapping of the same function, and its records name its own queue', async () => {
    const arns = new Map<string, number>();
    const running = new Map<string, number>();
    const most = new Map<string, number>();
    const answer: Answer = async (_, event) => {
      const arn = String(event.Records[0]?.eventSourceARN);
      running.set(arn, (running.get(arn) ?? 0) + 1);
      most.set(arn, Math.max(most.get(arn) ?? 0, running.get(arn) ?? 0));
      await new Promise((resolve) => setTimeout(resolve, 10));
      running.set(arn, (running.get(arn) ?? 0) - 1);
      for (const record of event.Records)
        arns.set(String(record.eventSourceARN), (arns.get(String(record.eventSourceARN)) ?? 0) + 1);
      return returned('{}');
    };
    const fast = mapping(answer, { concurrencyMax: 3, batchSize: 1 });
    const slow = mapping(answer, { concurrencyMax: 2, batchSize: 1 }, 'slow');
    for (const [m, jobs] of [
      [fast, 9],
      [slow, 8],
    ] as const) {
      m.start();
      m.send(...Array.from({ length: jobs }, (_, i) => `m${i}`));
    }
    await Promise.all([fast.world.clock.idle(), slow.world.clock.idle()]);
    const [fastArn, slowArn] = ['arn:aws:sqs:eu-west-1:000000000000:q', 'arn:aws:sqs:eu-west-1:000000000000:slow'];
    expect(Object.fromEntries(arns)).toEqual({ [fastArn]: 9, [slowArn]: 8 });
    expect(Object.fromEntries(most)).toEqual({ [fastArn]: 3, [slowArn]: 2 });
  });

  it('gathers within its window what arrives one by one, and ends it at a lull', async () => {
    const m = mapping(done, { windowMs: 5_000, batchSize: 100 });
    m.start();
    const began = performance.now();
    for (let i = 0; i < 4; i++) {
      m.send(`m${i}`);
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    await m.world.clock.idle();
    expect(m.batches.length).toBeLessThan(4);
    expect(m.removed.length).toBe(4);
    expect(performance.now() - began).toBeLessThan(2_000);
  });

  it('counts as work in progress until the last message is settled', async () => {
    const m = mapping(async () => {
      await new Promise((resolve) => setTimeout(resolve, 100));
      return returned('{}');
    });
    m.start();
    await m.world.clock.idle();
    m.send('a');
    await m.world.clock.advance(0);
    expect(m.removed).toEqual(['handle-a']);
  });
});
