// The S3 and DynamoDB clients' own HTTP: what a server may send, byte by byte, over plain sockets and TLS. The contracts of S3Spool and
// DynamoLedger run over it too. The SDK appears where its retries are asked about.

import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { createServer as createTlsServer, setDefaultCACertificates } from 'node:tls';
import { GetItemCommand } from '@aws-sdk/client-dynamodb';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { dynamoClient } from '#adapters/aws/clients.ts';
import { DirectHttp, directBodyOf } from '#adapters/aws/direct-http.ts';

const fixtures = new URL('../fixtures/tls/', import.meta.url);
const wholeOf = async (body: Readable | Uint8Array) => (body instanceof Readable ? buffer(body) : Buffer.from(body));
const crlf = (...lines: string[]) => `${lines.join('\r\n')}\r\n\r\n`;
const ok = (length: number) => crlf('HTTP/1.1 200 OK', `Content-Length: ${length}`, 'X-Twice: a', 'x-twice: b');

describe('DirectHttp', () => {
  const opened: { close(): unknown }[] = [];
  afterEach(() => Promise.all(opened.splice(0).map((each) => each.close())));

  /** Calls back with each request's head; `count` says which connection and which request on it. */
  async function serve(
    answer: (socket: Socket, head: string, count: { connection: number; request: number; body: string }) => void,
    tls = false,
    listenOn = '127.0.0.1',
  ) {
    let connections = 0;
    const sockets = new Set<Socket>();
    const accept = (socket: Socket) => {
      const connection = ++connections;
      let request = 0;
      let text = '';
      sockets.add(socket.on('close', () => sockets.delete(socket)).on('error', () => {}));
      socket.on('data', (bytes) => {
        text += bytes.toString('latin1');
        for (let end = text.indexOf('\r\n\r\n'); end >= 0; end = text.indexOf('\r\n\r\n')) {
          const head = text.slice(0, end);
          const length = Number(/^content-length: (\d+)$/im.exec(head)?.[1] ?? 0);
          if (text.length < end + 4 + length) return;
          const body = text.slice(end + 4, end + 4 + length);
          text = text.slice(end + 4 + length);
          answer(socket, head, { connection, request: ++request, body });
        }
      });
    };
    const secret = tls
      ? { key: readFileSync(new URL('server.key', fixtures)), cert: readFileSync(new URL('server.pem', fixtures)) }
      : {};
    const server: Server = tls ? createTlsServer(secret, accept) : createServer(accept);
    await new Promise<void>((resolve) => server.listen(0, listenOn, resolve));
    const http = new DirectHttp({ connectTimeoutMs: 500, requestTimeoutMs: 500, socketsMax: 16 });
    opened.push({
      close: () => {
        http.destroy();
        for (const socket of sockets) socket.destroy();
        return new Promise((resolve) => server.close(resolve));
      },
    });
    const { port } = server.address() as AddressInfo;
    const request = {
      protocol: tls ? 'https:' : 'http:',
      hostname: tls ? 'localhost' : '127.0.0.1',
      port,
      method: 'GET',
      path: '/b/k',
      query: { 'x-id': "Get'Object" },
      headers: { host: 'spool' },
    };
    return {
      http,
      get: async (options = {}) => {
        const { response } = await http.handle(request, options);
        if (!(response.body instanceof Readable)) throw new Error(`no stream: ${response.statusCode}`);
        return { ...response, body: response.body };
      },
      whole: async (body?: string | Uint8Array) => {
        const asked = body === undefined ? request : { ...request, method: 'POST', query: {}, body };
        const { response } = await http.handle(asked);
        return [response.statusCode, (await wholeOf(response.body)).toString()];
      },
      request,
      port,
      open: () => sockets.size,
      connections: () => connections,
    };
  }
  async function digest(stream: object): Promise<string> {
    const body = directBodyOf(stream);
    if (body === null) throw new Error('no body of our own');
    const hash = createHash('sha256');
    for (let chunk = await body.next(); chunk !== null; chunk = await body.next()) {
      hash.update(chunk);
      await new Promise((resume) => setImmediate(resume)); // whoever reads slowly must find its bytes untouched
    }
    return hash.digest('hex');
  }
  const sha256 = (bytes: Uint8Array) => createHash('sha256').update(bytes).digest('hex');

  it('asks as SigV4 signed it, and reads the head', async () => {
    const asked: string[] = [];
    const { get } = await serve((socket, head) => {
      asked.push(head);
      socket.write(`${ok(2)}hi`);
    });
    const response = await get();
    expect(asked).toEqual(['GET /b/k?x-id=Get%27Object HTTP/1.1\r\nhost: spool']);
    expect(response).toMatchObject({
      statusCode: 200,
      reason: 'OK',
      headers: { 'content-length': '2', 'x-twice': 'a, b' },
    });
    expect((await wholeOf(response.body)).toString()).toBe('hi');
  });

  it('gives bytes exactly, however the server cuts them, on one connection', async () => {
    const content = randomBytes(1_500_000);
    const { get, connections } = await serve(async (socket, _head, { request }) => {
      const all = Buffer.concat([Buffer.from(ok(content.byteLength)), content]);
      const step = [1_500_100, 1_000, 65_537, 16_384][request % 4] ?? 1;
      for (let at = 0; at < all.byteLength; at += step) socket.write(all.subarray(at, at + step));
    });
    for (let i = 0; i < 8; i++) expect(await digest((await get()).body)).toBe(sha256(content));
    expect(connections()).toBe(1);
  });

  it('does the same over TLS, whose records come in bursts that no reader can hold back', async () => {
    setDefaultCACertificates([readFileSync(new URL('ca.pem', fixtures), 'utf8')]);
    const content = randomBytes(5_000_000);
    const { get, connections, open } = await serve((socket) => {
      socket.write(ok(content.byteLength));
      socket.write(content);
    }, true);
    for (let i = 0; i < 5; i++) expect(await digest((await get()).body)).toBe(sha256(content));
    expect(connections()).toBe(1);
    (await get()).body.destroy();
    await vi.waitFor(() => expect(open()).toBe(0));
  });

  it('trusts no certificate that is not for the host', async () => {
    const { http, request } = await serve(() => {}, true, '127.0.0.2'); // loopback too, but not in the certificate
    await expect(http.handle({ ...request, hostname: '127.0.0.2' })).rejects.toMatchObject({
      code: 'ERR_TLS_CERT_ALTNAME_INVALID',
    });
  });

  it('keeps messages apart that are read at the same time', async () => {
    const contents = Array.from({ length: 12 }, () => randomBytes(900_000));
    const { get, connections } = await serve((socket, _head, { connection }) => {
      const content = contents[(connection - 1) % 12] as Buffer;
      socket.write(ok(content.byteLength));
      socket.write(content);
    });
    const known = new Set(contents.map(sha256));
    for (let round = 0; round < 3; round++) {
      const responses = await Promise.all(contents.map(() => get()));
      const digests = await Promise.all(responses.map(({ body }) => digest(body)));
      expect(new Set(digests)).toEqual(known);
    }
    expect(connections()).toBe(12);
  });

  it('passes interim answers over, and reads an error in chunks', async () => {
    const { whole } = await serve((socket) => {
      socket.write(crlf('HTTP/1.1 100 Continue'));
      socket.write(`${crlf('HTTP/1.1 403 Forbidden', 'Transfer-Encoding: chunked')}5\r\n<Erro\r\n`);
      setTimeout(() => socket.write('3;x=y\r\nr/>\r\n0\r\n\r\n'), 20);
    });
    expect(await whole()).toEqual([403, '<Error/>']);
  });

  it('reads an error up to the end of the connection', async () => {
    const { whole } = await serve((socket) => socket.end(`${crlf('HTTP/1.1 503 Slow Down')}<Error/>`));
    expect(await whole()).toEqual([503, '<Error/>']);
  });

  it('asks once more on a new connection when a kept one was closed', async () => {
    const { get, connections } = await serve((socket, _head, { request }) => {
      if (request === 1) socket.write(`${ok(1)}x`);
      else socket.resetAndDestroy();
    });
    await wholeOf((await get()).body);
    expect((await wholeOf((await get()).body)).toString()).toBe('x');
    expect(connections()).toBe(2);
  });

  it('forgets a kept connection that the server closes', async () => {
    const { get, open } = await serve((socket) => {
      socket.write(`${ok(1)}x`);
      setTimeout(() => socket.end(), 20);
    });
    await wholeOf((await get()).body);
    await vi.waitFor(() => expect(open()).toBe(0));
    expect((await wholeOf((await get()).body)).toString()).toBe('x');
  });

  it.each([
    ['nothing', '', /no answer within/, 'TimeoutError'],
    ['half a head', 'HTTP/1.1 200', /no answer within/, 'TimeoutError'],
    ['another protocol', 'SSH-2.0-x\r\n\r\n', /no status line/, 'Error'],
    ['a field without a colon', crlf('HTTP/1.1 200 OK', 'x'), /no field/, 'Error'],
    ['a head without an end', `HTTP/1.1 200 OK\r\nx: ${'y'.repeat(70_000)}`, /without an end/, 'Error'],
  ])('rejects %s', async (_what, text, message, name) => {
    const { get, open } = await serve((socket) => socket.write(text));
    const error = await get().catch((caught: Error) => caught);
    expect(error).toMatchObject({ name, message: expect.stringMatching(message) });
    await vi.waitFor(() => expect(open()).toBe(0));
  });

  it('never uses a connection again on which more came than was announced', async () => {
    const { get, connections } = await serve((socket) => socket.write(`${ok(2)}hiHTTP/1.1 200 OK\r\n`));
    for (let i = 0; i < 3; i++) expect(await digest((await get()).body)).toBe(sha256(Buffer.from('hi')));
    expect(connections()).toBe(3);
  });

  it('rejects a body that ends short', async () => {
    const { get } = await serve((socket) => socket.end(`${ok(10)}short`));
    await expect(digest((await get()).body)).rejects.toMatchObject({ code: 'ECONNRESET' });
    await expect(wholeOf((await get()).body)).rejects.toMatchObject({ code: 'ECONNRESET' });
  });

  it('lets go of the connection when it is called off, before and after the head', async () => {
    const { get, open } = await serve(
      (socket, _head, { connection }) => connection > 1 && socket.write(`${ok(100)}half`),
    );
    const early = new AbortController();
    const asking = get({ abortSignal: early.signal });
    setTimeout(() => early.abort(), 20);
    await expect(asking).rejects.toMatchObject({ name: 'AbortError' });
    const late = new AbortController();
    const { body } = await get({ abortSignal: late.signal });
    setTimeout(() => late.abort(), 20);
    await expect(digest(body)).rejects.toMatchObject({ name: 'AbortError' });
    await vi.waitFor(() => expect(open()).toBe(0));
  });

  it('reads no further than it is asked to', async () => {
    let written = 0;
    const { get } = await serve((socket) => {
      socket.write(ok(50_000_000));
      const more = () => {
        while (written < 50_000_000 && socket.write(Buffer.alloc(100_000))) written += 100_000;
      };
      socket.on('drain', more);
      more();
    });
    const { body } = await get();
    await new Promise((resume) => setTimeout(resume, 200));
    expect(written).toBeLessThan(20_000_000); // what the kernel's buffers take
    body.destroy();
  });

  it('knows GET and POST alone', async () => {
    const { http, request } = await serve(() => {});
    await expect(http.handle({ ...request, method: 'PUT' })).rejects.toThrow('no PUT');
  });

  describe('a POST', () => {
    const json = (text: string, status = '200 OK') =>
      `${crlf(`HTTP/1.1 ${status}`, `Content-Length: ${Buffer.byteLength(text)}`)}${text}`;

    it('carries its body exactly, on one connection, and reads the answer whole', async () => {
      const asked: string[] = [];
      const { http, request, connections } = await serve((socket, head, { body }) => {
        asked.push(`${head.split('\r\n')[0]} ${Buffer.from(body, 'latin1').toString()}`);
        for (const byte of json('{"é":1}')) socket.write(byte); // one by one
      });
      for (const body of ['{"a":"ü"}', new TextEncoder().encode('{"b":"ü"}')]) {
        const headers = { ...request.headers, 'content-length': '10' };
        const { response } = await http.handle({ ...request, method: 'POST', path: '/', query: {}, headers, body });
        expect([response.statusCode, Buffer.from(response.body as Uint8Array).toString()]).toEqual([200, '{"é":1}']);
      }
      expect(asked).toEqual(['POST / HTTP/1.1 {"a":"ü"}', 'POST / HTTP/1.1 {"b":"ü"}']);
      expect(connections()).toBe(1);
    });

    it.each([
      ['in chunks', ['5\r\n{"a":\r\n', '2;x=y\r\n1}\r\n0', '\r\n\r\n'], 1],
      ['in chunks with a trailer', ['7\r\n{"a":1}\r\n0\r\nx-crc: 1\r\n', '\r\n'], 1],
      ['in chunks, and more than that', ['7\r\n{"a":1}\r\n0\r\n\r\nHTTP/1.1'], 2],
    ])('is answered %s', async (_what, pieces, connectionsAfterwards) => {
      const { whole, connections } = await serve(async (socket) => {
        socket.write(crlf('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked'));
        for (const piece of pieces) {
          socket.write(piece);
          await new Promise((resume) => setTimeout(resume, 5));
        }
      });
      for (let i = 0; i < 2; i++) expect(await whole('{}')).toEqual([200, '{"a":1}']);
      expect(connections()).toBe(connectionsAfterwards);
    });

    it.each([
      ['nothing', ''],
      ['a head and no body', crlf('HTTP/1.1 200 OK', 'Content-Length: 5')],
      ['half a body', `${crlf('HTTP/1.1 200 OK', 'Content-Length: 5')}{"`],
      ['half a chunk', `${crlf('HTTP/1.1 200 OK', 'Transfer-Encoding: chunked')}5\r\n{"`],
    ])('ends its connection and may be tried again where %s comes, and stalls or ends', async (_what, text) => {
      const stalled = await serve((socket) => socket.write(text));
      await expect(stalled.whole('{}')).rejects.toMatchObject({ name: 'TimeoutError', code: 'ETIMEDOUT' });
      await vi.waitFor(() => expect(stalled.open()).toBe(0));
      const cut = await serve((socket) => socket.end(text));
      await expect(cut.whole('{}')).rejects.toMatchObject({ code: 'ECONNRESET' });
    });

    it('is never sent twice: who closes a kept connection over it is answered with an error, the next gets a new one', async () => {
      let posts = 0;
      const { whole, connections } = await serve((socket, _head, { request }) => {
        posts += 1;
        if (request === 1) socket.write(json('{}'));
        else socket.resetAndDestroy();
      });
      await whole('{}');
      await expect(whole('{}')).rejects.toMatchObject({ code: expect.stringMatching(/ECONNRESET|EPIPE/) });
      expect(posts).toBe(2);
      expect(await whole('{}')).toEqual([200, '{}']);
      expect(connections()).toBe(2);
    });

    it('takes a new connection where the server closed the kept one', async () => {
      const { whole, open, connections } = await serve((socket) => {
        socket.write(json('{}'));
        setTimeout(() => socket.end(), 10);
      });
      await whole('{}');
      await vi.waitFor(() => expect(open()).toBe(0));
      expect(await whole('{}')).toEqual([200, '{}']);
      expect(connections()).toBe(2);
    });

    it('waits its turn when all places are taken', async () => {
      const held: Socket[] = [];
      const { whole, open } = await serve((socket) => held.push(socket));
      const all = Promise.all(Array.from({ length: 20 }, () => whole('{}')));
      await vi.waitFor(() => expect(held.length).toBe(16));
      expect(open()).toBe(16);
      for (let i = 0; i < 20; i++) {
        await vi.waitFor(() => expect(held.length).toBeGreaterThan(i));
        held[i]?.write(json('{}'));
      }
      expect(await all).toHaveLength(20);
      expect(open()).toBe(16);
    });

    it('is not sent when it was called off before', async () => {
      const asked: string[] = [];
      const { http, request } = await serve((socket, _head, { body }) => {
        asked.push(body);
        socket.write(json('{}'));
      });
      const send = (body: string, abortSignal?: AbortSignal) => {
        const headers = { 'content-length': String(body.length) };
        return http.handle({ ...request, method: 'POST', query: {}, headers, body }, { abortSignal });
      };
      await send('"first"');
      await expect(send('"off"', AbortSignal.abort())).rejects.toMatchObject({ name: 'AbortError' });
      await send('"last"');
      expect(asked).toEqual(['"first"', '"last"']);
    });

    it('gives its place back when it fails', async () => {
      const { whole } = await serve((socket, _head, { connection }) =>
        connection <= 32 ? socket.resetAndDestroy() : socket.write(json('{}')),
      );
      const failed = await Promise.allSettled(Array.from({ length: 32 }, () => whole('{}')));
      expect(failed.filter(({ status }) => status === 'rejected')).toHaveLength(32);
      expect(await whole('{}')).toEqual([200, '{}']);
    });

    it('is tried again by the SDK, and counted, when it was throttled, refused with 5xx, cut short or reset', async () => {
      const bad = [
        (socket: Socket) =>
          socket.write(json('{"__type":"com.amazonaws.dynamodb.v20120810#ThrottlingException"}', '400 Bad Request')),
        (socket: Socket) => socket.write(json('<html/>', '503 Service Unavailable')),
        (socket: Socket) => socket.end(`${crlf('HTTP/1.1 200 OK', 'Content-Length: 20')}{"Item`),
        (socket: Socket) => socket.resetAndDestroy(),
      ];
      let asked = 0;
      const { port } = await serve((socket) => {
        const which = asked % 2 === 0 ? bad[asked / 2] : undefined;
        asked += 1;
        if (which === undefined) socket.write(json('{"Item":{"pk":{"S":"ü"}}}'));
        else which(socket);
      });
      const credentials = { accessKeyId: 'AKIDTEST', secretAccessKey: 'secret' };
      const client = dynamoClient({ region: 'eu-west-1', credentials, endpoint: `http://127.0.0.1:${port}` });
      opened.push({ close: () => client.destroy() });
      for (let i = 0; i < bad.length; i++) {
        const answer = await client.send(new GetItemCommand({ TableName: 't', Key: { pk: { S: 'ü' } } }));
        expect([answer.Item, answer.$metadata.attempts]).toEqual([{ pk: { S: 'ü' } }, 2]);
      }
      expect(asked).toBe(2 * bad.length);
    });
  });
});
