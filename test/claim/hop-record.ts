// The next hops' own record of the attempts that they saw, for the claims of next-hop-claims.ts. It knows nothing of
// rows or outcomes.

import type { NextHopResult, Transaction } from '#pipeline/ports.ts';
import type { Seen } from './next-hop-claims.ts';
import { TURNED } from './sick-hops.ts';

/** Who makes an attempt: a job in its function. */
export type Caller = {
  /** Resolves when its function dies. */
  readonly died: Promise<unknown>;
  readonly givenAt: number;
  /** When the gate of this next hop let it in. */
  readonly turns: Map<string, number>;
};

export class HopRecord {
  readonly seen: Seen[] = [];
  private readonly now: () => number;

  constructor(now: () => number) {
    this.now = now;
  }

  /** Call what it returns at the attempt's end. */
  begin(nextHop: string, transaction: Transaction, caller: Caller): (results: readonly NextHopResult[]) => void {
    const [, spoolId = '', deliveryKey = ''] =
      /^(.*)-((?:[a-z2-7]{16}(?:-[a-z]+)?|digest))$/.exec(transaction.tag ?? '') ?? [];
    const { givenAt, turns } = caller;
    const seen: Seen = {
      ...{ nextHop, spoolId, deliveryKey, address: transaction.forwardPaths[0]?.address ?? '' },
      ...{ from: this.now(), until: Number.POSITIVE_INFINITY, givenAt, turnAt: turns.get(nextHop) ?? null },
      answer: 'other',
    };
    this.seen.push(seen);
    const end = () => {
      seen.until = Math.min(seen.until, this.now());
    };
    void caller.died.then(end);
    return ([result]) => {
      end();
      if (result?.kind !== 'reply') return;
      if (result.reply.code < 300) seen.answer = 'accepted';
      if (result.reply.text.startsWith(TURNED)) seen.answer = 'turned';
    };
  }
}
