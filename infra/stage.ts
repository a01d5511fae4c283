// A stage of the pipeline: its queue with a dead-letter queue, its function, and the mapping between the two. Also a
// plain function with a role of its own, for sweep, orphans, purge and activation. Called by the files of the parts. It
// never grants a permission that its caller did not name.

import { Aws, Duration, RemovalPolicy } from 'aws-cdk-lib';
import { Effect, ManagedPolicy, PolicyDocument, PolicyStatement, Role, ServicePrincipal } from 'aws-cdk-lib/aws-iam';
import {
  Architecture,
  type CfnFunction,
  Code,
  EventSourceMapping,
  Function as LambdaFunction,
  RecursiveLoop,
  Runtime,
} from 'aws-cdk-lib/aws-lambda';
import { LogGroup, type RetentionDays } from 'aws-cdk-lib/aws-logs';
import { Queue, QueueEncryption } from 'aws-cdk-lib/aws-sqs';
import type { Construct, IConstruct, IDependable } from 'constructs';
import { logRetentionDays, maxReceiveCount, queueRetentionMs } from '#core/limits.ts';
import { type GrantList, placed } from './grant-list.ts';

export type StageQueue = { readonly queue: Queue; readonly deadLetters: Queue };

/**
 * The queue that feeds a stage, with its dead-letter queue. `visibilityMs` is six function timeouts. After
 * `receivesMax` receives a message is dead-lettered.
 *
 * No resource has a name of its own: CloudFormation makes it of the stack, the part, the kind and some letters
 * (`Everpost-RelayDeadLetters…`), so that a list shows what belongs together, and a stack can be made again beside what
 * an earlier one left behind.
 */
export function stageQueue(scope: Construct, visibilityMs: number, receivesMax = maxReceiveCount): StageQueue {
  // It does not name its source: that queue is made after it, and no document says that SQS takes an ARN of a queue
  // that does not exist.
  const deadLetters = restQueue(scope, 'DeadLetters');
  const queue = new Queue(scope, 'Queue', {
    ...KEPT,
    visibilityTimeout: Duration.millis(visibilityMs),
    deadLetterQueue: { queue: deadLetters, maxReceiveCount: receivesMax },
  });
  return { queue, deadLetters };
}

/**
 * Kept when the stack is deleted, and deleted when its creation fails: until the last resource stands, no mail is in it
 * (docs/decisions/failed-first-deploy.md).
 */
export const outlivesStack = RemovalPolicy.RETAIN_ON_UPDATE_OR_DELETE;

// SSE-SQS costs nothing, needs no grants and cannot be misconfigured into losing messages (aws-contracts §4.6).
const KEPT = {
  encryption: QueueEncryption.SQS_MANAGED,
  enforceSSL: true,
  retentionPeriod: Duration.millis(queueRetentionMs),
  removalPolicy: outlivesStack,
} as const;

/** A queue that no function consumes: its messages wait for a person, and an alarm is raised at the first one. */
export function restQueue(scope: Construct, id: string): Queue {
  return new Queue(scope, id, KEPT);
}

/** What a function needs to run in the VPC. */
export type Place = {
  readonly subnetIds: readonly string[];
  readonly securityGroupIds: readonly string[];
  readonly may: readonly PolicyStatement[];
  /** Resources that must exist before the function is called: its routes to AWS and the Internet. */
  readonly ready: readonly IDependable[];
  /** What cannot be deleted while the function's network interfaces stand in it. */
  readonly occupied: readonly IConstruct[];
};

export type FunctionPlan = {
  /** The folder of its bundle: index.js, and config.json where it reads the settings. */
  readonly folder: string;
  readonly timeoutMs: number;
  readonly memoryMb: number;
  readonly environment: Readonly<Record<string, string>>;
  readonly may: readonly PolicyStatement[];
  /** Permissions on as many resources as the configuration has. */
  readonly lists?: readonly GrantList[];
  readonly description: string;
  /** The VPC in which it runs; without it, none. */
  readonly place?: Place | null;
  /** Calls at once that are reserved for it, and its most; null: none, and no limit of its own. */
  readonly reserved?: number | null;
};

/** A function that may do what `may` lists and write its own log, and nothing else. */
export function ownFunction(scope: Construct, plan: FunctionPlan): LambdaFunction {
  const logGroup = new LogGroup(scope, 'Log', {
    retention: logRetentionDays as RetentionDays,
    removalPolicy: outlivesStack,
  });
  const { inline, managed } = placed(plan.lists ?? []);
  const role = new Role(scope, 'Role', {
    assumedBy: new ServicePrincipal('lambda.amazonaws.com'),
    description: plan.description,
    // Whole with the role itself, which CloudFormation makes after the managed ones: a function never starts with half
    // of its permissions.
    inlinePolicies: {
      Own: new PolicyDocument({
        statements: [
          may(['logs:CreateLogStream', 'logs:PutLogEvents'], logGroup.logGroupArn), // ends in :*, its streams
          ...plan.may,
          ...(plan.place?.may ?? []),
          ...inline.map(statementOf),
        ],
      }),
    },
    managedPolicies: managed.map(
      (list) => new ManagedPolicy(scope, list.policyId, { statements: [statementOf(list)] }),
    ),
  });
  const made = new LambdaFunction(scope, 'Function', {
    description: plan.description,
    code: Code.fromAsset(plan.folder),
    handler: 'index.handler',
    runtime: Runtime.NODEJS_24_X,
    architecture: Architecture.ARM_64,
    timeout: Duration.millis(plan.timeoutMs),
    memorySize: plan.memoryMb,
    environment: plan.environment,
    role,
    logGroup,
    ...(plan.reserved == null ? {} : { reservedConcurrentExecutions: plan.reserved }),
    // Lambda would cut a chain off after 16 hops and dead-letter its mail. Our own loop limit ends it earlier, with an
    // NDR (DESIGN §2.14).
    recursiveLoop: RecursiveLoop.ALLOW,
  });
  if (plan.place) {
    putInto(made, plan.place);
    // Lambda removes the interfaces by the function's role, up to 20 minutes after the function is deleted. So the role
    // is deleted last (Lambda developer guide, "Giving Lambda functions access to resources in an Amazon VPC").
    for (const occupied of plan.place.occupied) occupied.node.addDependency(role);
  }
  return made;
}

/** By ids: CDK's own way wants the zone and the route table of each subnet, and grants more than is used. */
function putInto(made: LambdaFunction, { subnetIds, securityGroupIds, ready }: Place): void {
  const resource = made.node.defaultChild as CfnFunction;
  resource.vpcConfig = { subnetIds: [...subnetIds], securityGroupIds: [...securityGroupIds] };
  made.node.addDependency(...ready);
}

function statementOf({ actions, names, service, kind }: GrantList): PolicyStatement {
  const start = `arn:${Aws.PARTITION}:${service}:${Aws.REGION}:${Aws.ACCOUNT_ID}:${kind}`;
  return may(actions, ...names.map((name) => `${start}${name}`));
}

export function may(actions: readonly string[], ...resources: readonly string[]): PolicyStatement {
  return new PolicyStatement({ effect: Effect.ALLOW, actions: [...actions], resources: [...resources] });
}

export type Stage = StageQueue & { readonly function: LambdaFunction };

/** `batch` records at most in one call, `concurrency` calls at once. */
type Pace = { readonly batch: number; readonly concurrency: number };

/**
 * Lets the stage's function consume its queue. Of `others` it may consume too; their own constructs make the mappings.
 */
export function stage(
  scope: Construct,
  queues: StageQueue,
  plan: FunctionPlan,
  pace: Pace,
  others: readonly StageQueue[] = [],
): Stage {
  const handler = ownFunction(scope, { ...plan, may: [consumeFrom(queues, ...others), ...plan.may] });
  feed(scope, queues, handler, pace);
  return { ...queues, function: handler };
}

/** What an event source mapping needs, and no more (Lambda: the execution role's permissions for SQS). */
function consumeFrom(...queues: readonly StageQueue[]): PolicyStatement {
  const actions = ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes'];
  return may(actions, ...queues.map(({ queue }) => queue.queueArn));
}

/** The mapping between a queue and a function that may consume it. */
export function feed(scope: Construct, { queue }: StageQueue, target: LambdaFunction, pace: Pace): void {
  new EventSourceMapping(scope, 'Mapping', {
    target,
    eventSourceArn: queue.queueArn,
    batchSize: pace.batch,
    reportBatchItemFailures: true,
    // On the mapping: reserved concurrency of the function would receive jobs that it cannot run, up to the dead-letter
    // queue (aws-contracts §4.2).
    maxConcurrency: pace.concurrency,
  });
}
