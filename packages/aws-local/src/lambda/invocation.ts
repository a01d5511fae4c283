// The types of a function, of its invocations, and of what the host gives an environment. Used by lambda.ts and
// environment.ts.

import type { Principal, World } from '../world.ts';

export type FunctionDefinition = {
  readonly name: string;
  readonly arn: string;
  readonly roleArn: string;
  /** The unpacked asset, and file.export in it. */
  readonly folder: string;
  readonly handler: string;
  readonly memoryMb: number;
  /** Real milliseconds, time scale already applied. */
  readonly timeoutMs: number;
  readonly environment: Readonly<Record<string, string>>;
  readonly reservedConcurrency: number | null;
};

export type Invocation =
  | { readonly kind: 'returned'; readonly payload: string }
  /** The error object as Lambda returns it beside X-Amz-Function-Error: Unhandled. */
  | { readonly kind: 'error'; readonly payload: string; readonly errorType: string; readonly errorMessage: string }
  /** The function did not run: throttled, or the caller may not invoke it. */
  | { readonly kind: 'refused'; readonly reason: string; readonly throttled?: boolean };

export type InvocationRecord = {
  readonly functionName: string;
  readonly durationMs: number;
  readonly result: Invocation['kind'];
};

export type HostOptions = {
  readonly world: World;
  readonly clockOffset: SharedArrayBuffer;
  /** Where the front listens; read at each cold start, so that the host may be made first. */
  readonly endpoint: () => string;
  /** Issues an access key for one environment; `kill` ends that environment. */
  readonly issueKey: (principal: Principal, kill: () => void) => IssuedKey;
  /** Variables that every function sees beside its own. */
  readonly variables?: Readonly<Record<string, string>>;
  /** Whole lines of the functions' output. */
  readonly onLine?: (functionName: string, line: string) => void;
  readonly onInvocation?: (record: InvocationRecord) => void;
  /** How long an environment may be idle, in real milliseconds, and how often is looked. */
  readonly idleMs?: { readonly surplus?: number; readonly last?: number; readonly look?: number };
  /** Invocations of one function that may use a processor at once; default: the machine's processors, at least 2. */
  readonly parallel?: number;
};
export type IssuedKey = {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  readonly revoke: () => void;
};
