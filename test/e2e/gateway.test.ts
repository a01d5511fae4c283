// Mail from our side, the whole way: real clients and a real mail server hand it to the submission port, sendmail to
// S3, and a server of the test takes it at the end. Then the gateway is killed at every step of its dialogue, and S3
// fails at each of its two writes.

import { execFile, spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Client, plain } from '#test/integration/submission/gateway.ts';
import { type GatewayProcess, startGateway } from './gateway.ts';
import { discard, type Instance, start, tool, until } from './instance.ts';
import { type Postfix, postfix } from './postfix.ts';
import { type Catcher, type Caught, catcher, sendMail } from './smtp.ts';

const ROOT = join(import.meta.dirname, '../..');
const login = { username: 'exchange', password: 'secret-1' };
const run = promisify(execFile);

let far: Catcher;
let instance: Instance;

beforeAll(async () => {
  far = await catcher();
  instance = await start({
    secrets: { 'everpost/exchange': login },
    config: {
      domains: ['example.com'],
      nextHops: { smart: { kind: 'smtp', host: '127.0.0.1', port: far.port, tls: 'off' } },
      routes: [
        { match: '*@example.com', to: [{ via: 'smart' }] },
        { match: '*', direction: 'outbound', to: [{ via: 'smart' }] },
      ],
      submitters: {
        exchange: { secret: 'everpost/exchange', senderDomains: ['example.com'] },
        cron: { secret: 'everpost/cron', senderDomains: ['cron.example'] },
      },
      notices: { from: 'postmaster@example.com', postmaster: 'postmaster@example.com', via: 'smart' },
    },
  });
});
afterAll(async () => {
  await discard(instance);
  await far?.close();
});

const arrivedFor = (path: string): Caught[] => far.caught.filter(({ forwardPaths }) => forwardPaths.includes(path));
async function arrival(path: string): Promise<Caught> {
  const found = await until(() => arrivedFor(path)[0] ?? null, 30_000);
  if (found === null) throw new Error(`nothing arrived for ${path}\n${instance.output.slice(-3_000)}`);
  return found;
}
const message = (id: string) =>
  Buffer.from(
    `From: Ann <ann@example.com>\r\nTo: bob@far.example\r\nSubject: ${id}\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <${id}@example.com>\r\n\r\ndots: ..\r\n8 bit: \xe9\r\n`,
    'latin1',
  );
/** Each byte of the original stands at the end; what is above are fields of ours. */
function endsWith(content: Buffer, original: Buffer): boolean {
  return content.subarray(content.length - original.length).equals(original);
}

describe('real clients', () => {
  it('swaks, with an envelope that its header does not show', async () => {
    const place = ['--server', `127.0.0.1:${instance.submission}`, '--from', 'ann@example.com'];
    const auth = ['--auth', 'PLAIN', '--auth-user', login.username, '--auth-password', login.password];
    const mail = message('swaks-1');
    await run('swaks', [
      ...place,
      ...auth,
      '--to',
      'Swaks@far.example,hidden@far.example',
      '--data',
      mail.toString('latin1'),
    ]);
    const [one, other] = [await arrival('Swaks@far.example'), await arrival('hidden@far.example')];
    expect([one.reversePath, other.reversePath]).toEqual(['ann@example.com', 'ann@example.com']);
    expect(one.content.toString('latin1')).toContain('\r\nSubject: swaks-1\r\n');
    expect(one.content.toString('latin1')).not.toContain('hidden@');
  });
  it('swaks with a wrong password, and as a foreign domain, is refused', async () => {
    const place = ['--server', `127.0.0.1:${instance.submission}`, '--to', 'nobody@far.example'];
    const auth = (password: string) => ['--auth', 'PLAIN', '--auth-user', login.username, '--auth-password', password];
    await expect(run('swaks', [...place, '--from', 'ann@example.com', ...auth('wrong')])).rejects.toMatchObject({
      code: 28,
    });
    await expect(
      run('swaks', [...place, '--from', 'a@foreign.example', ...auth(login.password)]),
    ).rejects.toMatchObject({ code: 23 });
  });
  it("another submitter's author is refused after the content", async () => {
    const content = Buffer.from('From: Boss <boss@cron.example>\r\nSubject: x\r\n\r\nx\r\n');
    const client = await Client.readyAs(instance.submission, login);
    expect(await client.send(content, ['<borrowed@far.example>'])).toMatch(/^550 5\.7\.1 .*cron\.example/);
    expect(await client.send(message('own-1'), ['<own-1@far.example>'])).toMatch(/^250 /);
    client.destroy();
    await arrival('own-1@far.example');
    expect(arrivedFor('borrowed@far.example')).toEqual([]);
  });
  it('msmtp, byte for byte', async () => {
    const options = [
      `--port=${instance.submission}`,
      '--auth=plain',
      `--user=${login.username}`,
      '--from=ann@example.com',
    ];
    const password = `--passwordeval=echo ${login.password}`;
    const mail = message('msmtp-1');
    await piped('msmtp', ['--host=127.0.0.1', '--tls=off', ...options, password, '--', 'msmtp@far.example'], mail);
    expect(endsWith((await arrival('msmtp@far.example')).content, mail)).toBe(true);
  });
  it('a Postfix with the gateway as its smart host', async () => {
    const server: Postfix = await postfix({ relayPort: instance.submission, login, relayLogin: login });
    try {
      const mail = message('postfix-1');
      const sent = await sendMail(server.ports.plain, 'ann@example.com', ['postfix@far.example'], mail);
      expect(sent.code).toBe(250);
      const { content, reversePath } = await arrival('postfix@far.example');
      expect(reversePath).toBe('ann@example.com');
      expect(endsWith(content, mail)).toBe(true);
      expect(content.toString('latin1')).toContain('by smart.example (Postfix)');
    } finally {
      await server.discard();
    }
  });
  it('SMTPUTF8 that a client declared, and no Bcc, to a next hop; a path without brackets; STARTTLS', async () => {
    const client = await Client.readyAs(instance.submission, login);
    for (const command of [
      'MAIL FROM: scan@example.com SMTPUTF8 BODY=8BITMIME',
      'RCPT TO: utf8@far.example ORCPT=rfc822;utf8+2bx@far.example',
      'DATA',
    ])
      expect(await client.ask(command)).toMatch(/^[23]/);
    client.write('Bcc : hidden@far.example,\r\n\tmore@far.example\r\nSubject: Gr\u00fc\u00dfe\r\n\r\nx\r\n');
    expect(await client.ask('.')).toMatch(/^250 /);
    client.destroy();
    const { content, mail } = await arrival('utf8@far.example');
    expect(mail).toMatch(/ SMTPUTF8/);
    expect(content.toString()).toContain('Subject: Gr\u00fc\u00dfe\r\n\r\nx\r\n');
    expect(content.toString()).not.toMatch(/^Bcc|hidden@|more@/m);
    const place = ['--server', `127.0.0.1:${instance.submission}`, '--from', 'ann@example.com', '--tls'];
    const auth = ['--auth', 'PLAIN', '--auth-user', login.username, '--auth-password', login.password];
    await run('swaks', [...place, ...auth, '--to', 'tls@far.example']);
    expect((await arrival('tls@far.example')).content.toString()).toContain(' with ESMTPSA');
  });
  it('sendmail -t as PHP and cron call it: Bcc is gone, all recipients have it', async () => {
    const text =
      'To: t-one@far.example\nCc: "Two, B" <t-two@far.example>\nBcc: t-three@far.example\nSubject: php\n\nline\n.\nline\n';
    await sendmail(['-t', '-i', '-fann@example.com'], text);
    for (const path of ['t-one@far.example', 't-two@far.example', 't-three@far.example']) {
      const { content } = await arrival(path);
      expect(content.toString()).toMatch(/Subject: php\r\n\r\nline\r\n\.\r\nline\r\n$/);
      expect(content.toString().toLowerCase()).not.toContain('bcc');
    }
  });
  it('sendmail -bs: a client that writes all at once, closes its side, and reads the answers', async () => {
    const dialogue = `EHLO c\r\nMAIL FROM:<ann@example.com>\r\nRCPT TO:<bs@far.example>\r\nDATA\r\n${message('bs-1').toString('latin1')}.\r\n`;
    await sendmail(['-bs'], Buffer.from(dialogue, 'latin1'));
    expect(endsWith((await arrival('bs@far.example')).content, message('bs-1'))).toBe(true);
  });
  it("sendmail as cron calls it, with nothing but its file: the default sender, and MAILTO's list", async () => {
    const file = join(instance.data, 'sendmail.json');
    const settings = { submitter: 'exchange', data: instance.data, defaultSender: 'cron@example.com' };
    writeFileSync(file, JSON.stringify(settings));
    const text = 'From: root (Cron Daemon)\nTo: ops@far.example,dev@far.example\nSubject: Cron <root@web1> true\n\nx\n';
    const words = ['-FCronDaemon', '-i', '-B8BITMIME', '-oem', 'ops@far.example,dev@far.example'];
    await piped(process.execPath, ['src/cli/everpost.ts', 'sendmail', '--config', file, ...words], Buffer.from(text));
    for (const path of ['ops@far.example', 'dev@far.example'])
      expect((await arrival(path)).reversePath).toBe('cron@example.com');
  });
  it('sendmail says by its exit code what became of the message, and leaves it in dead.letter', async () => {
    await expect(sendmail([], 'x\n')).rejects.toThrow('ended with 64');
    await expect(sendmail(['-t'], 'Subject: x\n\nx\n')).rejects.toThrow('ended with 65');
    await expect(sendmail(['-t'], 'To: Ann :( <a@far.example>\nCc: x@far.example\n\nx\n')).rejects.toThrow(
      'ended with 67',
    );
    await expect(sendmail(['-feve@bank.example', 'x@far.example'], 'x\n')).rejects.toThrow('ended with 77');
    await expect(sendmail(['-fann@example.com', 'x@far.example'], 'From: boss@cron.example\n\nx\n')).rejects.toThrow(
      'ended with 77: sendmail: exchange may not send mail whose author is of cron.example',
    );
    await expect(sendmail(['--submitter', 'nobody', 'x@far.example'], 'x\n')).rejects.toThrow('ended with 78');
    expect(arrivedFor('x@far.example')).toEqual([]);
    expect(readFileSync(join(instance.data, 'dead.letter'), 'utf8').match(/^X-Everpost-Not-Sent: /gm)).toHaveLength(6);
    await tool(instance, 'POST', '/faults', { service: 's3', operation: 'PutObject', effect: 'deny' });
    await expect(sendmail(['-fann@example.com', 'x@far.example'], 'x\n')).rejects.toThrow('ended with 77');
    await tool(instance, 'DELETE', '/faults');
  });
});

function sendmail(args: readonly string[], text: string | Buffer): Promise<void> {
  const own = ['--data', instance.data, '--submitter', 'exchange', '--domain', 'example.com'];
  return piped(process.execPath, ['src/cli/everpost.ts', 'sendmail', ...own, ...args], Buffer.from(text as string));
}

function piped(command: string, args: readonly string[], input: Uint8Array): Promise<void> {
  const env = { ...process.env, HOME: instance.data }; // its dead.letter
  const child = spawn(command, args, { cwd: ROOT, env, stdio: ['pipe', 'ignore', 'pipe'] });
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

describe('S3 that fails', () => {
  const cases: [effect: string, part: string, times: number | null, answer: string, copies: number][] = [
    ['deny', '.eml', null, '451', 0],
    ['deny', '.envelope.json', null, '451', 0],
    ['throttle', '.eml', 1, '250', 1],
    ['throttle', '.envelope.json', 2, '250', 1],
    ['lose-response', '.eml', 1, '250', 1],
    ['lose-response', '.envelope.json', 1, '250', 1],
  ];
  it.each(cases)('%s at %s, %s times: %s, and %s copies', async (effect, part, times, answer, copies) => {
    const id = `s3-${effect}-${part.slice(1, 4)}`;
    await tool(instance, 'POST', '/faults', {
      ...{ service: 's3', operation: 'PutObject', effect, match: part },
      ...(times === null ? {} : { times }),
    });
    const client = await Client.readyAs(instance.submission, login);
    const reply = await client.send(message(id), [`<${id}@far.example>`]);
    client.destroy();
    await tool(instance, 'DELETE', '/faults');
    expect(reply.slice(0, 3)).toBe(answer);
    if (copies > 0) await arrival(`${id}@far.example`);
    await sleep(2_000);
    expect(arrivedFor(`${id}@far.example`).length).toBe(copies);
  });
});

describe('kill -9 of the gateway', () => {
  /** What the client has said when the gateway dies; the last ones race the answer. */
  const STEPS: readonly [name: string, says: string, committed: boolean, afterMs: number][] = [
    ['after EHLO', 'EHLO', false, 0],
    ['after AUTH', 'AUTH', false, 0],
    ['after MAIL', 'MAIL', false, 0],
    ['after RCPT', 'RCPT', false, 0],
    ['after 354', 'DATA', false, 0],
    ['within the content', 'HALF', false, 0],
    ['before the final dot', 'CONTENT', false, 0],
    ...Array.from({ length: 8 }, (_, i): [string, string, boolean, number] => [
      `${i * 6} ms after the final dot`,
      'DOT',
      true,
      i * 6,
    ]),
  ];
  it('at every step: what got a 250 arrives, what did not is not sent before the client tries again', async () => {
    let gateway: GatewayProcess = await startGateway(instance);
    const { port } = gateway;
    const acknowledged: string[] = [];
    const open: { id: string; mayArrive: boolean }[] = [];
    for (const [index, [, says, dotSaid, afterMs]] of STEPS.entries()) {
      const id = `kill-${index}`;
      const answered = await upTo(port, id, says, afterMs, () => gateway.kill('SIGKILL'));
      if (answered) acknowledged.push(id);
      else open.push({ id, mayArrive: dotSaid });
      gateway = await startGateway(instance, port);
    }
    await Promise.all(acknowledged.map((id) => arrival(`${id}@far.example`)));
    await sleep(3_000);
    for (const { id, mayArrive } of open)
      if (!mayArrive) expect([id, arrivedFor(`${id}@far.example`).length]).toEqual([id, 0]);
    for (const { id } of open) {
      const client = await Client.readyAs(port, login);
      expect(await client.send(message(id), [`<${id}@far.example>`])).toMatch(/^250 /);
      client.destroy();
    }
    await Promise.all(STEPS.map((_, index) => arrival(`kill-${index}@far.example`)));
    for (const [index] of STEPS.entries()) {
      const copies = arrivedFor(`kill-${index}@far.example`);
      expect(copies.length).toBeLessThanOrEqual(2); // RFC 1047: the answer to a final dot can get lost
      for (const { content } of copies) expect(endsWith(content, message(`kill-${index}`))).toBe(true);
    }
    await gateway.kill('SIGTERM');
    expect(gateway.process.exitCode).toBe(0);
  });
});

/** True: the message was answered 250. */
async function upTo(
  port: number,
  id: string,
  says: string,
  afterMs: number,
  kill: () => Promise<void>,
): Promise<boolean> {
  const client = new Client(connect(port, '127.0.0.1'));
  const mail = message(id);
  const steps: readonly (readonly [string, () => Promise<unknown>])[] = [
    ['EHLO', async () => client.reply().then(() => client.ask('EHLO c'))],
    ['AUTH', () => client.ask(`AUTH PLAIN ${plain(login.username, login.password)}`)],
    ['MAIL', () => client.ask('MAIL FROM:<ann@example.com>')],
    ['RCPT', () => client.ask(`RCPT TO:<${id}@far.example>`)],
    ['DATA', () => client.ask('DATA')],
    ['HALF', async () => client.write(mail.subarray(0, 40))],
    ['CONTENT', async () => client.write(mail.subarray(40))],
    ['DOT', async () => client.write('.\r\n')],
  ];
  for (const [name, step] of steps) {
    await step();
    if (name === says) break;
  }
  await sleep(says === 'DOT' ? afterMs : 30);
  const answer = says === 'DOT' ? client.reply().catch(() => '') : Promise.resolve('');
  await kill();
  const reply = await answer;
  client.destroy();
  return reply.startsWith('250 ');
}
