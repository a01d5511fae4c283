// What relay found out by one attempt, and what the log and the metrics are told of it. Called by relay.ts, once the
// outcome is in the ledger. It decides nothing.

import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { isCanary } from '#core/delivery/key.ts';
import type { Outcome } from '#core/reply/outcome.ts';
import type { MetricName } from '#pipeline/metric-names.ts';
import type { Watch } from '#pipeline/ports.ts';

export type Attempt = {
  readonly outcome: Outcome;
  readonly openMs: number;
  readonly waitedMs: number;
  readonly opened: { readonly bytes: number; readonly version: string | null; readonly undeleted: boolean } | null;
  readonly unknownReply: boolean;
  readonly bareLineEndings: number;
  readonly dsnTaken: boolean;
  readonly reencoded: boolean;
  readonly tried?: readonly string[];
  readonly author?: string;
  /** The accepted reverse-path is no address: MAIL could only say `<>`. */
  readonly reversePathLost: boolean;
  /** For a notice: the way that was chosen for this attempt. */
  readonly via: string | null;
  readonly returnPath?: string | null;
  /** It failed, and the failure limit holds it. */
  readonly overLimit?: boolean;
};

/** An attempt whose outcome is recorded. That of a canary is logged, and counts nowhere. */
export function reportAttempt(watch: Watch, row: DeliveryRow, attempt: Attempt): void {
  const count = (metric: MetricName) => (isCanary(row) ? undefined : watch.count(metric));
  const { outcome } = attempt;
  if (attempt.opened?.undeleted) watch.warn('relay.delete-marker', fieldsOf(row));
  const fields = {
    ...fieldsOf(row),
    state: row.state,
    status: row.lastStatus,
    reply: row.lastReply?.text,
    code: row.lastReply?.code,
    reason: row.stateReason,
    bytes: attempt.opened?.bytes,
    openMs: attempt.openMs,
    ...(attempt.author === undefined ? {} : { author: attempt.author }),
    ...(attempt.tried === undefined ? {} : { tried: attempt.tried }),
    ...(attempt.waitedMs === 0 ? {} : { waitedMs: attempt.waitedMs }),
  };
  switch (outcome.kind) {
    case 'relayed':
      count('Relayed');
      watch.info('relay.relayed', fields);
      return;
    case 'deferred':
      count('Deferred');
      if (outcome.reason === 'content-unreadable') count('ContentUnreadable');
      if (outcome.operatorFault) count('OperatorFault');
      if (attempt.unknownReply) count('UnknownReply');
      if (outcome.possibleDuplicate) count('PossibleDuplicate');
      if (outcome.operatorFault || outcome.reason === 'content-unreadable')
        watch.error('relay.deferred', { ...fields, detail: outcome.detail });
      else watch.warn('relay.deferred', { ...fields, detail: outcome.detail });
      return;
    case 'failed':
      count('Failed');
      if (attempt.overLimit === true) {
        watch.error('relay.failure-held', { ...fields, detail: outcome.detail });
        return;
      }
      watch.warn('relay.failed', { ...fields, detail: outcome.detail });
  }
}

export function fieldsOf(row: DeliveryRow): Record<string, unknown> {
  return {
    spoolId: row.spoolId,
    deliveryKey: row.deliveryKey,
    forwardPath: row.forwardPath,
    nextHop: row.nextHop,
    attempt: row.attempts,
  };
}
