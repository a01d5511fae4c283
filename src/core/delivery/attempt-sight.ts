// What an attempt shows of its next hop: whether it answers at all, and whose fault it is where it does not take the
// message. Relay hands the attempt's result and its outcome over; next-hop-health.ts decides what follows. Pure. It
// says nothing where the attempt ended by our own doing.

import type { Outcome } from '#core/reply/outcome.ts';
import { reasonRow } from '#core/reply/reasons.ts';
import type { AttemptResult, Phase, ServiceFault } from '#core/reply/reply.ts';
import type { HopFailure, Sight } from './next-hop-health.ts';

export type Attempted = {
  readonly result: AttemptResult | ServiceFault | { readonly kind: 'content' };
  readonly outcome: Outcome;
  /** Of the next hop, in milliseconds: content that was waited for is left out. */
  readonly tookMs: number;
  readonly endedAt: number;
  /** In the slow lane. */
  readonly apart: boolean;
  readonly probe: boolean;
  /** Of the secret whose login was refused, where the next hop knows it. */
  readonly secretVersion?: string | undefined;
};

/** Null: it says nothing about the next hop. */
export function sightOf(attempted: Attempted): Sight | null {
  const kind = kindOf(attempted);
  if (kind === null) return null;
  const { result, tookMs, apart, probe } = attempted;
  const timedOut = result.kind === 'network' && result.fault === 'timeout';
  return { kind, failure: failureOf(attempted), tookMs, timedOut, apart, probe };
}

const BEFORE_MAIL: ReadonlySet<Phase> = new Set(['connect', 'greeting', 'ehlo', 'starttls', 'auth']);
/** Found out from the answer to EHLO, about this message alone. */
const ABOUT_THE_MESSAGE: ReadonlySet<string> = new Set([
  'size-exceeded',
  'smtputf8-not-offered',
  'conversion-prohibited',
  'conversion-impossible',
]);
/** SES takes no mail of ours at all, or gives no answer. */
const SES_TAKES_NOTHING: ReadonlySet<string> = new Set([
  'ses-unavailable',
  'ses-access-denied',
  'ses-sending-paused',
  'ses-not-found',
  'ses-quota',
]);

function kindOf({ result, outcome }: Attempted): Sight['kind'] | null {
  if (outcome.kind === 'relayed') return 'accepted';
  if (reasonRow(outcome.reason)?.wrongCredentials === true) return 'credentials';
  switch (result.kind) {
    case 'content':
      return null;
    case 'reply':
      return BEFORE_MAIL.has(result.phase) ? 'unanswered' : 'answered';
    case 'network':
      return result.fault === 'aborted' ? null : 'unanswered';
    case 'capability':
      return ABOUT_THE_MESSAGE.has(result.fault) ? null : 'unanswered';
    case 'service':
      return SES_TAKES_NOTHING.has(outcome.reason) ? 'unanswered' : 'answered';
  }
}

function failureOf({ outcome, endedAt, secretVersion }: Attempted): HopFailure | null {
  if (outcome.kind !== 'deferred') return null;
  const { reason, reply, detail } = outcome;
  const fault = outcome.operatorFault ? 'operator' : reasonRow(reason)?.fault;
  if (fault !== 'operator' && fault !== 'next-hop') return null;
  // Of other failures a changed secret is no cause for another attempt.
  const isRefused = reasonRow(reason)?.wrongCredentials === true && secretVersion !== undefined;
  const refused = isRefused ? { secretVersion } : {};
  return { at: endedAt, reason, reply, detail, waitsFor: fault, ...refused };
}
