// The front door: SES's receipt rule set, the receipts' topic, and its subscription to the ingest queue. Called by
// stack.ts. The rules accept mail for the routes' recipients alone, store it in the spool and publish the receipt. Only
// the receipt holds the envelope, so the subscription has a dead-letter queue of its own. It never displaces another
// application's active rule set, unless the deploy says so.

import { Aws, CustomResource, Duration, Stack } from 'aws-cdk-lib';
import { Effect, PolicyStatement, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import type { Bucket } from 'aws-cdk-lib/aws-s3';
import { CfnReceiptRule, CfnReceiptRuleSet } from 'aws-cdk-lib/aws-ses';
import { Topic, TopicPolicy } from 'aws-cdk-lib/aws-sns';
import { SqsSubscription } from 'aws-cdk-lib/aws-sns-subscriptions';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { Settings } from '#config/settings.ts';
import { type ReceiptRule, receiptRules } from '#core/routing/receipt-rules.ts';
import { inboundPrefix } from './spool.ts';
import { may, ownFunction, restQueue } from './stage.ts';

export type FrontDoor = {
  readonly ruleSetName: string;
  readonly receiptDeadLetters: Queue;
  /** From its creation on SES accepts mail. */
  readonly activation: CustomResource;
};

export function frontDoor(
  scope: Construct,
  given: {
    readonly settings: Settings;
    readonly bucket: Bucket;
    readonly ingestQueue: Queue;
    readonly activateFolder: string;
    readonly replaceRuleSet: boolean;
  },
): FrontDoor {
  const here = new Construct(scope, 'FrontDoor');
  const { settings, bucket, ingestQueue } = given;
  const ruleSetName = settings.stackName;
  const { notices, returnPathDomain, domains } = settings;
  const { rules } = receiptRules(settings.routes, { returnPathDomain, noticesFrom: notices.from, domains });

  // Names of rule set and rules are fixed, so that the policies can name them without a circle (aws-contracts §1.4).
  const ruleName = (rule: ReceiptRule) => `${ruleSetName}-${rule.slot}`;
  const ruleArns = rules.map((rule) => ruleArn(here, ruleSetName, ruleName(rule)));
  bucket.addToResourcePolicy(storeFor(ruleArns, bucket));

  const topic = new Topic(here, 'Receipts', { displayName: `${settings.stackName} receipts` });
  // Its own policy in full: any TopicPolicy takes away the default by which SES may publish (aws-contracts §1.4).
  const topicPolicy = new TopicPolicy(here, 'ReceiptsPolicy', { topics: [topic] });
  topicPolicy.document.addStatements(publishFor(ruleSetName, topic));
  const receiptDeadLetters = restQueue(here, 'ReceiptDeadLetters');
  topic.addSubscription(
    new SqsSubscription(ingestQueue, { rawMessageDelivery: true, deadLetterQueue: receiptDeadLetters }),
  );

  const ruleSet = new CfnReceiptRuleSet(here, 'RuleSet', { ruleSetName });
  let later: CfnReceiptRule | null = null;
  for (const rule of rules.toReversed()) {
    const made = receiptRule(here, rule, { ruleSetName, ruleName: ruleName(rule), bucket, topic });
    made.addResourceDependency(ruleSet);
    // SES writes a test object and looks the topic up when a rule is made: both policies must exist by then.
    made.node.addDependency(topicPolicy);
    if (bucket.policy) made.node.addDependency(bucket.policy);
    // From the last to the first: see intoRules.
    if (later) made.addResourceDependency(later);
    later = made;
  }
  return { ruleSetName, receiptDeadLetters, activation: activation(here, given, ruleSetName) };
}

function ruleArn(scope: Construct, ruleSetName: string, ruleName: string): string {
  const resource = `receipt-rule-set/${ruleSetName}:receipt-rule/${ruleName}`;
  return Stack.of(scope).formatArn({ service: 'ses', resource });
}

/** The documented form of SES's grant on the bucket, with our account and the ARNs of our rules. */
function storeFor(ruleArns: readonly string[], bucket: Bucket): PolicyStatement {
  return new PolicyStatement({
    sid: 'AllowSESPuts',
    effect: Effect.ALLOW,
    principals: [new ServicePrincipal('ses.amazonaws.com')],
    actions: ['s3:PutObject'],
    resources: [bucket.arnForObjects(`${inboundPrefix}*`)],
    conditions: { StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID, 'aws:SourceArn': ruleArns } },
  });
}

function publishFor(ruleSetName: string, topic: Topic): PolicyStatement {
  return new PolicyStatement({
    sid: 'AllowSESPublish',
    effect: Effect.ALLOW,
    principals: [new ServicePrincipal('ses.amazonaws.com')],
    actions: ['sns:Publish'],
    resources: [topic.topicArn],
    conditions: {
      StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID },
      ArnLike: { 'aws:SourceArn': ruleArn(topic, ruleSetName, '*') },
    },
  });
}

function receiptRule(
  scope: Construct,
  rule: ReceiptRule,
  given: { readonly ruleSetName: string; readonly ruleName: string; readonly bucket: Bucket; readonly topic: Topic },
): CfnReceiptRule {
  return new CfnReceiptRule(scope, `Rule${rule.slot}`, {
    ruleSetName: given.ruleSetName,
    rule: {
      name: given.ruleName,
      // Both are false by default: the rule would be off, and verdicts would be DISABLED.
      enabled: true,
      scanEnabled: true,
      // Require would bounce mail from servers without TLS.
      tlsPolicy: 'Optional',
      recipients: [...rule.recipients],
      actions: [
        {
          s3Action: {
            bucketName: given.bucket.bucketName,
            objectKeyPrefix: inboundPrefix,
            topicArn: given.topic.topicArn,
          },
        },
      ],
    },
  });
}

/**
 * CloudFormation has no property for the active rule set, so this is the one custom resource; lambdas/activate.ts
 * answers it.
 */
function activation(
  scope: Construct,
  given: { readonly settings: Settings; readonly activateFolder: string; readonly replaceRuleSet: boolean },
  ruleSetName: string,
): CustomResource {
  const here = new Construct(scope, 'Activation');
  const handler = ownFunction(here, {
    folder: given.activateFolder,
    description: "Makes Everpost's SES rule set the active one, unless another one is",
    timeoutMs: 60_000,
    memoryMb: 256,
    environment: {},
    // Neither action knows a resource: SES's authorization reference names none for them.
    may: [may(['ses:DescribeActiveReceiptRuleSet', 'ses:SetActiveReceiptRuleSet'], '*')],
  });
  return new CustomResource(here, 'ActiveRuleSet', {
    resourceType: 'Custom::ActiveRuleSet',
    serviceToken: handler.functionArn,
    serviceTimeout: Duration.minutes(5),
    properties: {
      RuleSetName: ruleSetName,
      Replace: given.replaceRuleSet ? 'yes' : 'no',
      // A deploy of a changed configuration looks again whether ours is still the active one.
      ConfigVersion: given.settings.version,
    },
  });
}
