// Who may log in at the submission server, over what, how often; TLS both ways; limits of connections and time; and how
// it stops.

import { afterEach, describe, expect, test } from 'vitest';
import {
  loginFailuresPerAddressMax,
  loginFailuresPerNameMax,
  loginFailureWindowMs,
  loginKnownMs,
} from '#core/limits.ts';
import { Client, type Gateway, login, openGateway, plain, submissions, tls } from './gateway.ts';

let gateway: Gateway;
const clients: Client[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await gateway.close();
});
async function greeted(port = gateway.port): Promise<Client> {
  const client = Client.tcp(port);
  clients.push(client);
  await client.reply();
  await client.ask('EHLO c');
  return client;
}
const base64 = (text: string) => Buffer.from(text).toString('base64');

describe('AUTH', () => {
  test('PLAIN at once and in two steps, LOGIN', async () => {
    gateway = await openGateway();
    const done = '235 2.7.0 Authentication successful\r\n';
    expect(await (await greeted()).ask(`AUTH PLAIN ${plain(login.username, login.password)}`)).toBe(done);
    const second = await greeted();
    expect(await second.ask('AUTH PLAIN')).toBe('334 \r\n');
    expect(await second.ask(plain(login.username, login.password, login.username))).toBe(done);
    const third = await greeted();
    expect(await third.ask('AUTH LOGIN')).toBe('334 VXNlcm5hbWU6\r\n');
    expect(await third.ask(base64(login.username))).toBe('334 UGFzc3dvcmQ6\r\n');
    expect(await third.ask(base64(login.password))).toBe(done);
    expect(await third.ask('AUTH LOGIN')).toMatch(/^503 /);
  });
  test('LOGIN with the name at once, in lower case, with a Windows domain in the name', async () => {
    const windows = { username: 'CONTOSO\\scanner', password: 'pässword:1 ' };
    gateway = await openGateway({ secrets: { credentials: async () => windows, forget: () => {} } });
    const client = await greeted();
    expect(await client.ask(`auth login ${base64(windows.username)}`)).toBe('334 UGFzc3dvcmQ6\r\n');
    expect(await client.ask(base64(windows.password))).toMatch(/^235 /);
    expect(await (await greeted()).ask(`Auth plain  ${plain(windows.username, windows.password)}`)).toMatch(/^235 /);
  });
  test('is offered with an equals sign too, and a name beside it is one line of its own', async () => {
    gateway = await openGateway();
    const client = await greeted();
    const lines = (await client.ask('EHLO c')).split('\r\n');
    expect(lines).toContain('250-AUTH PLAIN LOGIN');
    expect(lines).toContain('250-AUTH=PLAIN LOGIN');
  });
  test.each([
    ['PLAIN', ['AUTH PLAIN']],
    ['LOGIN at the name', ['AUTH LOGIN']],
    ['LOGIN at the password', ['AUTH LOGIN', base64(login.username)]],
    ['LOGIN at the password, the name given at once', [`AUTH LOGIN ${base64(login.username)}`]],
  ])('is cancelled with an asterisk: %s; and can begin again', async (_what, said) => {
    gateway = await openGateway();
    const client = await greeted();
    for (const line of said) expect(await client.ask(line)).toMatch(/^334 /);
    expect(await client.ask('*')).toBe('501 5.5.4 Authentication aborted\r\n');
    expect(await client.ask(`AUTH PLAIN ${plain(login.username, login.password)}`)).toMatch(/^235 /);
  });
  test.each([
    'AUTH CRAM-MD5',
    'AUTH DIGEST-MD5',
    'auth ntlm TlRMTVNTUAABAAAA',
    'AUTH XOAUTH2 dXNlcj1h',
    'AUTH GSSAPI',
    'AUTH',
  ])('%s is refused with what may be used, and the client may go on', async (command) => {
    gateway = await openGateway();
    const client = await greeted();
    const refusal = '504 5.5.4 Only AUTH PLAIN and AUTH LOGIN are offered: choose one of them in the client\r\n';
    expect(await client.ask(command)).toBe(refusal);
    expect(await client.ask(`AUTH PLAIN ${plain(login.username, login.password)}`)).toMatch(/^235 /);
  });
  test('without it nothing is taken', async () => {
    gateway = await openGateway();
    const client = await greeted();
    expect(await client.ask('MAIL FROM:<ann@example.com>')).toBe('530 5.7.0 Log in first (AUTH)\r\n');
    expect(await client.ask('RCPT TO:<bob@far.example>')).toBe('503 5.5.1 MAIL first\r\n');
    expect(await client.ask('DATA')).toBe('503 5.5.1 MAIL first\r\n');
  });
  test.each([
    ['another password', plain(login.username, 'x')],
    ['another name', plain('x', login.password)],
    [
      'what belongs to the password in the name',
      plain(`${login.username}${login.password[0]}`, login.password.slice(1)),
    ],
    ['in the name of another', plain(login.username, login.password, 'other')],
  ])('is refused: %s', async (_what, token) => {
    gateway = await openGateway();
    const client = await greeted();
    expect(await client.ask(`AUTH PLAIN ${token}`)).toBe('535 5.7.8 Username or password is wrong\r\n');
    expect(await client.ask('MAIL FROM:<ann@example.com>')).toMatch(/^530 /);
    expect(JSON.stringify(gateway.lines)).not.toContain(login.password);
  });
  test('a failed one shows little of the name in the log: people type passwords there', async () => {
    gateway = await openGateway();
    const client = await greeted();
    const typed = 'correct horse battery';
    await client.ask(`AUTH PLAIN ${plain(typed, 'x')}`);
    const lines = gateway.lines.filter(({ event }) => event.startsWith('submission.login-'));
    expect(lines).toMatchObject([{ event: 'submission.login-failed', fields: { username: 'cor… (21 characters)' } }]);
    expect(JSON.stringify(gateway.lines)).not.toContain('corr');
  });
  const wrong = (username: string) => `AUTH PLAIN ${plain(username, 'b')}`;
  const right = `AUTH PLAIN ${plain(login.username, login.password)}`;
  const shut = '421 4.7.0 Too many failed logins, try again later\r\n';
  async function fail(times: number, nameOf: (index: number) => string): Promise<void> {
    for (let failures = 0; failures < times; ) {
      const client = await greeted();
      for (const code of ['535 5.7.8', '535 5.7.8', '421 4.7.0'])
        if (failures < times) expect(await client.ask(wrong(nameOf(failures++)))).toContain(code);
      client.destroy();
    }
  }
  test('ends the connection after three failures', async () => {
    gateway = await openGateway();
    const client = await greeted();
    for (const code of ['535 5.7.8', '535 5.7.8', '421 4.7.0']) expect(await client.ask(wrong('a'))).toContain(code);
    await client.ended();
  });
  test('a program with an old password shuts its own name out, and no other of its host', async () => {
    gateway = await openGateway();
    await fail(loginFailuresPerNameMax, () => 'a');
    expect(await (await greeted()).ask(wrong('a'))).toBe(shut);
    expect(await (await greeted()).ask(right)).toMatch(/^235 /);
    gateway.clock.advance(loginFailureWindowMs + 1);
    expect(await (await greeted()).ask(wrong('a'))).toMatch(/^535 /);
  });
  test('its own name also with the right password, for a while', async () => {
    gateway = await openGateway();
    await fail(loginFailuresPerNameMax, () => login.username);
    expect(await (await greeted()).ask(right)).toBe(shut);
    gateway.clock.advance(loginFailureWindowMs + 1);
    expect(await (await greeted()).ask(right)).toMatch(/^235 /);
  });
  test('many names from one address shut it, but for a name that logged in there within the day', async () => {
    gateway = await openGateway();
    await fail(loginFailuresPerAddressMax, (index) => `a${index}`);
    expect(await (await greeted()).ask(right)).toBe(shut);
    gateway.clock.advance(loginFailureWindowMs + 1);
    expect(await (await greeted()).ask(right)).toMatch(/^235 /);
    gateway.clock.advance(loginKnownMs - 2);
    await fail(loginFailuresPerAddressMax, (index) => `b${index}`);
    expect(await (await greeted()).ask(wrong('c'))).toBe(shut);
    expect(await (await greeted()).ask(right)).toMatch(/^235 /);
    gateway.clock.advance(loginKnownMs);
    await fail(loginFailuresPerAddressMax, (index) => `d${index}`);
    expect(await (await greeted()).ask(right)).toBe(shut);
  });
  test('is put off where the secrets cannot be read', async () => {
    const broken = { credentials: () => Promise.reject(new Error('AccessDenied')), forget: () => {} };
    gateway = await openGateway({ secrets: broken });
    const reply = await (await greeted()).ask(`AUTH PLAIN ${plain('a', 'b')}`);
    expect(reply).toBe('454 4.7.0 Logins cannot be checked now, try again later\r\n');
    expect(JSON.stringify(gateway.lines)).toContain('everpost/exchange');
  });
  test('knows a rotated secret as soon as somebody uses it', async () => {
    let current = login;
    let kept: typeof login | null = null;
    const secrets = {
      credentials: async () => {
        kept ??= current;
        return kept;
      },
      forget: () => {
        kept = null;
      },
    };
    gateway = await openGateway({ secrets });
    expect(await (await greeted()).ask(`AUTH PLAIN ${plain(login.username, login.password)}`)).toMatch(/^235 /);
    current = { ...login, password: 'new' };
    expect(await (await greeted()).ask(`AUTH PLAIN ${plain(login.username, 'new')}`)).toMatch(/^235 /);
  });
});

describe('a client of another machine', () => {
  const isLocal = () => false;
  test('may log in over TLS alone', async () => {
    gateway = await openGateway({ tls, isLocal });
    const client = await greeted();
    expect(await client.ask('EHLO c')).not.toContain('AUTH');
    expect(await client.ask(`AUTH PLAIN ${plain(login.username, login.password)}`)).toBe(
      '538 5.7.11 Logins from your address need TLS: STARTTLS first\r\n',
    );
    expect(await client.ask('MAIL FROM:<ann@example.com>')).toBe('530 5.7.0 STARTTLS and AUTH first\r\n');
    await client.ask('STARTTLS');
    await client.secure();
    expect(await client.ask('EHLO c')).toContain('AUTH PLAIN LOGIN');
    expect(await client.ask('MAIL FROM:<ann@example.com>')).toBe('530 5.7.0 Log in first (AUTH)\r\n');
    expect(await client.ask(`AUTH PLAIN ${plain(login.username, login.password)}`)).toMatch(/^235 /);
  });
  test('hears that there is no way where no TLS is offered', async () => {
    gateway = await openGateway({ isLocal });
    const client = await greeted();
    const reply = await client.ask('MAIL FROM:<ann@example.com>');
    expect(reply).toBe('530 5.7.0 Logins from your address need TLS, and this server has no certificate\r\n');
  });
  test('or without it, where that was allowed', async () => {
    gateway = await openGateway({ isLocal, allowPlainAuth: true });
    expect(await (await greeted()).ask(`AUTH PLAIN ${plain(login.username, login.password)}`)).toMatch(/^235 /);
  });
});

describe('TLS', () => {
  test('STARTTLS forgets what was said before it, and is in Received', async () => {
    gateway = await openGateway({ tls });
    const client = await greeted();
    expect(await client.ask('EHLO plain.example')).toContain('STARTTLS');
    expect(await client.ask('STARTTLS')).toBe('220 2.0.0 Ready to start TLS\r\n');
    await client.secure();
    expect(await client.ask('MAIL FROM:<ann@example.com>')).toMatch(/^503 /);
    const offered = await client.ask('EHLO secure.example');
    expect(offered).toContain('AUTH PLAIN LOGIN');
    expect(offered).not.toContain('STARTTLS');
    await client.ask(`AUTH PLAIN ${plain(login.username, login.password)}`);
    expect(await client.send('x\r\n')).toMatch(/^250 /);
    expect(submissions(gateway.store)[0]?.content.toString()).toContain(
      'from secure.example ([127.0.0.1])\r\n\tby example.com with ESMTPSA\r\n',
    );
  });
  test('commands smuggled in behind STARTTLS are not obeyed', async () => {
    gateway = await openGateway({ tls });
    const client = await greeted();
    expect(await client.ask('STARTTLS\r\nEHLO evil\r\nNOOP')).toMatch(/^220 /);
    await client.secure();
    expect(await client.ask('EHLO good')).toContain('250 SIZE');
    expect(await client.ask('QUIT')).toMatch(/^221 /);
  });
  test('from the start', async () => {
    gateway = await openGateway({ tls });
    const port = await gateway.server.listen({ host: '127.0.0.1', port: 0, implicitTls: true });
    const client = Client.tls(port);
    clients.push(client);
    expect(await client.reply()).toMatch(/^220 /);
    await client.ask('EHLO c');
    await client.ask(`AUTH PLAIN ${plain(login.username, login.password)}`);
    expect(await client.send('x\r\n')).toMatch(/^250 /);
  });
});

describe('limits', () => {
  test('connections in all and from one address', async () => {
    gateway = await openGateway({ limits: { connectionsPerAddressMax: 2 } });
    await greeted();
    await greeted();
    const third = Client.tcp(gateway.port);
    clients.push(third);
    expect(await third.reply()).toBe('421 4.7.0 Too many connections from your address\r\n');
    await gateway.close();
    gateway = await openGateway({ limits: { connectionsMax: 1 } });
    await greeted();
    const second = Client.tcp(gateway.port);
    clients.push(second);
    expect(await second.reply()).toBe('421 4.3.2 Too many connections, try again later\r\n');
  });
  test('idle for too long, and content that takes too long', async () => {
    gateway = await openGateway({ limits: { idleMs: 100 } });
    const idle = await greeted();
    expect(await idle.reply()).toMatch(/^421 4\.4\.2 /);
    await gateway.close();
    gateway = await openGateway({ limits: { contentMs: 150 } });
    const slow = await Client.ready(gateway.port);
    clients.push(slow);
    for (const command of ['MAIL FROM:<ann@example.com>', 'RCPT TO:<bob@far.example>', 'DATA']) await slow.ask(command);
    const trickle = setInterval(() => slow.write('x\r\n'), 20);
    expect(await slow.reply()).toBe('421 4.4.2 Too slow\r\n');
    clearInterval(trickle);
    expect(gateway.store.objects.size).toBe(0);
  });
});

describe('a stop', () => {
  test('lets the message in work come to its answer, and tells the others', async () => {
    gateway = await openGateway();
    const idle = await Client.ready(gateway.port);
    const working = await Client.ready(gateway.port);
    clients.push(idle, working);
    for (const command of ['MAIL FROM:<ann@example.com>', 'RCPT TO:<bob@far.example>', 'DATA'])
      await working.ask(command);
    const stopped = gateway.server.stop();
    expect(await idle.reply()).toBe('421 4.3.2 This server is stopping, try again later\r\n');
    working.write('x\r\n.\r\n');
    expect(await working.reply()).toMatch(/^250 /);
    expect(await working.reply()).toBe('421 4.3.2 This server is stopping, try again later\r\n');
    await stopped;
    expect(submissions(gateway.store).length).toBe(1);
  });
});
