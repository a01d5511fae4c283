// The notices that change nothing about their delivery: of a delay, when the sweep says that a delivery is late; of an
// uncertain bounce, when the sweep finds it undecided; of a success, for a sender who asked. Called by bounce; relay
// attempts them like any notice. The delivery goes on whatever becomes of its notice: one that cannot be sent holds
// nothing and raises no alarm.
//
// | effect, in order                | if we die right after                                                        |
// | ------------------------------- | ---------------------------------------------------------------------------- |
// | (`dueAt` set, by others)        | SQS gives the bounce job again, or the sweep sends another by `dueAt`        |
// | 1 notice's row (if none stands) | the same job runs again: the row stands, its job is sent again               |
// | 2 notice's relay job            | as above; a second job is refused by the claim                               |
// | 3 delivery marked with notice   | done: it is never asked for again                                            |
// | (notice accepted or refused)    |                                                                              |
// | 4 delivery says so              | the trace has the notice's own events; the summary stays at `queued`         |

import {
  type DelayOrSuccessKind,
  delayNoticeAt,
  isSuccessNoticeDue,
  isUncertainNoticeDue,
  withDelayNoticeDropped,
  withDelayOrSuccessNoticeQueued,
  withDelayOrSuccessNoticeSettled,
  withDelayOrSuccessNoticeWithheld,
} from '#core/delivery/delay-success.ts';
import type { DeliveryRow, MessageFacts } from '#core/delivery/delivery.ts';
import { deliveryId, isHeldFailure, isUnderWay } from '#core/delivery/delivery.ts';
import { noticeKeyOf } from '#core/delivery/key.ts';
import { newNotice, withNoticeWithheld } from '#core/delivery/progress.ts';
import { parseReversePath } from '#core/message/address.ts';
import { noticeMessageId } from '#core/notice/input.ts';
import type { Withheld } from '#core/notice/permission.ts';
import { wayName, wayOf } from '#core/notice/way.ts';
import type { Finished } from '#pipeline/finished.ts';
import { finished } from '#pipeline/finished.ts';
import { queueNotice } from '#pipeline/notice-queue.ts';
import type { Clock, Ledger, Watch } from '#pipeline/ports.ts';
import { recordOn } from '#pipeline/record.ts';
import type { BouncePorts } from './bounce-ports.ts';

/**
 * A bounce job for a delivery that did not fail. `withheld` is the decision of core/notice/permission.ts on a notice of
 * that kind.
 */
export async function giveDelayOrSuccessNotice(
  ports: BouncePorts,
  row: DeliveryRow,
  message: MessageFacts,
  kind: DelayOrSuccessKind,
  withheld: Withheld | null,
): Promise<Finished> {
  const now = ports.clock.now();
  if (!isDue(ports, row, kind)) return finished(`no-${kind}-notice-due`);
  if (withheld !== null) {
    await recordOn(ports, row, (current) =>
      isDue(ports, current, kind)
        ? withDelayOrSuccessNoticeWithheld(
            current,
            kind,
            withheld.name,
            withheld.heldBecause === null ? 'unreturnable' : 'held',
            now,
          )
        : null,
    );
    ports.watch.info(`bounce.${kind}-notice-withheld`, { ...fieldsOf(row), reason: withheld.name });
    return finished(`${kind}-notice-withheld`);
  }
  const to = parseReversePath(message.reversePath);
  if (to === null || to === undefined)
    throw new Error('a reverse-path that takes no notice was not withheld: src/core/notice/permission.ts');
  const notice = newNotice(
    row,
    {
      key: noticeKeyOf(row.deliveryKey, kind),
      to: to.address,
      via: wayName(wayOf(ports.settings, { row, message, kind }, now)),
      // A delay's: after that the sender is told of the end. A pause may have extended the lifetime.
      lifetimeMs: kind === 'delay' && row.expiresAt > now ? row.expiresAt - now : ports.settings.retry.lifetimeMs,
      sweepAgainMs: ports.sweepAgainMs,
      kind,
    },
    now,
  );
  const standing = await queueNotice(ports, notice);
  const { host } = ports.settings;
  const messageIdField = noticeMessageId({ spoolId: row.spoolId, deliveryKey: row.deliveryKey, kind, host });
  const told = { via: notice.nextHop, to: notice.forwardPath, messageIdField };
  await recordOn(ports, row, (current) =>
    isDue(ports, current, kind) ? withDelayOrSuccessNoticeQueued(current, kind, told, now) : null,
  );
  ports.watch.info(`bounce.${kind}-notice-queued`, { ...fieldsOf(row), ...told });
  // It ended before the row named it: no later event will record its end.
  if (!isUnderWay(standing.state)) return settleDelayOrSuccessNotice(ports, standing);
  return finished(`${kind}-notice-queued`);
}

function isDue(ports: BouncePorts, row: DeliveryRow, kind: DelayOrSuccessKind): boolean {
  if (kind === 'success') return isSuccessNoticeDue(row);
  if (kind === 'uncertain') return isUncertainNoticeDue(row);
  // The sweep has asked, and knows the pauses. Where the lifetime ended meanwhile, relay drops the notice.
  const at = delayNoticeAt(row, ports.settings.retry.delayNoticeMs, Number.POSITIVE_INFINITY);
  return at !== null && at <= ports.clock.now();
}

type EndPorts = { readonly ledger: Ledger; readonly clock: Clock; readonly watch: Watch };

/** Such a notice ended: accepted (recorded by relay), or failed or expired (a bounce job for the notice). */
export async function settleDelayOrSuccessNotice(ports: EndPorts, notice: DeliveryRow): Promise<Finished> {
  const now = ports.clock.now();
  const reported = await deliveryOf(ports, notice);
  if (reported !== null)
    await recordOn(ports, reported, (current) => withDelayOrSuccessNoticeSettled(current, notice, now));
  if (notice.state === 'relayed' || notice.state === 'confirmed')
    return finished(`${notice.noticeKind}-notice-relayed`);
  // The notice's own row last: while it is failed and due, the sweep brings it back here.
  await recordOn(ports, notice, (current) =>
    current.state === 'failed' || current.state === 'expired'
      ? withNoticeWithheld(current, 'notice-not-delivered', null, now)
      : null,
  );
  ports.watch.warn(`bounce.${notice.noticeKind}-notice-not-delivered`, {
    ...fieldsOf(notice),
    reason: notice.stateReason,
  });
  return finished(`${notice.noticeKind}-notice-not-delivered`);
}

/**
 * True where the delivery ended before the notice of its delay, or of the doubt, could leave. The notice is then
 * dropped, with a trace event.
 */
export async function isDelayOver(ports: EndPorts, notice: DeliveryRow): Promise<boolean> {
  if (notice.noticeKind !== 'delay' && notice.noticeKind !== 'uncertain') return false;
  const reported = await deliveryOf(ports, notice);
  if (reported === null) throw new Error(`a notice reports on no delivery: ${deliveryId(notice)}`);
  const late = isUnderWay(reported.state) || isHeldFailure(reported);
  if (notice.noticeKind === 'delay' ? late : reported.uncertain !== undefined) return false;
  const now = ports.clock.now();
  await recordOn(ports, notice, (current) => (isUnderWay(current.state) ? withDelayNoticeDropped(current, now) : null));
  ports.watch.info('relay.delay-over', { ...fieldsOf(notice), state: reported.state });
  return true;
}

function deliveryOf(ports: EndPorts, notice: DeliveryRow): Promise<DeliveryRow | null> {
  const deliveryKey = notice.noticeOf;
  return deliveryKey === null ? Promise.resolve(null) : ports.ledger.read({ spoolId: notice.spoolId, deliveryKey });
}

function fieldsOf(row: DeliveryRow): Record<string, unknown> {
  return { spoolId: row.spoolId, deliveryKey: row.deliveryKey, forwardPath: row.forwardPath, status: row.lastStatus };
}
