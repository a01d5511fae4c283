// What a call of SES's client ended in, as facts: an error of the service by its name, or a fault of the network.
// Decides nothing. Where the connection was made, the request may have arrived although no answer came: the same as
// after an SMTP server's final dot.

import type { AttemptResult, NetworkFault, ServiceFault } from '#core/reply/reply.ts';

type Failure = {
  readonly name?: unknown;
  readonly message?: unknown;
  readonly code?: unknown;
  readonly $metadata?: { readonly httpStatusCode?: number };
};

/** `host` is the endpoint's, for people. Never throws. */
export function resultOfFailure(error: unknown, host: string, signal: AbortSignal): ServiceFault | AttemptResult {
  const failure: Failure = typeof error === 'object' && error !== null ? error : {};
  const name = typeof failure.name === 'string' ? failure.name : 'Error';
  const text = typeof failure.message === 'string' ? failure.message : String(error);
  const statusCode = failure.$metadata?.httpStatusCode ?? null;
  if (statusCode !== null) return { kind: 'service', name, text, statusCode, host };
  const code = typeof failure.code === 'string' ? failure.code : '';
  const fault = FAULTS[code] ?? FAULTS[name];
  const detail = [code || name, text].join(': ');
  if (signal.aborted || name === 'AbortError') return network('aborted', 'final-dot', detail, host);
  if (fault === undefined) return { kind: 'service', name, text, statusCode, host };
  const early = BEFORE_THE_REQUEST.has(fault) || (/connect/i.test(text) && fault === 'timeout');
  return network(fault, early ? 'connect' : 'final-dot', detail, host);
}

/** For a call that was never made: our time was up already. */
export function neverSent(host: string): AttemptResult {
  return network('aborted', 'connect', 'nothing was sent', host);
}

function network(fault: NetworkFault, phase: 'connect' | 'final-dot', detail: string, host: string): AttemptResult {
  return { kind: 'network', phase, fault, detail, host };
}

/** Node's error codes, and the SDK's names. */
const FAULTS: Readonly<Record<string, NetworkFault>> = {
  ENOTFOUND: 'dns-temporary', // an endpoint of AWS exists: what does not find it is our resolver
  EAI_AGAIN: 'dns-temporary',
  ECONNREFUSED: 'refused',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  ECONNRESET: 'connection-lost',
  EPIPE: 'connection-lost',
  ETIMEDOUT: 'timeout',
  TimeoutError: 'timeout',
};
const BEFORE_THE_REQUEST: ReadonlySet<NetworkFault> = new Set(['dns-temporary', 'refused', 'unreachable']);
