// What a row becomes by a fact about it from outside, after the next hop accepted the mail: an event of SES, or a
// remote report. Facts never throw: they come twice, late, in any order, and before our own outcome. Failure overrides
// confirmed, and confirmed overrides relayed (DESIGN decision 12). Pure. A fact that came before is recognised by its
// event in the trace, which has the instant that SES or the report gave.

import { becomeByFact } from '#core/delivery/become.ts';
import { wantsSuccessNotice } from '#core/delivery/delay-success.ts';
import type { AttemptedKind, DeliveryRow, TraceEvent, TraceEventName } from '#core/delivery/delivery.ts';
import { isUnderWay } from '#core/delivery/delivery.ts';
import type { Progress } from '#core/delivery/trace.ts';
import { traced, withDoubt } from '#core/delivery/trace.ts';
import type { Reason } from '#core/reply/reasons.ts';
import type { Reply } from '#core/reply/reply.ts';
import type { Status } from '#core/reply/status.ts';

type Told = {
  /** When it happened, by the event or report, in milliseconds since the epoch. */
  readonly at: number;
  /** When the next hop accepted the message, where the event or report says so. */
  readonly sentAt: number | null;
  readonly reply: Reply | null;
};
/**
 * A fact about a delivery. Reasons are kebab-case and stable: they stand in ledgers, traces and `copyPostmasterOn`.
 */
export type ReportedFact =
  | (Told & { readonly kind: 'failed'; readonly reason: Reason; readonly status: Status; readonly detail: string })
  | (Told & { readonly kind: 'confirmed' })
  /** The server that has it still tries. */
  | (Told & { readonly kind: 'delayed'; readonly reason: string; readonly status: Status | null })
  | (Told & { readonly kind: 'complained'; readonly reason: string })
  /** A bounce that gives no action, status or words: an absence notice, or a failure. */
  | (Told & { readonly kind: 'uncertain'; readonly reason: string })
  /** Not about the delivery, although it looks so: the recipient's absence notice. */
  | (Told & { readonly kind: 'answered'; readonly reason: string });

export type FactTerms = {
  readonly now: number;
  readonly sweepAgainMs: number;
  /** The delivery went on to another next hop than the one that the fact is about. */
  readonly elsewhere: boolean;
  /** At what the attempt was that the fact ends, where it comes before our own outcome; null: not known. */
  readonly attemptedBy: AttemptedKind | null;
};

/** `known`: the trace has it already, word for word. `ignored`: it came too late to change anything, and is traced. */
export type AfterFact = Progress & { readonly became: 'failed' | 'confirmed' | 'noted' | 'ignored' | 'known' };

export function afterFact(row: DeliveryRow, fact: ReportedFact, terms: FactTerms): AfterFact {
  const own = eventOf(row, fact, terms.now);
  if (hasEvent(row, own)) return { row, events: [], became: 'known' };
  if (fact.kind === 'uncertain' && row.state === 'confirmed') return afterFact(row, arrived(fact), terms);
  const changed = settles(fact)
    ? settled(row, fact, terms)
    : fact.kind === 'uncertain'
      ? doubted(row, fact, terms)
      : row;
  if (changed !== null) {
    const became = settles(fact) ? fact.kind : 'noted';
    // Of several claims one or more may have handed it over.
    const unfinished = changed !== row && isUnderWay(row.state) ? row.claims - 1 : 0;
    return { ...withDoubt({ row: changed, events: [own] }, unfinished, terms.now), became };
  }
  const late = `${terms.elsewhere ? 'elsewhere' : 'late'}: ${own.reason ?? fact.kind}`;
  const event: TraceEvent = { ...own, event: 'IGNORE', reason: late };
  return hasEvent(row, event) ? { row, events: [], became: 'known' } : { row, events: [event], became: 'ignored' };
}

type Settling = Extract<ReportedFact, { kind: 'failed' | 'confirmed' }>;
function settles(fact: ReportedFact): fact is Settling {
  return fact.kind === 'failed' || fact.kind === 'confirmed';
}

/** It arrived, so a later report can only be an answer. */
function arrived(fact: Extract<ReportedFact, { kind: 'uncertain' }>): ReportedFact {
  return { ...fact, kind: 'answered', reason: 'automatic-answer' };
}

/**
 * Its sender is told, once, unless another event decides it before the sweep runs: the event of its arrival may be
 * under way. Before our own outcome `relayed` is recorded, that outcome makes the notice due. Null where the delivery
 * has another end.
 */
function doubted(
  row: DeliveryRow,
  { at, reason }: ReportedFact & { reason: string },
  terms: FactTerms,
): DeliveryRow | null {
  if (terms.elsewhere || !(row.state === 'relayed' || isUnderWay(row.state))) return null;
  if (row.kind === 'notice') return row; // nobody is told of a notice
  const uncertain = { at, told: row.uncertain?.told ?? false };
  if (row.state !== 'relayed' || uncertain.told) return { ...row, uncertain };
  return { ...row, uncertain, stateReason: reason, dueAt: terms.now + terms.sweepAgainMs };
}

/** The row as the fact makes it; null where it comes too late. */
function settled(row: DeliveryRow, fact: Settling, terms: FactTerms): DeliveryRow | null {
  if (fact.kind === 'failed') {
    if (terms.elsewhere) return null;
    return becomeByFact(attempted(decided(row), fact, terms), 'reported-failed', {
      reason: fact.reason,
      lastReply: fact.reply,
      lastStatus: fact.status,
      lastReason: fact.reason,
      lastDetail: fact.detail,
      dueAt: terms.now + terms.sweepAgainMs, // should the bounce job be lost
    });
  }
  return becomeByFact(attempted(decided(row), fact, terms), 'confirmed', {
    reason: null,
    lastReply: fact.reply ?? row.lastReply,
    lastStatus: fact.reply?.status ?? row.lastStatus,
    lastReason: null,
    lastDetail: null,
    // Its submitter asked for a success notice, and has none yet: bounce's job may be behind this.
    dueAt: wantsSuccessNotice(row) ? row.dueAt : null,
  });
}

function decided({ uncertain: _, ...row }: DeliveryRow): DeliveryRow {
  return row;
}

/**
 * Before our own outcome: that the next hop had the message is the outcome of the claim under way, and our outcome will
 * find it recorded (core/delivery/overtaken-outcome.ts).
 */
function attempted(row: DeliveryRow, fact: Settling, { attemptedBy }: FactTerms): DeliveryRow {
  if (!isUnderWay(row.state) || row.claims === 0) return row;
  const at = fact.sentAt ?? fact.at;
  return {
    ...row,
    attempts: row.attempts + 1,
    claims: 0,
    leaseUntil: null,
    firstAttemptAt: row.firstAttemptAt ?? at,
    lastAttemptAt: at,
    ...(attemptedBy === null ? {} : { attemptedBy }),
  };
}

const EVENTS = {
  failed: 'FAIL',
  confirmed: 'CONFIRM',
  delayed: 'DELAY',
  complained: 'COMPLAINT',
  uncertain: 'UNCERTAIN',
  answered: 'IGNORE',
} as const satisfies Record<ReportedFact['kind'], TraceEventName>;

function eventOf(row: DeliveryRow, fact: ReportedFact, now: number): TraceEvent {
  const status = 'status' in fact ? fact.status : null;
  const reason = 'reason' in fact ? fact.reason : null;
  const what = { attempt: null, status, reason, reply: fact.reply };
  return traced(row, EVENTS[fact.kind], Math.min(fact.at, now), what);
}

function hasEvent({ trace }: DeliveryRow, { event, at, reason, reply }: TraceEvent): boolean {
  return trace.some((each) => each.event === event && each.at === at && each.reason === reason && each.reply === reply);
}
