// Queues a notice: its row, once, and its relay job. Called by whatever gives a notice: bounce, the postmaster's copy,
// the delay and success notices, the digest. It never composes one, and never decides whether there may be one.
//
// | effect, in order | if we die right after                                             |
// | ---------------- | ----------------------------------------------------------------- |
// | 1 the row        | the caller's job comes again and finds it; the sweep knows it too |
// | 2 its relay job  | a second one is refused by the claim                              |

import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { deliveryId, isUnderWay } from '#core/delivery/delivery.ts';
import { workFor } from './jobs.ts';
import type { JobQueue, Ledger } from './ports.ts';

/** Returns the row that stands: this notice's, or an earlier one, which may have ended. */
export async function queueNotice(
  ports: { readonly ledger: Ledger; readonly relayQueue: JobQueue },
  notice: DeliveryRow,
): Promise<DeliveryRow> {
  const [result] = await ports.ledger.create([notice], null);
  const standing = result === 'exists' ? await ports.ledger.read(notice) : notice;
  if (standing === null) throw new Error(`a notice's row vanished: ${deliveryId(notice)}`);
  if (isUnderWay(standing.state) && standing.attempts === 0) await ports.relayQueue.send([workFor(standing)]);
  return standing;
}
