// SES's events about sent mail: the configuration set that every send names, a topic of their own, its subscription to
// the feedback queue, and a dead-letter queue for events that SNS cannot hand over. Called by stack.ts. It makes them
// only where the configuration sends by SES. The topic never serves anything else, and neither does the receipts' topic
// (aws-contracts §1.4).

import { Aws, Stack } from 'aws-cdk-lib';
import { Effect, PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import { CfnConfigurationSet, CfnConfigurationSetEventDestination } from 'aws-cdk-lib/aws-ses';
import { Topic, TopicPolicy } from 'aws-cdk-lib/aws-sns';
import { SqsSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { Settings } from '#config/settings.ts';
import { sesDeliveryMsMax } from '#core/limits.ts';
import { configurationSetName, sendsBySes } from '#core/message/ses-use.ts';
import { restQueue } from './stage.ts';

export type SesFeedback = { readonly configurationSet: string; readonly eventDeadLetters: Queue };

/** Null where nothing is sent by SES. */
export function sesFeedback(
  scope: Construct,
  given: { readonly settings: Settings; readonly feedbackQueue: Queue },
): SesFeedback | null {
  const { settings, feedbackQueue } = given;
  if (!sendsBySes(settings)) return null;
  const here = new Construct(scope, 'SesFeedback');
  const name = configurationSetName(settings);
  const topic = new Topic(here, 'Events', { displayName: `${settings.stackName} SES events` });
  const topicPolicy = new TopicPolicy(here, 'EventsPolicy', { topics: [topic] });
  topicPolicy.document.addStatements(publishFor(name, topic));
  const eventDeadLetters = restQueue(here, 'EventDeadLetters');
  const subscription = topic.addSubscription(
    new SqsSubscription(feedbackQueue, { rawMessageDelivery: true, deadLetterQueue: eventDeadLetters }),
  );

  const set = new CfnConfigurationSet(here, 'ConfigurationSet', {
    name,
    deliveryOptions: { maxDeliverySeconds: sesDeliveryMsMax / 1000 },
    // On, whatever the account's setting is. The author is told of a suppressed recipient
    // (docs/decisions/ses-feedback.md).
    suppressionOptions: {
      suppressedReasons: ['BOUNCE', 'COMPLAINT'],
      // Off, whatever the account's setting is: SES would decline a recipient by a guess, before the recipient's server
      // is asked.
      validationOptions: { conditionThreshold: { conditionThresholdEnabled: 'DISABLED' } },
    },
  });
  const destination = new CfnConfigurationSetEventDestination(here, 'Destination', {
    configurationSetName: name,
    eventDestination: {
      name: 'feedback',
      enabled: true,
      matchingEventTypes: eventTypes(settings),
      snsDestination: { topicArn: topic.topicArn },
    },
  });
  destination.addResourceDependency(set);
  // SES publishes a trial message when the destination is made: policy and subscription must exist by then.
  destination.node.addDependency(topicPolicy, subscription);
  return { configurationSet: name, eventDeadLetters };
}

/** Without Send, which says no more than SES's 200. Delivery only by configuration: it is an event for each message. */
function eventTypes({ feedback }: Settings): string[] {
  const types = ['bounce', 'complaint', 'reject', 'deliveryDelay', 'renderingFailure'];
  return feedback.confirm ? [...types, 'delivery'] : types;
}

/** The documented form, with our account and this one set. */
function publishFor(name: string, topic: Topic): PolicyStatement {
  const arn = configurationSetArn(topic, name);
  return new PolicyStatement({
    sid: 'AllowSESPublish',
    effect: Effect.ALLOW,
    principals: [new ServicePrincipal('ses.amazonaws.com')],
    actions: ['sns:Publish'],
    resources: [topic.topicArn],
    conditions: { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID, 'aws:SourceArn': arn } },
  });
}

export function configurationSetArn(scope: Construct, name: string): string {
  return Stack.of(scope).formatArn({ service: 'ses', resource: `configuration-set/${name}` });
}
