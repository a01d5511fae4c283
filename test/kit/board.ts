// A view of a board of next hops in memory, for tests of a stage that say nothing about health or pauses.

import { MemoryBoard } from '#adapters/memory/board.ts';
import { boardEveryMs } from '#core/limits.ts';
import { BoardView } from '#pipeline/next-hop-board.ts';
import type { Clock, Watch } from '#pipeline/ports.ts';

export function boardOf(
  { clock, watch }: { readonly clock: Clock; readonly watch: Watch },
  board = new MemoryBoard(),
): BoardView {
  return new BoardView({ board, clock, watch }, boardEveryMs);
}
