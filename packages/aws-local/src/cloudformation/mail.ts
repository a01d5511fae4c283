// Creators of the resources that mail passes through: buckets, queues, topics, receipt rules, configuration sets, and
// their policies. Called by deploy.ts. Policies are kept where the gate reads them, never in an emulator.

import type { QueueNotification } from '../s3/event-notifications.ts';
import { eventTypes } from '../ses/configuration-sets.ts';
import type { ReceiptRuleProperties } from '../ses/receiving.ts';
import type { QueueSpec } from '../sqs/queues.ts';
import type { Boot, Creator } from './creator.ts';
import { numberOf, objectOf, oneOf, type Properties, textOf, understood } from './properties.ts';
import type { Json } from './template.ts';

const bucket: Creator = async ({ name, properties }, { emulators: { buckets } }) => {
  understood(
    properties,
    ['BucketName', 'VersioningConfiguration', 'LifecycleConfiguration', 'NotificationConfiguration'],
    // Only the stack's own roles have credentials here, and the files are on the user's own disk.
    ['BucketEncryption', 'OwnershipControls', 'PublicAccessBlockConfiguration', 'Tags'],
  );
  const bucketName = textOf(properties, 'BucketName', name.toLowerCase());
  const versioned = objectOf(properties, 'VersioningConfiguration').Status === 'Enabled';
  refuseExpiry(objectOf(properties, 'LifecycleConfiguration'));
  buckets.create(bucketName, { versioned });
  await buckets.notify(bucketName, notificationsOf(objectOf(properties, 'NotificationConfiguration')));
  const host = `${bucketName}.s3.amazonaws.com`;
  return { ref: bucketName, attributes: { Arn: `arn:aws:s3:::${bucketName}`, DomainName: host } };
};

function notificationsOf(properties: Properties): QueueNotification[] {
  understood(properties, ['QueueConfigurations']);
  const wanted = (properties.QueueConfigurations ?? []) as readonly Properties[];
  return wanted.map((one, index) => {
    understood(one, ['Event', 'Queue', 'Filter']);
    oneOf(one, 'Event', ['s3:ObjectCreated:*']);
    const filter = objectOf(one, 'Filter');
    understood(filter, ['S3Key']);
    const rules = (objectOf(filter, 'S3Key').Rules ?? []) as readonly Properties[];
    const ruleOf = (name: string) =>
      rules.filter((rule) => oneOf(rule, 'Name', ['prefix', 'suffix']) === name)[0]?.Value;
    const [prefix, suffix] = [String(ruleOf('prefix') ?? ''), String(ruleOf('suffix') ?? '')];
    return { id: `Queue${index}`, queueArn: textOf(one, 'Queue'), prefix, suffix };
  });
}

/**
 * Rules that expire only deleted versions and unfinished uploads are accepted and do nothing here. Others would lose
 * mail without an error, and are refused.
 */
function refuseExpiry({ Rules = [] }: Properties): void {
  for (const rule of Rules as readonly Properties[])
    understood(
      rule,
      ['Id', 'Status', 'Prefix'],
      ['NoncurrentVersionExpiration', 'AbortIncompleteMultipartUpload', 'ExpiredObjectDeleteMarker'],
    );
}

const bucketPolicy: Creator = ({ name, properties }, boot) => {
  understood(properties, ['Bucket', 'PolicyDocument']);
  attach(boot, `arn:aws:s3:::${textOf(properties, 'Bucket')}`, properties.PolicyDocument);
  return { ref: name, attributes: {} };
};

const queue: Creator = ({ name, properties }, { emulators }) => {
  const { queues, queueUrl, cloudWatch } = emulators;
  understood(
    properties,
    [
      'QueueName',
      'VisibilityTimeout',
      'DelaySeconds',
      'MessageRetentionPeriod',
      'MaximumMessageSize',
      'ReceiveMessageWaitTimeSeconds',
      'RedrivePolicy',
      'RedriveAllowPolicy',
    ],
    ['SqsManagedSseEnabled', 'Tags'],
  );
  const queueName = textOf(properties, 'QueueName', name);
  const redrive = properties.RedrivePolicy === undefined ? undefined : objectOf(properties, 'RedrivePolicy');
  const allow = properties.RedriveAllowPolicy === undefined ? undefined : objectOf(properties, 'RedriveAllowPolicy');
  const spec: QueueSpec = {
    name: queueName,
    ...given('visibilityTimeoutSeconds', numberOf(properties, 'VisibilityTimeout')),
    ...given('delaySeconds', numberOf(properties, 'DelaySeconds')),
    ...given('retentionSeconds', numberOf(properties, 'MessageRetentionPeriod')),
    ...given('messageBytesMax', numberOf(properties, 'MaximumMessageSize')),
    ...given('receiveWaitSeconds', numberOf(properties, 'ReceiveMessageWaitTimeSeconds')),
    ...(redrive && {
      redrive: {
        deadLetterTargetArn: textOf(redrive, 'deadLetterTargetArn'),
        maxReceiveCount: Number(redrive.maxReceiveCount),
      },
    }),
    ...(allow && {
      redriveAllow: {
        redrivePermission: oneOf(allow, 'redrivePermission', ['allowAll', 'denyAll', 'byQueue']),
        sourceQueueArns: (allow.sourceQueueArns ?? []) as readonly string[],
      },
    }),
  };
  const arn = queues.create(spec);
  cloudWatch.addQueue({ name: queueName, measure: () => queues.counts(arn) });
  return { ref: queueUrl(queueName), attributes: { Arn: arn, QueueName: queueName, QueueUrl: queueUrl(queueName) } };
};

function given<K extends string>(name: K, value: number | null): { readonly [key in K]?: number } {
  return value === null ? {} : ({ [name]: value } as { readonly [key in K]: number });
}

const queuePolicy: Creator = ({ name, properties }, boot) => {
  understood(properties, ['Queues', 'PolicyDocument']);
  for (const url of properties.Queues as readonly string[])
    attach(boot, boot.emulators.queues.arnOf(url.split('/').at(-1) ?? ''), properties.PolicyDocument);
  return { ref: name, attributes: {} };
};

const topic: Creator = ({ name, properties }, { emulators: { topics } }) => {
  understood(properties, ['TopicName'], ['DisplayName', 'Tags']);
  const topicName = textOf(properties, 'TopicName', name);
  const arn = topics.create(topicName);
  return { ref: arn, attributes: { TopicArn: arn, TopicName: topicName } };
};

const topicPolicy: Creator = ({ name, properties }, boot) => {
  understood(properties, ['Topics', 'PolicyDocument']);
  for (const arn of properties.Topics as readonly string[]) attach(boot, arn, properties.PolicyDocument);
  return { ref: name, attributes: {} };
};

const subscription: Creator = ({ properties }, { emulators: { topics } }) => {
  understood(properties, ['TopicArn', 'Protocol', 'Endpoint', 'RawMessageDelivery', 'RedrivePolicy']);
  oneOf(properties, 'Protocol', ['email', 'sqs']);
  const [topicArn, endpoint] = [textOf(properties, 'TopicArn'), textOf(properties, 'Endpoint')];
  // Until the person confirms, its Ref is what ListSubscriptionsByTopic says too.
  if (properties.Protocol === 'email') {
    topics.subscribePerson({ topicArn, address: endpoint, confirmed: false });
    return { ref: 'PendingConfirmation', attributes: { Arn: 'PendingConfirmation' } };
  }
  const redrive = objectOf(properties, 'RedrivePolicy');
  const arn = topics.subscribe({
    topicArn,
    endpoint,
    raw: properties.RawMessageDelivery === true || properties.RawMessageDelivery === 'true',
    deadLetterTargetArn: redrive.deadLetterTargetArn === undefined ? null : textOf(redrive, 'deadLetterTargetArn'),
  });
  return { ref: arn, attributes: { Arn: arn } };
};

const ruleSet: Creator = ({ name, properties }, { emulators, receiptRules }) => {
  understood(properties, ['RuleSetName']);
  const ruleSetName = textOf(properties, 'RuleSetName', name);
  emulators.receiptRules.createRuleSet({ RuleSetName: ruleSetName });
  receiptRules.add(ruleSetName);
  return { ref: ruleSetName, attributes: {} };
};

const rule: Creator = async ({ name, properties }, { emulators, receiptRules }) => {
  understood(properties, ['RuleSetName', 'Rule', 'After']);
  const given = { Name: name, ...objectOf(properties, 'Rule') };
  const ruleName = textOf(given, 'Name');
  await emulators.receiptRules.createRule({ ...properties, Rule: given } as unknown as ReceiptRuleProperties);
  receiptRules.add(`${textOf(properties, 'RuleSetName')}/${ruleName}`);
  return { ref: ruleName, attributes: {} };
};

const configurationSet: Creator = ({ name, properties }, { emulators: { configurationSets } }) => {
  understood(properties, ['Name', 'DeliveryOptions', 'SuppressionOptions']);
  const delivery = objectOf(properties, 'DeliveryOptions');
  understood(delivery, ['MaxDeliverySeconds']);
  const suppression = objectOf(properties, 'SuppressionOptions');
  understood(suppression, ['SuppressedReasons', 'ValidationOptions']);
  const reasons = suppression.SuppressedReasons as readonly string[] | undefined;
  const setName = textOf(properties, 'Name', name);
  configurationSets.create({
    name: setName,
    maxDeliverySeconds: numberOf(delivery, 'MaxDeliverySeconds'),
    suppresses: reasons === undefined || reasons.length > 0, // absent: as the account has it, which is on
    validates: suppression.ValidationOptions === undefined ? null : validates(suppression),
  });
  return { ref: setName, attributes: {} };
};

function validates(suppression: Properties): boolean {
  const validation = objectOf(suppression, 'ValidationOptions');
  understood(validation, ['ConditionThreshold']);
  const threshold = objectOf(validation, 'ConditionThreshold');
  understood(threshold, ['ConditionThresholdEnabled', 'OverallConfidenceThreshold']);
  if (threshold.OverallConfidenceThreshold !== undefined) {
    const confidence = objectOf(threshold, 'OverallConfidenceThreshold');
    understood(confidence, ['ConfidenceVerdictThreshold']);
    oneOf(confidence, 'ConfidenceVerdictThreshold', ['MEDIUM', 'HIGH', 'MANAGED']);
  }
  return oneOf(threshold, 'ConditionThresholdEnabled', ['ENABLED', 'DISABLED']) === 'ENABLED';
}

const eventDestination: Creator = async ({ name, properties }, { emulators: { configurationSets } }) => {
  understood(properties, ['ConfigurationSetName', 'EventDestination']);
  const given = objectOf(properties, 'EventDestination');
  understood(given, ['Name', 'Enabled', 'MatchingEventTypes', 'SnsDestination']);
  const sns = objectOf(given, 'SnsDestination');
  understood(sns, ['TopicARN']);
  const setName = textOf(properties, 'ConfigurationSetName');
  const destination = textOf(given, 'Name', name);
  const types = (given.MatchingEventTypes ?? []) as readonly string[];
  await configurationSets.addDestination(setName, {
    name: destination,
    enabled: given.Enabled !== false && given.Enabled !== 'false',
    types: types.map((type) => oneOf({ type }, 'type', eventTypes)),
    topicArn: textOf(sns, 'TopicARN'),
  });
  return { ref: destination, attributes: { Id: `${setName}|${destination}` } };
};

/** One policy for each resource: in AWS a second policy resource would replace the first, which is always a mistake. */
function attach(boot: Boot, arn: string, document: Json | undefined): void {
  if (boot.policies.has(arn)) throw new Error(`${arn} has two policies`);
  boot.policies.set(arn, document as unknown as { Version: string; Statement: Json[] });
}

export const mailCreators: Readonly<Record<string, Creator>> = {
  'AWS::S3::Bucket': bucket,
  'AWS::S3::BucketPolicy': bucketPolicy,
  'AWS::SES::ConfigurationSet': configurationSet,
  'AWS::SES::ConfigurationSetEventDestination': eventDestination,
  'AWS::SES::ReceiptRule': rule,
  'AWS::SES::ReceiptRuleSet': ruleSet,
  'AWS::SNS::Subscription': subscription,
  'AWS::SNS::Topic': topic,
  'AWS::SNS::TopicPolicy': topicPolicy,
  'AWS::SQS::Queue': queue,
  'AWS::SQS::QueuePolicy': queuePolicy,
};
