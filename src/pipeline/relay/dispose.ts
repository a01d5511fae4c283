// What relay does with a delivery whose next hop became one that refuses or discards while the delivery was under way:
// the same that ingest does for later mail. No attempt is made. Its one write is the claimed row's; the caller sends a
// failed row's bounce job.

import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { isUnderWay } from '#core/delivery/delivery.ts';
import { discarded, refused } from '#core/delivery/hold-release.ts';
import { isCanary } from '#core/delivery/key.ts';
import { routeDisposition } from '#core/routing/policy.ts';
import { recordOn } from '#pipeline/record.ts';
import type { RelayPorts } from './relay-ports.ts';

/** The row as it was settled, or null where its next hop takes mail. */
export async function disposeByRoute(ports: RelayPorts, claimed: DeliveryRow): Promise<DeliveryRow | null> {
  const byRoute = routeDisposition(ports.settings.nextHops[claimed.nextHop]);
  if (byRoute === null) return null;
  const terms = { now: ports.clock.now(), sweepAgainMs: ports.sweepAgainMs };
  const { row, written } = await recordOn(ports, claimed, (current) => {
    if (!isUnderWay(current.state)) return null;
    return byRoute.kind === 'discard'
      ? discarded(current, byRoute.reason, terms.now, 1)
      : refused(current, byRoute, terms, 1);
  });
  if (!written) return row; // somebody else settled it meanwhile
  if (!isCanary(row)) ports.watch.count(row.state === 'discarded' ? 'Discarded' : 'Failed');
  ports.watch.warn(row.state === 'discarded' ? 'relay.discarded' : 'relay.failed', {
    spoolId: row.spoolId,
    forwardPath: row.forwardPath,
    nextHop: row.nextHop,
    reason: row.stateReason,
  });
  return row;
}
