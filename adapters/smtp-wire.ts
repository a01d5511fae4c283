// The bytes of one SMTP connection: a socket, the replies read from it, and the one reason it ended for.
// Knows no commands. Never throws for what a network or a server does, and never waits without a limit.

import { isIP, connect as netConnect, type Socket } from 'node:net';
import { type SecureContext, type TLSSocket, connect as tlsConnect } from 'node:tls';
import { smtpAddressAttemptMs } from '#core/limits.ts';
import type { NetworkFault } from '#core/reply.ts';
import { type SmtpReply, SmtpReplyReader } from '#core/smtp-reply.ts';

export type WireFault = { readonly fault: NetworkFault; readonly detail: string };
export type TlsTerms = { readonly context: SecureContext | undefined; readonly verify: boolean };

/** Did the wire end, rather than answer? */
export function isFault(answer: object): answer is WireFault {
  return 'fault' in answer;
}

/** A connected wire, or why there is none. */
export async function openWire(host: string, port: number, timeoutMs: number, signal: AbortSignal) {
  const wire = new SmtpWire(host, port);
  wire.obey(signal);
  const fault = await wire.connected(timeoutMs);
  return fault === null ? wire : fault;
}

export class SmtpWire {
  readonly host: string;
  readonly #port: number;
  #socket: Socket | TLSSocket;
  #reader = new SmtpReplyReader();
  #replies: SmtpReply[] = [];
  #stage: 'connecting' | 'open' | 'handshake' = 'connecting';
  #tls = false;
  #fault: WireFault | null = null;
  #wake: (() => void) | null = null;
  #signal: AbortSignal | null = null;
  readonly #onAbort = () => this.fail('aborted', 'stopped by its deadline');

  constructor(host: string, port: number) {
    this.host = host;
    this.#port = port;
    const options = { host, port, noDelay: true, autoSelectFamilyAttemptTimeout: smtpAddressAttemptMs };
    this.#socket = netConnect(options, () => {
      this.#stage = 'open';
      this.#wake?.();
    });
    this.#listen();
  }

  get tls(): boolean {
    return this.#tls;
  }

  /** Nothing is wrong, unread or unsent: fit for another transaction. */
  get quiet(): boolean {
    const unread = this.#replies.length > 0 || this.#reader.unfinished;
    return this.#fault === null && !unread && this.#socket.writableLength === 0;
  }

  /** From now on `signal` ends the wire; null: nothing does. */
  obey(signal: AbortSignal | null): void {
    this.#signal?.removeEventListener('abort', this.#onAbort);
    this.#signal = signal;
    signal?.addEventListener('abort', this.#onAbort, { once: true });
    if (signal?.aborted === true) this.#onAbort();
  }

  connected(timeoutMs: number): Promise<WireFault | null> {
    return this.#done(() => this.#stage === 'open', timeoutMs, 'connecting');
  }

  /** Takes TLS up on the open connection. What came in clear before it is not to be believed (RFC 3207 §6). */
  secure(terms: TlsTerms, timeoutMs: number): Promise<WireFault | null> {
    this.#stage = 'handshake';
    if (!this.quiet) {
      if (this.#fault?.fault === 'garbled-reply') this.#fault = null; // what came too early need not be SMTP
      this.fail('tls-failed', 'the server sent more than its answer before TLS began');
      return Promise.resolve(this.#fault);
    }
    const plain = this.#socket;
    this.#deafen();
    plain.on('error', () => {}); // the TLS socket tells of it too
    this.#socket = tlsConnect(
      {
        socket: plain,
        host: this.host,
        servername: isIP(this.host) === 0 ? this.host : '', // RFC 6066 §3: never an address
        secureContext: terms.context,
        rejectUnauthorized: terms.verify,
      },
      () => {
        this.#stage = 'open';
        this.#tls = true;
        this.#wake?.();
      },
    );
    this.#listen();
    return this.#done(() => this.#stage === 'open', timeoutMs, 'the TLS handshake');
  }

  /** Queues text for sending. Lines end in CRLF; nobody waits. */
  send(text: string): void {
    if (this.#fault === null) this.#socket.write(text);
  }

  /** Queues bytes, which must stay as they are until an answer to them has come. */
  sendBytes(bytes: Uint8Array): void {
    if (this.#fault === null) this.#socket.write(bytes);
  }

  /** The next reply. */
  reply(timeoutMs: number): Promise<SmtpReply | WireFault> {
    return this.#until(() => this.#replies.shift(), timeoutMs, 'waiting for a reply');
  }

  /**
   * Sends `first` and `second` and waits until the socket has taken them: then their memory may be used again.
   * A reply that comes meanwhile is returned at once, because a server that answers in the middle has made up its mind.
   */
  take(first: Uint8Array, second: Uint8Array | null, timeoutMs: number): Promise<'taken' | SmtpReply | WireFault> {
    let taken = false;
    const onTaken = (error?: Error | null) => {
      taken = error === null || error === undefined;
      this.#wake?.();
    };
    if (this.#fault === null) {
      if (second === null) this.#socket.write(first, onTaken);
      else {
        this.#socket.cork(); // both leave in one system call
        this.#socket.write(first);
        this.#socket.write(second, onTaken);
        this.#socket.uncork();
      }
    }
    const look = () => this.#replies.shift() ?? (taken ? ('taken' as const) : undefined);
    return this.#until(look, timeoutMs, 'sending the content');
  }

  /** Ends it for this reason, unless it has ended already. */
  fail(fault: NetworkFault, detail: string): void {
    if (this.#fault === null) this.#fault = { fault, detail };
    this.#socket.destroy();
    this.#wake?.();
  }

  /** While idle it must not keep the process alive; nor may it when the other side hangs up. */
  rest(): void {
    this.obey(null);
    this.#socket.unref();
  }

  resume(signal: AbortSignal): void {
    this.#socket.ref();
    this.obey(signal);
  }

  /** Says goodbye and does not wait longer than `timeoutMs` for the other side. Never throws. */
  async quit(timeoutMs: number): Promise<void> {
    this.obey(null);
    if (this.#fault === null) {
      this.send('QUIT\r\n'); // RFC 5321 §4.1.1.10
      this.#socket.end();
      await this.reply(timeoutMs);
    }
    this.fail('connection-lost', 'closed by us');
  }

  readonly #onData = (bytes: Uint8Array) => {
    this.#replies.push(...this.#reader.push(bytes));
    if (this.#reader.garbled) this.fail('garbled-reply', `${this.host}:${this.#port}: what came is no SMTP reply`);
    else this.#wake?.();
  };
  readonly #onError = (error: NodeJS.ErrnoException) => {
    const fault = this.#stage === 'handshake' ? 'tls-failed' : faultOf(error, this.#stage === 'connecting');
    this.fail(fault, `${this.host}:${this.#port}: ${error.message}`.slice(0, 300));
  };
  readonly #onEnd = () => {
    const fault = this.#stage === 'handshake' ? 'tls-failed' : 'connection-lost';
    this.fail(fault, `${this.host}:${this.#port}: the connection was closed`);
  };

  #listen(): void {
    this.#socket.on('data', this.#onData).on('error', this.#onError).on('end', this.#onEnd).on('close', this.#onEnd);
  }

  #deafen(): void {
    this.#socket
      .off('data', this.#onData)
      .off('error', this.#onError)
      .off('end', this.#onEnd)
      .off('close', this.#onEnd);
  }

  async #done(look: () => boolean, timeoutMs: number, what: string): Promise<WireFault | null> {
    const answer = await this.#until(() => (look() ? ('done' as const) : undefined), timeoutMs, what);
    return answer === 'done' ? null : answer;
  }

  /** What `look` finds, now or after the next event; replies that came before the end are seen before the fault. */
  #until<T extends 'done' | 'taken' | SmtpReply>(
    look: () => T | undefined,
    timeoutMs: number,
    what: string,
  ): Promise<T | WireFault> {
    const found = look() ?? this.#fault;
    if (found !== null) return Promise.resolve(found);
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.fail('timeout', `${this.host}:${this.#port}: nothing within ${timeoutMs / 1000} s, ${what}`);
      }, timeoutMs);
      this.#wake = () => {
        const answer = look() ?? this.#fault;
        if (answer === null) return;
        clearTimeout(timer);
        this.#wake = null;
        resolve(answer);
      };
    });
  }
}

function faultOf(error: NodeJS.ErrnoException, connecting: boolean): NetworkFault {
  const code = error.code ?? '';
  if (code === 'ENOTFOUND') return 'dns-not-found';
  if (code.startsWith('EAI_')) return 'dns-temporary';
  if (code === 'ECONNREFUSED') return 'refused';
  if (code === 'ETIMEDOUT') return 'timeout';
  if (code.startsWith('ERR_SSL') || code.startsWith('ERR_TLS')) return 'tls-failed';
  // Whatever else keeps us from connecting: no route, no such family, a firewall here.
  return connecting && code !== 'ECONNRESET' ? 'unreachable' : 'connection-lost';
}
