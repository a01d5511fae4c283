// Sweep: every minute, works on rows that are due. Deferred rows get their next job, rows past their lifetime expire,
// lost jobs are sent again. Failures without a settled notice go to bounce, and so do deliveries whose sender must hear
// of a delay. Its cost is in proportion to the rows that are due: it chooses by the index, fairly by next hop, and
// reads a row only to decide on it. What waits for a next hop that takes nothing is left without a read; probes.ts and
// resumption.ts find out when it takes mail again, each with a crash table of its own. It never touches content.
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
import { afterExpiry, quoting } from '#core/delivery/expiry.ts';
import { afterExpiryHeld, type ExpiryCount, isOverExpiryLimit, mayReport } from '#core/delivery/expiry-limit.ts';
import { heldFailureReturned } from '#core/delivery/failure-limit.ts';
import { isCanary } from '#core/delivery/key.ts';
import { type SweepDecision, sweepDecision } from '#core/delivery/sweep-decision.ts';
import type { HopTimes } from '#core/delivery/waiting.ts';
import { heldFailuresPerMinuteMax, sweepConcurrency, sweepPage } from '#core/limits.ts';
import { inTurns } from '#pipeline/in-turns.ts';
import { sendWork, type Work, workOf } from '#pipeline/jobs.ts';
import type { BoardView } from '#pipeline/next-hop-board.ts';
import type { Clock, DueRow, JobQueue, Ledger, Watch } from '#pipeline/ports.ts';
import { choose } from './choice.ts';
import { Lines } from './hop-lines.ts';
import { Hops } from './hops.ts';
import { pausesNow } from './pauses-now.ts';
import { noProbes, sendProbes } from './probes.ts';
import { resume } from './resumption.ts';

export type SweepPorts = {
  readonly settings: Settings;
  readonly ledger: Ledger;
  readonly board: BoardView;
  readonly relayQueue: JobQueue;
  readonly slowRelayQueue: JobQueue;
  readonly bounceQueue: JobQueue;
  readonly feedbackQueue: JobQueue;
  readonly clock: Clock;
  readonly watch: Watch;
  readonly sweepAgainMs: number;
  readonly lostAnywayMs: number;
  /** The hour of the expiry limit, in milliseconds. */
  readonly hourMs: number;
  readonly hopTimes: HopTimes;
};

export type SweepReport = {
  readonly seen: number;
  readonly toRelay: number;
  readonly toBounce: number;
  readonly expired: number;
  readonly lost: number;
  /** Due rows that were left as they are, because their next hop takes no mail now. */
  readonly waiting: number;
  /**
   * Look again soon: something due was left for want of room in a queue, or of time; or a next hop is being tried, or
   * has just recovered.
   */
  readonly more: boolean;
  /** Room is not what it looks again for: the answer may be there in a moment. */
  readonly soon: boolean;
};
type Totals = Omit<SweepReport, 'waiting' | 'more' | 'soon'>;
type Looked =
  | { readonly became: 'left' | 'held' }
  | { readonly became: 'relay' | 'bounce' | 'expired'; readonly lost: boolean; readonly entry: Work };

type Chosen = Pick<DueRow, 'spoolId' | 'deliveryKey' | 'nextHop'>;

/** The queues that hold jobs which no worker has received yet. */
type Backlog = { readonly takes: boolean; readonly slow: boolean };

/**
 * Works through the due rows, as far as the relay queues have room, or until the signal says that time is short.
 * `again`: it is not the first one of its run.
 */
export async function sweep(
  ports: SweepPorts,
  signal: AbortSignal,
  { again = false }: { readonly again?: boolean } = {},
): Promise<SweepReport> {
  const pauses = await pausesNow(ports); // reads the board anew
  const hops = new Hops(await ports.board.board(), pauses, ports.hopTimes, new Lines(ports));
  const resuming = await resume(ports, hops, signal);
  const { due, chosen, left, waiting } = await choose(ports, hops);
  const first = await workThrough(ports, hops, chosen, signal);
  const probes = signal.aborted ? noProbes : await sendProbes(ports, hops, waiting, !again);
  const ended = await workThrough(ports, hops, probes.poison, signal);
  const total = sumOf(first, ended);
  ports.watch.count('LostJob', total.lost);
  const behind = waiting.values().reduce((sum, rows) => sum + rows.length, 0);
  const soon = left === 0 && first.seen === chosen.length && (resuming || probes.out > 0);
  const more = soon || left > 0 || first.seen < chosen.length;
  if (total.seen > 0 || left > 0) ports.watch.info('sweep.run', { ...total, due, waiting: behind });
  return { ...total, waiting: behind, more, soon };
}

async function workThrough(ports: SweepPorts, hops: Hops, chosen: readonly Chosen[], signal: AbortSignal) {
  const total = { seen: 0, toRelay: 0, toBounce: 0, expired: 0, lost: 0 };
  const backlog = await backlogOf(ports, hops, chosen);
  for (let at = 0; at < chosen.length && !signal.aborted; at += sweepPage) {
    const page = chosen.slice(at, at + sweepPage).map((ref, place) => ({ ref, place }));
    const looked = await inTurns(
      page,
      sweepConcurrency,
      async ({ ref, place }) => ({ place, ...(await look(ports, hops, ref, backlog)) }),
      signal,
    );
    const moved = looked.filter((each) => 'entry' in each).sort((a, b) => a.place - b.place);
    const relay = moved.filter((each) => each.became === 'relay').map((each) => each.entry);
    const bounce = moved.filter((each) => each.became !== 'relay').map((each) => each.entry);
    await sendToLanes(ports, hops, relay);
    if (bounce.length > 0) await ports.bounceQueue.send(bounce);
    total.seen += looked.length;
    total.toRelay += relay.length;
    total.toBounce += bounce.length;
    total.expired += moved.filter((each) => each.became === 'expired').length;
    total.lost += moved.filter((each) => each.lost).length;
  }
  return total;
}

function sumOf(a: Totals, b: Totals): Totals {
  return {
    seen: a.seen + b.seen,
    toRelay: a.toRelay + b.toRelay,
    toBounce: a.toBounce + b.toBounce,
    expired: a.expired + b.expired,
    lost: a.lost + b.lost,
  };
}

async function backlogOf(ports: SweepPorts, hops: Hops, chosen: readonly Chosen[]): Promise<Backlog> {
  const visible = async (queue: JobQueue) => (await queue.depth()).visible > 0;
  const slow = chosen.some(({ nextHop }) => hops.standing(nextHop) === 'slow');
  return {
    takes: chosen.length > 0 && (await visible(ports.relayQueue)),
    slow: slow && (await visible(ports.slowRelayQueue)),
  };
}

/** A slow next hop's jobs go where they hold up no others, and so do those that come later in its line. */
async function sendToLanes(ports: SweepPorts, hops: Hops, work: readonly Work[]): Promise<void> {
  const [fast, slow]: [Work[], Work[]] = [[], []];
  for (const [nextHop, jobs] of Map.groupBy(work, ({ job }) => job.nextHop ?? ''))
    for (const each of await hops.lines.placed(nextHop, jobs))
      (hops.standing(nextHop) === 'slow' || 'delayMs' in each ? slow : fast).push(each);
  if (slow.length > 0) await ports.slowRelayQueue.send(slow);
  await sendWork(ports, fast);
}

async function look(ports: SweepPorts, hops: Hops, ref: DeliveryRef, backlog: Backlog): Promise<Looked> {
  const row = await ports.ledger.read(ref);
  if (row === null) return { became: 'left' };
  const [hop, pause] = [hops.hop(row.nextHop), hops.pause(row)];
  const decision = sweepDecision(row, {
    now: ports.clock.now(),
    sweepAgainMs: ports.sweepAgainMs,
    backlog: hops.standing(row.nextHop) === 'slow' ? backlog.slow : backlog.takes,
    lostAnywayMs: ports.lostAnywayMs,
    delayNoticeMs: ports.settings.retry.delayNoticeMs,
    lifetimeMs: ports.settings.retry.lifetimeMs,
    hop,
    pause,
  });
  // The delay notice quotes what the next hop has last said, and so does the row.
  const quoted = decision.kind === 'delay' && hop.down !== null ? quoting(decision.row, hop.down) : null;
  return perform(ports, row, quoted === null ? decision : { kind: 'delay', row: quoted });
}

async function perform(ports: SweepPorts, row: DeliveryRow, decision: SweepDecision): Promise<Looked> {
  const left: Looked = { became: 'left' };
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
      return { became: 'relay', lost: decision.lost, entry: workOf(row) };
    case 'discard':
      if ((await ports.ledger.write(decision.row, decision.events)) === 'lost') return left;
      ports.watch.count('Discarded');
      ports.watch.warn('sweep.discarded', { ...fieldsOf(row), reason: row.stateReason });
      return left;
    case 'expire':
      return expire(ports, row, decision);
    case 'return':
      return returnHeldFailure(ports, row);
    case 'bounce':
    case 'delay':
      if ((await ports.ledger.write(decision.row, [])) === 'lost') return left;
      return { became: 'bounce', lost: false, entry: workOf(row) };
  }
}

/**
 * Every expiry that may mail a report is counted, so that the suspect ones can be weighed against all; only suspect
 * ones can be held.
 */
async function expire(
  ports: SweepPorts,
  row: DeliveryRow,
  { suspect, down }: Extract<SweepDecision, { readonly kind: 'expire' }>,
): Promise<Looked> {
  const now = ports.clock.now();
  const expired = afterExpiry(row, now, ports.sweepAgainMs, down);
  const fields = { ...fieldsOf(row), status: expired.row.lastStatus, reason: expired.row.lastReason };
  if (mayReport(expired.row, ports.settings.nextHops)) {
    const count = await ports.ledger.countExpiry(now - (now % ports.hourMs), suspect);
    if (suspect && isOverExpiryLimit(count)) return holdExpiry(ports, row, { ...fields, ...count });
  }
  if ((await ports.ledger.write(expired.row, expired.events)) === 'lost') return { became: 'left' };
  if (!isCanary(row)) ports.watch.count('Expired');
  ports.watch.warn('sweep.expired', fields);
  return { became: 'expired', lost: false, entry: workOf(row) };
}

/** A bounded number in a minute; the others are looked at again within the hour, each at an instant of its own. */
async function returnHeldFailure(ports: SweepPorts, row: DeliveryRow): Promise<Looked> {
  const now = ports.clock.now();
  const minuteMs = ports.hourMs / 60;
  const minute = Math.floor(now / minuteMs);
  if (!(await ports.ledger.countUpTo(`held-failures#${minute}`, heldFailuresPerMinuteMax, now + ports.hourMs))) {
    await ports.ledger.write({ ...row, dueAt: now + minuteMs * (1 + placeOf(row, 60)) }, []);
    return { became: 'left' };
  }
  const { row: failed, events } = heldFailureReturned(row, 'lifetime-over', { now, sweepAgainMs: ports.sweepAgainMs });
  if ((await ports.ledger.write(failed, events)) === 'lost') return { became: 'left' };
  ports.watch.warn('sweep.held-failure-returned', { ...fieldsOf(row), status: row.lastStatus, reason: row.lastReason });
  return { became: 'bounce', lost: false, entry: workOf(failed) };
}

/** From 0, below `of`: the same for the same row, and even over many. */
function placeOf({ spoolId, deliveryKey }: DeliveryRef, of: number): number {
  let place = 0;
  for (const char of spoolId + deliveryKey) place = (place * 31 + (char.codePointAt(0) ?? 0)) % 1_000_003;
  return place % of;
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

function fieldsOf(row: DeliveryRow): Record<string, unknown> {
  return {
    spoolId: row.spoolId,
    deliveryKey: row.deliveryKey,
    forwardPath: row.forwardPath,
    nextHop: row.nextHop,
    attempt: row.attempts,
  };
}
