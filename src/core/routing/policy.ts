// Policy's decision on a message as a whole: relay it, hold it, or refuse it. Pure; from SES's verdicts and the
// operator's policy. Policy never discards: only an explicit route may, and that is traced.

import type { NextHopSettings, PolicyChoice, Settings } from '#config/settings.ts';
import type { VerdictStatus, Verdicts } from '#core/delivery/delivery.ts';
import type { TableReason } from '#core/reply/reasons.ts';
import type { Status } from '#core/reply/status.ts';
import { statusOf } from '#core/reply/status.ts';

export type Disposition =
  | { readonly kind: 'relay' }
  /** Kept and not moving until an operator releases it, or `retention.quarantine` is over. */
  | { readonly kind: 'quarantine'; readonly reason: TableReason }
  /** An NDR where one is allowed; else the bounce stage says why there is none. */
  | { readonly kind: 'refuse'; readonly reason: TableReason; readonly status: Status; readonly detail: string };

/**
 * Each finding is asked of the policy, the gravest first, and the first that is not to be relayed decides. GRAY,
 * PROCESSING_FAILED and DISABLED are no failure. A verdict that is missing from the receipt counts as PROCESSING_FAILED
 * (receipt.ts).
 */
export function disposition(verdicts: Verdicts, policy: Settings['policy']): Disposition {
  const { virus, spam, dmarc, dmarcPolicy } = verdicts;
  const found: (Disposition | null)[] = [
    virus === 'FAIL' ? choose(policy.virus, 'policy-virus', 'the message was found to carry a virus') : null,
    spam === 'FAIL' ? choose(policy.spam, 'policy-spam', 'the message was found to be spam') : null,
    dmarc === 'FAIL' && dmarcPolicy === 'reject' ? choose(policy.dmarcReject, 'policy-dmarc', DMARC_REJECTS) : null,
    isScanned(virus) && isScanned(spam) ? null : choose(policy.unscanned, 'policy-unscanned', UNSCANNED),
  ];
  return found.find((each) => each !== null && each.kind !== 'relay') ?? { kind: 'relay' };
}
const DMARC_REJECTS = 'the domain of the From field asks that mail failing its DMARC policy be rejected';
const UNSCANNED = 'the message could not be scanned for spam and viruses';

function isScanned(status: VerdictStatus): boolean {
  return status === 'PASS' || status === 'FAIL';
}

function choose(choice: PolicyChoice, reason: TableReason, detail: string): Disposition {
  switch (choice) {
    case 'relay':
      return { kind: 'relay' };
    case 'quarantine':
      return { kind: 'quarantine', reason };
    case 'refuse':
      return { kind: 'refuse', reason, status: statusOf('5.7.1'), detail };
  }
}

/** The decision of an explicit route before any attempt: by a next hop that refuses, or one that discards. */
export type RouteDisposition =
  | Extract<Disposition, { kind: 'refuse' }>
  | { readonly kind: 'discard'; readonly reason: TableReason };

/** Null where the next hop is one that takes mail. */
export function routeDisposition(nextHop: NextHopSettings | undefined): RouteDisposition | null {
  switch (nextHop?.kind) {
    case 'refuse':
      return { kind: 'refuse', reason: 'refused-by-route', status: nextHop.status, detail: nextHop.text };
    case 'discard':
      return { kind: 'discard', reason: 'discarded-by-route' };
    default:
      return null;
  }
}
