// A service that could not be connected to, from a function in a VPC: an error whose words name it and what leads to
// it. adapters/aws/reach.ts throws it, and whoever tells an operator why something failed shows its words. They hold
// nothing of content, logins or secrets.

type Failure = {
  readonly name?: unknown;
  readonly message?: unknown;
  readonly code?: unknown;
  readonly $metadata?: unknown;
};

/** It keeps what code decides by: `code`, and the SDK's account of the attempts. */
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
 * Whether no connection was made: the name was not found, there is no route, or nobody answered, as where a security
 * group or a missing endpoint swallows what is sent. A service that answers late, or breaks off, was connected to.
 */
export function isNoConnection(error: unknown): boolean {
  if (typeof error !== 'object' || error === null) return false;
  const { name, message, code } = error as Failure;
  if (noWay.has(code)) return true;
  return (
    name === 'TimeoutError' &&
    typeof message === 'string' &&
    /establish a connection|no connection within/.test(message)
  );
}
