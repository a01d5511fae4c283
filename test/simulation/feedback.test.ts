// What SES says after its 200, in every order and twice, before our own word and after it: the ledger and what the
// author is told are the same at the end. On the pipeline: real stages, memory ports, a virtual clock.

import { describe, expect, it } from 'vitest';
import { MemoryBounceService } from '#adapters/memory/bounce-service.ts';
import type { DeliveryRow } from '#core/delivery/delivery.ts';
import type { Transaction } from '#pipeline/ports.ts';
import { judgeNotice } from '../judges/rfc3464.ts';
import { TestPipeline } from '../kit/pipeline.ts';
import { bySes, FAILURES, type Said, say } from './ses-events.ts';

const ANN = 'ann@src.example';
const KINDS: readonly Said[] = ['delivery', 'delay', 'complaint', 'answer', 'send', 'bounce', 'suppressed', 'reject'];
const WORD = 'our word';
type Moment = Said | typeof WORD;

/**
 * A pipeline in which SES takes the message, and the moments happen in this order: those before our own word while the
 * attempt runs.
 */
async function lived(moments: readonly Moment[], changes: Parameters<typeof bySes>[0] = {}): Promise<TestPipeline> {
  const pipeline = new TestPipeline(() => ({ code: 250, status: '2.0.0', text: 'Ok 0102' }), undefined, bySes(changes));
  const before = moments.slice(0, moments.indexOf(WORD)) as Said[];
  const after = moments.slice(moments.indexOf(WORD) + 1) as Said[];
  let tag = '';
  const attempt = pipeline.exchange.attempt.bind(pipeline.exchange);
  pipeline.exchange.attempt = async (transaction: Transaction, signal) => {
    const results = await attempt(transaction, signal);
    if (tag === '') {
      tag = transaction.tag ?? '';
      for (const said of before) await pipeline.hear(say(said, tag));
    }
    return results;
  };
  pipeline.receive('m1', ANN, ['bob@example.com']);
  await pipeline.work();
  for (const said of after) {
    await pipeline.hear(say(said, tag));
    await pipeline.work();
  }
  await pipeline.live(24 * 7);
  return pipeline;
}

/**
 * What a row says at the end, without when and how often it was written; and what of its trace tells more than in which
 * order it came.
 */
function ends(pipeline: TestPipeline): unknown {
  return pipeline.ledger.all().map(({ version, trace, message, notice, ...rest }: DeliveryRow) => ({
    ...rest,
    lastAttemptAt: 0,
    notice: notice === null ? null : { ...notice, at: 0 },
    // A confirmation after the failure is late, and stands there as ignored; so is a bounce that says nothing after
    // either of them.
    said: [...new Set(trace.map((event) => `${event.event} ${event.reason}`))]
      .filter((said) => !/^(?:IGNORE|CONFIRM|UNCERTAIN) /.test(said))
      .sort(),
  }));
}

function told(pipeline: TestPipeline): string[] {
  return pipeline.exchange.accepted
    .filter((each) => each.forwardPath.address === ANN)
    .map((each) => Buffer.from(each.content).toString('utf8'));
}

function orders<T>(items: readonly T[]): T[][] {
  if (items.length <= 1) return [[...items]];
  return items.flatMap((item, index) => orders(items.toSpliced(index, 1)).map((rest) => [item, ...rest]));
}

function subsets<T>(items: readonly T[], size: number): T[][] {
  if (size === 0) return [[]];
  return items.flatMap((item, index) => subsets(items.slice(index + 1), size - 1).map((rest) => [item, ...rest]));
}

function requireSettled(pipeline: TestPipeline, said: readonly Said[]): void {
  const [row] = pipeline.ledger.all().filter((each) => each.kind === 'delivery');
  const failed = said.some((each) => FAILURES.includes(each));
  expect(row?.state).toBe(failed ? 'returned' : said.includes('delivery') ? 'confirmed' : 'relayed');
  const uncertain = said.includes('answer') && !said.includes('delivery');
  expect(told(pipeline)).toHaveLength(failed || uncertain ? 1 : 0);
  if (uncertain && !failed) expect(row?.notice).toMatchObject({ kind: 'uncertain', state: 'relayed' });
  expect(row).toMatchObject({ attempts: 1, claims: 0, leaseUntil: null, dueAt: null, possibleDuplicate: false });
  expect(pipeline.lostNotifications).toEqual([]);
  expect(pipeline.bounceQueue.deadLetters).toEqual([]);
}

describe.each([1, 2, 3])('any %i of what SES may say', (size) => {
  it('lead to the same ledger and the same notice, in every order and twice', async () => {
    for (const said of subsets(KINDS, size)) {
      let first: { readonly ledger: unknown; readonly notices: unknown } | null = null;
      for (const moments of orders<Moment>([...said, WORD])) {
        const doubled = moments.flatMap((moment) => (moment === WORD ? [moment] : [moment, moment]));
        const again = [...moments, ...said];
        for (const way of [moments, doubled, again]) {
          const pipeline = await lived(way);
          const where = way.join(', ');
          try {
            requireSettled(pipeline, said);
            // Of two failures the first one is told.
            if (said.filter((each) => FAILURES.includes(each)).length > 1) continue;
            const end = { ledger: ends(pipeline), notices: told(pipeline) };
            first ??= end;
            expect(end).toEqual(first);
          } catch (error) {
            throw new Error(`${where}: ${(error as Error).message}`, { cause: error });
          }
        }
      }
    }
  }, 120_000);
});

describe('the notice of a failure that SES told', () => {
  const report = async (said: Said) => {
    const [notice = ''] = told(await lived([WORD, said]));
    expect(judgeNotice(Buffer.from(notice))).toEqual([]);
    return { notice: notice.replaceAll('=\r\n', '') };
  };
  it("has the remote's words, and claims no server that is not named", async () => {
    const { notice } = await report('bounce');
    expect(notice).toMatch(/^Status: 5\.1\.1\r$/m);
    expect(notice).toMatch(/^Diagnostic-Code: smtp; 550 5\.1\.1 user unknown\r$/m);
    expect(notice).toMatch(/^Remote-MTA: dns; mta\.example\.com\r$/m);
    expect((await report('full')).notice).not.toContain('Remote-MTA');
  });
  it('says of a suppressed recipient that nothing was sent, and why', async () => {
    const { notice } = await report('suppressed');
    expect(notice).toMatch(/stands on a list of addresses that refused mail before/);
    expect(notice).toMatch(/^Diagnostic-Code: X-Everpost; the address stands on a list/m);
    expect(notice).not.toContain('There is no such address in our domain');
  });
  it('gives back no body of what was rejected for its content', async () => {
    const { notice } = await report('reject');
    expect(notice).toMatch(/^Status: 5\.7\.1\r$/m);
    expect(notice).toContain('refused the message for what is in it');
    expect(notice).toContain('Content-Type: text/rfc822-headers');
    expect(notice).not.toContain('Hello');
  });
});

describe('a bounce that says nothing', () => {
  const KIND = 'May not have arrived';
  it('is an absence notice where the message is known to have arrived', async () => {
    const pipeline = await lived([WORD, 'delivery', 'answer']);
    expect(told(pipeline)).toEqual([]);
    const [row] = pipeline.ledger.all();
    expect(row?.trace.map((event) => [event.event, event.reason])).toContainEqual(['IGNORE', 'automatic-answer']);
  });
  it('is told once, as a warning, and stands in the ledger with a reason of its own', async () => {
    const pipeline = await lived([WORD, 'answer']);
    const [notice = '', ...more] = told(pipeline);
    expect(more).toEqual([]);
    expect(judgeNotice(Buffer.from(notice))).toEqual([]);
    expect(notice).toMatch(/^Subject: May not have arrived: /m);
    expect(notice).toMatch(/^Action: delayed\r\nStatus: 4\.0\.0\r$/m);
    expect(notice).toContain('YOUR MESSAGE MAY NOT HAVE ARRIVED');
    expect(notice).not.toContain('Ok 0102'); // the send went well, and is no reason
    const [row] = pipeline.ledger.all();
    expect(row).toMatchObject({ state: 'relayed', stateReason: 'bounce-without-report', dueAt: null });
    expect(row?.trace.map((event) => [event.event, event.reason])).toContainEqual([
      'UNCERTAIN',
      'bounce-without-report',
    ]);
  });
  it.each([
    ['bounce', 'returned', 2],
    ['delivery', 'confirmed', 1],
  ] as const)('that was told of is decided by a second event: %s', async (second, state, notices) => {
    const pipeline = new TestPipeline(() => ({ code: 250, status: '2.0.0', text: 'Ok' }), undefined, bySes());
    pipeline.receive('m1', ANN, ['bob@example.com']);
    await pipeline.work();
    const [row] = pipeline.ledger.all();
    const tag = `${row?.spoolId}-${row?.deliveryKey}`;
    await pipeline.hear(say('answer', tag));
    await pipeline.live(1);
    expect(told(pipeline).filter((each) => each.includes(KIND))).toHaveLength(1);
    await pipeline.hear(say(second, tag));
    await pipeline.live(24);
    expect(pipeline.ledger.all()[0]).toMatchObject({ state, dueAt: null });
    expect(pipeline.ledger.all()[0]?.uncertain).toBeUndefined();
    expect(told(pipeline)).toHaveLength(notices);
  });
  it('is not told of where it was decided before the sweep came', async () => {
    for (const second of ['delivery', 'bounce'] as const)
      expect(told(await lived([WORD, 'answer', second])).filter((each) => each.includes(KIND))).toEqual([]);
  });
  it('of a notice is nobody told', async () => {
    const pipeline = reporting();
    const attempt = pipeline.exchange.attempt.bind(pipeline.exchange);
    pipeline.exchange.attempt = async (transaction: Transaction, signal) => {
      const results = await attempt(transaction, signal);
      const notice = transaction.tag?.endsWith('-ndr') === true;
      await pipeline.hear(say(notice ? 'answer' : 'bounce', transaction.tag ?? ''));
      return results;
    };
    pipeline.receive('m1', ANN, ['bob@example.com']);
    await pipeline.live(24 * 7);
    expect(pipeline.ledger.all().map((row) => [row.state, row.dueAt])).toEqual([
      ['returned', null],
      ['relayed', null],
    ]);
    expect(told(pipeline)).toHaveLength(1);
  });
});

/** Notices go by SES as reports, which bear a tag: SendBounce is always busy. */
function reporting(): TestPipeline {
  const busy = new MemoryBounceService(() => 'busy');
  return new TestPipeline(
    () => ({ code: 250, status: '2.0.0', text: 'Ok' }),
    undefined,
    bySes({ via: null }),
    {},
    busy,
  );
}

describe('a failure that is told of a notice', () => {
  it.each([
    ['before our own word', ['bounce', WORD]],
    ['after it', [WORD, 'bounce']],
  ] as const)('%s makes its delivery held, and is no cause for a third message', async (_, moments) => {
    const pipeline = reporting();
    const attempt = pipeline.exchange.attempt.bind(pipeline.exchange);
    let tag = '';
    pipeline.exchange.attempt = async (transaction: Transaction, signal) => {
      const results = await attempt(transaction, signal);
      if (transaction.tag?.endsWith('-ndr')) {
        tag = transaction.tag;
        if (moments[0] === 'bounce') await pipeline.hear(say('bounce', tag));
      } else await pipeline.hear(say('bounce', transaction.tag ?? ''));
      return results;
    };
    pipeline.receive('m1', ANN, ['bob@example.com']);
    await pipeline.work();
    if (moments[0] === WORD) await pipeline.hear(say('bounce', tag));
    await pipeline.hear(say('bounce', tag));
    await pipeline.live(24 * 7);
    const rows = pipeline.ledger.all();
    expect(rows.map((row) => [row.kind, row.state])).toEqual([
      ['delivery', 'held'],
      ['notice', 'held'],
    ]);
    expect(rows[0]?.notice).toMatchObject({ kind: 'ndr', state: 'held', reason: 'notice failed: bounced-general' });
    expect(rows.map((row) => row.dueAt)).toEqual([expect.any(Number), null]);
    expect(told(pipeline)).toHaveLength(1);
    expect(pipeline.watch.total('Held')).toBe(1);
  });

  it('of a confirmation makes its delivery returned, although our own word never came', async () => {
    const pipeline = reporting();
    const attempt = pipeline.exchange.attempt.bind(pipeline.exchange);
    pipeline.exchange.attempt = async (transaction: Transaction, signal) => {
      const results = await attempt(transaction, signal);
      const notice = transaction.tag?.endsWith('-ndr') === true;
      await pipeline.hear(say(notice ? 'delivery' : 'bounce', transaction.tag ?? ''));
      if (notice) throw new Error('the function ends here');
      return results;
    };
    pipeline.receive('m1', ANN, ['bob@example.com']);
    await pipeline.work();
    expect(pipeline.ledger.all().map((row) => row.state)).toEqual(['returned', 'confirmed']);
  });
});

describe('a notice that arrived', () => {
  it('leaves the same ledger, whether SES says so before our own word or after it', async () => {
    const ledgers: unknown[] = [];
    for (const early of [true, false]) {
      const pipeline = reporting();
      const attempt = pipeline.exchange.attempt.bind(pipeline.exchange);
      let tag = '';
      pipeline.exchange.attempt = async (transaction: Transaction, signal) => {
        const results = await attempt(transaction, signal);
        tag = transaction.tag ?? '';
        const notice = tag.endsWith('-ndr');
        if (!notice || early) await pipeline.hear(say(notice ? 'delivery' : 'bounce', tag));
        return results;
      };
      pipeline.receive('m1', ANN, ['bob@example.com']);
      await pipeline.work();
      if (!early) await pipeline.hear(say('delivery', tag));
      await pipeline.live(24);
      expect(pipeline.ledger.all().map((row) => row.state)).toEqual(['returned', 'confirmed']);
      ledgers.push(ends(pipeline));
    }
    expect(ledgers[0]).toEqual(ledgers[1]);
  });
});

describe('an event', () => {
  it('whose bounce job is lost is found by the sweep', async () => {
    const pipeline = new TestPipeline(() => ({ code: 250, status: '2.0.0', text: 'Ok' }), undefined, bySes());
    pipeline.receive('m1', ANN, ['bob@example.com']);
    await pipeline.work();
    const [row] = pipeline.ledger.all();
    await pipeline.hear(say('bounce', row === undefined ? '' : `${row.spoolId}-${row.deliveryKey}`));
    pipeline.bounceQueue.lose();
    await pipeline.live(24);
    expect(pipeline.ledger.all()[0]?.state).toBe('returned');
    expect(told(pipeline)).toHaveLength(1);
  });
  it('about a delivery that is not there is said aloud, and lost to nobody', async () => {
    const pipeline = await lived([WORD]);
    await pipeline.hear(say('bounce', 'nobody-knows-abcdefgh234567ab'));
    expect(pipeline.watch.total('UnknownDelivery')).toBe(1);
    expect(pipeline.watch.logged('feedback.unknown-delivery')[0]?.fields).toMatchObject({ spoolId: 'nobody-knows' });
  });
  it('that cannot be read comes again, and ends among the dead letters', async () => {
    const pipeline = await lived([WORD]);
    pipeline.tell('{"eventType":"Bounce"}');
    pipeline.tell('not JSON');
    await pipeline.live(24);
    expect(pipeline.lostNotifications.map((each) => each.body)).toEqual(['{"eventType":"Bounce"}', 'not JSON']);
  });
});
