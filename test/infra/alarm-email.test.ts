// Who hears of alarms by `alarms.email`: read from the template. SNS asks each of them to confirm; doctor.test.ts has
// what is said of those who have not.

import { expect, test } from 'vitest';
import { ofType, only, settingsOf, synthesised } from './template.ts';

test('each address of alarms.email is subscribed to the topic that each alarm tells', () => {
  const email = ['ann@example.net', 'bob@example.net', 'ann@example.net'];
  const subscribed = synthesised(settingsOf({ alarms: { email } }));
  const people = ofType(subscribed, 'AWS::SNS::Subscription').filter(
    ([, { Properties }]) => Properties.Protocol === 'email',
  );
  const [topic] = only(subscribed, 'AWS::SNS::Topic', 'WatchAlarms');
  expect(people.map(([, { Properties }]) => [Properties.Endpoint, Properties.TopicArn])).toEqual([
    ['ann@example.net', { Ref: topic }],
    ['bob@example.net', { Ref: topic }],
  ]);
  for (const [, { Properties }] of ofType(subscribed, 'AWS::CloudWatch::Alarm'))
    expect(Properties.AlarmActions).toEqual([{ Ref: topic }]);
});
