// Emulators in which SES's events come to a queue: for the tests of the emulated SES.

import { startEmulators } from '../src/start-emulators.ts';

export const topicArn = 'arn:aws:sns:eu-west-1:000000000000:events';
export const mayPublish = (name: string) => ({
  Effect: 'Allow',
  Principal: { Service: 'ses.amazonaws.com' },
  Action: 'sns:Publish',
  Resource: topicArn,
  Condition: {
    StringEquals: {
      'aws:SourceAccount': '000000000000',
      'aws:SourceArn': `arn:aws:ses:eu-west-1:000000000000:configuration-set/${name}`,
    },
  },
});

/**
 * The queue `told`, subscribed to the topic `events`, to which SES may publish for the sets that the statements name.
 */
export async function withQueue(
  statements: readonly object[] = ['everpost', 'quick'].map(mayPublish),
  dataFolder?: string,
) {
  const fromTopic = {
    Effect: 'Allow',
    Principal: { Service: 'sns.amazonaws.com' },
    Action: 'sqs:SendMessage',
    Resource: 'arn:aws:sqs:eu-west-1:000000000000:told',
    Condition: { ArnEquals: { 'aws:SourceArn': topicArn } },
  };
  const started = await startEmulators({
    queues: [{ name: 'told', policy: { Version: '2012-10-17', Statement: [fromTopic] } }],
    topics: [{ name: 'events', policy: { Version: '2012-10-17', Statement: statements } }],
    ...(dataFolder === undefined ? {} : { dataFolder }),
  });
  started.topics.subscribe({ topicArn, endpoint: started.queues.arnOf('told'), raw: true, deadLetterTargetArn: null });
  return started;
}
