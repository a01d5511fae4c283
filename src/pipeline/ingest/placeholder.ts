// Ends the placeholder of an orphan when the message has deliveries of its own: its receipt came, or an operator named
// the recipients. Called by ingest and by the search for orphans. One conditional write, traced. It never writes a
// placeholder that has ended already, nor any other row.

import { superseded } from '#core/delivery/hold-release.ts';
import { doneBy } from '#core/delivery/trace.ts';
import { isDoubt, placeholderKey } from '#core/spool/orphan.ts';
import type { Clock, Ledger, Watch } from '#pipeline/ports.ts';
import { recordOn } from '#pipeline/record.ts';

type EndPorts = { readonly ledger: Ledger; readonly clock: Clock; readonly watch: Watch };

/**
 * `by`: the caller of the operator's command. False where there is none, or it has ended. Another function that ends it
 * at the same moment does no harm.
 */
export async function endPlaceholder(
  ports: EndPorts,
  spoolId: string,
  reason: 'receipt-came' | 'recipients-named',
  by?: string,
): Promise<boolean> {
  const standing = await ports.ledger.read({ spoolId, deliveryKey: placeholderKey });
  if (standing?.state !== 'held' || (reason === 'receipt-came' && isDoubt(standing))) return false;
  await recordOn(ports, standing, (current) =>
    current.state === 'held' ? doneBy(superseded(current, reason, ports.clock.now()), by) : null,
  );
  ports.watch.info('orphans.placeholder-ended', { spoolId, forwardPath: standing.forwardPath, reason });
  return true;
}
