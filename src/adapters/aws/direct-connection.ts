// One kept HTTP/1.1 connection of DirectHttp. It reads its socket on demand, into buffers that it uses again, and
// limits every wait. A connection that breaks gives an error with a code on which the SDK tries again. It knows no
// HTTP.

import { connect as connectTcp, isIP, type Socket } from 'node:net';
import { connect as connectTls, createSecureContext, type SecureContext } from 'node:tls';
import type { Request } from './http-message.ts';

export type BufferPool = { take(): Uint8Array; give(buffer: Uint8Array): void };
export type Chunk = { readonly bytes: Uint8Array; readonly buffer: Uint8Array | null };

/** One socket. The caller pulls bytes: it reads only while a caller waits, save for what TLS had already decrypted. */
export class Connection {
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
      buffer: () => pool.take(), // called before each read: a buffer that is handed out is not written to
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

  /** A request, in one system call. */
  write(head: string): void {
    this.used += 1;
    this.answered = 0;
    this.socket.ref();
    this.socket.write(head);
  }

  /** The next bytes, in arrival order. */
  next(): Promise<Chunk> {
    const chunk = this.chunks.shift();
    if (chunk !== undefined) return Promise.resolve(chunk);
    if (this.failure !== null) return Promise.reject(this.failure);
    this.waiting = Promise.withResolvers<Chunk>();
    this.socket.resume();
    return this.waiting.promise;
  }
  /** Puts back bytes that were taken too many. */
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

/** The work, or an end to the connection when it takes too long or is called off. */
export async function limited<T>(
  connection: Connection,
  timeoutMs: number,
  signal: AbortSignal | undefined,
  work: Promise<T>,
  what = 'answer',
): Promise<T> {
  const onAbort = () => connection.destroy(aborted());
  const onTimeout = () =>
    connection.destroy(
      Object.assign(new Error(`no ${what} within ${timeoutMs} ms`), { name: 'TimeoutError', code: 'ETIMEDOUT' }),
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

export const aborted = () => Object.assign(new Error('the request was called off'), { name: 'AbortError' });
export const brokenOff = () => Object.assign(new Error('the connection broke off'), { code: 'ECONNRESET' });
