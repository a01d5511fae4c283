// What a canary adds to the template: one address that feedback may send as, to itself; a count at ingest and at the
// search for orphans; an alarm in both sets. Without a canary there is nothing of it.

import { describe, expect, test } from 'vitest';
import { each, ofType, settingsOf, statementsOf, synthesised } from './template.ts';

const canary = { every: '1h', to: 'canary@example.com' };
const plain = synthesised(settingsOf());
const watched = synthesised(settingsOf({ canary }));

/** Role, actions and conditions of the statements that only the one template has. */
function grants(template: typeof plain) {
  return statementsOf(template).map(({ role, statement }) => ({
    role: role.replace(/Role[0-9A-F]{8}$/, ''),
    actions: each<string>(statement.Action).toSorted(),
    resources: each(statement.Resource).map((it) => JSON.stringify(it)),
    conditions: statement.Condition,
  }));
}
const others = grants(plain).map((it) => JSON.stringify(it));
const added = grants(watched).filter((it) => !others.includes(JSON.stringify(it)));

describe('with a canary', () => {
  test('feedback may send as its address alone, to itself, under identities of ours', () => {
    const sending = added.filter(({ actions }) => actions.includes('ses:SendEmail'));
    expect(sending.map(({ role }) => role)).toEqual(['Feedback']);
    expect(sending[0]?.actions).toEqual(['ses:SendEmail', 'ses:SendRawEmail']);
    expect(sending[0]?.conditions).toEqual({
      StringEquals: { 'ses:FromAddress': 'canary@example.com' },
      'ForAllValues:StringEquals': { 'ses:Recipients': ['canary@example.com'] },
    });
    const names = sending[0]?.resources.map((it) => /identity\/([^"]+)/.exec(it)?.[1]).sort();
    expect(names).toEqual(['canary@example.com', 'example.com']);
  });

  test('ingest and the search for orphans count which message was the first, and no other function has more', () => {
    const counting = added.filter(({ actions }) => actions.some((it) => it.startsWith('dynamodb:')));
    expect(counting.map(({ role, actions }) => [role, actions.includes('dynamodb:UpdateItem')]).sort()).toEqual([
      ['Ingest', true],
      ['Orphans', true],
    ]);
    expect([...new Set(added.map(({ role }) => role))].sort()).toEqual(['Feedback', 'Ingest', 'Orphans']);
  });
});

test.each(['all', 'essential'])('the set %s has its alarm, and only where there is one', (set) => {
  const names = (given: object) =>
    ofType(synthesised(settingsOf({ alarms: { set }, ...given })), 'AWS::CloudWatch::Alarm').map(([, { Properties }]) =>
      String(Properties.MetricName),
    );
  expect(names({ canary })).toContain('CanaryLate');
  expect(names({})).not.toContain('CanaryLate');
});
