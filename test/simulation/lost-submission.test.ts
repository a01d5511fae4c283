// What the hourly search finds below `out/`: envelopes that nobody told ingest of, and content that nobody committed.

import { describe, expect, it } from 'vitest';
import { Interrupt } from '#adapters/memory/interrupt.ts';
import { pipelineSettings, TestPipeline } from '../kit/pipeline.ts';
import { BOB, EML, ENVELOPE, endsOf, pipelineOf, settings, ULID } from './submitting.ts';

/** Stored, and S3's event is lost. */
function untold(interrupt = new Interrupt()): TestPipeline {
  const pipeline = pipelineOf(() => ({ code: 250, status: '2.0.0', text: 'Ok' }), interrupt);
  pipeline.submit('exchange', ULID, { times: 0 });
  return pipeline;
}
/** An hour passes until it is an orphan, and the search comes by at most an hour after. */
async function searched(pipeline: TestPipeline): Promise<void> {
  await pipeline.lookForOrphans();
  await pipeline.lookForOrphans();
  await pipeline.live(24);
}

it('an envelope without rows: ingest is told again, and the message is relayed', async () => {
  const pipeline = untold();
  await searched(pipeline);
  expect(endsOf(pipeline)).toEqual({ [BOB]: 'relayed' });
  expect([pipeline.watch.total('EnvelopeMissing'), pipeline.watch.total('LostJob')]).toEqual([0, 1]);
  await searched(pipeline);
  expect(pipeline.exchange.accepted).toHaveLength(1);
});

it('a crash before or after any call of the search changes nothing of that', async () => {
  const counting = untold(new Interrupt());
  const { calls } = counting.interrupt;
  await counting.lookForOrphans();
  await counting.lookForOrphans();
  for (let k = 1; k <= calls.length; k++) {
    for (const when of ['before', 'after'] as const) {
      const pipeline = untold(Interrupt.at(k, when));
      for (let i = 0; i < 3; i++) await searched(pipeline);
      expect(endsOf(pipeline), `crash ${when} call ${k} (${calls[k - 1]})`).toEqual({ [BOB]: 'relayed' });
      expect(pipeline.exchange.accepted).toHaveLength(1);
    }
  }
});

describe('content without an envelope', () => {
  it('is held after an hour, alarmed, and goes on when its envelope comes, told of or not', async () => {
    for (const told of [true, false]) {
      const pipeline = untold();
      pipeline.spool.lose(ENVELOPE);
      await searched(pipeline);
      expect(endsOf(pipeline)).toEqual({ unknown: 'held envelope-missing' });
      expect(pipeline.watch.total('EnvelopeMissing')).toBe(1);
      pipeline.submit('exchange', ULID, { times: told ? 1 : 0, storedAt: pipeline.clock.now() });
      await searched(pipeline);
      expect(endsOf(pipeline)).toEqual({ unknown: 'removed envelope-read', [BOB]: 'relayed' });
    }
  });

  it('whose envelope is read between the two looks of the search is not held: what stood for it goes at once', async () => {
    const pipeline = untold();
    const envelope = await pipeline.spool.head(ENVELOPE, 1_000_000, new AbortController().signal);
    pipeline.spool.lose(ENVELOPE);
    const create = pipeline.ledger.create.bind(pipeline.ledger);
    pipeline.ledger.create = async (rows, message) => {
      pipeline.ledger.create = create;
      if (envelope.kind !== 'read') throw new Error('no envelope');
      pipeline.spool.put(ENVELOPE, envelope.bytes, pipeline.clock.now());
      pipeline.submit('exchange', ULID, { times: 1, storedAt: pipeline.clock.now() });
      await pipeline.work(); // ingest comes first, and looks for the row before it stands
      return create(rows, message);
    };
    await pipeline.lookForOrphans();
    expect(endsOf(pipeline)).toEqual({ unknown: 'removed envelope-read', [BOB]: 'relayed' });
  });

  it('of which an hour has not passed is left alone', async () => {
    const pipeline = untold();
    pipeline.spool.lose(ENVELOPE);
    pipeline.spool.put(EML, Buffer.from('x'), pipeline.clock.now() + 2 * 3_600_000);
    await searched(pipeline);
    expect(pipeline.ledger.all()).toEqual([]);
    await searched(pipeline);
    expect(endsOf(pipeline)).toEqual({ unknown: 'held envelope-missing' });
  });

  it('is nothing where a submission is known; an object that is none is told of once', async () => {
    const pipeline = pipelineOf();
    pipeline.submit('exchange', ULID, {});
    pipeline.spool.put('out/exchange/readme.txt', Buffer.from('x'), 1);
    await pipeline.live(24);
    await searched(pipeline);
    expect(endsOf(pipeline)).toEqual({ [BOB]: 'relayed' });
    expect(pipeline.spool.has(EML)).toBe(true);
    expect(pipeline.watch.total('StrangeObject')).toBe(1);
    await searched(pipeline);
    expect(pipeline.watch.total('StrangeObject')).toBe(1);
    expect(pipeline.watch.logged('orphans.strange-object')[0]?.fields).toMatchObject({
      objectKey: 'out/exchange/readme.txt',
    });
  });
});

it('without submitters nobody looks there', async () => {
  const pipeline = new TestPipeline(() => ({ code: 250 }), new Interrupt(), { ...settings, ...pipelineSettings });
  pipeline.submit('exchange', ULID, { times: 0 });
  await searched(pipeline);
  expect(pipeline.ledger.all()).toEqual([]);
});
