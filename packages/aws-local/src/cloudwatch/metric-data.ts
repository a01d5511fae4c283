// CloudWatch's metrics, by minute of virtual time: what functions write as EMF lines, and what AWS measures of queues
// and functions. Filled by aws.ts and SES, read by cloudwatch.ts. It keeps one day, and it never judges.

export type MetricKey = {
  readonly namespace: string;
  readonly name: string;
  readonly dimensions: Readonly<Record<string, string>>;
};
export type Statistics = {
  readonly sum: number;
  readonly count: number;
  readonly minimum: number;
  readonly maximum: number;
};

export type Metrics = {
  put(key: MetricKey, value: number, at: number): void;
  /** Takes a line that a function wrote; true when it was an EMF document, which is then no log line. */
  takeLine(line: string): boolean;
  /** The values from `from` (inclusive) to `until` (exclusive), in whole minutes; null where there are none. */
  over(key: MetricKey, from: number, until: number): Statistics | null;
};

const MINUTE_MS = 60_000;
const KEPT_MINUTES = 25 * 60; // alarms look back a day at most (EvaluationPeriods × Period, PutMetricAlarm)

export function createMetrics(now: () => number): Metrics {
  const series = new Map<string, Map<number, Statistics>>();

  function put(key: MetricKey, value: number, at: number): void {
    const name = seriesName(key);
    let minutes = series.get(name);
    if (minutes === undefined) {
      minutes = new Map();
      series.set(name, minutes);
    }
    const minute = Math.floor(at / MINUTE_MS);
    const before = minutes.get(minute);
    minutes.set(
      minute,
      before === undefined
        ? { sum: value, count: 1, minimum: value, maximum: value }
        : {
            sum: before.sum + value,
            count: before.count + 1,
            minimum: Math.min(before.minimum, value),
            maximum: Math.max(before.maximum, value),
          },
    );
    if (minutes.size > 2 * KEPT_MINUTES) {
      for (const it of minutes.keys()) if (it < minute - KEPT_MINUTES) minutes.delete(it);
    }
  }

  return {
    put,
    takeLine(line) {
      const document = emfOf(line);
      if (document === null) return false;
      const stamped = Number(document._aws.Timestamp);
      const at = Number.isFinite(stamped) ? stamped : now();
      for (const directive of document._aws.CloudWatchMetrics) {
        for (const names of directive.Dimensions ?? [[]]) {
          const dimensions = Object.fromEntries(names.map((it) => [it, String(document[it])]));
          for (const { Name } of directive.Metrics ?? []) {
            const values: readonly unknown[] = Array.isArray(document[Name]) ? document[Name] : [document[Name]];
            for (const value of values)
              if (typeof value === 'number') put({ namespace: directive.Namespace, name: Name, dimensions }, value, at);
          }
        }
      }
      return true;
    },
    over(key, from, until) {
      const minutes = series.get(seriesName(key));
      let total: Statistics | null = null;
      for (let minute = Math.floor(from / MINUTE_MS); minute * MINUTE_MS < until; minute++) {
        const it = minutes?.get(minute);
        if (it === undefined) continue;
        total =
          total === null
            ? it
            : {
                sum: total.sum + it.sum,
                count: total.count + it.count,
                minimum: Math.min(total.minimum, it.minimum),
                maximum: Math.max(total.maximum, it.maximum),
              };
      }
      return total;
    },
  };
}

function seriesName(key: MetricKey): string {
  const dimensions = Object.entries(key.dimensions).sort(([a], [b]) => (a < b ? -1 : 1));
  return JSON.stringify([key.namespace, key.name, dimensions]);
}

/**
 * CloudWatch's embedded metric format, as far as a line must have it to be taken as metrics (specification 2018-05-23).
 */
type Emf = {
  readonly _aws: {
    readonly Timestamp?: number;
    readonly CloudWatchMetrics: readonly {
      readonly Namespace: string;
      readonly Dimensions?: readonly (readonly string[])[];
      readonly Metrics?: readonly { readonly Name: string }[];
    }[];
  };
  readonly [member: string]: unknown;
};

function emfOf(line: string): Emf | null {
  if (!line.startsWith('{') || !line.includes('"CloudWatchMetrics"')) return null;
  try {
    const document = JSON.parse(line) as { _aws?: { CloudWatchMetrics?: unknown } };
    return Array.isArray(document._aws?.CloudWatchMetrics) ? (document as Emf) : null;
  } catch {
    return null;
  }
}
