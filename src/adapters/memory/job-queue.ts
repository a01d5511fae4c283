// A queue in memory with SQS's semantics, for the simulation and tests: at least once, a visibility timeout, a
// dead-letter queue after a number of receives. It also has the consumer's side (receive, remove), which an event
// source mapping does in AWS. It never promises an order that SQS would not keep.

import type { Clock, Job, JobQueue } from '#pipeline/ports.ts';

export type ReceivedJob = {
  readonly sqsMessageId: string;
  readonly job: Job;
  readonly group: string;
  /** Receives so far, this one included. */
  readonly receives: number;
};

type Kept = { job: Job; group: string; receives: number; visibleAt: number };

export type MemoryQueueOptions = {
  readonly clock: Clock;
  readonly visibilityMs: number;
  readonly maxReceiveCount: number;
};

export class MemoryJobQueue implements JobQueue {
  private readonly options: MemoryQueueOptions;
  private readonly kept = new Map<string, Kept>();
  private sent = 0;
  /** Jobs received `maxReceiveCount` times and never removed. No consumer reads them. */
  readonly deadLetters: Job[] = [];

  constructor(options: MemoryQueueOptions) {
    this.options = options;
  }

  async send(jobs: readonly { readonly job: Job; readonly group: string; readonly delayMs?: number }[]): Promise<void> {
    for (const { job, group, delayMs = 0 } of jobs) {
      this.sent += 1;
      this.kept.set(`m${this.sent}`, {
        job: { ...job },
        group,
        receives: 0,
        visibleAt: this.options.clock.now() + delayMs,
      });
    }
  }

  async depth(): Promise<{ readonly visible: number; readonly inFlight: number }> {
    const now = this.options.clock.now();
    const visible = [...this.kept.values()].filter((each) => each.visibleAt <= now || each.receives === 0).length;
    return { visible, inFlight: this.kept.size - visible };
  }

  /** Takes up to `max` visible jobs and hides them for the visibility timeout. */
  receive(max: number): readonly ReceivedJob[] {
    const now = this.options.clock.now();
    const received: ReceivedJob[] = [];
    for (const [sqsMessageId, each] of this.kept) {
      if (received.length >= max) break;
      if (each.visibleAt > now) continue;
      if (each.receives >= this.options.maxReceiveCount) {
        this.kept.delete(sqsMessageId);
        this.deadLetters.push(each.job);
        continue;
      }
      each.receives += 1;
      each.visibleAt = now + this.options.visibilityMs;
      received.push({ sqsMessageId, job: { ...each.job }, group: each.group, receives: each.receives });
    }
    return received;
  }

  /** The job is done. */
  remove(sqsMessageId: string): void {
    this.kept.delete(sqsMessageId);
  }

  /** The instant at which the next hidden job shows again, or null. */
  nextVisibleAt(): number | null {
    const now = this.options.clock.now();
    const hidden = [...this.kept.values()].map((each) => each.visibleAt).filter((at) => at > now);
    return hidden.length === 0 ? null : Math.min(...hidden);
  }

  /** Puts every dead letter back with a fresh count, as a redrive does. */
  async redrive(): Promise<void> {
    await this.send(this.deadLetters.splice(0).map((job) => ({ job, group: 'redrive' })));
  }

  /** Loses all jobs, as no queue should: the sweep must repair it. */
  lose(): void {
    this.kept.clear();
  }
}
