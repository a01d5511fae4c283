// One attempt's way through the hosts of a next hop: the time that each has, and the result of each forward-path. The
// next hop makes one for each attempt. core/reply/several-hosts.ts decides whether an answer leads to the next host,
// and which host's answer counts. It opens no connection.

import { smtpTurnMsMin } from '#core/limits.ts';
import type { AttemptResult } from '#core/reply/reply.ts';
import { decisive, leadsOn } from '#core/reply/several-hosts.ts';
import type { NextHopResult, Transaction } from '#pipeline/ports.ts';
import type { Transacted } from './connection.ts';
import type { SmtpServer } from './remote.ts';

/**
 * The time that all hosts but the last have together until they ask for the content: each has an equal share of the
 * rest. The last one has the RFC's limits, and the final dot after it.
 */
export class Turns {
  readonly #until: number;

  constructor(openingMs: number) {
    this.#until = Date.now() + openingMs;
  }

  /** Milliseconds for one of `turns`. */
  share(turns: number): number {
    return Math.max(smtpTurnMsMin, (this.#until - Date.now()) / turns);
  }

  /** When the first of `addresses` of a host must have asked for the content, with `others` behind it. */
  end(addresses: number, others: number): number | null {
    if (addresses === 1 && others === 0) return null;
    return Date.now() + this.share(addresses * (others + 1));
  }
}

/** One attempt's forward-paths, each with the words of the hosts that it was offered to. */
export class Search {
  #whole: Transaction;
  readonly #said: NextHopResult[][];
  /** Forward-paths that another host may take. */
  #open: readonly number[];
  #asked: string | null = null;
  /** The content was asked for: another host needs it once more. */
  #spent = false;

  constructor(transaction: Transaction) {
    this.#whole = transaction;
    this.#said = transaction.forwardPaths.map(() => []);
    this.#open = transaction.forwardPaths.map((_, index) => index);
  }

  /** It has answered in this attempt. */
  asked({ host, address }: SmtpServer): void {
    this.#asked = `${host} ${address}`;
  }

  wasAsked(host: string, address: string): boolean {
    return this.#asked === `${host} ${address}`;
  }

  get over(): boolean {
    return this.#open.length === 0;
  }

  /** The forward-paths that no host has taken yet. */
  get transaction(): Transaction {
    const forwardPaths = this.#whole.forwardPaths.filter((_, index) => this.#open.includes(index));
    return { ...this.#whole, forwardPaths };
  }

  /** No connection, for all that are open. */
  failed(result: AttemptResult): void {
    for (const index of this.#open) this.#said[index]?.push(result);
    if (!leadsOn(result)) this.#open = [];
  }

  heard({ results, untouched }: Transacted): void {
    const open: number[] = [];
    for (const [i, index] of this.#open.entries()) {
      const result = results[i];
      if (result === undefined) throw new Error('a connection gave no result for a forward-path');
      this.#said[index]?.push(result);
      if ((untouched || this.#whole.contentAgain !== undefined) && leadsOn(result)) open.push(index);
    }
    this.#open = open;
    this.#spent ||= !untouched;
  }

  /** Has the content for another host. False: the search is over, because it cannot be read once more. */
  async ready(): Promise<boolean> {
    if (!this.#spent) return true;
    const content = (await this.#whole.contentAgain?.()) ?? null;
    if (content === null) return false;
    this.#whole = { ...this.#whole, content };
    this.#spent = false;
    return true;
  }

  results(): readonly NextHopResult[] {
    return this.#said.map((said) => {
      const { word, others } = decisive(said);
      return others.length === 0 ? word : { ...word, tried: others };
    });
  }
}
