// Writes a row's new state where another worker may have written meanwhile: it reads again, decides again and writes
// again. It never overwrites a version that it has not read.

import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { deliveryId } from '#core/delivery/delivery.ts';
import type { Progress } from '#core/delivery/trace.ts';
import type { Ledger } from './ports.ts';

type RecordPorts = { readonly ledger: Ledger };

const TRIES = 5; // the sweep and a second worker may each come between once or twice; more is a bug

/** `written` is false where the row was left alone, because another worker had settled it. */
export type Recorded<P> = {
  readonly row: DeliveryRow;
  readonly written: boolean;
  /** The decision about the row that was written; null where it was left alone. */
  readonly decided: P | null;
};

/**
 * `decide` may be called several times, with the row as it then stands; null leaves it alone. Returns the row for its
 * facts. Its version is the one before the write, so that writing it once more reads it first: its trace stands in the
 * ledger alone.
 */
export async function recordOn<P extends Progress>(
  ports: RecordPorts,
  row: DeliveryRow,
  decide: (current: DeliveryRow) => P | null,
): Promise<Recorded<P>> {
  let current = row;
  for (let i = 0; i < TRIES; i++) {
    const decided = decide(current);
    if (decided === null) return { row: current, written: false, decided };
    if ((await ports.ledger.write(decided.row, decided.events)) === 'written')
      return { row: decided.row, written: true, decided };
    const again = await ports.ledger.read(current);
    if (again === null) throw new Error(`a ledger row vanished: ${deliveryId(current)}`);
    current = again;
  }
  throw new Error(`a ledger row changed ${TRIES} times under our hands: ${deliveryId(row)}`);
}
