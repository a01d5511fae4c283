// The dashboard and the saved queries, read from the template: each metric is one that something publishes, of a
// resource that the template has, and each query names fields and events that the functions' logs have, as a run of the
// pipeline writes them.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { Interrupt } from '#adapters/memory/interrupt.ts';
import { savedQueries } from '#infra/saved-queries.ts';
import { pipelineSettings, TestPipeline } from '#test/kit/pipeline.ts';
import { bySesAndSrs, ofType, only, type Synthesised, settingsOf, submitting, synthesised } from './template.ts';

const routes = [...bySesAndSrs.routes, ...submitting.routes.slice(-1)];
const canary = { every: '1h', to: 'canary@example.com' };
const large = { ...bySesAndSrs, ...submitting, routes, network: { create: { zones: 1 } }, canary };
const templates = [settingsOf(), settingsOf(large), settingsOf({ alarms: { set: 'essential' } })].map((each) =>
  synthesised(each),
);

/** What the source counts, raises or levels, under a name that stands in it. */
const root = join(import.meta.dirname, '../..');
const source = ['src', 'lambdas']
  .flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((it) => join(root, folder, it)),
  )
  .filter((path) => path.endsWith('.ts'))
  .map((path) => readFileSync(path, 'utf8'))
  .join('\n');
const published = new Set(
  [...source.matchAll(/\b(?:count|raise|level|publishSum)\((?:watch, )?'(\w+)'/g)].map(([, name]) => name),
);

type Widget = { readonly type: string; readonly properties: Record<string, unknown> };
type Row = readonly [namespace: string, metric: string, dimension: string, value: string, options?: object];

/** Tokens as their logical ids. */
function widgetsOf(template: Synthesised): readonly Widget[] {
  const body = only(template, 'AWS::CloudWatch::Dashboard')[1].Properties.DashboardBody;
  const plain = (value: unknown): string => {
    if (typeof value === 'string') return value;
    const [[kind = '', inner] = []] = Object.entries(value as object);
    if (kind === 'Fn::Join') return (inner as [string, unknown[]])[1].map(plain).join((inner as [string])[0]);
    return String(kind === 'Fn::GetAtt' ? (inner as string[])[0] : inner);
  };
  return (JSON.parse(plain(body)) as { widgets: Widget[] }).widgets;
}

const rowsOf = (widgets: readonly Widget[]) => widgets.flatMap(({ properties }) => (properties.metrics ?? []) as Row[]);

const ofAws: Readonly<Record<string, readonly [metrics: readonly string[], dimension: string, type: string]>> = {
  'AWS/SQS': [['ApproximateNumberOfMessagesVisible', 'ApproximateAgeOfOldestMessage'], 'QueueName', 'AWS::SQS::Queue'],
  'AWS/Lambda': [['Errors', 'ConcurrentExecutions'], 'FunctionName', 'AWS::Lambda::Function'],
  'AWS/SES': [['PublishFailure', 'PublishExpired'], 'RuleSetName', 'AWS::SES::ReceiptRuleSet'],
};

describe.each(templates.map((template, index) => [index, template] as const))(
  'the dashboard of template %i',
  (index, template) => {
    const widgets = widgetsOf(template);

    test('shows metrics that something publishes, of resources of the template, at most 50', () => {
      const rows = rowsOf(widgets);
      expect(new Set(rows.map((row) => row.slice(0, 4).join(' '))).size).toBeLessThanOrEqual(50);
      for (const [namespace, metric, dimension, value] of rows) {
        if (namespace === 'Everpost') {
          expect([metric, dimension, value, published.has(metric)]).toEqual([metric, 'service', 'Everpost', true]);
          continue;
        }
        const [metrics = [], named, type = ''] = ofAws[namespace] ?? [];
        expect([namespace, metric, dimension]).toEqual([namespace, expect.toBeOneOf([...metrics]), named]);
        const known = ofType(template, type).map(([id, { Properties }]) =>
          namespace === 'AWS/SES' ? Properties.RuleSetName : id,
        );
        expect(known.some((id) => value === id || value.includes(id))).toBe(true);
      }
    });

    test('has every alarm, every dead-letter queue and the age of every queue of a stage', () => {
      const alarms = widgets.flatMap(({ properties }) => (properties.alarms ?? []) as string[]);
      expect(alarms.toSorted()).toEqual(
        ofType(template, 'AWS::CloudWatch::Alarm')
          .map(([id]) => id)
          .toSorted(),
      );
      const shown = (wanted: string) =>
        rowsOf(widgets).flatMap(([, metric, , value]) => (metric === wanted ? [value] : []));
      const queues = ofType(template, 'AWS::SQS::Queue').map(([id]) => id);
      for (const id of queues)
        expect([id, shown('ApproximateNumberOfMessagesVisible').some((it) => it.includes(id))]).toEqual([id, true]);
      expect(new Set(shown('ApproximateAgeOfOldestMessage')).size).toBe(4);
    });

    test('says its state in the words of the product', () => {
      for (const name of ['Accepted', 'Relayed', 'Returned', 'Held', 'WaitsForPerson', 'WaitingLong', 'NextHopDown'])
        expect([name, rowsOf(widgets).some(([, metric]) => metric === name)]).toEqual([name, true]);
      expect(rowsOf(widgets).some(([, metric]) => metric === 'CanaryLate')).toBe(index === 1);
    });
  },
);

test('without it the template has none, and no output of it', () => {
  const template = synthesised(settingsOf({ alarms: { dashboard: false } }));
  expect(ofType(template, 'AWS::CloudWatch::Dashboard')).toEqual([]);
  expect(Object.keys(template.outputs)).not.toContain('DashboardUrl');
});

test('each output says what it is for', () => {
  for (const template of templates)
    for (const [name, output] of Object.entries(template.outputs))
      expect([name, (output as { Description?: string }).Description ?? '']).toEqual([
        name,
        expect.stringMatching(/\w+ \w+/),
      ]);
});

describe('saved queries', () => {
  /** Event → the fields of its lines. */
  const logged = new Map<string, Set<string>>();

  beforeAll(async () => {
    const answers = [
      { code: 250, status: '2.0.0', text: 'Ok' },
      { code: 451, status: '4.3.0', text: 'later', at: 'rcpt' },
      { code: 550, status: '5.1.1', text: 'no such user', at: 'rcpt' },
    ] as const;
    for (const answer of answers) {
      const pipeline = new TestPipeline(() => answer, new Interrupt(), pipelineSettings);
      pipeline.receive('m1', 'ann@src.example', ['bob@example.com']);
      await pipeline.work();
      for (const { event, fields } of pipeline.watch.entries) {
        const known = logged.get(event) ?? new Set();
        for (const [name, value] of Object.entries(fields)) if (value !== undefined) known.add(name);
        logged.set(event, known);
      }
    }
  });

  /** Of every line: Powertools' keys, and the stage (src/adapters/aws/powertools-watch.ts). */
  const always = ['level', 'message', 'stage'];
  const words = /^(?:fields|filter|stats|sort|by|as|in|asc|desc|and|or|count|sum|avg|max|min|ispresent)$/;
  /** Of some error lines, which this run has not. */
  const ofFaults = ['error', 'detail'];

  test.each(savedQueries.map((query) => [query.id, query] as const))(
    '%s names fields and events that the logs have',
    (_, { lines }) => {
      const text = lines.join(' | ');
      const [strings, rest] = [[...text.matchAll(/"([^"]*)"/g)].map(([, it = '']) => it), text.replace(/"[^"]*"/g, '')];
      const events = strings.filter((it) => /^[a-z-]+\.[a-z-]+$/.test(it));
      for (const event of events) expect([event, logged.has(event)]).toEqual([event, true]);
      const own = [...rest.matchAll(/\bas (\w+)/g)].map(([, it]) => it);
      const named = [...rest.matchAll(/(?<![@\w.])[A-Za-z]\w*/g)]
        .map(([it]) => it)
        .filter((it) => !words.test(it) && !own.includes(it));
      const all = new Set([...logged.values()].flatMap((fields) => [...fields]));
      for (const field of named)
        expect([
          field,
          always.includes(field) || all.has(field) || (ofFaults.includes(field) && source.includes(`${field}:`)),
        ]).toEqual([field, true]);
      for (const event of events) {
        const unknown = named.filter((it) => !always.includes(it) && !logged.get(event)?.has(it));
        expect([event, unknown]).toEqual([event, []]);
      }
    },
  );

  test('ask every log group of the template, under the name of the stack', () => {
    for (const template of templates) {
      const groups = ofType(template, 'AWS::Logs::LogGroup').map(([id]) => ({ Ref: id }));
      const found = ofType(template, 'AWS::Logs::QueryDefinition').map(([, { Properties }]) => Properties);
      expect(found.map(({ Name }) => Name).sort()).toEqual(savedQueries.map(({ name }) => `Everpost/${name}`).sort());
      for (const { LogGroupNames, QueryString } of found) {
        expect(LogGroupNames).toEqual(groups);
        expect(QueryString.length).toBeLessThan(10_000);
      }
    }
  });
});
