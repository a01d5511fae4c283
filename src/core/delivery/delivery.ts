// A delivery: one message to one forward-path by one action of a route. It is the unit of state; its state machine is
// here. All layers use its types. Pure. Instants are milliseconds since the epoch; text is as the ledger keeps it.

import type { NextHopSettings } from '#config/settings.ts';
import type { Extract } from '#core/message/extract.ts';
import type { Reply } from '#core/reply/reply.ts';
import type { Status } from '#core/reply/status.ts';
import type { Notify, Return, SubmittingClient } from '#core/submission/submission.ts';

export type DeliveryState =
  | 'queued'
  | 'deferred'
  | 'relayed'
  | 'confirmed'
  | 'failed'
  | 'expired'
  | 'returned'
  | 'unreturnable'
  | 'held'
  | 'quarantined'
  | 'discarded'
  | 'removed';

export type Direction = 'inbound' | 'outbound';
export type VerdictStatus = 'PASS' | 'FAIL' | 'GRAY' | 'PROCESSING_FAILED' | 'DISABLED';
export type Verdicts = {
  readonly spam: VerdictStatus;
  readonly virus: VerdictStatus;
  readonly spf: VerdictStatus;
  readonly dkim: VerdictStatus;
  readonly dmarc: VerdictStatus;
  /** Present only when DMARC failed (SES receipt contract). */
  readonly dmarcPolicy: 'none' | 'quarantine' | 'reject' | null;
};

export type MessageFacts = {
  readonly spoolId: string;
  readonly direction: Direction;
  /** The reverse-path as accepted; '' is the null reverse-path. */
  readonly reversePath: string;
  readonly objectKey: string;
  /** Bytes and version of the object; learnt when it is first opened, null until then. */
  readonly size: number | null;
  readonly objectVersion: string | null;
  readonly extract: Extract;
  readonly verdicts: Verdicts | null;
  readonly acceptedAt: number;
  readonly configVersion: string;
  /** Outbound mail alone. */
  readonly submission?: SubmissionFacts;
};

export type SubmissionFacts = {
  readonly submitter: string;
  /** Of the content, as the envelope committed it: 64 hexadecimal digits. Its length is `size`. */
  readonly sha256: string;
  /** RFC 3461 §4.3 and §4.4, as submitted. */
  readonly ret: Return | null;
  readonly envid: string | null;
  /** Declared by its submitter (RFC 6531 §3.4). */
  readonly smtputf8?: true;
  /** Where the gateway took it. */
  readonly client?: SubmittingClient;
};

/** Exchange's message tracking vocabulary, and a few of ours in the same spirit. */
export type TraceEventName =
  | 'RECEIVE'
  | 'DEFER'
  | 'SEND'
  | 'CONFIRM' // who took it says that it arrived
  | 'DELAY' // who took it is still trying
  | 'UNCERTAIN' // a bounce that does not say whether it is one: an absence notice, or a failure
  | 'FAIL'
  | 'EXPIRE'
  | 'DSN'
  | 'SUPPRESSED' // a notice that may not be sent: the reason says why
  | 'HOLD'
  | 'RELEASE' // an operator lets a held or quarantined delivery go on
  | 'REDIRECT' // expired at its next hop, and goes on to the route's fallback
  | 'DROP' // ended without a notice, on purpose: an explicit route, the end of a quarantine, an operator
  | 'POISON'
  | 'RESUBMIT' // the sweep enqueued a lost or due job; an operator has relayed mail relayed again
  | 'POSSIBLE_DUPLICATE' // an earlier attempt's result is unknown; the next hop may have the message already
  | 'COMPLAINT' // the recipient called it unwanted
  | 'IGNORE' // reported too late to change anything, or no fact about the delivery at all: the reason says which
  | 'UNREADABLE'
  | 'RESTORE'; // a delete marker hid the content; it was read by its version

export type TraceEvent = {
  readonly at: number;
  readonly event: TraceEventName;
  readonly attempt: number | null;
  readonly nextHop: string | null;
  readonly status: string | null;
  readonly reply: string | null;
  readonly reason: string | null;
  /** The fault of an attempt that got no reply: one line for people, without secrets. Older rows have none. */
  readonly detail?: string;
  /** Of an attempt: the row or general rule that decided on the reply, and whether only the stage did. */
  readonly rule?: string;
  readonly unrecognised?: true;
  /** Of an operator's command: its caller, as AWS names it. Older events have none. */
  readonly by?: string;
  /** Milliseconds of the attempt: opening the content, the whole attempt. */
  readonly latency?: { readonly openMs: number; readonly totalMs: number };
};

/**
 * `success`: for a submitter that requested it (RFC 3461 §4.1). `uncertain`: a bounce was reported that does not say
 * whether it is one. `postmaster`: the copy of a failure for `notices.postmaster`; no notice follows its failure.
 */
export type NoticeKind = 'ndr' | 'delay' | 'uncertain' | 'success' | 'postmaster';
export type NoticeSummary = {
  readonly kind: NoticeKind;
  readonly state: DeliveryState;
  readonly via: string | null;
  readonly to: string | null;
  readonly messageIdField: string | null;
  readonly at: number;
  /** Why there is none, where there is none: one of core/notice/permission.ts's reasons. */
  readonly reason: string | null;
};

/**
 * Why a row is held: the work that waits for an operator. Stable: it stands in ledgers, and each has a shard of the
 * index of what is due (adapters/aws/dynamo-row.ts).
 */
export const heldCauses = [
  'operator', // an operator stopped it
  'copy-failed', // no notice follows the failure of a copy
  'notice-not-delivered',
  'notices-held', // `notices.mode: hold`
  'expiry-limit',
  'failure-limit', // many were refused in the same words, which no rule knows
  'receipt-missing',
  'envelope-missing',
  'submission-malformed', // the envelope among it
  'foreign-sender', // or an unknown submitter
  'foreign-author',
  'resubmitted-confirmed', // a report that it failed would be false
  'policy', // policy refused it, and no notice may go
  'no-way-to-the-postmaster', // no configured next hop could carry the postmaster's mail
] as const;
export type HeldBecause = (typeof heldCauses)[number];

/** The kinds of next hops that attempts are made at; the others are decided by ingest. */
export type AttemptedKind = Exclude<NextHopSettings['kind'], 'refuse' | 'discard'>;

/** A ledger row. `version` counts writes: every write is conditional on the version that was read. */
export type DeliveryRow = {
  readonly schema: 1;
  readonly spoolId: string;
  readonly deliveryKey: string;
  readonly version: number;
  readonly kind: 'delivery' | 'notice';
  /** For a notice: the delivery it reports on, and the kind of notice. A digest reports on none. */
  readonly noticeOf: string | null;
  readonly noticeKind: NoticeKind | 'digest' | null;

  /** As the sender gave it to us (RFC 3464 §2.3.2 wants exactly this in Final-Recipient). */
  readonly forwardPath: string;
  readonly route: number;
  readonly action: number;
  readonly nextHop: string;
  /** The routed address, which we give in RCPT. Never shown to the sender. */
  readonly address: string;
  readonly copy: boolean;
  /** The next hop still to be tried, once, should the delivery expire at this one. */
  readonly fallback: string | null;

  readonly state: DeliveryState;
  readonly stateReason: string | null;
  /** How it came to be held; absent where it is not, and in rows of older versions (core/delivery/become.ts). */
  readonly heldBecause?: HeldBecause;
  /**
   * The causes from which operators have released it, each once; absent where it was never released, and in rows of
   * older versions (core/delivery/become.ts).
   */
  readonly releasedFrom?: readonly HeldBecause[];
  /** Attempts with a recorded outcome. */
  readonly attempts: number;
  /** Claims since the last recorded outcome: more than one means that an attempt's result was lost. */
  readonly claims: number;
  readonly acceptedAt: number;
  readonly firstAttemptAt: number | null;
  readonly lastAttemptAt: number | null;
  readonly nextAttemptAt: number;
  readonly expiresAt: number;
  readonly leaseUntil: number | null;
  /** Its lifetime is over without an attempt, and the sweep has sent the job of the one that it gets all the same. */
  readonly lastJobSent?: true;
  /** When the sweep must look at the row next; null once it is final. */
  readonly dueAt: number | null;

  /** The kind of next hop of its last attempt; absent before one, and in rows of older versions. */
  readonly attemptedBy?: AttemptedKind;
  readonly lastReply: Reply | null;
  readonly lastStatus: Status | null;
  readonly lastReason: string | null;
  readonly lastDetail: string | null;
  /**
   * The row or general rule that decided on `lastReply` (core/reply/decision.ts). Absent: the stage alone, no reply, or
   * a row of an older version.
   */
  readonly lastRule?: string;
  /** The stage alone decided on `lastReply`, at RCPT or later: no row or rule knows its text. */
  readonly unrecognised?: true;
  /**
   * The last reply, status, reason and detail are those of another message's attempt, at `at`: the next hop has taken
   * nothing since `since` (core/delivery/expiry.ts). Absent: they are its own.
   */
  readonly hopFailed?: { readonly since: number; readonly at: number };
  readonly possibleDuplicate: boolean;
  /** The submitter's request for this recipient (RFC 3461 §4.1 and §4.2); absent where there was none. */
  readonly dsn?: { readonly notify: readonly Notify[] | null; readonly orcpt: string | null };

  /**
   * Under which return path of ours it leaves (core/routing/return-path.ts); absent: under the one that it came with.
   */
  readonly returnPath?: 'token' | 'srs';

  /** When an operator had it relayed again; `from`: the furthest state before any such time. Absent: never. */
  readonly resubmitted?: { readonly at: number; readonly from: 'relayed' | 'confirmed' };

  /**
   * When it was put back from a restored ledger, or made anew for mail of before a restore (core/delivery/put-back.ts):
   * nobody knows what became of it before. Absent: never.
   */
  readonly putBack?: { readonly at: number };

  /**
   * When SES reported a bounce that gives no result; `told`: the sender has a notice of it. Absent: never, or a later
   * fact decided it.
   */
  readonly uncertain?: { readonly at: number; readonly told: boolean };

  readonly notice: NoticeSummary | null;
  /** On the sole delivery of a message; otherwise the message has an item of its own, and this is null. */
  readonly message: MessageFacts | null;
  readonly trace: readonly TraceEvent[];
};

export type DeliveryRef = { readonly spoolId: string; readonly deliveryKey: string };

/** Our own commands. An illegal pair is a bug and throws. */
export type Command =
  | 'relayed'
  | 'deferred'
  | 'failed'
  | 'expired'
  | 'redirected'
  | 'quarantined'
  | 'discarded'
  | 'notice-accepted'
  | 'notice-withheld'
  | 'notice-failed'
  | 'held'
  | 'released'
  | 'resubmitted'
  | 'removed';
/**
 * Facts that others report afterwards (SES events, remote reports). A late or second one is ignored, never an error.
 */
export type Fact =
  | 'confirmed'
  | 'reported-failed'
  /** The notice that had been accepted came back itself. */
  | 'notice-bounced';

// A fact may come before our own outcome: the 200 of SES whose answer was lost, and what SES reported of it afterwards.
const UNDER_WAY = {
  confirmed: 'confirmed',
  'reported-failed': 'failed',
  relayed: 'relayed',
  deferred: 'deferred',
  failed: 'failed',
  expired: 'expired',
  discarded: 'discarded',
  quarantined: 'quarantined',
  held: 'held',
  removed: 'removed',
} as const;
const LOST_CAUSE = {
  'notice-accepted': 'returned',
  'notice-withheld': 'unreturnable',
  'notice-failed': 'held',
} as const;

const NEXT: Readonly<Record<DeliveryState, Partial<Record<Command | Fact, DeliveryState>>>> = {
  queued: UNDER_WAY,
  deferred: UNDER_WAY,
  relayed: { confirmed: 'confirmed', 'reported-failed': 'failed', resubmitted: 'queued' },
  confirmed: { 'reported-failed': 'failed', resubmitted: 'queued' }, // failure over confirmed over relayed
  failed: LOST_CAUSE,
  expired: { ...LOST_CAUSE, redirected: 'queued' },
  held: { released: 'queued', removed: 'removed', failed: 'failed' }, // failed: removed, and its sender is told
  quarantined: { released: 'queued', removed: 'removed', failed: 'failed', discarded: 'discarded' },
  returned: { 'notice-bounced': 'held' },
  unreturnable: {},
  discarded: {},
  removed: {},
};

/** The next state, or 'ignored' for a fact that comes late. Throws on a command that the state does not know. */
export function transition(state: DeliveryState, event: Command): DeliveryState;
export function transition(state: DeliveryState, event: Fact): DeliveryState | 'ignored';
export function transition(state: DeliveryState, event: Command | Fact): DeliveryState | 'ignored' {
  const next = NEXT[state][event];
  if (next !== undefined) return next;
  if (event === 'confirmed' || event === 'reported-failed' || event === 'notice-bounced') return 'ignored';
  throw new Error(`a ${state} delivery cannot be ${event}`);
}

/**
 * Final: nothing more happens without an operator (who may resubmit a relayed delivery). Held mail is not final: an
 * operator must act.
 */
export function isFinal(state: DeliveryState): boolean {
  return Object.keys(NEXT[state]).length === 0 || ['relayed', 'confirmed', 'returned'].includes(state);
}

/** A notice that answers for no delivery: its own end is all there is to it. */
export function standsAlone(row: DeliveryRow): boolean {
  return row.noticeKind === 'postmaster' || row.noticeKind === 'digest';
}

/**
 * Nothing waits for it: it is final, or a sender's notice that is held, whose delivery is held with it and has the say.
 * Its row may be forgotten in time.
 */
export function isSettled(row: DeliveryRow): boolean {
  return isFinal(row.state) || (row.state === 'held' && ['ndr', 'delay', 'uncertain'].includes(row.noticeKind ?? ''));
}

export function isUnderWay(state: DeliveryState): boolean {
  return state === 'queued' || state === 'deferred';
}

/** It failed, and the failure limit holds its NDR (core/delivery/failure-limit.ts). */
export function isHeldFailure(row: DeliveryRow): boolean {
  return row.state === 'held' && row.heldBecause === 'failure-limit';
}

/** A delivery's public id: one word of [A-Za-z0-9-], so that it fits an SES message tag and a Received field. */
export function deliveryId(ref: DeliveryRef): string {
  return `${ref.spoolId}-${ref.deliveryKey}`;
}

/**
 * The parts of a `deliveryId`; null where it is none of ours. Others send it back to us (SES's tags): it proves nothing
 * until it is found in the ledger.
 */
export function refOfDeliveryId(text: string): DeliveryRef | null {
  const [, spoolId, deliveryKey] =
    /^([A-Za-z0-9-]{1,120})-([a-z2-7]{16}(?:-(?:ndr|delay|uncertain|success|postmaster|canary))?)$/.exec(text) ?? [];
  return spoolId === undefined || deliveryKey === undefined ? null : { spoolId, deliveryKey };
}
