// The content reader's HTTP: what a server may send, byte by byte, over plain sockets and TLS. The contract of S3Spool
// runs over it too.

import { createHash, randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { buffer } from 'node:stream/consumers';
import { createServer as createTlsServer, setDefaultCACertificates } from 'node:tls';
import { afterEach, describe, expect, it, vi } from 'vitest';
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
    answer: (socket: Socket, head: string, count: { connection: number; request: number }) => void,
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
          text = text.slice(end + 4);
          answer(socket, head, { connection, request: ++request });
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
      whole: async () => {
        const { response } = await http.handle(request);
        return [response.statusCode, (await wholeOf(response.body)).toString()];
      },
      request,
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

  it('takes a fresh connection after one that stayed silent, though others are kept', async () => {
    let manner: 'good' | 'deaf' = 'good';
    const held: Socket[] = [];
    const { get, connections } = await serve((socket, _head, { request }) => {
      if (request > 1 && manner === 'deaf') return;
      held.push(socket);
      if (held.length === 4) for (const each of held) each.write(`${ok(1)}x`);
      if (held.length > 4) socket.write(`${ok(1)}x`);
    });
    const answers = await Promise.all(Array.from({ length: 4 }, () => get()));
    for (const { body } of answers) await digest(body);
    manner = 'deaf';
    await expect(get()).rejects.toMatchObject({ name: 'TimeoutError' });
    expect(await digest((await get()).body)).toBe(sha256(Buffer.from('x')));
    expect(connections()).toBe(5);
  });

  it.each(['POST', 'PUT', 'HEAD', 'DELETE'])('sends no %s', async (method) => {
    const asked: string[] = [];
    const { http, request } = await serve((_socket, head) => asked.push(head));
    await expect(http.handle({ ...request, method })).rejects.toThrow(`no ${method}`);
    await expect(http.handle({ ...request, body: 'x' })).rejects.toThrow('no GET');
    expect(asked).toEqual([]);
  });
});
