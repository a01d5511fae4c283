// Creators of the resources that run: functions, event source mappings, permissions, and schedules. Called by
// deploy.ts. A mapping or a schedule is only described here; deploy.ts starts it when the whole stack exists.

import { randomUUID } from 'node:crypto';
import { nextAfter, startSchedule } from '../eventbridge/schedules.ts';
import { type AsyncCalls, asyncCalls, isThrottled } from '../lambda/async-calls.ts';
import { type SourceQueue, startEventSource } from '../lambda/event-source.ts';
import { AwsError, type Caller } from '../world.ts';
import type { Boot, Creator } from './creator.ts';
import { numberOf, objectOf, oneOf, type Properties, textOf, understood } from './properties.ts';

const lambdaFunction: Creator = ({ name, properties }, boot) => {
  const { emulators, assembly } = boot;
  const { world, host } = emulators;
  understood(
    properties,
    [
      'FunctionName',
      'Code',
      'Handler',
      'Role',
      'Runtime',
      'MemorySize',
      'Timeout',
      'Environment',
      'ReservedConcurrentExecutions',
      'VpcConfig',
    ],
    ['Architectures', 'Description', 'LoggingConfig', 'RecursiveLoop', 'Tags', 'TracingConfig'],
  );
  oneOf(properties, 'Runtime', ['nodejs24.x']);
  if (properties.VpcConfig !== undefined) checkVpc(properties, boot);
  const functionName = textOf(properties, 'FunctionName', name);
  const arn = `arn:${world.partition}:lambda:${world.region}:${world.account}:function:${functionName}`;
  host.define({
    name: functionName,
    arn,
    roleArn: textOf(properties, 'Role'),
    folder: assembly.asset(textOf(objectOf(properties, 'Code'), 'S3Key')),
    handler: textOf(properties, 'Handler'),
    memoryMb: numberOf(properties, 'MemorySize') ?? 128,
    timeoutMs: ((numberOf(properties, 'Timeout') ?? 3) * 1000) / world.timeScale,
    environment: objectOf(objectOf(properties, 'Environment'), 'Variables') as Readonly<Record<string, string>>,
    reservedConcurrency: numberOf(properties, 'ReservedConcurrentExecutions'),
  });
  return { ref: functionName, attributes: { Arn: arn } };
};

/** It runs as every other function does; but Lambda asks for these permissions, in these words, when it makes one. */
function checkVpc(properties: Properties, { emulators: { world, iam }, notSimulated }: Boot): void {
  const vpc = objectOf(properties, 'VpcConfig');
  understood(vpc, ['SubnetIds', 'SecurityGroupIds'], ['Ipv6AllowedForDualStack']);
  const principal: Caller['principal'] = { kind: 'role', arn: textOf(properties, 'Role'), functionName: null };
  const ec2 = `arn:${world.partition}:ec2:${world.region}:${world.account}`;
  const subnets = (vpc.SubnetIds ?? []) as readonly string[];
  for (const [action, resource] of [
    ...subnets.map((id) => ['CreateNetworkInterface', `${ec2}:subnet/${id}`] as const),
    ['DescribeNetworkInterfaces', '*'] as const,
    ['DeleteNetworkInterface', `${ec2}:network-interface/eni-0`] as const,
  ]) {
    if (iam.authorize(principal, { action: `ec2:${action}`, resource }).kind === 'denied')
      throw new Error(`The provided execution role does not have permissions to call ${action} on EC2`);
  }
  notSimulated.add('VpcConfig of AWS::Lambda::Function');
}

/** Accepts only configurations without retries of asynchronous calls: rules here do not retry a failed function. */
const invokeConfig: Creator = ({ name, properties }, { emulators, eventAgesMs }) => {
  understood(properties, ['FunctionName', 'MaximumRetryAttempts', 'MaximumEventAgeInSeconds'], ['Qualifier']);
  if (numberOf(properties, 'MaximumRetryAttempts') !== 0)
    throw new Error('MaximumRetryAttempts other than 0 is not emulated');
  const seconds = numberOf(properties, 'MaximumEventAgeInSeconds');
  if (seconds !== null)
    eventAgesMs.set(textOf(properties, 'FunctionName'), (seconds * 1000) / emulators.world.timeScale);
  return { ref: name, attributes: {} };
};

const permission: Creator = ({ name, properties }, boot) => {
  understood(properties, ['Action', 'FunctionName', 'Principal', 'SourceArn', 'SourceAccount']);
  const arn = functionArn(boot, textOf(properties, 'FunctionName'));
  const policy = boot.policies.get(arn) ?? { Version: '2012-10-17', Statement: [] };
  const { SourceArn, SourceAccount } = properties;
  policy.Statement.push({
    Effect: 'Allow',
    Principal: { Service: textOf(properties, 'Principal') },
    Action: textOf(properties, 'Action'),
    Resource: arn,
    Condition: {
      ...(SourceArn === undefined ? {} : { ArnLike: { 'aws:SourceArn': SourceArn } }),
      ...(SourceAccount === undefined ? {} : { StringEquals: { 'aws:SourceAccount': SourceAccount } }),
    },
  });
  boot.policies.set(arn, policy);
  return { ref: name, attributes: {} };
};

function functionArn({ emulators: { world } }: Boot, nameOrArn: string): string {
  if (nameOrArn.startsWith('arn:')) return nameOrArn;
  return `arn:${world.partition}:lambda:${world.region}:${world.account}:function:${nameOrArn}`;
}

const mapping: Creator = ({ name, properties }, boot) => {
  const { world, iam, queues, host } = boot.emulators;
  understood(
    properties,
    [
      'EventSourceArn',
      'FunctionName',
      'BatchSize',
      'Enabled',
      'MaximumBatchingWindowInSeconds',
      'ScalingConfig',
      'FunctionResponseTypes',
    ],
    ['Tags'],
  );
  const functionName = textOf(properties, 'FunctionName').split(':').at(-1) ?? '';
  const definition = host.definition(functionName);
  const arn = textOf(properties, 'EventSourceArn');
  const queue = queues.find(arn.split(':').at(-1) ?? '');
  if (queue === undefined) throw new Error(`${arn} does not exist`);
  const by: Caller = { principal: { kind: 'role', arn: definition.roleArn, functionName } };
  for (const action of ['sqs:ReceiveMessage', 'sqs:DeleteMessage', 'sqs:GetQueueAttributes']) {
    const decision = iam.authorize(by.principal, { action, resource: arn });
    if (decision.kind === 'denied')
      throw new Error(`The function execution role does not have permissions to call ${action}: ${decision.message}`);
  }
  const visibilityMs = (queue.spec.visibilityTimeoutSeconds * 1000) / world.timeScale;
  if (visibilityMs < definition.timeoutMs)
    throw new Error(
      `the queue's visibility timeout of ${visibilityMs} ms is less than the function's timeout of ${definition.timeoutMs} ms`,
    );
  const batchSize = numberOf(properties, 'BatchSize') ?? 10;
  const windowMs = (numberOf(properties, 'MaximumBatchingWindowInSeconds') ?? 0) * 1000;
  if (batchSize > 10 && windowMs === 0) throw new Error('a batch above 10 needs a batching window');
  if (properties.Enabled !== false)
    boot.starters.push(() =>
      startEventSource({
        world,
        host,
        functionName,
        batchSize,
        windowMs,
        queue: sourceQueue(boot, arn, by),
        concurrencyMax: numberOf(objectOf(properties, 'ScalingConfig'), 'MaximumConcurrency'),
        reportsItemFailures: ((properties.FunctionResponseTypes ?? []) as readonly string[]).includes(
          'ReportBatchItemFailures',
        ),
      }),
    );
  return { ref: name, attributes: {} };
};

function sourceQueue({ emulators: { queues } }: Boot, arn: string, by: Caller): SourceQueue {
  return {
    arn,
    async receive(max) {
      const messages = await queues.receive(by, arn, { max, waitMs: 0 });
      return messages.map((it) => ({
        messageId: it.sqsMessageId,
        receiptHandle: it.receiptHandle,
        body: it.body,
        md5OfBody: it.md5OfBody,
        attributes: it.systemAttributes,
        messageAttributes: it.attributes ?? {},
      }));
    },
    async remove(receiptHandles) {
      const results = await queues.deleteBatch(
        by,
        arn,
        receiptHandles.map((receiptHandle, i) => ({ id: String(i), receiptHandle })),
      );
      const refused = results.find((it) => 'error' in it);
      if (refused !== undefined && 'error' in refused) throw refused.error;
    },
    onVisible: (callback) => queues.onMessage(arn, callback),
  };
}

type Target = {
  readonly Arn: string;
  readonly Id: string;
  readonly Input?: string;
  readonly RetryPolicy?: { readonly MaximumRetryAttempts?: number };
  readonly DeadLetterConfig?: { readonly Arn: string };
};

const rule: Creator = ({ name, properties }, boot) => {
  const { world, host, minutelyEveryMs } = boot.emulators;
  understood(properties, ['Name', 'ScheduleExpression', 'State', 'Targets'], ['Description', 'Tags']);
  const ruleName = textOf(properties, 'Name', name);
  const expression = textOf(properties, 'ScheduleExpression');
  nextAfter(expression); // throws now, not at the first due instant
  const arn = `arn:${world.partition}:events:${world.region}:${world.account}:rule/${ruleName}`;
  for (const target of (properties.Targets ?? []) as unknown as readonly Target[]) {
    if (!target.Arn.includes(':lambda:'))
      throw new Error(`a rule's target ${target.Arn} is not emulated: only functions are`);
    if (properties.State === 'DISABLED') continue;
    boot.starters.push(() => {
      const functionName = target.Arn.split(':').at(-1) ?? '';
      const eventAgeMsMax = boot.eventAgesMs.get(functionName) ?? EVENT_AGE_MS;
      const calls = asyncCalls({ world, host, functionName, eventAgeMsMax });
      const run = (due: number): Promise<void> => callTarget(boot, calls, arn, target, due);
      const schedule = startSchedule({ world, name: ruleName, expression, everyMs: minutelyEveryMs, run });
      return { stop: async () => void (await Promise.all([schedule.stop(), calls.stop()])) };
    });
  }
  return { ref: ruleName, attributes: { Arn: arn } };
};

/** Lambda keeps an asynchronous event for six hours, where the function says nothing. */
const EVENT_AGE_MS = 6 * 3_600_000;

/**
 * EventBridge retries an event that it may not hand to Lambda, then sends it to the target's dead-letter queue. A
 * throttled event is Lambda's: it has taken it.
 */
async function callTarget(boot: Boot, calls: AsyncCalls, ruleArn: string, target: Target, due: number): Promise<void> {
  const { world, queues } = boot.emulators;
  const event = JSON.stringify({
    version: '0',
    id: randomUUID(),
    'detail-type': 'Scheduled Event',
    source: 'aws.events',
    account: world.account,
    time: new Date(due).toISOString().replace(/\.\d+/, ''),
    region: world.region,
    resources: [ruleArn],
    detail: {},
  });
  const by: Caller = {
    principal: { kind: 'service', name: 'events.amazonaws.com' },
    context: { 'aws:sourcearn': ruleArn },
  };
  const functionName = target.Arn.split(':').at(-1) ?? '';
  const attempts = 1 + (target.RetryPolicy?.MaximumRetryAttempts ?? 185);
  for (let attempt = 1; ; attempt++) {
    const result = await calls.call(target.Input ?? event, by);
    if (result.kind === 'error') world.log(`${functionName}: ${result.errorType}: ${result.errorMessage}`);
    if (result.kind !== 'refused' || isThrottled(result)) return;
    if (attempt < Math.min(attempts, 3)) continue; // more would only repeat itself: nothing changes between them
    world.log(`${ruleArn} could not start ${functionName}: ${result.reason}`);
    break;
  }
  if (target.DeadLetterConfig === undefined) return;
  await queues.send(by, target.DeadLetterConfig.Arn, { body: target.Input ?? event }).catch((error: unknown) => {
    if (!(error instanceof AwsError)) throw error;
    world.log(`${ruleArn} could not reach its dead-letter queue: ${error.message}`);
  });
}

export const computeCreators: Readonly<Record<string, Creator>> = {
  'AWS::Events::Rule': rule,
  'AWS::Lambda::EventInvokeConfig': invokeConfig,
  'AWS::Lambda::EventSourceMapping': mapping,
  'AWS::Lambda::Function': lambdaFunction,
  'AWS::Lambda::Permission': permission,
};
