// The next state of a ledger row: after an attempt, at expiry, when its notice is settled. The stages call it.
// core/delivery/sweep-decision.ts decides what the sweep does with it. Pure: every function takes a row and the present
// instant, and returns the next row with the trace events that explain it.

import { triedTextMax } from '#core/limits.ts';
import type { Deferred, Failed, Outcome } from '#core/reply/outcome.ts';
import type { TableReason } from '#core/reply/reasons.ts';
import type { Status } from '#core/reply/status.ts';
import { become, type Change, hold, holdForNotice } from './become.ts';
import { bounceWithoutReport, delayNoticeAt, wantsSuccessNotice } from './delay-success.ts';
import type {
  AttemptedKind,
  DeliveryRow,
  HeldBecause,
  MessageFacts,
  NoticeKind,
  NoticeSummary,
  TraceEvent,
  TraceEventName,
} from './delivery.ts';
import { doubted } from './put-back.ts';
import { type Progress, traced } from './trace.ts';

/**
 * The purge dates the own item of a message of several deliveries once they all are final. A delivery that is taken up
 * again may be held for longer than that: it holds the facts itself.
 */
export function holdingFacts({ row, events }: Progress, facts: MessageFacts | null): Progress {
  return { events, row: { ...row, message: row.message ?? facts } };
}

export type NewDelivery = {
  readonly spoolId: string;
  readonly deliveryKey: string;
  readonly forwardPath: string;
  readonly route: number;
  readonly action: number;
  readonly nextHop: string;
  readonly address: string;
  readonly copy: boolean;
  readonly message: MessageFacts | null;
  readonly acceptedAt: number;
  readonly lifetimeMs: number;
  readonly sweepAgainMs: number;
  readonly trace: readonly TraceEvent[];
};

/** A delivery as ingest creates it: queued, due now, looked at again by the sweep should its first job be lost. */
export function newDelivery(given: NewDelivery, now: number): DeliveryRow {
  return {
    schema: 1,
    spoolId: given.spoolId,
    deliveryKey: given.deliveryKey,
    version: 1,
    kind: 'delivery',
    noticeOf: null,
    noticeKind: null,
    forwardPath: given.forwardPath,
    route: given.route,
    action: given.action,
    nextHop: given.nextHop,
    address: given.address,
    copy: given.copy,
    fallback: null,
    state: 'queued',
    stateReason: null,
    attempts: 0,
    claims: 0,
    acceptedAt: given.acceptedAt,
    firstAttemptAt: null,
    lastAttemptAt: null,
    nextAttemptAt: now,
    expiresAt: given.acceptedAt + given.lifetimeMs, // age counts from acceptance
    leaseUntil: null,
    dueAt: now + given.sweepAgainMs,
    lastReply: null,
    lastStatus: null,
    lastReason: null,
    lastDetail: null,
    possibleDuplicate: false,
    notice: null,
    message: given.message,
    trace: given.trace,
  };
}

/**
 * A delivery that is refused before any attempt (no route, policy, loop): failed at birth, so that its NDR has a row to
 * stand on.
 */
export function failedAtBirth(
  row: DeliveryRow,
  status: Status,
  reason: TableReason,
  detail: string,
  now: number,
): DeliveryRow {
  return become(row, 'failed', {
    reason,
    lastStatus: status,
    lastReason: reason,
    lastDetail: detail,
    dueAt: row.dueAt, // should the bounce job be lost
    trace: [...row.trace, traced(row, 'FAIL', now, { attempt: null, status, reason, reply: null })],
  });
}

export type HeldAtBirth = {
  readonly because: HeldBecause;
  readonly reason: string;
  /** The trace's detail beside the reason. */
  readonly detail?: string | null;
  readonly status?: Status;
};

/** A delivery that is kept until an operator acts, or until the missing part arrives. */
export function heldAtBirth(row: DeliveryRow, given: HeldAtBirth, now: number): DeliveryRow {
  const { because, reason, detail = null, status = null } = given;
  const said = detail === null ? reason : `${reason}: ${detail}`;
  const event = traced(row, 'HOLD', now, { attempt: null, status, reason: said, reply: null });
  const last = status === null ? {} : { lastStatus: status, lastReason: reason, lastDetail: detail };
  return hold(row, 'held', because, { reason, ...last, now, trace: [...row.trace, event] });
}

/** A notice as a delivery of its own (null reverse-path), composed from the ledger at each attempt. */
export function newNotice(
  of: DeliveryRow,
  given: { key: string; to: string; via: string; lifetimeMs: number; sweepAgainMs: number; kind?: NoticeKind },
  now: number,
): DeliveryRow {
  const row = newDelivery(
    {
      spoolId: of.spoolId,
      deliveryKey: given.key,
      forwardPath: given.to,
      route: of.route,
      action: of.action,
      nextHop: given.via,
      address: given.to,
      copy: false,
      message: null,
      acceptedAt: now,
      lifetimeMs: given.lifetimeMs,
      sweepAgainMs: given.sweepAgainMs,
      trace: [],
    },
    now,
  );
  const notice: DeliveryRow = {
    ...row,
    kind: 'notice',
    noticeOf: of.deliveryKey,
    noticeKind: given.kind ?? 'ndr',
  };
  // An earlier row of this notice may be lost, and the notice sent.
  return of.putBack === undefined ? notice : doubted(notice, { at: now });
}

export type AttemptTerms = {
  /** Of the next hop that it was made at, by the configuration; null where that has none of the name. */
  readonly attemptedBy: AttemptedKind | null;
  readonly startedAt: number;
  readonly now: number;
  /** When the next attempt is, should this one be deferred. */
  readonly nextAttemptAt: number;
  readonly sweepAgainMs: number;
  readonly openMs: number;
  /** How long it waited for room among the messages in progress; reported from one second on. */
  readonly waitedMs?: number;
  /** Bare CRs and LFs of the content that left as CRLF (RFC 5321 §2.3.8): the one change to a body, so it is traced. */
  readonly bareLineEndings?: number;
  /** The reverse-path as accepted is no path that anything could carry: the message left with the null one. */
  readonly reversePathLost?: boolean;
  /** The content lay under a delete marker and was found by its version. */
  readonly undeleted?: boolean;
  /** The return path of ours under which it left. */
  readonly returnPath?: string | null;
  /** By SES: parts of the body left in another transfer encoding (core/message/reencode.ts). */
  readonly reencoded?: boolean;
  /** Other hosts of the next hop that were tried in this attempt: a line each with their answers. */
  readonly tried?: readonly string[];
  /** The next hop offers DSN, and was asked to report as the submitter had asked. */
  readonly dsnTaken?: boolean;
  /** `retry.delayNotice`: the row is due then at the latest, unless the sender has had a notice. */
  readonly delayNoticeMs?: number | null;
};

/** The row after an attempt's outcome. A recorded outcome zeroes `claims` and gives the lease back. */
export function afterAttempt(row: DeliveryRow, outcome: Outcome, terms: AttemptTerms): Progress {
  const interrupted = row.claims > 1;
  const base: DeliveryRow = {
    ...ofItsOwn(row),
    attempts: row.attempts + 1,
    claims: 0,
    leaseUntil: null,
    firstAttemptAt: row.firstAttemptAt ?? terms.startedAt,
    lastAttemptAt: terms.startedAt,
    ...(terms.attemptedBy === null ? {} : { attemptedBy: terms.attemptedBy }),
    lastReply: outcome.reply,
    possibleDuplicate:
      row.possibleDuplicate || interrupted || (outcome.kind === 'deferred' && outcome.possibleDuplicate),
  };
  return {
    row: become(base, outcome.kind, changes(row, outcome, terms)),
    events: attemptEvents(row, outcome, terms, interrupted),
  };
}

/** Without what another message's attempt found out. */
function ofItsOwn({ hopFailed: _, ...row }: DeliveryRow): DeliveryRow {
  return row;
}

function changes(row: DeliveryRow, outcome: Outcome, terms: AttemptTerms): Change {
  if (outcome.kind === 'relayed') {
    const unsaid = row.uncertain?.told === false;
    return {
      reason: row.uncertain === undefined ? null : bounceWithoutReport,
      lastStatus: outcome.reply.status,
      lastReason: null,
      lastDetail: null,
      // A next hop that took the request along (RFC 3461 §5.2) is the one to answer it; otherwise, should the bounce
      // job be lost.
      dueAt: unsaid || (wantsSuccessNotice(row) && terms.dsnTaken !== true) ? terms.now + terms.sweepAgainMs : null,
    };
  }
  const why = {
    reason: outcome.reason,
    lastStatus: outcome.status,
    lastReason: outcome.reason,
    lastDetail: outcome.detail,
    ...decidedBy(outcome),
  };
  if (outcome.kind === 'failed') return { ...why, dueAt: terms.now + terms.sweepAgainMs }; // should the bounce job be lost
  const delayAt = delayNoticeAt({ ...row, state: 'deferred' }, terms.delayNoticeMs ?? null) ?? Number.POSITIVE_INFINITY;
  return { ...why, nextAttemptAt: terms.nextAttemptAt, dueAt: Math.min(terms.nextAttemptAt, row.expiresAt, delayAt) };
}

/** Both, also where there is none: an earlier attempt may have had one. */
function decidedBy(outcome: Deferred | Failed): Pick<DeliveryRow, 'lastRule' | 'unrecognised'> {
  return {
    lastRule: outcome.rule,
    unrecognised: outcome.kind === 'failed' ? outcome.unrecognised : undefined,
  };
}

const EVENT_OF = { relayed: 'SEND', deferred: 'DEFER', failed: 'FAIL' } as const;

function attemptEvents(row: DeliveryRow, outcome: Outcome, terms: AttemptTerms, interrupted: boolean): TraceEvent[] {
  const attempt = row.attempts + 1;
  const status = outcome.kind === 'relayed' ? outcome.reply.status : outcome.status;
  const changed = terms.bareLineEndings ?? 0;
  const waitedSeconds = Math.floor((terms.waitedMs ?? 0) / 1_000);
  const remarks = [
    ...(waitedSeconds === 0 ? [] : [`waited ${waitedSeconds} s for room`]),
    ...(changed === 0 ? [] : [`${changed} bare line endings left as CRLF`]),
    ...(terms.reencoded === true ? ['reencoded-for-ses'] : []),
    ...(terms.returnPath == null ? [] : [`return path ${terms.returnPath}`]),
    ...(terms.reversePathLost === true ? ['reverse-path-not-carried'] : []),
    ...(terms.dsnTaken === true && wantsSuccessNotice(row) ? ['success-report-asked-of-next-hop'] : []),
  ];
  const reason = outcome.kind === 'relayed' ? remarks.join('; ') || null : outcome.reason;
  const note = (event: TraceEventName, why: string | null) =>
    traced(row, event, terms.now, { attempt, status, reason: why, reply: outcome.reply });
  const events: TraceEvent[] = [];
  if (interrupted)
    events.push({
      ...note('POSSIBLE_DUPLICATE', 'earlier-attempt-unfinished'),
      at: terms.startedAt,
      status: null,
      reply: null,
    });
  if (terms.undeleted) events.push({ ...note('RESTORE', 'delete-marker'), status: null, reply: null });
  if (outcome.kind === 'deferred' && outcome.reason === 'content-unreadable')
    events.push(note('UNREADABLE', outcome.detail));
  if (outcome.kind === 'deferred' && outcome.possibleDuplicate) events.push(note('POSSIBLE_DUPLICATE', outcome.reason));
  const latency = { openMs: terms.openMs, totalMs: terms.now - terms.startedAt };
  const detail = foundOut(outcome, terms.tried ?? []);
  const said = detail === '' ? {} : { detail };
  const rule = outcome.kind === 'relayed' ? {} : present(decidedBy(outcome));
  return [...events, { ...note(EVENT_OF[outcome.kind], reason), ...said, ...rule, latency }];
}

/** Facts that the trace's reply lacks: the fault where no reply came, and the answers of other hosts. */
function foundOut(outcome: Outcome, tried: readonly string[]): string {
  const own = outcome.kind === 'relayed' || outcome.reply !== null ? '' : outcome.detail;
  const others = tried.length === 0 ? '' : `also tried: ${tried.join('; ')}`.slice(0, triedTextMax).toWellFormed();
  return [own, others].filter((text) => text !== '').join('; ');
}

function present({ lastRule: rule, unrecognised }: Pick<DeliveryRow, 'lastRule' | 'unrecognised'>) {
  return { ...(rule === undefined ? {} : { rule }), ...(unrecognised === true ? { unrecognised } : {}) };
}

/**
 * The claim that reaches the limit: the job goes to the dead-letter queue when it fails again; the row waits for its
 * delay notice and then for its expiry, and may be claimed all the while, by a redriven job.
 */
export function afterPoison(row: DeliveryRow, now: number, delayNoticeMs: number | null = null): Progress {
  return {
    events: [
      traced(row, 'POISON', now, {
        attempt: null,
        status: null,
        reason: `${row.claims} claims without an outcome`,
        reply: null,
      }),
    ],
    row: { ...row, dueAt: delayNoticeAt(row, delayNoticeMs) ?? row.expiresAt },
  };
}

/** The failure's notice is written and queued. The row records it, and the sweep watches it until it is settled. */
export function withNoticeQueued(
  row: DeliveryRow,
  notice: { via: string; to: string; messageIdField: string },
  now: number,
  dueAt: number,
): Progress {
  const summary: NoticeSummary = {
    kind: 'ndr',
    state: 'queued',
    via: notice.via,
    to: notice.to,
    messageIdField: notice.messageIdField,
    at: now,
    reason: null,
  };
  const event = traced(
    row,
    'DSN',
    now,
    { attempt: null, status: row.lastStatus, reason: `queued to ${notice.to}`, reply: null },
    notice.via,
  );
  return { events: row.notice?.kind === 'ndr' ? [] : [event], row: { ...row, notice: summary, dueAt } };
}

/** There may be no notice, or (held) none yet: the reason is recorded in the ledger, never an absence. */
export function withNoticeWithheld(
  row: DeliveryRow,
  reason: string,
  because: HeldBecause | null,
  now: number,
): Progress {
  const held = because !== null;
  const what = { attempt: null, status: row.lastStatus, reason, reply: null };
  const state = held ? 'held' : 'unreturnable';
  const notice: NoticeSummary = { kind: 'ndr', state, via: null, to: null, messageIdField: null, at: now, reason };
  const change = { reason, notice };
  return {
    events: [traced(row, held ? 'HOLD' : 'SUPPRESSED', now, what, null)],
    row: held
      ? hold(row, 'notice-failed', because, { ...change, now })
      : become(row, 'notice-withheld', { ...change, dueAt: null }),
  };
}

/** The notice's own delivery is settled: accepted makes the delivery returned, a final failure makes it held. */
export function withNoticeSettled(row: DeliveryRow, notice: DeliveryRow, now: number): Progress {
  const accepted = notice.state === 'relayed' || notice.state === 'confirmed';
  const reason = accepted ? null : `notice ${notice.state}: ${notice.stateReason ?? 'no reason'}`;
  const summary: NoticeSummary = {
    kind: 'ndr',
    state: accepted ? 'relayed' : 'held', // later facts about it stand in its own row
    via: notice.nextHop,
    to: notice.forwardPath,
    messageIdField: row.notice?.kind === 'ndr' ? row.notice.messageIdField : null,
    at: now,
    reason,
  };
  const event = traced(
    row,
    accepted ? 'DSN' : 'HOLD',
    now,
    {
      attempt: null,
      status: notice.lastStatus,
      reason: accepted ? `accepted for ${notice.forwardPath}` : reason,
      reply: notice.lastReply,
    },
    notice.nextHop,
  );
  // A notice that came back late has the facts, which may have been given to another row
  // (pipeline/feedback/feedback.ts).
  const message = row.message ?? notice.message;
  const change = { reason, notice: summary, message };
  return {
    events: [event],
    row: accepted ? become(row, 'notice-accepted', { ...change, dueAt: null }) : holdForNotice(row, { ...change, now }),
  };
}
