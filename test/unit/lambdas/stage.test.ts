// The batch and its answer (aws-contracts §4.2): what is not named is deleted, so everything that was not accounted for
// is named. And what must not compile does not: an empty list by accident.

import { readdirSync, readFileSync } from 'node:fs';
import type { Context, SQSEvent } from 'aws-lambda';
import { afterEach, beforeEach, describe, expect, expectTypeOf, it, vi } from 'vitest';
import { MemoryWatch } from '#adapters/memory/watch.ts';
import { SystemClock, SystemTimer } from '#adapters/system-clock.ts';
import { keepAliveEvent } from '#core/delivery/keep-alive.ts';
import { type BatchAnswer, jobOf, stage, type Work, withKeepAlive } from '#lambdas/stage.ts';
import { type Finished, finished } from '#pipeline/finished.ts';

class Watch extends MemoryWatch {
  flushed = 0;
  begin(): void {}
  flush(): void {
    this.flushed += 1;
  }
}

function record(messageId: string, body: string, receives = 1) {
  return {
    messageId,
    body,
    receiptHandle: 'r',
    attributes: { ApproximateReceiveCount: String(receives) },
    messageAttributes: {},
    md5OfBody: '',
    eventSource: 'aws:sqs',
    eventSourceARN: 'arn',
    awsRegion: 'r',
  } as unknown as SQSEvent['Records'][number];
}

async function run(records: SQSEvent['Records'], work: Work, remainingMs = 10_000) {
  const watch = new Watch();
  const end = performance.now() + remainingMs;
  const handler = stage('relay', { watch, timeScale: 1 }, work);
  const context = {
    awsRequestId: 'a',
    getRemainingTimeInMillis: () => Math.max(0, end - performance.now()),
  } as unknown as Context;
  const answer = await handler({ Records: records }, context);
  return { failed: answer.batchItemFailures.map((each) => each.itemIdentifier), watch };
}

/** A batch of one record that holds the function, and what the queue has behind it. */
async function held(behind: SQSEvent['Records'], work: Work, given: { readonly fails?: Error } = {}) {
  const watch = new Watch();
  const removed: string[] = [];
  const queue = {
    receive: async (max: number) => {
      if (given.fails !== undefined) throw given.fails;
      return behind.splice(0, max);
    },
    remove: async ({ messageId }: { readonly messageId: string }) => void removed.push(messageId),
  };
  const environment = {
    ...{ watch, timeScale: 1 },
    held: {
      ...{ clock: new SystemClock(), timer: new SystemTimer(), queueOf: () => queue },
      ...{ places: 2, underWayMax: 4, heldAfterMs: 20, askAgainMs: 10, leastMs: 1_000, flushEveryMs: 50 },
    },
  };
  const holds: Work = async (each, signal) => {
    if (each.messageId !== 'holds') return work(each, signal);
    await new Promise((resolve) => setTimeout(resolve, 300));
    return finished('deferred');
  };
  const context = { awsRequestId: 'a', getRemainingTimeInMillis: () => 10_000 } as unknown as Context;
  const answer = await stage('relay', environment, holds)({ Records: [record('holds', '')] }, context);
  return { answer, removed, watch, behind };
}

describe('a function that is held', () => {
  const both = [record('good', ''), record('bad', 'bad')];
  const failsBad: Work = async ({ body }) => {
    if (body === 'bad') throw new Error('no');
    return finished('relayed');
  };
  it('deletes what it took and has done, leaves what failed in the queue, and answers for its batch alone', async () => {
    const { answer, removed, watch } = await held([...both], failsBad);
    expect(removed).toEqual(['good']);
    expect(answer.batchItemFailures).toEqual([]);
    expect(watch.logged('relay.failed')).toHaveLength(1);
  });
  it('works on a record that may have ended a function when nothing else is under way', async () => {
    const order: string[] = [];
    const behind = [record('again', '', 2), record('first', '')];
    const { removed } = await held(behind, async ({ messageId }) => {
      order.push(messageId);
      return finished('relayed');
    });
    expect(order).toEqual(['first', 'again']);
    expect(removed).toEqual(['first', 'again']);
  });
  it('has its metrics leave while it goes on', async () => {
    expect((await held([...both], failsBad)).watch.flushed).toBeGreaterThan(2);
  });
  it('asks a queue that fails three times, and ends as ever', async () => {
    const { answer, watch } = await held([], failsBad, { fails: new Error('no') });
    expect(answer.batchItemFailures).toEqual([]);
    expect(watch.logged('relay.not-received')).toHaveLength(3);
  });
});

describe('a batch', () => {
  it('names nobody when all are accounted for', async () => {
    expect((await run([record('a', '1'), record('b', '2')], async () => finished('relayed'))).failed).toEqual([]);
  });
  it.each([
    [1, 0],
    [4, 0],
    [5, 1],
    [24, 1],
  ])('calls a person where a job fails at its receive %i: %i times', async (receives, times) => {
    const fails: Work = async () => Promise.reject(new Error('no'));
    expect((await run([record('a', 'bad', receives)], fails)).watch.total('JobFailing')).toBe(times);
    const hangs: Work = () => new Promise(() => {});
    expect((await run([record('a', 'bad', receives)], hangs, 80)).watch.total('JobFailing')).toBe(times);
    const works: Work = async () => finished('relayed');
    expect((await run([record('a', 'good', receives)], works)).watch.total('JobFailing')).toBe(0);
  });
  it('names exactly those that threw, by SQS message id', async () => {
    const { failed, watch } = await run(
      [record('a', 'bad'), record('b', 'good'), record('c', 'bad')],
      async ({ body }) => {
        if (body === 'bad') throw new Error('no');
        return finished('relayed');
      },
    );
    expect(failed).toEqual(['a', 'c']);
    expect(watch.logged('relay.failed')).toHaveLength(2);
    expect(watch.flushed).toBe(1);
  });
  it('is never answered without the list of what failed: SQS would delete all of it', async () => {
    const works: readonly Work[] = [
      async () => finished('relayed'),
      async () => Promise.reject(new Error('no')),
      async () => Promise.reject(undefined),
      () => {
        throw new Error('before the first await');
      },
      () => new Promise(() => {}),
    ];
    const context = { awsRequestId: 'a', getRemainingTimeInMillis: () => 60 } as unknown as Context;
    for (const work of works)
      for (const count of [0, 1, 10]) {
        const Records = Array.from({ length: count }, (_, n) => record(`m${n}`, '{}'));
        const answer = await stage('relay', { watch: new Watch(), timeScale: 1 }, work)({ Records }, context);
        const named = answer.batchItemFailures.map(({ itemIdentifier }) => itemIdentifier);
        expect(named).toEqual(work === works[0] ? [] : Records.map(({ messageId }) => messageId));
      }
  });
  it('has no other way to its answer: every function that takes from a queue is made by stage()', () => {
    const lambdas = readdirSync('lambdas').map((file) => [file, readFileSync(`lambdas/${file}`, 'utf8')] as const);
    const made = lambdas.filter(([, text]) => /^export const handler = (?:withKeepAlive\(\s*)?stage\(/m.test(text));
    expect(made.map(([file]) => file)).toEqual(['feedback.ts', 'ingest.ts', 'relay.ts']);
    const answers = lambdas.filter(([, text]) => /\bbatchItemFailures\b|\bSQSHandler\b/.test(text));
    expect(answers.map(([file]) => file)).toEqual(['stage.ts']);
  });
  it('throws nothing when every one threw: a full failure is no error of the function', async () => {
    expect((await run([record('a', '')], () => Promise.reject(new Error('no')))).failed).toEqual(['a']);
  });
  it('names what has not ended when time is over, and says so to the work before', async () => {
    let aborted = false;
    const { failed, watch } = await run(
      [record('quick', ''), record('stuck', '')],
      ({ messageId }, signal) => {
        if (messageId === 'quick') return Promise.resolve(finished('relayed'));
        signal.addEventListener('abort', () => {
          aborted = true;
        });
        return new Promise<Finished>(() => {});
      },
      400,
    );
    expect(failed).toEqual(['stuck']);
    expect(aborted).toBe(true);
    expect(watch.logged('relay.deadline')).toHaveLength(1);
  });
  it('runs records that were received before last and alone', async () => {
    const order: string[] = [];
    let under = 0;
    await run(
      [record('again1', '', 2), record('first1', ''), record('again2', '', 3), record('first2', '')],
      async ({ messageId }) => {
        under += 1;
        if (messageId.startsWith('again')) expect(under).toBe(1);
        await new Promise((resolve) => setTimeout(resolve, 5));
        under -= 1;
        order.push(messageId);
        return finished('relayed');
      },
    );
    expect(order.slice(2)).toEqual(['again1', 'again2']);
  });
  it('runs jobs whose attempts never ended last and alone, the least suspect first', async () => {
    const order: string[] = [];
    await run(
      [record('killer', '{"claims":2}'), record('neighbour', '{"claims":1}'), record('fresh', '{}')],
      async ({ messageId }) => {
        order.push(messageId);
        return finished('relayed');
      },
    );
    expect(order).toEqual(['fresh', 'neighbour', 'killer']);
  });
  it('does not type-check with an answer made by hand, or with work that forgets its end', () => {
    expectTypeOf<{ batchItemFailures: [] }>().not.toExtend<BatchAnswer>();
    expectTypeOf<() => Promise<void>>().not.toExtend<Work>();
    expectTypeOf<() => Promise<{ became: string }>>().not.toExtend<Work>();
  });
});

describe('the deadline', () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });
  /** When the work was told, and when the answer left, in milliseconds after the beginning. */
  async function times(remainingMs: number, timeScale: number) {
    const began = Date.now();
    let told = 0;
    const work: Work = (_record, signal) => {
      signal.addEventListener('abort', () => {
        told = Date.now() - began;
      });
      return new Promise<Finished>(() => {});
    };
    const handler = stage('relay', { watch: new Watch(), timeScale }, work);
    const context = { awsRequestId: 'a', getRemainingTimeInMillis: () => remainingMs } as unknown as Context;
    const answer = handler({ Records: [record('a', '')] }, context);
    await vi.advanceTimersByTimeAsync(remainingMs);
    expect((await answer).batchItemFailures).toEqual([{ itemIdentifier: 'a' }]);
    return told;
  }
  it.each([
    [720_000, 1, 710_000], // relay's: ten seconds to record an outcome
    [60_000, 1, 50_000],
    [20_000, 1, 15_000], // of a short time a quarter
    [72_000, 10, 71_000], // in the local runtime all is shorter alike
  ])('with %i ms at scale %i is told at %i', async (remainingMs, timeScale, at) => {
    expect(await times(remainingMs, timeScale)).toBe(at);
  });
  it('leaves no timer behind where the work is done before: a frozen function would wake up to it', async () => {
    const handler = stage('relay', { watch: new Watch(), timeScale: 1 }, async () => finished('relayed'));
    const context = { awsRequestId: 'a', getRemainingTimeInMillis: () => 60_000 } as unknown as Context;
    await handler({ Records: [record('a', '')] }, context);
    expect(vi.getTimerCount()).toBe(0);
  });
});

it('what ends with the invocation has ended before its answer, a failure or not', async () => {
  const order: string[] = [];
  const ended = async () => {
    await new Promise((resolve) => setTimeout(resolve, 10));
    order.push('ended');
  };
  const handler = stage('relay', { watch: new Watch(), timeScale: 1, ended }, async ({ body }) => {
    if (body === 'bad') throw new Error('no');
    order.push('work');
    return finished('relayed');
  });
  const context = { awsRequestId: 'a', getRemainingTimeInMillis: () => 60_000 } as unknown as Context;
  const answer = await handler({ Records: [record('a', 'good'), record('b', 'bad')] }, context);
  expect(answer.batchItemFailures).toEqual([{ itemIdentifier: 'b' }]);
  expect(order).toEqual(['work', 'ended']);
});

it('an event that is none: the function fails, says so, and sends its metrics', async () => {
  const watch = new Watch();
  const handler = stage('relay', { watch, timeScale: 1 }, async () => finished('relayed'));
  const context = { awsRequestId: 'a', getRemainingTimeInMillis: () => 60_000 } as unknown as Context;
  await expect(handler({} as SQSEvent, context)).rejects.toThrow();
  expect(watch.logged('relay.crashed')).toHaveLength(1);
  expect(watch.flushed).toBe(1);
});

describe('the hourly call of a function', () => {
  const watch = new Watch();
  let ready = 0;
  let looks = 0;
  let broken: Error | null = null;
  const worked: string[] = [];
  const environment = {
    watch,
    timeScale: 1,
    ready: async () => {
      ready += 1;
    },
  };
  const handler = withKeepAlive(
    stage('relay', environment, async ({ messageId }) => {
      worked.push(messageId);
      if (messageId === 'bad') throw new Error('no');
      return finished('relayed');
    }),
    {
      watch,
      look: async () => {
        looks += 1;
        watch.level('ClientCertificateDays', 9);
        if (broken !== null) throw broken;
      },
    },
  );
  const context = { awsRequestId: 'a', getRemainingTimeInMillis: () => 60_000 } as unknown as Context;

  it('has its look, whose metrics leave, and every other event is work', async () => {
    expect(await handler(keepAliveEvent, context)).toEqual(keepAliveEvent);
    expect([ready, worked, watch.flushed, watch.entries]).toEqual([0, [], 1, []]);
    expect(watch.counted).toMatchObject([{ metric: 'ClientCertificateDays', value: 9 }]);
    broken = new Error('not read');
    await expect(handler(keepAliveEvent, context)).rejects.toThrow('not read');
    expect([watch.flushed, looks]).toEqual([2, 2]);
    const batch = { Records: [record('good', '{}'), record('bad', '{}')] };
    expect(await handler(batch, context)).toEqual({ batchItemFailures: [{ itemIdentifier: 'bad' }] });
    expect([ready, worked]).toEqual([1, ['good', 'bad']]);
    // What only looks like it is no answer to jobs: the function fails, and SQS gives them again.
    await expect(handler({ everpost: 'something else' }, context)).rejects.toThrow();
    await expect(handler(null, context)).rejects.toThrow();
  });
});

describe('jobOf', () => {
  it('keeps all that relay goes by: without its place in line a job would take another one each time', () => {
    const job = { version: 1, spoolId: 's', deliveryKey: 'k', nextHop: 'exchange', probe: true, inLine: true };
    expect(jobOf({ body: JSON.stringify(job) } as never)).toEqual(job);
  });
  it('reads a job', () => {
    expect(jobOf(record('a', '{"version":1,"spoolId":"s","deliveryKey":"k","more":1}'))).toEqual({
      version: 1,
      spoolId: 's',
      deliveryKey: 'k',
    });
  });
  it.each([
    '',
    'x',
    'null',
    '{}',
    '{"version":2,"spoolId":"s","deliveryKey":"k"}',
    '{"version":1,"spoolId":"","deliveryKey":"k"}',
    '{"version":1,"spoolId":1,"deliveryKey":"k"}',
  ])('throws on %j', (body) => {
    expect(() => jobOf(record('a', body))).toThrow();
  });
});
