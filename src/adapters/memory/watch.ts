// A watch that keeps the events and metrics that it gets, for tests and the simulation.
// It never prints.

import type { MetricName } from '#pipeline/metric-names.ts';
import type { Watch } from '#pipeline/ports.ts';

export type WatchEntry = {
  readonly level: 'info' | 'warn' | 'error';
  readonly event: string;
  readonly fields: Readonly<Record<string, unknown>>;
};

export class MemoryWatch implements Watch {
  readonly entries: WatchEntry[] = [];
  /** Every value counted, zeros too: an alarm with missing data breaching needs them. */
  readonly counted: { readonly metric: MetricName; readonly value: number; readonly at: number }[] = [];
  private readonly now: () => number;

  /** `now`: when something is counted, in milliseconds since the epoch. */
  constructor(now: () => number = () => 0) {
    this.now = now;
  }

  info(event: string, fields: Readonly<Record<string, unknown>>): void {
    this.entries.push({ level: 'info', event, fields: { ...fields } });
  }
  warn(event: string, fields: Readonly<Record<string, unknown>>): void {
    this.entries.push({ level: 'warn', event, fields: { ...fields } });
  }
  error(event: string, fields: Readonly<Record<string, unknown>>): void {
    this.entries.push({ level: 'error', event, fields: { ...fields } });
  }
  count(metric: MetricName, value = 1): void {
    this.counted.push({ metric, value, at: this.now() });
  }

  raise(metric: MetricName): void {
    this.count(metric);
  }

  level(metric: MetricName, value: number): void {
    this.count(metric, value);
  }

  /** The sum counted under the metric. */
  total(metric: MetricName): number {
    return this.counted.filter((each) => each.metric === metric).reduce((sum, each) => sum + each.value, 0);
  }
  /** The entries of an event, in order. */
  logged(event: string): readonly WatchEntry[] {
    return this.entries.filter((entry) => entry.event === event);
  }
}
