// The same job through a real Postfix: what it takes arrives byte for byte behind it, what it refuses comes back as a
// notice that it carries itself, and what it cannot take now waits until it can. It never asks Everpost what happened
// where a server can tell.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { judgeNotice } from '../judges/rfc3464.ts';
import { deviations } from './arrival.ts';
import { discard, type Instance, start, tool, traced, until } from './instance.ts';
import { type Postfix, postfix, smallBytesMax } from './postfix.ts';
import { type Catcher, type Caught, catcher, sendMail } from './smtp.ts';

const FIXTURES = join(import.meta.dirname, '../fixtures');
const login = { username: 'everpost', password: 'päss wörd' };
let behind: Catcher;
let smart: Postfix;
let instance: Instance;

beforeAll(async () => {
  behind = await catcher();
  smart = await postfix({ relayPort: behind.port, login });
  const hop = (port: number, more: object = {}) => ({ kind: 'smtp', host: '127.0.0.1', port, tls: 'off', ...more });
  const secure = { tls: 'required', ca: join(FIXTURES, 'tls/ca.pem'), auth: { secret: 'everpost/smart' } };
  const { ports } = smart;
  const config = {
    domains: ['example.com', 'secure.example', 'small.example', 'mute.example'],
    nextHops: {
      smart: hop(ports.plain),
      secure: hop(ports.secure, secure),
      small: hop(ports.small),
      mute: hop(ports.mute),
    },
    routes: [
      { match: '*@example.com', to: [{ via: 'smart' }] },
      { match: '*@secure.example', to: [{ via: 'secure' }] },
      { match: '*@small.example', to: [{ via: 'small' }] },
      { match: '*@mute.example', to: [{ via: 'mute' }] },
    ],
    notices: { from: 'postmaster@example.com', postmaster: 'postmaster@example.com', via: 'smart' },
  };
  instance = await start({ config, secrets: { 'everpost/smart': login } });
});
afterAll(async () => {
  await discard(instance);
  await smart?.discard();
  await behind?.close();
});

function mail(more = ''): Buffer {
  return Buffer.from(
    `From: Ann <ann@src.example>\r\nTo: you\r\nSubject: Hello\r\nMessage-ID: <1@src.example>\r\n\r\nHello\r\n${more}`,
  );
}
async function send(reversePath: string, forwardPath: string, content = mail()): Promise<void> {
  expect((await sendMail(instance.mx, reversePath, [forwardPath], content)).code).toBe(250);
}
/** What came out behind Postfix for an address. */
async function arrived(address: string): Promise<Caught> {
  const found = await until(() => behind.caught.find((each) => each.forwardPaths.includes(address)) ?? null, 30_000);
  if (found === null) throw new Error(`nothing came for ${address}\n${instance.output.slice(-2000)}\n${smart.log()}`);
  return found;
}
/** Waits for the trace to show the delivery in that state. */
async function settled(forwardPath: string, state: string) {
  const args = ['--forward-path', forwardPath];
  const [message] = await traced(instance, args, (found) => found[0]?.deliveries[0]?.state === state);
  return message?.deliveries[0];
}

describe('what Postfix takes', () => {
  const folder = join(FIXTURES, 'mail');
  it.each(readdirSync(folder).filter((name) => name.endsWith('.eml')))(
    'arrives behind it byte for byte: %s',
    async (name) => {
      const content = readFileSync(join(folder, name));
      const address = `${name.replace(/\W/g, '-')}@example.com`;
      await send('ann@src.example', address, content);
      const got = await arrived(address);
      expect(got.reversePath).toBe('ann@src.example');
      expect(deviations(content, got.content, ['received'])).toEqual([]);
    },
  );

  it('goes over TLS, with a login, where the next hop demands both', async () => {
    await send('ann@src.example', 'bob@secure.example');
    const got = await arrived('bob@secure.example');
    const [top] = got.content.toString('latin1').split(/\r\n(?![ \t])/);
    expect(top).toMatch(/\(using TLSv1\.\d .*by smart\.example \(Postfix\) with ESMTPSA id /s);
    expect(deviations(mail(), got.content, ['received'])).toEqual([]);
  });
});

describe('what Postfix refuses', () => {
  it.each([
    ['at RCPT', 'reply-550-5.1.1+bob@example.com', '5.1.1', mail()],
    ['at RCPT, by policy', 'reply-554-5.7.1+bob@example.com', '5.7.1', mail()],
    ['as too large, by SIZE before anything was sent', 'bob@small.example', '5.3.4', mail('x'.repeat(smallBytesMax))],
    ['as too large, after the final dot', 'bob@mute.example', '5.3.4', mail(`${'x'.repeat(900)}\r\n`.repeat(25))],
  ])('comes back by a notice that Postfix carries: %s', async (_, forwardPath, status, content) => {
    const sender = `for-${forwardPath.replace(/\W/g, '-')}@src.example`;
    await send(sender, forwardPath, content);
    const notice = await arrived(sender);
    expect(notice.reversePath).toBe('');
    expect(judgeNotice(notice.content)).toEqual([]);
    const text = notice.content.toString('latin1');
    expect(text).toMatch(new RegExp(`^Final-Recipient: rfc822; *${forwardPath.replace(/[+.]/g, '\\$&')}\\r$`, 'im'));
    expect(text).toMatch(new RegExp(`^Action: failed\\r\\nStatus: ${status.replaceAll('.', '\\.')}\\r$`, 'm'));
    expect((await settled(forwardPath, 'returned'))?.attempts).toBe(1);
    expect(behind.caught.filter((each) => each.forwardPaths.includes(sender))).toHaveLength(1);
    expect(behind.caught.filter((each) => each.forwardPaths.includes(forwardPath))).toHaveLength(0);
  });

  it('is put off while Postfix says 4xx', async () => {
    await send('ann@src.example', 'reply-450-4.2.0+bob@example.com');
    const delivery = await settled('reply-450-4.2.0+bob@example.com', 'deferred');
    expect(delivery?.lastReply).toMatchObject({ code: 450, status: '4.2.0' });
  });
});

describe('while Postfix is down', () => {
  it('mail waits, and goes out once it is up again', async () => {
    await smart.stop();
    await send('ann@src.example', 'patient@example.com');
    const args = ['--forward-path', 'patient@example.com'];
    const [waiting] = await traced(instance, args, (found) => found[0]?.deliveries[0]?.state === 'deferred');
    expect(waiting?.events.at(-1)).toMatchObject({ event: 'DEFER', status: '4.4.1', reason: 'connection-refused' });
    await smart.start();
    await tool(instance, 'POST', '/clock', { advance: '2m' });
    expect(deviations(mail(), (await arrived('patient@example.com')).content, ['received'])).toEqual([]);
    expect((await settled('patient@example.com', 'relayed'))?.attempts).toBe(2);
  });
});
