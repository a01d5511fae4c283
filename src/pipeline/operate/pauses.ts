// Pausing and resuming: one record of the board of next hops for each scope. Called by `everpost pause` and `resume`,
// and by the sweep for what the configuration says. It touches no delivery: relay and the sweep ask the board.
//
// | effect, in order | if we die right after                                                       |
// | ---------------- | --------------------------------------------------------------------------- |
// | 1 record written | done: every function knows it within ten seconds (`boardEveryMs`)           |

import type { Settings } from '#config/settings.ts';
import { configuredAs, neverPaused, type Pause, type PauseMode, pausedAs, resumedBy } from '#core/delivery/pause.ts';
import type { NextHopBoard } from '#pipeline/next-hop-board.ts';
import type { Clock } from '#pipeline/ports.ts';

export type PausePorts = { readonly board: NextHopBoard; readonly clock: Clock };

/** `changed`: false where it was so already. `record` and `others` as they stand afterwards. */
export type PauseResult = {
  readonly changed: boolean;
  readonly record: Pause;
  readonly others: readonly Pause[];
};

export function pause(ports: PausePorts, scope: string, mode: PauseMode, by: string): Promise<PauseResult> {
  return change(ports, scope, (record, now) => pausedAs(record, mode, by, now));
}

export function resume(ports: PausePorts, scope: string, by: string): Promise<PauseResult> {
  return change(ports, scope, (record, now) => resumedBy(record, by, now));
}

/**
 * Records what the configuration says of a direction, and since when: a drain keeps what came after that, and a
 * lifetime is extended by it. Makes no call where it is recorded already, and is then false.
 */
export async function recordTransfer(
  { board, clock }: { readonly board: Pick<NextHopBoard, 'writePause'>; readonly clock: Clock },
  { transfer }: Pick<Settings, 'transfer'>,
  known: readonly Pause[],
): Promise<boolean> {
  let isChanged = false;
  for (const direction of ['inbound', 'outbound'] as const) {
    const record = known.find(({ scope }) => scope === direction) ?? neverPaused(direction);
    const next = configuredAs(record, transfer[direction], clock.now());
    if (next === null) continue;
    await board.writePause(next); // lost: another wrote, and the next run looks again
    isChanged = true;
  }
  return isChanged;
}

const TRIES = 5; // each lost to another operator's word, which is read again

async function change(
  { board, clock }: PausePorts,
  scope: string,
  decide: (record: Pause, now: number) => Pause | null,
): Promise<PauseResult> {
  for (let i = 0; i < TRIES; i++) {
    const { pauses } = await board.read();
    const others = pauses.filter((each) => each.scope !== scope);
    const record = pauses.find((each) => each.scope === scope) ?? neverPaused(scope);
    const next = decide(record, clock.now());
    if (next === null) return { changed: false, record, others };
    if ((await board.writePause(next)) === 'written') return { changed: true, record: next, others };
  }
  throw new Error(`the pause of ${scope} was written by somebody else ${TRIES} times in a row: try again`);
}
