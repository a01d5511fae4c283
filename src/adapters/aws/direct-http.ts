// The request handler of the S3 client that reads content: GET over kept HTTP/1.1 connections. S3Spool reads its
// bodies. It reads a body into buffers that it uses again. Node's http client copies each chunk into fresh memory
// twice: 80 ms of CPU and 65 MB of memory at 36 MB. It decides which connection serves a request: a body not read to
// its end ends its connection. It never decodes content, and never sends anything but a GET.

import { Readable } from 'node:stream';
import { aborted, type BufferPool, brokenOff, type Chunk, Connection, limited } from './direct-connection.ts';
import { dechunk, garbled, type Head, parseHead, type Request, requestHead } from './http-message.ts';
import { isFresh } from './kept-sockets.ts';

type Kept = { readonly connection: Connection; readonly idleSince: number };
type Answer = { readonly response: Head & { readonly body: Readable | Uint8Array } };

export type DirectHttpOptions = {
  readonly connectTimeoutMs: number;
  /** To the head of an answer with content, to the end of an error. */
  readonly requestTimeoutMs: number;
  /** Idle connections kept for the next request. */
  readonly socketsMax: number;
};

/**
 * A body's bytes, each chunk valid until the next is asked for; null at the end. Rejects where the connection breaks
 * off.
 */
export type DirectBody = { next(): Promise<Uint8Array | null>; destroy(error?: Error): void };

/** Node reads at most this at once, in bytes. */
const bufferBytes = 65_536;
/** Buffers kept for the next read, over all connections: some ten messages at once. */
const buffersKeptMax = 32;
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
  private readonly idle = new Map<string, Kept[]>();
  private readonly buffers: Uint8Array[] = [];

  constructor(options: DirectHttpOptions) {
    this.options = options;
  }

  /**
   * Settles when the head is there, with the body as a stream; an error settles with the body whole. Rejects with an
   * error that the SDK tries again: TimeoutError, or a network error's code.
   */
  handle(request: Request, { abortSignal }: { readonly abortSignal?: unknown } = {}): Promise<Answer> {
    const signal = abortSignal as AbortSignal | undefined;
    if (request.method === 'GET' && request.body === undefined) return this.get(request, signal);
    return Promise.reject(new Error(`no ${request.method} is sent by this client`));
  }

  /** Ends kept connections; those in use end with their bodies. */
  destroy(): void {
    for (const origin of [...this.idle.keys()]) this.endIdle(origin);
  }
  updateHttpClientConfig(): void {}
  httpHandlerConfigs(): Record<string, never> {
    return {};
  }

  private async get(request: Request, signal: AbortSignal | undefined): Promise<Answer> {
    const kept = this.take(request);
    if (kept === null) return this.exchange(await this.open(request, signal), request, signal);
    try {
      return await this.exchange(kept, request, signal);
    } catch (error) {
      // A kept connection may have been closed at the other end meanwhile: a fresh one then, as nothing was answered.
      if (!kept.wasStale(error)) throw error;
      return this.exchange(await this.open(request, signal), request, signal);
    }
  }

  private take(request: Request): Connection | null {
    const connections = this.idle.get(originOf(request)) ?? [];
    for (let last = connections.pop(); last !== undefined; last = connections.pop()) {
      if (!last.connection.ended && isFresh(last.idleSince)) return last.connection;
      last.connection.destroy();
    }
    return null;
  }

  private keep(request: Request, connection: Connection): void {
    const origin = originOf(request);
    const connections = this.idle.get(origin) ?? [];
    this.idle.set(origin, connections);
    if (connections.length >= this.options.socketsMax) connection.destroy();
    else connections.push({ connection: connection.rest(), idleSince: Date.now() });
  }

  private endIdle(origin: string): void {
    for (const { connection } of this.idle.get(origin) ?? []) connection.destroy();
    this.idle.delete(origin);
  }

  private async open(request: Request, signal: AbortSignal | undefined): Promise<Connection> {
    const pool: BufferPool = {
      take: () => this.buffers.pop() ?? new Uint8Array(bufferBytes),
      give: (buffer) => void (this.buffers.length < buffersKeptMax && this.buffers.push(buffer)),
    };
    const connection = new Connection(request, pool);
    await limited(connection, this.options.connectTimeoutMs, signal, connection.connected, 'connection');
    return connection;
  }

  private async exchange(connection: Connection, request: Request, signal: AbortSignal | undefined): Promise<Answer> {
    connection.write(requestHead(request));
    try {
      return await limited(connection, this.options.requestTimeoutMs, signal, this.answer(connection, request, signal));
    } catch (error) {
      // Where one connection broke, its idle neighbours may be broken: another try takes a fresh connection.
      if (!signal?.aborted) this.endIdle(originOf(request));
      throw error;
    }
  }

  private async answer(connection: Connection, request: Request, signal: AbortSignal | undefined): Promise<Answer> {
    const head = await readHead(connection);
    const body = new Body(connection, head, signal, () => this.keep(request, connection));
    if (head.statusCode >= 300) return { response: { ...head, body: await wholeOf(head, body) } };
    const stream = streamOf(body);
    bodies.set(stream, body);
    return { response: { ...head, body: stream } };
  }
}

const originOf = ({ protocol, hostname, port }: Request) => `${protocol}//${hostname}:${port ?? ''}`;

/** RFC 9112 §2.1. Interim answers (1xx) are passed over. */
async function readHead(connection: Connection): Promise<Head> {
  let before: Buffer | null = null; // of a head that comes in pieces
  for (;;) {
    const chunk = await connection.next();
    const { buffer, byteOffset, byteLength } = chunk.bytes;
    const fresh = Buffer.from(buffer, byteOffset, byteLength);
    const bytes: Buffer = before === null ? fresh : Buffer.concat([before, fresh]);
    const end = bytes.indexOf('\r\n\r\n');
    if (end < 0) {
      if (bytes.byteLength > headBytesMax) throw garbled('a head without an end');
      before = before === null ? Buffer.from(fresh) : bytes;
      connection.release(chunk);
      continue;
    }
    const head = parseHead(bytes.toString('latin1', 0, end));
    const rest = bytes.subarray(end + 4);
    if (before !== null || rest.byteLength === 0) connection.release(chunk);
    if (rest.byteLength > 0) connection.unshift({ bytes: rest, buffer: before === null ? chunk.buffer : null });
    if (head.statusCode >= 200) return head;
    before = null;
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
    // More than was announced: the connection cannot be trusted with another request.
    if (bytes !== chunk.bytes) this.end(() => this.connection.destroy());
    else if (this.left === 0) this.end(this.finish);
    return bytes;
  }

  destroy(error?: Error): void {
    this.end(() => this.connection.destroy(error));
  }
  /** Its end was found in its own bytes. */
  finished(): void {
    this.giveBack();
    this.end(this.finish);
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
async function wholeOf(head: Head, body: Body): Promise<Uint8Array> {
  const chunked = /chunked/i.test(head.headers['transfer-encoding'] ?? '');
  const known = chunked || head.headers['content-length'] !== undefined;
  let whole = Buffer.alloc(0);
  for (;;) {
    const chunk = await body.next().catch((error: unknown) => (known ? Promise.reject(error) : null));
    if (chunk === null) return whole;
    whole = Buffer.concat([whole, chunk]);
    if (whole.byteLength > errorBytesMax) throw garbled('more than there may be');
    const decoded = chunked ? dechunk(whole) : null;
    if (decoded === null) continue;
    if (decoded.took === whole.byteLength) body.finished();
    else body.destroy();
    return decoded.content;
  }
}

/** For the SDK, which wants a stream. It copies, because a stream's reader may keep its chunks. */
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
