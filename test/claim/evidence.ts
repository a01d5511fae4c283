// What the checker is given: what the senders were told, what the next hops took, and only then the ledger and the
// alarms. Types alone. The simulator, crash-everywhere, the end-to-end scenarios, the kill test and the corpus run fill
// them in.

import type { DeliveryState, Direction, NoticeKind } from '#core/delivery/delivery.ts';

/** A message that somebody was told to be accepted. */
export type Accepted = {
  readonly spoolId: string;
  readonly direction: Direction;
  /** The envelope's; '' is the null reverse-path. */
  readonly reversePath: string;
  /** The exact bytes that were accepted. */
  readonly content: Uint8Array;
  readonly deliveries: readonly Due[];
};

/** One forward-path by one action of its route: what is to become of it, as the script of the next hops has it. */
export type Due = {
  readonly forwardPath: string;
  readonly action: number;
  readonly copy: boolean;
  /** Where it may be handed on, and for whom: its next hop, then its fallback. */
  readonly ways: readonly Way[];
  /** How it may end. */
  readonly ends: readonly End[];
  /** Somebody who took it may say later that it failed: then its acceptance is no contradiction of its NDR. */
  readonly mayFailLater?: boolean;
};
export type Way = { readonly nextHop: string; readonly address: string };

/**
 * `handed-on`: a next hop accepted it. `returned`: its sender has an NDR. All others are ends in the ledger, with their
 * reason, or `*` for any: `unreturnable: null-reverse-path`, `held: *`.
 */
export type End =
  | 'handed-on'
  | 'returned'
  | `${'unreturnable' | 'held' | 'discarded' | 'quarantined' | 'removed'}: ${string}`;

/** What a next hop took and kept. */
export type Taken = {
  readonly nextHop: string;
  /** '' is the null reverse-path. */
  readonly reversePath: string;
  readonly address: string;
  readonly content: Uint8Array;
  /** What we can have heard of it: `refused`, although it kept the message, is the next hop's lie and no acceptance. */
  readonly answer: 'accepted' | 'refused' | 'unheard';
};

/** A notice that SES composed by itself from a SendBounce. */
export type ServiceNotice = {
  readonly spoolId: string;
  readonly forwardPath: string;
  readonly action: 'failed' | 'delayed';
  readonly status: string;
};

/** Of a ledger row, what the checker asks. */
export type Recorded = {
  readonly spoolId: string;
  readonly deliveryKey: string;
  readonly kind: 'delivery' | 'notice';
  readonly noticeOf: string | null;
  readonly noticeKind: NoticeKind | 'digest' | null;
  readonly forwardPath: string;
  readonly action: number;
  readonly nextHop: string;
  readonly copy: boolean;
  readonly state: DeliveryState;
  readonly stateReason: string | null;
  readonly possibleDuplicate: boolean;
  readonly trace: readonly { readonly event: string; readonly at: number; readonly reason: string | null }[];
};

export type Evidence = {
  readonly accepted: readonly Accepted[];
  readonly taken: readonly Taken[];
  readonly serviceNotices: readonly ServiceNotice[];
  readonly rows: readonly Recorded[];
  /** The level `WaitsForPerson` as it was published last; 0: its alarm is off. */
  readonly waitsForPerson: number;
  /** Messages whose receipt or event lies in a dead-letter queue, whose alarm is on. */
  readonly inDeadLetters: ReadonlySet<string>;
  /** Who may get mail that is about no single message: digests, copies of failures, what came back to us. */
  readonly postmaster: readonly Way[];
  /** Fields that stand above the accepted bytes where they are taken; absent: ours alone. */
  readonly mayStandInFront?: (name: string, field: string) => boolean;
  /** Where a next hop may get other bytes: whether these are that message all the same. */
  readonly alike?: ((taken: Taken, message: Accepted) => boolean) | undefined;
  /** By how much clocks may differ from each other, in milliseconds. */
  readonly skewMs: number;
  /** Something beside the script may have kept deliveries from their end until their lifetimes were over. */
  readonly expiryExcused: boolean;
  /** What was seen while it ran: content removed too early, a row that nothing looks at. */
  readonly seen: readonly Finding[];
};

export type FindingKind =
  /** Neither handed on, nor returned, nor held: the claim itself. */
  | 'unaccounted'
  /** It came twice, or came and was returned, and nothing says so. */
  | 'unmarked'
  | 'second-notice'
  /** Mail to somebody whom nobody wrote to, or other bytes than were accepted. */
  | 'strange'
  /** It ended otherwise than its next hops' script says. */
  | 'wrong-end'
  /** Not final although nothing stands in the way any more. */
  | 'unfinished'
  /** Held, and no alarm was raised. */
  | 'no-alarm'
  /** A row that is not final, and has no instant at which something looks at it. */
  | 'no-instant'
  | 'removed-early'
  /** More at once, or in a time, than its next hop may have. */
  | 'over-limit'
  /** Attempted although a pause keeps it. */
  | 'while-paused'
  /** A next hop turned, and more senders were told of it than may be. */
  | 'too-many-returned'
  /** Its next hop never accepted anything, and refused it in words that no rule knows. */
  | 'returned-by-new'
  /** `WaitsForPerson` leaves held rows out. */
  | 'wrong-level'
  /** The run itself ended with an error. */
  | 'crashed';

export type Finding = { readonly kind: FindingKind; readonly spoolId: string; readonly says: string };
