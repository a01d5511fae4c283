// A next hop's reply, whole: it goes unchanged from the socket to the ledger, the trace and the report. It holds facts
// alone: classify.ts decides what follows from them.

import type { Status } from './status.ts';

/**
 * One SMTP or LMTP reply (RFC 5321 §4.2). `text` is all lines joined by a space, without codes; `host` is who said it.
 */
export type Reply = {
  readonly code: number;
  /** The enhanced status code that came with it, or null where the server gave none (RFC 2034). */
  readonly status: Status | null;
  readonly text: string;
  readonly host: string | null;
};

/** Where in the dialogue an attempt ended. */
export type Phase =
  | 'connect'
  | 'greeting'
  | 'ehlo'
  | 'starttls'
  | 'auth'
  | 'mail'
  | 'rcpt'
  | 'data'
  | 'content'
  | 'final-dot';

/** Why no reply came. Names are stable: they appear in traces and reply rules. */
export type NetworkFault =
  | 'dns-not-found'
  | 'dns-temporary'
  | 'refused'
  | 'unreachable'
  | 'timeout'
  | 'connection-lost'
  | 'tls-failed'
  /** By a TLS alert: the server does not take our certificate, or wants one. */
  | 'certificate-refused'
  | 'garbled-reply'
  | 'aborted';

/** Why we would not go on although the server still talked to us. */
export type CapabilityFault =
  | 'starttls-not-offered'
  | 'auth-not-offered'
  | 'credentials-unavailable'
  /** AWS lets nothing through to its addresses (core/routing/port-25.ts). */
  | 'port-25-blocked'
  /** The token endpoint does not give us a token; it, or the way to it, fails for now. */
  | 'token-refused'
  | 'token-unavailable'
  /** Our client certificate or its key cannot be read or used. */
  | 'certificate-unusable'
  | 'smtputf8-not-offered'
  | 'size-exceeded'
  /** The next hop does not take the message as it is, and we may not change it (signed, encrypted), or cannot. */
  | 'conversion-prohibited'
  | 'conversion-impossible';

/**
 * A service's error, as its client names it (SES: docs/aws-contracts.md §2.5). `statusCode` is HTTP's; null where none
 * came.
 */
export type ServiceFault = {
  readonly kind: 'service';
  readonly name: string;
  readonly text: string;
  readonly statusCode: number | null;
  readonly host: string | null;
};

/**
 * The facts that one attempt at one next hop found out about one forward-path. core/reply/classify.ts decides what
 * follows. `sizeMax` is the SIZE the server announced, in bytes, where that is the reason (RFC 1870).
 */
export type AttemptResult =
  | { readonly kind: 'reply'; readonly phase: Phase; readonly reply: Reply; readonly tls: boolean }
  | {
      readonly kind: 'network';
      readonly phase: Phase;
      readonly fault: NetworkFault;
      readonly detail: string;
      readonly host: string | null;
    }
  | {
      readonly kind: 'capability';
      readonly fault: CapabilityFault;
      readonly detail: string;
      readonly host: string | null;
      readonly sizeMax?: number;
    };
