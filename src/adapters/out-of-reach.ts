// An error for a service that a function in a VPC could not connect to. Its text names the service and what leads to
// it. adapters/aws/reach.ts throws it, and code that tells an operator why something failed shows its text. The text
// holds no content, login or secret.

type Failure = {
  readonly name?: unknown;
  readonly message?: unknown;
  readonly code?: unknown;
  readonly syscall?: unknown;
  readonly $metadata?: unknown;
};

/** It keeps the fields by which code decides: `code`, and the SDK's account of the attempts. */
export class OutOfReach extends Error {
  readonly code: string;
  readonly $metadata: unknown;

  constructor(words: string, failure: unknown) {
    super(words, { cause: failure });
    this.name = 'OutOfReach';
    const { code, $metadata } = failure as Failure;
    this.code = typeof code === 'string' ? code : 'ETIMEDOUT';
    this.$metadata = $metadata;
  }
}

/** Node's codes for a name without an address and for a host without a way to it. */
const noWay: ReadonlySet<unknown> = new Set(['ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);

/**
 * Whether no connection was made: the name was not found, there is no route, or no host answered, as where a security
 * group or a missing endpoint drops the packets. A service that answers late, or breaks off, was connected to.
 */
export function isNoConnection(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false;
  const { name, message, code } = error as Failure;
  if (noWay.has(code)) return !wasConnected(error);
  return (
    name === 'TimeoutError' &&
    typeof message === 'string' &&
    /establish a connection|no connection within/.test(message)
  );
}

/**
 * Whether Node's error is of a connection that stood: Linux ends one that has died with EHOSTUNREACH too, and what was
 * written may have arrived.
 */
export function wasConnected(error: unknown): boolean {
  const { syscall } = error as Failure;
  return syscall === 'read' || syscall === 'write';
}
