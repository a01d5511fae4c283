// One SMTP or LMTP connection that carries mail (RFC 5321, 2033), one transaction after the other. opening.ts makes it,
// and the next hop keeps it. LMTP differs in one thing: after the final dot the server answers once for each recipient
// that it accepted. Every act of a server or network is a value. It connects nowhere, and repeats nothing.

import type { Mailbox } from '#core/message/address.ts';
import type { AttemptResult } from '#core/reply/reply.ts';
import { type DsnRequest, dsnOfMail, dsnOfRcpt } from '#core/submission/dsn-parameters.ts';
import type { NextHopResult, Transaction } from '#pipeline/ports.ts';
import { gatherBuffer, sendContent } from './content.ts';
import { Dialogue } from './dialogue.ts';
import { type SmtpServer, within } from './remote.ts';
import { accepted, OUT_OF_STEP, Results } from './results.ts';
import { isFault, type SmtpWire } from './wire.ts';

/** How long it may take until it asks for the content: `firstReplyMs` for its first reply, `answerBy` for all. */
export type Turn = { readonly firstReplyMs: number; readonly answerBy: number | null };
export type Transacted = {
  /** One for each forward-path, in order. */
  readonly results: readonly NextHopResult[];
  /** Nothing but commands was sent: another connection may be given the same transaction. */
  readonly untouched: boolean;
  /** The server dropped pipelined commands: one command at a time may work. */
  readonly dropped: boolean;
};

export class SmtpConnection {
  readonly #server: SmtpServer;
  readonly #wire: SmtpWire;
  readonly #gather = gatherBuffer();
  readonly #features: ReadonlyMap<string, string>;
  /** The content was asked for. */
  #touched = false;
  /** A transaction was begun and not ended: RSET comes first. */
  #begun = false;
  #broken = false;
  /** When it became ready for mail. */
  readonly openedAt = Date.now();
  /** Transactions asked of it. */
  count = 0;

  /** `wire` is ready for mail; `features` are its server's announcements (features.ts). */
  constructor(server: SmtpServer, wire: SmtpWire, features: ReadonlyMap<string, string>) {
    this.#server = server;
    this.#wire = wire;
    this.#features = features;
  }

  get server(): SmtpServer {
    return this.#server;
  }

  /** Fit for another transaction. */
  get usable(): boolean {
    return !this.#broken && this.#wire.quiet;
  }

  rest(): void {
    this.#wire.rest();
  }

  /** Everything that the server has sent so far is read. */
  settle(): Promise<void> {
    return this.#wire.settle();
  }

  close(): Promise<void> {
    return this.#wire.quit(this.#server.timeouts.quit);
  }

  /** One transaction. Its results hold all that the server and the network did. */
  async transact(transaction: Transaction, signal: AbortSignal, turn: Turn): Promise<Transacted> {
    const { host, habits, pipelining, timeouts } = this.#server;
    this.#wire.resume(signal);
    this.count++;
    this.#touched = false;
    const unable = this.#refuse(transaction);
    if (unable !== null) {
      this.#wire.obey(null);
      return { results: transaction.forwardPaths.map(() => unable), untouched: true, dropped: false };
    }
    const pipelined = pipelining && this.#features.has('PIPELINING') && !habits.dropsPipelined;
    const dialogue = new Dialogue(this.#wire, pipelined, timeouts.pipelined);
    const results = new Results(host, this.#wire, transaction.forwardPaths.length);
    await this.#converse(transaction, dialogue, results, turn);
    this.#wire.obey(null);
    if (results.broken) this.#broken = true;
    if (dialogue.dropped) {
      habits.dropsPipelined = true;
      this.#broken = true;
    }
    const untouched = !this.#touched;
    return { results: results.all(), untouched, dropped: untouched && results.undecided && dialogue.dropped };
  }

  async #converse(t: Transaction, dialogue: Dialogue, results: Results, turn: Turn): Promise<void> {
    const { timeouts } = this.#server;
    const next = (phaseMs: number) => dialogue.next(within(turn.answerBy, phaseMs));
    const dsn = this.#dsn(t);
    results.dsnTaken = dsn !== null;
    const paths = t.forwardPaths.map((path) => `RCPT TO:<${this.#path(path)}>${dsn === null ? '' : dsnOfRcpt(dsn)}`);
    const reset = this.#begun ? ['RSET'] : [];
    await dialogue.plan([...reset, this.#mailCommand(t), ...paths, 'DATA']);

    if (this.#begun) {
      const answer = await next(turn.firstReplyMs);
      if (!accepted(answer)) return results.rest('mail', isFault(answer) ? answer : OUT_OF_STEP);
      this.#begun = false;
    }
    const mail = await next(turn.firstReplyMs);
    if (!accepted(mail)) {
      results.rest('mail', mail);
      if (results.broken) return;
    } else this.#begun = true;

    for (let i = 0; i < paths.length; i++) {
      // Without pipelining nothing more is said after a refused MAIL; with it, the answers are on their way.
      if (results.broken || (results.open === 0 && !dialogue.pipelined)) break;
      const answer = await next(results.open > 0 ? timeouts.rcpt : timeouts.drain);
      if (isFault(answer) || answer.code === 421) results.rest('rcpt', answer);
      else if (!accepted(answer)) results.one(i, 'rcpt', answer);
    }
    if (results.broken || (results.open === 0 && !dialogue.pipelined)) return;

    const data = await next(results.open > 0 ? timeouts.data : timeouts.drain);
    if (isFault(data) || data.code !== 354) results.rest('data', data);
    else if (results.open > 0) await this.#content(t, results);
    else await this.#contentForNobody();
  }

  async #content(t: Transaction, results: Results): Promise<void> {
    const { timeouts, protocol } = this.#server;
    this.#touched = true;
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

  /** The server sent 354 although it accepted no recipient. */
  async #contentForNobody(): Promise<void> {
    if (this.#server.protocol === 'lmtp') {
      // RFC 2033 §4.2 asks for a 503 here. After a 354 without recipients no reply is due, so that nothing would tell
      // the state of the dialogue.
      this.#broken = true;
      return;
    }
    // RFC 2920 §3.1: a lone dot ends the transaction, and nothing is delivered.
    await this.#wire.settle();
    this.#wire.send('.\r\n');
    if (isFault(await this.#wire.reply(this.#server.timeouts.drain))) this.#broken = true;
    this.#begun = false;
  }

  /**
   * RFC 2033 §4.2: one reply for each accepted recipient, in their order. A recipient without a reply may have the
   * message.
   */
  async #answers(results: Results): Promise<void> {
    for (const index of results.openIndexes()) {
      const answer = await this.#wire.reply(this.#server.timeouts.finalDot);
      if (isFault(answer)) return results.rest('final-dot', answer);
      results.one(index, 'final-dot', answer, true);
    }
  }

  /** Refusals that follow from the server's announcements, before anything is sent. */
  #refuse(t: Transaction): AttemptResult | null {
    const paths = t.reversePath === null ? t.forwardPaths : [t.reversePath, ...t.forwardPaths];
    if (!this.#features.has('SMTPUTF8') && paths.some((path) => !ascii(this.#path(path)))) {
      return this.#unable('smtputf8-not-offered', `${this.#server.host} takes no address outside ASCII`);
    }
    // RFC 1870 §4: 0 or no value means that the server tells no limit; so does a value that is no number.
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

  #unable(fault: Extract<AttemptResult, { kind: 'capability' }>['fault'], detail: string): AttemptResult {
    return { kind: 'capability', fault, detail, host: this.#server.host };
  }
}

function ascii(text: string): boolean {
  return /^[\u0000-\u007f]*$/u.test(text);
}
