// What comes back to return paths of ours, through the whole pipeline in memory: joined to its delivery once, told to the sender once and
// without the routed address, handed to the postmaster where nobody can read it, and never relayed for anybody. Crash everywhere too.

import { describe, expect, it } from 'vitest';
import { Interrupt } from '#adapters/memory/interrupt.ts';
import type { Script } from '#adapters/memory/memory-next-hop.ts';
import type { ReturnPathMode, Settings } from '#core/config.ts';
import { isFinal } from '#core/delivery.ts';
import { ACCEPTED_AT, Town, townSettings } from './town.ts';

const ANN = 'ann@src.example';
const TARGET = 'kept.secret7@target.example';
const BOB = 'bob@example.com';
const DAY = 86_400_000;
const ok: Script = () => ({ code: 250, status: '2.0.0', text: 'Ok' });

function settings(returnPath: ReturnPathMode): Settings {
  const [all] = townSettings.routes;
  const forward = { via: 'exchange', address: TARGET, copy: false, returnPath };
  return {
    ...townSettings,
    routes: [
      { match: [BOB], direction: 'inbound', to: [forward], fallback: null },
      ...(all === undefined ? [] : [all]),
    ],
  };
}

type Said = {
  readonly action?: string;
  readonly status?: string;
  readonly words?: string;
  readonly original?: boolean;
};

/** A remote's report in Postfix's form, about the message that it was handed. */
function reportOf(town: Town, said: Said = {}): string {
  const { action = 'failed', status = '5.1.1', original = true } = said;
  const words = said.words ?? `550 5.1.1 <${TARGET}>: no such user (kept.secret7@inner.target.example)`;
  const [sent] = town.exchange.accepted.filter((each) => each.forwardPath.address === TARGET);
  const content = Buffer.from(sent?.content ?? []).toString('latin1');
  const header = content.slice(0, content.indexOf('\r\n\r\n') + 2);
  return [
    'From: MAILER-DAEMON@mx.target.example (Mail Delivery System)',
    'Subject: Undelivered Mail Returned to Sender',
    'Auto-Submitted: auto-replied',
    'MIME-Version: 1.0',
    'Content-Type: multipart/report; report-type=delivery-status; boundary="b1"',
    '',
    '--b1',
    'Content-Type: text/plain',
    '',
    `<${TARGET}>: ${words}`,
    '--b1',
    'Content-Type: message/delivery-status',
    '',
    'Reporting-MTA: dns; mx.target.example',
    '',
    `Final-Recipient: rfc822; ${TARGET}`,
    `Action: ${action}`,
    `Status: ${status}`,
    'Remote-MTA: dns; mx.target.example',
    `Diagnostic-Code: smtp; ${words}`,
    ...(original ? ['--b1', 'Content-Type: text/rfc822-headers', '', header] : []),
    '--b1--',
    '',
  ].join('\r\n');
}

const row = (town: Town, spoolId: string) =>
  town.ledger.all().find((each) => each.spoolId === spoolId && each.kind === 'delivery');
const reverseOf = (town: Town) =>
  town.exchange.accepted.find((each) => each.forwardPath.address === TARGET)?.reversePath?.address ?? '';
const noticesToAnn = (town: Town) => town.exchange.accepted.filter((each) => each.forwardPath.address === ANN);
const toPostmaster = (town: Town) =>
  town.exchange.accepted.filter((each) => each.forwardPath.address === 'postmaster@example.com');
const text = (bytes: Uint8Array | undefined) => Buffer.from(bytes ?? []).toString('latin1');

async function forwarded(returnPath: ReturnPathMode, interrupt = new Interrupt(), script = ok): Promise<Town> {
  const town = new Town(script, interrupt, settings(returnPath));
  town.receive('m1', ANN, [BOB]);
  await town.live(1);
  return town;
}

/** Nothing is under way, and no message went anywhere but to its target, its sender and the postmaster. */
function requireQuiet(town: Town): void {
  for (const each of town.ledger.all()) {
    expect(isFinal(each.state) || each.state === 'quarantined', `${each.spoolId} is ${each.state}`).toBe(true);
    expect(each.leaseUntil).toBeNull();
  }
  const dead = [town.relayQueue, town.bounceQueue, town.feedbackQueue].flatMap((queue) => queue.deadLetters);
  expect(dead).toEqual([]);
  const known = new Set([TARGET, ANN, 'postmaster@example.com']);
  expect(town.exchange.accepted.filter((each) => !known.has(each.forwardPath.address))).toEqual([]);
}

describe.each(['token', 'srs'] as const)('a report to a %s', (mode) => {
  it('of a failure makes the delivery returned: one NDR, and the routed address is not in it', async () => {
    const town = await forwarded(mode);
    expect(row(town, 'm1')?.state).toBe('relayed');
    expect(row(town, 'm1')?.trace.at(-1)?.reason).toBe(`return path ${reverseOf(town)}`);
    town.receive('r1', '', [reverseOf(town)], reportOf(town));
    await town.live(1);
    expect(row(town, 'm1')).toMatchObject({ state: 'returned', lastStatus: '5.1.1', lastReason: 'reported-failed' });
    const [notice, ...more] = noticesToAnn(town);
    expect(more).toEqual([]);
    expect(notice?.reversePath).toBeNull();
    const said = text(notice?.content);
    expect(said).toContain(`Final-Recipient: rfc822; ${BOB}`);
    expect(said).toMatch(/Diagnostic-Code: smtp; 550 5\.1\.1 <bob@example\.com>: no such user/);
    expect(said).not.toMatch(/kept\.secret7/i);
    expect(row(town, 'r1')).toMatchObject({ state: 'discarded', stateReason: 'report-joined' });
    expect(row(town, 'r1')?.trace.at(-1)).toMatchObject({ event: 'DROP', reason: expect.stringMatching(/: m1-/) });
    requireQuiet(town);
  });

  it('twice tells the sender once', async () => {
    const town = await forwarded(mode);
    for (const id of ['r1', 'r2'])
      town.receive(id, '', [reverseOf(town)], reportOf(town, { words: `550 5.1.1 ${id}` }));
    await town.live(1);
    town.receive('r3', '', [reverseOf(town)], reportOf(town));
    await town.live(1);
    expect(noticesToAnn(town)).toHaveLength(1);
    expect(row(town, 'm1')?.trace.filter(({ event }) => event === 'IGNORE')).toHaveLength(2);
    expect(row(town, 'r3')).toMatchObject({ state: 'discarded', stateReason: 'report-ignored' });
    requireQuiet(town);
  });

  it('of a delay is traced and no more; one of success confirms, and a failure after it counts', async () => {
    const town = await forwarded(mode);
    town.receive(
      'r1',
      '',
      [reverseOf(town)],
      reportOf(town, { action: 'delayed', status: '4.4.1', words: '451 later' }),
    );
    await town.live(1);
    expect(row(town, 'm1')?.state).toBe('relayed');
    expect(row(town, 'm1')?.trace.at(-1)).toMatchObject({ event: 'DELAY', reason: 'reported-delayed' });
    town.receive(
      'r2',
      '',
      [reverseOf(town)],
      reportOf(town, { action: 'delivered', status: '2.0.0', words: '250 ok' }),
    );
    await town.live(1);
    expect(row(town, 'm1')?.state).toBe('confirmed');
    expect(noticesToAnn(town)).toEqual([]);
    town.receive('r3', '', [reverseOf(town)], reportOf(town));
    await town.live(1);
    expect(row(town, 'm1')?.state).toBe('returned');
    expect(noticesToAnn(town)).toHaveLength(1);
    requireQuiet(town);
  });

  it('that can not be understood goes to the postmaster whole; what a person writes there too', async () => {
    const town = await forwarded(mode);
    const odd = 'Subject: hello\r\n\r\nIs this thing on?\r\n';
    town.receive('r1', '', [reverseOf(town)], odd);
    town.receive('r2', 'eve@far.example', [reverseOf(town)], odd);
    await town.live(1);
    expect(toPostmaster(town).map(({ content }) => text(content).endsWith(odd))).toEqual([true, true]);
    expect(row(town, 'r1')).toMatchObject({ state: 'relayed', nextHop: 'exchange', forwardPath: reverseOf(town) });
    expect(row(town, 'r1')?.trace.map(({ event }) => event)).toEqual(['RECEIVE', 'REDIRECT', 'SEND']);
    expect(noticesToAnn(town)).toEqual([]);
    requireQuiet(town);
  });

  it('is no way past policy: what is spam, and no report, is quarantined', async () => {
    const town = await forwarded(mode);
    town.receive('r1', '', [reverseOf(town)], 'Subject: buy\r\n\r\nnow\r\n', ['spam']);
    await town.live(0.2);
    expect(row(town, 'r1')).toMatchObject({ state: 'quarantined', stateReason: 'policy-spam' });
    expect(toPostmaster(town)).toEqual([]);
    requireQuiet(town);
  });

  it('by an automatic answer is traced, told to nobody and ends there', async () => {
    const town = await forwarded(mode);
    const away =
      'From: x@target.example\r\nSubject: Automatic reply: hello\r\nAuto-Submitted: auto-replied\r\n\r\nI am away\r\n';
    town.receive('r1', '', [reverseOf(town)], away);
    town.receive('r2', 'x@target.example', [reverseOf(town)], away, [], { autoSubmitted: 'auto-replied' });
    await town.live(1);
    for (const id of ['r1', 'r2'])
      expect(row(town, id)).toMatchObject({ state: 'discarded', stateReason: 'automatic-answer' });
    expect([...noticesToAnn(town), ...toPostmaster(town)]).toEqual([]);
    expect(row(town, 'm1')?.state).toBe('relayed');
    requireQuiet(town);
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
  ])('%s is never relayed; a report to it ends there, and a person is told', async (_, address, reason) => {
    const town = await forwarded('srs');
    town.receive('r1', '', [address], reportOf(town));
    town.receive('r2', ANN, [address]);
    await town.live(1);
    expect(row(town, 'r1')).toMatchObject({ state: 'discarded', stateReason: reason });
    expect(row(town, 'r2')).toMatchObject({ state: 'returned', lastStatus: '5.1.1', lastReason: reason });
    expect(noticesToAnn(town)).toHaveLength(1);
    expect(row(town, 'm1')?.state).toBe('relayed');
    requireQuiet(town);
  });

  it('a token is good as long as its row, and an SRS address for three weeks', async () => {
    for (const [mode, days] of [
      ['token', 91],
      ['srs', 23],
    ] as const) {
      const town = await forwarded(mode);
      town.clock.advanceTo(ACCEPTED_AT + days * DAY);
      town.receive('r1', '', [reverseOf(town)], reportOf(town));
      await town.live(1);
      expect(row(town, 'r1')).toMatchObject({ state: 'discarded', stateReason: 'return-path-expired' });
      expect(noticesToAnn(town)).toEqual([]);
    }
  });

  it('an SRS address speaks for its own sender alone: another message does not become his, nor one that bears no mark of ours', async () => {
    const town = await forwarded('srs');
    const anns = reverseOf(town);
    town.receive('m2', 'joe@other.example', [BOB]);
    await town.live(1);
    const joes = town.exchange.accepted.at(-1)?.reversePath?.address ?? '';
    expect(joes).toMatch(/^SRS0=.*=other\.example=joe@bounces/);
    town.receive('r1', '', [joes], reportOf(town)); // about ann's message
    town.receive('r2', '', [anns], reportOf(town, { original: false }));
    await town.live(1);
    expect(row(town, 'm1')?.state).toBe('relayed');
    expect(toPostmaster(town)).toHaveLength(2);
    expect(noticesToAnn(town)).toEqual([]);
    requireQuiet(town);
  });

  it('accepts what an older secret signed, and nothing that neither did', async () => {
    const town = await forwarded('srs');
    const old = reverseOf(town);
    town.srsSecrets = ['newer', ...town.srsSecrets];
    town.receive('r1', '', [old], reportOf(town));
    await town.live(1);
    expect(row(town, 'm1')?.state).toBe('returned');
    town.srsSecrets = ['newest', 'newer'];
    town.receive('r2', '', [old], reportOf(town));
    await town.live(1);
    expect(row(town, 'r2')?.stateReason).toBe('return-path-forged');
  });
});

describe('which return path', () => {
  it('the null reverse-path is never rewritten, nor by SRS a sender of our own', async () => {
    for (const mode of ['token', 'srs'] as const) {
      const town = new Town(ok, new Interrupt(), settings(mode));
      town.receive('m1', '', [BOB]);
      town.receive('m2', 'carl@example.com', [BOB]);
      await town.live(1);
      const [bounce, own] = town.exchange.accepted;
      expect(bounce?.reversePath).toBeNull();
      expect(own?.reversePath?.address).toMatch(mode === 'srs' ? /^carl@example\.com$/ : /^b\+[a-z2-7]{26}@bounces/);
    }
  });

  it('a sender that does not fit, or a secret that can not be had, goes by token', async () => {
    const town = new Town(ok, new Interrupt(), settings('srs'));
    town.receive('m1', `${'very'.repeat(12)}@long.src.example`, [BOB]);
    await town.live(1);
    town.srsSecrets = [];
    town.receive('m2', ANN, [BOB]);
    await town.live(1);
    for (const each of town.exchange.accepted) expect(each.reversePath?.address).toMatch(/^b\+[a-z2-7]{26}@bounces/);
  });

  it('is the same at each attempt, and nothing of the message changes but the fields in front', async () => {
    const script: Script = (_, attempt) =>
      attempt < 3 ? { code: 451, status: '4.3.0', text: 'later', at: 'final-dot' } : { code: 250 };
    const town = new Town(script, new Interrupt(), settings('token'));
    const content = 'Subject: x\r\nReturn-Path: <kept@inside.example>\r\n\r\nHello\r\n';
    town.receive('m1', ANN, [BOB], content);
    await town.live(24);
    expect(town.exchange.accepted).toHaveLength(1);
    expect(text(town.exchange.accepted[0]?.content).endsWith(content)).toBe(true);
    town.receive('r1', '', [reverseOf(town)], reportOf(town));
    await town.live(1);
    expect(row(town, 'm1')?.state).toBe('returned');
  });
});

describe('the address of notices', () => {
  it("a person's answer goes where the routes say, at once; what a program sent is read first", async () => {
    const town = await forwarded('token');
    town.receive('r1', ANN, ['postmaster@example.com'], 'Subject: why?\r\n\r\nWhy?\r\n');
    town.receive('r2', '', ['postmaster@example.com'], 'Subject: why?\r\n\r\nWhy?\r\n');
    town.receive('r3', '', ['postmaster@example.com'], 'Subject: Out of office: x\r\n\r\nAway\r\n');
    await town.live(1);
    expect(row(town, 'r1')?.trace.map(({ event }) => event)).toEqual(['RECEIVE', 'SEND']);
    expect(row(town, 'r2')?.trace.map(({ event }) => event)).toEqual(['RECEIVE', 'REDIRECT', 'SEND']);
    expect(row(town, 'r3')).toMatchObject({ state: 'discarded', stateReason: 'automatic-answer' });
    requireQuiet(town);
  });

  it('a report about a notice of ours ends there: nobody is told twice', async () => {
    const town = new Town(
      (to) => (to.address === ANN ? { code: 250 } : { code: 550, status: '5.1.1', text: 'no', at: 'rcpt' }),
      new Interrupt(),
    );
    town.receive('m1', ANN, [BOB]);
    await town.live(1);
    const notice = text(noticesToAnn(town)[0]?.content);
    const report = reportOf(town).replace(/--b1--/, `--b1\r\nContent-Type: message/rfc822\r\n\r\n${notice}\r\n--b1--`);
    town.receive(
      'r1',
      '',
      ['postmaster@example.com'],
      report.replace(/Content-Type: text\/rfc822-headers\r\n\r\n\r\n--b1\r\n/, ''),
    );
    await town.live(1);
    expect(row(town, 'r1')).toMatchObject({ state: 'discarded', stateReason: 'report-of-a-notice' });
    expect(noticesToAnn(town)).toHaveLength(1);
  });
});

describe('content of a report that can not be opened', () => {
  it('is put off, alarmed, and read once it is there again', async () => {
    const town = await forwarded('token');
    town.receive('r1', '', [reverseOf(town)], reportOf(town));
    town.spool.spoil('in/r1', 'denied');
    await town.work();
    expect(row(town, 'r1')).toMatchObject({ state: 'deferred', stateReason: 'content-unreadable' });
    town.spool.spoil('in/r1', null);
    town.spool.put('in/r1', Buffer.from(`Return-Path: <>\r\n${reportOf(town)}`));
    await town.live(2);
    expect(row(town, 'm1')?.state).toBe('returned');
  });
});

describe('crash everywhere', () => {
  const run = async (mode: ReturnPathMode, interrupt: Interrupt, what: 'report' | 'odd') => {
    const town = await forwarded(mode);
    town.receive('r1', '', [reverseOf(town)], what === 'report' ? reportOf(town) : 'Subject: odd\r\n\r\nodd\r\n');
    town.interrupt = interrupt;
    await town.live(24);
    return town;
  };
  const calls = async (mode: ReturnPathMode, what: 'report' | 'odd') => {
    const interrupt = new Interrupt();
    await run(mode, interrupt, what);
    return interrupt.calls.length;
  };

  it.each([
    ['token', 'report'],
    ['token', 'odd'],
    ['srs', 'report'],
  ] as const)('a %s, %s: joined or sent on, and told once, wherever it dies', async (mode, what) => {
    const count = await calls(mode, what);
    expect(count).toBeGreaterThan(5);
    for (let index = 1; index <= count; index += 1) {
      for (const when of ['before', 'after'] as const) {
        const town = await run(mode, Interrupt.at(index, when), what);
        const where = `${when} call ${index}`;
        if (what === 'report') {
          expect(row(town, 'm1')?.state, where).toBe('returned');
          expect(row(town, 'r1')?.stateReason, where).toBe('report-joined');
          expect(noticesToAnn(town).length, where).toBeGreaterThanOrEqual(1);
          const marked = town.ledger.all().some((each) => each.kind === 'notice' && each.possibleDuplicate);
          if (noticesToAnn(town).length > 1) expect(marked, where).toBe(true);
          for (const { content } of noticesToAnn(town)) expect(text(content)).not.toMatch(/kept\.secret7/i);
        } else {
          expect(row(town, 'r1')?.state, where).toBe('relayed');
          expect(toPostmaster(town).length, where).toBeGreaterThanOrEqual(1);
        }
        requireQuiet(town);
      }
    }
  });
});
