// What an operator may do with one delivery: release one that is held or quarantined, hold one that is under way,
// remove either, and resubmit one that a next hop accepted and lost. Called by the verbs of `everpost`. Each is one
// conditional write, traced. It never changes content, and never a delivery with an attempt under way.
//
// | effect, in order         | if we die right after                                                             |
// | ------------------------ | --------------------------------------------------------------------------------- |
// | 1 row written            | released, resubmitted: the sweep sends the relay job by the row's `dueAt`;        |
// |                          | removed with a notice: the bounce job likewise; otherwise nothing more is to do   |
// | 2 relay or bounce job    | done; a second job is refused by the claim, or finds the row settled              |

import { heldBecauseOf } from '#core/delivery/become.ts';
import type { DeliveryRef, DeliveryRow } from '#core/delivery/delivery.ts';
import { isHeldFailure, isUnderWay } from '#core/delivery/delivery.ts';
import { destinationOf } from '#core/delivery/destination.ts';
import { heldFailureRetried, heldFailureReturned } from '#core/delivery/failure-limit.ts';
import { heldByOperator, refused, released, removed } from '#core/delivery/hold-release.ts';
import { holdingFacts } from '#core/delivery/progress.ts';
import { resubmitted, whyNotResubmitted } from '#core/delivery/resubmission.ts';
import { doneBy, type Progress } from '#core/delivery/trace.ts';
import { hasHeldNotice, noticeReleased } from '#core/notice/held-notice.ts';
import { statusOf } from '#core/reply/status.ts';
import { isPlaceholder } from '#core/spool/orphan.ts';
import { sendWork, workFor } from '#pipeline/jobs.ts';
import type { Clock, JobQueue, Ledger, Spool } from '#pipeline/ports.ts';
import { recordOn } from '#pipeline/record.ts';

export type OperatePorts = {
  readonly ledger: Ledger;
  readonly relayQueue: JobQueue;
  readonly bounceQueue: JobQueue;
  readonly feedbackQueue: JobQueue;
  readonly clock: Clock;
  readonly sweepAgainMs: number;
  /** The caller of the command, for the trace; the verbs always name it (src/cli/caller.ts). */
  readonly by?: string;
};
export type Operated =
  | { readonly kind: 'done'; readonly row: DeliveryRow }
  /** `why` is one line for people; `tryAgain`: an attempt is under way right now. */
  | { readonly kind: 'refused'; readonly row: DeliveryRow | null; readonly why: string; readonly tryAgain?: true };

/**
 * Held or quarantined mail goes on: queued, with `lifetimeMs` from now on; where its notice was held, also by the
 * failure limit, that is sent.
 */
export async function release(ports: OperatePorts, ref: DeliveryRef, lifetimeMs: number): Promise<Operated> {
  const operated = await operate(ports, ref, (row, now) => {
    if (row.state !== 'held' && row.state !== 'quarantined') return `it is ${row.state}, neither held nor quarantined`;
    if (isHeldFailure(row)) return heldFailureReturned(row, 'released', { now, sweepAgainMs: ports.sweepAgainMs });
    if (hasHeldNotice(row)) return noticeReleased(row, now, ports.sweepAgainMs);
    if (isPlaceholder(row)) return 'its receipt never came: name its recipients with --to ADDR';
    if (destinationOf(row) === 'nowhere') return 'no route took it, so that there is nowhere to send it';
    return released(row, { now, lifetimeMs, sweepAgainMs: ports.sweepAgainMs });
  });
  if (operated.kind !== 'done') return operated;
  if (operated.row.state === 'queued') await sendWork(ports, [workFor(operated.row)]);
  else await ports.bounceQueue.send([workFor(operated.row)]);
  return operated;
}

/**
 * What the failure limit holds is tried again; it keeps its attempts and what was left of its lifetime. `lifetimeMs`
 * from now on where none was left.
 */
export async function retry(ports: OperatePorts, ref: DeliveryRef, lifetimeMs: number): Promise<Operated> {
  const operated = await operate(ports, ref, (row, now) => {
    if (row.state !== 'held') return `it is ${row.state}, not held`;
    if (!isHeldFailure(row))
      return `the failure limit does not hold it, but ${heldBecauseOf(row)}: see everpost release`;
    return heldFailureRetried(row, { now, lifetimeMs, sweepAgainMs: ports.sweepAgainMs });
  });
  if (operated.kind === 'done') await sendWork(ports, [workFor(operated.row)]);
  return operated;
}

export type ResubmitPorts = OperatePorts & { readonly spool: Spool };
type Refused = Extract<Operated, { kind: 'refused' }>;

/**
 * Mail that a next hop accepted and lost is relayed again, as if it were new. `selected` is the row as the operator
 * meant it: one that was attempted since then, by another operator's command, is left alone.
 */
export async function resubmit(
  ports: ResubmitPorts,
  selected: DeliveryRow,
  lifetimeMs: number,
  signal: AbortSignal,
): Promise<Operated> {
  const refusal = await whyNotNow(ports, selected, signal);
  if (refusal !== null) return refusal;
  const facts = selected.message ?? (await ports.ledger.message(selected.spoolId));
  const operated = await operate(ports, selected, (row, now) => {
    const why = whyNotResubmitted(row);
    if (why !== null) return why;
    if (row.lastAttemptAt !== selected.lastAttemptAt) return 'it was relayed once more meanwhile';
    return holdingFacts(resubmitted(row, { now, lifetimeMs, sweepAgainMs: ports.sweepAgainMs }), facts);
  });
  if (operated.kind === 'done') await sendWork(ports, [workFor(operated.row)]);
  return operated;
}

/**
 * Why it could not be resubmitted, by its row and by a look at its content, of which one byte is read; null where it
 * could.
 */
export async function whyNotNow(
  { ledger, spool }: Pick<ResubmitPorts, 'ledger' | 'spool'>,
  row: DeliveryRow,
  signal: AbortSignal,
): Promise<Refused | null> {
  const why = whyNotResubmitted(row);
  if (why !== null) return { kind: 'refused', row, why };
  const message = row.message ?? (await ledger.message(row.spoolId));
  if (message === null) return { kind: 'refused', row, why: 'its message is not in the ledger' };
  const content = await spool.head(message.objectKey, 1, signal);
  if (content.kind === 'read') {
    // Relay would still find it by its version; but that may be deleted for good while the mail is being tried.
    if (content.undeleted !== true) return null;
    return { kind: 'refused', row, why: 'its content was purged: it lies under a delete marker' };
  }
  const gone =
    content.cause === 'missing' ? 'its content is not in the spool any more' : 'its content cannot be opened';
  const refused = { kind: 'refused', row, why: `${gone} (${content.detail})` } as const;
  return content.cause === 'unavailable' ? { ...refused, tryAgain: true } : refused;
}

/** A queued or deferred delivery stops until it is released. */
export async function hold(ports: OperatePorts, ref: DeliveryRef): Promise<Operated> {
  return operate(ports, ref, (row, now) =>
    isUnderWay(row.state) ? heldByOperator(row, now) : `it is ${row.state}, not under way`,
  );
}

/**
 * A delivery that is held, quarantined or under way ends here. Its sender is told, unless `notice` is false or nobody
 * may be.
 */
export async function remove(ports: OperatePorts, ref: DeliveryRef, notice: boolean): Promise<Operated> {
  const operated = await operate(ports, ref, (row, now) => {
    const kept = row.state === 'held' || row.state === 'quarantined';
    if (!kept && !isUnderWay(row.state)) return `it is ${row.state}: nothing is left to remove`;
    // A copy answers to nobody, nor does a notice. A sender whose notice was sent already, or could not be, gets no
    // second one. The recipients of an orphan are not known, and a report that names no recipient is useless.
    const answers = !row.copy && row.kind === 'delivery' && row.notice?.kind !== 'ndr' && !isPlaceholder(row);
    if (!notice || !answers) return removed(row, now);
    return refused(row, REMOVED, { now, sweepAgainMs: ports.sweepAgainMs });
  });
  if (operated.kind === 'done' && operated.row.state === 'failed')
    await ports.bounceQueue.send([workFor(operated.row)]);
  return operated;
}

const REMOVED = {
  reason: 'removed-by-operator',
  status: statusOf('5.7.1'),
  detail: 'the postmaster decided not to deliver this message',
} as const;

async function operate(
  ports: OperatePorts,
  ref: DeliveryRef,
  decide: (row: DeliveryRow, now: number) => Progress | string,
): Promise<Operated> {
  const read = await ports.ledger.read(ref);
  if (read === null) return { kind: 'refused', row: null, why: 'it is not in the ledger' };
  let refusal: Operated | null = null;
  const { row } = await recordOn(ports, read, (current) => {
    const now = ports.clock.now();
    refusal = null;
    if (current.leaseUntil !== null && current.leaseUntil > now) {
      refusal = { kind: 'refused', row: current, why: 'an attempt is under way; try again soon', tryAgain: true };
      return null;
    }
    const decided = decide(current, now);
    if (typeof decided !== 'string') return doneBy(decided, ports.by);
    refusal = { kind: 'refused', row: current, why: decided };
    return null;
  });
  return refusal ?? { kind: 'done', row };
}
