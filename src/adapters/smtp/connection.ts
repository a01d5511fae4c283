// One SMTP or LMTP connection (RFC 5321, 2033): greeting, EHLO, STARTTLS, AUTH, then transactions, one after the other.
// LMTP differs in two things: it is greeted with LHLO, and after the final dot it answers once for each recipient it
// took. All that servers and networks do comes back as values. A login goes out over TLS alone, unless `tls: 'off'`
// asks for less; no text that leaves here holds a password.

import type { SecureContext } from 'node:tls';
import type { TlsMode } from '#config/settings.ts';
import type { smtpTimeoutsMs } from '#core/limits.ts';
import type { Mailbox } from '#core/message/address.ts';
import type { AttemptResult, Phase } from '#core/reply/reply.ts';
import type { SmtpReply } from '#core/reply/smtp-reply.ts';
import { type DsnRequest, dsnOfMail, dsnOfRcpt } from '#core/submission/dsn-parameters.ts';
import type { NextHopResult, Transaction } from '#pipeline/ports.ts';
import { gatherBuffer, sendContent } from './content.ts';
import { Dialogue } from './dialogue.ts';
import { featuresOf } from './features.ts';
import { type Credentials, type KnownLogin, logIn } from './login.ts';
import { accepted, answerResult, networkResult, OUT_OF_STEP, Results } from './results.ts';
import { isFault, openWire, type SmtpWire, type WireFault } from './wire.ts';

export type SmtpTimeouts = { readonly [phase in keyof typeof smtpTimeoutsMs]: number };
/** What was learnt of a host, for the connections to come: kept by the next hop, in this function's memory. */
export type HostHabits = {
  /** It was silent, or stumbled, where commands came together: it hears them one by one. */
  dropsPipelined: boolean;
  login: KnownLogin | null;
};
export type SmtpServer = {
  readonly protocol: 'smtp' | 'lmtp';
  readonly host: string;
  readonly port: number;
  readonly tls: TlsMode;
  readonly context: SecureContext | undefined;
  readonly ehloName: string;
  readonly credentials: Credentials | null;
  readonly timeouts: SmtpTimeouts;
  readonly habits: HostHabits;
};

export type Opened =
  | { readonly kind: 'open'; readonly connection: SmtpConnection }
  /** `elsewhere`: it says something of this host, so that another one may do. */
  | { readonly kind: 'failed'; readonly result: AttemptResult; readonly elsewhere: boolean };

/**
 * A connection that takes mail, or why there is none. Opportunistic TLS that breaks is tried once more without (RFC
 * 7435).
 */
export async function openSmtp(server: SmtpServer, signal: AbortSignal): Promise<Opened> {
  const first = await open(server, signal);
  if (first.kind !== 'tls-broke') return first;
  if (demandsTls(server)) return { kind: 'failed', result: first.result, elsewhere: true };
  const second = await open({ ...server, tls: 'off' }, signal);
  return second.kind === 'tls-broke' ? { kind: 'failed', result: second.result, elsewhere: true } : second;
}

/** Opportunistic TLS does not keep a password from who sits between: with a login it is as good as required. */
function demandsTls(server: SmtpServer): boolean {
  return (
    server.tls === 'required' ||
    server.tls === 'implicit' ||
    (server.tls === 'opportunistic' && server.credentials !== null)
  );
}

type Opening = Opened | { readonly kind: 'tls-broke'; readonly result: AttemptResult };

async function open(server: SmtpServer, signal: AbortSignal): Promise<Opening> {
  const { host, timeouts } = server;
  const wire = await openWire(host, server.port, timeouts.connect, signal);
  if (isFault(wire))
    return { kind: 'failed', result: networkResult('connect', wire, host), elsewhere: wire.fault !== 'aborted' };
  const connection = new SmtpConnection(server, wire);
  const trouble = await connection.begin();
  if (trouble === null) return { kind: 'open', connection };
  await wire.quit(timeouts.quit);
  return trouble;
}

export class SmtpConnection {
  readonly #server: SmtpServer;
  readonly #wire: SmtpWire;
  readonly #gather = gatherBuffer();
  #features: ReadonlyMap<string, string> = new Map();
  /** A transaction was begun and not ended: RSET comes first. */
  #begun = false;
  #broken = false;
  /** Transactions asked of it. */
  count = 0;

  constructor(server: SmtpServer, wire: SmtpWire) {
    this.#server = server;
    this.#wire = wire;
  }

  /** Greeting to AUTH; null when it is ready for mail. */
  async begin(): Promise<Exclude<Opening, { kind: 'open' }> | null> {
    const { tls, credentials } = this.#server;
    if (tls === 'implicit') {
      const broke = await this.#secure();
      if (broke !== null) return broke;
    }
    const greeting = await this.#wire.reply(this.#server.timeouts.greeting);
    if (!accepted(greeting)) return this.#failed('greeting', greeting);
    const refused = await this.#hello();
    if (refused !== null) return refused;
    if (tls === 'required' || tls === 'opportunistic') {
      const trouble = await this.#startTls();
      if (trouble !== null) return trouble;
    }
    return credentials === null ? null : this.#login(credentials);
  }

  /** Fit for another transaction. */
  get usable(): boolean {
    return !this.#broken && this.#wire.quiet;
  }

  rest(): void {
    this.#wire.rest();
  }

  /** What the server has said by now is read. */
  settle(): Promise<void> {
    return this.#wire.settle();
  }

  close(): Promise<void> {
    return this.#wire.quit(this.#server.timeouts.quit);
  }

  // ── Before the first transaction ──────────────────────────────────────────────────────────────────────────────────

  async #hello(): Promise<Exclude<Opening, { kind: 'open' }> | null> {
    const { protocol, ehloName, timeouts } = this.#server;
    let answer = await this.#ask(`${protocol === 'lmtp' ? 'LHLO' : 'EHLO'} ${ehloName}`, timeouts.ehlo);
    this.#features = new Map();
    if (!isFault(answer) && answer.code < 300) {
      this.#features = featuresOf(answer.lines);
      return null;
    }
    // RFC 5321 §3.2: a server that knows no EHLO is greeted with HELO; one that knows no LHLO is none (RFC 2033 §4.1).
    if (protocol === 'smtp' && !isFault(answer) && answer.code >= 500) {
      answer = await this.#ask(`HELO ${ehloName}`, timeouts.ehlo);
      if (accepted(answer)) return null;
    }
    return this.#failed('ehlo', answer);
  }

  async #startTls(): Promise<Exclude<Opening, { kind: 'open' }> | null> {
    const demanded = demandsTls(this.#server);
    if (!this.#features.has('STARTTLS')) {
      if (!demanded) return null;
      const detail = `${this.#server.host} does not offer STARTTLS, and we do not send without TLS`;
      return { kind: 'failed', result: this.#unable('starttls-not-offered', detail), elsewhere: true };
    }
    const answer = await this.#ask('STARTTLS', this.#server.timeouts.ehlo);
    if (!accepted(answer)) return isFault(answer) || demanded ? this.#failed('starttls', answer) : null;
    return (await this.#secure()) ?? (await this.#hello()); // RFC 3207 §4.2: what was said before TLS is forgotten
  }

  async #secure(): Promise<Exclude<Opening, { kind: 'open' }> | null> {
    const { context, host, timeouts } = this.#server;
    const fault = await this.#wire.secure({ context, verify: demandsTls(this.#server) }, timeouts.tls);
    if (fault === null) return null;
    const result = networkResult('starttls', fault, host);
    return fault.fault === 'aborted' ? { kind: 'failed', result, elsewhere: false } : { kind: 'tls-broke', result };
  }

  async #login(credentials: Credentials): Promise<Exclude<Opening, { kind: 'open' }> | null> {
    const { host, habits, timeouts } = this.#server;
    const learn = (known: KnownLogin) => {
      habits.login = known;
    };
    const offered = this.#features.get('AUTH') ?? '';
    const said = await logIn(this.#wire, offered, credentials, habits.login, learn, timeouts.auth);
    if (said.kind === 'in') return null;
    if (said.kind === 'not-offered') {
      const detail = `${host} offers ${said.offered || 'no'} AUTH; we speak PLAIN and LOGIN`;
      return { kind: 'failed', result: this.#unable('auth-not-offered', detail), elsewhere: true };
    }
    const failed = this.#failed('auth', said.answer);
    // A refused login is refused by the next host too, and three of them lock the account.
    return !isFault(said.answer) && said.answer.code >= 500 ? { ...failed, elsewhere: false } : failed;
  }

  async #ask(command: string, timeoutMs: number): Promise<SmtpReply | WireFault> {
    await this.#wire.settle();
    this.#wire.send(`${command}\r\n`);
    return this.#wire.reply(timeoutMs);
  }

  // ── Transactions ──────────────────────────────────────────────────────────────────────────────────────────────────

  /**
   * One transaction; one result for each forward-path, in order. `again`: nothing but commands was sent, and another
   * connection may do better: this one was kept and the server said nothing at all before it ended, or the server
   * dropped what was pipelined.
   */
  async transact(
    transaction: Transaction,
    signal: AbortSignal,
    firstReplyMs: number,
  ): Promise<{ readonly results: readonly NextHopResult[]; readonly again: 'mute' | 'one-by-one' | null }> {
    const { host, habits, timeouts } = this.#server;
    this.#wire.resume(signal);
    this.count++;
    const unable = this.#refuse(transaction);
    if (unable !== null) return { results: transaction.forwardPaths.map(() => unable), again: null };
    const pipelined = this.#features.has('PIPELINING') && !habits.dropsPipelined;
    const dialogue = new Dialogue(this.#wire, pipelined, timeouts.pipelined);
    const results = new Results(host, this.#wire, transaction.forwardPaths.length);
    const mute = await this.#converse(transaction, dialogue, results, firstReplyMs);
    this.#wire.obey(null);
    if (results.broken) this.#broken = true;
    if (dialogue.dropped) {
      habits.dropsPipelined = true;
      this.#broken = true;
    }
    return {
      results: results.all(),
      again: results.undecided && dialogue.dropped ? 'one-by-one' : mute ? 'mute' : null,
    };
  }

  /** True where the server said nothing at all. */
  async #converse(t: Transaction, dialogue: Dialogue, results: Results, firstReplyMs: number): Promise<boolean> {
    const { timeouts } = this.#server;
    const dsn = this.#dsn(t);
    results.dsnTaken = dsn !== null;
    const paths = t.forwardPaths.map((path) => `RCPT TO:<${this.#path(path)}>${dsn === null ? '' : dsnOfRcpt(dsn)}`);
    const reset = this.#begun ? ['RSET'] : [];
    await dialogue.plan([...reset, this.#mailCommand(t), ...paths, 'DATA']);

    if (this.#begun) {
      const answer = await dialogue.next(firstReplyMs);
      if (!accepted(answer)) {
        results.rest('mail', isFault(answer) ? answer : OUT_OF_STEP);
        return true;
      }
      this.#begun = false;
    }
    const mail = await dialogue.next(firstReplyMs);
    if (!accepted(mail)) {
      results.rest('mail', mail);
      if (isFault(mail) || mail.code === 421) return true;
    } else this.#begun = true;

    for (let i = 0; i < paths.length; i++) {
      // Without pipelining nothing more is said after a refused MAIL; with it, the answers are on their way.
      if (results.broken || (results.open === 0 && !dialogue.pipelined)) break;
      const answer = await dialogue.next(results.open > 0 ? timeouts.rcpt : timeouts.drain);
      if (isFault(answer) || answer.code === 421) results.rest('rcpt', answer);
      else if (!accepted(answer)) results.one(i, 'rcpt', answer);
    }
    if (results.broken || (results.open === 0 && !dialogue.pipelined)) return false;

    const data = await dialogue.next(results.open > 0 ? timeouts.data : timeouts.drain);
    if (isFault(data) || data.code !== 354) results.rest('data', data);
    else if (results.open > 0) await this.#content(t, results);
    else await this.#contentForNobody();
    return false;
  }

  async #content(t: Transaction, results: Results): Promise<void> {
    const { timeouts, protocol } = this.#server;
    const replies = protocol === 'lmtp' ? results.open : 1;
    const sent = await sendContent(this.#wire, t.content, this.#gather, replies, timeouts.content);
    if (sent.kind === 'sent') {
      results.bareLineEndings = sent.bareLineEndings;
      if (protocol === 'smtp') results.rest('final-dot', await this.#wire.reply(timeouts.finalDot), true);
      else await this.#answers(results);
      this.#begun = false;
      return;
    }
    this.#broken = true;
    if (sent.kind === 'fault') return results.rest(sent.dotWritten ? 'final-dot' : 'content', sent.fault);
    this.#wire.fail('connection-lost', 'dropped before the final dot'); // so that nothing of it counts as accepted
    if (sent.kind === 'answered') return results.rest('content', sent.reply);
    results.unreadable({ kind: 'content', cause: sent.cause, detail: sent.detail });
  }

  /** 354 although nobody may receive it. */
  async #contentForNobody(): Promise<void> {
    if (this.#server.protocol === 'lmtp') {
      // RFC 2033 §4.2 asks for a 503 here. After a 354 for nobody no reply is due, so that nothing would tell where we
      // stand.
      this.#broken = true;
      return;
    }
    // RFC 2920 §3.1: a lone dot ends the transaction, and nothing is delivered.
    if (isFault(await this.#ask('.', this.#server.timeouts.drain))) this.#broken = true;
    this.#begun = false;
  }

  /**
   * RFC 2033 §4.2: one reply for each recipient that was taken, in their order. Who hears none may have the message.
   */
  async #answers(results: Results): Promise<void> {
    for (const index of results.openIndexes()) {
      const answer = await this.#wire.reply(this.#server.timeouts.finalDot);
      if (isFault(answer)) return results.rest('final-dot', answer);
      results.one(index, 'final-dot', answer, true);
    }
  }

  /** What the server's announcements rule out before anything is sent. */
  #refuse(t: Transaction): AttemptResult | null {
    const paths = t.reversePath === null ? t.forwardPaths : [t.reversePath, ...t.forwardPaths];
    if (!this.#features.has('SMTPUTF8') && paths.some((path) => !ascii(this.#path(path)))) {
      return this.#unable('smtputf8-not-offered', `${this.#server.host} takes no address outside ASCII`);
    }
    // RFC 1870 §4: 0 or none means that no limit is told; what is no number tells none either.
    const sizeMax = Number(/^\d+$/.exec(this.#features.get('SIZE') ?? '')?.[0] ?? 0);
    if (sizeMax > 0 && t.bytes !== null && t.bytes > sizeMax) {
      const detail = `the message has ${t.bytes} bytes, ${this.#server.host} takes ${sizeMax}`;
      return { kind: 'capability', fault: 'size-exceeded', detail, host: this.#server.host, sizeMax };
    }
    return null;
  }

  #mailCommand(t: Transaction): string {
    const reverse = t.reversePath === null ? '' : this.#path(t.reversePath);
    let command = `MAIL FROM:<${reverse}>`;
    if (t.bytes !== null && this.#features.has('SIZE')) command += ` SIZE=${t.bytes}`;
    // RFC 6152; the content is not read to know. Where it is not offered, 8-bit content goes as it is (docs/decisions).
    if (this.#features.has('8BITMIME')) command += ' BODY=8BITMIME';
    const paths = [reverse, ...t.forwardPaths.map((path) => this.#path(path))];
    if (this.#features.has('SMTPUTF8') && (t.smtputf8 === true || !paths.every(ascii))) command += ' SMTPUTF8';
    const dsn = this.#dsn(t);
    return dsn === null ? command : command + dsnOfMail(dsn);
  }

  #dsn(t: Transaction): DsnRequest | null {
    return this.#features.has('DSN') ? (t.dsn ?? null) : null;
  }

  /** As given; but where the server knows no SMTPUTF8 and only the domain is the trouble, with A-labels (RFC 5891). */
  #path(path: Mailbox): string {
    if (ascii(path.address) || this.#features.has('SMTPUTF8')) return path.address;
    const local = path.address.slice(0, path.address.lastIndexOf('@'));
    return ascii(local) ? `${local}@${path.domainKey}` : path.address;
  }

  #failed(phase: Phase, answer: SmtpReply | WireFault): Extract<Opened, { kind: 'failed' }> {
    const { host } = this.#server;
    const result = answerResult(phase, answer, host, this.#wire.tls);
    return { kind: 'failed', result, elsewhere: !(isFault(answer) && answer.fault === 'aborted') };
  }

  #unable(fault: Extract<AttemptResult, { kind: 'capability' }>['fault'], detail: string): AttemptResult {
    return { kind: 'capability', fault, detail, host: this.#server.host };
  }
}

function ascii(text: string): boolean {
  return /^[\u0000-\u007f]*$/u.test(text);
}
