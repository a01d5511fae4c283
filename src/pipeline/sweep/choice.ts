// Which of the due rows a sweep looks at, by the index alone. Called by sweep.ts. Rows whose next hop takes no mail now
// are left as they are, without a read, however many there are: they hide none that a pause does not keep, or whose
// time has come. All others share the room of their lane: a next hop's room is its fair share, less the jobs that it
// has there already, so that one that answers slowly fills its own share and no other.

import type { Settings } from '#config/settings.ts';
import { isUnderWay } from '#core/delivery/delivery.ts';
import { destinationOf } from '#core/delivery/destination.ts';
import { fairShares } from '#core/delivery/sweep-decision.ts';
import { mustLook } from '#core/delivery/waiting.ts';
import { activeJobsMax, slowJobsMax } from '#core/limits.ts';
import type { Clock, DueRow, Ledger } from '#pipeline/ports.ts';
import type { Hops } from './hops.ts';

export type ChoicePorts = {
  readonly settings: Settings;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly sweepAgainMs: number;
};

export type Choice = {
  /** Rows that were due. Of a long backlog it is a part. */
  readonly due: number;
  /** To be looked at, next hops in turn. */
  readonly chosen: readonly DueRow[];
  /** Left for want of room. */
  readonly left: number;
  /** Of next hops that take no mail now, by name: left until they do. */
  readonly waiting: ReadonlyMap<string, readonly DueRow[]>;
};

export async function choose(ports: ChoicePorts, hops: Hops): Promise<Choice> {
  const now = ports.clock.now();
  const kind = (row: DueRow) => kindOf(ports, hops, row, now);
  const due = await ports.ledger.due(now, activeJobsMax, (row) => `${kind(row)} ${row.nextHop}`);
  const kinds = Map.groupBy(due, kind);
  const waiting = Map.groupBy([...(kinds.get('waits') ?? []), ...(kinds.get('kept') ?? [])], ({ nextHop }) => nextHop);
  const others = kinds.get('look') ?? [];
  const lanes = [kinds.get('fast') ?? [], kinds.get('slow') ?? []] as const;
  const underWay = [...others.filter(({ state }) => isUnderWay(state)), ...lanes.flat()];
  await hops.lines.read(new Set(underWay.map(({ nextHop }) => nextHop)));
  const [fast, slow] = [withinLines(hops, lanes[0]), withinLines(hops, lanes[1])];
  const enqueued = fast.length + slow.length === 0 ? new Map() : await enqueuedNow(ports, now);
  const inFast = withinRoom(hops, fast, jobsOf(enqueued, hops, 'takes'), activeJobsMax);
  const inSlow = withinRoom(hops, slow, jobsOf(enqueued, hops, 'slow'), slowJobsMax);
  const left = fast.length + slow.length - inFast.length - inSlow.length;
  return { due: due.length, chosen: [...others, ...inFast, ...inSlow], left, waiting };
}

/**
 * `look`: of other queues, and what needs no attempt: no room, so they are looked at. `kept`: a pause keeps it.
 * `waits`: its next hop takes nothing.
 */
type Kind = 'look' | 'kept' | 'waits' | 'fast' | 'slow';

function kindOf(ports: ChoicePorts, hops: Hops, row: DueRow, now: number): Kind {
  if (!isUnderWay(row.state) || destinationOf(row) === 'returns') return 'look';
  const isOver = hops.isOver(row);
  if (row.nextAttemptAt > now && !isOver) return 'look';
  if (!hops.takesMail(row)) {
    const { lifetimeMs, delayNoticeMs } = ports.settings.retry;
    // Its next attempt lies ahead: an attempt at it has ended, perhaps the last one.
    const isTried = row.nextAttemptAt > now;
    const { kept, expiresAt: endsAt } = hops.pause(row);
    const terms = { now, sweepAgainMs: ports.sweepAgainMs, lifetimeMs, delayNoticeMs, endsAt };
    const mayExpire = isTried || kept || hops.hop(row.nextHop).down !== null;
    if (mustLook(row, terms, { isOver, mayExpire })) return 'look';
    return kept ? 'kept' : 'waits';
  }
  if (isOver) return 'look';
  return hops.standing(row.nextHop) === 'slow' ? 'slow' : 'fast';
}

function enqueuedNow({ ledger, sweepAgainMs }: ChoicePorts, now: number): Promise<ReadonlyMap<string, number>> {
  return ledger.enqueued(now, now + sweepAgainMs);
}

/** Jobs of a next hop that takes nothing were given back, or will be: they take no room. */
function jobsOf(enqueued: ReadonlyMap<string, number>, hops: Hops, lane: 'takes' | 'slow'): Map<string, number> {
  return new Map([...enqueued].filter(([nextHop]) => hops.standing(nextHop) === lane));
}

function withinRoom(
  hops: Hops,
  rows: readonly DueRow[],
  enqueued: ReadonlyMap<string, number>,
  jobsMax: number,
): readonly DueRow[] {
  const lines = Map.groupBy(rows, ({ nextHop }) => nextHop);
  const names = new Set([...enqueued.keys(), ...lines.keys()]);
  const jobs = (name: string) => enqueued.get(name) ?? 0;
  const wanted = new Map([...names].map((name) => [name, jobs(name) + (lines.get(name)?.length ?? 0)]));
  const shares = fairShares(wanted, jobsMax);
  return inRotation(
    [...lines].map(([name, line]) => {
      const room = Math.max(0, (shares.get(name) ?? 0) - jobs(name));
      return inOrder(hops, name, line).slice(0, room);
    }),
  );
}

/** As many as the rate of each next hop takes, oldest first. What is beyond it is left, and needs no room. */
function withinLines(hops: Hops, rows: readonly DueRow[]): readonly DueRow[] {
  return [...Map.groupBy(rows, ({ nextHop }) => nextHop)].flatMap(([name, line]) => {
    const room = hops.lines.room(name);
    return room === null ? line : oldestFirst(line).slice(0, room);
  });
}

/** What waited for a next hop goes out oldest first: they all have the same lifetime. */
function inOrder(hops: Hops, nextHop: string, line: readonly DueRow[]): readonly DueRow[] {
  const waited = hops.hop(nextHop).resumedAt !== null || line.some((row) => hops.pause(row).resumedAt !== null);
  return waited ? oldestFirst(line) : line;
}

function oldestFirst(line: readonly DueRow[]): readonly DueRow[] {
  return [...line].sort((a, b) => a.expiresAt - b.expiresAt);
}

/** One of each line in turn, until all are through. */
function inRotation<T>(lines: readonly (readonly T[])[]): T[] {
  const longest = Math.max(0, ...lines.map((line) => line.length));
  return Array.from({ length: longest }, (_, turn) => lines.flatMap((line) => line.slice(turn, turn + 1))).flat();
}
