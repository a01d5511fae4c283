// The one attempt at a time that finds out whether an open next hop takes mail again. Called by sweep.ts. It takes the
// row that has been due longest, and each time another one. It never sends a second attempt while one is out, and none
// where nothing waits.
//
// | effect, in order           | if we die right after                                                              |
// | -------------------------- | ---------------------------------------------------------------------------------- |
// | 1 the board says which row | no attempt goes out until the probe's time is over (15 min); the row stays due     |
// | 2 row's `dueAt` forward    | the same; the row is due again in 15 min, or when the next hop takes mail again    |
// | 3 job to the slow lane     | done; relay attempts it alone where the board still names it                       |

import { isUnderWay } from '#core/delivery/delivery.ts';
import { type Health, isProbe, probeReturned } from '#core/delivery/next-hop-health.ts';
import { asProbe, wantsProbe } from '#core/delivery/waiting.ts';
import { claimsMax, probeCandidatesMax } from '#core/limits.ts';
import { workOf } from '#pipeline/jobs.ts';
import type { BoardView } from '#pipeline/next-hop-board.ts';
import type { Clock, DueRow, JobQueue, Ledger, Watch } from '#pipeline/ports.ts';
import type { Hops } from './hops.ts';

export type ProbePorts = {
  readonly ledger: Ledger;
  readonly board: BoardView;
  readonly slowRelayQueue: JobQueue;
  readonly clock: Clock;
  readonly watch: Watch;
  readonly sweepAgainMs: number;
};

export type Probes = {
  /** Attempts that are out, and may soon show that a next hop takes mail again. */
  readonly out: number;
  /** Waiting rows that were claimed too often to be attempted: they need another look. */
  readonly poison: readonly DueRow[];
};
export const noProbes: Probes = { out: 0, poison: [] };

/** Sends the probes that are due. `waiting`: due rows by next hop. `early`: see `wantsProbe`. */
export async function sendProbes(
  ports: ProbePorts,
  hops: Hops,
  waiting: ReadonlyMap<string, readonly DueRow[]>,
  early: boolean,
): Promise<Probes> {
  let out = 0;
  const poison: DueRow[] = [];
  for (const health of hops.all()) {
    if (health.state !== 'open') continue;
    const now = ports.clock.now();
    const due = wantsProbe(health, now, early);
    const sent = due && (await probe(ports, hops, health, waiting.get(health.nextHop) ?? [], early, poison));
    // An early one finds the same secret nearly always: the run of the next minute looks again.
    if (due ? sent && wantsProbe(health, now, false) : hops.isProbeAwaited(health, ports.sweepAgainMs)) out += 1;
  }
  return { out, poison };
}

async function probe(
  ports: ProbePorts,
  hops: Hops,
  { nextHop }: Health,
  due: readonly DueRow[],
  early: boolean,
  poison: DueRow[],
): Promise<boolean> {
  const mine = due.filter((row) => !hops.pause(row).kept);
  const candidates = mine.length > 0 ? mine.slice(0, probeCandidatesMax) : await jobsGivenBack(ports, hops, nextHop);
  for (const ref of candidates) {
    const sent = await sendProbe(ports, hops, nextHop, ref, early);
    if (sent === 'sent') return true;
    if (sent === 'poison') poison.push(ref);
  }
  return false;
}

/** Rows that are not due yet because a job was sent, which relay has given back or will. */
function jobsGivenBack(
  { ledger, clock, sweepAgainMs }: ProbePorts,
  hops: Hops,
  nextHop: string,
): Promise<readonly DueRow[]> {
  const now = clock.now();
  return ledger.dueBetween(
    { from: now, until: now + sweepAgainMs, max: probeCandidatesMax },
    (row) => row.nextHop === nextHop && isUnderWay(row.state) && row.nextAttemptAt <= now && !hops.pause(row).kept,
  );
}

async function sendProbe(
  ports: ProbePorts,
  hops: Hops,
  nextHop: string,
  ref: DueRow,
  early: boolean,
): Promise<'sent' | 'unfit' | 'poison'> {
  const now = ports.clock.now();
  const row = await ports.ledger.read(ref);
  const sent =
    row === null || row.nextHop !== nextHop
      ? null
      : asProbe(row, { now, sweepAgainMs: ports.sweepAgainMs, isOver: hops.isOver(row) });
  if (row === null || sent === null) return row !== null && row.claims >= claimsMax ? 'poison' : 'unfit';
  const { spoolId, deliveryKey } = row;
  const probe = { spoolId, deliveryKey, until: now + ports.sweepAgainMs };
  const marked = await ports.board.changeHealth(nextHop, (health) =>
    wantsProbe(health, now, early) ? { ...health, probe } : null,
  );
  // Another sweep's is out, or it is open no more.
  if (!isProbe(marked, row) || marked.probe?.until !== probe.until) return 'sent';
  if ((await ports.ledger.write(sent.row, sent.events)) === 'lost') {
    await ports.board.changeHealth(nextHop, (health) => probeReturned(health, row));
    return 'unfit';
  }
  const { job, group } = workOf(row);
  await ports.slowRelayQueue.send([{ job: { ...job, probe: true }, group }]);
  ports.watch.info('sweep.probe', { spoolId, deliveryKey, forwardPath: row.forwardPath, nextHop });
  return 'sent';
}
