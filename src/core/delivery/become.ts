// Changes a row's state; no other file does. Each change gives its reason, and when the sweep must look at the row
// next. A held row says why it is held; no other row does. Pure. It never decides which change a row needs.

import { dayMs } from '#core/limits.ts';
import type { Command, DeliveryRow, Fact, HeldBecause } from './delivery.ts';
import { isSettled, transition } from './delivery.ts';

/** The changes beside the state. */
export type Change = Partial<Omit<DeliveryRow, 'state' | 'stateReason' | 'dueAt' | 'heldBecause'>> & {
  /** Of the new state; null: it needs none. */
  readonly reason: string | null;
  /** When the sweep must look at the row next; null: never, by itself. */
  readonly dueAt: number | null;
};

type HoldCommand = 'held' | 'notice-failed';

/** Throws where the state does not know the command: a bug. */
export function become(row: DeliveryRow, command: Exclude<Command, HoldCommand>, change: Change): DeliveryRow {
  return inState(row, transition(row.state, command), change);
}

/** Of a held row. */
export type HoldChange = Omit<Change, 'dueAt'> & {
  readonly now: number;
  /** When something must happen to it by itself; absent: nothing will, before a person acts. */
  readonly dueAt?: number;
};

/** Kept, and an operator must look at it. */
export function hold(row: DeliveryRow, command: HoldCommand, because: HeldBecause, change: HoldChange): DeliveryRow {
  return inSight(row, transition(row.state, command), because, change);
}

/** A fact that others report; null where it comes too late to change the state. */
export function becomeByFact(
  row: DeliveryRow,
  fact: Exclude<Fact, 'notice-bounced'>,
  change: Change,
): DeliveryRow | null {
  const state = transition(row.state, fact);
  return state === 'ignored' ? null : inState(row, state, change);
}

/**
 * The notice was not delivered, or came back after its acceptance: the delivery is held, as there is never a third
 * message.
 */
export function holdForNotice(row: DeliveryRow, change: HoldChange): DeliveryRow {
  const bounced = transition(row.state, 'notice-bounced');
  const state = bounced === 'ignored' ? transition(row.state, 'notice-failed') : bounced;
  return inSight(row, state, 'notice-not-delivered', change);
}

/**
 * What waits for a person has an instant, a day on at the latest, so that the index of what is due counts it (DESIGN
 * decision 32). A sender's notice has none: its delivery is held with it, and is counted. A held row has no attempt
 * ahead: its `nextAttemptAt` says since when it is held, because the index has no other instant for that.
 */
function inSight(
  row: DeliveryRow,
  state: DeliveryRow['state'],
  because: HeldBecause,
  { now, dueAt = Number.POSITIVE_INFINITY, ...change }: HoldChange,
): DeliveryRow {
  const held = { ...inState(row, state, { ...change, nextAttemptAt: now, dueAt: null }), heldBecause: because };
  return isSettled(held) ? held : { ...held, dueAt: Math.min(dueAt, now + dayMs) };
}

/** A held row whose notice goes on: it failed or expired before, and is so again. */
export function resumeFailure(row: DeliveryRow, before: 'failed' | 'expired', change: Change): DeliveryRow {
  const failed = transition(row.state, 'failed');
  return inState(row, before === 'expired' ? before : failed, change);
}

function inState(row: DeliveryRow, state: DeliveryRow['state'], { reason, ...change }: Change): DeliveryRow {
  const { heldBecause: _, ...unheld } = row;
  const rest = state === 'queued' ? withoutQuote(unheld) : unheld;
  const changed = change.lastReason !== undefined && change.lastReason !== row.lastReason;
  return { ...(changed ? withoutRule(rest) : rest), ...change, state, stateReason: reason };
}

/** Queued again, it has its own attempts to tell of. */
function withoutQuote<R extends Pick<DeliveryRow, 'hopFailed'>>({ hopFailed: _, ...rest }: R): Omit<R, 'hopFailed'> {
  return rest;
}

/** The rule that decided on the last reply says nothing about another reason. */
function withoutRule<R extends Pick<DeliveryRow, 'lastRule' | 'unrecognised'>>({
  lastRule: _rule,
  unrecognised: _mark,
  ...rest
}: R): Omit<R, 'lastRule' | 'unrecognised'> {
  return rest;
}

/** Null where the row is not held. Rows that older versions wrote do not say it: their reason does. */
export function heldBecauseOf(row: DeliveryRow): HeldBecause | null {
  if (row.state !== 'held') return null;
  if (row.heldBecause !== undefined) return row.heldBecause;
  return causeBefore(row.stateReason) ?? (isNoticeWithheld(row) ? 'policy' : 'notice-not-delivered');
}

/**
 * The reason may be any of core/notice/permission.ts: older versions held deliveries whose notice was not allowed for
 * one reason more than those below, that policy had refused it. A notice that was sent has its way.
 */
function isNoticeWithheld({ kind, notice }: DeliveryRow): boolean {
  return kind === 'delivery' && notice?.state === 'held' && notice.via === null;
}

/**
 * The causes from which operators have released a row that is under way. Rows that older versions released do not say
 * it. Their trace does: it keeps for good what held them first (adapters/trace-split.ts).
 */
export function releasedFromOf({ releasedFrom, trace }: DeliveryRow): readonly HeldBecause[] {
  if (releasedFrom !== undefined) return releasedFrom;
  const causes = trace.flatMap(({ event, reason }) => {
    const cause = event === 'HOLD' ? causeBefore(reason) : null;
    return cause === null ? [] : [cause];
  });
  return [...new Set(causes)];
}

/** From a reason of older versions, with or without a text behind a colon; null: it is not one of these. */
function causeBefore(reason: string | null): HeldBecause | null {
  const name = reason?.split(':', 1)[0] ?? '';
  return Object.hasOwn(BEFORE, name) ? (BEFORE[name] ?? null) : null;
}

const BEFORE: Readonly<Record<string, HeldBecause>> = {
  'held-by-operator': 'operator',
  'copy-delivery': 'copy-failed',
  'double-bounce': 'notice-not-delivered',
  'notice-not-delivered': 'notice-not-delivered',
  'notices-held': 'notices-held',
  'expiry-limit': 'expiry-limit',
  'expiry-valve': 'expiry-limit',
  'receipt-missing': 'receipt-missing',
  'envelope-missing': 'envelope-missing',
  'envelope-unreadable': 'submission-malformed',
  'submission-malformed': 'submission-malformed',
  'submitter-unknown': 'foreign-sender',
  'foreign-sender': 'foreign-sender',
  'foreign-author': 'foreign-author',
  'resubmitted-confirmed': 'resubmitted-confirmed',
  'no-way-to-the-postmaster': 'no-way-to-the-postmaster',
};
