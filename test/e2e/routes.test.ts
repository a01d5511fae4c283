// Routes as a person writes them, end to end: a real Dovecot by LMTP, copies, a fallback, refuse, discard, quarantine
// and the operator's commands. It never asks Everpost what happened where Dovecot's own mailboxes can tell.

import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { judgeNotice } from '../judges/rfc3464.ts';
import { deviations } from './arrival.ts';
import { type Dovecot, dovecot, fullBytesMax } from './dovecot.ts';
import { discard, type Instance, start, tool, traced, until } from './instance.ts';
import { type Catcher, type Caught, catcher, sendMail } from './smtp.ts';

const FIXTURES = join(import.meta.dirname, '../fixtures');
const corpus = readdirSync(join(FIXTURES, 'mail')).filter((name) => name.endsWith('.eml'));
const addressOf = (name: string) => `${name.replace(/\W/g, '-')}@example.com`;
const users = [
  'bob@example.com',
  'full@example.com',
  'bob@secure.example',
  'bob@copied.example',
  ...corpus.map(addressOf),
];
let smart: Catcher;
let boxes: Dovecot;
let instance: Instance;

beforeAll(async () => {
  smart = await catcher({ rcpt: (to) => (to.endsWith('@down.example') ? '451 4.3.0 not today' : undefined) });
  boxes = await dovecot([...users, 'bob@down.example']);
  const lmtp = { kind: 'lmtp', host: '127.0.0.1', port: boxes.port };
  const config = {
    domains: ['example.com', 'secure.example', 'copied.example', 'down.example', 'left.example', 'trap.example'],
    nextHops: {
      boxes: { ...lmtp, tls: 'off' },
      secure: { ...lmtp, tls: 'required', ca: join(FIXTURES, 'tls/ca.pem') },
      smart: { kind: 'smtp', host: '127.0.0.1', port: smart.port, tls: 'off' },
      left: { kind: 'refuse', status: '5.1.6', text: 'they have left; write to info@example.com' },
      trap: { kind: 'discard' },
    },
    routes: [
      { match: '*@example.com', to: [{ via: 'boxes' }] },
      { match: '*@secure.example', to: [{ via: 'secure' }] },
      {
        match: '*@copied.example',
        to: [{ via: 'boxes' }, { via: 'smart', copy: true, address: 'archive@journal.example' }],
      },
      { match: '*@down.example', to: [{ via: 'smart' }], fallback: 'boxes' },
      { match: '*@left.example', to: [{ via: 'left' }] },
      { match: '*@trap.example', to: [{ via: 'trap' }] },
    ],
    retry: { schedule: ['1m'], lifetime: '10m', delayNotice: false },
    notices: { from: 'postmaster@example.com', postmaster: 'postmaster@example.com', via: 'smart' },
  };
  instance = await start({ config });
});
afterAll(async () => {
  await discard(instance);
  await boxes?.discard();
  await smart?.close();
});

function mail(more = ''): Buffer {
  return Buffer.from(
    `From: Ann <ann@src.example>\r\nSubject: Hello\r\nMessage-ID: <1@src.example>\r\n\r\nHello\r\n${more}`,
  );
}
async function send(reversePath: string, forwardPath: string, content = mail()): Promise<void> {
  expect((await sendMail(instance.mx, reversePath, [forwardPath], content)).code).toBe(250);
}
async function delivered(address: string): Promise<Buffer> {
  const found = await until(() => boxes.mailbox(address)[0] ?? null, 30_000);
  if (found === null) throw new Error(`nothing came for ${address}\n${instance.output.slice(-2000)}\n${boxes.log()}`);
  return found;
}
async function caughtFor(address: string): Promise<Caught> {
  const found = await until(() => smart.caught.find((each) => each.forwardPaths.includes(address)) ?? null, 30_000);
  if (found === null) throw new Error(`nothing came for ${address}\n${instance.output.slice(-2000)}`);
  return found;
}
/** Waits until every delivery to the address has the state of its action. */
async function settled(forwardPath: string, ...states: string[]) {
  const [message] = await traced(
    instance,
    ['--forward-path', forwardPath],
    (found) =>
      found[0] !== undefined &&
      states.every((state, action) => found[0]?.deliveries.find((each) => each.action === action)?.state === state),
  );
  if (message === undefined) throw new Error('no trace');
  return message;
}
async function everpost(...args: string[]): Promise<unknown> {
  const root = join(import.meta.dirname, '../..');
  const run = promisify(execFile)(
    process.execPath,
    ['src/cli/everpost.ts', ...args, '--data', instance.data, '--json'],
    {
      cwd: root,
    },
  );
  return JSON.parse((await run).stdout);
}

// Dovecot adds these on delivery (RFC 5321 §4.4), and nothing else.
const byDovecot = ['return-path', 'delivered-to', 'received'];

describe('Dovecot by LMTP', () => {
  it.each(corpus)('stores what was sent byte for byte: %s', async (name) => {
    const content = readFileSync(join(FIXTURES, 'mail', name));
    await send('ann@src.example', addressOf(name), content);
    expect(deviations(content, await delivered(addressOf(name)), byDovecot)).toEqual([]);
  });

  it('over TLS, where the next hop demands it', async () => {
    await send('ann@src.example', 'bob@secure.example');
    expect((await delivered('bob@secure.example')).toString()).toMatch(/^Received: .*?with LMTPS/ms);
  });

  it.each([
    ['an unknown user, refused at RCPT', 'nobody@example.com', '5.1.1', mail()],
    [
      'a full mailbox, refused after the final dot',
      'full@example.com',
      '5.2.2',
      mail(`${'x'.repeat(78)}\r\n`.repeat(fullBytesMax / 40)),
    ],
  ])('%s: one NDR', async (_, forwardPath, status, content) => {
    const sender = `for-${forwardPath.replace(/\W/g, '-')}@src.example`;
    await send(sender, forwardPath, content);
    const notice = await caughtFor(sender);
    expect(judgeNotice(notice.content)).toEqual([]);
    expect(notice.content.toString('latin1')).toContain(`Action: failed\r\nStatus: ${status}\r\n`);
    expect((await settled(forwardPath, 'returned')).deliveries[0]?.attempts).toBe(1);
    expect(boxes.mailbox(forwardPath)).toEqual([]);
  });

  it('down: mail waits, and is delivered once it is up', async () => {
    await boxes.stop();
    await send('ann@src.example', 'bob@example.com');
    await settled('bob@example.com', 'deferred');
    await boxes.start();
    await tool(instance, 'POST', '/clock', { advance: '2m' });
    expect(deviations(mail(), await delivered('bob@example.com'), byDovecot)).toEqual([]);
  });
});

describe('a route', () => {
  it('with a copy delivers both, and the copy by its own address', async () => {
    await send('ann@src.example', 'bob@copied.example');
    expect(deviations(mail(), await delivered('bob@copied.example'), byDovecot)).toEqual([]);
    expect(deviations(mail(), (await caughtFor('archive@journal.example')).content)).toEqual([]);
    const { deliveries } = await settled('bob@copied.example', 'relayed', 'relayed');
    expect(deliveries.map(({ action, copy, address }) => [action, copy, address]).sort()).toEqual([
      [0, false, 'bob@copied.example'],
      [1, true, 'archive@journal.example'],
    ]);
  });

  it('that refuses answers at once with its own words', async () => {
    await send('writer@src.example', 'gone@left.example');
    const notice = (await caughtFor('writer@src.example')).content;
    expect(judgeNotice(notice)).toEqual([]);
    expect(notice.toString('latin1')).toMatch(/Status: 5\.1\.6\r\n/);
    expect(notice.toString('latin1')).toContain('they have left; write to info@example.com');
    expect((await settled('gone@left.example', 'returned')).deliveries[0]?.attempts).toBe(0);
  });

  it('that discards says so in the trace, and nobody is told', async () => {
    await send('spammer@src.example', 'bait@trap.example');
    const { events } = await settled('bait@trap.example', 'discarded');
    expect(events.map(({ event, reason }) => [event, reason])).toEqual([
      ['RECEIVE', null],
      ['DROP', 'discarded-by-route'],
    ]);
    expect(smart.caught.filter((each) => each.forwardPaths.includes('spammer@src.example'))).toEqual([]);
  });

  it('with a fallback delivers there once the first next hop had its time', async () => {
    await send('ann@src.example', 'bob@down.example');
    await settled('bob@down.example', 'deferred');
    await tool(instance, 'POST', '/clock', { advance: '12m' });
    expect(deviations(mail(), await delivered('bob@down.example'), byDovecot)).toEqual([]);
    const { deliveries, events } = await settled('bob@down.example', 'relayed');
    expect(deliveries).toMatchObject([{ nextHop: 'boxes', notice: null }]);
    expect(events.find(({ event }) => event === 'REDIRECT')).toMatchObject({
      nextHop: 'boxes',
      reason: 'expired at smart',
    });
  });
});

describe('an operator', () => {
  const spam = mail('XJS*C4JDBQADN1.NSBN3*2IDNEN*GTUBE-STANDARD-ANTI-UBE-TEST-EMAIL*C.34X\r\n');
  const user = '01-plain-eml@example.com';

  it('releases what policy put into quarantine', async () => {
    const before = boxes.mailbox(user).length;
    await send('winner@src.example', user, spam);
    const { spoolId } = await settled(user, 'quarantined');
    expect(await everpost('release', '--spool-id', spoolId)).toMatchObject([
      { forwardPath: user, state: 'queued', done: true },
    ]);
    await settled(user, 'relayed');
    expect(boxes.mailbox(user)).toHaveLength(before + 1);
    await expect(everpost('release', '--spool-id', spoolId)).rejects.toMatchObject({ code: 1 });
  });

  it('removes what policy put into quarantine, and its sender is told', async () => {
    await send('loser@src.example', 'bob@secure.example', spam);
    const { spoolId } = await settled('bob@secure.example', 'quarantined');
    await everpost('remove', '--spool-id', spoolId, '--forward-path', 'BOB@secure.example');
    expect((await caughtFor('loser@src.example')).content.toString()).toContain('Status: 5.7.1');
    await settled('bob@secure.example', 'returned');
  });
});
