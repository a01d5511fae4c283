// What comes back to return paths of ours, through the whole pipeline in memory: joined to its delivery once, told to
// the sender once and without the routed address, handed to the postmaster where nobody can read it, and never relayed
// for anybody. Crash everywhere too.

import { describe, expect, it } from 'vitest';
import { Interrupt } from '#adapters/memory/interrupt.ts';
import type { Script } from '#adapters/memory/next-hop.ts';
import { TestPipeline } from '../kit/pipeline.ts';
import { ACCEPTED_AT } from './notification.ts';
import {
  ANN,
  BOB,
  DAY,
  forwarded,
  noticesToAnn,
  ok,
  reportOf,
  requireQuiet,
  reverseOf,
  row,
  settings,
  text,
  toPostmaster,
} from './returning.ts';

describe.each(['token', 'srs'] as const)('a report to a %s', (mode) => {
  it('of a failure makes the delivery returned: one NDR, and the routed address is not in it', async () => {
    const pipeline = await forwarded(mode);
    expect(row(pipeline, 'm1')?.state).toBe('relayed');
    expect(row(pipeline, 'm1')?.trace.at(-1)?.reason).toBe(`return path ${reverseOf(pipeline)}`);
    pipeline.receive('r1', '', [reverseOf(pipeline)], reportOf(pipeline));
    await pipeline.live(1);
    expect(row(pipeline, 'm1')).toMatchObject({
      state: 'returned',
      lastStatus: '5.1.1',
      lastReason: 'reported-failed',
    });
    const [notice, ...more] = noticesToAnn(pipeline);
    expect(more).toEqual([]);
    expect(notice?.reversePath).toBeNull();
    const said = text(notice?.content);
    expect(said).toContain(`Final-Recipient: rfc822; ${BOB}`);
    expect(said).toMatch(/Diagnostic-Code: smtp; 550 5\.1\.1 <bob@example\.com>: no such user/);
    expect(said).not.toMatch(/kept\.secret7/i);
    expect(row(pipeline, 'r1')).toMatchObject({ state: 'discarded', stateReason: 'report-joined' });
    expect(row(pipeline, 'r1')?.trace.at(-1)).toMatchObject({ event: 'DROP', reason: expect.stringMatching(/: m1-/) });
    requireQuiet(pipeline);
  });

  it('twice tells the sender once', async () => {
    const pipeline = await forwarded(mode);
    for (const id of ['r1', 'r2'])
      pipeline.receive(id, '', [reverseOf(pipeline)], reportOf(pipeline, { words: `550 5.1.1 ${id}` }));
    await pipeline.live(1);
    pipeline.receive('r3', '', [reverseOf(pipeline)], reportOf(pipeline));
    await pipeline.live(1);
    expect(noticesToAnn(pipeline)).toHaveLength(1);
    expect(row(pipeline, 'm1')?.trace.filter(({ event }) => event === 'IGNORE')).toHaveLength(2);
    expect(row(pipeline, 'r3')).toMatchObject({ state: 'discarded', stateReason: 'report-ignored' });
    requireQuiet(pipeline);
  });

  it('of a delay is traced and no more; one of success confirms, and a failure after it counts', async () => {
    const pipeline = await forwarded(mode);
    pipeline.receive(
      'r1',
      '',
      [reverseOf(pipeline)],
      reportOf(pipeline, { action: 'delayed', status: '4.4.1', words: '451 later' }),
    );
    await pipeline.live(1);
    expect(row(pipeline, 'm1')?.state).toBe('relayed');
    expect(row(pipeline, 'm1')?.trace.at(-1)).toMatchObject({ event: 'DELAY', reason: 'reported-delayed' });
    pipeline.receive(
      'r2',
      '',
      [reverseOf(pipeline)],
      reportOf(pipeline, { action: 'delivered', status: '2.0.0', words: '250 ok' }),
    );
    await pipeline.live(1);
    expect(row(pipeline, 'm1')?.state).toBe('confirmed');
    expect(noticesToAnn(pipeline)).toEqual([]);
    pipeline.receive('r3', '', [reverseOf(pipeline)], reportOf(pipeline));
    await pipeline.live(1);
    expect(row(pipeline, 'm1')?.state).toBe('returned');
    expect(noticesToAnn(pipeline)).toHaveLength(1);
    requireQuiet(pipeline);
  });

  it('that cannot be understood goes to the postmaster whole; what a person writes there too', async () => {
    const pipeline = await forwarded(mode);
    const odd = 'Subject: hello\r\n\r\nIs this thing on?\r\n';
    pipeline.receive('r1', '', [reverseOf(pipeline)], odd);
    pipeline.receive('r2', 'eve@far.example', [reverseOf(pipeline)], odd);
    await pipeline.live(1);
    expect(toPostmaster(pipeline).map(({ content }) => text(content).endsWith(odd))).toEqual([true, true]);
    expect(row(pipeline, 'r1')).toMatchObject({
      state: 'relayed',
      nextHop: 'exchange',
      forwardPath: reverseOf(pipeline),
    });
    expect(row(pipeline, 'r1')?.trace.map(({ event }) => event)).toEqual(['RECEIVE', 'REDIRECT', 'SEND']);
    expect(noticesToAnn(pipeline)).toEqual([]);
    requireQuiet(pipeline);
  });

  it('is no way past policy: what is spam, and no report, is quarantined', async () => {
    const pipeline = await forwarded(mode);
    pipeline.receive('r1', '', [reverseOf(pipeline)], 'Subject: buy\r\n\r\nnow\r\n', ['spam']);
    await pipeline.live(0.2);
    expect(row(pipeline, 'r1')).toMatchObject({ state: 'quarantined', stateReason: 'policy-spam' });
    expect(toPostmaster(pipeline)).toEqual([]);
    requireQuiet(pipeline);
  });

  it('that is an answer and sounds like a report changes nothing', async () => {
    const pipeline = await forwarded(mode);
    const away =
      'From: Bob <bob@target.example>\r\nSubject: Automatic reply: Delivery status of order 4711\r\nAuto-Submitted: auto-replied\r\n\r\nI cannot be reached. In urgent cases:\r\n\r\n carla@target.example\r\n';
    pipeline.receive('r1', '', [reverseOf(pipeline)], away);
    await pipeline.live(1);
    expect(row(pipeline, 'r1')).toMatchObject({ state: 'discarded', stateReason: 'automatic-answer' });
    expect(row(pipeline, 'm1')?.state).toBe('relayed');
    expect(noticesToAnn(pipeline)).toEqual([]);
    requireQuiet(pipeline);
  });

  it('that a scanner wrapped makes the delivery returned; merged with another one it says what is about the delivery', async () => {
    for (const kind of ['wrapped', 'merged'] as const) {
      const pipeline = await forwarded(mode);
      const report = reportOf(pipeline);
      const other = `Final-Recipient: rfc822; zoe@far.example\r\nAction: failed\r\nStatus: 5.2.2\r\n\r\nFinal-Recipient`;
      const wrapped = `From: scanner@target.example\r\nContent-Type: multipart/mixed; boundary=w\r\n\r\n--w\r\n\r\nScanned.\r\n--w\r\nContent-Type: message/rfc822\r\n\r\n${report}\r\n--w--\r\n`;
      const merged = report.replace('Final-Recipient', other);
      pipeline.receive('r1', '', [reverseOf(pipeline)], kind === 'wrapped' ? wrapped : merged);
      await pipeline.live(1);
      expect([kind, row(pipeline, 'm1')?.state, row(pipeline, 'm1')?.lastStatus]).toEqual([kind, 'returned', '5.1.1']);
      expect(noticesToAnn(pipeline)).toHaveLength(1);
      requireQuiet(pipeline);
    }
  });

  it('about others alone, merged into one of success, is no failure of the delivery', async () => {
    const pipeline = await forwarded(mode);
    const other = `Final-Recipient: rfc822; zoe@far.example\r\nAction: failed\r\nStatus: 5.2.2\r\n\r\nFinal-Recipient`;
    const success = reportOf(pipeline, { action: 'delivered', status: '2.0.0', words: '250 ok' });
    pipeline.receive('r1', '', [reverseOf(pipeline)], success.replace('Final-Recipient', other));
    await pipeline.live(1);
    expect(row(pipeline, 'm1')?.state).toBe('confirmed');
    expect(noticesToAnn(pipeline)).toEqual([]);
    requireQuiet(pipeline);
  });

  it('by an automatic answer is traced, told to nobody and ends there', async () => {
    const pipeline = await forwarded(mode);
    const away =
      'From: x@target.example\r\nSubject: Automatic reply: hello\r\nAuto-Submitted: auto-replied\r\n\r\nI am away\r\n';
    pipeline.receive('r1', '', [reverseOf(pipeline)], away);
    pipeline.receive('r2', 'x@target.example', [reverseOf(pipeline)], away, [], { autoSubmitted: 'auto-replied' });
    await pipeline.live(1);
    for (const id of ['r1', 'r2'])
      expect(row(pipeline, id)).toMatchObject({ state: 'discarded', stateReason: 'automatic-answer' });
    expect([...noticesToAnn(pipeline), ...toPostmaster(pipeline)]).toEqual([]);
    expect(row(pipeline, 'm1')?.state).toBe('relayed');
    requireQuiet(pipeline);
  });
});

describe('return paths that are none of ours', () => {
  it.each([
    ['a forged token', `b+${'a'.repeat(26)}@bounces.example.com`, 'return-path-unknown'],
    ['a forged SRS address', 'SRS0=AAAAAAAA=AA=victim.example=joe@bounces.example.com', 'return-path-forged'],
    ["another forwarder's SRS address", 'SRS0=Hd2Z=QF=far.example=joe@bounces.example.com', 'return-path-forged'],
    [
      'a forged SRS1 address',
      'SRS1=AAAAAAAA=far.example==HHH=TT=victim.example=joe@bounces.example.com',
      'return-path-forged',
    ],
    ['any other address', 'joe@bounces.example.com', 'return-path-unknown'],
  ])(
    '%s is never relayed and answers nobody: a report to it ends there, and so does what a person writes',
    async (_, address, reason) => {
      const pipeline = await forwarded('srs');
      pipeline.receive('r1', '', [address], reportOf(pipeline));
      pipeline.receive('r2', ANN, [address]);
      await pipeline.live(1);
      for (const id of ['r1', 'r2']) {
        expect(row(pipeline, id)).toMatchObject({ state: 'discarded', stateReason: reason });
        expect(row(pipeline, id)?.trace.at(-1)).toMatchObject({ event: 'DROP', reason });
      }
      expect(pipeline.spool.has('in/r2')).toBe(true);
      expect(noticesToAnn(pipeline)).toEqual([]);
      expect(row(pipeline, 'm1')?.state).toBe('relayed');
      requireQuiet(pipeline);
    },
  );

  it('answer nobody where the postmaster’s server refuses what was sent on to it; but for postmaster and abuse', async () => {
    const refusing: Script = (to, ...more) =>
      to.address === 'postmaster@example.com' ? { code: 550, status: '5.7.1', text: 'no' } : ok(to, ...more);
    const pipeline = await forwarded('token', new Interrupt(), refusing);
    pipeline.receive('r1', 'eve@far.example', [reverseOf(pipeline)]);
    pipeline.receive('r2', ANN, ['abuse@bounces.example.com']);
    pipeline.receive('r3', ANN, ['Postmaster@bounces.example.com']);
    await pipeline.live(1);
    expect(row(pipeline, 'r1')).toMatchObject({ state: 'unreturnable', stateReason: 'return-path' });
    for (const id of ['r2', 'r3']) expect(row(pipeline, id)).toMatchObject({ state: 'returned', lastStatus: '5.7.1' });
    expect(noticesToAnn(pipeline)).toHaveLength(2);
    expect(pipeline.exchange.accepted.filter((each) => each.forwardPath.address.endsWith('far.example'))).toEqual([]);
    requireQuiet(pipeline);
  });

  it('a token is good as long as its row, and an SRS address for three weeks', async () => {
    for (const [mode, days] of [
      ['token', 91],
      ['srs', 23],
    ] as const) {
      const pipeline = await forwarded(mode);
      pipeline.clock.advanceTo(ACCEPTED_AT + days * DAY);
      pipeline.receive('r1', '', [reverseOf(pipeline)], reportOf(pipeline));
      await pipeline.live(1);
      expect(row(pipeline, 'r1')).toMatchObject({ state: 'discarded', stateReason: 'return-path-expired' });
      expect(noticesToAnn(pipeline)).toEqual([]);
    }
  });

  it('an SRS address speaks for its own sender alone: another message does not become his, nor one that bears no mark of ours', async () => {
    const pipeline = await forwarded('srs');
    const anns = reverseOf(pipeline);
    pipeline.receive('m2', 'joe@other.example', [BOB]);
    await pipeline.live(1);
    const joes = pipeline.exchange.accepted.at(-1)?.reversePath?.address ?? '';
    expect(joes).toMatch(/^SRS0=.*=other\.example=joe@bounces/);
    pipeline.receive('r1', '', [joes], reportOf(pipeline)); // about ann's message
    pipeline.receive('r2', '', [anns], reportOf(pipeline, { original: false }));
    await pipeline.live(1);
    expect(row(pipeline, 'm1')?.state).toBe('relayed');
    expect(toPostmaster(pipeline)).toHaveLength(2);
    expect(noticesToAnn(pipeline)).toEqual([]);
    requireQuiet(pipeline);
  });

  it('accepts what an older secret signed, and nothing that neither did', async () => {
    const pipeline = await forwarded('srs');
    const old = reverseOf(pipeline);
    pipeline.srsSecrets = ['newer', ...pipeline.srsSecrets];
    pipeline.receive('r1', '', [old], reportOf(pipeline));
    await pipeline.live(1);
    expect(row(pipeline, 'm1')?.state).toBe('returned');
    pipeline.srsSecrets = ['newest', 'newer'];
    pipeline.receive('r2', '', [old], reportOf(pipeline));
    await pipeline.live(1);
    expect(row(pipeline, 'r2')?.stateReason).toBe('return-path-forged');
  });
});

describe('which return path', () => {
  it('the null reverse-path is never rewritten, nor by SRS a sender of our own', async () => {
    for (const mode of ['token', 'srs'] as const) {
      const pipeline = new TestPipeline(ok, new Interrupt(), settings(mode));
      pipeline.receive('m1', '', [BOB]);
      pipeline.receive('m2', 'carl@example.com', [BOB]);
      await pipeline.live(1);
      const [bounce, own] = pipeline.exchange.accepted;
      expect(bounce?.reversePath).toBeNull();
      expect(own?.reversePath?.address).toMatch(mode === 'srs' ? /^carl@example\.com$/ : /^b\+[a-z2-7]{26}@bounces/);
    }
  });

  it('a sender that does not fit, or a secret that cannot be had, goes by token', async () => {
    const pipeline = new TestPipeline(ok, new Interrupt(), settings('srs'));
    pipeline.receive('m1', `${'very'.repeat(12)}@long.src.example`, [BOB]);
    await pipeline.live(1);
    pipeline.srsSecrets = [];
    pipeline.receive('m2', ANN, [BOB]);
    await pipeline.live(1);
    for (const each of pipeline.exchange.accepted)
      expect(each.reversePath?.address).toMatch(/^b\+[a-z2-7]{26}@bounces/);
  });

  it('is the same at each attempt, and nothing of the message changes but the fields in front', async () => {
    const script: Script = (_, attempt) =>
      attempt < 3 ? { code: 451, status: '4.3.0', text: 'later', at: 'final-dot' } : { code: 250 };
    const pipeline = new TestPipeline(script, new Interrupt(), settings('token'));
    const content = 'Subject: x\r\nReturn-Path: <kept@inside.example>\r\n\r\nHello\r\n';
    pipeline.receive('m1', ANN, [BOB], content);
    await pipeline.live(24);
    expect(pipeline.exchange.accepted).toHaveLength(1);
    expect(text(pipeline.exchange.accepted[0]?.content).endsWith(content)).toBe(true);
    pipeline.receive('r1', '', [reverseOf(pipeline)], reportOf(pipeline));
    await pipeline.live(1);
    expect(row(pipeline, 'm1')?.state).toBe('returned');
  });
});

describe('the address of notices', () => {
  it("a person's answer goes where the routes say, at once; what a program sent is read first", async () => {
    const pipeline = await forwarded('token');
    pipeline.receive('r1', ANN, ['postmaster@example.com'], 'Subject: why?\r\n\r\nWhy?\r\n');
    pipeline.receive('r2', '', ['postmaster@example.com'], 'Subject: why?\r\n\r\nWhy?\r\n');
    pipeline.receive('r3', '', ['postmaster@example.com'], 'Subject: Out of office: x\r\n\r\nAway\r\n');
    await pipeline.live(1);
    expect(row(pipeline, 'r1')?.trace.map(({ event }) => event)).toEqual(['RECEIVE', 'SEND']);
    expect(row(pipeline, 'r2')?.trace.map(({ event }) => event)).toEqual(['RECEIVE', 'REDIRECT', 'SEND']);
    expect(row(pipeline, 'r3')).toMatchObject({ state: 'discarded', stateReason: 'automatic-answer' });
    requireQuiet(pipeline);
  });

  it('a report about a notice of ours ends there: nobody is told twice', async () => {
    const pipeline = new TestPipeline(
      (to) => (to.address === ANN ? { code: 250 } : { code: 550, status: '5.1.1', text: 'no', at: 'rcpt' }),
      new Interrupt(),
    );
    pipeline.receive('m1', ANN, [BOB]);
    await pipeline.live(1);
    const notice = text(noticesToAnn(pipeline)[0]?.content);
    const report = reportOf(pipeline).replace(
      /--b1--/,
      `--b1\r\nContent-Type: message/rfc822\r\n\r\n${notice}\r\n--b1--`,
    );
    pipeline.receive(
      'r1',
      '',
      ['postmaster@example.com'],
      report.replace(/Content-Type: text\/rfc822-headers\r\n\r\n\r\n--b1\r\n/, ''),
    );
    await pipeline.live(1);
    expect(row(pipeline, 'r1')).toMatchObject({ state: 'discarded', stateReason: 'report-of-a-notice' });
    expect(noticesToAnn(pipeline)).toHaveLength(1);
  });
});

describe('content of a report that cannot be opened', () => {
  it('is put off, alarmed, and read once it is there again', async () => {
    const pipeline = await forwarded('token');
    pipeline.receive('r1', '', [reverseOf(pipeline)], reportOf(pipeline));
    pipeline.spool.spoil('in/r1', 'denied');
    await pipeline.work();
    expect(row(pipeline, 'r1')).toMatchObject({ state: 'deferred', stateReason: 'content-unreadable' });
    pipeline.spool.spoil('in/r1', null);
    pipeline.spool.put('in/r1', Buffer.from(`Return-Path: <>\r\n${reportOf(pipeline)}`));
    await pipeline.live(2);
    expect(row(pipeline, 'm1')?.state).toBe('returned');
  });
});
