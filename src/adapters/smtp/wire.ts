// The bytes of one SMTP connection: a socket, the replies read from it, and the one reason for which it ended. The
// files beside it call it. It counts the replies that are due: a reply that was read before its command was written
// answers nothing, and ends the connection (RFC 5321 §4.1.1.4). It knows no commands, never throws for an act of a
// network or a server, and never waits without a limit.

import { isIP, connect as netConnect, type Socket } from 'node:net';
import { type SecureContext, type TLSSocket, connect as tlsConnect } from 'node:tls';
import { turnOfTheLoop } from '#adapters/loop-turn.ts';
import { smtpAfterJunkMs } from '#core/limits.ts';
import type { NetworkFault } from '#core/reply/reply.ts';
import { isJunk, type SmtpReply, SmtpReplyReader } from '#core/reply/smtp-reply.ts';
import { certificateAlert } from './tls-alerts.ts';

export type WireFault = { readonly fault: NetworkFault; readonly detail: string };
/** Of a server: instants in milliseconds since the epoch. */
export type ServerCertificate = { readonly beginsAt: number; readonly endsAt: number };
export type TlsTerms = { readonly context: SecureContext | undefined; readonly verify: boolean };

/** Did the wire end, rather than answer? */
export function isFault(answer: object): answer is WireFault {
  return 'fault' in answer;
}

/** `host` is the name that TLS verifies, `address` the one of its addresses that is connected to. */
export type WireEnd = { readonly host: string; readonly address: string; readonly port: number };

/** A connected wire, or why there is none. */
export async function openWire(end: WireEnd, timeoutMs: number, signal: AbortSignal) {
  const wire = new SmtpWire(end);
  wire.obey(signal);
  const fault = await wire.connected(timeoutMs);
  return fault === null ? wire : fault;
}

export class SmtpWire {
  readonly host: string;
  /** As Postfix writes it: host[address]:port. */
  readonly #where: string;
  #socket: Socket | TLSSocket;
  #reader = new SmtpReplyReader();
  #replies: SmtpReply[] = [];
  /** Replies that are due: to the commands that were written, and at first the greeting. */
  #due = 1;
  /** Content is being written: no reply is due, but a refusal may come. */
  #inContent = false;
  /** Bytes that came before it was known whether the final dot had left. */
  #held: (() => void)[] | null = null;
  #junk: string | null = null;
  #afterJunk: NodeJS.Timeout | undefined;
  #dotWritten = false;
  #stage: 'connecting' | 'open' | 'handshake' = 'connecting';
  #tls = false;
  #fault: WireFault | null = null;
  #wake: (() => void) | null = null;
  #signal: AbortSignal | null = null;
  readonly #onAbort = () => this.fail('aborted', 'stopped by its deadline');

  constructor({ host, address, port }: WireEnd) {
    this.host = host;
    this.#where = address === host ? `${host}:${port}` : `${host}[${address}]:${port}`;
    this.#socket = netConnect({ host: address, port, noDelay: true }, () => {
      this.#stage = 'open';
      this.#wake?.();
    });
    this.#listen();
  }

  get tls(): boolean {
    return this.#tls;
  }

  /** The server's own; null without TLS. */
  get certificate(): ServerCertificate | null {
    if (!this.#tls || !('getPeerCertificate' in this.#socket)) return null;
    const { valid_from: begins, valid_to: ends } = this.#socket.getPeerCertificate();
    return ends === undefined ? null : { beginsAt: Date.parse(begins), endsAt: Date.parse(ends) };
  }

  /** Nothing is wrong, due, unread or unsent: fit for another transaction. */
  get quiet(): boolean {
    const unread = this.#replies.length > 0 || this.#due > 0 || this.#reader.unfinished;
    return this.#fault === null && !unread && this.#socket.writableLength === 0;
  }

  /** From now on no text of a server is given that contains one of these. */
  hide(secrets: readonly string[]): void {
    this.#reader.hide(secrets);
  }

  /** The last line that was no reply, since the last reply. */
  get junk(): string | null {
    return this.#junk;
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

  /** Starts TLS on the open connection. Bytes that came in clear before it do not count (RFC 3207 §6). */
  async secure(terms: TlsTerms, timeoutMs: number): Promise<WireFault | null> {
    await this.settle();
    this.#stage = 'handshake';
    const greeted = this.#due; // with implicit TLS the greeting comes behind the handshake
    this.#due = 0;
    if (!this.quiet) {
      if (this.#fault?.fault === 'garbled-reply') this.#fault = null; // bytes before TLS need not be SMTP
      this.fail('tls-failed', 'the server sent more than its answer before TLS began');
      return this.#fault;
    }
    this.#due = greeted;
    const plain = this.#socket;
    this.#deafen();
    plain.on('error', () => {}); // the TLS socket reports it too
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

  /** Reads all that the network has brought: called before a command is written, because it cannot be its answer. */
  async settle(): Promise<void> {
    await turnOfTheLoop();
  }

  /** Queues text for sending, to which so many `replies` will be due. Lines end in CRLF; the call does not wait. */
  send(text: string, replies = 1): void {
    if (this.#fault !== null) return;
    this.#dotWritten = false;
    if (this.#due === 0) this.#junk = null; // earlier bytes are no answer to it, and may quote the login
    this.#socket.write(text);
    this.#due += replies;
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
      this.#inContent = true;
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

  /**
   * Sends the last of the content with the final dot, to which `replies` are due once the socket has taken it, and
   * waits for that. A reply that has come or begun before is returned: the dot is not sent then. `written`: the dot may
   * have left.
   */
  async end(
    last: Uint8Array,
    replies: number,
    timeoutMs: number,
  ): Promise<'taken' | SmtpReply | { readonly stopped: WireFault; readonly written: boolean }> {
    await turnOfTheLoop();
    const said = this.#replies.length > 0 || this.#reader.begun ? await this.reply(timeoutMs) : this.#fault;
    if (said !== null) return isFault(said) ? { stopped: said, written: false } : said;
    let taken = false;
    // TLS says only a turn later that the socket has taken bytes. Replies that come meanwhile are read then.
    let sure = !this.#tls;
    this.#held = [];
    this.#socket.write(last, (error) => {
      if (!error) {
        taken = true;
        this.#dotWritten = true;
        this.#due += replies;
        this.#inContent = false;
      }
      this.#release();
      this.#wake?.();
    });
    void turnOfTheLoop().then(() => {
      sure = true;
      this.#release();
    });
    const look = () => (taken ? ('taken' as const) : this.#replies.shift());
    const answer = await this.#until(look, timeoutMs, 'sending the end of the content');
    if (answer === 'taken' || !isFault(answer)) return answer;
    return { stopped: answer, written: taken || !sure };
  }

  /** Ends it for this reason, unless it has ended already. */
  fail(fault: NetworkFault, detail: string): void {
    this.#release();
    if (this.#fault === null) {
      // A reply longer than the limit has given its code; its end changes nothing.
      const cut = this.#due > 0 ? this.#reader.cut() : null;
      if (cut !== null) this.#replies.push(cut);
      const garbled = this.#junk !== null && this.#due > 0 && (fault === 'timeout' || fault === 'connection-lost');
      this.#fault = garbled
        ? { fault: 'garbled-reply', detail: `${detail}; ${notAReply(this.#junk)}` }
        : { fault, detail };
    }
    clearTimeout(this.#afterJunk);
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

  readonly #onData = (bytes: Uint8Array) => this.#inOrder(() => this.#read(bytes));
  readonly #onError = (error: NodeJS.ErrnoException) => {
    const alert = certificateAlert(error.code);
    const known = this.#stage === 'handshake' ? 'tls-failed' : faultOf(error, this.#stage === 'connecting');
    const fault = alert === null ? known : 'certificate-refused';
    this.#inOrder(() => this.fail(fault, `${this.#where}: ${alert ?? error.message}`.slice(0, 300)));
  };
  readonly #onEnd = () => {
    const fault = this.#stage === 'handshake' ? 'tls-failed' : 'connection-lost';
    this.#inOrder(() => this.fail(fault, `${this.#where}: the connection was closed`));
  };

  #inOrder(event: () => void): void {
    if (this.#held === null) event();
    else this.#held.push(event);
  }

  #expectReply(): void {
    if (this.#due === 0 || this.#dotWritten) return;
    clearTimeout(this.#afterJunk);
    this.#afterJunk = setTimeout(() => this.fail('timeout', 'waiting for a reply'), smtpAfterJunkMs);
  }

  #release(): void {
    const held = this.#held ?? [];
    this.#held = null;
    for (const event of held) event();
  }

  #read(bytes: Uint8Array): void {
    for (const item of this.#reader.push(bytes)) {
      if (isJunk(item)) {
        this.#junk = item.junk;
        this.#expectReply();
        // Among several replies that are due it cannot be said whose this was to be.
        if (this.#due > 1) this.fail('garbled-reply', `${this.#where}: ${notAReply(item.junk)}`);
      } else if (this.#due > 0 || this.#inContent) {
        this.#due = Math.max(0, this.#due - 1);
        this.#junk = null;
        clearTimeout(this.#afterJunk);
        this.#replies.push(item);
      } else this.#early(item);
      if (this.#fault !== null) return;
    }
    if (this.#reader.garbled) this.fail('garbled-reply', `${this.#where}: what came is no SMTP reply`);
    else if (this.#due === 0 && !this.#inContent && this.#reader.begun) this.#early(null);
    else this.#wake?.();
  }

  /** No reply is due. 421 may come at any time (RFC 5321 §3.8), and is reported with its text. */
  #early(reply: SmtpReply | null): void {
    const where = this.#where;
    if (reply?.code === 421) {
      this.#replies.push(reply);
      this.fail('connection-lost', `${where}: 421 ${reply.text}`.slice(0, 300));
    } else {
      const what = reply === null ? '' : `: ${reply.code} ${reply.text}`;
      this.fail('garbled-reply', `${where}: a reply came before its command${what}`.slice(0, 300));
    }
  }

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

  /** The result of `look`, now or after the next event; replies that came before the end are seen before the fault. */
  #until<T extends 'done' | 'taken' | SmtpReply>(
    look: () => T | undefined,
    timeoutMs: number,
    what: string,
  ): Promise<T | WireFault> {
    const found = look() ?? this.#fault;
    if (found !== null) return Promise.resolve(found);
    return new Promise((resolve) => {
      const timer = setTimeout(() => {
        this.fail('timeout', `${this.#where}: nothing within ${timeoutMs / 1000} s, ${what}`);
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

function notAReply(line: string | null): string {
  return `what came is no SMTP reply: ${JSON.stringify(line)}`.slice(0, 300);
}

function faultOf(error: NodeJS.ErrnoException, connecting: boolean): NetworkFault {
  const code = error.code ?? '';
  if (code === 'ECONNREFUSED') return 'refused';
  if (code === 'ETIMEDOUT') return 'timeout';
  if (code.startsWith('ERR_SSL') || code.startsWith('ERR_TLS')) return 'tls-failed';
  // Any other failure to connect: no route, no such family, a firewall here.
  return connecting && code !== 'ECONNRESET' ? 'unreachable' : 'connection-lost';
}
