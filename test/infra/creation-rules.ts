// What CloudFormation, the services and the cdk command do when a stack's first creation fails: one line each, with its
// source. creation-model.ts plays them, and names the rule by which something was refused. A rule without a source
// would be a guess: none stands here.

const cloudFormation = 'https://docs.aws.amazon.com/AWSCloudFormation/latest';
const cli = 'aws-cdk 2.1148.1, lib/index.js';

export const creationRules = {
  'dependencies-first': {
    says: 'A resource is created after what it refers to or depends on, and deleted before it; all others in parallel',
    source: `${cloudFormation}/UserGuide/aws-attribute-dependson.html`,
  },
  'deletion-policy': {
    says: 'A rollback deletes what is made, but for Retain; RetainExceptOnCreate keeps it in every other operation alone',
    source: `${cloudFormation}/TemplateReference/aws-attribute-deletionpolicy.html`,
  },
  'only-deleted': {
    says: 'A stack in ROLLBACK_COMPLETE or ROLLBACK_FAILED can only be deleted',
    source: `${cloudFormation}/UserGuide/view-stack-events.html, stack status codes`,
  },
  'cdk-deletes-first': {
    says: 'cdk deploy deletes a stack in ROLLBACK_COMPLETE or ROLLBACK_FAILED, and gives up where that fails',
    source: `${cli}: isCreationFailure, FailedStackCleanupFailed`,
  },
  'cdk-protects-first': {
    says: 'cdk deploy sets termination protection before the change set runs, and a protected stack cannot be deleted',
    source: `${cli}: changeSetDeployment; issue aws-samples/aws-secure-environment-accelerator#253`,
  },
  'name-taken': {
    says: 'A resource with a name of its own is not created where one of that name exists',
    source: `${cloudFormation}/TemplateReference/aws-properties-name.html`,
  },
  'queue-name-rests': {
    says: 'The name of a deleted queue is free after 60 seconds',
    source: 'https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_DeleteQueue.html',
  },
  'five-addresses': {
    says: 'An account has five Elastic IP addresses in a region',
    source: 'https://docs.aws.amazon.com/vpc/latest/userguide/amazon-vpc-limits.html',
  },
  'bucket-not-empty': {
    says: 'A bucket that holds any object or version cannot be deleted',
    source: 'https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteBucket.html',
  },
  'table-protected': {
    says: 'A table with deletion protection cannot be deleted',
    source: 'https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/WorkingWithTables.Basics.html',
  },
  'active-rule-set': {
    says: 'The active receipt rule set cannot be deleted',
    source: 'https://docs.aws.amazon.com/ses/latest/APIReference/API_DeleteReceiptRuleSet.html',
  },
  'ses-tries-bucket': {
    says: 'SES writes AMAZON_SES_SETUP_NOTIFICATION into the bucket when a rule is made, and refuses one that it may not use',
    source: 'https://docs.aws.amazon.com/ses/latest/APIReference/API_CreateReceiptRule.html, InvalidS3Configuration',
  },
  'ses-tries-topic': {
    says: 'SES refuses a rule or an event destination whose topic it may not publish to',
    source: 'https://docs.aws.amazon.com/ses/latest/APIReference/API_CreateReceiptRule.html, InvalidSnsTopic',
  },
  's3-tries-queue': {
    says: 'S3 refuses a notification to a queue whose policy does not let it send',
    source: `${cloudFormation}/TemplateReference/aws-properties-s3-bucket-notificationconfiguration.html`,
  },
  'mapping-needs-role': {
    says: "Lambda refuses a mapping where the function's role may not receive from the queue",
    source: 'https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html, execution role permissions',
  },
  'vpc-needs-role': {
    says: 'Lambda refuses a function in a VPC where its role may not make interfaces: it makes them by that role',
    source: 'https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html, required IAM permissions',
  },
  'interfaces-linger': {
    says: "Interfaces go up to 20 minutes after their function, by the function's role, and hold subnets and groups",
    source:
      'https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html; issues aws/aws-cdk#34400, ' +
      'aws-solutions/virtual-waiting-room-on-aws#106, go-to-k/delstack#637',
  },
  'deletion-waits': {
    says: 'The deletion of a function waits for its interfaces, if the deploying role may ec2:DescribeNetworkInterfaces',
    source: `${cloudFormation}/TemplateReference/aws-properties-lambda-function-vpcconfig.html`,
  },
  'log-group-again': {
    says: 'A function that still runs makes its deleted log group again, if its role may logs:CreateLogGroup',
    source: 'https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-loggroups.html',
  },
  'custom-resource-deleted': {
    says: 'A custom resource is sent Delete by a rollback, even where its creation failed; its function must still answer',
    source: `${cloudFormation}/UserGuide/crpg-ref-requesttypes-delete.html; pull request aws/aws-cdk#5525`,
  },
} as const;
export type RuleId = keyof typeof creationRules;

/** What we ask of a failed first deploy beyond that it can be repeated: docs/decisions/failed-first-deploy.md. */
export type Demand = 'no-mail-before-the-last-resource' | 'nothing-else-stays';

export type Refusal = { readonly by: RuleId | Demand; readonly at: string };
