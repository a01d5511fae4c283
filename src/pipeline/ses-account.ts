// What SES says of our account: whether it sends, and its quotas. The sweep reads it, because relay's permissions and
// bundle shall not grow by it, and writes the sending rate into the one record of turns that all functions share for
// SES. Relay's gate reads that record. It never decides whether a message may go.

import { sesAccountTurns, unknownTurns } from '#core/delivery/next-hop-turns.ts';
import type { NextHopBoard } from './next-hop-board.ts';
import type { Clock, Watch } from './ports.ts';

export type SesAccount = {
  readonly sendingEnabled: boolean;
  /** False: the account is in SES's sandbox. */
  readonly productionAccess: boolean;
  /** SES's word: HEALTHY, PROBATION or SHUTDOWN. */
  readonly enforcement: string;
  /** Recipients in a second; null: SES names no rate. */
  readonly ratePerSecond: number | null;
  /** Recipients in 24 hours; null: no limit. */
  readonly max24Hours: number | null;
  readonly sentLast24Hours: number;
};

/** How much of the quota of 24 hours is used; 0 where there is no limit. */
export function quotaShare({ max24Hours, sentLast24Hours }: SesAccount): number {
  return max24Hours === null ? 0 : sentLast24Hours / max24Hours;
}

export interface SesAccountReader {
  /** One call. Throws where SES does. */
  read(signal: AbortSignal): Promise<SesAccount>;
}

export type SesAccountPorts = {
  readonly reader: SesAccountReader;
  readonly board: Pick<NextHopBoard, 'readTurns' | 'writeTurns'>;
  readonly clock: Clock;
  readonly watch: Watch;
};

const TRIES = 5; // relay writes the record too

/** One for each function instance. */
export class SesAccountView {
  readonly #ports: SesAccountPorts;
  readonly #everyMs: number;
  #known: { readonly account: SesAccount | null; readonly at: number } | null = null;

  constructor(ports: SesAccountPorts, everyMs: number) {
    this.#ports = ports;
    this.#everyMs = everyMs;
  }

  /**
   * The account as it was at most `everyMs` ago, its rate recorded; null where it cannot be read. Never rejects: mail
   * goes on without it, at the rate that was known before.
   */
  async account(signal: AbortSignal): Promise<SesAccount | null> {
    const { reader, clock, watch } = this.#ports;
    const now = clock.now();
    if (this.#known !== null && now - this.#known.at < this.#everyMs) return this.#known.account;
    let account: SesAccount | null = null;
    try {
      account = await reader.read(signal);
      await this.#record(account);
    } catch (error) {
      watch.error('sweep.ses-account-not-read', { error: String(error) });
    }
    this.#known = { account, at: now };
    return account;
  }

  async #record({ ratePerSecond }: SesAccount): Promise<void> {
    const { board, watch } = this.#ports;
    let turns = (await board.readTurns(sesAccountTurns)) ?? unknownTurns(sesAccountTurns);
    for (let i = 0; i < TRIES && turns.messagesPerSecond !== ratePerSecond; i++) {
      const standing = await board.writeTurns({ ...turns, messagesPerSecond: ratePerSecond });
      if (standing === null) return watch.info('sweep.ses-rate', { ratePerSecond });
      turns = standing;
    }
  }
}
