// The SMTP listener, byte by byte: what ends DATA and what does not, sizes, pipelining, envelopes, and clients that go
// away.

import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readData } from '../src/ses/data-reader.ts';
import {
  type Envelope,
  type FrontDoor,
  type MailDoor,
  MESSAGE_BYTES_MAX,
  openFrontDoor,
} from '../src/ses/inbound-smtp.ts';
import { openSession, type Session, sendMail, stuffed } from './conformance/ses-receive.ts';

const taken: { envelope: Envelope; content: Buffer }[] = [];
let aborted = 0;
let broken = false;
const door: MailDoor = {
  rcpt: (address) => (address.startsWith('no') ? { code: 550, status: '5.1.1', text: 'no' } : null),
  open(envelope) {
    const chunks: Buffer[] = [];
    return {
      write(chunk) {
        if (broken) return Promise.reject(new Error('disk full'));
        chunks.push(Buffer.from(chunk));
        return undefined;
      },
      async commit() {
        taken.push({ envelope: structuredClone(envelope), content: Buffer.concat(chunks) });
        return { code: 250, status: '2.6.0', text: 'taken' };
      },
      async abort() {
        aborted += 1;
      },
    };
  },
};
let listener: FrontDoor;
let smtp: { host: string; port: number };
beforeAll(async () => {
  listener = await openFrontDoor({ port: 0, host: 'mx.test', door, log: () => undefined });
  smtp = { host: '127.0.0.1', port: listener.port };
});
afterAll(() => listener.close());

const last = () => {
  const mail = taken.at(-1);
  if (!mail) throw new Error('nothing was taken');
  return mail;
};
async function opened(): Promise<Session> {
  const session = openSession(smtp.host, smtp.port);
  await session.reply();
  session.write('EHLO client.example\r\n');
  await session.reply();
  return session;
}
async function ask(session: Session, command: string): Promise<string> {
  session.write(`${command}\r\n`);
  return session.reply();
}

describe('the end of DATA', () => {
  const cases: [name: string, wire: string, content: string][] = [
    ['nothing at all', '.\r\n', ''],
    ['one empty line', '\r\n.\r\n', '\r\n'],
    ['a stuffed dot at the very start', '..\r\n.\r\n', '.\r\n'],
    ['stuffed dots', 'a\r\n..b\r\n...\r\n.\r\n', 'a\r\n.b\r\n..\r\n'],
    ['a dot that should have been stuffed', 'a\r\n.b\r\n.\r\n', 'a\r\nb\r\n'],
    ['a bare LF before a dot', 'a\n..b\n.\nc\n.\r\nd\r\n.\r\n', 'a\n..b\n.\nc\n.\r\nd\r\n'],
    ['a dot before a bare LF', 'a\r\n.\nb\r\n.\r\n', 'a\r\n\nb\r\n'],
    ['a bare CR before a dot', 'a\r.\r\nb\r\n.\r\n', 'a\r.\r\nb\r\n'],
    ['a dot before a bare CR', 'a\r\n.\rb\r\n.\r\n', 'a\r\n\rb\r\n'],
    ['CR CR LF', 'a\r\r\n.\r\n', 'a\r\r\n'],
    ['8-bit and NUL', '\xff\x00\x80\r\n.\r\n', '\xff\x00\x80\r\n'],
  ];
  test.each(cases)('%s', async (_name, wire, content) => {
    const session = await opened();
    for (const command of ['MAIL FROM:<a@x.example>', 'RCPT TO:<b@y.example>', 'DATA']) await ask(session, command);
    session.write(Buffer.from(wire, 'latin1'));
    expect(await session.reply()).toMatch(/^250 /);
    expect(last().content.toString('latin1')).toBe(content);
    expect(await ask(session, 'NOOP')).toMatch(/^250 /);
    session.destroy();
  });
  test.each(cases)('%s, however the chunks fall', (_name, wire, content) => {
    const bytes = Buffer.from(`${wire}QUIT`, 'latin1');
    for (let first = 0; first <= wire.length; first += 1) {
      for (let second = first; second <= wire.length; second += 1) {
        const read = readData();
        let got = '';
        let rest: string | null = null;
        for (const part of [bytes.subarray(0, first), bytes.subarray(first, second), bytes.subarray(second)]) {
          if (rest !== null) rest += part.toString('latin1');
          else {
            const step = read(Buffer.from(part));
            got += step.content.toString('latin1');
            rest = step.rest?.toString('latin1') ?? null;
          }
        }
        expect([first, second, got, rest]).toEqual([first, second, content, 'QUIT']);
      }
    }
  });
});

describe('size', () => {
  const message = (bytes: number) =>
    Buffer.concat([Buffer.alloc(bytes - 2, `${'.'.repeat(70)}\r\n`), Buffer.from('\r\n')]);
  test('40 MB are taken to the byte, one more is refused after DATA with 552', async () => {
    const whole = message(MESSAGE_BYTES_MAX);
    const fits = await sendMail(smtp, { from: 'a@x.example', to: ['b@y.example'], content: whole });
    expect(fits.at(-1)).toMatch(/^250 /);
    expect(last().content.equals(whole)).toBe(true);
    const before = taken.length;
    const over = await sendMail(smtp, {
      from: 'a@x.example',
      to: ['b@y.example'],
      content: message(MESSAGE_BYTES_MAX + 1),
    });
    expect(over.at(-1)).toMatch(/^552 5\.3\.4/);
    expect(taken.length).toBe(before);
  });
  test('what announces itself too big is refused at MAIL', async () => {
    const session = await opened();
    expect(await ask(session, `MAIL FROM:<a@x.example> SIZE=${MESSAGE_BYTES_MAX + 1}`)).toMatch(/^552 /);
    expect(await ask(session, `MAIL FROM:<a@x.example> SIZE=${MESSAGE_BYTES_MAX} BODY=8BITMIME`)).toMatch(/^250 /);
    session.destroy();
  });
});

describe('the envelope', () => {
  test.each([
    ['<>', ''],
    ['<user@example.com>', 'user@example.com'],
    ['<User.Name+tag@EXAMPLE.com>', 'User.Name+tag@EXAMPLE.com'],
    ['<"a b@c>\\""@example.com>', '"a b@c>\\""@example.com'],
    ['<a@[127.0.0.1]>', 'a@[127.0.0.1]'],
    ['<a@[IPv6:::1]>', 'a@[IPv6:::1]'],
    ['<a@xn--bcher-kva.example>', 'a@xn--bcher-kva.example'],
    ['<jörg@bücher.example> SMTPUTF8', 'jörg@bücher.example'],
    ['<@relay.example,@two.example:a@x.example>', 'a@x.example'],
    [' <space@x.example>', 'space@x.example'],
  ])('MAIL FROM:%s', async (path, address) => {
    const session = await opened();
    expect(await ask(session, `MAIL FROM:${path}`)).toMatch(/^250 /);
    expect(await ask(session, 'RCPT TO:<b@y.example>')).toMatch(/^250 /);
    await ask(session, 'DATA');
    session.write('.\r\n');
    await session.reply();
    expect(last().envelope).toEqual({ reversePath: address, forwardPaths: ['b@y.example'] });
    session.destroy();
  });
  test.each([
    ['MAIL FROM:user@example.com', 501],
    ['MAIL FROM:<user>', 501],
    ['MAIL FROM:<a b@example.com>', 501],
    ['MAIL FROM:<a@example..com>', 501],
    ['MAIL FROM:<a@b@example.com>', 501],
    [`MAIL FROM:<${'x'.repeat(330)}@example.com>`, 501],
    ['MAIL FROM:<a@x.example> RET=HDRS', 555],
    ['MAIL FROM:<a@x.example> BODY=BINARYMIME', 555],
    ['RCPT TO:<b@y.example>', 503],
    ['DATA', 503],
    ['STARTTLS', 502],
    ['WIZ', 500],
    ['\xff\xfe', 500],
  ])('%s is %i', async (command, code) => {
    const session = await opened();
    expect(await ask(session, command)).toMatch(new RegExp(`^${code} `));
    session.destroy();
  });
  test('bytes that are not UTF-8 are no address', async () => {
    const session = await opened();
    session.write(Buffer.from('MAIL FROM:<j\xf6rg@x.example>\r\n', 'latin1'));
    expect(await session.reply()).toMatch(/^501 /);
    session.destroy();
  });
  test('a hundred recipients, a repeated one counted once, then 452', async () => {
    const session = await opened();
    await ask(session, 'MAIL FROM:<a@x.example>');
    for (let n = 0; n < 100; n += 1) expect(await ask(session, `RCPT TO:<b${n}@y.example>`)).toMatch(/^250 /);
    expect(await ask(session, 'RCPT TO:<b0@y.example>')).toMatch(/^250 /);
    expect(await ask(session, 'RCPT TO:<b100@y.example>')).toMatch(/^452 /);
    await ask(session, 'DATA');
    session.write('.\r\n');
    await session.reply();
    expect(last().envelope.forwardPaths).toHaveLength(100);
    session.destroy();
  });
});

describe('the conversation', () => {
  test('a whole pipelined session is answered in order, the message bytes and the commands after them kept apart', async () => {
    const session = openSession(smtp.host, smtp.port);
    const body = stuffed(Buffer.from('.x\r\nMAIL FROM:<fake@x.example>\r\n')).toString();
    session.write(
      `EHLO c\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<no@y.example>\r\nRCPT TO:<b@y.example>\r\nDATA\r\n${body}.\r\n` +
        'MAIL FROM:<c@x.example>\r\nRSET\r\nMAIL FROM:<d@x.example>\r\nMAIL FROM:<e@x.example>\r\nQUIT\r\n',
    );
    const codes: string[] = [];
    for (let reply = await session.reply(); reply !== ''; reply = await session.reply()) codes.push(reply.slice(0, 3));
    expect(codes).toEqual('220 250 250 550 250 354 250 250 250 250 503 221'.split(' '));
    expect(last().content.toString()).toBe('.x\r\nMAIL FROM:<fake@x.example>\r\n');
  });
  test('EHLO offers what is held', async () => {
    const session = openSession(smtp.host, smtp.port);
    expect(await session.reply()).toBe('220 mx.test ESMTP');
    const offer = await ask(session, 'EHLO c');
    for (const extension of ['PIPELINING', `SIZE ${MESSAGE_BYTES_MAX}`, '8BITMIME', 'SMTPUTF8', 'ENHANCEDSTATUSCODES'])
      expect(offer).toContain(extension);
    for (const extension of ['STARTTLS', 'DSN', 'CHUNKING', 'AUTH']) expect(offer).not.toContain(extension);
    session.destroy();
  });
  test('a client that goes away before the final dot leaves nothing', async () => {
    const [before, abortedBefore] = [taken.length, aborted];
    const session = await opened();
    for (const command of ['MAIL FROM:<a@x.example>', 'RCPT TO:<b@y.example>', 'DATA']) await ask(session, command);
    session.write('Subject: x\r\n\r\nhalf');
    session.end();
    while (aborted === abortedBefore) await new Promise((resume) => setTimeout(resume, 5));
    expect(taken.length).toBe(before);
  });
  test('storage that fails is answered with 452 after the whole message, and the session goes on', async () => {
    broken = true;
    const session = await opened();
    for (const command of ['MAIL FROM:<a@x.example>', 'RCPT TO:<b@y.example>', 'DATA']) await ask(session, command);
    session.write('a\r\n.\r\n');
    expect(await session.reply()).toMatch(/^452 4\.3\.1/);
    broken = false;
    expect(await ask(session, 'MAIL FROM:<a@x.example>')).toMatch(/^250 /);
    session.destroy();
  });
  test('a line without end is cut, refused, and not kept', async () => {
    const session = await opened();
    session.write('X'.repeat(100_000));
    session.write('\r\nNOOP\r\n');
    expect(await session.reply()).toMatch(/^500 /);
    expect(await session.reply()).toMatch(/^250 /);
    session.destroy();
  });
  test('twenty commands in error end it; unknown recipients do not', async () => {
    const session = await opened();
    await ask(session, 'MAIL FROM:<a@x.example>');
    for (let n = 0; n < 30; n += 1) expect(await ask(session, `RCPT TO:<no${n}@y.example>`)).toMatch(/^550 /);
    const replies: string[] = [];
    for (let reply = await ask(session, 'WIZ'); reply !== ''; reply = await ask(session, 'WIZ'))
      replies.push(reply.slice(0, 3));
    expect(replies).toEqual([...Array.from({ length: 20 }, () => '500'), '421']);
  });
});

describe('a connection that speaks HTTP', () => {
  test.each([
    'POST / HTTP/1.1',
    'GET / HTTP/1.0',
    'POST',
    'put /x HTTP/1.1',
    'CONNECT mx.test:25 HTTP/1.1',
    'PRI * HTTP/2.0',
    'Host: 127.0.0.1:2525',
    'Content-Type: text/plain',
  ])('ends at %s, and nothing behind it is obeyed', async (line) => {
    const before = taken.length;
    const session = openSession(smtp.host, smtp.port);
    await session.reply();
    session.write(
      `${line}\r\nHost: x\r\n\r\nEHLO x\r\nMAIL FROM:<a@x.example>\r\nRCPT TO:<b@y.example>\r\nDATA\r\nSubject: x\r\n\r\n.\r\nQUIT\r\n`,
    );
    expect(await session.reply()).toBe('554 5.5.1 HTTP requests are not allowed');
    expect(await session.reply()).toBe(''); // closed, and nothing more was said
    expect(taken.length).toBe(before);
  });
  test('in the middle of a session too', async () => {
    const session = await opened();
    expect(await ask(session, 'MAIL FROM:<a@x.example>')).toMatch(/^250 /);
    expect(await ask(session, 'GET / HTTP/1.1')).toMatch(/^554 /);
    expect(await session.reply()).toBe(''); // closed, and nothing more was said
  });
});
