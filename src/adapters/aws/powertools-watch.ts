// The log and the metrics by Powertools: one JSON line an event, one EMF line an invocation, both on standard output.
// The namespace is Everpost, and the one dimension is `service`: the stack's name, from POWERTOOLS_SERVICE_NAME. Every
// alarm uses exactly this set. The stage is a field of the line and no dimension, because each dimension adds a metric
// to pay for.

import { Logger } from '@aws-lambda-powertools/logger';
import { Metrics, MetricUnit } from '@aws-lambda-powertools/metrics';
import type { MetricName } from '#pipeline/metric-names.ts';
import type { Watch } from '#pipeline/ports.ts';

export const metricNamespace = 'Everpost';

export class PowertoolsWatch implements Watch {
  private readonly stage: string;
  private readonly logger: Logger;
  private readonly metrics = new Metrics({ namespace: metricNamespace });
  private readonly counted = new Map<MetricName, number>();

  /** `stage`: the function's verb, a field of every line. */
  constructor(stage: string) {
    this.stage = stage;
    this.logger = new Logger({ persistentKeys: { stage } });
  }

  /** At the start of each invocation. */
  begin(awsRequestId: string): void {
    this.logger.appendKeys({ awsRequestId });
  }

  info(event: string, fields: Readonly<Record<string, unknown>>): void {
    this.logger.info(event, { ...fields });
  }
  warn(event: string, fields: Readonly<Record<string, unknown>>): void {
    this.logger.warn(event, { ...fields });
  }
  error(event: string, fields: Readonly<Record<string, unknown>>): void {
    this.logger.error(event, { ...fields });
  }

  /**
   * Sums are kept and written by `flush`. A zero counts too: it distinguishes "nothing happened" from "nothing ran".
   */
  count(metric: MetricName, value = 1): void {
    this.counted.set(metric, (this.counted.get(metric) ?? 0) + value);
  }

  raise(metric: MetricName): void {
    this.level(metric, 1);
  }

  level(metric: MetricName, value: number): void {
    const alone = this.metrics.singleMetric(); // it is printed as it is added
    alone.addMetadata('stage', this.stage);
    alone.addMetric(metric, MetricUnit.Count, value);
  }

  /** At the end of each invocation, also of one that threw. */
  flush(): void {
    if (this.counted.size === 0) return;
    for (const [metric, value] of this.counted) this.metrics.addMetric(metric, MetricUnit.Count, value);
    this.counted.clear();
    this.metrics.addMetadata('stage', this.stage);
    this.metrics.publishStoredMetrics();
  }
}
