// What the hourly search finds below `out/`: envelopes that nobody told ingest of, and content that nobody committed.

import { describe, expect, it } from 'vitest';
import { Interrupt } from '#adapters/memory/interrupt.ts';
import { BOB, EML, ENVELOPE, endsOf, settings, townOf, ULID } from './submitting-town.ts';
import { Town, townSettings } from './town.ts';

/** Stored, and S3's event is lost. */
function untold(interrupt = new Interrupt()): Town {
  const town = townOf(() => ({ code: 250, status: '2.0.0', text: 'Ok' }), interrupt);
  town.submit('exchange', ULID, { times: 0 });
  return town;
}
/** An hour passes until it is an orphan, and the search comes by at most an hour after. */
async function searched(town: Town): Promise<void> {
  await town.lookForOrphans();
  await town.lookForOrphans();
  await town.live(24);
}

it('an envelope without rows: ingest is told again, and the message is relayed', async () => {
  const town = untold();
  await searched(town);
  expect(endsOf(town)).toEqual({ [BOB]: 'relayed' });
  expect([town.watch.total('EnvelopeMissing'), town.watch.total('LostJob')]).toEqual([0, 1]);
  await searched(town);
  expect(town.exchange.accepted).toHaveLength(1);
});

it('a crash before or after any call of the search changes nothing of that', async () => {
  const counting = untold(new Interrupt());
  const { calls } = counting.interrupt;
  await counting.lookForOrphans();
  await counting.lookForOrphans();
  for (let k = 1; k <= calls.length; k++) {
    for (const when of ['before', 'after'] as const) {
      const town = untold(Interrupt.at(k, when));
      for (let i = 0; i < 3; i++) await searched(town);
      expect(endsOf(town), `crash ${when} call ${k} (${calls[k - 1]})`).toEqual({ [BOB]: 'relayed' });
      expect(town.exchange.accepted).toHaveLength(1);
    }
  }
});

describe('content without an envelope', () => {
  it('is held after an hour, alarmed, and goes on when its envelope comes, told of or not', async () => {
    for (const told of [true, false]) {
      const town = untold();
      town.spool.lose(ENVELOPE);
      await searched(town);
      expect(endsOf(town)).toEqual({ unknown: 'held envelope-missing' });
      expect(town.watch.total('EnvelopeMissing')).toBe(1);
      town.submit('exchange', ULID, { times: told ? 1 : 0, storedAt: town.clock.now() });
      await searched(town);
      expect(endsOf(town)).toEqual({ unknown: 'removed envelope-read', [BOB]: 'relayed' });
    }
  });

  it('whose envelope is read between the two looks of the search is not held: what stood for it goes at once', async () => {
    const town = untold();
    const envelope = await town.spool.head(ENVELOPE, 1_000_000, new AbortController().signal);
    town.spool.lose(ENVELOPE);
    const create = town.ledger.create.bind(town.ledger);
    town.ledger.create = async (rows, message) => {
      town.ledger.create = create;
      if (envelope.kind !== 'read') throw new Error('no envelope');
      town.spool.put(ENVELOPE, envelope.bytes, town.clock.now());
      town.submit('exchange', ULID, { times: 1, storedAt: town.clock.now() });
      await town.work(); // ingest comes first, and looks for the row before it stands
      return create(rows, message);
    };
    await town.lookForOrphans();
    expect(endsOf(town)).toEqual({ unknown: 'removed envelope-read', [BOB]: 'relayed' });
  });

  it('of which an hour has not passed is left alone', async () => {
    const town = untold();
    town.spool.lose(ENVELOPE);
    town.spool.put(EML, Buffer.from('x'), town.clock.now() + 2 * 3_600_000);
    await searched(town);
    expect(town.ledger.all()).toEqual([]);
    await searched(town);
    expect(endsOf(town)).toEqual({ unknown: 'held envelope-missing' });
  });

  it('is nothing where a submission is known; an object that is none is told of once', async () => {
    const town = townOf();
    town.submit('exchange', ULID, {});
    town.spool.put('out/exchange/readme.txt', Buffer.from('x'), 1);
    await town.live(24);
    await searched(town);
    expect(endsOf(town)).toEqual({ [BOB]: 'relayed' });
    expect(town.spool.has(EML)).toBe(true);
    expect(town.watch.total('StrangeObject')).toBe(1);
    await searched(town);
    expect(town.watch.total('StrangeObject')).toBe(1);
    expect(town.watch.logged('orphans.strange-object')[0]?.fields).toMatchObject({
      objectKey: 'out/exchange/readme.txt',
    });
  });
});

it('without submitters nobody looks there', async () => {
  const town = new Town(() => ({ code: 250 }), new Interrupt(), { ...settings, ...townSettings });
  town.submit('exchange', ULID, { times: 0 });
  await searched(town);
  expect(town.ledger.all()).toEqual([]);
});
