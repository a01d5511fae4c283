// The dashboard of a stack: its state at a glance, in the order in which one asks. Called by stack.ts, after the
// alarms. Above: what wants a person; then mail, next hops, queues, dead letters, functions. It shows no metric that
// the stack does not have, and at most 50, so that it is one of the three dashboards that an account has for nothing.
// It measures nothing and raises nothing.

import { Aws, Duration, type Stack } from 'aws-cdk-lib';
import {
  Alarm,
  AlarmStatusWidget,
  Dashboard,
  type DashboardProps,
  GraphWidget,
  LogQueryVisualizationType,
  LogQueryWidget,
  Metric,
  SingleValueWidget,
  TextWidget,
} from 'aws-cdk-lib/aws-cloudwatch';
import { Queue } from 'aws-cdk-lib/aws-sqs';
import type { Settings } from '#config/settings.ts';
import { sendsBySes } from '#core/message/ses-use.ts';
import { nextHopsQuery } from './saved-queries.ts';
import { metricNamespace } from './stages.ts';
import type { Watched } from './watch.ts';

/** Widgets, row by row. */
type Rows = NonNullable<DashboardProps['widgets']>;

/** Of the console's grid, which is 24 wide. */
const [whole, half, third, low, high] = [24, 12, 8, 3, 6];

/** The output, by its name; none where the configuration wants no dashboard. */
export function dashboard(stack: Stack, watched: Watched): Readonly<Record<string, string>> {
  const { settings } = watched;
  if (!settings.alarms.dashboard) return {};
  const { dashboardName } = new Dashboard(stack, 'Dashboard', {
    dashboardName: stack.stackName,
    defaultInterval: Duration.days(1),
    widgets: [...top(stack, settings), ...mail(settings), ...places(stack, watched), ...runs(watched)],
  });
  const where = `region=${Aws.REGION}#dashboards/dashboard/${dashboardName}`;
  return { DashboardUrl: `https://${Aws.REGION}.console.aws.amazon.com/cloudwatch/home?${where}` };
}

function top(stack: Stack, settings: Settings): Rows {
  const levels: readonly (readonly [string, string])[] = [
    ['WaitsForPerson', 'waits for a person'],
    ['FrontDoor', 'enters and is not processed'],
    ['SesReceiving', 'SES does not take'],
    ...(sendsBySes(settings) ? [['SesSending', 'SES does not send'] as const] : []),
    ['NextHopDown', 'next hop takes nothing, minutes'],
    ['WaitingLong', 'longest wait by a fault, minutes'],
    ['PausedHours', 'longest pause, hours'],
    ...(settings.canary === null ? [] : [['CanaryLate', 'canary that does not arrive, minutes'] as const]),
  ];
  const sums: readonly (readonly [string, string])[] = [
    ['Accepted', 'accepted'],
    ['Relayed', 'delivered'],
    ['Deferred', 'deferred attempts'],
    ['Returned', 'returned'],
    ['Held', 'held'],
    ['Quarantined', 'quarantined'],
  ];
  const alarms = stack.node.findAll().filter((each) => each instanceof Alarm);
  const day = { period: Duration.days(1), setPeriodToTimeRange: true };
  return [
    [
      new TextWidget({
        width: whole,
        height: 2,
        markdown: `**${stack.stackName}** Every message is handed on, returned with an NDR, or held with an alarm. An alarm's description names its article in docs/runbook. \`everpost trace --stack ${stack.stackName}\` tells what became of a message.`,
      }),
    ],
    [new AlarmStatusWidget({ title: 'Alarms', width: whole, height: high, alarms })],
    [
      new SingleValueWidget({
        title: 'Now (0 is well)',
        width: half,
        height: low,
        metrics: levels.map(([name, label]) => level(settings, name, label)),
      }),
      new SingleValueWidget({
        title: 'Deliveries, in the time shown',
        width: half,
        height: low,
        ...day,
        metrics: sums.map(([name, label]) => counted(settings, name, label)),
      }),
    ],
  ];
}

const taken = ['Accepted', 'Relayed', 'Confirmed'] as const;
const other = ['Deferred', 'Failed', 'Expired', 'Returned', 'Unreturnable', 'Held', 'Quarantined'] as const;
const waiting = ['WaitsForPerson', 'WaitingLong', 'NextHopDown', 'PausedHours', 'FailureShare'] as const;

function mail(settings: Settings): Rows {
  const count = (name: string) => counted(settings, name, name);
  const most = (name: string) => level(settings, name, name);
  return [
    [
      graph('Accepted and delivered', third, taken.map(count)),
      graph('Not delivered', third, other.map(count)),
      graph('Waiting, by a fault or a pause', third, waiting.map(most)),
    ],
  ];
}

/** Next hops, queues, and what is in no queue any more. */
function places(stack: Stack, { stages }: Watched): Rows {
  const queues = [
    ['ingest', stages.ingest.queue],
    ['relay', stages.relay.queue],
    ['slow-relay', stages.slowRelay.queue],
    ['feedback', stages.feedback.queue],
  ] as const;
  const rest = stack.node
    .findAll()
    .filter((each) => each instanceof Queue)
    .filter((each) => queues.every(([, queue]) => queue !== each));
  return [
    [
      new LogQueryWidget({
        title: 'Attempts by next hop',
        width: whole,
        height: high,
        view: LogQueryVisualizationType.TABLE,
        logGroupNames: [stages.relay.function.logGroup.logGroupName],
        queryLines: [...nextHopsQuery],
      }),
    ],
    [
      graph(
        'Age of the oldest job, seconds',
        third,
        queues.map(([label, queue]) => queue.metricApproximateAgeOfOldestMessage({ label })),
      ),
      graph(
        'Jobs that wait',
        third,
        queues.map(([label, queue]) => queue.metricApproximateNumberOfMessagesVisible({ label })),
      ),
      graph(
        'Dead letters (0 is well)',
        third,
        rest.map((queue) => queue.metricApproximateNumberOfMessagesVisible({ label: nameOf(queue) })),
      ),
    ],
  ];
}

function runs({ stages, sweep, orphans, purge, door }: Watched): Rows {
  const forMail = [
    ['ingest', stages.ingest.function],
    ['relay', stages.relay.function],
    ['feedback', stages.feedback.function],
    ['sweep', sweep.function],
  ] as const;
  const each = [...forMail, ['orphans', orphans.function], ['purge', purge.function]] as const;
  const ses = ['PublishFailure', 'PublishExpired'].map(
    (metricName) =>
      new Metric({
        namespace: 'AWS/SES',
        metricName,
        dimensionsMap: { RuleSetName: door.ruleSetName },
        statistic: 'Sum',
        label: `SES ${metricName}`,
      }),
  );
  return [
    [
      graph('Faults (0 is well)', half, [...each.map(([label, made]) => made.metricErrors({ label })), ...ses]),
      graph(
        'Calls at once',
        half,
        forMail.map(([label, made]) => made.metric('ConcurrentExecutions', { label, statistic: 'Maximum' })),
      ),
    ],
  ];
}

/** `FrontDoor/ReceiptDeadLetters` without what all of them have. */
function nameOf(queue: Queue): string {
  return queue.node.path
    .split('/')
    .slice(1)
    .join(' ')
    .replace(/ ?DeadLetters$/, '');
}

function graph(title: string, width: number, left: readonly Metric[]): GraphWidget {
  return new GraphWidget({ title, width, height: high, left: [...left], leftYAxis: { min: 0 } });
}

function counted(settings: Settings, metricName: string, label: string): Metric {
  return own(settings, metricName, label, 'Sum');
}
function level(settings: Settings, metricName: string, label: string): Metric {
  return own(settings, metricName, label, 'Maximum');
}
function own({ stackName }: Settings, metricName: string, label: string, statistic: string): Metric {
  const dimensionsMap = { service: stackName };
  return new Metric({ namespace: metricNamespace, metricName, dimensionsMap, statistic, label });
}
