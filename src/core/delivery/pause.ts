// Pauses of a next hop, of a direction or of all mail: what the operator said, kept in the ledger, and `transfer` of
// the configuration. Relay and the sweep ask whether a delivery is kept; everything that knows a
// lifetime asks how far a pause extends it. Pure. Instants are milliseconds since the epoch. It never looks at health.

import type { Settings, TransferMode } from '#config/settings.ts';
import { pausedLifetimeMsMax, pausesKeptMax } from '#core/limits.ts';
import { submissionOfSpoolId } from '#core/submission/submission.ts';
import type { DeliveryRef, Direction } from './delivery.ts';
import { destinationOf } from './destination.ts';

/** `hold`: nothing is attempted. `drain`: what was accepted before the pause is attempted, and newer mail is kept. */
export type PauseMode = 'hold' | 'drain';

export type Pause = {
  /** The name of a next hop, or `inbound`, `outbound` or `all`. */
  readonly scope: string;
  /** Counts writes; 0: no record stands. */
  readonly version: number;
  /** The operator's pause that stands; null: none, or it was resumed. */
  readonly mode: PauseMode | null;
  /** When the operator paused or resumed it; 0: never. */
  readonly since: number;
  /** Who did so. */
  readonly by: string;
  /** Of a direction: `transfer` of the configuration as the sweep last found it, and since when. Absent: not yet. */
  readonly configured?: { readonly mode: TransferMode; readonly since: number };
  /** Pauses that ended, the latest last: the lifetime of what they held is extended by them. */
  readonly ended: readonly EndedPause[];
};
export type EndedPause = { readonly from: number; readonly until: number; readonly mode: PauseMode };

/** Where the ledger keeps the records: a submitter's policy names it. No spool id has a hash sign. */
export const pausesPartition = '#pauses';

/** Scopes that are no next hop's name. */
const WORDS: readonly string[] = ['inbound', 'outbound', 'all'];

export function isPauseWord(scope: string): boolean {
  return WORDS.includes(scope);
}

/** Of a scope about which nothing is recorded. */
export function neverPaused(scope: string): Pause {
  return { scope, version: 0, mode: null, since: 0, by: '', ended: [] };
}

/** A pause that stands. */
export type StandingPause = {
  readonly scope: string;
  readonly mode: PauseMode;
  readonly since: number;
  /** Null: the configuration says so. */
  readonly by: string | null;
};

/** All that is known of pauses at one instant. */
export type Pauses = {
  readonly now: number;
  readonly lifetimeMs: number;
  readonly standing: readonly StandingPause[];
  readonly records: readonly Pause[];
};

export function pausesOf(
  records: readonly Pause[],
  { transfer, retry }: Pick<Settings, 'transfer' | 'retry'>,
  now: number,
): Pauses {
  const byScope = new Map(records.map((record) => [record.scope, record]));
  for (const direction of ['inbound', 'outbound'] as const)
    if (!byScope.has(direction)) byScope.set(direction, neverPaused(direction));
  const standing = [...byScope.values()].flatMap((record) => {
    const found = standingIn(record, isDirection(record.scope) ? transfer[record.scope] : 'normal', now);
    return found === null ? [] : [found];
  });
  return { now, lifetimeMs: retry.lifetimeMs, standing, records };
}

/** The operator's word, and where there is none since the configuration last changed, the configuration's. */
export function standingIn(record: Pause, transfer: TransferMode, now: number): StandingPause | null {
  const { scope, mode, since, by, configured } = record;
  if (mode !== null) return { scope, mode, since, by };
  if (transfer === 'normal') return null;
  const from = configured?.mode === transfer ? configured.since : now;
  return since > from ? null : { scope, mode: transfer, since: from, by: null };
}

function isDirection(scope: string): scope is Direction {
  return scope === 'inbound' || scope === 'outbound';
}

/** A delivery as a job names it, and as the due index has it. */
export type JobSeen = DeliveryRef & { readonly nextHop: string };
export type EntrySeen = JobSeen & { readonly expiresAt: number };

/**
 * Whether a job may run, without its row. `by-age`: the row must be read, and `isKept` asked: a drain keeps newer mail
 * alone.
 */
export function mayRun(job: JobSeen, { standing }: Pauses): 'yes' | 'no' | 'by-age' {
  const covering = standing.filter(({ scope }) => covers(scope, job));
  if (covering.length === 0) return 'yes';
  return covering.some(({ mode }) => mode === 'hold') ? 'no' : 'by-age';
}

/** Whether a pause keeps the delivery: no attempt is made until it is resumed. */
export function isKept(entry: EntrySeen, pauses: Pauses): boolean {
  return pauses.standing.some((pause) => isKeptBy(pause, entry, pauses));
}

export function isKeptBy({ scope, mode, since }: StandingPause, entry: EntrySeen, pauses: Pauses): boolean {
  return covers(scope, entry) && (mode === 'hold' || bornAt(entry, pauses) >= since);
}

/**
 * When its lifetime ends: `expiresAt`, later by as long as a pause kept it, and at most 14 days after the lifetime
 * began where that is later. It is counted anew each time, and never written, so that no pause counts twice.
 */
export function extendedExpiry(entry: EntrySeen, pauses: Pauses): number {
  const born = bornAt(entry, pauses);
  let end = entry.expiresAt;
  for (const { from, until } of spansOver(entry, pauses, born)) {
    if (from >= end) break;
    end += until - from;
  }
  return Math.min(end, Math.max(entry.expiresAt, born + pausedLifetimeMsMax));
}

/** When the last pause that kept it ended; null: none that is known did. Until then its jobs were given back. */
export function resumedAt(job: JobSeen, { records }: Pauses): number | null {
  const ends = records
    .filter(({ scope }) => covers(scope, job))
    .flatMap(({ ended }) => ended.map(({ until }) => until));
  return ends.length === 0 ? null : Math.max(...ends);
}

/** How long any pause stood since `from`: what it kept may have delayed anything that followed. */
export function pausedMsSince(from: number, pauses: Pauses): number {
  const spans = pauses.records.flatMap(({ ended }) => ended);
  const standing = pauses.standing.map(({ since, mode }) => ({ from: since, until: pauses.now, mode }));
  return union([...spans, ...standing], from).reduce((sum, span) => sum + span.until - span.from, 0);
}

/**
 * When its lifetime began: at acceptance, or later by a release, a fallback or a resubmission. The due index has no
 * other instant that says so.
 */
function bornAt({ expiresAt }: EntrySeen, { lifetimeMs }: Pauses): number {
  return expiresAt - lifetimeMs;
}

/** A notice goes as always, unless the next hop that it uses is paused by its name. */
function covers(scope: string, job: JobSeen): boolean {
  if (destinationOf(job) !== 'next-hop') return false;
  if (scope === job.nextHop) return true;
  if (isNoticeKey(job.deliveryKey)) return false;
  return scope === 'all' || scope === directionOf(job);
}

function isNoticeKey(deliveryKey: string): boolean {
  return deliveryKey === 'digest' || deliveryKey.includes('-');
}

/** The spool id of a submission names its submitter. */
function directionOf({ spoolId }: { readonly spoolId: string }): Direction {
  return submissionOfSpoolId(spoolId) === null ? 'inbound' : 'outbound';
}

type Span = { readonly from: number; readonly until: number };

function spansOver(entry: EntrySeen, { records, standing, now }: Pauses, born: number): readonly Span[] {
  const spans = records.filter(({ scope }) => covers(scope, entry)).flatMap(({ ended }) => ended);
  const open = standing
    .filter(({ scope }) => covers(scope, entry))
    .map(({ since, mode }) => ({ from: since, until: now, mode }));
  return union(
    [...spans, ...open].filter(({ mode, from }) => mode === 'hold' || born >= from),
    born,
  );
}

/** In order, none overlapping, each from `from` on. */
function union(spans: readonly Span[], from: number): readonly Span[] {
  const out: Span[] = [];
  for (const span of [...spans].sort((a, b) => a.from - b.from)) {
    const begun = Math.max(span.from, out.at(-1)?.until ?? from, from);
    if (span.until > begun) out.push({ from: begun, until: span.until });
  }
  return out;
}

/** The record after the operator's pause; null: it is paused so already. Another mode keeps the pause's beginning. */
export function pausedAs(record: Pause, mode: PauseMode, by: string, now: number): Pause | null {
  if (record.mode === mode) return null;
  const before = record.mode === null ? null : { from: record.since, until: now, mode: record.mode };
  const since = before === null ? now : record.since;
  return { ...record, mode, since, by, ended: before === null ? record.ended : withEnded(record, before, now) };
}

/** The record after the operator's resume; null: neither the operator nor the configuration had paused it. */
export function resumedBy(record: Pause, by: string, now: number): Pause | null {
  const standing = standingIn(record, record.configured?.mode ?? 'normal', now);
  if (standing === null) return null;
  const { since: from, mode } = standing;
  return { ...record, mode: null, since: now, by, ended: withEnded(record, { from, until: now, mode }, now) };
}

/** The record after the sweep found this `transfer` in the configuration; null: it stands so already. */
export function configuredAs(record: Pause, mode: TransferMode, now: number): Pause | null {
  const { configured } = record;
  if (configured?.mode === mode || (configured === undefined && mode === 'normal')) return null;
  const standing = record.mode === null ? standingIn(record, configured?.mode ?? 'normal', now) : null;
  const ended =
    standing === null
      ? record.ended
      : withEnded(record, { from: standing.since, until: now, mode: standing.mode }, now);
  return { ...record, configured: { mode, since: now }, ended };
}

/** A bounded list: nobody's lifetime reaches back further, and where there are too many the nearest two become one. */
function withEnded({ ended }: Pause, last: EndedPause, now: number): readonly EndedPause[] {
  const kept = [...ended, last].filter(({ until }) => until > now - pausedLifetimeMsMax);
  while (kept.length > pausesKeptMax) {
    const gaps = kept.slice(1).map(({ from }, index) => from - (kept[index]?.until ?? from));
    const at = gaps.indexOf(Math.min(...gaps));
    const [first, second] = [kept[at], kept[at + 1]];
    if (first === undefined || second === undefined) break;
    const mode = first.mode === 'hold' || second.mode === 'hold' ? 'hold' : 'drain';
    kept.splice(at, 2, { from: first.from, until: Math.max(first.until, second.until), mode });
  }
  return kept;
}
