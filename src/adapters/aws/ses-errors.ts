// Turns the error of a SES call into facts: an error of the service by its name, or a fault of the network. Used by
// both SES adapters. Once the connection was made, the request may have arrived although no complete answer came, as
// after an SMTP server's final dot. It decides nothing.

import type { AttemptResult, NetworkFault, ServiceFault } from '#core/reply/reply.ts';
import { OutOfReach, wasConnected } from '../out-of-reach.ts';

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
  const said = typeof failure.message === 'string' ? failure.message : String(error);
  const text = said.split('\n', 1)[0] ?? ''; // the SDK adds a line for who debugs it
  const statusCode = failure.$metadata?.httpStatusCode ?? null;
  const code = typeof failure.code === 'string' ? failure.code : '';
  const fault = FAULTS[code] ?? FAULTS[name];
  const detail = [code || name, text].join(': ');
  const stopped = signal.aborted || name === 'AbortError';
  // It said that it took the message. The SDK gives its status to the error of a body that broke off or makes no sense.
  if (statusCode !== null && statusCode >= 200 && statusCode < 300)
    return network(
      stopped ? 'aborted' : (fault ?? 'garbled-reply'),
      'final-dot',
      `HTTP ${statusCode}, ${detail}`,
      host,
    );
  if (statusCode !== null) return { kind: 'service', name, text, statusCode, host };
  if (stopped) return network('aborted', 'final-dot', detail, host);
  if (NO_HTTP.test(code)) return network('garbled-reply', 'final-dot', detail, host);
  if (fault === undefined) return { kind: 'service', name, text, statusCode, host };
  const neverConnected = BEFORE_THE_REQUEST.has(fault) || (/connect/i.test(text) && fault === 'timeout');
  const early = error instanceof OutOfReach || (neverConnected && !wasConnected(failure));
  return network(fault, early ? 'connect' : 'final-dot', detail, host);
}

/** SES gives each accepted message an id: an answer without an id may be from another server. */
export function withoutId(host: string): AttemptResult {
  return network('garbled-reply', 'final-dot', 'HTTP 200 without a MessageId', host);
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
  ENOTFOUND: 'dns-temporary', // an endpoint of AWS exists: if its name is not found, our resolver is at fault
  EAI_AGAIN: 'dns-temporary',
  ECONNREFUSED: 'refused',
  EHOSTUNREACH: 'unreachable',
  ENETUNREACH: 'unreachable',
  ECONNRESET: 'connection-lost',
  ECONNABORTED: 'connection-lost',
  EPIPE: 'connection-lost',
  ERR_STREAM_PREMATURE_CLOSE: 'connection-lost',
  ETIMEDOUT: 'timeout',
  TimeoutError: 'timeout',
};
/** Node's parser of HTTP answers (llhttp): something came, and it is no HTTP. */
const NO_HTTP = /^HPE_/;
const BEFORE_THE_REQUEST: ReadonlySet<NetworkFault> = new Set(['dns-temporary', 'refused', 'unreachable']);
