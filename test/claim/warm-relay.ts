// What a relay function keeps from one invocation to the next, as lambdas/relay.ts has it: the board as it last read
// it, its places at next hops with limits, and the failures that it counted. Its calls are those of the invocation that
// runs just now, and die with it.

import { boardEveryMs } from '#core/limits.ts';
import { BoardView } from '#pipeline/next-hop-board.ts';
import type { FailureCounts } from '#pipeline/relay/failure-counts.ts';
import type { NextHopGate } from '#pipeline/relay/next-hop-gate.ts';
import { failuresOf, gateOf } from '../kit/board.ts';
import type { Invocation } from './process.ts';
import type { World } from './world.ts';

export class WarmRelay {
  readonly board: BoardView;
  readonly gate: NextHopGate;
  readonly failures: FailureCounts;
  private current: Invocation | null = null;

  constructor(world: World, holder: string) {
    const now = <T extends object>(of: (invocation: Invocation) => T) => this.delegate(of);
    const [clock, timer, watch] = [now(({ clock: of }) => of), now(({ timer: of }) => of), now(({ watch: of }) => of)];
    const board = now((invocation) => invocation.port('board', 'ledger', world.board));
    const store = now((invocation) => invocation.port('failures', 'ledger', world.failures));
    this.board = new BoardView({ board, clock, watch }, boardEveryMs);
    this.gate = gateOf({ settings: world.plan.settings, clock, timer, watch, board, holder });
    this.failures = failuresOf({ clock, watch }, store);
  }

  begin(invocation: Invocation): void {
    this.current = invocation;
  }

  /** As lambdas/relay.ts: places are given back before the function is frozen. */
  ended(): Promise<void> {
    return this.current === null ? Promise.resolve() : this.gate.ended();
  }

  private delegate<T extends object>(of: (invocation: Invocation) => T): T {
    return new Proxy({} as T, {
      get: (_, property) => {
        if (this.current === null) throw new Error('no invocation runs');
        const port = of(this.current);
        const member: unknown = Reflect.get(port, property, port);
        return typeof member === 'function' ? member.bind(port) : member;
      },
    });
  }
}
