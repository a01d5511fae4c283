// What ingest does in both directions: it turns routes into the plan of each delivery and the plan into its row; after
// the rows are written it sends their jobs and logs and counts them. It decides nothing about a message and writes no
// row.

import type { DeliveryRow, MessageFacts } from '#core/delivery/delivery.ts';
import { discardedAtBirth } from '#core/delivery/hold-release.ts';
import { deliveryKeyOf, isCanary } from '#core/delivery/key.ts';
import { failedAtBirth, newDelivery } from '#core/delivery/progress.ts';
import { doubted } from '#core/delivery/put-back.ts';
import { traced } from '#core/delivery/trace.ts';
import type { Mailbox } from '#core/message/address.ts';
import { REASONS, type TableReason } from '#core/reply/reasons.ts';
import { statusOf } from '#core/reply/status.ts';
import type { LoopFinding } from '#core/routing/loop.ts';
import { routeDisposition } from '#core/routing/policy.ts';
import type { Resolved } from '#core/routing/routes.ts';
import { sendWork, workFor } from '#pipeline/jobs.ts';
import { isOfBefore } from '#pipeline/restore-record.ts';
import type { IngestPorts } from './ingest-ports.ts';

export type Plan = {
  readonly forwardPath: string;
  readonly mailbox: Mailbox;
  readonly route: number;
  readonly action: number;
  readonly via: string;
  readonly address: string;
  readonly copy: boolean;
  readonly fallback: string | null;
  readonly unrouted: { readonly reason: TableReason; readonly detail: string } | null;
  readonly returnPath?: 'token' | 'srs';
};

/** A plan for each action of the route that takes the forward-path. */
export function routedPlans(found: Resolved, mailbox: Mailbox, forwardPath: string): Plan[] {
  return found.actions.map((action, index) => ({
    forwardPath,
    mailbox,
    route: found.route,
    action: index,
    via: action.via,
    address: action.address ?? forwardPath,
    copy: action.copy,
    fallback: action.copy ? null : found.fallback,
    unrouted: null,
    ...(action.returnPath === 'keep' ? {} : { returnPath: action.returnPath }),
  }));
}

/**
 * The row that routes and loops end before any attempt; null where none ends it. An explicit route discards its mail,
 * loop or not. Policy need not judge mail that a route refuses.
 */
export function disposedByRoute(
  ports: IngestPorts,
  row: DeliveryRow,
  planned: Plan,
  loop: LoopFinding | null,
): DeliveryRow | null {
  const now = ports.clock.now();
  const byRoute = routeDisposition(ports.settings.nextHops[planned.via]);
  if (byRoute?.kind === 'discard') return discardedAtBirth(row, byRoute.reason, now);
  if (loop !== null) return failedAtBirth(row, loop.status, 'loop', loop.detail, now);
  if (planned.unrouted !== null) {
    const { reason, detail } = planned.unrouted;
    return failedAtBirth(row, statusOf(REASONS[reason].status), reason, detail, now);
  }
  return byRoute?.kind === 'refuse' ? failedAtBirth(row, byRoute.status, byRoute.reason, byRoute.detail, now) : null;
}

/** From which a row is made. */
export type RowTerms = Pick<IngestPorts, 'settings' | 'clock' | 'sweepAgainMs'>;

export function rowFor(
  ports: RowTerms,
  facts: MessageFacts,
  planned: Plan,
  { sole, reason }: { readonly sole: boolean; readonly reason: string | null },
): DeliveryRow {
  const now = ports.clock.now();
  const received = { attempt: null, status: null, reason, reply: null };
  const row = newDelivery(
    {
      spoolId: facts.spoolId,
      deliveryKey: deliveryKeyOf(planned.mailbox, planned.action),
      forwardPath: planned.forwardPath,
      route: planned.route,
      action: planned.action,
      nextHop: planned.via,
      address: planned.address,
      copy: planned.copy,
      message: sole ? facts : null,
      acceptedAt: facts.acceptedAt,
      lifetimeMs: ports.settings.retry.lifetimeMs,
      sweepAgainMs: ports.sweepAgainMs,
      trace: [traced({ nextHop: planned.via }, 'RECEIVE', now, received, null)],
    },
    now,
  );
  const { fallback, returnPath } = planned;
  return { ...row, fallback, ...(returnPath === undefined ? {} : { returnPath }) };
}

/** The content lay under a delete marker, and its header section was read by its version: told right after RECEIVE. */
export function restored(row: DeliveryRow): DeliveryRow {
  const [received, ...others] = row.trace;
  if (received === undefined) return row;
  const what = { attempt: null, status: null, reason: 'delete-marker', reply: null };
  return { ...row, trace: [received, traced(row, 'RESTORE', received.at, what), ...others] };
}

export function unroutedPlan(forwardPath: string, mailbox: Mailbox, reason: TableReason, detail: string): Plan {
  return {
    forwardPath,
    mailbox,
    route: -1,
    action: 0,
    via: '',
    address: forwardPath,
    copy: false,
    fallback: null,
    unrouted: { reason, detail },
  };
}

export function uniqueByKey<P extends Plan>(plans: readonly P[]): P[] {
  const byKey = new Map(plans.map((entry) => [deliveryKeyOf(entry.mailbox, entry.action), entry]));
  return [...byKey.values()];
}

/**
 * Writes them, each where none stands. The alarm for one that is held from its beginning is raised before, also where
 * it stands already: its alarm may be lost. Mail of before a restore of the ledger is marked.
 */
export async function writeRows(
  ports: Pick<IngestPorts, 'ledger' | 'watch' | 'restores' | 'clock'>,
  rows: readonly DeliveryRow[],
  facts: MessageFacts,
): Promise<readonly ('created' | 'exists')[]> {
  for (const row of rows) if (row.state === 'held') ports.watch.raise('Held');
  const restore = await ports.restores.current();
  // The rows that a restore has not put back may have been relayed before.
  const ofBefore = restore !== null && isOfBefore(restore, facts.acceptedAt);
  const born = ofBefore ? rows.map((row) => doubted(row, { at: ports.clock.now() })) : rows;
  return ports.ledger.create(born, rows.length > 1 ? facts : null);
}

export async function sendJobs(ports: IngestPorts, rows: readonly DeliveryRow[]): Promise<void> {
  const jobsIn = (state: DeliveryRow['state']) => rows.filter((row) => row.state === state).map(workFor);
  const bounce = jobsIn('failed');
  await sendWork(ports, jobsIn('queued'));
  if (bounce.length > 0) await ports.bounceQueue.send(bounce);
}

export function report(
  ports: IngestPorts,
  facts: MessageFacts,
  rows: readonly DeliveryRow[],
  results: readonly ('created' | 'exists')[],
): void {
  rows.forEach((row, index) => {
    const fields = {
      spoolId: row.spoolId,
      forwardPath: row.forwardPath,
      nextHop: row.nextHop,
      direction: facts.direction,
      reversePath: facts.reversePath,
      state: row.state,
      reason: row.stateReason,
    };
    if (results[index] === 'exists') {
      ports.watch.info('ingest.known-already', fields);
      return;
    }
    if (isCanary(row)) {
      ports.watch.info('ingest.canary', fields);
      return;
    }
    ports.watch.count('Accepted');
    if (row.state === 'quarantined') {
      ports.watch.count('Quarantined');
      ports.watch.warn('ingest.quarantined', fields);
    } else if (row.state === 'discarded') {
      ports.watch.count('Discarded');
      ports.watch.warn('ingest.discarded', fields);
    } else if (row.state === 'failed') {
      ports.watch.count('Failed');
      ports.watch.warn('ingest.failed', fields);
    } else if (row.state === 'held') {
      ports.watch.error('ingest.held', { ...fields, detail: row.lastDetail });
    } else ports.watch.info('ingest.accepted', fields);
  });
}
