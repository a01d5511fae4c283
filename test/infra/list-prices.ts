// What a stack costs in a month in which no mail comes, for docs/alarm-sets.md: AWS's list prices of one region at one
// time, times what the template has and what runs by the clock. Called by the test that compares the document with it.
// It asks no price service, and takes no free tier off.

/** US dollars in us-east-1. Each line names the page of AWS that has the price. */
export const idlePrices = {
  asOf: '2026-11',
  region: 'us-east-1',
  alarmMonth: 0.1, // aws.amazon.com/cloudwatch/pricing: a standard resolution alarm metric
  dashboardMonth: 3, // the same page: a dashboard; an account's first three of up to 50 metrics are free
  metricMonth: 0.3, // the same page: a custom metric of the first 10,000, paid by the hour in which it is sent
  sqsRequest: 0.4e-6, // aws.amazon.com/sqs/pricing: a request of a standard queue
  secretMonth: 0.4, // aws.amazon.com/secrets-manager/pricing
  readUnit: 0.125e-6, // aws.amazon.com/dynamodb/pricing/on-demand: a read request unit
  lambdaRequest: 0.2e-6, // aws.amazon.com/lambda/pricing
  lambdaGigabyteSecond: 0.0000133334, // the same page, arm64
  s3List: 5e-6, // aws.amazon.com/s3/pricing: a LIST request
} as const;

/** As AWS's own calculator counts. */
const hoursPerMonth = 730;
const minutesPerMonth = 60 * hoursPerMonth;

export type AtRest = {
  readonly alarms: number;
  /** Metrics that are sent in each hour, and in four hours of a day. */
  readonly hourlyMetrics: number;
  readonly dailyMetrics: number;
  /**
   * Event source mappings, each with five connections that poll for 20 s while the queue is empty (Lambda Developer
   * Guide, SQS event source mappings).
   */
  readonly mappings: number;
  /** In each run of the sweep: queues whose depth is asked for, and halves of a read unit. */
  readonly depthsPerSweep: number;
  readonly halfUnitsPerSweep: number;
  readonly secrets: number;
  readonly dashboards: number;
  readonly listsPerHour: number;
};

/** A sweep with nothing to do, at 512 MB: assumed, since nothing here has run on AWS. */
const SWEEP_SECONDS = 0.5;
const SWEEP_GIGABYTES = 0.5;

/** Name, how much of it, and US dollars a month. */
export function idleLines(rest: AtRest): readonly (readonly [what: string, howMany: string, dollars: number])[] {
  const price = idlePrices;
  const metrics = rest.hourlyMetrics + (rest.dailyMetrics * 4) / 24;
  const polls = rest.mappings * 5 * 3 * minutesPerMonth;
  const depths = rest.depthsPerSweep * minutesPerMonth;
  const units = (rest.halfUnitsPerSweep / 2) * minutesPerMonth;
  const lists = rest.listsPerHour * hoursPerMonth;
  const sweeps = minutesPerMonth * (price.lambdaRequest + SWEEP_SECONDS * SWEEP_GIGABYTES * price.lambdaGigabyteSecond);
  return [
    ['alarms', String(rest.alarms), rest.alarms * price.alarmMonth],
    ['custom metrics', `${rest.hourlyMetrics}, and ${rest.dailyMetrics} four times a day`, metrics * price.metricMonth],
    ["polls of Lambda's mappings", thousands(polls), polls * price.sqsRequest],
    ['depths of queues', thousands(depths), depths * price.sqsRequest],
    ['DynamoDB, read units of the sweep', thousands(units), units * price.readUnit],
    ['runs of the sweep', thousands(minutesPerMonth), sweeps],
    ['secrets of the stack', String(rest.secrets), rest.secrets * price.secretMonth],
    ['lists of the bucket', thousands(lists), lists * price.s3List],
    ['dashboard', String(rest.dashboards), rest.dashboards * price.dashboardMonth],
  ];
}

function thousands(count: number): string {
  return Math.round(count).toLocaleString('en-US');
}
