// A request handler for the SDK's S3 client that reads bodies into buffers used again and again: GET only, HTTP/1.1, kept connections.
// Node's http client copies each chunk of a body into fresh memory twice over; at 36 MB that was 80 ms of CPU and 65 MB of memory.
// It never holds a body, never pools what is not clean (a body not read to its end ends its connection), never decodes content.

import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { Readable } from 'node:stream';
import { connect as connectTls, createSecureContext, type SecureContext } from 'node:tls';
import { dechunk, garbled, type Head, parseHead, type Request, requestHead } from './http-message.ts';

type Answer = { readonly response: Head & { readonly body: Readable } };

export type DirectHttpOptions = { readonly connectTimeoutMs: number; readonly requestTimeoutMs: number };

/** A body's bytes, each chunk valid until the next is asked for; null at the end. Rejects where the connection breaks off. */
export type DirectBody = { next(): Promise<Uint8Array | null>; destroy(error?: Error): void };

/** Node reads at most this at once, in bytes. */
const bufferBytes = 65_536;
/** Buffers kept for the next read, over all connections: some ten messages at once. */
const buffersKeptMax = 32;
const idleMax = 16;
/** A head, and the XML of an error, in bytes: S3's are a few hundred. */
const headBytesMax = 65_536;
const errorBytesMax = 262_144;

const bodies = new WeakMap<object, DirectBody>();
/** The body behind a response's stream, where this handler made it. Read one or the other, never both. */
export function directBodyOf(stream: object): DirectBody | null {
  return bodies.get(stream) ?? null;
}

export class DirectHttp {
  readonly metadata = { handlerProtocol: 'http/1.1' };
  private readonly options: DirectHttpOptions;
  private readonly idle = new Map<string, Connection[]>();
  private readonly buffers: Uint8Array[] = [];

  constructor(options: DirectHttpOptions) {
    this.options = options;
  }

  /** Settles when the head is there. Rejects with an error that the SDK tries again: TimeoutError, or a network error's code. */
  async handle(request: Request, { abortSignal }: { readonly abortSignal?: unknown } = {}): Promise<Answer> {
    if (request.method !== 'GET' || request.body !== undefined) throw new Error('this S3 client only reads');
    const signal = abortSignal as AbortSignal | undefined;
    const origin = `${request.protocol}//${request.hostname}:${request.port ?? ''}`;
    for (let kept = this.take(origin); kept !== null; kept = this.take(origin)) {
      // A kept connection may have been closed at the other end meanwhile: another one then, as nothing was answered.
      try {
        return await this.exchange(kept, origin, request, signal);
      } catch (error) {
        if (!kept.wasStale(error)) throw error;
      }
    }
    return this.exchange(await this.open(request, signal), origin, request, signal);
  }

  /** Ends kept connections; those in use end with their bodies. */
  destroy(): void {
    for (const connections of this.idle.values()) for (const connection of connections) connection.destroy();
    this.idle.clear();
  }
  updateHttpClientConfig(): void {}
  httpHandlerConfigs(): Record<string, never> {
    return {};
  }

  private take(origin: string): Connection | null {
    const connections = this.idle.get(origin) ?? [];
    for (let last = connections.pop(); last !== undefined; last = connections.pop()) if (!last.ended) return last;
    return null;
  }

  private keep(origin: string, connection: Connection): void {
    const connections = this.idle.get(origin) ?? [];
    this.idle.set(origin, connections);
    if (connections.length >= idleMax) connection.destroy();
    else connections.push(connection.rest());
  }

  private async open(request: Request, signal: AbortSignal | undefined): Promise<Connection> {
    const pool: BufferPool = {
      take: () => this.buffers.pop() ?? new Uint8Array(bufferBytes),
      give: (buffer) => void (this.buffers.length < buffersKeptMax && this.buffers.push(buffer)),
    };
    const connection = new Connection(request, pool);
    await limited(connection, this.options.connectTimeoutMs, signal, connection.connected);
    return connection;
  }

  private async exchange(
    connection: Connection,
    origin: string,
    request: Request,
    signal: AbortSignal | undefined,
  ): Promise<Answer> {
    connection.write(requestHead(request));
    const head = await limited(connection, this.options.requestTimeoutMs, signal, readHead(connection));
    const body = new Body(connection, head, signal, () => this.keep(origin, connection));
    if (head.statusCode >= 300) {
      const content = await limited(connection, this.options.requestTimeoutMs, signal, wholeOf(head, body));
      return { response: { ...head, body: Readable.from(content.byteLength === 0 ? [] : [content]) } };
    }
    const stream = streamOf(body);
    bodies.set(stream, body);
    return { response: { ...head, body: stream } };
  }
}

type BufferPool = { take(): Uint8Array; give(buffer: Uint8Array): void };
type Chunk = { readonly bytes: Uint8Array; readonly buffer: Uint8Array | null };

/** One socket. Bytes are pulled: it reads only while somebody waits, save for what TLS had already decrypted. */
class Connection {
  readonly connected: Promise<void>;
  private readonly socket: Socket;
  private readonly pool: BufferPool;
  private readonly chunks: Chunk[] = [];
  private waiting: PromiseWithResolvers<Chunk> | null = null;
  private failure: Error | null = null;
  private answered = 0;
  private used = 0;

  constructor(request: Request, pool: BufferPool) {
    this.pool = pool;
    const onread = {
      buffer: () => pool.take(), // asked for before each read: what was handed out is not written to until it is given back
      callback: (length: number, buffer: Uint8Array) => this.receive({ bytes: buffer.subarray(0, length), buffer }),
    };
    const host = request.hostname.replace(/^\[|\]$/g, '');
    const secure = request.protocol === 'https:';
    const port = request.port ?? (secure ? 443 : 80);
    this.socket = secure
      ? connectTls({
          host,
          port,
          servername: isIP(host) === 0 ? host : '',
          secureContext: secureContextOnce(),
          onread,
        } as never)
      : connectTcp({ host, port, onread } as never);
    this.socket.setNoDelay(true);
    this.socket.on('error', (error) => this.fail(error));
    this.socket.on('end', () => this.fail(brokenOff()));
    this.socket.on('close', () => this.fail(brokenOff()));
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    this.socket.once(secure ? 'secureConnect' : 'connect', resolve);
    this.socket.once('error', reject);
    this.socket.once('close', () => reject(this.failure ?? brokenOff()));
    this.connected = promise;
  }

  get ended(): boolean {
    return this.failure !== null;
  }
  /** It was kept, and broke before a byte of this answer came. */
  wasStale(error: unknown): boolean {
    const { code } = error as { readonly code?: unknown };
    return this.used > 1 && this.answered === 0 && (code === 'ECONNRESET' || code === 'EPIPE');
  }

  write(head: string): void {
    this.used += 1;
    this.answered = 0;
    this.socket.ref();
    this.socket.write(head, 'latin1');
  }

  /** What comes next, in arrival order. */
  next(): Promise<Chunk> {
    const chunk = this.chunks.shift();
    if (chunk !== undefined) return Promise.resolve(chunk);
    if (this.failure !== null) return Promise.reject(this.failure);
    this.waiting = Promise.withResolvers<Chunk>();
    this.socket.resume();
    return this.waiting.promise;
  }
  /** Puts back what was taken too much. */
  unshift(chunk: Chunk): void {
    this.chunks.unshift(chunk);
  }
  /** The bytes are no longer looked at. */
  release(chunk: Chunk): void {
    if (chunk.buffer !== null) this.pool.give(chunk.buffer);
  }

  /** Clean, and to be used again: it must not keep the process alive, and must notice when the other end closes. */
  rest(): this {
    this.socket.unref();
    this.socket.resume();
    return this;
  }
  get clean(): boolean {
    return this.chunks.length === 0 && this.failure === null;
  }
  destroy(error?: Error): void {
    this.fail(error ?? brokenOff());
    this.socket.destroy();
  }

  private receive(chunk: Chunk): boolean {
    this.answered += chunk.bytes.byteLength;
    const { waiting } = this;
    this.waiting = null;
    if (waiting === null) this.chunks.push(chunk);
    else waiting.resolve(chunk);
    return false; // no more until it is asked for
  }

  private fail(error: Error): void {
    this.failure ??= error;
    this.waiting?.reject(this.failure);
    this.waiting = null;
  }
}

/** RFC 9112 §2.1. Interim answers (1xx) are passed over. */
async function readHead(connection: Connection): Promise<Head> {
  let text = '';
  for (;;) {
    const end = text.indexOf('\r\n\r\n');
    if (end >= 0) {
      const head = parseHead(text.slice(0, end));
      text = text.slice(end + 4);
      if (head.statusCode < 200) continue;
      if (text !== '') connection.unshift({ bytes: Buffer.from(text, 'latin1'), buffer: null });
      return head;
    }
    if (text.length > headBytesMax) throw garbled('a head without an end');
    const chunk = await connection.next();
    text += Buffer.from(chunk.bytes.buffer, chunk.bytes.byteOffset, chunk.bytes.byteLength).toString('latin1');
    connection.release(chunk);
  }
}

/** A body of known length. The connection is kept once it is read to the end, and ended otherwise. */
class Body implements DirectBody {
  private readonly connection: Connection;
  private readonly finish: () => void;
  private readonly signal: AbortSignal | undefined;
  private readonly onAbort: () => void;
  private left: number;
  private held: Chunk | null = null;
  private open = true;

  constructor(connection: Connection, head: Head, signal: AbortSignal | undefined, keep: () => void) {
    this.connection = connection;
    const length = head.headers['content-length'];
    this.left = length !== undefined && /^\d+$/.test(length) ? Number(length) : Number.NaN;
    this.signal = signal;
    this.onAbort = () => this.destroy(aborted());
    const close = head.headers.connection?.toLowerCase() === 'close';
    this.finish = () => (connection.clean && !close ? keep() : connection.destroy());
    signal?.addEventListener('abort', this.onAbort, { once: true });
    if (this.left === 0) this.end(this.finish);
  }

  async next(): Promise<Uint8Array | null> {
    this.giveBack();
    if (this.left === 0) return null;
    const chunk = await this.connection.next();
    if (!this.open) throw brokenOff();
    this.held = chunk;
    const bytes = chunk.bytes.byteLength > this.left ? chunk.bytes.subarray(0, this.left) : chunk.bytes;
    this.left -= bytes.byteLength; // NaN where the length is not known: never at an end but the connection's
    // More than was announced: the connection can not be trusted with another request.
    if (bytes !== chunk.bytes) this.end(() => this.connection.destroy());
    else if (this.left === 0) this.end(this.finish);
    return bytes;
  }

  destroy(error?: Error): void {
    this.end(() => this.connection.destroy(error));
  }

  private giveBack(): void {
    if (this.held !== null) this.connection.release(this.held);
    this.held = null;
  }
  private end(how: () => void): void {
    if (!this.open) return;
    this.open = false;
    this.signal?.removeEventListener('abort', this.onAbort);
    how();
  }
}

/** The whole body of an error: of known length, in chunks (RFC 9112 §7.1), or up to the connection's end. */
async function wholeOf(head: Head, body: Body): Promise<Buffer> {
  const chunked = /chunked/i.test(head.headers['transfer-encoding'] ?? '');
  const known = head.headers['content-length'] !== undefined;
  let whole = Buffer.alloc(0);
  let decoded: Buffer | null = null;
  while (decoded === null) {
    const chunk = await body.next().catch((error: unknown) => (known || chunked ? Promise.reject(error) : null));
    if (chunk !== null) whole = Buffer.concat([whole, chunk]);
    if (whole.byteLength > errorBytesMax) throw garbled('an error longer than it may be');
    decoded = chunked && chunk !== null ? dechunk(whole) : chunk === null ? whole : null;
  }
  if (!known) body.destroy(); // a connection after a refusal is not worth the care
  return decoded;
}

/** For the SDK, which wants a stream; copies, because a stream's reader may keep what it got. */
function streamOf(body: DirectBody): Readable {
  return new Readable({
    read() {
      body.next().then(
        (chunk) => this.push(chunk === null ? null : Buffer.from(chunk)),
        (error: Error) => this.destroy(error),
      );
    },
    destroy(error, callback) {
      body.destroy(error ?? undefined);
      callback(error);
    },
  });
}

/** The work, or an end to the connection when it takes too long or is called off. */
async function limited<T>(
  connection: Connection,
  timeoutMs: number,
  signal: AbortSignal | undefined,
  work: Promise<T>,
): Promise<T> {
  const onAbort = () => connection.destroy(aborted());
  const onTimeout = () =>
    connection.destroy(
      Object.assign(new Error(`no answer within ${timeoutMs} ms`), { name: 'TimeoutError', code: 'ETIMEDOUT' }),
    );
  const timer = setTimeout(onTimeout, timeoutMs);
  if (signal?.aborted) onAbort();
  signal?.addEventListener('abort', onAbort, { once: true });
  try {
    return await work;
  } catch (error) {
    connection.destroy();
    throw error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}

/** The trusted authorities are parsed once, not for each connection. */
let secureContext: SecureContext | null = null;
function secureContextOnce(): SecureContext {
  secureContext ??= createSecureContext();
  return secureContext;
}

const aborted = () => Object.assign(new Error('the request was called off'), { name: 'AbortError' });
const brokenOff = () => Object.assign(new Error('the connection broke off'), { code: 'ECONNRESET' });
