// What an operator may do with one delivery: release what is held or quarantined, hold what is under way, remove either.
// Each is one conditional write, traced; it never touches content, and never a delivery with an attempt under way.
//
// | effect, in order         | if we die right after                                                             |
// | ------------------------ | --------------------------------------------------------------------------------- |
// | 1 row written            | released: the sweep sends the relay job by the row's `dueAt`; removed with a      |
// |                          | notice: it sends the bounce job likewise; otherwise there is nothing more to do   |
// | 2 relay or bounce job    | done; a second job is refused by the claim, or finds the row settled              |

import { heldByOperator, refused, released, removed } from '#core/custody.ts';
import type { DeliveryRef, DeliveryRow } from '#core/delivery.ts';
import { isUnderWay } from '#core/delivery.ts';
import { hasHeldNotice, noticeReleased } from '#core/notice-release.ts';
import { isPlaceholder } from '#core/orphan.ts';
import type { Progress } from '#core/progress.ts';
import { statusOf } from '#core/status.ts';
import type { Clock, JobQueue, Ledger } from './ports.ts';
import { recordOn } from './record.ts';

export type OperatePorts = {
  readonly ledger: Ledger;
  readonly relayQueue: JobQueue;
  readonly bounceQueue: JobQueue;
  readonly clock: Clock;
  readonly sweepAgainMs: number;
};
export type Operated =
  | { readonly kind: 'done'; readonly row: DeliveryRow }
  /** `why` is one line for people; `tryAgain`: an attempt is under way right now. */
  | { readonly kind: 'refused'; readonly row: DeliveryRow | null; readonly why: string; readonly tryAgain?: true };

/** Held or quarantined mail goes on: queued, with `lifetimeMs` to live from now; where its notice is what was held, that is sent. */
export async function release(ports: OperatePorts, ref: DeliveryRef, lifetimeMs: number): Promise<Operated> {
  const operated = await operate(ports, ref, (row, now) => {
    if (row.state !== 'held' && row.state !== 'quarantined') return `it is ${row.state}, neither held nor quarantined`;
    if (hasHeldNotice(row)) return noticeReleased(row, now, ports.sweepAgainMs);
    if (isPlaceholder(row)) return 'its receipt never came: name its recipients with --to ADDR';
    if (row.nextHop === '') return 'no route took it, so that there is nowhere to send it';
    return released(row, { now, lifetimeMs, sweepAgainMs: ports.sweepAgainMs });
  });
  if (operated.kind !== 'done') return operated;
  const queue = operated.row.state === 'queued' ? ports.relayQueue : ports.bounceQueue;
  await queue.send([jobFor(operated.row)]);
  return operated;
}

/** What is queued or deferred stops until it is released. */
export async function hold(ports: OperatePorts, ref: DeliveryRef): Promise<Operated> {
  return operate(ports, ref, (row, now) =>
    isUnderWay(row.state) ? heldByOperator(row, now) : `it is ${row.state}, not under way`,
  );
}

/** What is held, quarantined or under way ends here. Its sender is told, unless `notice` is false or nobody may be. */
export async function remove(ports: OperatePorts, ref: DeliveryRef, notice: boolean): Promise<Operated> {
  const operated = await operate(ports, ref, (row, now) => {
    const kept = row.state === 'held' || row.state === 'quarantined';
    if (!kept && !isUnderWay(row.state)) return `it is ${row.state}: nothing is left to remove`;
    // A copy answers to nobody, nor does a notice, and who was sent a notice already, or could not be, gets no second one. Of an orphan
    // nobody knows to whom it was written: a report that can not say what was not delivered to whom is none.
    const answers = !row.copy && row.kind === 'delivery' && row.notice?.kind !== 'ndr' && !isPlaceholder(row);
    if (!notice || !answers) return removed(row, now);
    return refused(row, REMOVED, { now, sweepAgainMs: ports.sweepAgainMs });
  });
  if (operated.kind === 'done' && operated.row.state === 'failed') await ports.bounceQueue.send([jobFor(operated.row)]);
  return operated;
}

const REMOVED = {
  reason: 'removed-by-operator',
  status: statusOf('5.7.1'),
  detail: 'the postmaster decided not to deliver this message',
};

async function operate(
  ports: OperatePorts,
  ref: DeliveryRef,
  decide: (row: DeliveryRow, now: number) => Progress | string,
): Promise<Operated> {
  const read = await ports.ledger.read(ref);
  if (read === null) return { kind: 'refused', row: null, why: 'it is not in the ledger' };
  let refusal: Operated | null = null;
  const row = await recordOn(ports, read, (current) => {
    const now = ports.clock.now();
    refusal = null;
    if (current.leaseUntil !== null && current.leaseUntil > now) {
      refusal = { kind: 'refused', row: current, why: 'an attempt is under way; try again soon', tryAgain: true };
      return null;
    }
    const decided = decide(current, now);
    if (typeof decided !== 'string') return decided;
    refusal = { kind: 'refused', row: current, why: decided };
    return null;
  });
  return refusal ?? { kind: 'done', row };
}

function jobFor(row: DeliveryRow) {
  return {
    job: { version: 1, spoolId: row.spoolId, deliveryKey: row.deliveryKey } as const,
    group: row.nextHop === '' ? 'none' : row.nextHop,
  };
}
