// Every finding of cdk-nag that we do not follow: constructs, rule and reason. Called by synthesise.ts. A finding that
// is not listed here fails `npm run synth`. An entry without a finding fails a test.

import { type Stack, Validations } from 'aws-cdk-lib';
import { isCalledHourly } from '#config/hop-secrets.ts';
import type { Settings } from '#config/settings.ts';
import { sendsBySes } from '#core/message/ses-use.ts';
import { usesSrs } from '#core/routing/return-path.ts';
import { submitterOutput } from '#core/submission/submission.ts';
import { relayPlaced } from './relay-lists.ts';
import { contentPrefixes, hasSubmitters } from './spool.ts';
import { submissionPatterns } from './submission.ts';

export type Reason = { readonly rule: string; readonly at: readonly string[]; readonly reason: string };

const stageFunctions = ['Ingest/Function', 'Relay/Function', 'Feedback/Function'];
const stageQueues = ['Ingest', 'Relay', 'SlowRelay', 'Feedback'];
const stageDeadLetters = stageQueues.map((stage) => `${stage}/DeadLetters`);
const otherDeadLetters = [
  'Sweep/DeadLetters',
  'Orphans/DeadLetters',
  'Purge/DeadLetters',
  'FrontDoor/ReceiptDeadLetters',
];

/** Of the stack that the settings make. */
export function nagReasons(settings: Settings): readonly Reason[] {
  return [
    ...always,
    ...forPeople(settings),
    ...settings.alarms.email.map(subscribed),
    ...(sendsBySes(settings) ? [...withSes, ...ofIdentities(settings)] : []),
    ...(usesSrs(settings) ? withSrs : []),
    ...(hasSubmitters(settings) ? withSubmitters(settings) : []),
    ...(settings.network === null ? [] : inVpc),
    ...(isCalledHourly(settings) ? calledHourly : []),
    ...(settings.network?.create ? madeVpc : []),
  ];
}

/** infra/operators.ts. */
function forPeople(settings: Settings): readonly Reason[] {
  return [
    {
      rule: 'AwsSolutions-IAM5[Resource::*]',
      at: ['Operators/Reader'],
      reason:
        'CloudWatch and Logs know no resource of these reads: metrics, lists of alarms and dashboards, the result of a query. They show names and ' +
        'figures; a query itself is granted on the log groups of this stack alone.',
    },
    {
      rule: 'AwsSolutions-IAM5[Resource::<LedgerTable.Arn>/index/*]',
      at: ['Operators/Reader'],
      reason: 'Who may read the whole ledger may read it by each of its indexes. They are read only.',
    },
    {
      rule: `AwsSolutions-IAM5[Resource::${identities}*]`,
      at: ['Operators/Reader'],
      reason:
        '`everpost dns` asks SES what it knows of each domain of the configuration, and of some there is no identity yet. It is GetEmailIdentity ' +
        'alone, which shows public DNS names.',
    },
    {
      rule: 'AwsSolutions-IAM5[Resource::<LedgerTable.Arn>-restored*]',
      at: ['Operators/Operator'],
      reason:
        '`everpost restore` reads a table to which the ledger was restored. Its name is given then; it begins with that of the ledger. It is read only.',
    },
    ...contentPrefixes(settings).map((prefix) => ({
      rule: `AwsSolutions-IAM5[Resource::<SpoolBucket.Arn>/${prefix}*]`,
      at: ['Operators/Operator'],
      reason:
        'An operator looks at whichever message is asked about, and nobody knows which before. It is reading alone.',
    })),
  ];
}

/** Of `alarms.email`. The construct's id is the address. */
function subscribed(address: string): Reason {
  return {
    rule: 'Serverless-SNSRedrivePolicy',
    at: [`Watch/Alarms/${address}`],
    reason:
      'It is a mail to a person. SNS tries again where the mailbox does not take it, and the alarm stands in CloudWatch and on the dashboard until its ' +
      'cause is gone; a queue of old alarms would have no reader.',
  };
}
const identities = 'arn:<AWS::Partition>:ses:<AWS::Region>:<AWS::AccountId>:identity/';

const always: readonly Reason[] = [
  {
    rule: 'AwsSolutions-SMG4',
    at: ['Marks/Secret'],
    reason:
      'A new value is one command (docs/runbook: rotating the secret of marks), and only the value before it stays good: rotated by a clock, marks of ' +
      'mail and notices that are still under way would be forgotten.',
  },
  {
    rule: 'AwsSolutions-S1',
    at: ['Spool/Bucket'],
    reason:
      'Access logs would be a second record of who writes to whom, for as long as somebody remembers to delete it. The ledger is the record of what ' +
      'happened to each message; who read an object is for CloudTrail data events, which an operator switches on for the account.',
  },
  {
    rule: 'AwsSolutions-IAM5[Resource::<SpoolBucket.Arn>/in/*]',
    at: ['Ingest/Role', 'Relay/Role', 'Feedback/Role', 'Orphans/Role'],
    reason:
      'Each message is an object of its own below in/, and any of them may be next. It is GetObject alone: no write, no delete.',
  },
  {
    rule: 'AwsSolutions-IAM5[Resource::<SpoolBucket.Arn>/in/*]',
    at: ['Purge/Role'],
    reason:
      'Any message below in/ may be the next to have had its retention. It is DeleteObject alone: no read, and no version.',
  },
  {
    rule: 'AwsSolutions-IAM5[Resource::*]',
    at: ['FrontDoor/Activation/Role'],
    reason:
      "SES's DescribeActiveReceiptRuleSet and SetActiveReceiptRuleSet know no resource: there is one active rule set in an account and region.",
  },
  {
    rule: 'Serverless-LambdaStarPermissions',
    at: ['FrontDoor/Activation/Role'],
    reason:
      "SES's DescribeActiveReceiptRuleSet and SetActiveReceiptRuleSet know no resource: there is one active rule set in an account and region.",
  },
  ...['AwsSolutions-IAM5[Resource::*]', 'Serverless-LambdaStarPermissions'].map((rule) => ({
    rule,
    at: ['Sweep/Role'],
    reason:
      "SES's DescribeActiveReceiptRuleSet, ListEmailIdentities, GetIdentityDkimAttributes and GetAccount know no resource: they tell " +
      'what an account and region is set up for, and change nothing.',
  })),
  {
    rule: 'AwsSolutions-SQS3',
    at: otherDeadLetters,
    reason:
      'It is itself a dead-letter queue, of an SNS subscription or an EventBridge target, which the rule does not look for.',
  },
  {
    rule: 'Serverless-SQSRedrivePolicy',
    at: [...stageDeadLetters, ...otherDeadLetters],
    reason: 'It is itself a dead-letter queue: nobody consumes it, and an alarm calls a person at the first message.',
  },
  {
    rule: 'AwsSolutions-SNS3',
    at: ['FrontDoor/Receipts', 'Watch/Alarms'],
    reason:
      'Its policy lets one AWS service publish and nobody else, so there is no publisher whom a Deny on plain HTTP would stop; whether SES and ' +
      'CloudWatch always pass that condition is not documented, and a receipt that cannot be published is mail that stands still.',
  },
  {
    rule: 'Serverless-LambdaDLQ',
    at: [...stageFunctions, 'FrontDoor/Activation/Function'],
    reason:
      'A dead-letter target is for asynchronous calls. SQS calls the stages and keeps its own dead-letter queue; CloudFormation hears every answer.',
  },
  {
    rule: 'Serverless-LambdaDLQ',
    at: ['Sweep/Function', 'Orphans/Function', 'Purge/Function'],
    reason:
      'A run that failed holds nothing: the next one does the same work. Errors and an overdue run have their alarms.',
  },
  {
    rule: 'Serverless-LambdaAsyncFailureDestination',
    at: ['Sweep/Function/EventInvokeConfig', 'Orphans/Function/EventInvokeConfig', 'Purge/Function/EventInvokeConfig'],
    reason:
      'A run that failed holds nothing: the next one does the same work. Errors and an overdue run have their alarms.',
  },
  {
    rule: 'Serverless-LambdaEventSourceMappingDestination',
    at: stageQueues.map((stage) => `${stage}/Mapping`),
    reason: 'Such a destination is for streams; a mapping of SQS has none. The queue has its dead-letter queue.',
  },
  {
    rule: 'Serverless-LambdaTracing',
    at: [...stageFunctions, 'Sweep/Function', 'Orphans/Function', 'Purge/Function', 'FrontDoor/Activation/Function'],
    reason:
      "The ledger holds each delivery's trace with the latency's parts; X-Ray would sample some of them, cost a call each and keep them for 30 days.",
  },
];

/** Of resources that exist only where mail is sent by SES. */
const withSes: readonly Reason[] = [
  {
    rule: 'AwsSolutions-SQS3',
    at: ['SesFeedback/EventDeadLetters'],
    reason: 'It is itself a dead-letter queue, of an SNS subscription, which the rule does not look for.',
  },
  {
    rule: 'Serverless-SQSRedrivePolicy',
    at: ['SesFeedback/EventDeadLetters'],
    reason: 'It is itself a dead-letter queue: nobody consumes it, and an alarm calls a person at the first message.',
  },
  {
    rule: 'AwsSolutions-SNS3',
    at: ['SesFeedback/Events'],
    reason:
      'Its policy lets SES publish and nobody else, so there is no publisher whom a Deny on plain HTTP would stop; whether SES always passes ' +
      'that condition is not documented, and an event that cannot be published is a failure that nobody hears of.',
  },
];

/** Each pattern in relay's permissions to send, where it stands. */
function ofIdentities(settings: Settings): Reason[] {
  const { inline, managed } = relayPlaced(settings);
  const lists = [
    ...inline.map((list) => ({ ...list, at: 'Relay/Role' })),
    ...managed.map((list) => ({ ...list, at: `Relay/${list.policyId}` })),
  ];
  const sending = lists.filter(({ actions }) => actions.some((action) => action.startsWith('ses:')));
  return sending.flatMap(({ names, at }) =>
    names
      .filter((name) => name.includes('*'))
      .map((name) => ({
        rule: `AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:ses:<AWS::Region>:<AWS::AccountId>:identity/${name}]`,
        at: [at],
        reason:
          'SES asks for the permission on the most specific identity that it knows of an address: an address or sub-domain of a domain of ours that has ' +
          'one of its own is another ARN, and a send without it is refused. Only more domains than policies can name are one pattern for all.',
      })),
  );
}

/** Of resources that exist only where an action uses SRS. */
const withSrs: readonly Reason[] = [
  {
    rule: 'AwsSolutions-SMG4',
    at: ['Srs/Secret'],
    reason:
      'A new value is one command (docs/runbook: rotating the secret of SRS), and only the value before it stays good: rotated by a clock, two ' +
      'rotations within three weeks would make addresses that are still out there forgeries.',
  },
];

function withSubmitters({ submitters }: Settings): Reason[] {
  return [
    {
      rule: 'AwsSolutions-IAM5[Resource::<SpoolBucket.Arn>/out/*]',
      at: ['Ingest/Role', 'Relay/Role'],
      reason:
        'Each message is an object of its own below out/, and any of them may be next. It is GetObject alone: no list, no write, no delete.',
    },
    {
      rule: 'AwsSolutions-IAM5[Resource::<SpoolBucket.Arn>/out/*]',
      at: ['Purge/Role'],
      reason:
        'Any submission below out/ may be the next to have had its retention. It is DeleteObject alone: no read, and no version.',
    },
    ...Object.keys(submitters).flatMap((submitter) =>
      submissionPatterns(submitter).map((pattern) => ({
        rule: `AwsSolutions-IAM5[Resource::<SpoolBucket.Arn>/${pattern}]`,
        at: [`Submission/${submitterOutput(submitter)}`],
        reason:
          'A submitter names its messages itself, below a prefix of its own. It is PutObject alone, of content and envelopes alone, and never over what is there.',
      })),
    ),
  ];
}

const interfacesReason =
  'Lambda makes and removes the network interfaces of a function by its role. DescribeNetworkInterfaces and DescribeSubnets know no resource; ids of ' +
  "interfaces are not known before they exist, and a shared subnet is another account's. A Deny in the same role forbids all six to the code of any " +
  "function: Lambda's own calls alone come without lambda:SourceFunctionArn.";

/** Of relay in a VPC. */
const inVpc: readonly Reason[] = [
  { rule: 'AwsSolutions-IAM5[Resource::*]', at: ['Relay/Role'], reason: interfacesReason },
  {
    rule: 'AwsSolutions-IAM5[Resource::arn:<AWS::Partition>:ec2:<AWS::Region>:*:*/*]',
    at: ['Relay/Role'],
    reason: interfacesReason,
  },
  { rule: 'Serverless-LambdaStarPermissions', at: ['Relay/Role'], reason: interfacesReason },
];

/** Of the hourly call of relay. */
const calledHourly: readonly Reason[] = [
  {
    rule: 'AwsSolutions-SQS3',
    at: ['Relay/KeepAlive/DeadLetters'],
    reason: 'It is itself a dead-letter queue, of an EventBridge target, which the rule does not look for.',
  },
  {
    rule: 'Serverless-SQSRedrivePolicy',
    at: ['Relay/KeepAlive/DeadLetters'],
    reason: 'It is itself a dead-letter queue: nobody consumes it, and an alarm calls a person at the first message.',
  },
  {
    rule: 'Serverless-LambdaAsyncFailureDestination',
    at: ['Relay/Function/EventInvokeConfig'],
    reason:
      'The only asynchronous call is the hourly one, which handles no mail. The next one makes a failed one good, and Errors has its alarm.',
  },
];

/** Of a VPC that the stack makes. */
const madeVpc: readonly Reason[] = [
  {
    rule: 'AwsSolutions-VPC7',
    at: ['Network/Vpc'],
    reason:
      'Relay alone is in it, and the ledger has every attempt with its host and its end. Flow logs would be a second record of who writes to whom, ' +
      'for 0.50 dollars a GB; an operator who needs them switches them on for the VPC that the output NetworkVpc names.',
  },
];

/** Notes each reason at its constructs. Throws where a path names none: a reason must not outlive its finding. */
export function acknowledge(stack: Stack, settings: Settings): void {
  for (const { at, rule, reason } of nagReasons(settings)) {
    for (const path of at) Validations.of(constructAt(stack, path)).acknowledge({ id: rule, reason });
  }
}

function constructAt(stack: Stack, path: string): Stack['node']['children'][number] {
  let found: Stack['node']['children'][number] | undefined = stack;
  for (const id of path.split('/')) found = found?.node.tryFindChild(id);
  if (found === undefined) throw new Error(`infra/nag-reasons.ts: there is no construct ${path}`);
  return found;
}
