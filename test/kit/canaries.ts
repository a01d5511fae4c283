// Canaries in the test pipeline: the queue of their jobs, SES, which takes them, and the MX, to which a test brings
// them. What SES took and nobody brought is on its way, or lost.

import type { MemoryClock } from '#adapters/memory/clock.ts';
import type { Interrupt } from '#adapters/memory/interrupt.ts';
import { MemoryJobQueue } from '#adapters/memory/job-queue.ts';
import type { Settings } from '#config/settings.ts';
import { maxReceiveCount, relayVisibilityMs } from '#core/limits.ts';
import { headerFieldsOf } from '#core/message/header.ts';
import { compileRoutes } from '#core/routing/routes.ts';
import { sendCanary } from '#pipeline/feedback/send-canary.ts';
import type { Clock, Job, Ledger, Watch } from '#pipeline/ports.ts';
import { type CanaryPorts, watchCanary } from '#pipeline/sweep/canary-level.ts';
import { notification } from '../simulation/notification.ts';

const NEVER = new AbortController().signal;
type Common = {
  readonly settings: Settings;
  readonly ledger: Ledger;
  readonly clock: Clock;
  readonly watch: Watch;
};
export type Taken = { readonly to: string; readonly content: string };

export class Canaries {
  readonly queue: MemoryJobQueue;
  /** What SES took, in its order. */
  readonly taken: Taken[] = [];

  constructor({ clock }: { readonly clock: MemoryClock }) {
    this.queue = new MemoryJobQueue({ clock, visibilityMs: relayVisibilityMs, maxReceiveCount });
  }

  send(common: Common, interrupt: Interrupt, job: Job): Promise<unknown> {
    const send = async (to: string, content: Uint8Array) => {
      this.taken.push({ to, content: Buffer.from(content).toString('latin1') });
      return `ses-${this.taken.length}`;
    };
    return sendCanary({ ...common, markKey: 'key', canaryMail: interrupt.wrap('canaryMail', { send }) }, job, NEVER);
  }

  look(
    ports: Omit<CanaryPorts, 'routes' | 'canaryQueue' | 'entropy'>,
    interrupt: Interrupt,
    entropy: CanaryPorts['entropy'],
  ): Promise<void> {
    const { routes } = ports.settings;
    const canaryQueue = interrupt.wrap('canaryQueue', this.queue);
    return watchCanary({ ...ports, routes: compileRoutes(routes), canaryQueue, entropy });
  }
}

/** SES's receipt for the message, with the fields that it has. */
export function receiptOf(spoolId: string, recipients: readonly string[], content: string, acceptedAt: number): string {
  const receipt = JSON.parse(notification(spoolId, 'bounce@eu-west-1.amazonses.com', recipients, [], { acceptedAt }));
  receipt.mail.headers = headerFieldsOf(Buffer.from(content, 'latin1'));
  return JSON.stringify(receipt);
}
