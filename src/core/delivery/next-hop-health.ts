// The health of a next hop, as the ledger keeps it: one record for each, shared by all functions (DESIGN decision 31).
// Relay and the sweep read it through pipeline/next-hop-board.ts. Pure. Instants are milliseconds since the epoch. It
// never says whether a delivery may run: a pause may stop one at a healthy next hop.

import type { Reply } from '#core/reply/reply.ts';
import type { DeliveryRef } from './delivery.ts';

/**
 * `slow`: an attempt timed out or took ten seconds, so that its jobs go to the slow lane. `open`: it takes nothing, and
 * one attempt at a time finds out when it does again.
 */
export type HealthState = 'healthy' | 'slow' | 'open';

/** The last attempt that failed by the fault of the next hop or the operator. */
export type HopFailure = {
  readonly at: number;
  /** A reason of core/reply/reasons.ts. */
  readonly reason: string;
  readonly reply: Reply | null;
  /** One line for people; never a secret. */
  readonly detail: string;
  /** The version of the secret that was refused; absent where no login was. */
  readonly secretVersion?: string;
};

export type Health = {
  readonly nextHop: string;
  /** Counts writes; 0: no record stands. */
  readonly version: number;
  /** When it first accepted a message. Null: it never did, and it is `new` (DESIGN decision 27). */
  readonly firstAcceptedAt: number | null;
  readonly state: HealthState;
  /** When it became so. */
  readonly since: number;
  /** Who must act before it takes mail again; null where it is not open. */
  readonly waitsFor: 'next-hop' | 'operator' | null;
  /** The first failure by its own or the operator's fault since the last acceptance that is known; null: none. */
  readonly failingSince: number | null;
  /** Attempts in a row that got no answer to MAIL or anything after it, and the connections that they took. */
  readonly streak: number;
  readonly connections: number;
  readonly lastFailure: HopFailure | null;
  /** Where it is open: when that began, how many attempts have gone out since, and when the next one may. */
  readonly opened: { readonly at: number; readonly probes: number; readonly nextProbeAt: number } | null;
  /** The one attempt that is out while it is open; lost where `until` has passed. */
  readonly probe: (DeliveryRef & { readonly until: number }) | null;
  /** When it was last open and took mail again. */
  readonly recoveredAt: number | null;
};

/** Of a next hop about which nothing is recorded. */
export function unknownHealth(nextHop: string): Health {
  return {
    nextHop,
    version: 0,
    firstAcceptedAt: null,
    state: 'healthy',
    since: 0,
    waitsFor: null,
    failingSince: null,
    streak: 0,
    connections: 0,
    lastFailure: null,
    opened: null,
    probe: null,
    recoveredAt: null,
  };
}
