// Old devices, the whole way: their dialogues and real clients speak to `everpost gateway` in a process of its own,
// over the TLS that each speaks; what they submit goes on by SES, or to a mail server. The trace says who submitted it.

import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import nodemailer from 'nodemailer';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Dialogue, deviceDialogues, deviceLogin, play } from '#test/integration/submission/device-dialogue.ts';
import { type GatewayProcess, startGateway } from './gateway.ts';
import { discard, type Instance, start, traced, until } from './instance.ts';
import { type Catcher, type Caught, catcher } from './smtp.ts';

const TLS = join(import.meta.dirname, '../fixtures/tls');
const CA = join(TLS, 'ca.pem');
const { username, password } = deviceLogin;
let exchange: Catcher;
let sesOut: Catcher;
let instance: Instance;
let gateway: GatewayProcess;

beforeAll(async () => {
  exchange = await catcher();
  sesOut = await catcher();
  instance = await start({
    secrets: { 'everpost/scanners': deviceLogin },
    config: {
      domains: ['example.com'],
      nextHops: {
        ses: { kind: 'ses' },
        exchange: { kind: 'smtp', host: '127.0.0.1', port: exchange.port, tls: 'off' },
      },
      routes: [
        { match: '*@far.example', direction: 'outbound', to: [{ via: 'ses' }] },
        { match: '*', direction: 'outbound', to: [{ via: 'exchange' }] },
        { match: '*@example.com', to: [{ via: 'exchange' }] },
      ],
      submitters: {
        scanners: {
          ...{ secret: 'everpost/scanners', senderDomains: ['example.com'] },
          ...{ from: ['127.0.11.0/24'], oldTls: true },
        },
        printers: { senderDomains: ['example.com'], from: ['127.0.10.0/24'] },
        alarms: { senderDomains: ['example.com'], from: ['127.0.12.0/24'], withoutTls: true },
      },
      notices: { from: 'postmaster@example.com', postmaster: 'postmaster@example.com', via: 'exchange' },
    },
    args: ['--ses-out', `127.0.0.1:${sesOut.port}`],
  });
  gateway = await startGateway(instance, 0, { cert: join(TLS, 'server.pem'), key: join(TLS, 'server.key') });
});
afterAll(async () => {
  await gateway?.kill('SIGTERM');
  await discard(instance);
  await exchange?.close();
  await sesOut?.close();
});

const ports = () => ({ plain: gateway.port, implicit: gateway.tlsPort });
async function arrival(at: Catcher, path: string): Promise<Caught> {
  const found = await until(() => at.caught.find(({ forwardPaths }) => forwardPaths.includes(path)) ?? null, 30_000);
  if (found === null) throw new Error(`nothing arrived for ${path}\n${gateway.output}${instance.output.slice(-3_000)}`);
  return found;
}
/** The same dialogue to another recipient. */
function to(path: string, dialogue: Dialogue): Dialogue {
  const turns = dialogue.turns.map((turn) =>
    turn.kind === 'says' && !turn.endsContent
      ? { ...turn, bytes: Buffer.from(turn.bytes.toString('latin1').replace('bob@far.example', path), 'latin1') }
      : turn,
  );
  return { ...dialogue, turns };
}

describe.each(deviceDialogues())('$name', (dialogue) => {
  it('goes on by SES', async () => {
    const path = `${dialogue.name}@far.example`;
    const { stored } = await play(to(path, dialogue), ports());
    expect(stored.length).toBe(dialogue.messages);
    const { content } = await arrival(sesOut, path);
    expect(content.toString('latin1')).toMatch(/^From: .*scanner@example\.com/m);
    const [message] = await traced(instance, ['--spool-id', stored[0] ?? ''], (messages) =>
      messages.every(({ deliveries }) => deliveries[0]?.state === 'relayed'),
    );
    expect(message?.submission).toEqual({
      submitter: dialogue.submitter,
      client: { address: dialogue.address, login: dialogue.login, tls: dialogue.tls },
    });
  });
  it('goes on to a mail server, each byte of it', async () => {
    const path = `${dialogue.name}@near.example`;
    await play(to(path, dialogue), ports());
    const { content, reversePath } = await arrival(exchange, path);
    expect(reversePath).toBe('scanner@example.com');
    // RFC 5321 §2.3.8: only CRLF ends a line on the wire.
    const whole = Buffer.from(dialogue.content.toString('latin1').replace(/\r?\n/g, '\r\n'), 'latin1');
    expect(content.subarray(content.length - whole.length).toString('latin1')).toBe(whole.toString('latin1'));
  });
});

it('a device of another address is not believed, and TLS 1.0 not spoken with it', async () => {
  const [old] = deviceDialogues().filter(({ tls }) => tls === 'TLSv1');
  if (old === undefined) throw new Error('no dialogue speaks TLS 1.0');
  await expect(play({ ...old, address: '127.0.10.7' }, ports())).rejects.toThrow(/protocol version|unsupported/);
  const [bare] = deviceDialogues().filter(({ tls }) => tls === null);
  if (bare === undefined) throw new Error('no dialogue is without TLS');
  await expect(play({ ...bare, address: '127.0.13.7' }, ports())).rejects.toThrow('530 5.7.0');
});

describe('real clients, with a login over TLS', () => {
  const text = 'From: Scanner <scanner@example.com>\nSubject: scan\n\npage 1\n';
  const arrived = async (path: string, protocol = 'ESMTPSA'): Promise<string> => {
    const content = (await arrival(exchange, path)).content.toString('latin1');
    expect(content).toContain(` with ${protocol}\r\n`);
    expect(content).toContain('page 1\r\n');
    return content;
  };
  it('Nodemailer', async () => {
    const client = nodemailer.createTransport({
      ...{ host: '127.0.0.1', port: gateway.port, requireTLS: true, auth: { user: username, pass: password } },
      tls: { rejectUnauthorized: false },
    });
    const sent = { from: 'scanner@example.com', to: 'nodemailer@near.example', subject: 'scan', text: 'page 1\n' };
    const { response } = await client.sendMail(sent);
    client.close();
    expect(response).toMatch(/^250 2\.6\.0 Stored as scanners-/);
    await arrived('nodemailer@near.example');
  });
  it('msmtp', async () => {
    const login = ['--auth=login', `--user=${username}`, `--passwordeval=echo ${password}`];
    const place = ['--host=127.0.0.1', `--port=${gateway.port}`, '--tls=on', '--tls-certcheck=off'];
    await run('msmtp', [...place, ...login, '--from=scanner@example.com', 'msmtp@near.example'], text);
    await arrived('msmtp@near.example');
  });
  it('swaks, and without a login from a known network', async () => {
    const place = ['--server', '127.0.0.1', '--port', String(gateway.port), '--from', 'scanner@example.com'];
    const auth = ['--auth', 'LOGIN', '--auth-user', username, '--auth-password', password];
    const body = ['--body', 'page 1'];
    await run('swaks', [...place, '--tls', ...auth, ...body, '--to', 'swaks@near.example']);
    await arrived('swaks@near.example');
    await run('swaks', [...place, '--local-interface', '127.0.10.9', ...body, '--to', 'swaks2@near.example']);
    await arrived('swaks2@near.example', 'ESMTP');
  });
  it('curl, by STARTTLS and with TLS from the start', async () => {
    const login = [
      '--user',
      `${username}:${password}`,
      '--cacert',
      CA,
      '--mail-from',
      'scanner@example.com',
      '-T',
      '-',
    ];
    const at = (port: number) => ['--connect-to', `localhost:${port}:127.0.0.1:${port}`];
    const { port, tlsPort } = gateway;
    await run(
      'curl',
      [
        ...['-sS', '--ssl-reqd', `smtp://localhost:${port}/c`, ...at(port), ...login],
        ...['--mail-rcpt', 'curl@near.example'],
      ],
      text,
    );
    await arrived('curl@near.example');
    await run(
      'curl',
      [
        ...['-sS', `smtps://localhost:${tlsPort}/c`, ...at(tlsPort), ...login],
        ...['--mail-rcpt', 'curls@near.example'],
      ],
      text,
    );
    await arrived('curls@near.example');
  });
  it('Python smtplib', async () => {
    const program = [
      'import smtplib, ssl, sys',
      `s = smtplib.SMTP('127.0.0.1', ${gateway.port})`,
      's.starttls(context=ssl._create_unverified_context())',
      `s.login('${username}', '${password}')`,
      "s.sendmail('scanner@example.com', ['python@near.example'], sys.stdin.read())",
      's.quit()',
    ].join('\n');
    await run('python3', ['-c', program], text);
    await arrived('python@near.example');
  });
  it('PHPMailer', async () => {
    const program = join(instance.data, 'send.php');
    writeFileSync(
      program,
      `<?php
      require '/usr/share/php/libphp-phpmailer/autoload.php';
      $mail = new PHPMailer\\PHPMailer\\PHPMailer(true);
      $mail->isSMTP(); $mail->Host = '127.0.0.1'; $mail->Port = ${gateway.port};
      $mail->SMTPSecure = 'tls'; $mail->SMTPAuth = true;
      $mail->SMTPOptions = ['ssl' => ['verify_peer' => false, 'verify_peer_name' => false]];
      $mail->Username = '${username}'; $mail->Password = '${password}';
      $mail->setFrom('scanner@example.com'); $mail->addAddress('php@near.example');
      $mail->Subject = 'scan'; $mail->Body = "page 1\\n"; $mail->send();
      `,
    );
    await run('php', [program]);
    await arrived('php@near.example');
  });
});

function run(command: string, args: readonly string[], input = ''): Promise<void> {
  const child = spawn(command, args, { stdio: ['pipe', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  child.stdin.on('error', () => {}); // it may end without reading
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) =>
      code === 0 ? resolve() : reject(new Error(`${command} ended with ${code}: ${said}`)),
    );
  });
}
