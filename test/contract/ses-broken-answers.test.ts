// What SES's answers mean that break off, or are none, after the whole request was sent: SES may have the message, so
// that each of them is uncertain, never an acceptance and never a refusal.

import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { sesBounceClient, sesSendClient } from '#adapters/aws/clients.ts';
import { SesNextHop } from '#adapters/aws/ses-next-hop.ts';
import { SesBounceService } from '#adapters/aws/ses-notice.ts';
import { MemoryClock } from '#adapters/memory/clock.ts';
import { parseMailbox } from '#core/message/address.ts';
import { classify } from '#core/reply/classify.ts';
import { statusOf } from '#core/reply/status.ts';
import type { NextHopResult } from '#pipeline/ports.ts';

const NEVER = new AbortController().signal;
const region = 'eu-west-1';
const bob = parseMailbox('bob@far.example');
if (bob === null) throw new Error('a mailbox');

/** Gives the answer at hand once a request has come, and closes the connection soon. */
let answer = '';
const server = createServer((socket) => {
  let asked = '';
  socket.on('error', () => {});
  socket.on('data', (bytes) => {
    asked += bytes.toString('latin1');
    const [head = '', body] = asked.split('\r\n\r\n');
    const length = Number(/content-length: *(\d+)/i.exec(head)?.[1] ?? '0');
    if (body === undefined || body.length < length) return;
    asked = '';
    socket.end(answer, 'latin1');
  });
});
beforeAll(() => new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve)));
afterAll(() => new Promise((resolve) => server.close(resolve)));

function settings() {
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  return {
    endpoint: `http://127.0.0.1:${port}`,
    region,
    credentials: { accessKeyId: 'x', secretAccessKey: 'y' },
  };
}

async function sent(): Promise<NextHopResult | undefined> {
  const terms = { domains: ['example.com'], noticesFrom: 'postmaster@example.com', region, configurationSet: 'set' };
  const hop = new SesNextHop(sesSendClient(settings()), terms);
  async function* content() {
    yield Buffer.from('From: a@example.com\r\n\r\nHello\r\n');
  }
  const transaction = { reversePath: null, forwardPaths: bob === null ? [] : [bob], bytes: null, content: content() };
  const [result] = await hop.attempt(transaction, NEVER);
  await hop.close();
  return result;
}

async function bounced(): Promise<NextHopResult | { readonly kind: 'busy' }> {
  const client = sesBounceClient(settings());
  const bounce = {
    sesMessageId: 'm1',
    from: 'postmaster@example.com',
    explanation: 'x',
    reportingMta: 'example.com',
    arrivedAt: 1,
    forwardPath: 'bob@example.com',
    action: 'failed',
    status: statusOf('5.1.1'),
    diagnosticCode: null,
    remoteMta: null,
    lastAttemptAt: null,
  } as const;
  const result = await new SesBounceService(client, { clock: new MemoryClock(1), region }).sendBounce(bounce, NEVER);
  client.destroy();
  return result;
}

const http = (status: string, body: string, length = body.length) =>
  `HTTP/1.1 ${status}\r\nContent-Length: ${length}\r\n\r\n${body}`;

const uncertain: readonly [string, string][] = [
  ['a 200 whose body breaks off', http('200 OK', '{"MessageId":"01', 100)],
  ['a 200 of chunks that break off', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n20\r\n{"Messa'],
  ['a 200 with half an object', http('200 OK', '{"MessageI')],
  ['a 200 with a page', http('200 OK', '<html><body>')],
  ['a 200 without a body', http('200 OK', '')],
  ['a 200 that names no message', http('200 OK', '{}')],
  ['a 202', http('202 Accepted', '{"Mess', 100)],
  ['a head that breaks off', 'HTTP/1.1 200 OK\r\nContent-Ty'],
  ['no answer', ''],
  ['what is no HTTP', '220 mx.example ESMTP\r\n\r\n'],
  ['a 500 whose body breaks off', http('500 Oh', '{"mess', 100)],
];

describe('an answer to a message', () => {
  it.each(uncertain)('that is %s: it may have been taken', async (_, given) => {
    answer = given;
    const result = await sent();
    if (result === undefined) throw new Error('no result');
    expect(classify(result)).toMatchObject({ kind: 'deferred', possibleDuplicate: true });
  });
  it('is shown without what the SDK says to who debugs it', async () => {
    answer = http('200 OK', '{"MessageId":"01', 100);
    expect(await sent()).toMatchObject({
      kind: 'network',
      phase: 'final-dot',
      fault: 'connection-lost',
      detail: 'HTTP 200, ECONNRESET: aborted',
    });
  });
  it.each([
    ['a refusal', http('400 Bad', '{"message":"x"}'), false],
    ['a refusal whose body breaks off', http('400 Bad', '{"mess', 100), false],
    ['a redirection', http('302 Found', ''), false],
  ])('that is %s: nothing was taken', async (_, given, possibleDuplicate) => {
    answer = given;
    const result = await sent();
    if (result === undefined) throw new Error('no result');
    expect(classify(result)).toMatchObject({ kind: 'deferred', possibleDuplicate });
  });
  it('that names the message is its acceptance', async () => {
    answer = http('200 OK', '{"MessageId":"0102"}');
    expect(await sent()).toMatchObject({ kind: 'reply', reply: { code: 250, text: 'Ok 0102' } });
  });
});

describe('an answer to a bounce', () => {
  it.each(uncertain)('that is %s: it may have been taken', async (_, given) => {
    answer = given;
    const result = await bounced();
    if (result.kind === 'busy') throw new Error('busy');
    expect(classify(result)).toMatchObject({ kind: 'deferred', possibleDuplicate: true });
  });
});
