// Turns the result of an attempt into an outcome: relayed, deferred or failed. Called by relay. decision.ts says which
// row or rule decides on a reply. An unknown reply is transient: limited by the message's lifetime, counted and
// alarmed. It is never treated as a refusal.

import { detailTextMax } from '#core/limits.ts';
import { plainText } from '#core/message/field-text.ts';
import { decisionOn, digitOf } from './decision.ts';
import { deferredFor, failedFor, type Outcome } from './outcome.ts';
import { REASONS, type TableReason } from './reasons.ts';
import type { AttemptResult, NetworkFault, Phase, Reply, ServiceFault } from './reply.ts';
import { fromServiceFault } from './ses-rules.ts';
import { parseStatus, type Status, statusOf } from './status.ts';

/** The content broke off while it was being sent, before the final dot: nothing was accepted. */
export type ContentFault = { readonly kind: 'content'; readonly cause: string; readonly detail: string };

export type ClassifyContext = {
  /** Bytes of the message as sent; named beside the server's limit when it is too large for it. */
  readonly messageBytes?: number | null;
};

/**
 * The outcome of one attempt. A deferred outcome's status is always of class 4 and a failed one's of class 5, so that
 * an expiry can report "the last real 4.y.z" (RFC 3463 §3.5 on X.4.7); the reply itself travels unchanged.
 */
export function classify(result: AttemptResult | ServiceFault | ContentFault, context: ClassifyContext = {}): Outcome {
  switch (result.kind) {
    case 'reply':
      return fromReply(result.phase, result.reply);
    case 'network':
      return fromNetworkFault(result.phase, result.fault, result.detail, result.host);
    case 'capability':
      return fromCapabilityFault(result, context.messageBytes ?? null);
    case 'service':
      return fromServiceFault(result);
    case 'content':
      // 4.3.0 now and 5.3.0 at expiry: the next hop did nothing wrong, and neither did the sender.
      return deferredFor(
        'content-unreadable',
        line(`the stored message could not be read (${result.cause}): ${result.detail}`),
        { operatorFault: result.cause !== 'unavailable' },
      );
  }
}

function fromReply(phase: Phase, reply: Reply): Outcome {
  if (phase === 'final-dot' && digitOf(reply) === 2) return { kind: 'relayed', reply };
  const detail = line(describeReply(phase, reply));
  const found = decisionOn(phase, reply);
  if (found === null) {
    // A 354 after the final dot, a 250 where none was asked for, a 600: 4.5.0, as Postfix calls such protocol errors
    // 5.5.0.
    return deferredFor('unknown-reply', detail, { reply, possibleDuplicate: phase === 'final-dot' });
  }
  const { reason, status, rule } = found;
  const permanent = digitOf(reply) === 5 && REASONS[reason].permanent !== false;
  if (!permanent) return deferredFor(reason, detail, { status: inClass(4, status), reply, rule });
  const unrecognised = rule === null && phase !== 'mail';
  return failedFor(reason, detail, { status: inClass(5, status), reply, rule, unrecognised });
}

const NETWORK: Readonly<Record<NetworkFault, { reason: TableReason; what: string }>> = {
  // The operator named the next hop's host. A host without an address says nothing about the recipient. 4.3.5: system
  // incorrectly configured.
  'dns-not-found': { reason: 'next-hop-not-found', what: 'has no address in the DNS' },
  'dns-temporary': { reason: 'dns-unavailable', what: 'could not be looked up in the DNS' },
  refused: { reason: 'connection-refused', what: 'refused the connection' },
  unreachable: { reason: 'unreachable', what: 'could not be reached' },
  timeout: { reason: 'timeout', what: 'did not answer in time' },
  'connection-lost': { reason: 'connection-lost', what: 'ended the connection' },
  'tls-failed': { reason: 'tls-failed', what: 'could not be spoken to by TLS' },
  'certificate-refused': { reason: 'certificate-refused', what: 'refused our client certificate' },
  'garbled-reply': { reason: 'unknown-reply', what: 'gave an answer that could not be read' },
  aborted: { reason: 'aborted', what: 'had not answered when our own time was up' },
};

function fromNetworkFault(phase: Phase, fault: NetworkFault, given: string, host: string | null): Outcome {
  const { reason, what } = NETWORK[fault];
  const noAnswer = fault === 'timeout' && phase === 'connect';
  const detail = `${host ?? 'the next hop'} ${what} (${PHASES[phase]})${given === '' ? '' : `: ${given}`}`;
  // RFC 5321 §4.5.3.2.6 and RFC 1047: after the final dot the server may have the message.
  const more = { possibleDuplicate: phase === 'final-dot', ...(noAnswer ? { status: statusOf('4.4.1') } : {}) };
  return deferredFor(reason, line(detail), more);
}

function fromCapabilityFault(
  result: Extract<AttemptResult, { kind: 'capability' }>,
  messageBytes: number | null,
): Outcome {
  const host = result.host ?? 'the next hop';
  const { fault, detail } = result;
  switch (fault) {
    case 'size-exceeded': {
      const known = messageBytes !== null && result.sizeMax !== undefined;
      const both = `the message has ${messageBytes} bytes, and ${host} takes ${result.sizeMax} at most`;
      return failedFor(fault, line(known ? both : detail));
    }
    case 'smtputf8-not-offered':
      return failedFor(fault, line(`${host} does not take internationalised addresses: ${detail}`));
    case 'conversion-prohibited': // RFC 3463 §3.7: X.6.2, prohibited; X.6.3, not supported
    case 'conversion-impossible':
      return failedFor(fault, line(`${host}: ${detail}`));
    case 'starttls-not-offered': // 4.7.4: Postfix smtp_proto.c, "TLS is required, but was not offered"
      return deferredFor(fault, line(`TLS is required, but ${host} does not offer it: ${detail}`));
    case 'auth-not-offered':
      return deferredFor(fault, line(`a login is configured, but ${host} offers none that we have: ${detail}`));
    case 'port-25-blocked':
      return deferredFor(fault, line(detail));
    case 'credentials-unavailable':
      return deferredFor(fault, line(`the login for ${host} could not be read: ${detail}`));
    case 'token-refused':
    case 'token-unavailable':
      return deferredFor(fault, line(`there is no token to log in with: ${detail}`));
    case 'certificate-unusable':
      return deferredFor(fault, line(`our client certificate cannot be used: ${detail}`));
  }
}

const PHASES: Readonly<Record<Phase, string>> = {
  connect: 'connecting',
  greeting: 'greeting',
  ehlo: 'EHLO',
  starttls: 'STARTTLS',
  auth: 'AUTH',
  mail: 'MAIL',
  rcpt: 'RCPT',
  data: 'DATA',
  content: 'sending the content',
  'final-dot': 'after the final dot',
};

function describeReply(phase: Phase, reply: Reply): string {
  const text = phase === 'auth' ? '' : reply.text; // servers echo user names, and worse, when a login fails
  const words = [String(reply.code), reply.status ?? '', text].filter((word) => word !== '').join(' ');
  return `${reply.host ?? 'the next hop'} (${PHASES[phase]}): ${words}`;
}

function inClass(digit: 4 | 5, status: Status): Status {
  return parseStatus(`${digit}${status.slice(1)}`) ?? statusOf(`${digit}.0.0`);
}

function line(text: string): string {
  const plain = plainText(text);
  return plain.length <= detailTextMax ? plain : `${plain.slice(0, detailTextMax - 1).toWellFormed()}…`;
}
