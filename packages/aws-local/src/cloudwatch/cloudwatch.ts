// CloudWatch alarms, evaluated each minute of virtual time and whenever a caller asks for them. Opened by aws.ts;
// deploy.ts adds the alarms. Queues are measured as SQS measures them. An alarm that rises is published to its topics.
// A period that began before this process did does not count against an alarm.

import type { Caller, World } from '../world.ts';
import type { MetricKey, Metrics } from './metric-data.ts';

export type AlarmState = 'OK' | 'ALARM' | 'INSUFFICIENT_DATA';
export type AlarmReport = {
  readonly name: string;
  readonly state: AlarmState;
  readonly since: string;
  /** When it last went to ALARM; null: never. */
  readonly raisedAt: string | null;
};

/** The properties of AWS::CloudWatch::Alarm that are emulated. */
export type AlarmDefinition = {
  readonly name: string;
  readonly arn: string;
  readonly description: string | null;
  /** ARNs of the topics to which its change to ALARM is published. */
  readonly actions: readonly string[];
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

/** Publishes to a topic in the caller's name; rejects where the topic's policy does not let it. */
export type Tell = (
  by: Caller,
  topicArn: string,
  publication: { readonly subject: string; readonly message: string },
) => Promise<unknown>;

const MINUTE_MS = 60_000;
/** So many minutes at most are made up for, after a machine stood still. */
const MISSED_MAX = 60;

export function startCloudWatch(world: World, metrics: Metrics, tell: Tell): CloudWatch {
  const { clock } = world;
  const began = clock.now();
  const queues: MeasuredQueue[] = [];
  const alarms: { readonly definition: AlarmDefinition; state: AlarmState; since: number; raisedAt: number | null }[] =
    [];
  let cancel = schedule();

  function schedule(): () => void {
    // Just before the minute ends, so that its last state is in it.
    const minute = Math.floor(clock.now() / MINUTE_MS) * MINUTE_MS;
    const next = minute + MINUTE_MS - 1;
    const due = next > clock.now() ? next : next + MINUTE_MS;
    return clock.at(due, () => {
      // On a busy machine the timer comes late: the minute that it was for has its number all the same.
      const missed = Math.min(Math.floor((clock.now() - due) / MINUTE_MS), MISSED_MAX);
      for (let each = 0; each <= missed; each += 1)
        for (const queue of queues) measure(metrics, queue, due + each * MINUTE_MS);
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
      const before = alarm.state;
      alarm.state = state;
      alarm.since = now;
      if (state === 'ALARM') alarm.raisedAt = now;
      if (state === 'ALARM') for (const topic of alarm.definition.actions) void raise(alarm.definition, topic, before);
    }
  }

  async function raise(definition: AlarmDefinition, topicArn: string, before: AlarmState): Promise<void> {
    const { name, arn } = definition;
    const topic = topicArn.slice(topicArn.lastIndexOf(':') + 1);
    const principal = { kind: 'service', name: 'cloudwatch.amazonaws.com' } as const;
    const by = { principal, context: { 'aws:sourcearn': arn, 'aws:sourceaccount': world.account } };
    const publication = {
      subject: `ALARM: "${name}" in ${world.region}`,
      message: notification(definition, before, world),
    };
    const done = clock.busy(`alarm ${name}`);
    try {
      await tell(by, topicArn, publication);
      world.log(`alarm ${name}: published to ${topic}`);
    } catch (error) {
      world.log(`alarm ${name}: could not be published to ${topic}: ${(error as Error).message}`);
    } finally {
      done();
    }
  }

  return {
    addAlarm(definition) {
      alarms.push({ definition, state: 'INSUFFICIENT_DATA', since: clock.now(), raisedAt: null });
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
        raisedAt: it.raisedAt === null ? null : new Date(it.raisedAt).toISOString(),
      }));
    },
    stop: () => cancel(),
  };
}

/** As CloudWatch publishes it (User Guide: notify users on alarm changes), as far as the template has it. */
function notification(definition: AlarmDefinition, before: AlarmState, world: World): string {
  const { name, arn, description, metric, statistic, periodMs, evaluationPeriods, comparison, threshold } = definition;
  const trigger = {
    MetricName: metric.name,
    Namespace: metric.namespace,
    Statistic: statistic.toUpperCase(),
    Dimensions: Object.entries(metric.dimensions).map(([key, value]) => ({ name: key, value })),
    Period: periodMs / 1000,
    EvaluationPeriods: evaluationPeriods,
    ComparisonOperator: comparison,
    Threshold: threshold,
    TreatMissingData: definition.treatMissingData,
  };
  return JSON.stringify({
    AlarmName: name,
    AlarmDescription: description,
    AWSAccountId: world.account,
    NewStateValue: 'ALARM',
    StateChangeTime: new Date(world.clock.now()).toISOString(),
    Region: world.region,
    AlarmArn: arn,
    OldStateValue: before,
    Trigger: trigger,
  });
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

/** Whether one period breaches: null where nothing was measured, 'unknown' where no process ran that could measure. */
type Datapoint = boolean | null | 'unknown';

/**
 * The state that the last periods give, or null for "unchanged". Whole periods decide. The present period counts where
 * its value cannot improve: a sum or a maximum that is too high already cannot fall, and a minimum that is too low
 * cannot rise.
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
  const stays = definition.statistic === 'Minimum' ? 'Less' : 'Greater';
  if (definition.comparison.startsWith(stays) && soFar === true && alarming([soFar, ...whole.slice(0, -1)]))
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
