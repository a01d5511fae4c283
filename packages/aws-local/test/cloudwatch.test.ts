// Metrics from EMF lines, and alarms on the virtual clock.
// What a function writes must raise exactly the alarm that would ring in AWS, and silence must not ring by itself.

import { describe, expect, it } from 'vitest';
import { type AlarmDefinition, startCloudWatch, type Tell } from '../src/cloudwatch/cloudwatch.ts';
import { createMetrics, type MetricKey } from '../src/cloudwatch/metric-data.ts';
import { bareWorld } from './bare-world.ts';

const minute = 60_000;
const start = Date.UTC(2026, 10, 1, 12, 0, 30);
const key: MetricKey = { namespace: 'Everpost', name: 'Held', dimensions: { service: 'Everpost' } };
const emf = (name: string, value: unknown, at: number): string =>
  JSON.stringify({
    _aws: {
      Timestamp: at,
      CloudWatchMetrics: [
        { Namespace: 'Everpost', Dimensions: [['service']], Metrics: [{ Name: name, Unit: 'Count' }] },
      ],
    },
    service: 'Everpost',
    [name]: value,
  });

describe('a line', () => {
  it.each([
    ['one value', 3, { sum: 3, count: 1, minimum: 3, maximum: 3 }],
    ['several values', [1, 5], { sum: 6, count: 2, minimum: 1, maximum: 5 }],
    ['zero', 0, { sum: 0, count: 1, minimum: 0, maximum: 0 }],
  ])('of EMF is measured: %s', (_, value, expected) => {
    const metrics = createMetrics(() => start);
    expect(metrics.takeLine(emf('Held', value, start))).toBe(true);
    expect(metrics.over(key, start - minute, start + minute)).toEqual(expected);
    expect(metrics.over({ ...key, dimensions: {} }, start - minute, start + minute)).toBeNull();
  });

  it.each(['plain', '{"level":"INFO"}', '{"broken "CloudWatchMetrics"', '{"_aws":{"CloudWatchMetrics":1}}'])(
    '%s is none',
    (line) => {
      expect(createMetrics(() => start).takeLine(line)).toBe(false);
    },
  );
});

function alarmed(overrides: Partial<AlarmDefinition> = {}, tell: Tell = async () => {}) {
  const world = bareWorld({ start });
  const metrics = createMetrics(() => world.clock.now());
  const watch = startCloudWatch(world, metrics, tell);
  watch.addAlarm({
    name: 'it',
    arn: 'arn:aws:cloudwatch:eu-west-1:000000000000:alarm:it',
    description: 'what it says',
    actions: [],
    metric: key,
    statistic: 'Sum',
    periodMs: minute,
    evaluationPeriods: 1,
    datapointsToAlarm: 1,
    comparison: 'GreaterThanOrEqualToThreshold',
    threshold: 1,
    treatMissingData: 'notBreaching',
    ...overrides,
  });
  return { world, metrics, watch, state: () => watch.alarms()[0]?.state, since: () => watch.alarms()[0]?.since };
}

describe('an alarm', () => {
  it('rises at once, stays for its period, and goes when nothing breaches', async () => {
    const { world, metrics, state, since } = alarmed();
    expect(state()).toBe('INSUFFICIENT_DATA');
    metrics.put(key, 1, world.clock.now());
    expect(state()).toBe('ALARM');
    const rose = since();
    await world.clock.advance(minute);
    expect([state(), since()]).toEqual(['ALARM', rose]);
    await world.clock.advance(minute);
    expect(state()).toBe('OK');
    expect(world.lines).toEqual(['alarm it: ALARM', 'alarm it: OK']);
  });

  it('tells its topics when it rises, once, in its own name, as CloudWatch words it', async () => {
    const told: Parameters<Tell>[] = [];
    const topic = 'arn:aws:sns:eu-west-1:000000000000:alarms';
    const { world, metrics, state } = alarmed({ actions: [topic] }, async (...given) => void told.push(given));
    expect(state()).toBe('INSUFFICIENT_DATA');
    metrics.put(key, 1, world.clock.now());
    for (let i = 0; i < 3; i++) expect(state()).toBe('ALARM');
    await world.clock.advance(2 * minute);
    expect(state()).toBe('OK');
    expect(told).toHaveLength(1);
    const [by, topicArn, publication] = told[0] ?? [];
    expect(by).toEqual({
      principal: { kind: 'service', name: 'cloudwatch.amazonaws.com' },
      context: {
        'aws:sourcearn': 'arn:aws:cloudwatch:eu-west-1:000000000000:alarm:it',
        'aws:sourceaccount': world.account,
      },
    });
    expect([topicArn, publication?.subject]).toEqual([topic, `ALARM: "it" in ${world.region}`]);
    expect(JSON.parse(publication?.message ?? '')).toMatchObject({
      AlarmName: 'it',
      AlarmDescription: 'what it says',
      NewStateValue: 'ALARM',
      OldStateValue: 'INSUFFICIENT_DATA',
      Trigger: { MetricName: 'Held', Namespace: 'Everpost', Threshold: 1 },
    });
    expect(world.lines).toEqual(['alarm it: ALARM', 'alarm it: published to alarms', 'alarm it: OK']);
  });

  it('says where it could tell nobody', async () => {
    const tell = () => Promise.reject(new Error('not authorized'));
    const { world, metrics, state } = alarmed({ actions: ['arn:aws:sns:eu-west-1:000000000000:alarms'] }, tell);
    metrics.put(key, 1, world.clock.now());
    expect(state()).toBe('ALARM');
    await world.clock.idle();
    expect(world.lines).toContain('alarm it: could not be published to alarms: not authorized');
  });

  it('below a threshold waits for whole periods, and counts silence where missing data breaches', async () => {
    const { world, metrics, state } = alarmed({
      comparison: 'LessThanOrEqualToThreshold',
      threshold: 0,
      periodMs: 5 * minute,
      treatMissingData: 'breaching',
    });
    expect(state()).toBe('INSUFFICIENT_DATA');
    await world.clock.advance(5 * minute);
    expect(state()).not.toBe('ALARM');
    await world.clock.advance(5 * minute);
    expect(state()).toBe('ALARM');
    metrics.put(key, 1, world.clock.now());
    await world.clock.advance(5 * minute);
    expect(state()).toBe('OK');
  });

  it('on a minimum rises at once, because what comes later cannot raise it', async () => {
    const { world, metrics, state } = alarmed({
      ...{ statistic: 'Minimum', comparison: 'LessThanOrEqualToThreshold', threshold: 21, periodMs: 1_440 * minute },
    });
    metrics.put(key, 400, world.clock.now());
    expect(state()).toBe('OK');
    metrics.put(key, 20, world.clock.now());
    metrics.put(key, 400, world.clock.now());
    expect(state()).toBe('ALARM');
    await world.clock.advance(2 * 1_440 * minute);
    expect(state()).toBe('OK');
  });

  it('wants as many periods as it says', async () => {
    const { world, metrics, state } = alarmed({ evaluationPeriods: 3, datapointsToAlarm: 3 });
    for (let i = 0; i < 2; i++) {
      metrics.put(key, 1, world.clock.now());
      await world.clock.advance(minute);
    }
    expect(state()).not.toBe('ALARM');
    metrics.put(key, 1, world.clock.now());
    expect(state()).toBe('ALARM');
  });

  it('has a number of each queue for each minute, also where the machine is late', async () => {
    const { world, watch, metrics } = alarmed();
    watch.addQueue({ name: 'q', measure: () => ({ visible: 1, inFlight: 0, delayed: 0, oldestAgeMs: 0 }) });
    const end = (Math.floor(world.clock.now() / minute) + 1) * minute;
    world.clock.at(end - 5, () => void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50));
    await world.clock.advance(minute);
    const visible = {
      namespace: 'AWS/SQS',
      name: 'ApproximateNumberOfMessagesVisible',
      dimensions: { QueueName: 'q' },
    };
    expect(metrics.over(visible, end - minute, end)).toMatchObject({ count: 1 });
  });

  it('sees a queue as SQS measures it', async () => {
    const { world, watch, state } = alarmed({
      metric: { namespace: 'AWS/SQS', name: 'ApproximateNumberOfMessagesVisible', dimensions: { QueueName: 'dead' } },
      statistic: 'Maximum',
    });
    let visible = 0;
    watch.addQueue({ name: 'dead', measure: () => ({ visible, inFlight: 0, delayed: 0, oldestAgeMs: 0 }) });
    await world.clock.advance(2 * minute);
    expect(state()).toBe('OK');
    visible = 1;
    await world.clock.advance(minute);
    expect(world.lines.at(-1)).toBe('alarm it: ALARM');
    visible = 0;
    await world.clock.advance(2 * minute);
    expect(state()).toBe('OK');
  });
});
