// The submission server on the wire, byte by byte: replies, envelopes, DSN parameters, content, sizes, and clients that
// behave badly.

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { submissionBytesMax } from '#core/limits.ts';
import { stuffed } from '../../../packages/aws-local/test/conformance/ses-receive.ts';
import { Client, type Gateway, login, openGateway, plain, submissions } from './gateway.ts';

let gateway: Gateway;
let client: Client;
beforeEach(async () => {
  gateway = await openGateway();
  client = await Client.ready(gateway.port);
});
afterEach(async () => {
  client.destroy();
  await gateway.close();
});

const last = () => {
  const found = submissions(gateway.store).at(-1);
  if (found === undefined) throw new Error('nothing was submitted');
  return found;
};
/** What lies below our Received. */
const below = (content: Buffer) => {
  const end = /^Received: .*\r\n(?:\t.*\r\n)*/.exec(content.toString('latin1'))?.[0].length ?? 0;
  return content.subarray(end);
};
const complete = 'Date: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n';

describe('replies', () => {
  test('the greeting, EHLO before and after the login, QUIT', async () => {
    const fresh = Client.tcp(gateway.port);
    expect(await fresh.reply()).toBe('220 example.com ESMTP Everpost\r\n');
    const offered = ['PIPELINING', '8BITMIME', 'SMTPUTF8', 'ENHANCEDSTATUSCODES', 'DSN'];
    expect(await fresh.ask('EHLO c')).toBe(
      ['example.com', ...offered, 'AUTH PLAIN LOGIN', 'AUTH=PLAIN LOGIN'].map((word) => `250-${word}\r\n`).join('') +
        `250 SIZE ${submissionBytesMax}\r\n`,
    );
    expect(await fresh.ask('QUIT')).toBe('221 2.0.0 Bye\r\n');
    await fresh.ended();
    expect(await client.ask('EHLO c')).not.toContain('AUTH');
  });
  test('a whole transaction', async () => {
    expect(await client.ask('MAIL FROM:<ann@example.com> SIZE=30 BODY=8BITMIME')).toBe('250 2.1.0 Sender ok\r\n');
    expect(await client.ask('RCPT TO:<bob@far.example>')).toBe('250 2.1.5 Recipient ok\r\n');
    expect(await client.ask('DATA')).toBe('354 End data with <CR><LF>.<CR><LF>\r\n');
    const said = await client.ask(`${complete}\r\nhello\r\n.`);
    expect(said).toMatch(/^250 2\.6\.0 Stored as exchange-[0-7][0-9A-HJKMNP-TV-Z]{25}\r\n$/);
    expect(gateway.store.objects.size).toBe(2);
  });
  test.each([
    [
      'MAIL FROM:<ann@foreign.example>',
      '550 5.7.1 exchange may not send as foreign.example: senderDomains does not have it',
    ],
    [
      'MAIL FROM:<ann@sub.example.com>',
      '550 5.7.1 exchange may not send as sub.example.com: senderDomains does not have it',
    ],
    ['MAIL FROM:', '501 5.1.7 Syntax: MAIL FROM:<address>, or <> for the null reverse-path'],
    ['MAIL FROM:<ann@example.com', '501 5.1.7 Syntax: MAIL FROM:<address>, or <> for the null reverse-path'],
    ['MAIL FROM:ann@example.com>', '501 5.1.7 This is no address'],
    ['MAIL FROM:Ann <ann@example.com>', '501 5.5.4 A parameter is given twice, or is no parameter'],
    [
      'MAIL FROM:ann@foreign.example SIZE=1',
      '550 5.7.1 exchange may not send as foreign.example: senderDomains does not have it',
    ],
    [
      'MAIL FROM:<mailer-daemon@foreign.example>',
      '550 5.7.1 exchange may not send as foreign.example: senderDomains does not have it',
    ],
    ['MAIL FROM:<MAILER-DAEMON>', '501 5.1.7 This is no address'],
    ['MAIL FROM:<ann>', '501 5.1.7 This is no address'],
    ['MAIL FROM:<ann@example.com> FOO=1', '555 5.5.4 A parameter of MAIL is not known here'],
    ['MAIL FROM:<ann@example.com> RET=HALF', '501 5.5.4 RET takes FULL or HDRS'],
    ['MAIL FROM:<ann@example.com> ENVID=a+0Ab', '501 5.5.4 ENVID takes xtext of at most 100 characters'],
    ['MAIL FROM:<ann@example.com> ENVID=a ENVID=b', '501 5.5.4 A parameter is given twice, or is no parameter'],
    [
      `MAIL FROM:<ann@example.com> SIZE=${submissionBytesMax + 1}`,
      `552 5.3.4 A message may have ${submissionBytesMax} bytes`,
    ],
    ['MAIL FROM:<änn@example.com>', '550 5.6.7 An address beyond ASCII needs the parameter SMTPUTF8'],
    ['RCPT TO:<bob@far.example>', '503 5.5.1 MAIL first'],
    ['DATA', '503 5.5.1 MAIL first'],
    ['VRFY bob', '252 2.1.5 Try to send something. No promises though'],
    ['WIZ x', '500 5.5.2 Error: command not recognized'],
    ['XCLIENT ADDR=1.2.3.4', '500 5.5.2 Error: command not recognized'],
    ['NOOP', '250 2.0.0 OK'],
  ])('%s', async (command, answer) => {
    expect(await client.ask(command)).toBe(`${answer}\r\n`);
  });
  test.each([
    ['RCPT TO:<>', '501 5.1.3 This is no address'],
    ['RCPT TO:<bob@far.example> NOTIFY=NEVER,DELAY', '501 5.5.4 NOTIFY takes NEVER, or some of SUCCESS,FAILURE,DELAY'],
    ['RCPT TO:<bob@far.example> NOTIFY=', '501 5.5.4 NOTIFY takes NEVER, or some of SUCCESS,FAILURE,DELAY'],
    ['RCPT TO:<bob@far.example> ORCPT=bob@far.example', '501 5.5.4 ORCPT takes type;address in xtext'],
    ['RCPT TO:<bob@far.example> ORCPT=rfc822;bob+4', '501 5.5.4 ORCPT takes type;address in xtext'],
    ['RCPT TO:<böb@far.example>', '553 5.6.7 An address beyond ASCII needs the parameter SMTPUTF8 of MAIL'],
    ['RCPT TO:<b\xffb@far.example>', '501 5.1.3 This is no address'],
    ['DATA', '503 5.5.1 RCPT first: no recipient was accepted'],
    ['MAIL FROM:<ann@example.com>', '503 5.5.1 A transaction is under way'],
  ])('within a transaction: %s', async (command, answer) => {
    await client.ask('MAIL FROM:<ann@example.com>');
    client.write(command.includes('\xff') ? Buffer.from(`${command}\r\n`, 'latin1') : `${command}\r\n`);
    expect(await client.reply()).toBe(`${answer}\r\n`);
  });
  test('a client that waits for nothing, not even for the greeting', async () => {
    const eager = Client.tcp(gateway.port);
    const token = plain(login.username, login.password);
    const probes = 'NOOP\r\nVRFY bob\r\nRSET\r\n'.repeat(50);
    const mail = 'MAIL FROM:<ann@example.com>\r\nRCPT TO:<bob@far.example>\r\nDATA\r\nx\r\n.\r\n'.repeat(3);
    eager.write(`EHLO c\r\nAUTH PLAIN ${token}\r\n${probes}${mail}QUIT\r\n`);
    const codes: string[] = [];
    for (let i = 0; i < 3 + 150 + 12 + 1; i += 1) codes.push((await eager.reply()).slice(0, 3));
    expect(codes.slice(0, 3)).toEqual(['220', '250', '235']);
    expect(codes.slice(-13)).toEqual([...Array(3).fill(['250', '250', '354', '250']).flat(), '221']);
    await eager.ended();
    expect(submissions(gateway.store).length).toBe(3);
  });
  test('commands in one packet get their replies in order', async () => {
    client.write(
      `MAIL FROM:<ann@example.com>\r\nRCPT TO:<no>\r\nRCPT TO:<bob@far.example>\r\nDATA\r\n${complete}\r\nx\r\n.\r\nRSET\r\nNOOP\r\n`,
    );
    const codes: string[] = [];
    for (let i = 0; i < 7; i += 1) codes.push((await client.reply()).slice(0, 3));
    expect(codes).toEqual(['250', '501', '250', '354', '250', '250', '250']);
    expect(last().envelope.forwardPaths.map(({ address }) => address)).toEqual(['bob@far.example']);
  });
});

describe('envelopes', () => {
  test.each([
    ["<Ann.O'Hara@Example.COM>", "Ann.O'Hara@Example.COM"],
    ['<"a b@c>d\\""@example.com>', '"a b@c>d\\""@example.com'],
    ['<>', ''],
    ['<@relay.example:ann@example.com>', 'ann@example.com'],
    ['<ann..x.@example.com>', 'ann..x.@example.com'],
    ['<ann@xn--bcher-kva.example>', 'ann@xn--bcher-kva.example'],
    ['<ann@bücher.example> SMTPUTF8', 'ann@bücher.example'],
    [' scan@example.com', 'scan@example.com'],
    ['scan@example.com BODY=8BITMIME SIZE=7', 'scan@example.com'],
    ['"a b"@example.com RET=FULL', '"a b"@example.com'],
    ['< scan@example.com >', 'scan@example.com'],
    ['<Mailer-Daemon@example.com>', 'Mailer-Daemon@example.com'],
  ])('the reverse-path %s is kept', async (given, kept) => {
    expect(await client.ask(`MAIL FROM:${given}`)).toMatch(/^250 /);
    expect(await client.ask('RCPT TO:<bob@far.example>')).toMatch(/^250 /);
    await client.ask('DATA');
    expect(await client.ask('.')).toMatch(/^250 /);
    expect(last().envelope.reversePath).toBe(kept);
  });
  test('recipients as they came: case, quotes, underscores, literals, long ones, postmaster; named twice, once', async () => {
    const long = `${'x'.repeat(200)}@${'y'.repeat(60)}.example`;
    const paths = [
      'Bob@Far.example',
      'bob@Far.example',
      '"b o b@x"@far.example',
      'bob@host_1.example',
      'b@[192.0.2.1]',
      long,
    ];
    const reply = await client.send(
      'x\r\n',
      [...paths, 'Bob@Far.example', 'PostMaster'].map((path) => `<${path}>`),
    );
    expect(reply).toMatch(/^250 /);
    expect(last().envelope.forwardPaths.map(({ address }) => address)).toEqual([...paths, 'PostMaster@example.com']);
  });
  test('what a DSN shall say is kept, xtext resolved', async () => {
    await client.ask('MAIL FROM:<ann@example.com> RET=hdrs ENVID=QQ+2B314159 AUTH=<> SMTPUTF8');
    for (const path of [
      '<bob@far.example> NOTIFY=success,FAILURE ORCPT=rfc822;Bob+2Bx@far.example',
      '<eve@far.example> NOTIFY=never',
      '<bjørn@far.example> ORCPT=utf-8;bj\\x{F8}rn@far.example',
      '<dan@far.example>',
      'dora@far.example NOTIFY=NEVER ORCPT=rfc822;dora+2bnews+3Dx@far.example',
      '<emil@far.example> ORCPT=rfc822;b+3demil=1@far.example',
      '<bjørn2@far.example> ORCPT=utf-8;bj\\x{f8}rn@far.example',
    ])
      expect(await client.ask(`RCPT TO:${path}`)).toMatch(/^250 /);
    await client.ask('DATA');
    await client.ask('.');
    const { envelope } = last();
    expect([envelope.ret, envelope.envid, envelope.smtputf8]).toEqual(['HDRS', 'QQ+314159', true]);
    expect(envelope.forwardPaths).toEqual([
      { address: 'bob@far.example', notify: ['SUCCESS', 'FAILURE'], orcpt: 'rfc822;Bob+x@far.example' },
      { address: 'eve@far.example', notify: ['NEVER'], orcpt: null },
      { address: 'bjørn@far.example', notify: null, orcpt: 'utf-8;bjørn@far.example' },
      { address: 'dan@far.example', notify: null, orcpt: null },
      { address: 'dora@far.example', notify: ['NEVER'], orcpt: 'rfc822;dora+news=x@far.example' },
      { address: 'emil@far.example', notify: null, orcpt: 'rfc822;b=emil=1@far.example' },
      { address: 'bjørn2@far.example', notify: null, orcpt: 'utf-8;bjørn@far.example' },
    ]);
  });
  test('1,001 recipients: the last is put off, and the message goes to the others', async () => {
    const paths = Array.from({ length: 1_001 }, (_, i) => `r${i}@far.example`);
    client.write(`MAIL FROM:<ann@example.com>\r\n${paths.map((path) => `RCPT TO:<${path}>\r\n`).join('')}DATA\r\n`);
    const replies: string[] = [];
    for (let i = 0; i < 1_003; i += 1) replies.push(await client.reply());
    expect(replies.at(-2)).toBe('452 4.5.3 A message may have 1000 recipients\r\n');
    expect(replies.slice(1, 1_001).every((reply) => reply.startsWith('250 '))).toBe(true);
    expect(await client.ask('.')).toMatch(/^250 /);
    expect(last().envelope.forwardPaths.length).toBe(1_000);
  });
  test('bytes times recipients: of a large message the rest are put off, so that the client splits', async () => {
    const paths = Array.from({ length: 103 }, (_, i) => `r${i}@far.example`);
    const rcpts = paths.map((path) => `RCPT TO:<${path}>\r\n`).join('');
    client.write(`MAIL FROM:<ann@example.com> SIZE=41000000\r\n${rcpts}DATA\r\n`);
    const replies: string[] = [];
    for (let i = 0; i < 105; i += 1) replies.push(await client.reply());
    expect(replies.at(-2)).toBe('452 4.5.3 A message of this size may have 102 recipients\r\n');
    expect(replies.slice(1, 103).every((reply) => reply.startsWith('250 '))).toBe(true);
    expect(await client.ask('.')).toMatch(/^250 /);
    expect(last().envelope.forwardPaths.length).toBe(102);
  });
  test('and content whose size was not declared is refused where it has too many', async () => {
    const paths = Array.from({ length: 1_000 }, (_, i) => `r${i}@far.example`);
    client.write(`MAIL FROM:<ann@example.com>\r\n${paths.map((path) => `RCPT TO:<${path}>\r\n`).join('')}DATA\r\n`);
    for (let i = 0; i < 1_002; i += 1) await client.reply();
    client.write(`${'x'.repeat(98)}\r\n`.repeat(43_000));
    expect(await client.ask('.')).toMatch(/^552 5\.3\.4 A message of this size may have 97\d recipients\r\n$/);
    expect(await client.ask('NOOP')).toMatch(/^250 /);
  });
  test('RSET, EHLO and the end of DATA forget it', async () => {
    for (const end of ['RSET', 'EHLO again']) {
      await client.ask('MAIL FROM:<ann@example.com>');
      await client.ask('RCPT TO:<bob@far.example>');
      expect(await client.ask(end)).toMatch(/^250/);
      expect(await client.ask('DATA')).toBe('503 5.5.1 MAIL first\r\n');
    }
    await client.send('x\r\n');
    expect(await client.ask('RCPT TO:<bob@far.example>')).toBe('503 5.5.1 MAIL first\r\n');
  });
});

describe('greetings of devices', () => {
  test.each([
    ['EHLO', '[127.0.0.1]'],
    ['EHLO ', '[127.0.0.1]'],
    ['ehlo HP  LaserJet 600', 'hp-laserjet-600'],
    ['EHLO NPIF65E56', 'npif65e56'],
    ['HELO', '[127.0.0.1]'],
    ['helo Office_500 (2nd floor)', null],
    ['EHLO [IPv6:2001:db8::7]', '[ipv6:2001:db8::7]'],
  ])('%s is taken, and Received says %s', async (command, helo) => {
    expect(await client.ask(command)).toMatch(/^250[ -]example\.com\r\n/);
    expect(await client.send(`${complete}\r\nx\r\n`)).toMatch(/^250 /);
    expect(last().content.toString()).toContain(`Received: from ${helo ?? 'unknown'} ([127.0.0.1])\r\n`);
  });
});

describe('an end that is none', () => {
  test.each(['x\n.\n', 'x\r\n.\n', 'x\n.\r\n'])('%j is waited out, and the log says why', async (wire) => {
    await gateway.close();
    gateway = await openGateway({ limits: { idleMs: 200 } });
    client = await Client.ready(gateway.port);
    for (const command of ['MAIL FROM:<ann@example.com>', 'RCPT TO:<bob@far.example>', 'DATA'])
      await client.ask(command);
    client.write(`${complete}\r\n${wire}`);
    expect(await client.reply()).toMatch(/^421 /);
    await client.ended();
    expect(gateway.store.objects.size).toBe(0);
    await expect.poll(() => gateway.lines.at(-1)?.fields.why).toContain('ended with LF . LF');
  });
});

describe('content', () => {
  const wires: [name: string, wire: string, content: string][] = [
    ['a stuffed dot at the very start', '..\r\n', '.\r\n'],
    ['stuffed dots', 'a\r\n..b\r\n...\r\n', 'a\r\n.b\r\n..\r\n'],
    ['bare LF around dots', 'a\n..b\n.\nc\n.\r\nd\r\n', 'a\n..b\n.\nc\n.\r\nd\r\n'],
    ['bare CR around dots', 'a\r.\r\nb\r.\rc\r\n', 'a\r.\r\nb\r.\rc\r\n'],
    ['CR CR LF, 8-bit, NUL', 'a\r\r\n\xff\x00\x80\r\n', 'a\r\r\n\xff\x00\x80\r\n'],
    ['no byte at all', '', ''],
  ];
  test.each(wires)('%s, in one packet and byte by byte', async (_name, wire, content) => {
    const bytes = Buffer.from(`${wire}.\r\n`, 'latin1');
    for (const step of [bytes.length, 1]) {
      for (const command of ['MAIL FROM:<ann@example.com>', 'RCPT TO:<bob@far.example>', 'DATA'])
        await client.ask(command);
      for (let at = 0; at < bytes.length; at += step) {
        client.write(bytes.subarray(at, at + step));
        if (step === 1) await new Promise((resolve) => setImmediate(resolve));
      }
      expect(await client.reply()).toMatch(/^250 /);
      expect(below(last().content).toString('latin1')).toBe(content);
    }
  });
  test.each(readdirSync('test/fixtures/mail'))('every byte of %s is kept under the fields on top', async (name) => {
    const mail = readFileSync(`test/fixtures/mail/${name}`);
    const ended = mail.subarray(-2).equals(Buffer.from('\r\n')) ? mail : Buffer.concat([mail, Buffer.from('\r\n')]);
    for (const command of ['MAIL FROM:<ann@example.com>', 'RCPT TO:<bob@far.example>', 'DATA'])
      await client.ask(command);
    client.write(stuffed(ended));
    client.write('.\r\n');
    expect(await client.reply()).toMatch(/^250 /);
    const { content, envelope } = last();
    expect(content.subarray(content.length - ended.length).equals(ended)).toBe(true);
    expect(content.length - ended.length).toBeLessThan(600);
    expect(envelope.bytes).toBe(content.length);
    expect(envelope.sha256).toBe(createHash('sha256').update(content).digest('hex'));
  });
  test('Received says from whom, by what, for whom and when', async () => {
    await client.send(`${complete}\r\nx\r\n`);
    const id = /"|exchange-([0-9A-Z]{26})/.exec(last().content.toString())?.[0];
    expect(last().content.toString()).toBe(
      `Received: from client.example ([127.0.0.1])\r\n\tby example.com with ESMTPA\r\n\tid ${id}\r\n\tfor <bob@far.example>;\r\n\tSun, 22 Nov 2026 22:46:47 +0000\r\n${complete}\r\nx\r\n`,
    );
    await client.send(`${complete}\r\nx\r\n`, ['<bob@far.example>', '<eve@far.example>']);
    expect(last().content.toString()).not.toContain('far.example');
  });
  test('a name in EHLO that would break the field is not written into it', async () => {
    await client.ask('EHLO x)evil;(');
    await client.send(`${complete}\r\nx\r\n`);
    expect(last().content.toString()).toContain('Received: from unknown ([127.0.0.1])\r\n');
  });
  test('Date and Message-ID are added where they are missing, and nothing else', async () => {
    await client.send('Subject: a\r\n\r\nbody\r\n');
    expect(below(last().content).toString()).toMatch(
      /^Date: Sun, 22 Nov 2026 22:46:47 \+0000\r\nMessage-ID: <[0-7][0-9A-Z]{25}@example\.com>\r\nSubject: a\r\n\r\nbody\r\n$/,
    );
    await client.send('date: x\r\nMESSAGE-ID : y\r\n\r\nbody\r\n');
    expect(below(last().content).toString()).toBe('date: x\r\nMESSAGE-ID : y\r\n\r\nbody\r\n');
    await client.send('no header section\r\n');
    expect(below(last().content).toString()).toBe('no header section\r\n');
  });
  test('the advertised size is taken to the byte, through a file that leaves nothing; one more is 552', async () => {
    const whole = Buffer.concat([
      Buffer.from(complete),
      Buffer.from('\r\n'),
      Buffer.alloc(submissionBytesMax - complete.length - 4, 'x'),
      Buffer.from('\r\n'),
    ]);
    expect(await client.send(whole)).toMatch(/^250 /);
    expect(below(last().content).equals(whole)).toBe(true);
    expect(await client.send(Buffer.concat([Buffer.from('x'), whole]))).toBe(
      `552 5.3.4 A message may have ${submissionBytesMax} bytes\r\n`,
    );
    expect(submissions(gateway.store).length).toBe(1);
    expect(gateway.files()).toEqual([]);
    expect(await client.ask('NOOP')).toMatch(/^250 /);
  });
});

describe('a client that goes away', () => {
  test('in the middle of DATA leaves nothing', async () => {
    for (const command of ['MAIL FROM:<ann@example.com>', 'RCPT TO:<bob@far.example>', 'DATA'])
      await client.ask(command);
    client.write(Buffer.alloc(1_000_000, 'x\r\n'));
    await new Promise((resolve) => setTimeout(resolve, 50));
    client.destroy();
    await expect.poll(() => gateway.lines.at(-1)?.fields.answer).toBe('none: the client went away');
    expect(gateway.store.objects.size).toBe(0);
    expect(gateway.files()).toEqual([]);
  });
  test('while its content is being stored is sent nothing for: the envelope is not written', async () => {
    let arrived = () => {};
    const storing = new Promise<void>((resolve) => {
      arrived = resolve;
    });
    gateway.store.before = async (key) => {
      if (!key.endsWith('.eml')) return;
      arrived();
      await new Promise((resolve) => setTimeout(resolve, 100));
    };
    for (const command of ['MAIL FROM:<ann@example.com>', 'RCPT TO:<bob@far.example>', 'DATA'])
      await client.ask(command);
    client.write('x\r\n.\r\n');
    await storing;
    client.destroy();
    await expect.poll(() => gateway.lines.at(-1)?.fields.answer).toBe('none: the client went away');
    expect([...gateway.store.objects.keys()].some((key) => key.endsWith('.json'))).toBe(false);
  });
});

describe('a store that fails', () => {
  test.each([
    ['the content', ['unavailable'], 0],
    ['the content, for lack of permission', ['denied'], 0],
  ] as const)('at %s: 451, and the next try is whole', async (_what, failures, left) => {
    gateway.store.failures.push(...failures);
    expect(await client.send('x\r\n')).toBe('451 4.3.0 The message cannot be stored now, try again later\r\n');
    expect(gateway.store.objects.size).toBe(left);
    expect(gateway.lines.at(-1)).toMatchObject({ event: 'submission.not-stored', fields: { answer: '451 4.3.0' } });
    expect(await client.send('x\r\n')).toMatch(/^250 /);
    expect(submissions(gateway.store).length).toBe(1);
  });
  test('at the envelope: 451, content alone is left', async () => {
    gateway.store.before = async (key) => {
      if (key.endsWith('.json')) gateway.store.failures.push('unavailable');
    };
    expect(await client.send('x\r\n')).toMatch(/^451 4\.3\.0 /);
    expect([...gateway.store.objects.keys()].map((key) => key.split('.').at(-1))).toEqual(['eml']);
  });
});
