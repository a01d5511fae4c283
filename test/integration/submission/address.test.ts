// Submitters that are known by their addresses: who may send what from there, with which TLS, and that a login wins.
// Clients of several addresses of 127.0.0.0/8 stand for devices.

import { spawn } from 'node:child_process';
import { afterEach, describe, expect, test } from 'vitest';
import type { SubmitterSettings } from '#config/settings.ts';
import { LoginGuard } from '#gateway/login-guard.ts';
import type { SubmissionServerParts } from '#gateway/server.ts';
import { Client, type Gateway, login, openGateway, plain, submissions, tls } from './gateway.ts';

let gateway: Gateway;
const clients: Client[] = [];
afterEach(async () => {
  for (const client of clients.splice(0)) client.destroy();
  await gateway.close();
});

const PRINTER = '127.0.10.7';
const OLD_PRINTER = '127.0.11.7';
const BARE_PRINTER = '127.0.12.7';
const ELSEWHERE = '127.0.13.7';
const submitters: Readonly<Record<string, SubmitterSettings>> = {
  exchange: { secret: 'everpost/exchange', senderDomains: ['example.com', 'exchange.example'] },
  printers: { secret: null, senderDomains: ['example.com'], from: ['127.0.10.0/24'] },
  old: { secret: null, senderDomains: ['example.com'], from: ['127.0.11.0/24'], oldTls: true },
  bare: { secret: null, senderDomains: ['example.com'], from: ['127.0.12.7'], withoutTls: true },
};
/** As if every client were on another machine, unless the test says otherwise. */
async function open(given: Partial<SubmissionServerParts> = {}): Promise<void> {
  const secrets = { credentials: async () => login, forget: () => {} };
  const clock = { now: () => Date.UTC(2026, 10, 22) };
  gateway = await openGateway({
    settings: { host: 'example.com', domains: ['example.com'], submitters },
    clients: new LoginGuard(submitters, secrets, clock),
    ...{ tls, isLocal: () => false, ...given },
  });
}
async function from(address: string, secured = true): Promise<Client> {
  const client = Client.tcp(gateway.port, address);
  clients.push(client);
  await client.reply();
  await client.ask('EHLO printer');
  if (!secured) return client;
  await client.ask('STARTTLS');
  await client.secure();
  await client.ask('EHLO printer');
  return client;
}
const MAIL = 'MAIL FROM:<scan@example.com>';
const mail = (author: string) => `From: ${author}\r\nSubject: scan\r\n\r\nx\r\n`;
const stored = () => [...gateway.store.objects.keys()].map((key) => key.split('/')[1]);

describe('without a login', () => {
  test('a client of its network submits as it, and the record says so', async () => {
    await open();
    const client = await from(PRINTER);
    expect(await client.send(mail('Scanner <scan@example.com>'))).toMatch(/^250 2\.6\.0 Stored as printers-/);
    expect(stored()).toEqual(['printers', 'printers']);
    const [only] = submissions(gateway.store);
    expect(only?.envelope.client).toEqual({ address: PRINTER, login: false, tls: 'TLSv1.3' });
    expect(only?.envelope.reversePath).toBe('ann@example.com');
    expect(only?.content.toString()).toContain('from printer ([127.0.10.7])\r\n\tby example.com with ESMTPS\r\n');
    const line = gateway.lines.find(({ event }) => event === 'submission.stored');
    expect(line?.fields).toMatchObject({ submitter: 'printers', by: 'address', address: PRINTER, tls: 'TLSv1.3' });
  });
  test('another address needs a login', async () => {
    await open();
    expect(await (await from(ELSEWHERE)).ask(MAIL)).toBe('530 5.7.0 Log in first (AUTH)\r\n');
    expect(await (await from(ELSEWHERE, false)).ask(MAIL)).toBe('530 5.7.0 STARTTLS and AUTH first\r\n');
  });
  test('TLS is needed all the same', async () => {
    await open();
    const reply = await (await from(PRINTER, false)).ask(MAIL);
    expect(reply).toBe('530 5.7.0 STARTTLS first: mail from your address needs TLS\r\n');
    await gateway.close();
    await open({ tls: null });
    const none = await (await from(PRINTER, false)).ask(MAIL);
    expect(none).toBe('530 5.7.0 Mail from your address needs TLS, and this server has no certificate\r\n');
  });
  test('but where its setting says so, or on this machine; and no password goes without TLS', async () => {
    await open();
    const client = await from(BARE_PRINTER, false);
    expect(await client.ask('EHLO printer')).not.toContain('AUTH');
    expect(await client.ask(`AUTH PLAIN ${plain(login.username, login.password)}`)).toMatch(/^538 5\.7\.11 /);
    expect(await client.send(mail('scan@example.com'))).toMatch(/^250 /);
    expect(submissions(gateway.store)[0]?.envelope.client).toEqual({ address: BARE_PRINTER, login: false, tls: null });
    await gateway.close();
    await open({ isLocal: () => true });
    expect(await (await from(PRINTER, false)).ask(MAIL)).toMatch(/^250 /);
  });
  test('by HELO too', async () => {
    await open();
    const client = Client.tcp(gateway.port, BARE_PRINTER);
    clients.push(client);
    await client.reply();
    expect(await client.ask('HELO printer')).toMatch(/^250 /);
    expect(await client.send(mail('scan@example.com'))).toMatch(/^250 /);
  });
});

describe('an address that is only claimed', () => {
  test.each(['PROXY TCP4 127.0.10.7 127.0.0.1 40000 587', 'XCLIENT ADDR=127.0.10.7', 'XFORWARD ADDR=127.0.10.7'])(
    '%s changes nothing',
    async (claim) => {
      await open();
      const client = await from(ELSEWHERE);
      expect(await client.ask(claim)).toMatch(/^500 5\.5\.2 /);
      await client.ask('EHLO [127.0.10.7]');
      expect(await client.ask(MAIL)).toBe('530 5.7.0 Log in first (AUTH)\r\n');
    },
  );
});

describe('as its own senders alone', () => {
  const passed = /^250 /;
  const refused = /^550 5\.7\.1 .*printers is known by its address and may not pass on mail of /;
  test.each([
    ['scan@example.com', passed],
    ['Scanner', passed], // no address, and so no author
    ['boss@bank.example', refused],
    ['scan@example.com, boss@bank.example', refused],
    ['"scan@example.com" <boss@bank.example>', refused],
    ['boss@exchange.example', /^550 5\.7\.1 printers may not send mail whose author is of exchange\.example/],
  ])('the author %s', async (author, reply) => {
    await open();
    expect(await (await from(PRINTER)).send(mail(author))).toMatch(reply);
    expect(submissions(gateway.store).length).toBe(reply === passed ? 1 : 0);
  });
  test('a reverse-path of another submitter is refused at once', async () => {
    await open();
    const reply = await (await from(PRINTER)).ask('MAIL FROM:<boss@exchange.example>');
    expect(reply).toMatch(/^550 5\.7\.1 printers may not send as exchange\.example/);
  });
});

describe('a login from there', () => {
  test('wins, with its own rights', async () => {
    await open();
    const client = await from(PRINTER);
    expect(await client.ask('EHLO c')).toContain('250-AUTH PLAIN LOGIN\r\n');
    expect(await client.ask(`AUTH PLAIN ${plain(login.username, login.password)}`)).toMatch(/^235 /);
    expect(await client.send(mail('boss@bank.example'))).toMatch(/^250 2\.6\.0 Stored as exchange-/);
    const [only] = submissions(gateway.store);
    expect(only?.envelope.client).toEqual({ address: PRINTER, login: true, tls: 'TLSv1.3' });
    expect(only?.content.toString()).toContain(' with ESMTPSA\r\n');
  });
  test('that fails is refused, and leaves what the address may', async () => {
    await open();
    const client = await from(PRINTER);
    expect(await client.ask(`AUTH PLAIN ${plain(login.username, 'wrong')}`)).toMatch(/^535 /);
    expect(await client.send(mail('scan@example.com'))).toMatch(/^250 2\.6\.0 Stored as printers-/);
  });
});

describe('TLS 1.0 and 1.1', () => {
  const OLD = { minVersion: 'TLSv1', ciphers: 'DEFAULT:@SECLEVEL=0' } as const;
  const versions = ['TLSv1', 'TLSv1.1'] as const;
  async function handshake(address: string, maxVersion: (typeof versions)[number] | 'TLSv1.2', sni = 'localhost') {
    const client = await from(address, false);
    await client.ask('STARTTLS');
    await client.secure({ ...OLD, maxVersion, servername: sni });
    await client.ask('EHLO printer');
    return client;
  }
  test.each(versions)('%s by STARTTLS, where the setting of its submitter says so', async (version) => {
    await open();
    const client = await handshake(OLD_PRINTER, version);
    expect(await client.send(mail('scan@example.com'))).toMatch(/^250 /);
    expect(submissions(gateway.store)[0]?.envelope.client).toEqual({
      address: OLD_PRINTER,
      login: false,
      tls: version,
    });
  });
  test.each(versions)('%s is refused to every other address', async (version) => {
    await open();
    for (const address of [PRINTER, BARE_PRINTER, ELSEWHERE, '127.0.0.1'])
      await expect(handshake(address, version)).rejects.toThrow(/protocol version|unsupported protocol/);
    const why = gateway.lines.filter(({ event }) => event === 'submission.connection-failed');
    expect(why.map(({ fields }) => String(fields.why))[0]).toContain('unsupported protocol');
  });
  test('TLS 1.2 and 1.3 are spoken there as everywhere', async () => {
    await open();
    expect(await (await handshake(OLD_PRINTER, 'TLSv1.2')).send(mail('scan@example.com'))).toMatch(/^250 /);
    expect(await (await from(OLD_PRINTER)).send(mail('scan@example.com'))).toMatch(/^250 /);
    expect(submissions(gateway.store).map(({ envelope }) => envelope.client?.tls)).toEqual(['TLSv1.2', 'TLSv1.3']);
  });
  test('a login over it is refused to a submitter whose setting does not say so', async () => {
    await open();
    const client = await handshake(OLD_PRINTER, 'TLSv1');
    const reply = await client.ask(`AUTH PLAIN ${plain(login.username, login.password)}`);
    expect(reply).toBe('538 5.7.11 The login of exchange needs TLS 1.2 or later\r\n');
    expect(await client.send(mail('scan@example.com'))).toMatch(/^250 2\.6\.0 Stored as old-/);
  });
  test('and with a renewed certificate', async () => {
    await open();
    gateway.server.renew(tls);
    expect(await (await handshake(OLD_PRINTER, 'TLSv1')).ask(MAIL)).toMatch(/^250 /);
    await expect(handshake(PRINTER, 'TLSv1')).rejects.toThrow(/protocol version|unsupported protocol/);
  });

  /** What OpenSSL's own client agrees on: `TLSv1 ECDHE-RSA-AES256-SHA`, or null. */
  async function openssl(
    port: number,
    version: string,
    address: string,
    words: readonly string[],
  ): Promise<string | null> {
    const place = ['-connect', `127.0.0.1:${port}`, '-bind', `${address}:0`, '-servername', 'localhost'];
    const command = ['s_client', `-${version}`, '-cipher', 'ALL:@SECLEVEL=0', '-brief', ...place, ...words];
    const child = spawn('openssl', command, { stdio: ['ignore', 'ignore', 'pipe'] });
    let said = '';
    child.stderr.on('data', (bytes: Buffer) => {
      said += bytes.toString();
    });
    await new Promise((resolve, reject) => child.once('close', resolve).once('error', reject));
    const [, protocol] = /^Protocol version: (.+)$/m.exec(said) ?? [];
    const [, cipher] = /^Ciphersuite: (.+)$/m.exec(said) ?? [];
    return protocol === undefined ? null : `${protocol} ${cipher}`;
  }
  test("OpenSSL's own client, by STARTTLS and with TLS from the start", async () => {
    await open();
    const implicit = await gateway.server.listen({ host: '127.0.0.1', port: 0, implicitTls: true });
    for (const [port, words] of [
      [gateway.port, ['-starttls', 'smtp']],
      [implicit, []],
    ] as const) {
      expect(await openssl(port, 'tls1', OLD_PRINTER, words)).toBe('TLSv1 ECDHE-RSA-AES256-SHA');
      expect(await openssl(port, 'tls1_1', OLD_PRINTER, words)).toBe('TLSv1.1 ECDHE-RSA-AES256-SHA');
      expect(await openssl(port, 'tls1', PRINTER, words)).toBeNull();
      expect(await openssl(port, 'tls1_1', '127.0.0.1', words)).toBeNull();
      expect(await openssl(port, 'tls1_2', PRINTER, words)).toMatch(/^TLSv1\.2 ECDHE-RSA-AES\d+-GCM/);
    }
  });
});
