// The template's alarms, evaluated each minute of virtual time and whenever somebody asks. Queues are measured as SQS measures
// them. It notifies nobody; it never invents data: a period that began before this process did is not held against an alarm.

import type { MetricKey, Metrics } from './metrics.ts';
import type { World } from './world.ts';

export type AlarmState = 'OK' | 'ALARM' | 'INSUFFICIENT_DATA';
export type AlarmReport = { readonly name: string; readonly state: AlarmState; readonly since: string };

/** The properties of AWS::CloudWatch::Alarm that are emulated. */
export type AlarmDefinition = {
  readonly name: string;
  readonly metric: MetricKey;
  readonly statistic: 'Sum' | 'Maximum' | 'Minimum' | 'Average' | 'SampleCount';
  readonly periodMs: number;
  readonly evaluationPeriods: number;
  readonly datapointsToAlarm: number;
  readonly comparison: Comparison;
  readonly threshold: number;
  readonly treatMissingData: 'breaching' | 'notBreaching' | 'ignore' | 'missing';
};
const COMPARISONS = {
  GreaterThanOrEqualToThreshold: (value: number, threshold: number) => value >= threshold,
  GreaterThanThreshold: (value: number, threshold: number) => value > threshold,
  LessThanThreshold: (value: number, threshold: number) => value < threshold,
  LessThanOrEqualToThreshold: (value: number, threshold: number) => value <= threshold,
} as const;
export type Comparison = keyof typeof COMPARISONS;
export const comparisons = Object.keys(COMPARISONS) as readonly Comparison[];
export const statistics = ['Sum', 'Maximum', 'Minimum', 'Average', 'SampleCount'] as const;

export type MeasuredQueue = {
  readonly name: string;
  /** `oldestAgeMs` is null for an empty queue. */
  measure(): {
    readonly visible: number;
    readonly inFlight: number;
    readonly delayed: number;
    readonly oldestAgeMs: number | null;
  };
};

export type CloudWatch = {
  addAlarm(definition: AlarmDefinition): void;
  addQueue(queue: MeasuredQueue): void;
  /** Measures and evaluates now. */
  alarms(): readonly AlarmReport[];
  stop(): void;
};

const MINUTE_MS = 60_000;

export function startCloudWatch(world: World, metrics: Metrics): CloudWatch {
  const { clock } = world;
  const began = clock.now();
  const queues: MeasuredQueue[] = [];
  const alarms: { readonly definition: AlarmDefinition; state: AlarmState; since: number }[] = [];
  let cancel = schedule();

  function schedule(): () => void {
    // Just before the minute ends, so that its last state is in it.
    const minute = Math.floor(clock.now() / MINUTE_MS) * MINUTE_MS;
    const next = minute + MINUTE_MS - 1;
    return clock.at(next > clock.now() ? next : next + MINUTE_MS, () => {
      look();
      cancel = schedule();
    });
  }

  function look(): void {
    const now = clock.now();
    for (const queue of queues) measure(metrics, queue, now);
    for (const alarm of alarms) {
      const state = evaluate(alarm.definition, metrics, now, began) ?? alarm.state;
      if (state === alarm.state) continue;
      if (state === 'ALARM' || alarm.state === 'ALARM') world.log(`alarm ${alarm.definition.name}: ${state}`);
      alarm.state = state;
      alarm.since = now;
    }
  }

  return {
    addAlarm(definition) {
      alarms.push({ definition, state: 'INSUFFICIENT_DATA', since: clock.now() });
    },
    addQueue(queue) {
      queues.push(queue);
    },
    alarms() {
      look();
      return alarms.map((it) => ({
        name: it.definition.name,
        state: it.state,
        since: new Date(it.since).toISOString(),
      }));
    },
    stop: () => cancel(),
  };
}

function measure(metrics: Metrics, queue: MeasuredQueue, at: number): void {
  const { visible, inFlight, delayed, oldestAgeMs } = queue.measure();
  const put = (name: string, value: number): void =>
    metrics.put({ namespace: 'AWS/SQS', name, dimensions: { QueueName: queue.name } }, value, at);
  put('ApproximateNumberOfMessagesVisible', visible);
  put('ApproximateNumberOfMessagesNotVisible', inFlight);
  put('ApproximateNumberOfMessagesDelayed', delayed);
  put('ApproximateAgeOfOldestMessage', Math.floor((oldestAgeMs ?? 0) / 1000));
}

/** One period: whether it breaches, null where nothing was measured, 'unknown' where nobody was there to measure. */
type Datapoint = boolean | null | 'unknown';

/**
 * The state that the last periods give, or null for "as it was". Whole periods decide; the present one joins them where the
 * comparison is upwards, because a sum or a maximum that is too high already will not become less.
 */
function evaluate(definition: AlarmDefinition, metrics: Metrics, now: number, began: number): AlarmState | null {
  const { periodMs, evaluationPeriods, datapointsToAlarm, treatMissingData } = definition;
  const present = Math.floor(now / periodMs) * periodMs;
  const whole = Array.from({ length: evaluationPeriods }, (_, i) => {
    const from = present - (i + 1) * periodMs;
    return datapoint(definition, metrics, from) ?? (from < began ? 'unknown' : null);
  });
  const alarming = (periods: readonly Datapoint[]): boolean =>
    periods.filter((it) => it === true || (it === null && treatMissingData === 'breaching')).length >=
    datapointsToAlarm;
  if (alarming(whole)) return 'ALARM';
  const soFar = datapoint(definition, metrics, present);
  if (definition.comparison.startsWith('Greater') && soFar === true && alarming([soFar, ...whole.slice(0, -1)]))
    return 'ALARM';
  const known = [soFar, ...whole];
  if (known.some((it) => typeof it === 'boolean')) return 'OK';
  if (whole.includes('unknown') || treatMissingData === 'ignore') return null;
  return treatMissingData === 'missing' ? 'INSUFFICIENT_DATA' : 'OK';
}

function datapoint(definition: AlarmDefinition, metrics: Metrics, from: number): boolean | null {
  const measured = metrics.over(definition.metric, from, from + definition.periodMs);
  if (measured === null) return null;
  const value = {
    Sum: measured.sum,
    Maximum: measured.maximum,
    Minimum: measured.minimum,
    Average: measured.sum / measured.count,
    SampleCount: measured.count,
  }[definition.statistic];
  return COMPARISONS[definition.comparison](value, definition.threshold);
}
