// Every alarm has a runbook article and the reverse; every queue that holds mail has its alarms; metrics are those that
// are counted. An alarm on a metric that nobody writes, or under another dimension, would be silent for ever.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import {
  inFlightAlarm,
  orphanSweepEveryMs,
  orphanSweepOverdueMs,
  purgeEveryMs,
  purgeOverdueMs,
  sweepEveryMs,
  sweepOverdueMs,
} from '#core/limits.ts';
import type { MetricName } from '#pipeline/metric-names.ts';
import { bySesAndSrs, each, ofType, only, settingsOf, statementsOf, submitting, synthesised } from './template.ts';

const routes = [...bySesAndSrs.routes, ...submitting.routes.slice(-1)];
const network = { create: { zones: 1 } };
const sealed = { kind: 'smtp', host: 'mx.example.org', port: 587, tls: 'required', clientCertificate: { secret: 's' } };
const nextHops = { ...bySesAndSrs.nextHops, sealed };
const canary = { every: '1h', to: 'canary@example.com' };
const changes = { ...bySesAndSrs, ...submitting, nextHops, routes, network, canary, stackName: 'Post' };
const template = synthesised(settingsOf(changes));
const alarms = ofType(template, 'AWS::CloudWatch::Alarm').map(([, { Properties }]) => Properties);
const runbook = join(import.meta.dirname, '../../docs/runbook');
const articles = readdirSync(runbook)
  .filter((file) => file !== 'README.md')
  .map((file) => ({ file, lines: readFileSync(join(runbook, file), 'utf8').split('\n') }));
const headings = articles.map(({ lines }) => (lines[0] ?? '').replace('# ', ''));

describe('the runbook', () => {
  test('has an article for each alarm', () => {
    const missing = alarms.filter(
      ({ AlarmDescription }) => !headings.some((heading) => AlarmDescription.startsWith(`${heading}: `)),
    );
    expect(missing.map(({ AlarmName }) => AlarmName)).toEqual([]);
  });
  test('has an alarm for each article, or leads to it from what waits for a person', () => {
    const person = articles.filter(({ file }) => ['waits-for-person.md', 'held.md'].includes(file));
    const parts = person.flatMap(({ lines }) => lines).join('\n');
    const idle = articles.filter(
      ({ file, lines }) =>
        !parts.includes(`(${file})`) && // a part of the article on what waits for a person
        !alarms.some(({ AlarmDescription }) => AlarmDescription.startsWith(`${lines[0]?.replace('# ', '')}: `)),
    );
    expect(idle.map(({ file }) => file)).toEqual([]);
  });
  test('names each alarm beside its article, in the list of all articles', () => {
    const list = readFileSync(join(runbook, 'README.md'), 'utf8');
    const listed = [...list.matchAll(/^\| \[([^\]]+)\]\([\w-]+\.md\) \| (.+) \|$/gm)].flatMap(
      ([, heading = '', names = '']) => [...names.matchAll(/`(\w+)`/g)].map(([, name]) => `${heading}: ${name}`),
    );
    const raised = alarms.map(({ AlarmName, AlarmDescription }) => {
      const heading = headings.find((it) => AlarmDescription.startsWith(`${it}: `));
      return `${heading}: ${AlarmName.replace('Post/Watch/', '')}`;
    });
    expect(listed.sort()).toEqual(raised.sort());
  });
  test.each(articles)('$file says what it means, where to look and what to do', ({ lines }) => {
    const text = lines.join('\n');
    for (const part of ['**What it means.**', '**Look.**', '**Do.**']) expect(text).toContain(part);
  });
  test('asks only for outputs and resources that the stack has', () => {
    const text = [
      ...articles.map(({ lines }) => lines.join('\n')),
      readFileSync(join(runbook, 'README.md'), 'utf8'),
    ].join('\n');
    const outputs = [...text.matchAll(/\b(?:out|peek|redrive|arn) ([A-Z]\w+)/g)].map((found) => found[1] ?? '');
    expect(outputs.length).toBeGreaterThan(20);
    for (const output of outputs) expect(Object.keys(template.outputs)).toContain(output);
    for (const [, start = '', type = ''] of text.matchAll(/\$\(name (\w+) (AWS::\w+::\w+)\)/g))
      only(template, type, start);
    for (const [, stage = ''] of text.matchAll(/`logs ([A-Z]\w+)/g))
      only(template, 'AWS::Logs::LogGroup', `${stage}Log`);
  });
});

test('an alarm is named by its construct path and tells the topic', () => {
  const topic = { Ref: only(template, 'AWS::SNS::Topic', 'WatchAlarms')[0] };
  for (const alarm of alarms) {
    expect(alarm.AlarmName).toMatch(/^Post\/Watch\/\w+$/);
    expect(alarm.AlarmActions).toEqual([topic]);
  }
  expect(new Set(alarms.map(({ AlarmName }) => AlarmName)).size).toBe(alarms.length);
});

/** The alarms on a queue's metric, by the queue's logical id. */
function onQueue(id: string, metric: string) {
  return alarms.filter(
    ({ MetricName, Dimensions }) => MetricName === metric && Dimensions?.[0]?.Value?.['Fn::GetAtt']?.[0] === id,
  );
}

describe('queues', () => {
  const queues = ofType(template, 'AWS::SQS::Queue');
  test('that nobody consumes call at the first message', () => {
    const rest = queues.filter(([, { Properties }]) => !Properties.RedrivePolicy);
    expect(rest).toHaveLength(10);
    for (const [id] of rest) {
      expect([
        id,
        ...onQueue(id, 'ApproximateNumberOfMessagesVisible').map((alarm) => [
          alarm.Threshold,
          alarm.ComparisonOperator,
          alarm.EvaluationPeriods,
        ]),
      ]).toEqual([id, [1, 'GreaterThanOrEqualToThreshold', 1]]);
    }
  });
  test('of the stages call when they stand still, and before SQS stalls', () => {
    for (const [id] of queues.filter(([, { Properties }]) => Properties.RedrivePolicy)) {
      expect([id, onQueue(id, 'ApproximateAgeOfOldestMessage').length]).toEqual([id, 1]);
      expect([id, ...onQueue(id, 'ApproximateNumberOfMessagesNotVisible').map((alarm) => alarm.Threshold)]).toEqual([
        id,
        inFlightAlarm,
      ]);
    }
    expect(inFlightAlarm).toBeLessThan(120_000);
  });
});

describe('our own metrics', () => {
  // Exhaustive: a metric that is renamed in the ports does not compile here.
  const counted: Record<MetricName, true> = {
    ...{
      Accepted: true,
      Relayed: true,
      Deferred: true,
      Failed: true,
      Expired: true,
      Returned: true,
      Unreturnable: true,
      NoticeLimit: true,
    },
    ...{
      Held: true,
      ContentUnreadable: true,
      OperatorFault: true,
      ClientCertificateDays: true,
      MarkSecretUnreadable: true,
      ServiceUnreachable: true,
      UnknownReply: true,
      PossibleDuplicate: true,
    },
    ...{ LostJob: true, Poison: true, ExpiryHeld: true, FailureHeld: true, SweepRun: true },
    ...{ ReceiptMissing: true, OrphanSweepRun: true },
    ...{
      Quarantined: true,
      Discarded: true,
      Redirected: true,
      SubmissionMalformed: true,
      EnvelopeMissing: true,
      StrangeObject: true,
    },
    ...{ Confirmed: true, Complained: true, UnknownDelivery: true, JobFailing: true, CallsRefused: true },
    ...{ Purged: true, PurgeRun: true, NoEnd: true },
    ...{ WaitsForPerson: true, WaitingLong: true, NextHopDown: true, PausedHours: true },
    ...{ FailureShare: true, NoMail: true },
    ...{ FrontDoor: true, SesReceiving: true, SesSending: true, CanaryLate: true },
  };
  const own = alarms.filter(({ Namespace }) => Namespace === 'Everpost');
  test('are watched under the name and the one dimension they are written with', () => {
    expect(own.map(({ MetricName }) => MetricName).sort()).toEqual([
      'CallsRefused',
      'CanaryLate',
      'ClientCertificateDays',
      'Complained',
      'ContentUnreadable',
      'EnvelopeMissing',
      'FailureShare',
      'FrontDoor',
      'JobFailing',
      'MarkSecretUnreadable',
      'NextHopDown',
      'NoEnd',
      'NoMail',
      'NoticeLimit',
      'OperatorFault',
      'OrphanSweepRun',
      'PausedHours',
      'Poison',
      'PurgeRun',
      'ReceiptMissing',
      'ServiceUnreachable',
      'SesReceiving',
      'SesSending',
      'StrangeObject',
      'SubmissionMalformed',
      'SweepRun',
      'UnknownDelivery',
      'UnknownReply',
      'WaitingLong',
      'WaitsForPerson',
    ]);
    for (const { MetricName, Dimensions } of own) {
      expect(Object.keys(counted)).toContain(MetricName);
      expect(Dimensions).toEqual([{ Name: 'service', Value: 'Post' }]);
    }
    const { POWERTOOLS_SERVICE_NAME, POWERTOOLS_METRICS_NAMESPACE } = only(
      template,
      'AWS::Lambda::Function',
      'Relay',
    )[1].Properties.Environment.Variables;
    expect([POWERTOOLS_METRICS_NAMESPACE, POWERTOOLS_SERVICE_NAME]).toEqual(['Everpost', 'Post']);
  });
  test.each([
    ['SweepRun', sweepOverdueMs, 3 * sweepEveryMs],
    ['PurgeRun', purgeOverdueMs, 3 * purgeEveryMs],
  ])('%s: one that is overdue calls, also when there is no metric at all', (name, overdueMs, atLeastMs) => {
    const [alarm] = own.filter(({ MetricName }) => MetricName === name);
    expect(alarm).toMatchObject({
      Threshold: 0,
      ComparisonOperator: 'LessThanOrEqualToThreshold',
      TreatMissingData: 'breaching',
      Statistic: 'Sum',
      Period: overdueMs / 1000,
      EvaluationPeriods: 1,
    });
    expect(overdueMs).toBeGreaterThanOrEqual(atLeastMs);
    expect(overdueMs).toBeLessThanOrEqual(86_400_000); // PutMetricAlarm: periods times their length, a day at most
  });
  test('a search for orphans that is overdue calls too, after three hours', () => {
    const [alarm] = own.filter(({ MetricName }) => MetricName === 'OrphanSweepRun');
    expect(alarm).toMatchObject({
      Threshold: 0,
      ComparisonOperator: 'LessThanOrEqualToThreshold',
      TreatMissingData: 'breaching',
      Statistic: 'Sum',
      Period: orphanSweepEveryMs / 1000,
      EvaluationPeriods: 3,
    });
    // CloudWatch looks back a day at most where periods are shorter than an hour, and no alarm of ours may be beyond
    // it.
    expect(orphanSweepOverdueMs).toBeLessThanOrEqual(24 * 3_600_000);
  });
  test.each([
    ['ContentUnreadable', 1, 60],
    ['EnvelopeMissing', 1, 60],
    ['JobFailing', 1, 60],
    ['NoEnd', 1, 60],
    ['NoticeLimit', 1, 60],
    ['OperatorFault', 1, 60],
    ['Poison', 1, 60],
    ['ReceiptMissing', 1, 60],
    ['ServiceUnreachable', 1, 60],
    ['SubmissionMalformed', 1, 60],
    ['UnknownDelivery', 1, 60],
    ['UnknownReply', 1, 60],
    ['Complained', 5, 3_600],
  ])('%s calls at the %s within %i s, summed, at the first such period', (name, threshold, seconds) => {
    const called = own.filter(({ MetricName }) => MetricName === name);
    expect(called).toHaveLength(1);
    expect(called[0]).toMatchObject({
      Threshold: threshold,
      Period: seconds,
      Statistic: 'Sum',
      EvaluationPeriods: 1,
      ComparisonOperator: 'GreaterThanOrEqualToThreshold',
      TreatMissingData: 'notBreaching',
    });
  });
  test('refused calls call in the first minute, and the alarm stands until none was refused for a quarter of an hour', () => {
    expect(own.filter(({ MetricName }) => MetricName === 'CallsRefused')).toMatchObject([
      {
        ...{ Threshold: 1, Period: 60, Statistic: 'Sum', EvaluationPeriods: 15, DatapointsToAlarm: 1 },
        ComparisonOperator: 'GreaterThanOrEqualToThreshold',
        TreatMissingData: 'notBreaching',
      },
    ]);
  });
  test.each([
    ['WaitsForPerson', 'WaitsForPerson', 1],
    ['NextHopDown', 'NextHopDown', 15], // minutes
    ['WaitingLong', 'WaitingLong', 60], // minutes
    ['Paused', 'PausedHours', 24],
    ['FailureShare', 'FailureShare', 25], // percent
    ['NoMail', 'NoMail', 1], // minutes
    ['FrontDoor', 'FrontDoor', 1],
    ['SesReceiving', 'SesReceiving', 1],
    ['SesSending', 'SesSending', 1],
    ['CanaryLate', 'CanaryLate', 15], // minutes
  ])('%s stands while the level %s is at least %i, and stays as it is where no sweep ran', (id, metric, threshold) => {
    expect(own.filter(({ AlarmName }) => AlarmName === `Post/Watch/${id}`)).toMatchObject([
      {
        ...{ MetricName: metric, Threshold: threshold, Period: 60, Statistic: 'Maximum', EvaluationPeriods: 1 },
        ComparisonOperator: 'GreaterThanOrEqualToThreshold',
        TreatMissingData: 'ignore',
      },
    ]);
  });
  test('only a level stays as it is', () => {
    const ignoring = alarms.filter(({ TreatMissingData }) => TreatMissingData === 'ignore');
    expect(ignoring.map(({ MetricName }) => MetricName).sort()).toEqual([
      'CanaryLate',
      'FailureShare',
      'FrontDoor',
      'NextHopDown',
      'NoMail',
      'PausedHours',
      'SesReceiving',
      'SesSending',
      'WaitingLong',
      'WaitsForPerson',
    ]);
  });
  test('a client certificate calls three weeks before its end, and only where a next hop has one', () => {
    expect(own.filter(({ MetricName }) => MetricName === 'ClientCertificateDays')).toMatchObject([
      {
        Threshold: 21,
        ComparisonOperator: 'LessThanOrEqualToThreshold',
        Statistic: 'Minimum', // of two certificates that which ends first
        Period: 86_400,
        EvaluationPeriods: 1,
        TreatMissingData: 'notBreaching',
      },
    ]);
    const without = ofType(synthesised(settingsOf()), 'AWS::CloudWatch::Alarm');
    expect(without.filter(([, { Properties }]) => Properties.MetricName === 'ClientCertificateDays')).toEqual([]);
  });
  test('complaints call only where mail is sent by SES, which alone reports them', () => {
    const without = ofType(synthesised(settingsOf()), 'AWS::CloudWatch::Alarm').map(([, { Properties }]) => Properties);
    expect(without.map(({ MetricName }) => MetricName)).not.toContain('Complained');
    expect(without.map(({ MetricName }) => MetricName)).toContain('CallsRefused');
  });
  test('no other alarm takes missing data for a fault', () => {
    const runs = alarms.filter(({ TreatMissingData }) => !['notBreaching', 'ignore'].includes(TreatMissingData));
    expect(runs.map(({ MetricName }) => MetricName).sort()).toEqual(['OrphanSweepRun', 'PurgeRun', 'SweepRun']);
  });
});

test('mail that SES may not store, or not tell of, calls a person: PublishFailure and PublishExpired', () => {
  const ses = alarms.filter(({ Namespace }) => Namespace === 'AWS/SES');
  expect(ses.map(({ MetricName, Threshold }) => [MetricName, Threshold])).toEqual([
    ['PublishFailure', 1],
    ['PublishExpired', 1],
  ]);
  for (const { Dimensions } of ses) expect(Dimensions).toEqual([{ Name: 'RuleSetName', Value: 'Post' }]);
});

test('functions: errors of each', () => {
  const lambda = alarms.filter(({ Namespace }) => Namespace === 'AWS/Lambda');
  expect(lambda.map(({ AlarmName }) => AlarmName.replace('Post/Watch/', '')).sort()).toEqual(
    ['Ingest', 'Relay', 'Feedback', 'Sweep', 'Orphans', 'Purge'].map((name) => `${name}Errors`).sort(),
  );
  for (const alarm of lambda)
    expect(alarm).toMatchObject({
      ...{ Threshold: 1, Period: 60, Statistic: 'Sum', EvaluationPeriods: 1 },
      ComparisonOperator: 'GreaterThanOrEqualToThreshold',
      MetricName: 'Errors',
    });
  expect(new Set(lambda.map(({ Dimensions }) => JSON.stringify(Dimensions))).size).toBe(6); // each of another function
});

describe('the set `essential`', () => {
  const named = (settings: object) =>
    ofType(
      synthesised(settingsOf({ ...settings, stackName: 'Post', alarms: { set: 'essential' } })),
      'AWS::CloudWatch::Alarm',
    ).map(([, { Properties }]) => Properties);
  const essential = named(changes);
  test('is four alarms, each as it is in the full set', () => {
    const four = ['WaitsForPerson', 'SweepOverdue', 'FrontDoor', 'SesSending']; // and the canary's, where there is one
    const names = ['CanaryLate', ...four].map((name) => `Post/Watch/${name}`);
    expect(essential.map(({ AlarmName }) => AlarmName).sort()).toEqual(names.sort());
    for (const { AlarmActions: _, ...alarm } of essential)
      expect(alarms.find(({ AlarmName }) => AlarmName === alarm.AlarmName)).toMatchObject(alarm);
  });
  test('tells nothing of SES where nothing is sent by it, and neither does the other set', () => {
    const names = named({}).map(({ AlarmName }) => AlarmName.replace('Post/Watch/', ''));
    expect(names.sort()).toEqual(['FrontDoor', 'SweepOverdue', 'WaitsForPerson']);
    const all = ofType(synthesised(settingsOf()), 'AWS::CloudWatch::Alarm').map(([id]) => id);
    expect(all.filter((id) => id.includes('SesSending'))).toEqual([]);
  });
});

test('the sweep counts every dead letter of mail, and may', () => {
  const rest = ofType(template, 'AWS::SQS::Queue').filter(([, { Properties }]) => !Properties.RedrivePolicy);
  const schedules = rest.filter(([id]) => /^(?:Sweep|Orphans|Purge)|KeepAlive/.test(id)); // no mail, but runs
  const { Variables } = only(template, 'AWS::Lambda::Function', 'Sweep')[1].Properties.Environment;
  const named = [Variables.EVERPOST_ENTRY_DEAD_LETTERS, Variables.EVERPOST_WORK_DEAD_LETTERS].flatMap(
    (joined) => joined['Fn::Join'][1].filter((part: unknown) => typeof part === 'object') as { Ref: string }[],
  );
  expect(named.map(({ Ref }) => Ref).sort()).toEqual(
    rest
      .filter((each) => !schedules.includes(each))
      .map(([id]) => id)
      .sort(),
  );
  const asked = statementsOf(template)
    .filter(
      ({ role, statement }) => role.startsWith('Sweep') && each(statement.Action).includes('sqs:GetQueueAttributes'),
    )
    .flatMap(({ statement }) => each(statement.Resource as { 'Fn::GetAtt': string[] }[]))
    .map((resource) => resource['Fn::GetAtt'][0]);
  for (const { Ref } of named) expect(asked).toContain(Ref);
});
