// The fallback: what bounce does first with a delivery that expired and whose route names a second next hop. The
// delivery is queued again for that next hop. It never gives or withholds a notice; a delivery that it leaves alone is
// treated as any failure.
//
// | effect, in order       | if we die right after                                                                 |
// | ---------------------- | ------------------------------------------------------------------------------------- |
// | 1 row queued for the   | the bounce job comes again and finds it no longer expired; the sweep sends the relay  |
// |   fallback             | job by the row's new `dueAt`                                                          |
// | 2 relay job            | done; a second job is refused by the claim                                            |

import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { canFallBack, redirected } from '#core/delivery/fallback.ts';
import type { Finished } from '#pipeline/finished.ts';
import { finished } from '#pipeline/finished.ts';
import { workFor } from '#pipeline/jobs.ts';
import { recordOn } from '#pipeline/record.ts';
import type { BouncePorts } from './bounce-ports.ts';

/** Null where there is nothing to fall back to. */
export async function fallBack(ports: BouncePorts, row: DeliveryRow): Promise<Finished | null> {
  if (!canFallBack(row) || row.fallback === null) return null;
  if (ports.settings.nextHops[row.fallback] === undefined) {
    // The configuration has changed since: the sender is told, and the mail is not deferred for another lifetime.
    ports.watch.error('bounce.fallback-missing', { ...fieldsOf(row), fallback: row.fallback });
    return null;
  }
  const terms = {
    now: ports.clock.now(),
    lifetimeMs: ports.settings.retry.lifetimeMs,
    sweepAgainMs: ports.sweepAgainMs,
  };
  const { row: next, written } = await recordOn(ports, row, (current) => redirected(current, terms));
  if (next.state !== 'queued') return finished('settled-already');
  await ports.relayQueue.send([workFor(next)]);
  if (!written) return finished('redirected'); // by another job of the same delivery, which counted it
  ports.watch.count('Redirected');
  ports.watch.warn('bounce.redirected', { ...fieldsOf(row), from: row.nextHop, to: next.nextHop });
  return finished('redirected');
}

function fieldsOf(row: DeliveryRow): Record<string, unknown> {
  return { spoolId: row.spoolId, deliveryKey: row.deliveryKey, forwardPath: row.forwardPath, status: row.lastStatus };
}
