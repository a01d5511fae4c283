// Writing what became of a row, when somebody else may have written meanwhile: read again, decide again, write again.
// It never overwrites a version that it has not seen.

import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { deliveryId } from '#core/delivery/delivery.ts';
import type { Progress } from '#core/delivery/trace.ts';
import type { Ledger } from './ports.ts';

type RecordPorts = { readonly ledger: Ledger };
type Decide = (current: DeliveryRow) => Progress | null;

const TRIES = 5; // the sweep and a second worker may each come between once or twice; more is a bug

/**
 * `decide` may be called several times, with the row as it then stands; null leaves it alone. Returns the row for its facts. Its
 * version is the one before the write, so that writing it once more reads it first: its trace stands in the ledger alone.
 */
export async function recordOn(ports: RecordPorts, row: DeliveryRow, decide: Decide): Promise<DeliveryRow> {
  return (await recordedOn(ports, row, decide)).row;
}

/** The same, for who counts what became of a row: `written` is false where it was left alone, as somebody else had settled it. */
export async function recordedOn(
  ports: RecordPorts,
  row: DeliveryRow,
  decide: Decide,
): Promise<{ readonly row: DeliveryRow; readonly written: boolean }> {
  let current = row;
  for (let i = 0; i < TRIES; i++) {
    const progress = decide(current);
    if (progress === null) return { row: current, written: false };
    if ((await ports.ledger.write(progress.row, progress.events)) === 'written')
      return { row: progress.row, written: true };
    const again = await ports.ledger.read(current);
    if (again === null) throw new Error(`a ledger row vanished: ${deliveryId(current)}`);
    current = again;
  }
  throw new Error(`a ledger row changed ${TRIES} times under our hands: ${deliveryId(row)}`);
}
