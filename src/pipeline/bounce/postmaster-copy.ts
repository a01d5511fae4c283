// The postmaster's copy of a failure, where `notices.copyPostmasterOn` asks for it: a notice of its own beside the
// sender's, with nothing hidden. Called by bounce before the sender's notice is written, because a settled delivery has
// no further bounce jobs. A copy that cannot be delivered is held. It never changes its delivery, and never causes
// another notice. The crash table is bounce's.

import type { DeliveryRow, MessageFacts } from '#core/delivery/delivery.ts';
import { isUnderWay } from '#core/delivery/delivery.ts';
import { sesReport } from '#core/delivery/destination.ts';
import { isCanary, noticeKeyOf } from '#core/delivery/key.ts';
import { newNotice } from '#core/delivery/progress.ts';
import { traced } from '#core/delivery/trace.ts';
import { wantsCopy } from '#core/notice/copy-rule.ts';
import { wayToPostmaster } from '#core/routing/postmaster-way.ts';
import { queueNotice } from '#pipeline/notice-queue.ts';
import type { BouncePorts } from './bounce-ports.ts';

export async function givePostmasterCopy(ports: BouncePorts, row: DeliveryRow, message: MessageFacts): Promise<void> {
  const { notices, retry } = ports.settings;
  if (isCanary(row) || !wantsCopy(notices.copyPostmasterOn, row)) return;
  // A copy about a copy would begin a loop.
  if (message.extract.ownNotice === true) return;
  const now = ports.clock.now();
  const way = wayToPostmaster(ports.settings, { nullReversePath: true });
  const { nextHop, address } = way ?? { nextHop: sesReport, address: notices.postmaster };
  const given = {
    key: noticeKeyOf(row.deliveryKey, 'postmaster'),
    to: notices.postmaster,
    via: nextHop,
    lifetimeMs: retry.lifetimeMs,
    sweepAgainMs: ports.sweepAgainMs,
    kind: 'postmaster' as const,
  };
  const born = newNotice(row, given, now);
  const what = {
    attempt: null,
    status: row.lastStatus,
    reason: `copy of what failed for ${row.forwardPath}`,
    reply: null,
  };
  const copy = { ...born, address, trace: [traced(born, 'DSN', now, what)] };
  const standing = await queueNotice(ports, copy);
  if (!isUnderWay(standing.state) || standing.attempts > 0) return;
  ports.watch.info('bounce.copy-queued', {
    spoolId: row.spoolId,
    forwardPath: row.forwardPath,
    to: notices.postmaster,
  });
}
