// The alarms. Called by stack.ts. Each alarm's description opens with the heading of its runbook article, which says
// what the alarm means and what to do. docs/runbook/ has the articles, and a test compares the two. An alarm's name is
// its construct path.

import { Aws, Duration } from 'aws-cdk-lib';
import { Alarm, ComparisonOperator, Metric, TreatMissingData } from 'aws-cdk-lib/aws-cloudwatch';
import { SnsAction } from 'aws-cdk-lib/aws-cloudwatch-actions';
import { Effect, PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { Topic, TopicPolicy } from 'aws-cdk-lib/aws-sns';
import { EmailSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { AlarmSet, Settings } from '#config/settings.ts';
import {
  callsRefusedStandsMs,
  complaintsPerHourAlarm,
  inFlightAlarm,
  orphanSweepEveryMs,
  orphanSweepOverdueMs,
  purgeOverdueMs,
  queueAgeAlarmMs,
  sweepOverdueMs,
} from '#core/limits.ts';
import { certificateAlarm } from './certificate-alarm.ts';
import { eventAlarms, submissionAlarms } from './event-alarms.ts';
import type { SesFeedback } from './feedback.ts';
import type { FrontDoor } from './front-door.ts';
import { essentialAlarms, levelAlarmsOf } from './level-alarms.ts';
import { callsInVpc, keepAliveRest } from './network-alarms.ts';
import type { OrphanSearch } from './orphans.ts';
import type { Purge } from './purge.ts';
import { hasSubmitters } from './spool.ts';
import { metricNamespace, type Stages } from './stages.ts';
import type { Sweep } from './sweep.ts';

export type Watched = {
  readonly settings: Settings;
  readonly stages: Stages;
  readonly sweep: Sweep;
  readonly purge: Purge;
  readonly orphans: OrphanSearch;
  readonly door: FrontDoor;
  /** SES's events about sent mail; null where nothing is sent by SES. */
  readonly said: SesFeedback | null;
};

/** Makes every alarm of the set, and the topic that each of them tells. */
export function watch(scope: Construct, watched: Watched): Topic {
  const here = new Construct(scope, 'Watch');
  const topic = alarmTopic(here);
  for (const address of watched.settings.alarms.email) topic.addSubscription(new EmailSubscription(address));
  const raise = alarms(here, topic, watched.settings.alarms.set);
  watchDeadLetters(raise, watched);
  watchQueues(raise, watched);
  watchFunctions(raise, watched);
  watchMail(raise, watched);
  watchRuns(raise, watched);
  const certificates = certificateAlarm(watched.settings);
  if (certificates !== null) raise('ClientCertificateDays', certificates);
  watchSes(raise, watched);
  return topic;
}

function alarmTopic(scope: Construct): Topic {
  const topic = new Topic(scope, 'Alarms', { displayName: 'Everpost alarms' });
  new TopicPolicy(scope, 'AlarmsPolicy', { topics: [topic] }).document.addStatements(
    new PolicyStatement({
      sid: 'AllowAlarms',
      effect: Effect.ALLOW,
      principals: [new ServicePrincipal('cloudwatch.amazonaws.com')],
      actions: ['sns:Publish'],
      resources: [topic.topicArn],
      conditions: { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID } },
    }),
  );
  return topic;
}

type Condition = {
  readonly metric: Metric;
  /** The heading of the article in docs/runbook. */
  readonly article: string;
  /** One line, for the alarm's e-mail. */
  readonly says: string;
  /** Alarm when the metric is at or above this; at or below it where `below` is set. */
  readonly threshold: number;
  readonly below?: true;
  readonly periods?: number;
  /** How many of the periods must be in alarm; all, where it is not given. */
  readonly breaching?: number;
  readonly missing?: TreatMissingData;
};
type Raise = (id: string, condition: Condition) => void;

function alarms(scope: Construct, topic: Topic, set: AlarmSet): Raise {
  return (id, condition) => {
    if (set === 'essential' && !essentialAlarms.includes(id)) return;
    const alarm = new Alarm(scope, id, {
      alarmName: `${scope.node.path}/${id}`,
      alarmDescription: `${condition.article}: ${condition.says}`,
      metric: condition.metric,
      threshold: condition.threshold,
      comparisonOperator: condition.below
        ? ComparisonOperator.LESS_THAN_OR_EQUAL_TO_THRESHOLD
        : ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
      evaluationPeriods: condition.periods ?? 1,
      ...(condition.breaching === undefined ? {} : { datapointsToAlarm: condition.breaching }),
      treatMissingData: condition.missing ?? TreatMissingData.NOT_BREACHING,
    });
    alarm.addAlarmAction(new SnsAction(topic));
  };
}

function watchDeadLetters(raise: Raise, watched: Watched): void {
  for (const [id, queue, article, says] of restQueuesOf(watched))
    raise(id, {
      metric: queue.metricApproximateNumberOfMessagesVisible({ period: MINUTE, statistic: 'Maximum' }),
      threshold: 1,
      article,
      says,
    });
}

/** Id, queue, article, and what a message in the queue means. */
type Rest = readonly [id: string, queue: Queue, article: string, says: string];

function restQueuesOf(watched: Watched): readonly Rest[] {
  return [...stageDeadLettersOf(watched.stages), ...otherDeadLettersOf(watched)];
}

function stageDeadLettersOf(stages: Stages): readonly Rest[] {
  return [
    [
      'IngestDeadLetters',
      stages.ingest.deadLetters,
      'Receipts that ingest could not process',
      'accepted mail has no ledger rows.',
    ],
    [
      'RelayDeadLetters',
      stages.relay.deadLetters,
      'Relay jobs that crash',
      'deliveries crash relay and wait for a person.',
    ],
    [
      'SlowRelayDeadLetters',
      stages.slowRelay.deadLetters,
      'Relay jobs that crash',
      'deliveries to a slow next hop crash relay and wait for a person.',
    ],
    [
      'FeedbackDeadLetters',
      stages.feedback.deadLetters,
      'Notices and feedback that failed',
      'failed deliveries have no notice yet, or reports about sent mail have not reached their deliveries.',
    ],
  ];
}

function otherDeadLettersOf({ stages, sweep, orphans, purge, door, said }: Watched): readonly Rest[] {
  const events: Rest[] =
    said === null
      ? []
      : [
          [
            'EventDeadLetters',
            said.eventDeadLetters,
            "SES's events that SNS could not hand over",
            "SES's events about sent mail have not reached the feedback queue.",
          ],
        ];
  return [
    ...events,
    ...keepAliveRest(stages.keepAliveDeadLetters),
    [
      'ReceiptDeadLetters',
      door.receiptDeadLetters,
      'Receipts that SNS could not hand over',
      'accepted mail has not reached the ingest queue.',
    ],
    [
      'SweepDeadLetters',
      sweep.deadLetters,
      'Sweeps that could not be started',
      'EventBridge could not start the sweep.',
    ],
    [
      'OrphansDeadLetters',
      orphans.deadLetters,
      'Sweeps that could not be started',
      'EventBridge could not start the hourly search for orphans.',
    ],
    [
      'PurgeDeadLetters',
      purge.deadLetters,
      'Purges that could not be started',
      'EventBridge could not start the purge.',
    ],
  ];
}

const MINUTE = Duration.minutes(1);

function watchQueues(raise: Raise, { stages }: Watched): void {
  const queues = [...stagesOf(stages), ['SlowRelay', stages.slowRelay] as const];
  for (const [name, { queue }] of queues) {
    const called = name === 'SlowRelay' ? 'slow relay' : name.toLowerCase();
    raise(`${name}QueueAge`, {
      metric: queue.metricApproximateAgeOfOldestMessage({ period: MINUTE, statistic: 'Maximum' }),
      threshold: queueAgeAlarmMs / 1000,
      periods: 5,
      article: 'A queue that does not move',
      says: `the oldest job in the ${called} queue has waited half an hour.`,
    });
    raise(`${name}QueueInFlight`, {
      metric: queue.metricApproximateNumberOfMessagesNotVisible({ period: MINUTE, statistic: 'Maximum' }),
      threshold: inFlightAlarm,
      article: 'A queue with too many jobs in flight',
      says: `the ${called} queue nears 120,000 in flight, where SQS stalls it without a word.`,
    });
  }
}

function stagesOf(stages: Stages) {
  return [
    ['Ingest', stages.ingest],
    ['Relay', stages.relay],
    ['Feedback', stages.feedback],
  ] as const;
}

function watchFunctions(raise: Raise, { stages, sweep, orphans, purge }: Watched): void {
  const functions = [
    ...stagesOf(stages).map(([name, it]) => [name, it.function] as const),
    ['Sweep', sweep.function] as const,
    ['Orphans', orphans.function] as const,
    ['Purge', purge.function] as const,
  ];
  for (const [name, handler] of functions) {
    raise(`${name}Errors`, {
      metric: handler.metricErrors({ period: MINUTE, statistic: 'Sum' }),
      threshold: 1,
      article: 'A function that fails',
      says: `${name.toLowerCase()} crashed, timed out or threw.`,
    });
  }
}

function own({ stackName }: Settings, metricName: string, period: Duration): Metric {
  return new Metric({
    namespace: metricNamespace,
    metricName,
    dimensionsMap: { service: stackName },
    period,
    statistic: 'Sum',
  });
}

function watchMail(raise: Raise, { settings }: Watched): void {
  const calls = [
    ...eventAlarms,
    ...(hasSubmitters(settings) ? submissionAlarms : []),
    ...(settings.network === null ? [] : callsInVpc),
  ];
  for (const { metricName, article, says } of calls) {
    raise(metricName, { metric: own(settings, metricName, MINUTE), threshold: 1, article, says });
  }
  for (const { id, metricName, threshold, article, says } of levelAlarmsOf(settings)) {
    const metric = own(settings, metricName, MINUTE).with({ statistic: 'Maximum' });
    // A minute without a sweep says nothing: the alarm stays as it is, and SweepOverdue tells of it.
    raise(id, { metric, threshold, article, says, missing: TreatMissingData.IGNORE });
  }
  raise('CallsRefused', {
    metric: own(settings, 'CallsRefused', MINUTE),
    threshold: 1,
    // A queue gives the job again after six minutes: the alarm stands between two tries.
    periods: callsRefusedStandsMs / MINUTE.toMilliseconds(),
    breaching: 1,
    article: 'Calls that AWS refuses',
    says: 'a permission, a key or a resource of a stage is missing, or its calls are throttled; its mail waits.',
  });
}

/** What runs by the clock: no run in time is a fault, and so is silence. */
function watchRuns(raise: Raise, { settings }: Watched): void {
  raise('SweepOverdue', {
    metric: own(settings, 'SweepRun', Duration.millis(sweepOverdueMs)),
    threshold: 0,
    below: true,
    missing: TreatMissingData.BREACHING,
    article: 'The sweep is overdue',
    says: 'no sweep has ended for five minutes: deferred mail is not tried again, and lost jobs are not found.',
  });
  raise('OrphanSweepOverdue', {
    metric: own(settings, 'OrphanSweepRun', Duration.millis(orphanSweepEveryMs)),
    threshold: 0,
    below: true,
    periods: orphanSweepOverdueMs / orphanSweepEveryMs,
    missing: TreatMissingData.BREACHING,
    article: 'The search for orphans is overdue',
    says: 'for three hours no search for accepted mail without a receipt has kept up.',
  });
  raise('PurgeOverdue', {
    metric: own(settings, 'PurgeRun', Duration.millis(purgeOverdueMs)),
    threshold: 0,
    below: true,
    missing: TreatMissingData.BREACHING,
    article: 'The purge is overdue',
    says: 'no purge has reached the end of the spool for a day: old mail stays there.',
  });
}

function watchSes(raise: Raise, { settings, door, said }: Watched): void {
  // SES's events alone count it.
  if (said !== null)
    raise('Complained', {
      metric: own(settings, 'Complained', Duration.hours(1)),
      threshold: complaintsPerHourAlarm,
      article: 'Recipients who complain',
      says: 'several recipients called mail unwanted within an hour; SES pauses accounts for that.',
    });
  for (const metricName of ['PublishFailure', 'PublishExpired']) {
    raise(`Ses${metricName}`, {
      metric: new Metric({
        namespace: 'AWS/SES',
        metricName,
        dimensionsMap: { RuleSetName: door.ruleSetName },
        period: MINUTE,
        statistic: 'Sum',
      }),
      threshold: 1,
      article: metricName === 'PublishFailure' ? 'SES cannot store mail or publish its receipt' : 'SES gave mail up',
      says:
        metricName === 'PublishFailure'
          ? 'SES fails to write to the spool or its topic and tries again.'
          : 'SES accepted mail, could not store it or publish its receipt, and does not try again.',
    });
  }
}
