// Makes rows due that need not wait any longer, because their next hop takes mail again: those whose jobs relay gave
// back, and those that wait for a later attempt since one failed before. Called by sweep.ts. It walks the due index
// once for each recovery, from a bookmark, so that a run that is cut off goes on where it was. It sends nothing itself.
//
// | effect, in order      | if we die right after                                                                  |
// | --------------------- | -------------------------------------------------------------------------------------- |
// | 0 line is dropped     | it is dropped again                                                                    |
// | 1 rows' `dueAt` = now | the same sweep, or the next one, sends their jobs                                      |
// | 2 bookmark            | done; without it the same rows are looked at again, and are due already                |

import { isKept, resumedAt } from '#core/delivery/pause.ts';
import { type HopTimes, madeDue, mayBeMadeDue, type Resumption, resumedAtOf } from '#core/delivery/waiting.ts';
import { sweepConcurrency, sweepPage } from '#core/limits.ts';
import { inTurns } from '#pipeline/in-turns.ts';
import type { Clock, DueRow, Ledger, Watch } from '#pipeline/ports.ts';
import type { Hops } from './hops.ts';

export type ResumptionPorts = {
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly watch: Watch;
  readonly sweepAgainMs: number;
  readonly hopTimes: HopTimes;
};

/** Pages of one sweep: what is due by then goes out before the walk goes on. */
const PAGES = 4;
const DONE = 'done';

type Walk = Resumption & {
  /** The bookmark's name, and the end that it is about. */
  readonly name: string;
  readonly of: number;
  readonly covers: (row: DueRow) => boolean;
  /** The next hop whose line of jobs is dropped first, where it is one that it is about. */
  readonly nextHop: string;
};

/** Returns whether something is still to be done soon: mail has just been taken again, or a walk is not over. */
export async function resume(ports: ResumptionPorts, hops: Hops, signal: AbortSignal): Promise<boolean> {
  let soon = false;
  for (const each of [...recoveries(hops, ports.hopTimes), ...resumes(hops, ports.hopTimes)]) {
    const now = ports.clock.now();
    if (now > each.at + ports.hopTimes.resumeWithinMs) continue;
    if (now < each.at || !(await walk(ports, hops, each, signal))) soon = true;
  }
  return soon;
}

/** A next hop that is open again is left: its next recovery begins a walk of its own. */
function recoveries(hops: Hops, times: HopTimes): Walk[] {
  return [...hops.all()].flatMap((health) => {
    const { nextHop, recoveredAt, state } = health;
    const at = resumedAtOf(health, times);
    if (at === null || recoveredAt === null || state === 'open') return [];
    const covers = (row: DueRow) => row.nextHop === nextHop;
    return [{ name: `resumed#${nextHop}`, of: recoveredAt, at, attemptsBefore: recoveredAt, covers, nextHop }];
  });
}

/** Pauses that ended: nothing was attempted, so what waits for its schedule does so on. */
function resumes({ pauses }: Hops, times: HopTimes): Walk[] {
  return pauses.records.flatMap((record) => {
    const of = record.ended.at(-1)?.until;
    if (of === undefined) return [];
    const mine = { ...pauses, records: [record] };
    const covers = (row: DueRow) => resumedAt(row, mine) !== null && !isKept(row, pauses);
    const at = of + times.settleMs;
    const { scope } = record;
    return [{ name: `resumed#pause#${scope}`, of, at, attemptsBefore: null, covers, nextHop: scope }];
  });
}

/** True where it is over. */
async function walk(ports: ResumptionPorts, hops: Hops, given: Walk, signal: AbortSignal): Promise<boolean> {
  const { name, of } = given;
  const [last, reached] = ((await ports.ledger.bookmark(name)) ?? '').split(' ');
  const begun = last === String(of);
  if (begun && reached === DONE) return true;
  if (!begun) await hops.lines.drop(given.nextHop);
  let from = Math.max(ports.clock.now(), begun ? Number(reached) || 0 : 0);
  for (let pages = 0; pages < PAGES && !signal.aborted; pages++) {
    const found = await page(ports, given, from);
    const rows = await inTurns(found, sweepConcurrency, (ref) => makeDue(ports, ref, given), signal);
    if (signal.aborted) return false;
    const over = found.length < sweepPage;
    if (found.length > 0)
      ports.watch.info('sweep.resumed', { walk: name, seen: found.length, due: rows.filter(Boolean).length });
    from = reachedBy(found, from);
    await ports.ledger.setBookmark(name, `${of} ${over ? DONE : from}`);
    if (over) return true;
  }
  return false;
}

function page({ ledger, clock, sweepAgainMs }: ResumptionPorts, given: Walk, from: number): Promise<readonly DueRow[]> {
  const terms = { now: clock.now(), sweepAgainMs };
  const until = given.attemptsBefore === null ? given.at + sweepAgainMs : Number.MAX_SAFE_INTEGER;
  return ledger.dueBetween(
    { from, until, max: sweepPage },
    (row) => mayBeMadeDue(row, given, terms) && given.covers(row),
  );
}

/** Others of the page's last instant may have been cut off. The next page has them, unless all are of one instant. */
function reachedBy(found: readonly DueRow[], from: number): number {
  const first = found[0]?.dueAt ?? from;
  const last = found.at(-1)?.dueAt ?? from;
  return first === last ? last : last - 1;
}

async function makeDue(ports: ResumptionPorts, ref: DueRow, resumption: Resumption): Promise<boolean> {
  const row = await ports.ledger.read(ref);
  const terms = { now: ports.clock.now(), sweepAgainMs: ports.sweepAgainMs };
  const due = row === null ? null : madeDue(row, resumption, terms);
  return due !== null && (await ports.ledger.write(due, [])) === 'written';
}
