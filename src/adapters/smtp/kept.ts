// The connections of one next hop in one function instance: how many are used at once, which are kept for the next
// message, and when they are closed. The next hop takes one before an attempt and gives it back after it. It opens
// none, and sends QUIT alone.

import {
  smtpBusyMs,
  smtpKeptAgeMs,
  smtpKeptIdleMs,
  smtpKeptMax,
  smtpKeptMessagesMax,
  smtpSharedFrom,
  smtpSharedWaitMs,
} from '#core/limits.ts';
import type { SmtpConnection } from './connection.ts';

type Idle = {
  readonly connection: SmtpConnection;
  idleSince: number;
  timer: NodeJS.Timeout;
};

export class KeptConnections {
  #idle: Idle[] = [];
  /** Attempts under way: each has a connection, or opens one. */
  #busy = 0;
  /** Attempts that wait for one of these to end. */
  #waiting: (() => void)[] = [];
  /** When the invocation before this one ended; whether this one began right after it. */
  #endedAt = Number.NEGATIVE_INFINITY;
  #followsClosely: boolean | null = null;
  #closed = false;

  /**
   * The connection to use, or null: open one. Each call is followed by one of `done`. While several are in use, the
   * next one that is free comes sooner than a fresh one would; a slow one is not waited for longer than that.
   */
  async take(signal: AbortSignal): Promise<SmtpConnection | null> {
    this.#followsClosely ??= Date.now() - this.#endedAt < smtpBusyMs;
    if (this.#idle.length === 0 && this.#busy >= smtpSharedFrom) await this.#oneToEnd(signal);
    this.#busy++;
    for (let idle = this.#newest(); idle !== null; idle = this.#newest()) {
      await idle.settle(); // bytes that came while the connection was idle tell whether it is good
      if (idle.usable) return idle;
      void idle.close();
    }
    return null;
  }

  /** The attempt has ended. Its connection, where it has one, is kept if it is worth it. */
  done(connection: SmtpConnection | null): void {
    this.#busy--;
    if (connection !== null) this.#keep(connection);
    this.#waiting.shift()?.();
  }

  /** Closes the idle connections: one of them was broken, and the others are as old. */
  async closeIdle(): Promise<void> {
    const idle = this.#idle;
    this.#idle = [];
    for (const { timer } of idle) clearTimeout(timer);
    await Promise.all(idle.map(({ connection }) => connection.close()));
  }

  /**
   * The invocation is over, and the function may be frozen for hours, with the server's connections open. They are kept
   * only where invocations follow each other closely.
   */
  async invocationEnded(): Promise<void> {
    const keep = this.#followsClosely === true;
    this.#followsClosely = null;
    this.#endedAt = Date.now();
    if (!keep) await this.closeIdle();
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.closeIdle();
  }

  #oneToEnd(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const go = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', go);
        this.#waiting = this.#waiting.filter((other) => other !== go);
        resolve();
      };
      const timer = setTimeout(go, smtpSharedWaitMs);
      signal.addEventListener('abort', go, { once: true });
      this.#waiting.push(go);
      if (signal.aborted) go();
    });
  }

  #keep(connection: SmtpConnection): void {
    const worthIt =
      connection.usable && connection.count < smtpKeptMessagesMax && Date.now() - connection.openedAt < smtpKeptAgeMs;
    if (this.#closed || !worthIt || this.#idle.length >= smtpKeptMax) {
      void connection.close();
      return;
    }
    connection.rest();
    const idle: Idle = {
      connection,
      idleSince: Date.now(),
      timer: setTimeout(() => this.#drop(idle), smtpKeptIdleMs),
    };
    idle.timer.unref();
    this.#idle.push(idle);
  }

  /** The one used last, if it is still good. The clock is asked too: timers stand still while Lambda freezes us. */
  #newest(): SmtpConnection | null {
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
      const { connection, idleSince, timer } = idle;
      clearTimeout(timer);
      const now = Date.now();
      const fresh = now - idleSince < smtpKeptIdleMs && now - connection.openedAt < smtpKeptAgeMs;
      if (fresh && connection.usable) return connection;
      void connection.close();
    }
    return null;
  }

  #drop(idle: Idle): void {
    this.#idle = this.#idle.filter((other) => other !== idle);
    void idle.connection.close();
  }
}
