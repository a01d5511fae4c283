// Sends a canary by SES, in the feedback function, which may send as the canary's address alone. Called by
// feedback-job.ts for a job of the sweep or of `everpost canary`. Each is sent once at most, and no failure of it is
// tried again: one that does not arrive is late, which is the alarm.
//
// | effect, in order | if we die right after                                         |
// | ---------------- | -------------------------------------------------------------- |
// | 1 its count      | it is never sent: CanaryLate calls                             |
// | 2 SES's 200      | the job comes again, and is refused by the count               |

import type { Settings } from '#config/settings.ts';
import { canaryLifetimeMs } from '#core/limits.ts';
import { canarySentAt, composeCanary } from '#core/message/canary.ts';
import type { MarkKey } from '#core/message/mark-key.ts';
import { mayBeSent } from '#pipeline/canaries.ts';
import type { Finished } from '#pipeline/finished.ts';
import { finished } from '#pipeline/finished.ts';
import type { CanaryMail, Clock, Job, Ledger, Watch } from '#pipeline/ports.ts';

export type SendCanaryPorts = {
  readonly settings: Settings;
  readonly ledger: Ledger;
  readonly canaryMail: CanaryMail;
  readonly clock: Clock;
  readonly watch: Watch;
  readonly markKey: MarkKey;
};

export async function sendCanary(ports: SendCanaryPorts, job: Job, signal: AbortSignal): Promise<Finished> {
  const { ledger, canaryMail, clock, watch, markKey } = ports;
  const { canary } = ports.settings;
  const id = job.spoolId;
  const sentAt = canarySentAt(id);
  if (sentAt === null) throw new Error(`a job for a canary without the id of one: ${id}`);
  if (canary === null) return unsent(watch, id, 'canary-not-configured');
  if (clock.now() - sentAt >= canaryLifetimeMs) return unsent(watch, id, 'canary-too-old');
  if (!(await mayBeSent(ledger, id))) return unsent(watch, id, 'canary-sent-already');
  try {
    const sesMessageId = await canaryMail.send(canary.to, composeCanary(id, { markKey, to: canary.to }), signal);
    watch.info('feedback.canary-sent', { canary: id, to: canary.to, sesMessageId });
    return finished('canary-sent');
  } catch (error) {
    watch.error('feedback.canary-not-sent', { canary: id, to: canary.to, error: String(error) });
    return finished('canary-not-sent');
  }
}

function unsent(watch: Watch, id: string, why: string): Finished {
  watch.warn('feedback.canary-not-sent', { canary: id, why });
  return finished(why);
}
