// The types that all emulated services share: the account, the clock, the store, and the gate. Every call passes the
// gate: by HTTP from the SDK, or inside (SES to S3, SNS to SQS, an event source mapping to SQS). Faults and permissions
// are applied at the gate, so that no caller can avoid them.

import type { IncomingMessage, ServerResponse } from 'node:http';

export const serviceNames = [
  's3',
  'sqs',
  'sns',
  'dynamodb',
  'ses',
  'secretsmanager',
  'lambda',
  'cloudwatch',
  'cloudformation',
  'kms',
  'sts',
] as const;
export type ServiceName = (typeof serviceNames)[number];

/**
 * The caller's identity. Roles come from the SigV4 credential; services act in their own name; root is the operator's
 * CLI and console.
 */
export type Principal =
  | { readonly kind: 'role'; readonly arn: string; readonly functionName: string | null }
  | { readonly kind: 'service'; readonly name: string }
  | { readonly kind: 'root' };

/** One permission that the call needs: as AWS's service authorization reference says, not as we wish. */
export type Access = {
  readonly action: string; // 'sqs:SendMessage'
  readonly resource: string; // an ARN, or '*'
  /** Condition keys, lower-cased: 'aws:sourcearn', 'aws:sourceaccount'. */
  readonly context?: ConditionContext;
};

/** Lower-cased condition keys with their values in the request. */
export type ConditionContext = Readonly<Record<string, string | readonly string[]>>;

/**
 * The caller of a service from inside; an HttpCall is one too. `context` joins the context of every permission that the
 * call needs.
 */
export type Caller = {
  readonly principal: Principal;
  readonly context?: ConditionContext;
  readonly kill?: () => void;
};

export type Call = {
  readonly service: ServiceName;
  /** The SDK's operation name: 'PutObject'. */
  readonly operation: string;
  /** The text in which a fault's `match` is searched: the resource name and, for objects, the key. */
  readonly target: string;
  readonly principal: Principal;
  readonly access: readonly Access[];
  /**
   * Effects that only the service can bring about and that this operation knows how to; other calls do not use such a
   * fault up.
   */
  readonly honours?: readonly FaultEffect[];
  /** Ends the worker that made the call (effect `kill`); absent for callers that are no worker. */
  readonly kill?: () => void;
};

/** An error as AWS words it. `code` is the wire code the SDK turns into err.name. */
export class AwsError extends Error {
  readonly code: string;
  readonly statusCode: number;
  /** Further members of the error's body (DynamoDB: Item, CancellationReasons). */
  readonly extra: Readonly<Record<string, unknown>>;
  constructor(code: string, statusCode: number, message: string, extra: Readonly<Record<string, unknown>> = {}) {
    super(message);
    this.name = 'AwsError';
    this.code = code;
    this.statusCode = statusCode;
    this.extra = extra;
  }
}

export type FaultEffect = 'deny' | 'throttle' | 'delay' | 'lose-response' | 'remove' | 'corrupt' | 'truncate' | 'kill';
export type Fault = {
  readonly id: string;
  readonly service: ServiceName;
  readonly operation?: string;
  readonly match?: string;
  readonly effect: FaultEffect;
  /** How often it still fires; undefined lasts until DELETE. */
  times?: number;
};

export interface Gate {
  /**
   * Runs `work` as the call: faults first, then permission (identity and resource policies), then the work, then faults
   * on the way back. Throws AwsError. `lose-response` runs the work and then throws a ResponseLost; `remove`, `corrupt`
   * and `truncate` are handed to the work as its effects, because only the service knows how.
   */
  pass<T>(call: Call, work: (effects: readonly FaultEffect[]) => Promise<T>): Promise<T>;
  /**
   * Whether the principal holds the permission, with no denial recorded: S3 reveals a missing key only to a caller that
   * may list.
   */
  may(principal: Principal, access: Access): boolean;
}
/** The work was done, but the caller must not hear of it: HTTP fronts destroy the socket. */
export class ResponseLost extends Error {}

/** Virtual time. Every wait is a timer of this clock, so that `advance` fires timers in the order of their instants. */
export interface VirtualClock {
  now(): number;
  /** Calls back at the virtual instant. Returns a cancel function. */
  at(instant: number, callback: () => void): () => void;
  /** Marks work in progress; `advance` waits until all of it has ended, and names this work by `what`. */
  busy(what?: string): () => void;
}

export type World = {
  readonly account: string; // '000000000000'
  readonly region: string; // 'eu-west-1'
  readonly partition: 'aws';
  readonly clock: VirtualClock;
  readonly gate: Gate;
  /** Divides function timeouts, leases, visibilities and sweep thresholds. 1 is real time. */
  readonly timeScale: number;
  readonly dataFolder: string;
  readonly log: (line: string) => void;
};

/** An HTTP request after the front has read its SigV4 credential. */
export type HttpCall = {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly url: URL;
  readonly principal: Principal;
  readonly requestId: string;
  readonly kill?: () => void;
};

/** An emulated service behind the front. */
export interface HttpService {
  readonly name: ServiceName;
  /**
   * Answers the request: finds the operation, passes the gate, does the work, writes the response. Throws AwsError; the
   * front then calls `fail`. A missing operation throws AwsError('NotImplemented', 501, …) and names the operation.
   */
  serve(call: HttpCall): Promise<void>;
  fail(call: HttpCall, error: AwsError): void;
}

/** Where a resource's own policy stands (bucket, queue, topic): asked by the gate. The parsed document, or null. */
export type ResourcePolicies = (resourceArn: string) => unknown;
