// The next hop by SMTP or LMTP: hosts in order, and connections kept for the next job for a short while.
// Never loses an attempt's result: whatever servers and networks do comes back as a value. It throws only for what is a
// bug of ours, a path that no parser of ours lets through.

import { createSecureContext, type SecureContext } from 'node:tls';
import type { LmtpSettings, SmtpSettings } from '#config/settings.ts';
import { smtpKeptAgeMs, smtpKeptIdleMs, smtpKeptMax, smtpKeptMessagesMax, smtpTimeoutsMs } from '#core/limits.ts';
import type { Mailbox } from '#core/message/address.ts';
import type { AttemptResult } from '#core/reply/reply.ts';
import type { NextHop, NextHopResult, Transaction } from '#pipeline/ports.ts';
import { type HostHabits, openSmtp, type SmtpConnection, type SmtpServer, type SmtpTimeouts } from './connection.ts';
import type { Credentials } from './login.ts';

export type SmtpTerms = {
  /** Our name in EHLO. */
  readonly ehloName: string;
  /** Reads the login; asked once for each connection, where the settings have `auth`. */
  readonly credentials: (() => Promise<Credentials>) | null;
  /** For tests: phases that shall end sooner. */
  readonly timeoutsMs?: Partial<SmtpTimeouts>;
};

type Kept = {
  readonly connection: SmtpConnection;
  readonly openedAt: number;
  idleSince: number;
  timer: NodeJS.Timeout;
};

export class SmtpNextHop implements NextHop {
  readonly #settings: SmtpSettings | LmtpSettings;
  readonly #terms: SmtpTerms;
  readonly #timeouts: SmtpTimeouts;
  #context: SecureContext | undefined;
  #kept: Kept[] = [];
  readonly #habits = new Map<string, HostHabits>();
  #closed = false;

  constructor(settings: SmtpSettings | LmtpSettings, terms: SmtpTerms) {
    this.#settings = settings;
    this.#terms = terms;
    this.#timeouts = { ...smtpTimeoutsMs, ...terms.timeoutsMs };
  }

  async attempt(transaction: Transaction, signal: AbortSignal): Promise<readonly NextHopResult[]> {
    for (const path of [transaction.reversePath, ...transaction.forwardPaths]) demandSafe(path);
    for (let kept = this.#takeKept(); kept !== null; kept = this.#takeKept()) {
      await kept.connection.settle(); // what was said while nobody read it says whether the connection is good
      if (!kept.connection.usable) {
        void kept.connection.close();
        continue;
      }
      const { results, again } = await kept.connection.transact(transaction, signal, this.#timeouts.kept);
      // One that was closed while it lay idle has not been an attempt: nothing but commands was sent.
      if (again !== null && !signal.aborted) {
        await kept.connection.close();
        continue;
      }
      this.#keep(kept.connection, kept.openedAt);
      return results;
    }
    return this.#fresh(transaction, signal);
  }

  async close(): Promise<void> {
    this.#closed = true;
    const kept = this.#kept;
    this.#kept = [];
    for (const { timer } of kept) clearTimeout(timer);
    await Promise.all(kept.map(({ connection }) => connection.close()));
  }

  async #fresh(transaction: Transaction, signal: AbortSignal): Promise<readonly NextHopResult[]> {
    const credentials = await this.#login();
    if (credentials !== null && 'kind' in credentials) return transaction.forwardPaths.map(() => credentials);
    const { kind: protocol, hosts, port, tls } = this.#settings;
    const failures: AttemptResult[] = [];
    for (const host of hosts) {
      const server = {
        protocol,
        host,
        port,
        tls,
        context: this.#tlsContext(),
        ehloName: this.#terms.ehloName,
        credentials,
        timeouts: this.#timeouts,
        habits: this.#habitsOf(host),
      };
      const opened = await openSmtp(server, signal);
      if (opened.kind === 'open') return this.#transact(opened.connection, server, transaction, signal);
      failures.push(opened.result);
      if (!opened.elsewhere) break;
    }
    const result = summary(failures);
    return transaction.forwardPaths.map(() => result);
  }

  /** Once more on another connection, one by one, where the server dropped what was pipelined: no content was sent. */
  async #transact(
    connection: SmtpConnection,
    server: SmtpServer,
    transaction: Transaction,
    signal: AbortSignal,
  ): Promise<readonly NextHopResult[]> {
    const openedAt = Date.now();
    const first = await connection.transact(transaction, signal, this.#timeouts.mail);
    if (first.again !== 'one-by-one' || signal.aborted) {
      this.#keep(connection, openedAt);
      return first.results;
    }
    void connection.close();
    const opened = await openSmtp(server, signal);
    if (opened.kind === 'failed') return first.results;
    const { results } = await opened.connection.transact(transaction, signal, this.#timeouts.mail);
    this.#keep(opened.connection, Date.now());
    return results;
  }

  #habitsOf(host: string): HostHabits {
    const habits = this.#habits.get(host) ?? { dropsPipelined: false, login: null };
    this.#habits.set(host, habits);
    return habits;
  }

  /** Null where none is needed; a result where it cannot be read: the operator's to mend, and the message waits. */
  async #login(): Promise<Credentials | AttemptResult | null> {
    if (this.#settings.auth === null) return null;
    try {
      if (this.#terms.credentials === null) throw new Error('no reader of secrets is wired');
      const { username, password } = await this.#terms.credentials();
      return { username, password };
    } catch (error) {
      const why = error instanceof Error ? error.name : 'unknown'; // its message might quote the secret
      const detail = `the secret ${this.#settings.auth.secret} could not be read: ${why}`;
      return { kind: 'capability', fault: 'credentials-unavailable', detail, host: null };
    }
  }

  #tlsContext(): SecureContext | undefined {
    if (this.#settings.tls === 'off' || this.#settings.ca === null) return undefined;
    this.#context ??= createSecureContext({ ca: this.#settings.ca });
    return this.#context;
  }

  /** Keeps a connection that is worth it, or says goodbye. */
  #keep(connection: SmtpConnection, openedAt: number): void {
    const worthIt =
      connection.usable && connection.count < smtpKeptMessagesMax && Date.now() - openedAt < smtpKeptAgeMs;
    if (this.#closed || !worthIt || this.#kept.length >= smtpKeptMax) {
      void connection.close();
      return;
    }
    connection.rest();
    const kept: Kept = {
      connection,
      openedAt,
      idleSince: Date.now(),
      timer: setTimeout(() => this.#drop(kept), smtpKeptIdleMs),
    };
    kept.timer.unref();
    this.#kept.push(kept);
  }

  /** The one used last, if it is still good. The clock is asked too: timers stand still while Lambda freezes us. */
  #takeKept(): Kept | null {
    for (let kept = this.#kept.pop(); kept !== undefined; kept = this.#kept.pop()) {
      clearTimeout(kept.timer);
      const now = Date.now();
      const fresh = now - kept.idleSince < smtpKeptIdleMs && now - kept.openedAt < smtpKeptAgeMs;
      if (fresh && kept.connection.usable) return kept;
      void kept.connection.close();
    }
    return null;
  }

  #drop(kept: Kept): void {
    this.#kept = this.#kept.filter((other) => other !== kept);
    void kept.connection.close();
  }
}

/** The last host's word; where that is a silence of the network, with what the others said. */
function summary(failures: readonly AttemptResult[]): AttemptResult {
  const last = failures.at(-1);
  if (last === undefined) throw new Error('a next hop without hosts');
  if (last.kind === 'reply' || failures.length === 1) return last;
  const detail = failures.map((failure) =>
    failure.kind === 'reply' ? `${failure.reply.host}: ${failure.reply.code} ${failure.reply.text}` : failure.detail,
  );
  return { ...last, detail: detail.join('; ').slice(0, 1_000) };
}

// Nothing that could end the command or the path early: a control character, or outside quotes a space or angle
// bracket.
const SAFE_PATH =
  /^(?:[^\u0000-\u0020\u007f<>"]+|"(?:[^\u0000-\u001f\u007f"\\]|\\[^\u0000-\u001f\u007f])*"@[^\u0000-\u0020\u007f<>"]+)$/u;

function demandSafe(path: Mailbox | null): void {
  if (path !== null && !SAFE_PATH.test(path.address))
    throw new Error(`not a path for SMTP: ${JSON.stringify(path.address)}`);
}
