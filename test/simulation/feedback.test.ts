// What SES says after its 200, in every order and twice, before our own word and after it: the ledger and what the author is told are the
// same at the end. On the town: real stages, memory ports, a virtual clock.

import { describe, expect, it } from 'vitest';
import { MemoryBounceService } from '#adapters/memory/bounce-service.ts';
import type { DeliveryRow } from '#core/delivery/delivery.ts';
import type { Transaction } from '#pipeline/ports.ts';
import { judgeNotice } from '../judges/rfc3464.ts';
import { bySes, FAILURES, type Said, say } from './ses-events.ts';
import { Town } from './town.ts';

const ANN = 'ann@src.example';
const KINDS: readonly Said[] = ['delivery', 'delay', 'complaint', 'answer', 'send', 'bounce', 'suppressed', 'reject'];
const WORD = 'our word';
type Moment = Said | typeof WORD;

/** A town in which SES takes the message, and the moments happen in this order: those before our own word while the attempt runs. */
async function lived(moments: readonly Moment[], changes: Parameters<typeof bySes>[0] = {}): Promise<Town> {
  const town = new Town(() => ({ code: 250, status: '2.0.0', text: 'Ok 0102' }), undefined, bySes(changes));
  const before = moments.slice(0, moments.indexOf(WORD)) as Said[];
  const after = moments.slice(moments.indexOf(WORD) + 1) as Said[];
  let tag = '';
  const attempt = town.exchange.attempt.bind(town.exchange);
  town.exchange.attempt = async (transaction: Transaction, signal) => {
    const results = await attempt(transaction, signal);
    if (tag === '') {
      tag = transaction.tag ?? '';
      for (const said of before) await town.hear(say(said, tag));
    }
    return results;
  };
  town.receive('m1', ANN, ['bob@example.com']);
  await town.work();
  for (const said of after) {
    await town.hear(say(said, tag));
    await town.work();
  }
  await town.live(24 * 7);
  return town;
}

/** What a row says at the end, without when and how often it was written; and what of its trace tells more than in which order it came. */
function ends(town: Town): unknown {
  return town.ledger.all().map(({ version, trace, message, notice, ...rest }: DeliveryRow) => ({
    ...rest,
    lastAttemptAt: 0,
    notice: notice === null ? null : { ...notice, at: 0 },
    // A confirmation after the failure is late, and stands there as ignored; so is a bounce that says nothing after either of them.
    said: [...new Set(trace.map((event) => `${event.event} ${event.reason}`))]
      .filter((said) => !/^(?:IGNORE|CONFIRM|UNCERTAIN) /.test(said))
      .sort(),
  }));
}

function told(town: Town): string[] {
  return town.exchange.accepted
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

function requireSettled(town: Town, said: readonly Said[]): void {
  const [row] = town.ledger.all().filter((each) => each.kind === 'delivery');
  const failed = said.some((each) => FAILURES.includes(each));
  expect(row?.state).toBe(failed ? 'returned' : said.includes('delivery') ? 'confirmed' : 'relayed');
  const uncertain = said.includes('answer') && !said.includes('delivery');
  expect(told(town)).toHaveLength(failed || uncertain ? 1 : 0);
  if (uncertain && !failed) expect(row?.notice).toMatchObject({ kind: 'uncertain', state: 'relayed' });
  expect(row).toMatchObject({ attempts: 1, claims: 0, leaseUntil: null, dueAt: null, possibleDuplicate: false });
  expect(town.lostNotifications).toEqual([]);
  expect(town.bounceQueue.deadLetters).toEqual([]);
}

describe.each([1, 2, 3])('any %i of what SES may say', (size) => {
  it('lead to the same ledger and the same notice, in every order and twice', async () => {
    for (const said of subsets(KINDS, size)) {
      let first: { readonly ledger: unknown; readonly notices: unknown } | null = null;
      for (const moments of orders<Moment>([...said, WORD])) {
        const doubled = moments.flatMap((moment) => (moment === WORD ? [moment] : [moment, moment]));
        const again = [...moments, ...said];
        for (const way of [moments, doubled, again]) {
          const town = await lived(way);
          const where = way.join(', ');
          try {
            requireSettled(town, said);
            // Of two failures the first one is told.
            if (said.filter((each) => FAILURES.includes(each)).length > 1) continue;
            const end = { ledger: ends(town), notices: told(town) };
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
    const town = await lived([WORD, 'delivery', 'answer']);
    expect(told(town)).toEqual([]);
    const [row] = town.ledger.all();
    expect(row?.trace.map((event) => [event.event, event.reason])).toContainEqual(['IGNORE', 'automatic-answer']);
  });
  it('is told once, as a warning, and stands in the ledger with a reason of its own', async () => {
    const town = await lived([WORD, 'answer']);
    const [notice = '', ...more] = told(town);
    expect(more).toEqual([]);
    expect(judgeNotice(Buffer.from(notice))).toEqual([]);
    expect(notice).toMatch(/^Subject: May not have arrived: /m);
    expect(notice).toMatch(/^Action: delayed\r\nStatus: 4\.0\.0\r$/m);
    expect(notice).toContain('YOUR MESSAGE MAY NOT HAVE ARRIVED');
    expect(notice).not.toContain('Ok 0102'); // the send went well, and is no reason
    const [row] = town.ledger.all();
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
    const town = new Town(() => ({ code: 250, status: '2.0.0', text: 'Ok' }), undefined, bySes());
    town.receive('m1', ANN, ['bob@example.com']);
    await town.work();
    const [row] = town.ledger.all();
    const tag = `${row?.spoolId}-${row?.deliveryKey}`;
    await town.hear(say('answer', tag));
    await town.live(1);
    expect(told(town).filter((each) => each.includes(KIND))).toHaveLength(1);
    await town.hear(say(second, tag));
    await town.live(24);
    expect(town.ledger.all()[0]).toMatchObject({ state, dueAt: null });
    expect(town.ledger.all()[0]?.uncertain).toBeUndefined();
    expect(told(town)).toHaveLength(notices);
  });
  it('is not told of where it was decided before the sweep came', async () => {
    for (const second of ['delivery', 'bounce'] as const)
      expect(told(await lived([WORD, 'answer', second])).filter((each) => each.includes(KIND))).toEqual([]);
  });
  it('of a notice is nobody told', async () => {
    const town = reporting();
    const attempt = town.exchange.attempt.bind(town.exchange);
    town.exchange.attempt = async (transaction: Transaction, signal) => {
      const results = await attempt(transaction, signal);
      const notice = transaction.tag?.endsWith('-ndr') === true;
      await town.hear(say(notice ? 'answer' : 'bounce', transaction.tag ?? ''));
      return results;
    };
    town.receive('m1', ANN, ['bob@example.com']);
    await town.live(24 * 7);
    expect(town.ledger.all().map((row) => [row.state, row.dueAt])).toEqual([
      ['returned', null],
      ['relayed', null],
    ]);
    expect(told(town)).toHaveLength(1);
  });
});

/** Notices go by SES as reports, which bear a tag: SendBounce is always busy. */
function reporting(): Town {
  const busy = new MemoryBounceService(() => 'busy');
  return new Town(() => ({ code: 250, status: '2.0.0', text: 'Ok' }), undefined, bySes({ via: null }), {}, busy);
}

describe('a failure that is told of a notice', () => {
  it.each([
    ['before our own word', ['bounce', WORD]],
    ['after it', [WORD, 'bounce']],
  ] as const)('%s makes its delivery held, and is no cause for a third message', async (_, moments) => {
    const town = reporting();
    const attempt = town.exchange.attempt.bind(town.exchange);
    let tag = '';
    town.exchange.attempt = async (transaction: Transaction, signal) => {
      const results = await attempt(transaction, signal);
      if (transaction.tag?.endsWith('-ndr')) {
        tag = transaction.tag;
        if (moments[0] === 'bounce') await town.hear(say('bounce', tag));
      } else await town.hear(say('bounce', transaction.tag ?? ''));
      return results;
    };
    town.receive('m1', ANN, ['bob@example.com']);
    await town.work();
    if (moments[0] === WORD) await town.hear(say('bounce', tag));
    await town.hear(say('bounce', tag));
    await town.live(24 * 7);
    const rows = town.ledger.all();
    expect(rows.map((row) => [row.kind, row.state])).toEqual([
      ['delivery', 'held'],
      ['notice', 'held'],
    ]);
    expect(rows[0]?.notice).toMatchObject({ kind: 'ndr', state: 'held', reason: 'notice failed: bounced-general' });
    expect(rows.map((row) => row.dueAt)).toEqual([null, null]);
    expect(told(town)).toHaveLength(1);
    expect(town.watch.total('Held')).toBe(1);
  });

  it('of a confirmation makes its delivery returned, although our own word never came', async () => {
    const town = reporting();
    const attempt = town.exchange.attempt.bind(town.exchange);
    town.exchange.attempt = async (transaction: Transaction, signal) => {
      const results = await attempt(transaction, signal);
      const notice = transaction.tag?.endsWith('-ndr') === true;
      await town.hear(say(notice ? 'delivery' : 'bounce', transaction.tag ?? ''));
      if (notice) throw new Error('the function ends here');
      return results;
    };
    town.receive('m1', ANN, ['bob@example.com']);
    await town.work();
    expect(town.ledger.all().map((row) => row.state)).toEqual(['returned', 'confirmed']);
  });
});

describe('a notice that arrived', () => {
  it('leaves the same ledger, whether SES says so before our own word or after it', async () => {
    const ledgers: unknown[] = [];
    for (const early of [true, false]) {
      const town = reporting();
      const attempt = town.exchange.attempt.bind(town.exchange);
      let tag = '';
      town.exchange.attempt = async (transaction: Transaction, signal) => {
        const results = await attempt(transaction, signal);
        tag = transaction.tag ?? '';
        const notice = tag.endsWith('-ndr');
        if (!notice || early) await town.hear(say(notice ? 'delivery' : 'bounce', tag));
        return results;
      };
      town.receive('m1', ANN, ['bob@example.com']);
      await town.work();
      if (!early) await town.hear(say('delivery', tag));
      await town.live(24);
      expect(town.ledger.all().map((row) => row.state)).toEqual(['returned', 'confirmed']);
      ledgers.push(ends(town));
    }
    expect(ledgers[0]).toEqual(ledgers[1]);
  });
});

describe('an event', () => {
  it('whose bounce job is lost is found by the sweep', async () => {
    const town = new Town(() => ({ code: 250, status: '2.0.0', text: 'Ok' }), undefined, bySes());
    town.receive('m1', ANN, ['bob@example.com']);
    await town.work();
    const [row] = town.ledger.all();
    await town.hear(say('bounce', row === undefined ? '' : `${row.spoolId}-${row.deliveryKey}`));
    town.bounceQueue.lose();
    await town.live(24);
    expect(town.ledger.all()[0]?.state).toBe('returned');
    expect(told(town)).toHaveLength(1);
  });
  it('about a delivery that is not there is said aloud, and lost to nobody', async () => {
    const town = await lived([WORD]);
    await town.hear(say('bounce', 'nobody-knows-abcdefgh234567ab'));
    expect(town.watch.total('UnknownDelivery')).toBe(1);
    expect(town.watch.logged('feedback.unknown-delivery')[0]?.fields).toMatchObject({ spoolId: 'nobody-knows' });
  });
  it('that can not be read comes again, and ends among the dead letters', async () => {
    const town = await lived([WORD]);
    town.tell('{"eventType":"Bounce"}');
    town.tell('not JSON');
    await town.live(24);
    expect(town.lostNotifications.map((each) => each.body)).toEqual(['{"eventType":"Bounce"}', 'not JSON']);
  });
});
