// What the stages need from the world. No AWS types: adapters/ implements these ports, and adapters/memory/ too.
// Expected results are values. A throw means a bug or lost infrastructure: SQS then gives the job again.

import type {
  DeliveryRef,
  DeliveryRow,
  DeliveryState,
  HeldBecause,
  MessageFacts,
  TraceEvent,
} from '#core/delivery/delivery.ts';
import type { ExpiryCount } from '#core/delivery/expiry-limit.ts';
import type { Mailbox, ReversePath } from '#core/message/address.ts';
import type { AuthorEvidence } from '#core/message/author-trust.ts';
import type { ServiceBounce } from '#core/notice/ses-bounce.ts';
import type { AttemptResult, ServiceFault } from '#core/reply/reply.ts';
import type { DsnRequest } from '#core/submission/dsn-parameters.ts';
import type { MetricName } from './metric-names.ts';

export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
}

export interface Timer {
  /** Calls `run` once, some time after `ms` milliseconds, unless the returned function was called before. */
  after(ms: number, run: () => void): () => void;
}

export interface Entropy {
  /** A number in [0, 1): jitter only, never identity. */
  fraction(): number;
}

/**
 * Why content could not be opened. 403 and 404 are told apart only for the log: without ListBucket S3 answers 403 for
 * both.
 */
export type UnreadableCause = 'denied' | 'missing' | 'empty' | 'damaged' | 'unavailable';

export type OpenedContent =
  | {
      readonly kind: 'opened';
      readonly bytes: number;
      readonly version: string | null;
      /** A delete marker hid it, and it was found by its version. */
      readonly undeleted?: true;
      /**
       * The exact bytes, once, in order. Throws ContentUnreadable when the stream breaks, ends short of `bytes`, or is
       * not what was stored. A chunk is valid only until the next one is asked for.
       */
      readonly chunks: AsyncIterable<Uint8Array>;
      /** Gives the connection back where the content was not read to its end. Safe to call twice. */
      close(): void;
    }
  | { readonly kind: 'unreadable'; readonly cause: UnreadableCause; readonly detail: string };

/** Thrown by `chunks` alone: accepted content that cannot be read to its end. */
export class ContentUnreadable extends Error {
  override readonly cause: UnreadableCause;
  constructor(cause: UnreadableCause, detail: string) {
    super(detail);
    this.name = 'ContentUnreadable';
    this.cause = cause;
  }
}

/** Durable store of accepted content (S3). It is read here, never written or deleted. */
export interface Spool {
  open(objectKey: string, signal: AbortSignal): Promise<OpenedContent>;
  /** The first `bytesMax` bytes (one ranged read), or fewer where the object is shorter. */
  head(objectKey: string, bytesMax: number, signal: AbortSignal): Promise<HeadResult>;
}
export type HeadResult =
  | {
      readonly kind: 'read';
      readonly bytes: Uint8Array;
      readonly size: number;
      /** As for `open`. */
      readonly undeleted?: true;
    }
  | { readonly kind: 'unreadable'; readonly cause: UnreadableCause; readonly detail: string };

/** An object of the spool as a list shows it: its current version. An object under a delete marker is not listed. */
export type SpoolEntry = {
  readonly objectKey: string;
  readonly bytes: number;
  /** When its current version was stored, in milliseconds since the epoch. */
  readonly storedAt: number;
};

/**
 * The list of the spool: for the search for orphans and the purge, the only stages that read the spool without a row.
 */
export interface SpoolInventory {
  /**
   * Up to `max` (at most 1,000) objects whose key begins with `prefix`, in order of their keys' UTF-8 bytes, after
   * `after`. Throws where S3 does.
   */
  list(
    query: { readonly prefix: string; readonly after: string | null; readonly max: number },
    signal: AbortSignal,
  ): Promise<{ readonly entries: readonly SpoolEntry[]; readonly more: boolean }>;
  /**
   * Hides it under a delete marker; the bytes stay for `retention.versions`. An object that is gone already is no
   * error. Throws where S3 does.
   */
  remove(objectKey: string, signal: AbortSignal): Promise<void>;
}

/** Bytes that are about to be stored: all of them at hand, so that they can be sent again. */
export type Storable = {
  readonly bytes: number;
  /** 64 lower-case hexadecimal digits. The store compares. */
  readonly sha256: string;
  /** The exact bytes in order, from the beginning each time. A chunk is valid only until the next one is asked for. */
  chunks(): AsyncIterable<Uint8Array>;
};
export type StoreResult =
  | { readonly kind: 'stored' }
  /** Another object stands there, and still does: nothing was stored. */
  | { readonly kind: 'taken' }
  /** It cannot be said to be stored: the store refused (`denied`), or did not answer. */
  | { readonly kind: 'failed'; readonly cause: 'denied' | 'unavailable'; readonly detail: string };

/** Where submitters store content and envelopes. It only writes, and never over an object that stands. */
export interface SubmissionStore {
  /**
   * Stores the object durably, where none stands under its key. Tries again itself; throws only when `signal` is
   * aborted.
   */
  put(objectKey: string, content: Storable, signal: AbortSignal): Promise<StoreResult>;
}

/** Names for submissions: ULIDs that nobody can guess. */
export interface SubmissionNames {
  next(): string;
}

/** The index's view of a row, perhaps some moments old: enough to choose by, never to decide by. */
export type DueRow = DeliveryRef & {
  readonly nextHop: string;
  readonly state: DeliveryState;
  readonly nextAttemptAt: number;
  readonly expiresAt: number;
  readonly dueAt: number;
  /** Of a held row; absent where an older version wrote the entry. */
  readonly heldBecause?: HeldBecause;
};

export type ClaimResult =
  | { readonly kind: 'claimed'; readonly row: DeliveryRow }
  /** Leased to another, not due yet, or no longer queued or deferred. `row` as it stands; null when there is none. */
  | { readonly kind: 'refused'; readonly row: DeliveryRow | null };

export type TraceRecord = {
  readonly message: MessageFacts;
  /** Deliveries and their notices, each with its whole trace. */
  readonly rows: readonly DeliveryRow[];
};

export type TraceQuery = {
  readonly spoolId?: string;
  readonly messageIdField?: string;
  readonly reversePath?: string;
  readonly forwardPath?: string;
  /** Accepted at or after this instant, in milliseconds. */
  readonly since?: number;
  /** At least one row is all of this. */
  readonly row?: {
    readonly states?: readonly DeliveryState[];
    readonly reason?: string;
    readonly nextHop?: string;
    /** Its last attempt began at or after `from` and before `until`, in milliseconds. */
    readonly attempted?: { readonly from: number; readonly until: number };
    /** Not resubmitted at or after this instant, in milliseconds. */
    readonly resubmittedBefore?: number;
  };
  readonly limit: number;
};

/** What happened to each delivery (DynamoDB): the queue of record. */
export interface Ledger {
  /**
   * Writes new rows, each only where none stands under its key; an existing row is never touched. `message` is written
   * as an item of its own (only where none stands) when it is given; with one row the facts stand in the row instead.
   * The rows' own `version` is stored.
   */
  create(rows: readonly DeliveryRow[], message: MessageFacts | null): Promise<readonly ('created' | 'exists')[]>;
  /**
   * Takes the lease: one conditional write. Only a queued or deferred row with `nextAttemptAt <= now`, and no lease
   * past `now`. Sets `leaseUntil`, adds one to `claims` and `version`; `dueAt` is not touched. How often it was claimed
   * bars nothing: the stage decides what a claim beyond the limit means.
   */
  claim(ref: DeliveryRef, terms: { now: number; leaseUntil: number }): Promise<ClaimResult>;
  /**
   * Replaces the row where its stored version is still `row.version`; stores `version + 1`. `row.trace` is given back
   * as it was read, and `events` are appended. Lost: another worker wrote meanwhile, and nothing of this write remains.
   */
  write(row: DeliveryRow, events: readonly TraceEvent[]): Promise<'written' | 'lost'>;
  /** Its trace holds the first attempts' events and the latest write's; `trace` gives all of them. */
  read(ref: DeliveryRef): Promise<DeliveryRow | null>;
  /** The message's facts, from its own item or from its sole delivery. */
  message(spoolId: string): Promise<MessageFacts | null>;
  /**
   * Rows whose `dueAt` is at or before `until`: of each line the longest due ones, about `perLine` of them, longest due
   * first. `lineOf` names a row's line: by default its next hop. Rows of one line hide none of another.
   */
  due(until: number, perLine: number, lineOf?: (row: DueRow) => string): Promise<readonly DueRow[]>;
  /**
   * How many jobs of each next hop are with the relay queue: rows under way, enqueued (`dueAt` past `nextAttemptAt`)
   * and due in (from, until].
   */
  enqueued(from: number, until: number): Promise<ReadonlyMap<string, number>>;
  /**
   * The first `max` rows that `wanted` takes, of those whose `dueAt` lies in (from, until], in order of `dueAt`.
   */
  dueBetween(
    range: { readonly from: number; readonly until: number; readonly max: number },
    wanted: (row: DueRow) => boolean,
  ): Promise<readonly DueRow[]>;
  /**
   * Counts one expiry in the hour that begins at `hour`, and says how many there are by now. A crash may count one
   * twice, never leave one out.
   */
  countExpiry(hour: number, suspect: boolean): Promise<ExpiryCount>;
  /**
   * Counts one more under `name`, atomically and only up to `max`; false: `max` is reached, and nothing was counted.
   * The count is forgotten some time after `until`, in milliseconds since the epoch.
   */
  countUpTo(name: string, max: number, until: number): Promise<boolean>;
  /**
   * The same, but each `key` counts once: for one that was counted under `name` before, it is true again and changes
   * nothing.
   */
  countOnce(name: string, key: string, max: number, until: number): Promise<boolean>;
  /**
   * The delivery keys of the first `max` rows of a message, notices too, in order of the keys. None: nothing was
   * decided on it yet, or its rows are gone. One read, of the keys alone.
   */
  rowKeys(spoolId: string, max: number): Promise<readonly string[]>;
  /**
   * The message's own item, where it has one, may be forgotten some time after `until`, in milliseconds since the
   * epoch; later said, later forgotten. Its rows have dates of their own.
   */
  forgetMessage(spoolId: string, until: number): Promise<void>;
  /** How far a sweep has come, as it recorded it under this name, or null. */
  bookmark(name: string): Promise<string | null>;
  /** In place of what stood there. */
  setBookmark(name: string, place: string): Promise<void>;
  /**
   * Writes down which delivery a return path's token stands for, and until when, in milliseconds since the epoch. Once
   * more changes nothing.
   */
  keepToken(token: string, ref: DeliveryRef, until: number): Promise<void>;
  /** What `keepToken` wrote. After `until` it may be gone, and may be there for some days still. */
  findToken(token: string): Promise<{ readonly ref: DeliveryRef; readonly until: number } | null>;
  /** Newest first by acceptance. */
  trace(query: TraceQuery): Promise<readonly TraceRecord[]>;
}

/**
 * Asks for one attempt at one delivery (relay), or for its notice (bounce). May be duplicated, reordered or lost
 * without harm.
 */
export type Job = {
  readonly version: 1;
  /** Where the attempt goes, so that relay knows before it claims; absent in jobs of older versions. */
  readonly nextHop?: string;
  /** The one attempt that finds out whether an open next hop takes mail again. */
  readonly probe?: true;
  /** It had its place in line at a next hop with a rate: its turn is near. */
  readonly inLine?: true;
  /**
   * Unfinished attempts, where the sweep sends a job again: it may be what ended its function, and runs last and alone.
   */
  readonly claims?: number;
} & DeliveryRef;

export interface JobQueue {
  /**
   * Sends all, or throws. `group` is the fair-queue key: the next hop. `delayMs`: nobody receives it before, fifteen
   * minutes at most (SQS, DelaySeconds).
   */
  send(jobs: readonly { readonly job: Job; readonly group: string; readonly delayMs?: number }[]): Promise<void>;
  /** Messages visible and in flight, approximately; one that is delayed counts as visible. */
  depth(): Promise<{ readonly visible: number; readonly inFlight: number }>;
}

/** The ingest queue: what S3 and SES tell of, told again by us. */
export interface EventQueue {
  /** Throws where SQS does. */
  sendEvent(body: string): Promise<void>;
}

/** One SMTP or LMTP transaction. */
export type Transaction = {
  readonly reversePath: ReversePath;
  readonly forwardPaths: readonly Mailbox[];
  /**
   * The most that `content` has before dot-stuffing, for SIZE= (RFC 1870): Bcc may be taken out as it passes. Null
   * where it is not known.
   */
  readonly bytes: number | null;
  /** The exact bytes to send, consumed at most once and only after the server's 354. */
  readonly content: AsyncIterable<Uint8Array>;
  /**
   * Aborted before MAIL was sent, it ends the attempt as `aborted`, and the job goes to the slow lane; later it has no
   * effect.
   */
  readonly patience?: AbortSignal;
  /** The same bytes from their beginning, for another host; null where they cannot be read now. Never rejects. */
  readonly contentAgain?: () => Promise<AsyncIterable<Uint8Array> | null>;
  /** The delivery's id, for next hops that tag what they send (SES: later events are joined by it). */
  readonly tag?: string;
  /**
   * What vouches for the From field's author: a next hop that signs may sign in the author's name on nothing else.
   * Absent: nothing does.
   */
  readonly author?: AuthorEvidence;
  /** Its submitter's request: it goes to a next hop that offers DSN. */
  readonly dsn?: DsnRequest;
  /** Declared by its submitter: a next hop that offers SMTPUTF8 is told so (RFC 6531 §3.4). */
  readonly smtputf8?: true;
};

export interface NextHop {
  /** Bytes of memory that an attempt holds for each byte of content; absent where content only passes through. */
  readonly heldPerByte?: number;
  /** One attempt. One result for each forward-path, in order. Never throws for what a server or a network does. */
  attempt(transaction: Transaction, signal: AbortSignal): Promise<readonly NextHopResult[]>;
  /** The version of the secret that the next login would show, read anew; null where it cannot be told. */
  credentialsVersion?(): Promise<string | null>;
  /** The invocation is over: a next hop that keeps connections decides which of them outlive it. */
  invocationEnded?(): Promise<void>;
  /** Ends kept connections that no attempt uses; others may be opened after it. */
  closeIdle?(): Promise<void>;
  /** Ends kept connections. */
  close(): Promise<void>;
}
/** `tried`: other hosts that were asked in the same attempt, and what each said, a line for people each. */
export type NextHopResult = NextHopWord & {
  readonly tried?: readonly string[];
  /** Where our login was refused: the version of its secret. */
  readonly secretVersion?: string;
};
type NextHopWord =
  /** `dsnTaken`: the request of the transaction went along, so that the next hop answers for it from here on. */
  | (AttemptResult & {
      readonly bareLineEndings?: number;
      readonly dsnTaken?: boolean;
      /** Why the author was kept, or written anew (core/message/author-trust.ts): a next hop that signs says so. */
      readonly author?: string;
      /** Parts of the body left in another transfer encoding, because their lines were too long. */
      readonly reencoded?: boolean;
    })
  | ServiceFault
  /**
   * `content` threw while it was being sent: the connection was dropped before the final dot, so nothing was accepted.
   */
  | { readonly kind: 'content'; readonly cause: UnreadableCause; readonly detail: string };

/** SES's own notices for mail that it received. */
export interface BounceService {
  /** One call, once. `busy`: its one call a second is taken, so nothing was asked or nothing was sent. */
  sendBounce(bounce: ServiceBounce, signal: AbortSignal): Promise<NextHopResult | { readonly kind: 'busy' }>;
}

/** SES, for canaries alone. */
export interface CanaryMail {
  /** One message from the address to itself; its id at SES. Throws where SES refuses, or does not answer. */
  send(address: string, content: Uint8Array, signal: AbortSignal): Promise<string>;
}

/** The log and the metrics. Fields never contain secrets or content. */
export interface Watch {
  info(event: string, fields: Readonly<Record<string, unknown>>): void;
  warn(event: string, fields: Readonly<Record<string, unknown>>): void;
  error(event: string, fields: Readonly<Record<string, unknown>>): void;
  count(metric: MetricName, value?: number): void;
  /**
   * Counts one and publishes it at once: an alarm must not be lost with its function. It comes before the write
   * of which it tells, so that nothing is ever held in silence; where that write is then lost, the alarm was one too
   * many.
   */
  raise(metric: MetricName): void;
  /** Publishes at once how much there is of something now: no count, and never added up. */
  level(metric: MetricName, value: number): void;
}
