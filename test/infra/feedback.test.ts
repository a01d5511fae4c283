// What SES says of sent mail, in the template: every condition word for word, since each of them, when it is wrong,
// loses a failure that nobody then hears of (aws-contracts §1.4, §1.5, §3).

import { describe, expect, test } from 'vitest';
import { sesDeliveryMsMax } from '#core/limits.ts';
import { bySes, each, ofType, only, settingsOf, statementsOf, synthesised } from './template.ts';

const template = synthesised(settingsOf({ ...bySes, stackName: 'Post' }));
const setArn = {
  'Fn::Join': [
    '',
    [
      'arn:',
      { Ref: 'AWS::Partition' },
      ':ses:',
      { Ref: 'AWS::Region' },
      ':',
      { Ref: 'AWS::AccountId' },
      ':configuration-set/Post',
    ],
  ],
};
const [topic] = only(template, 'AWS::SNS::Topic', 'SesFeedback');
const [topicPolicy, { Properties: policy }] = only(template, 'AWS::SNS::TopicPolicy', 'SesFeedback');

test('the configuration set is named as the stack is, tries for fourteen hours, keeps to the suppression list, and lets SES guess at no address', () => {
  expect(only(template, 'AWS::SES::ConfigurationSet')[1].Properties).toEqual({
    Name: 'Post',
    DeliveryOptions: { MaxDeliverySeconds: 50_400 },
    SuppressionOptions: {
      SuppressedReasons: ['BOUNCE', 'COMPLAINT'],
      ValidationOptions: { ConditionThreshold: { ConditionThresholdEnabled: 'DISABLED' } },
    },
  });
  expect(sesDeliveryMsMax / 1000).toBe(50_400);
});

describe('the destination', () => {
  const destination = (of: typeof template) => only(of, 'AWS::SES::ConfigurationSetEventDestination')[1];
  const all = ['bounce', 'complaint', 'reject', 'deliveryDelay', 'renderingFailure'];
  test('is told of every way to fail, and of deliveries only where that is asked for', () => {
    expect(destination(template).Properties).toEqual({
      ConfigurationSetName: 'Post',
      EventDestination: {
        Name: 'feedback',
        Enabled: true,
        MatchingEventTypes: all,
        SnsDestination: { TopicARN: { Ref: topic } },
      },
    });
    const confirming = destination(synthesised(settingsOf({ ...bySes, feedback: { confirm: true } })));
    expect(confirming.Properties.EventDestination.MatchingEventTypes).toEqual([...all, 'delivery']);
  });
  test('comes after the set, and after the whole way to the queue: SES tries it when it is made', () => {
    expect(destination(template).DependsOn).toEqual(
      expect.arrayContaining([
        only(template, 'AWS::SES::ConfigurationSet')[0],
        topicPolicy,
        ...ofType(template, 'AWS::SNS::Subscription')
          .filter(([, { Properties }]) => Properties.TopicArn.Ref === topic)
          .map(([id]) => id),
      ]),
    );
  });
});

test('SES may publish, of our account and for this very set alone, on a topic that serves nothing else', () => {
  expect(policy.Topics).toEqual([{ Ref: topic }]);
  expect(policy.PolicyDocument.Statement).toEqual([
    {
      Sid: 'AllowSESPublish',
      Effect: 'Allow',
      Principal: { Service: 'ses.amazonaws.com' },
      Action: 'sns:Publish',
      Resource: { Ref: topic },
      Condition: { StringEquals: { 'aws:SourceAccount': { Ref: 'AWS::AccountId' }, 'aws:SourceArn': setArn } },
    },
  ]);
  expect(topic).not.toBe(only(template, 'AWS::SNS::Topic', 'FrontDoor')[0]);
});

test('events go raw to the feedback queue, and what SNS cannot hand over to a queue of its own', () => {
  const [subscription] = ofType(template, 'AWS::SNS::Subscription')
    .map(([, { Properties }]) => Properties)
    .filter(({ TopicArn }) => TopicArn.Ref === topic);
  expect(subscription).toMatchObject({ Protocol: 'sqs', RawMessageDelivery: true });
  const queue = subscription.Endpoint['Fn::GetAtt'][0];
  const deadLetters = subscription.RedrivePolicy.deadLetterTargetArn['Fn::GetAtt'][0];
  expect([queue, deadLetters]).toEqual([
    only(template, 'AWS::SQS::Queue', 'FeedbackQueue')[0],
    only(template, 'AWS::SQS::Queue', 'SesFeedbackEventDeadLetters')[0],
  ]);
  for (const id of [queue, deadLetters]) {
    const found = ofType(template, 'AWS::SQS::QueuePolicy').find(([, it]) => it.Properties.Queues[0].Ref === id);
    expect(found?.[1].Properties.PolicyDocument.Statement).toContainEqual({
      Effect: 'Allow',
      Principal: { Service: 'sns.amazonaws.com' },
      Action: 'sqs:SendMessage',
      Resource: { 'Fn::GetAtt': [id, 'Arn'] },
      Condition: { ArnEquals: { 'aws:SourceArn': { Ref: topic } } },
    });
  }
});

test('relay alone may send, by our set', () => {
  const senders = statementsOf(template).filter(({ statement }) => each(statement.Action).includes('ses:SendEmail'));
  expect(senders.map(({ role }) => role.replace(/[0-9A-F]{8}$/, ''))).toEqual(['RelayRole']);
  expect(senders[0]?.statement.Resource).toContainEqual(setArn);
});

test('the outputs name the set and both dead-letter queues', () => {
  expect(Object.keys(template.outputs)).toEqual(
    expect.arrayContaining(['ConfigurationSet', 'EventDeadLettersUrl', 'FeedbackDeadLettersUrl', 'FeedbackQueueUrl']),
  );
});

test('without SES as a way out there is none of it but the queue, which returning reports come to', () => {
  const plain = synthesised(settingsOf());
  const there = Object.keys(plain.resources).filter((id) => id.startsWith('SesFeedback'));
  expect(there).toEqual([]);
  expect(JSON.stringify(plain)).not.toContain('configuration-set');
  expect(Object.keys(plain.outputs)).not.toContain('ConfigurationSet');
  only(plain, 'AWS::SQS::Queue', 'FeedbackQueue');
});
