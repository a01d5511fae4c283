// Sweep: every minute, works on rows that are due. Deferred rows get their next job, rows past their lifetime expire,
// lost jobs are sent again. Failures without a settled notice go to bounce, and so do deliveries whose sender must hear
// of a delay. Its cost is in proportion to the rows that are due: it chooses by the index, fairly by next hop, and
// reads a row only to decide on it. It never touches content.
//
// | effect, in order          | if we die right after                                                            |
// | ------------------------- | -------------------------------------------------------------------------------- |
// | 0 (expiry) hour's count   | the next sweep counts it once more: the limit closes sooner, never later         |
// |   (held by it) alarm      | raised once too often; the next sweep holds the row                              |
// | 1 row's `dueAt` forward   | no job is sent now; the next sweep after the new `dueAt` (15 min) sends it       |
// |   (expiry: state too)     | as above, with a bounce job; held by the limit: its alarm was raised before      |
// | 2 relay or bounce job     | done; a second job is refused by the claim, or finds the row settled             |

import type { Settings } from '#config/settings.ts';
import type { DeliveryRef, DeliveryRow } from '#core/delivery/delivery.ts';
import { isUnderWay } from '#core/delivery/delivery.ts';
import { destinationOf } from '#core/delivery/destination.ts';
import { afterExpiryHeld, type ExpiryCount, isOverExpiryLimit, mayReport } from '#core/delivery/expiry-limit.ts';
import { extendedExpiry, isKept, type Pauses, resumedAt } from '#core/delivery/pause.ts';
import { afterExpiry } from '#core/delivery/progress.ts';
import { fairShares, sweepDecision } from '#core/delivery/sweep-decision.ts';
import { activeJobsMax, sweepConcurrency, sweepPage } from '#core/limits.ts';
import { inTurns } from '#pipeline/in-turns.ts';
import { sendWork, type Work, workFor } from '#pipeline/jobs.ts';
import type { BoardView } from '#pipeline/next-hop-board.ts';
import type { Clock, DueRow, JobQueue, Ledger, Watch } from '#pipeline/ports.ts';
import { pausesNow } from './pauses-now.ts';

export type SweepPorts = {
  readonly settings: Settings;
  readonly ledger: Ledger;
  readonly board: BoardView;
  readonly relayQueue: JobQueue;
  readonly bounceQueue: JobQueue;
  readonly feedbackQueue: JobQueue;
  readonly clock: Clock;
  readonly watch: Watch;
  readonly sweepAgainMs: number;
  readonly lostAnywayMs: number;
  /** The hour of the expiry limit, in milliseconds. */
  readonly hourMs: number;
};

export type SweepReport = {
  readonly seen: number;
  readonly toRelay: number;
  readonly toBounce: number;
  readonly expired: number;
  readonly lost: number;
  /** Something due was left for want of room in the relay queue, or of time: look again soon. */
  readonly more: boolean;
};
type Looked =
  | { readonly became: 'left' | 'held' }
  | { readonly became: 'relay' | 'bounce' | 'expired'; readonly lost: boolean; readonly entry: Work };

/** Works through the due rows, as far as the relay queue has room, or until the signal says that time is short. */
export async function sweep(ports: SweepPorts, signal: AbortSignal): Promise<SweepReport> {
  const total = { seen: 0, toRelay: 0, toBounce: 0, expired: 0, lost: 0 };
  const pauses = await pausesNow(ports);
  const due = await ports.ledger.due(ports.clock.now(), activeJobsMax);
  const chosen = due.length === 0 ? [] : await choose(ports, due, pauses);
  const backlog = due.length > 0 && (await ports.relayQueue.depth()).visible > 0;
  for (let at = 0; at < chosen.length && !signal.aborted; at += sweepPage) {
    const page = chosen.slice(at, at + sweepPage);
    const looked = await inTurns(page, sweepConcurrency, (ref) => look(ports, ref, pauses, backlog), signal);
    const moved = looked.filter((each) => 'entry' in each);
    const relay = moved.filter((each) => each.became === 'relay').map((each) => each.entry);
    const bounce = moved.filter((each) => each.became !== 'relay').map((each) => each.entry);
    await sendWork(ports, relay);
    if (bounce.length > 0) await ports.bounceQueue.send(bounce);
    total.seen += looked.length;
    total.toRelay += relay.length;
    total.toBounce += bounce.length;
    total.expired += moved.filter((each) => each.became === 'expired').length;
    total.lost += moved.filter((each) => each.lost).length;
  }
  ports.watch.count('SweepRun');
  ports.watch.count('LostJob', total.lost);
  const more = total.seen < due.length;
  if (total.seen > 0 || more) ports.watch.info('sweep.run', { ...total, due: due.length });
  return { ...total, more };
}

/**
 * As many rows as the relay queue has room for, next hops in turn. A next hop's room is its fair share of
 * `activeJobsMax`, less the jobs that it has there already. So one that answers slowly, or not at all, fills its own
 * share and no other. Jobs of other queues need no room.
 */
async function choose(ports: SweepPorts, due: readonly DueRow[], pauses: Pauses): Promise<readonly DueRow[]> {
  const now = ports.clock.now();
  const waiting = Map.groupBy(due, (row) => (needsRoom(row, pauses) ? row.nextHop : null));
  const others = waiting.get(null) ?? [];
  waiting.delete(null);
  if (waiting.size === 0) return others;
  const enqueued = await ports.ledger.enqueued(now, now + ports.sweepAgainMs);
  const wanted = new Map([...enqueued, ...[...waiting.keys()].map((name) => [name ?? '', 0] as const)]);
  for (const name of wanted.keys()) wanted.set(name, (enqueued.get(name) ?? 0) + (waiting.get(name)?.length ?? 0));
  const shares = fairShares(wanted, activeJobsMax);
  const lines = [...waiting].map(([name, rows]) => {
    const room = (shares.get(name ?? '') ?? 0) - (enqueued.get(name ?? '') ?? 0);
    return rows.slice(0, Math.max(0, room));
  });
  return [...others, ...inRotation(lines)];
}

function needsRoom(row: DueRow, pauses: Pauses): boolean {
  const { now } = pauses;
  if (!isUnderWay(row.state) || destinationOf(row) === 'returns' || row.nextAttemptAt > now) return false;
  return !isKept(row, pauses) && extendedExpiry(row, pauses) > now;
}

/** One of each line in turn, until all are through. */
function inRotation<T>(lines: readonly (readonly T[])[]): T[] {
  const longest = Math.max(0, ...lines.map((line) => line.length));
  return Array.from({ length: longest }, (_, turn) => lines.flatMap((line) => line.slice(turn, turn + 1))).flat();
}

async function look(ports: SweepPorts, ref: DeliveryRef, pauses: Pauses, backlog: boolean): Promise<Looked> {
  const left: Looked = { became: 'left' };
  const row = await ports.ledger.read(ref);
  if (row === null) return left;
  const decision = sweepDecision(row, {
    now: ports.clock.now(),
    sweepAgainMs: ports.sweepAgainMs,
    backlog,
    lostAnywayMs: ports.lostAnywayMs,
    delayNoticeMs: ports.settings.retry.delayNoticeMs,
    pause: {
      kept: isKept(row, pauses),
      expiresAt: extendedExpiry(row, pauses),
      resumedAt: resumedAt(row, pauses),
    },
  });
  // A lost write means that another worker is writing the row now; the sweep reads it again when it is due again.
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
    case 'discard':
      if ((await ports.ledger.write(decision.row, decision.events)) === 'lost') return left;
      ports.watch.count('Discarded');
      ports.watch.warn('sweep.discarded', { ...fieldsOf(row), reason: row.stateReason });
      return left;
    case 'expire':
      return expire(ports, row, decision.suspect);
    case 'bounce':
    case 'delay':
      if ((await ports.ledger.write(decision.row, [])) === 'lost') return left;
      return { became: 'bounce', lost: false, entry: entryFor(row) };
  }
}

/**
 * Every expiry that may mail a report is counted, so that the suspect ones can be weighed against all; only suspect
 * ones can be held.
 */
async function expire(ports: SweepPorts, row: DeliveryRow, suspect: boolean): Promise<Looked> {
  const now = ports.clock.now();
  const expired = afterExpiry(row, now, ports.sweepAgainMs);
  const fields = { ...fieldsOf(row), status: expired.row.lastStatus, reason: expired.row.lastReason };
  if (mayReport(expired.row, ports.settings.nextHops)) {
    const count = await ports.ledger.countExpiry(now - (now % ports.hourMs), suspect);
    if (suspect && isOverExpiryLimit(count)) return holdExpiry(ports, row, { ...fields, ...count });
  }
  if ((await ports.ledger.write(expired.row, expired.events)) === 'lost') return { became: 'left' };
  ports.watch.count('Expired');
  ports.watch.warn('sweep.expired', fields);
  return { became: 'expired', lost: false, entry: entryFor(row) };
}

async function holdExpiry(
  ports: SweepPorts,
  row: DeliveryRow,
  { suspect, total, ...fields }: ExpiryCount & Record<string, unknown>,
): Promise<Looked> {
  const { row: held, events } = afterExpiryHeld(row, ports.clock.now());
  ports.watch.raise('ExpiryHeld');
  ports.watch.raise('Held');
  if ((await ports.ledger.write(held, events)) === 'lost') return { became: 'left' };
  ports.watch.error('sweep.expiry-held', { ...fields, suspectThisHour: suspect, expiredThisHour: total });
  return { became: 'held' };
}

function entryFor(row: DeliveryRow): Work {
  const { job, group } = workFor(row);
  return { job: row.claims > 0 ? { ...job, claims: row.claims } : job, group };
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
