// What is paused now, read anew by each run of the sweep. The sweep also records `transfer` of the configuration there,
// with the instant from which it holds. It touches no delivery.

import type { Settings } from '#config/settings.ts';
import { type Pauses, pausesOf } from '#core/delivery/pause.ts';
import type { BoardView } from '#pipeline/next-hop-board.ts';
import { recordTransfer } from '#pipeline/operate/pauses.ts';
import type { Clock } from '#pipeline/ports.ts';

type Ports = { readonly board: BoardView; readonly settings: Settings; readonly clock: Clock };

export async function pausesNow({ board, settings, clock }: Ports): Promise<Pauses> {
  const { pauses } = await board.readAgain();
  const isChanged = await recordTransfer({ board, clock }, settings, pauses);
  const records = isChanged ? (await board.readAgain()).pauses : pauses;
  return pausesOf(records, settings, clock.now());
}
