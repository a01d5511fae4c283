// A queue of the simulator: SQS's promises and no more. At least once, in no order, hidden for its visibility timeout
// after each receive, and into the dead-letter queue after so many receives. Jobs can be doubled and lost on their way
// in.

import type { EventQueue, Job, JobQueue } from '#pipeline/ports.ts';
import type { Chance } from './chance.ts';

/** A job of ours, or the text that SES, S3 or a test put in. */
export type Body = { readonly job: Job } | { readonly text: string };
export type Received = { readonly id: number; readonly body: Body; readonly receives: number };
type Kept = { readonly id: number; readonly body: Body; receives: number; visibleAt: number };

export type QueueTerms = {
  readonly now: () => number;
  readonly visibilityMs: number;
  readonly maxReceiveCount: number;
  /** What becomes of the n-th job on its way in. */
  readonly fate: (n: number) => 'once' | 'twice' | 'lost';
  /** Something can be received at this instant. */
  readonly visible: (at: number) => void;
  /** Something went into the dead-letter queue. */
  readonly dead: () => void;
};

export class SimQueue implements JobQueue, EventQueue {
  private readonly terms: QueueTerms;
  private readonly kept = new Map<number, Kept>();
  private count = 0;
  private sent = 0;
  readonly deadLetters: Body[] = [];

  constructor(terms: QueueTerms) {
    this.terms = terms;
  }

  async send(jobs: Parameters<JobQueue['send']>[0]): Promise<void> {
    for (const { job, delayMs } of jobs) {
      this.sent += 1;
      const fate = this.terms.fate(this.sent);
      if (fate !== 'lost') this.put({ job: { ...job } }, delayMs);
      // One that waits for its turn is sent again and again: twice each time, it would soon be thousands.
      if (fate === 'twice' && delayMs === undefined) this.put({ job: { ...job } });
    }
  }

  async sendEvent(text: string): Promise<void> {
    this.put({ text });
  }

  async depth(): Promise<{ readonly visible: number; readonly inFlight: number }> {
    const now = this.terms.now();
    const visible = [...this.kept.values()].filter((each) => each.visibleAt <= now).length;
    return { visible, inFlight: this.kept.size - visible };
  }

  put(body: Body, delayMs = 0): void {
    this.count += 1;
    const visibleAt = this.terms.now() + delayMs;
    this.kept.set(this.count, { id: this.count, body, receives: 0, visibleAt });
    this.terms.visible(visibleAt);
  }

  /** Up to `max` of those that can be seen, by chance. */
  receive(max: number, chance: Chance): Received[] {
    const now = this.terms.now();
    const seen = [...this.kept.values()].filter((each) => each.visibleAt <= now);
    const received: Received[] = [];
    while (seen.length > 0 && received.length < max) {
      const [each] = seen.splice(chance.whole(0, seen.length - 1), 1);
      if (each === undefined) break;
      if (each.receives >= this.terms.maxReceiveCount) {
        this.kept.delete(each.id);
        this.deadLetters.push(each.body);
        this.terms.dead();
        continue;
      }
      each.receives += 1;
      each.visibleAt = now + this.terms.visibilityMs;
      this.terms.visible(each.visibleAt);
      received.push({ id: each.id, body: each.body, receives: each.receives });
    }
    return received;
  }

  remove(id: number): void {
    this.kept.delete(id);
  }

  /** As an operator does who means another queue. */
  purge(stays: (body: Body) => boolean): void {
    for (const { id, body } of [...this.kept.values()]) if (!stays(body)) this.kept.delete(id);
  }

  redrive(): void {
    for (const body of this.deadLetters.splice(0)) this.put(body);
  }

  get size(): number {
    return this.kept.size;
  }

  get bodies(): readonly Body[] {
    return [...this.kept.values()].map(({ body }) => body);
  }
}
