// One attempt at a notice by the way that is open to it now (core/notice/way.ts): a next hop of the configuration,
// SES's SendBounce, or a report of our own by SES. Called by relay, which claims before and records after. The notice
// is composed anew from the ledger each time; it is never stored in the spool.
//
// | effect, in order                 | if we die right after                                                        |
// | -------------------------------- | ---------------------------------------------------------------------------- |
// | 1 SendBounce says: not this one, | nothing was sent: the next attempt chooses its way anew                      |
// |   or its one call a second is    |                                                                              |
// |   taken                          |                                                                              |
// | 2 SES or the next hop took it    | the result is lost: the next claim marks POSSIBLE_DUPLICATE, as for any mail |

import type { DeliveryRow, MessageFacts } from '#core/delivery/delivery.ts';
import { deliveryId } from '#core/delivery/delivery.ts';
import { destinationOf, sesBounce, sesReport } from '#core/delivery/destination.ts';
import { parseMailbox } from '#core/message/address.ts';
import { composeNotice } from '#core/notice/compose.ts';
import type { NoticeInput } from '#core/notice/input.ts';
import { bounceOf } from '#core/notice/ses-bounce.ts';
import { type NoticeWay, wayOf } from '#core/notice/way.ts';
import { classify } from '#core/reply/classify.ts';
import { deferredFor, failedFor, type Outcome } from '#core/reply/outcome.ts';
import { inTime, outOfTime } from '#pipeline/deadline.ts';
import type { BounceService, NextHop, NextHopResult } from '#pipeline/ports.ts';
import { digestFor } from '#pipeline/purge/digest-notice.ts';
import { type ComposePorts, noticeInputFor } from './notice-content.ts';

export type NoticePorts = ComposePorts & {
  /** `ses-report` is a name that it knows too. */
  readonly nextHop: (name: string) => NextHop | null;
  readonly bounceService?: BounceService | null;
};

export type NoticeAttempt = {
  /** The next hop's name, `ses-bounce` or `ses-report`. */
  readonly via: string;
  readonly results: readonly NextHopResult[];
  readonly bytes: number;
  readonly openMs: number;
};
/** Nothing could be attempted. */
export type NoAttempt = {
  readonly via: string;
  readonly reason: 'next-hop-missing' | 'delivery-missing' | 'auto-replied' | 'deadline';
};

export async function attemptNotice(
  ports: NoticePorts,
  row: DeliveryRow,
  message: MessageFacts,
  signal: AbortSignal,
): Promise<NoticeAttempt | NoAttempt> {
  const startedAt = ports.clock.now();
  if (row.noticeKind === 'digest') return attemptDigest(ports, row, signal);
  const reported = await deliveryOf(ports, row);
  if (reported === null || row.noticeKind === null) return { via: row.nextHop, reason: 'delivery-missing' };
  const way = wayOf(ports.settings, { row: reported, message, kind: row.noticeKind }, startedAt, row.nextHop);
  if (way.kind === 'auto-replied') return { via: sesReport, reason: 'auto-replied' };
  const made = await inTime(
    noticeInputFor(ports, row, reported, message, signal).then((input) => ({ input })),
    signal,
  );
  if (made === null) return { via: row.nextHop, reason: 'deadline' };
  const { input } = made;
  if (input === null) return { via: row.nextHop, reason: 'delivery-missing' };
  const openMs = ports.clock.now() - startedAt;
  const bounced = way.kind === 'ses-bounce' ? await byBounce(ports, way, input, signal) : null;
  if (bounced !== null) return { via: sesBounce, results: [bounced], bytes: 0, openMs };
  const via = way.kind === 'next-hop' ? way.name : sesReport;
  return byNextHop(ports, via, row, { composed: composeNotice(input), openMs }, signal);
}

async function attemptDigest(
  ports: NoticePorts,
  row: DeliveryRow,
  signal: AbortSignal,
): Promise<NoticeAttempt | NoAttempt> {
  const startedAt = ports.clock.now();
  const composed = await digestFor(ports, row);
  if (composed === null) return { via: row.nextHop, reason: 'delivery-missing' };
  const openMs = ports.clock.now() - startedAt;
  const via = destinationOf(row) === 'ses-report' ? (ports.settings.notices.via ?? sesReport) : row.nextHop;
  return byNextHop(ports, via, row, { composed, openMs }, signal);
}

/** Null where SES refused it as a bounce, and the report may be sent instead. */
async function byBounce(
  ports: NoticePorts,
  way: Extract<NoticeWay, { kind: 'ses-bounce' }>,
  input: NoticeInput,
  signal: AbortSignal,
): Promise<NextHopResult | null> {
  if (!ports.bounceService) throw new Error('notices go by SES, and no client of SES is wired');
  const result = await ports.bounceService.sendBounce(bounceOf(input), signal);
  if (result.kind === 'busy') return way.orReport ? null : throttled;
  // Refused for good: too old by SES's clock, or a message that it does not know. A report of our own needs neither.
  if (way.orReport && classify(result).kind === 'failed') return null;
  return result;
}

const throttled: NextHopResult = {
  kind: 'service',
  name: 'Throttling',
  text: 'SendBounce is called once a second, and another call has this one',
  statusCode: null,
  host: null,
};

async function byNextHop(
  ports: NoticePorts,
  via: string,
  row: DeliveryRow,
  { composed, openMs }: { readonly composed: Uint8Array; readonly openMs: number },
  signal: AbortSignal,
): Promise<NoticeAttempt | NoAttempt> {
  const nextHop = ports.nextHop(via);
  const to = parseMailbox(row.address);
  if (nextHop === null || to === null) return { via, reason: 'next-hop-missing' };
  const transaction = {
    reversePath: null,
    forwardPaths: [to],
    bytes: composed.length,
    content: once(composed),
    tag: deliveryId(row),
  };
  return { via, results: await nextHop.attempt(transaction, signal), bytes: composed.length, openMs };
}

/**
 * What relay records where nothing was attempted. A way that will never open again is a failure, and the delivery is
 * then held.
 */
export function outcomeOf({ via, reason }: NoAttempt): Outcome {
  switch (reason) {
    case 'deadline':
      return outOfTime;
    case 'auto-replied':
      return failedFor(
        reason,
        'only a report with an envelope sender could carry the notice, and the message is itself an automatic answer',
      );
    case 'next-hop-missing':
      return deferredFor(reason, `no next hop is named "${via}" in the configuration`);
    case 'delivery-missing':
      return deferredFor(reason, 'the delivery this notice reports on is not in the ledger');
  }
}

function deliveryOf(ports: NoticePorts, notice: DeliveryRow): Promise<DeliveryRow | null> {
  const deliveryKey = notice.noticeOf;
  return deliveryKey === null ? Promise.resolve(null) : ports.ledger.read({ spoolId: notice.spoolId, deliveryKey });
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
