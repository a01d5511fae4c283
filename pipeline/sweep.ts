// Sweep: every minute, what is due. Deferred rows get their next job, rows past their lifetime expire, lost jobs are sent again,
// failures without a settled notice go to bounce. Its cost is in proportion to what is due. It never touches content.
//
// | effect, in order          | if we die right after                                                            |
// | ------------------------- | -------------------------------------------------------------------------------- |
// | 1 row's `dueAt` forward   | no job is sent now; the next sweep after the new `dueAt` (15 min) sends it       |
// |   (expiry: state too)     | as above, with a bounce job                                                      |
// | 2 relay or bounce job     | done; a second job is refused by the claim, or finds the row settled             |

import type { DeliveryRef, DeliveryRow } from '#core/delivery.ts';
import { activeJobsMax, sweepConcurrency, sweepPage } from '#core/limits.ts';
import { sweepDecision } from '#core/progress.ts';
import type { Clock, Job, JobQueue, Ledger, Watch } from './ports.ts';

export type SweepPorts = {
  readonly ledger: Ledger;
  readonly relayQueue: JobQueue;
  readonly bounceQueue: JobQueue;
  readonly clock: Clock;
  readonly watch: Watch;
  readonly sweepAgainMs: number;
};

export type SweepReport = {
  readonly seen: number;
  readonly toRelay: number;
  readonly toBounce: number;
  readonly expired: number;
  readonly lost: number;
};
type Looked =
  | { readonly became: 'left' }
  | { readonly became: 'relay' | 'bounce' | 'expired'; readonly lost: boolean; readonly entry: Entry };
type Entry = { readonly job: Job; readonly group: string };

/** Works through what is due until there is no more, or the signal says that time is short; the rest is due again next minute. */
export async function sweep(ports: SweepPorts, signal: AbortSignal): Promise<SweepReport> {
  const depth = await ports.relayQueue.depth();
  let room = Math.max(0, activeJobsMax - depth.visible);
  const backlog = depth.visible > 0;
  const total = { seen: 0, toRelay: 0, toBounce: 0, expired: 0, lost: 0 };
  while (!signal.aborted && room > 0) {
    const refs = await ports.ledger.due(ports.clock.now(), Math.min(sweepPage, room));
    if (refs.length === 0) break;
    const looked = await inTurns(refs, (ref) => look(ports, ref, backlog), signal);
    const moved = looked.filter((each) => each.became !== 'left');
    const relay = moved.filter((each) => each.became === 'relay').map((each) => each.entry);
    const bounce = moved.filter((each) => each.became !== 'relay').map((each) => each.entry);
    if (relay.length > 0) await ports.relayQueue.send(relay);
    if (bounce.length > 0) await ports.bounceQueue.send(bounce);
    total.seen += looked.length;
    total.toRelay += relay.length;
    total.toBounce += bounce.length;
    total.expired += moved.filter((each) => each.became === 'expired').length;
    total.lost += moved.filter((each) => each.lost).length;
    room -= looked.length;
    // Rows that only wait left the index by their new `dueAt`; a page in which nothing moved and nothing can is the last.
    if (refs.length < sweepPage && moved.length === 0) break;
  }
  ports.watch.count('SweepRun');
  ports.watch.count('LostJob', total.lost);
  if (total.seen > 0) ports.watch.info('sweep.run', total);
  return total;
}

async function look(ports: SweepPorts, ref: DeliveryRef, backlog: boolean): Promise<Looked> {
  const left: Looked = { became: 'left' };
  const row = await ports.ledger.read(ref);
  if (row === null) return left;
  const decision = sweepDecision(row, { now: ports.clock.now(), sweepAgainMs: ports.sweepAgainMs, backlog });
  // A lost write means that somebody works on the row this very moment; it is looked at again when it is due again.
  switch (decision.kind) {
    case 'leave':
      return left;
    case 'wait':
      await ports.ledger.write(decision.row, []);
      return left;
    case 'relay':
      if ((await ports.ledger.write(decision.row, decision.events)) === 'lost') return left;
      if (decision.lost) ports.watch.warn('sweep.lost-job', fieldsOf(row));
      return { became: 'relay', lost: decision.lost, entry: entryFor(row) };
    case 'expire':
      if ((await ports.ledger.write(decision.row, decision.events)) === 'lost') return left;
      ports.watch.count('Expired');
      ports.watch.warn('sweep.expired', {
        ...fieldsOf(row),
        status: decision.row.lastStatus,
        reason: decision.row.stateReason,
      });
      return { became: 'expired', lost: false, entry: entryFor(row) };
    case 'bounce':
      if ((await ports.ledger.write(decision.row, [])) === 'lost') return left;
      return { became: 'bounce', lost: false, entry: entryFor(row) };
  }
}

// A few at a time: a page of hundreds of rows must neither run one after the other nor all at once.
async function inTurns(
  refs: readonly DeliveryRef[],
  run: (ref: DeliveryRef) => Promise<Looked>,
  signal: AbortSignal,
): Promise<Looked[]> {
  const results: Looked[] = [];
  let at = 0;
  const worker = async () => {
    for (let ref = refs[at++]; ref !== undefined && !signal.aborted; ref = refs[at++]) results.push(await run(ref));
  };
  const ended = await Promise.allSettled(Array.from({ length: Math.min(sweepConcurrency, refs.length) }, worker));
  const failure = ended.find((end) => end.status === 'rejected');
  if (failure !== undefined) throw failure.reason;
  return results;
}

function entryFor(row: DeliveryRow): Entry {
  return {
    job: { version: 1, spoolId: row.spoolId, deliveryKey: row.deliveryKey },
    group: row.nextHop === '' ? 'none' : row.nextHop,
  };
}

function fieldsOf(row: DeliveryRow): Record<string, unknown> {
  return {
    spoolId: row.spoolId,
    deliveryKey: row.deliveryKey,
    forwardPath: row.forwardPath,
    nextHop: row.nextHop,
    attempt: row.attempts,
  };
}
