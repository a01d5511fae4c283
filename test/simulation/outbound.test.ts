// Mail from our side, in the town: what may be sent, what comes back and in which form, what can not be read, and a crash before and after
// every port call of each way. An event may come twice, in any order, at any time.

import { describe, expect, it } from 'vitest';
import { Interrupt } from '#adapters/memory/interrupt.ts';
import type { Script } from '#adapters/memory/memory-next-hop.ts';
import type { Settings } from '#core/config.ts';
import { type DeliveryRow, isFinal } from '#core/delivery.ts';
import type { UnreadableCause } from '#pipeline/ports.ts';
import { judgeNotice } from '#test/judges/rfc3464.ts';
import { type Submitted, Town, townSettings } from './town.ts';

const HOUR = 3_600_000;
const ULID = '01JD0000000000000000000000';
const EML = `out/exchange/${ULID}.eml`;
const ENVELOPE = `out/exchange/${ULID}.envelope.json`;
const ANN = 'ann@example.com';
const BOB = 'bob@far.example';

const smart = townSettings.nextHops.exchange;
if (smart === undefined) throw new Error('the town has no next hop');
const to = (via: string) => [{ via, address: null, copy: false, returnPath: 'keep' as const }];
const settings: Settings = {
  ...townSettings,
  nextHops: { ...townSettings.nextHops, smart },
  routes: [
    ...townSettings.routes,
    { match: ['*@far.example'], direction: 'outbound', to: to('smart'), fallback: null },
  ],
  submitters: {
    exchange: { secret: 's', senderDomains: ['example.com'] },
    cron: { secret: 's', senderDomains: ['cron.example'] },
  },
  retry: { ...townSettings.retry, lifetimeMs: 3 * HOUR },
};

const ok = { code: 250, status: '2.0.0', text: 'Ok' };
const noSuchUser = { code: 550, status: '5.1.1', text: 'no such user', at: 'rcpt' } as const;
/** To our own side all is taken; what Bob's server says is the script's. */
const farSays =
  (script: Script): Script =>
  (forwardPath, attempt, transaction) =>
    forwardPath.domainKey === 'far.example' ? script(forwardPath, attempt, transaction) : ok;

function townOf(script: Script = () => ok, interrupt = new Interrupt(), given = settings): Town {
  return new Town(farSays(script), interrupt, given);
}

async function lived(submitted: Submitted, script?: Script, submitter = 'exchange', given = settings): Promise<Town> {
  const town = townOf(script, new Interrupt(), given);
  town.submit(submitter, ULID, submitted);
  await town.live(24 * 7);
  return town;
}

function deliveries(town: Town): readonly DeliveryRow[] {
  return town.ledger.all().filter((row) => row.kind === 'delivery');
}
function endsOf(town: Town): Record<string, string> {
  return Object.fromEntries(
    deliveries(town).map((row) => [
      row.forwardPath,
      `${row.state}${row.stateReason === null ? '' : ` ${row.stateReason}`}`,
    ]),
  );
}
function noticesTo(town: Town, address: string): string[] {
  return town.exchange.accepted
    .filter(({ forwardPath }) => forwardPath.address === address)
    .map(({ content }) => Buffer.from(content).toString('latin1'));
}
const recipient = (address: string, more: object = {}) => ({ address, notify: null, orcpt: null, ...more });

describe('what is submitted', () => {
  it('is relayed by outbound routes, its bytes as they were behind our own fields, its Bcc too', async () => {
    const content = 'From: ann@example.com\r\nBcc: eve@far.example\r\n\r\nbare\nline, \x80\r\n';
    const town = await lived({ content });
    expect(endsOf(town)).toEqual({ [BOB]: 'relayed' });
    const [sent] = town.exchange.accepted;
    expect(sent?.reversePath?.address).toBe(ANN);
    expect(Buffer.from(sent?.content ?? []).toString('utf8')).toMatch(/^Received: by example\.com/);
    expect(Buffer.from(sent?.content ?? []).subarray(-new TextEncoder().encode(content).length)).toEqual(
      Buffer.from(content),
    );
    const [row] = deliveries(town);
    expect(row?.message).toMatchObject({ direction: 'outbound', spoolId: `exchange-${ULID}`, verdicts: null });
    expect(row?.message?.submission).toMatchObject({ submitter: 'exchange', ret: null, envid: null });
  });

  it('is one delivery for each recipient, also when the event comes three times and again at the end', async () => {
    const town = townOf();
    const forwardPaths = [recipient(BOB), recipient('eve@far.example'), recipient('bob@FAR.example')];
    town.submit('exchange', ULID, { envelope: { forwardPaths }, times: 3 });
    await town.live(24);
    town.submit('exchange', ULID, { envelope: { forwardPaths } });
    await town.live(24);
    expect(deliveries(town).map((row) => row.state)).toEqual(['relayed', 'relayed']);
    expect(town.exchange.accepted).toHaveLength(2);
  });

  it('to a domain of ours goes by the inbound route, where no outbound one takes it', async () => {
    const town = await lived({ envelope: { forwardPaths: [recipient('carol@example.com')] } });
    expect(deliveries(town).map((row) => [row.nextHop, row.state])).toEqual([['exchange', 'relayed']]);
  });

  it('to nowhere that a route leads comes back: nobody relays for a foreign domain', async () => {
    const town = await lived({ envelope: { forwardPaths: [recipient('x@elsewhere.example')] } });
    expect(endsOf(town)).toEqual({ 'x@elsewhere.example': 'returned' });
    expect(town.exchange.accepted).toHaveLength(1); // the NDR
    expect(noticesTo(town, ANN)[0]).toMatch(
      /Status: 5\.7\.1[\s\S]*no outbound route takes mail for\s+elsewhere\.example/,
    );
  });

  it('in a loop comes back', async () => {
    const town = await lived({ content: `${'Received: by x\r\n'.repeat(60)}From: ann@example.com\r\n\r\n` });
    expect(noticesTo(town, ANN)[0]).toMatch(/Status: 5\.4\.6/);
  });

  it('is told to the next hop with what its submitter asked, and in whose name it may be signed', async () => {
    const asked: unknown[] = [];
    const forwardPaths = [recipient(BOB, { notify: ['FAILURE'], orcpt: 'rfc822;b@far.example' })];
    await lived({ envelope: { forwardPaths, ret: 'HDRS', envid: 'Q1' } }, (_to, _attempt, transaction) => {
      asked.push(transaction.dsn, transaction.authorDomains);
      return ok;
    });
    expect(asked).toEqual([
      { ret: 'HDRS', envid: 'Q1', notify: ['FAILURE'], orcpt: 'rfc822;b@far.example' },
      ['example.com'],
    ]);
  });
});

describe('who may send', () => {
  const refused: [string, string, Submitted, string][] = [
    ['a foreign reverse-path', 'exchange', { envelope: { reversePath: 'eve@bank.example' } }, 'foreign-sender'],
    ["another submitter's domain", 'cron', {}, 'foreign-sender'],
    ['a sub-domain that is not named', 'exchange', { envelope: { reversePath: 'a@x.example.com' } }, 'foreign-sender'],
    ['a submitter that is not configured', 'nobody', {}, 'submitter-unknown'],
    ['a name that every object has', 'constructor', {}, 'submitter-unknown'],
    [
      'a null reverse-path and a foreign author',
      'exchange',
      { envelope: { reversePath: '' }, content: 'From: eve@bank.example\r\n\r\n' },
      'foreign-author',
    ],
    [
      'a null reverse-path and one foreign author of two',
      'exchange',
      { envelope: { reversePath: '' }, content: 'From: ann@example.com, eve@bank.example\r\n\r\n' },
      'foreign-author',
    ],
    [
      'a null reverse-path and no author',
      'exchange',
      { envelope: { reversePath: '' }, content: 'X: y\r\n\r\n' },
      'foreign-author',
    ],
  ];
  it.each(refused)('%s: held, and nothing leaves', async (_, submitter, submitted, reason) => {
    const town = await lived(submitted, undefined, submitter);
    expect(endsOf(town)).toEqual({ [BOB]: `held ${reason}` });
    expect(town.exchange.accepted).toEqual([]);
    expect(town.watch.total('Held')).toBe(1);
  });

  it('a null reverse-path of an author of ours, as mail servers send reports: it stays null', async () => {
    const town = await lived({ envelope: { reversePath: '' } });
    expect(endsOf(town)).toEqual({ [BOB]: 'relayed' });
    expect(town.exchange.accepted[0]?.reversePath).toBeNull();
  });

  it('a foreign author under a reverse-path of ours: a mail server passing mail on', async () => {
    const town = await lived({ content: 'From: eve@bank.example\r\n\r\n' });
    expect(endsOf(town)).toEqual({ [BOB]: 'relayed' });
  });
});

describe('an envelope that can not be used', () => {
  const wrong: [string, Partial<Submitted>][] = [
    ['no version', { text: '{"reversePath":"ann@example.com","forwardPaths":[]}' }],
    ['a bad recipient', { envelope: { forwardPaths: [recipient('bob')] } }],
  ];
  it.each(wrong)('%s: its reverse-path is told why', async (_, submitted) => {
    const town = await lived(submitted);
    expect(endsOf(town)).toEqual({ unknown: 'returned' });
    const [notice = ''] = noticesTo(town, ANN);
    expect(judgeNotice(Buffer.from(notice, 'latin1'))).toEqual([]);
    expect(notice).toMatch(/Status: 5\.6\.0[\s\S]*can\s+not be used/);
    expect(town.watch.total('SubmissionMalformed')).toBe(1);
  });

  const unspeakable: [string, Partial<Submitted>, string?][] = [
    ['no JSON', { text: 'hello' }],
    ['no bytes', { text: '' }],
    ['no reverse-path', { text: '{"version":1}' }],
    ["another's reverse-path", { text: '{"reversePath":"eve@bank.example"}' }],
    ['too long', { text: ' '.repeat(1_100_000) }],
    ['bytes that are no text', { text: '{"reversePath":"\ud800@example.com"}' }],
  ];
  it.each(unspeakable)('%s: held, and a person is called', async (_, submitted) => {
    const town = await lived(submitted);
    expect(endsOf(town)).toEqual({ unknown: 'held submission-malformed' });
    expect(town.exchange.accepted).toEqual([]);
    expect([town.watch.total('SubmissionMalformed'), town.watch.total('Held')]).toEqual([1, 1]);
  });

  it('under a name that no contract knows it is accounted for all the same', async () => {
    const town = townOf();
    for (const name of ['mine', '01jd0000000000000000000000'])
      for (const body of [event(`out/exchange/${name}.envelope.json`)])
        town.notifications.push({ body, receives: 0, visibleAt: town.clock.now() });
    town.spool.put('out/exchange/mine.envelope.json', Buffer.from('{"version":1,"reversePath":"ann@example.com"}'));
    await town.live(24);
    expect(
      deliveries(town)
        .map((row) => `${row.spoolId.slice(0, 10)} ${row.state} ${row.stateReason}`)
        .sort(),
    ).toEqual(['exchange-Z held envelope-unreadable', 'exchange-Z returned null']);
  });

  it('an event that is none ends among the dead letters, and S3 trying the queue out does not', async () => {
    const town = townOf();
    const bodies = ['{"Records":[]}', '{"Records":[{"eventSource":"aws:s3","eventName":"ObjectRemoved:Delete"}]}'];
    const test = '{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-11-22T10:00:00Z","Bucket":"spool"}';
    for (const body of [...bodies, test, test.replace('}', ',"Records":[]}')])
      town.notifications.push({ body, receives: 0, visibleAt: town.clock.now() });
    await town.live(24);
    expect(town.lostNotifications).toHaveLength(3);
    expect(town.ledger.all()).toEqual([]);
  });
});

function event(key: string): string {
  const s3 = { object: { key } };
  return JSON.stringify({
    Records: [{ eventSource: 'aws:s3', eventName: 'ObjectCreated:Put', eventTime: '2026-11-22T10:00:00.000Z', s3 }],
  });
}

describe('what can not be read', () => {
  const CAUSES: readonly UnreadableCause[] = ['denied', 'missing', 'empty', 'damaged', 'unavailable'];

  it.each(CAUSES)('content: %s. Deferred, counted, and in the end its sender hears 5.3.0', async (cause) => {
    const town = townOf();
    town.submit('exchange', ULID, {});
    town.spool.spoil(EML, cause);
    await town.live(24);
    expect(endsOf(town)).toEqual({ [BOB]: 'returned' });
    expect(town.watch.total('ContentUnreadable')).toBeGreaterThan(1);
    expect(deliveries(town)[0]?.trace.map(({ event: name }) => name)).toEqual(
      expect.arrayContaining(['UNREADABLE', 'EXPIRE', 'DSN']),
    );
    expect(town.exchange.accepted).toHaveLength(1);
    expect(noticesTo(town, ANN)[0]).toMatch(/Status: 5\.3\.0/);
  });

  const other: [string, (town: Town) => void][] = [
    [
      'other bytes of the same length',
      (town) => town.spool.put(EML, Buffer.from('From: eve@example.com\r\n\r\nHello\r\n')),
    ],
    ['fewer bytes', (town) => town.spool.put(EML, Buffer.from('From: ann@example.com\r\n\r\n'))],
    ['a break in the middle', (town) => town.spool.breakAfter(EML, 20)],
  ];
  it.each(other)('content that is not what was committed: %s', async (_, spoil) => {
    const town = townOf();
    town.submit('exchange', ULID, { content: 'From: ann@example.com\r\n\r\nHello\r\n' });
    spoil(town);
    await town.live(24);
    expect(town.exchange.accepted.map(({ forwardPath }) => forwardPath.address)).toEqual([ANN]);
    expect(noticesTo(town, ANN)[0]).toMatch(/Status: 5\.3\.0/);
  });

  it('content that is not what was committed, and mended in time, is relayed', async () => {
    const town = townOf();
    town.submit('exchange', ULID, {});
    town.spool.spoil(EML, 'damaged');
    await town.live(1);
    town.spool.spoil(EML, null);
    await town.live(24);
    expect(endsOf(town)).toEqual({ [BOB]: 'relayed' });
  });

  it.each(['denied', 'missing', 'damaged'] as const)(
    'an envelope: %s. Held at once, alarmed, tried again, dead-lettered',
    async (cause) => {
      const town = townOf();
      town.submit('exchange', ULID, {});
      town.spool.spoil(ENVELOPE, cause);
      await town.live(24);
      expect(endsOf(town)).toEqual({ unknown: 'held envelope-unreadable' });
      expect(town.watch.total('ContentUnreadable')).toBe(5);
      expect(town.watch.total('Held')).toBe(1);
      expect(town.lostNotifications).toHaveLength(1);
      // Redriven, once it can be read.
      town.spool.spoil(ENVELOPE, null);
      town.notifications.push({ body: event(ENVELOPE), receives: 0, visibleAt: town.clock.now() });
      await town.live(24);
      expect(endsOf(town)).toEqual({ unknown: 'removed envelope-read', [BOB]: 'relayed' });
    },
  );

  it('an outage of S3 alone makes no row, and ends among the dead letters or well', async () => {
    const town = townOf();
    town.submit('exchange', ULID, {});
    town.spool.spoil(ENVELOPE, 'unavailable');
    await town.work();
    expect(town.ledger.all()).toEqual([]);
    town.spool.spoil(ENVELOPE, null);
    await town.live(24);
    expect(endsOf(town)).toEqual({ [BOB]: 'relayed' });
  });

  it('the author of a null reverse-path: held until he can be read', async () => {
    const town = townOf();
    town.submit('exchange', ULID, { envelope: { reversePath: '' } });
    town.spool.spoil(EML, 'denied');
    await town.work();
    expect(endsOf(town)).toEqual({ unknown: 'held envelope-unreadable' });
    town.spool.spoil(EML, null);
    await town.live(24);
    expect(endsOf(town)).toEqual({ unknown: 'removed envelope-read', [BOB]: 'relayed' });
  });
});

describe('notices, as they were asked for', () => {
  const asking = (notify: readonly string[] | null, more: object = {}): Submitted => ({
    envelope: { forwardPaths: [recipient(BOB, { notify })], ...more } as Submitted['envelope'],
  });

  it.each([
    ['NEVER', ['NEVER'], 'unreturnable notify-never', 0],
    ['SUCCESS alone', ['SUCCESS'], 'unreturnable notify-no-failure', 0],
    ['FAILURE', ['FAILURE'], 'returned', 1],
    ['nothing', null, 'returned', 1],
  ] as const)('a refusal, and %s', async (_, notify, end, notices) => {
    const town = await lived(asking(notify), () => noSuchUser);
    expect(endsOf(town)).toEqual({ [BOB]: end });
    expect(noticesTo(town, ANN)).toHaveLength(notices);
  });

  it('a delay, and no DELAY', async () => {
    const given = { ...settings, retry: { ...settings.retry, delayNoticeMs: HOUR } };
    const later = { code: 451, status: '4.3.0', text: 'later', at: 'rcpt' } as const;
    const town = await lived(asking(['FAILURE']), () => later, 'exchange', given);
    expect(noticesTo(town, ANN)).toHaveLength(1);
    const told = await lived(asking(['FAILURE', 'DELAY']), () => later, 'exchange', given);
    expect(noticesTo(told, ANN)).toHaveLength(2);
  });

  it('a success, once, of headers alone, with what was asked for beside it', async () => {
    const town = await lived(asking(['SUCCESS'], { envid: 'Q1', ret: 'FULL' }));
    expect(endsOf(town)).toEqual({ [BOB]: 'relayed' });
    const [notice = '', another] = noticesTo(town, ANN);
    expect(another).toBeUndefined();
    expect(judgeNotice(Buffer.from(notice, 'latin1'))).toEqual([]);
    expect(notice).toMatch(/Original-Envelope-Id: Q1[\s\S]*Action: relayed\r\nStatus: 2\.0\.0/);
    expect(notice).not.toContain('Hello');
    expect(deliveries(town)[0]?.notice).toMatchObject({ kind: 'success', state: 'relayed', to: ANN });
  });

  it('a success under a null reverse-path, or of a next hop that reports itself, is told to nobody', async () => {
    const silent = await lived(asking(['SUCCESS'], { reversePath: '' }));
    expect(endsOf(silent)).toEqual({ [BOB]: 'relayed' });
    expect(deliveries(silent)[0]?.notice).toMatchObject({
      kind: 'success',
      state: 'unreturnable',
      reason: 'null-reverse-path',
    });
    const taken = await lived(asking(['SUCCESS']), () => ({ ...ok, dsnTaken: true }));
    expect(endsOf(taken)).toEqual({ [BOB]: 'relayed' });
    expect(noticesTo(taken, ANN)).toEqual([]);
    expect(deliveries(taken)[0]?.notice).toBeNull();
  });

  it("a success whose notice is refused changes nothing of the delivery's end, and holds nothing", async () => {
    const town = new Town((forwardPath) => (forwardPath.address === ANN ? noSuchUser : ok), new Interrupt(), settings);
    town.submit('exchange', ULID, asking(['SUCCESS']));
    await town.live(24);
    expect(endsOf(town)).toEqual({ [BOB]: 'relayed' });
    expect(town.ledger.all().every((row) => row.dueAt === null && row.state !== 'held')).toBe(true);
  });

  it('of mail that an operator let go for a foreign sender none is sent to him', async () => {
    const town = await lived({ envelope: { reversePath: 'eve@bank.example' } }, () => noSuchUser);
    const [held] = deliveries(town);
    if (held === undefined) throw new Error('no delivery');
    await town.ledger.write(
      {
        ...held,
        state: 'queued',
        nextAttemptAt: town.clock.now(),
        dueAt: town.clock.now(),
        expiresAt: town.clock.now() + HOUR,
      },
      [],
    );
    await town.live(24);
    expect(endsOf(town)).toEqual({ [BOB]: 'unreturnable foreign-sender' });
    expect(town.exchange.accepted).toEqual([]);
  });
});

describe('a crash before or after any port call', () => {
  type Way = {
    readonly name: string;
    readonly script: Script;
    readonly submitted: Submitted;
    readonly ends: object;
    readonly notices: number;
    readonly spoil?: readonly [string, UnreadableCause];
  };
  const ways: readonly Way[] = [
    { name: 'relayed', script: () => ok, submitted: { times: 2 }, ends: { [BOB]: 'relayed' }, notices: 0 },
    {
      name: 'two recipients, one refused',
      script: ({ address }) => (address === BOB ? noSuchUser : ok),
      submitted: { envelope: { forwardPaths: [recipient(BOB), recipient('eve@far.example')] } },
      ends: { [BOB]: 'returned', 'eve@far.example': 'relayed' },
      notices: 1,
    },
    {
      name: 'a success told',
      script: () => ok,
      submitted: { envelope: { forwardPaths: [recipient(BOB, { notify: ['SUCCESS'] })] } },
      ends: { [BOB]: 'relayed' },
      notices: 1,
    },
    {
      name: 'malformed',
      script: () => ok,
      submitted: { text: '{"reversePath":"ann@example.com"}' },
      ends: { unknown: 'returned' },
      notices: 1,
    },
    {
      name: 'held',
      script: () => ok,
      submitted: { envelope: { reversePath: 'e@bank.example' } },
      ends: { [BOB]: 'held foreign-sender' },
      notices: 0,
    },
    {
      name: 'unreadable content',
      script: () => ok,
      submitted: {},
      spoil: [EML, 'damaged'],
      ends: { [BOB]: 'returned' },
      notices: 1,
    },
    {
      name: 'unreadable envelope',
      script: () => ok,
      submitted: {},
      spoil: [ENVELOPE, 'denied'],
      ends: { unknown: 'held envelope-unreadable' },
      notices: 0,
    },
  ];

  async function run(way: Way, interrupt: Interrupt): Promise<Town> {
    const town = townOf(way.script, interrupt);
    town.submit('exchange', ULID, way.submitted);
    if (way.spoil !== undefined) town.spool.spoil(...way.spoil);
    await town.live(24 * 7);
    return town;
  }

  it.each(ways)('$name', async (way) => {
    const counting = new Interrupt();
    await run(way, counting);
    expect(counting.calls.length).toBeGreaterThan(3);
    for (let k = 0; k <= counting.calls.length; k++) {
      for (const when of ['before', 'after'] as const) {
        const town = await run(way, k === 0 ? new Interrupt() : Interrupt.at(k, when));
        const place = `crash ${when} call ${k} (${counting.calls[k - 1]})`;
        expect(endsOf(town), place).toEqual(way.ends);
        for (const row of town.ledger.all()) {
          expect(isFinal(row.state) || row.state === 'held', `${place}: ${row.deliveryKey} is ${row.state}`).toBe(true);
          expect([row.leaseUntil, row.dueAt], place).toEqual([null, null]);
        }
        const notices = noticesTo(town, ANN).length;
        expect(notices, place).toBeGreaterThanOrEqual(way.notices);
        expect(notices, place).toBeLessThanOrEqual(way.notices + (k === 0 ? 0 : 1));
        expect(town.relayQueue.deadLetters.concat(town.bounceQueue.deadLetters), place).toEqual([]);
      }
    }
  });
});
