// Mail from our side, in the pipeline: what may be sent, what comes back, what cannot be used and what cannot be read.
// An event may come twice, in any order, at any time.

import { describe, expect, it } from 'vitest';
import { lostJobAfterMs } from '#core/limits.ts';
import { release } from '#pipeline/operate/operate.ts';
import type { UnreadableCause } from '#pipeline/ports.ts';
import { judgeNotice } from '#test/judges/rfc3464.ts';
import type { TestPipeline } from '../kit/pipeline.ts';
import { ACCEPTED_AT } from './notification.ts';
import { committed, type Submitted } from './submitted.ts';
import {
  ANN,
  BOB,
  deliveries,
  EML,
  ENVELOPE,
  endsOf,
  HOUR,
  lived,
  noSuchUser,
  noticesTo,
  ok,
  pipelineOf,
  recipient,
  ULID,
} from './submitting.ts';

describe('what is submitted', () => {
  it('is relayed by outbound routes, its bytes as they were behind our own fields', async () => {
    const content = 'From: ann@example.com\r\n\r\nbare\nline, \x80\r\n';
    const pipeline = await lived({ content });
    expect(endsOf(pipeline)).toEqual({ [BOB]: 'relayed' });
    const [sent] = pipeline.exchange.accepted;
    expect(sent?.reversePath?.address).toBe(ANN);
    expect(Buffer.from(sent?.content ?? []).toString('utf8')).toMatch(/^Received: by example\.com/);
    expect(Buffer.from(sent?.content ?? []).subarray(-new TextEncoder().encode(content).length)).toEqual(
      Buffer.from(content),
    );
    const [row] = deliveries(pipeline);
    expect(row?.message).toMatchObject({ direction: 'outbound', spoolId: `exchange-${ULID}`, verdicts: null });
    expect(row?.message?.submission).toMatchObject({ submitter: 'exchange', ret: null, envid: null });
  });

  it('shows its Bcc to no next hop and in no notice, and is stored as it was', async () => {
    const hidden = 'Bcc : eve@far.example,\r\n\tzoe@far.example\r\nRESENT-BCC:dan@far.example\r\n';
    const content = `From: ann@example.com\r\n${hidden}Subject: s\r\n\r\nBcc: body\r\n`;
    const pipeline = await lived({ content }, () => noSuchUser);
    expect(noticesTo(pipeline, ANN)[0]).toMatch(/Subject: s\r\n[\s\S]*Bcc: body/);
    expect(noticesTo(pipeline, ANN)[0]).not.toMatch(/eve@|zoe@|dan@/);
    const taken = await lived({ content });
    const [sent] = taken.exchange.accepted;
    const text = Buffer.from(sent?.content ?? []).toString('latin1');
    expect(text.slice(text.indexOf('From:'))).toBe('From: ann@example.com\r\nSubject: s\r\n\r\nBcc: body\r\n');
    const stored = await taken.spool.head(EML, 1_000, new AbortController().signal);
    expect(stored.kind === 'read' ? Buffer.from(stored.bytes).toString('latin1') : stored).toBe(content);
  });

  it('is one delivery for each recipient, also when the event comes three times and again at the end', async () => {
    const pipeline = pipelineOf();
    const forwardPaths = [recipient(BOB), recipient('eve@far.example'), recipient('bob@FAR.example')];
    pipeline.submit('exchange', ULID, { envelope: { forwardPaths }, times: 3 });
    await pipeline.live(24);
    pipeline.submit('exchange', ULID, { envelope: { forwardPaths } });
    await pipeline.live(24);
    expect(deliveries(pipeline).map((row) => row.state)).toEqual(['relayed', 'relayed']);
    expect(pipeline.exchange.accepted).toHaveLength(2);
  });

  it('to a domain of ours goes by the inbound route, where no outbound one takes it', async () => {
    const pipeline = await lived({ envelope: { forwardPaths: [recipient('carol@example.com')] } });
    expect(deliveries(pipeline).map((row) => [row.nextHop, row.state])).toEqual([['exchange', 'relayed']]);
  });

  it('to nowhere that a route leads comes back: nobody relays for a foreign domain', async () => {
    const pipeline = await lived({ envelope: { forwardPaths: [recipient('x@elsewhere.example')] } });
    expect(endsOf(pipeline)).toEqual({ 'x@elsewhere.example': 'returned' });
    expect(pipeline.exchange.accepted).toHaveLength(1); // the NDR
    expect(noticesTo(pipeline, ANN)[0]).toMatch(
      /Status: 5\.7\.1[\s\S]*no outbound route takes mail for\s+elsewhere\.example/,
    );
  });

  it('in a loop comes back', async () => {
    const pipeline = await lived({ content: `${'Received: by x\r\n'.repeat(60)}From: ann@example.com\r\n\r\n` });
    expect(noticesTo(pipeline, ANN)[0]).toMatch(/Status: 5\.4\.6/);
  });

  it('is told to the next hop with what its submitter asked, and in whose name it may be signed', async () => {
    const asked: unknown[] = [];
    const forwardPaths = [recipient(BOB, { notify: ['FAILURE'], orcpt: 'rfc822;b@far.example' })];
    const envelope = { forwardPaths, ret: 'HDRS', envid: 'Q1', smtputf8: true } as const;
    await lived({ envelope }, (_to, _attempt, transaction) => {
      asked.push(transaction.dsn, transaction.author, transaction.smtputf8);
      return ok;
    });
    expect(asked).toEqual([
      { ret: 'HDRS', envid: 'Q1', notify: ['FAILURE'], orcpt: 'rfc822;b@far.example' },
      { by: 'submitter', senderDomains: ['example.com'], ourDomains: expect.arrayContaining(['example.com']) },
      true,
    ]);
  });
});

describe('who may send', () => {
  const refused: [string, string, Submitted, string][] = [
    ['a foreign reverse-path', 'exchange', { envelope: { reversePath: 'eve@bank.example' } }, 'foreign-sender'],
    [
      'a MAILER-DAEMON of a foreign domain',
      'exchange',
      { envelope: { reversePath: 'mailer-daemon@bank.example' } },
      'foreign-sender',
    ],
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
  for (const from of ['eve@bank.example', 'ann@example.com, eve@bank.example', 'ann@example.com eve@bank.example'])
    refused.push([
      `of a submitter by address ${from}`,
      'printers',
      { content: `From: ${from}\r\n\r\nHello\r\n` },
      'foreign-author',
    ]);
  const OTHER = 'boss@cron.example'; // of the submitter cron
  for (const [name, from] of [
    ["an author of a domain of ours that is another submitter's", `From: ${OTHER}`],
    ['one of two authors', `From: ann@example.com, ${OTHER}`],
    ['one behind a source route', `From: <@a.example,@b.example:${OTHER}>`],
    ['one before a final dot', `From: ${OTHER}.`],
    ['one in a group', `From: Staff: ${OTHER};`],
    ['one behind a comment', `From: eve@bank.example (<${OTHER}>)`],
    ['one among junk', `From: <eve@bank.example> or ${OTHER}`],
    ['one behind a bare CR', `X: y\rFrom: ${OTHER}\r\nFrom: ann@example.com`],
    ['one in a sub-domain', 'From: boss@a.cron.example'],
    ['two From fields', 'From: ann@example.com\r\nFrom: ann@example.com'],
  ] as const)
    refused.push([name, 'exchange', { content: `${from}\r\n\r\nHello\r\n` }, 'foreign-author']);
  it.each(refused)('%s: held, and nothing leaves', async (_, submitter, submitted, reason) => {
    const pipeline = await lived(submitted, undefined, submitter);
    expect(endsOf(pipeline)).toEqual({ [BOB]: `held ${reason}` });
    expect(pipeline.exchange.accepted).toEqual([]);
    expect(pipeline.watch.total('Held')).toBe(1);
  });

  it('a null reverse-path of an author of ours, as mail servers send reports: it stays null', async () => {
    const pipeline = await lived({ envelope: { reversePath: '' } });
    expect(endsOf(pipeline)).toEqual({ [BOB]: 'relayed' });
    expect(pipeline.exchange.accepted[0]?.reversePath).toBeNull();
  });

  it.each([
    ['that ingest could not open', null],
    ['in whose place ingest saw another message', 'From: ann@example.com\r\n\r\nHello\r\n'],
  ])('an author of another submitter in content %s: nothing leaves, and its submitter hears', async (_, seen) => {
    const pipeline = pipelineOf();
    const bytes = Buffer.from(`From: ${OTHER}\r\n\r\nHello\r\n`);
    const { sha256, bytes: size } = committed(bytes);
    pipeline.submit('exchange', ULID, { content: seen ?? 'x', envelope: { sha256, bytes: size } });
    if (seen === null) pipeline.spool.lose(EML);
    await pipeline.live(0.1);
    pipeline.spool.put(EML, bytes, ACCEPTED_AT);
    await pipeline.live(24 * 7);
    expect(endsOf(pipeline)).toEqual({ [BOB]: 'returned' });
    expect(pipeline.exchange.accepted.filter(({ forwardPath }) => forwardPath.address !== ANN)).toEqual([]);
    expect(noticesTo(pipeline, ANN)[0]).toMatch(/Status: 5\.3\.0/);
    expect(pipeline.watch.total('ContentUnreadable')).toBeGreaterThan(0);
  });

  it('a submitter by address, as one of its own authors: it leaves, and the row says from where it came', async () => {
    const client = { address: '192.168.10.7', login: false, tls: null };
    const pipeline = await lived({ envelope: { client } }, undefined, 'printers');
    expect(endsOf(pipeline)).toEqual({ [BOB]: 'relayed' });
    expect(deliveries(pipeline)[0]?.message?.submission).toMatchObject({ submitter: 'printers', client });
  });

  it('an author of another submitter whose mail an operator released: it leaves', async () => {
    const pipeline = await lived({ content: `From: ${OTHER}\r\n\r\nHello\r\n` });
    const [row] = deliveries(pipeline);
    if (row === undefined) throw new Error('no row');
    const { ledger, relayQueue, bounceQueue, feedbackQueue, clock } = pipeline;
    const ports = { ledger, relayQueue, bounceQueue, feedbackQueue, clock, sweepAgainMs: lostJobAfterMs };
    expect((await release(ports, row, 48 * HOUR)).kind).toBe('done');
    expect(deliveries(pipeline)[0]?.releasedFrom).toEqual(['foreign-author']);
    await pipeline.live(24);
    expect(endsOf(pipeline)).toEqual({ [BOB]: 'relayed' });
  });

  it('a foreign author under a reverse-path of ours: a mail server passing mail on', async () => {
    const pipeline = await lived({ content: 'From: eve@bank.example\r\n\r\n' });
    expect(endsOf(pipeline)).toEqual({ [BOB]: 'relayed' });
  });
});

describe('an envelope that cannot be used', () => {
  const wrong: [string, Partial<Submitted>][] = [
    ['no version', { text: '{"reversePath":"ann@example.com","forwardPaths":[]}' }],
    ['a bad recipient', { envelope: { forwardPaths: [recipient('bob')] } }],
  ];
  it.each(wrong)('%s: its reverse-path is told why', async (_, submitted) => {
    const pipeline = await lived(submitted);
    expect(endsOf(pipeline)).toEqual({ unknown: 'returned' });
    const [notice = ''] = noticesTo(pipeline, ANN);
    expect(judgeNotice(Buffer.from(notice, 'latin1'))).toEqual([]);
    expect(notice).toMatch(/Status: 5\.6\.0[\s\S]*cannot be used/);
    expect(pipeline.watch.total('SubmissionMalformed')).toBe(1);
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
    const pipeline = await lived(submitted);
    expect(endsOf(pipeline)).toEqual({ unknown: 'held submission-malformed' });
    expect(pipeline.exchange.accepted).toEqual([]);
    expect([pipeline.watch.total('SubmissionMalformed'), pipeline.watch.total('Held')]).toEqual([1, 1]);
  });

  it('under a name that no contract knows it is accounted for all the same', async () => {
    const pipeline = pipelineOf();
    for (const name of ['mine', '01jd0000000000000000000000'])
      for (const body of [event(`out/exchange/${name}.envelope.json`)]) pipeline.notify(body);
    pipeline.spool.put('out/exchange/mine.envelope.json', Buffer.from('{"version":1,"reversePath":"ann@example.com"}'));
    await pipeline.live(24);
    expect(
      deliveries(pipeline)
        .map((row) => `${row.spoolId.slice(0, 10)} ${row.state} ${row.stateReason}`)
        .sort(),
    ).toEqual(['exchange-Z held envelope-unreadable', 'exchange-Z returned null']);
  });

  it('an event that is none ends among the dead letters, and S3 trying the queue out does not', async () => {
    const pipeline = pipelineOf();
    const bodies = ['{"Records":[]}', '{"Records":[{"eventSource":"aws:s3","eventName":"ObjectRemoved:Delete"}]}'];
    const test = '{"Service":"Amazon S3","Event":"s3:TestEvent","Time":"2026-11-22T10:00:00Z","Bucket":"spool"}';
    for (const body of [...bodies, test, test.replace('}', ',"Records":[]}')]) pipeline.notify(body);
    await pipeline.live(24);
    expect(pipeline.lostNotifications).toHaveLength(3);
    expect(pipeline.ledger.all()).toEqual([]);
  });
});

function event(key: string): string {
  const s3 = { object: { key } };
  return JSON.stringify({
    Records: [{ eventSource: 'aws:s3', eventName: 'ObjectCreated:Put', eventTime: '2026-11-22T10:00:00.000Z', s3 }],
  });
}

describe('what cannot be read', () => {
  const CAUSES: readonly UnreadableCause[] = ['denied', 'missing', 'empty', 'damaged', 'unavailable'];

  it.each(CAUSES)('content: %s. Deferred, counted, and in the end its sender hears 5.3.0', async (cause) => {
    const pipeline = pipelineOf();
    pipeline.submit('exchange', ULID, {});
    pipeline.spool.spoil(EML, cause);
    await pipeline.live(24);
    expect(endsOf(pipeline)).toEqual({ [BOB]: 'returned' });
    expect(pipeline.watch.total('ContentUnreadable')).toBeGreaterThan(1);
    expect(deliveries(pipeline)[0]?.trace.map(({ event: name }) => name)).toEqual(
      expect.arrayContaining(['UNREADABLE', 'EXPIRE', 'DSN']),
    );
    expect(pipeline.exchange.accepted).toHaveLength(1);
    expect(noticesTo(pipeline, ANN)[0]).toMatch(/Status: 5\.3\.0/);
  });

  const other: [string, (pipeline: TestPipeline) => void][] = [
    [
      'other bytes of the same length',
      (pipeline) => pipeline.spool.put(EML, Buffer.from('From: eve@example.com\r\n\r\nHello\r\n')),
    ],
    ['fewer bytes', (pipeline) => pipeline.spool.put(EML, Buffer.from('From: ann@example.com\r\n\r\n'))],
    ['a break in the middle', (pipeline) => pipeline.spool.breakAfter(EML, 20)],
  ];
  it.each(other)('content that is not what was committed: %s', async (_, spoil) => {
    const pipeline = pipelineOf();
    pipeline.submit('exchange', ULID, { content: 'From: ann@example.com\r\n\r\nHello\r\n' });
    spoil(pipeline);
    await pipeline.live(24);
    expect(pipeline.exchange.accepted.map(({ forwardPath }) => forwardPath.address)).toEqual([ANN]);
    expect(noticesTo(pipeline, ANN)[0]).toMatch(/Status: 5\.3\.0/);
  });

  it('content that is not what was committed, and mended in time, is relayed', async () => {
    const pipeline = pipelineOf();
    pipeline.submit('exchange', ULID, {});
    pipeline.spool.spoil(EML, 'damaged');
    await pipeline.live(1);
    pipeline.spool.spoil(EML, null);
    await pipeline.live(24);
    expect(endsOf(pipeline)).toEqual({ [BOB]: 'relayed' });
  });

  it.each(['denied', 'missing', 'damaged'] as const)(
    'an envelope: %s. Held at once, alarmed, tried again, dead-lettered',
    async (cause) => {
      const pipeline = pipelineOf();
      pipeline.submit('exchange', ULID, {});
      pipeline.spool.spoil(ENVELOPE, cause);
      await pipeline.live(24);
      expect(endsOf(pipeline)).toEqual({ unknown: 'held envelope-unreadable' });
      expect(pipeline.watch.total('ContentUnreadable')).toBe(5);
      expect(pipeline.watch.total('Held')).toBe(5); // raised before each write: the one before may have died with its function
      expect(pipeline.lostNotifications).toHaveLength(1);
      // Redriven, once it can be read.
      pipeline.spool.spoil(ENVELOPE, null);
      pipeline.notify(event(ENVELOPE));
      await pipeline.live(24);
      expect(endsOf(pipeline)).toEqual({ unknown: 'removed envelope-read', [BOB]: 'relayed' });
    },
  );

  it('an outage of S3 alone makes no row, and ends among the dead letters or well', async () => {
    const pipeline = pipelineOf();
    pipeline.submit('exchange', ULID, {});
    pipeline.spool.spoil(ENVELOPE, 'unavailable');
    await pipeline.work();
    expect(pipeline.ledger.all()).toEqual([]);
    pipeline.spool.spoil(ENVELOPE, null);
    await pipeline.live(24);
    expect(endsOf(pipeline)).toEqual({ [BOB]: 'relayed' });
  });

  it('the author of a null reverse-path: held until he can be read', async () => {
    const pipeline = pipelineOf();
    pipeline.submit('exchange', ULID, { envelope: { reversePath: '' } });
    pipeline.spool.spoil(EML, 'denied');
    await pipeline.work();
    expect(endsOf(pipeline)).toEqual({ unknown: 'held envelope-unreadable' });
    pipeline.spool.spoil(EML, null);
    await pipeline.live(24);
    expect(endsOf(pipeline)).toEqual({ unknown: 'removed envelope-read', [BOB]: 'relayed' });
  });
});
