// Creates the resources of a template on the emulators, one creator for each resource type. Called by aws.ts. A
// resource type or a property that no creator knows throws an error that names it: nothing of the template is ignored.
// Event source mappings and schedules start when the whole stack exists.

import { createHash } from 'node:crypto';
import { comparisons, statistics } from '../cloudwatch/cloudwatch.ts';
import type { TableProperties } from '../dynamodb/tables.ts';
import { secretArn } from '../secrets/secrets-manager.ts';
import type { World } from '../world.ts';
import { computeCreators } from './compute.ts';
import type { Boot, Creator, Makers } from './creator.ts';
import { applyCustomResource } from './custom-resource.ts';
import { mailCreators } from './mail.ts';
import { networkCreators } from './network.ts';
import { objectOf, oneOf, type Properties, textOf, understood } from './properties.ts';
import { type Assembly, type Created, creationOrder, type Json, resolve, resolveText, type Scope } from './template.ts';

export type Deployed = {
  readonly created: ReadonlyMap<string, Created>;
  readonly outputs: Readonly<Record<string, string>>;
  /** Stops event source mappings and schedules; resolves when the work in progress has ended. */
  stop(): Promise<void>;
};

/**
 * Creates every resource in the order of its dependencies, then starts event source mappings and schedules. Throws with
 * the resource's name.
 */
export async function deploy(assembly: Assembly, emulators: Makers, stackId: string): Promise<Deployed> {
  const { world, iam } = emulators;
  const boot: Boot = {
    emulators,
    assembly,
    stackId,
    policies: new Map(),
    roles: new Map(),
    eventAgesMs: new Map(),
    starters: [],
    receiptRules: new Set(),
    notSimulated: new Set(),
  };
  iam.addResourcePolicies((arn) => policyOf(boot.policies, arn) ?? emulators.topics.defaultPolicyOf(arn));
  const created = new Map<string, Created>();
  const scope: Scope = {
    template: assembly.template,
    pseudo: pseudoParameters(world, assembly.stackName, stackId),
    created,
  };
  for (const logicalId of creationOrder(scope)) {
    const { Type: type, Properties: given = {} } = assembly.template.Resources[logicalId] ?? { Type: 'none' };
    const creator = type.startsWith('Custom::') ? custom : creators[type];
    if (creator === undefined) throw new Error(`${logicalId}: the resource type ${type} is not emulated`);
    const properties = resolve(given, scope, `${logicalId} (${type})`) as Properties;
    const name = physicalName(assembly.stackName, logicalId);
    try {
      created.set(logicalId, await creator({ logicalId, type, properties, name }, boot));
    } catch (error) {
      throw new Error(`${logicalId} (${type}): ${error instanceof Error ? error.message : String(error)}`, {
        cause: error,
      });
    }
  }
  if (boot.notSimulated.size > 0)
    world.log(
      `accepted and not simulated: ${[...boot.notSimulated].sort().join(', ')}; functions reach what this machine reaches`,
    );
  emulators.receiptRules.retain(boot.receiptRules);
  const running = boot.starters.map((start) => start());
  const outputs = Object.entries(assembly.template.Outputs ?? {}).map(
    ([name, { Value }]) => [name, resolveText(Value, scope, `output ${name}`)] as const,
  );
  return {
    created,
    outputs: Object.fromEntries(outputs),
    stop: async () => void (await Promise.all(running.map((it) => it.stop()))),
  };
}

function pseudoParameters(world: World, stackName: string, stackId: string): Readonly<Record<string, string>> {
  return {
    'AWS::AccountId': world.account,
    'AWS::Region': world.region,
    'AWS::Partition': world.partition,
    'AWS::URLSuffix': 'amazonaws.com',
    'AWS::StackName': stackName,
    'AWS::StackId': stackId,
  };
}

/** The name of a resource without one, as in CloudFormation, but the same at each start: its state is found by it. */
function physicalName(stackName: string, logicalId: string): string {
  const name = `${stackName}-${logicalId}`;
  if (name.length <= 63) return name; // role names have 64 letters, bucket names 63
  return `${name.slice(0, 50)}-${createHash('sha256').update(name).digest('hex').slice(0, 12)}`;
}

/** The policy of an object is its bucket's: the ARN up to the first slash. */
function policyOf(policies: Boot['policies'], arn: string): unknown {
  return (
    policies.get(arn) ?? (arn.startsWith('arn:aws:s3:::') ? policies.get(arn.split('/')[0] ?? arn) : undefined) ?? null
  );
}

/** Without effect here: they cost, label or keep things, and nothing that runs asks for them. */
const withoutEffect: Creator = ({ name }, { emulators: { world } }) => ({
  ref: name,
  attributes: { Arn: `arn:${world.partition}:logs:${world.region}:${world.account}:log-group:${name}:*` },
});

const custom: Creator = async ({ logicalId, type, properties }, { emulators, stackId }) => {
  const { world, host, responses, customResources: table } = emulators;
  return applyCustomResource({ world, host, responses, table, stackId }, { logicalId, type, properties });
};

const role: Creator = ({ name: given, properties }, boot) => {
  const { world } = boot.emulators;
  understood(
    properties,
    ['AssumeRolePolicyDocument', 'Policies', 'ManagedPolicyArns', 'RoleName'],
    ['Description', 'Tags', 'Path', 'MaxSessionDuration'],
  );
  const name = textOf(properties, 'RoleName', given);
  const arn = `arn:${world.partition}:iam::${world.account}:role/${name}`;
  const inline = (properties.Policies ?? []) as readonly { readonly PolicyDocument: Json }[];
  const attached = ((properties.ManagedPolicyArns ?? []) as readonly string[]).map((policyArn) => {
    const document = boot.emulators.iam.managedPolicy(policyArn);
    if (document === null) throw new Error(`${policyArn} is no managed policy of the template`);
    return document as Json;
  });
  const documents = [...inline.map((it) => it.PolicyDocument), ...attached];
  boot.roles.set(name, documents);
  boot.emulators.iam.setRole(arn, documents);
  return { ref: name, attributes: { Arn: arn, RoleId: `AROA${name}` } };
};

const policy: Creator = ({ name, properties }, boot) => {
  const { world, iam } = boot.emulators;
  understood(properties, ['PolicyDocument', 'Roles'], ['PolicyName']);
  for (const roleName of properties.Roles as readonly string[]) {
    const documents = [...(boot.roles.get(roleName) ?? []), properties.PolicyDocument ?? null];
    boot.roles.set(roleName, documents);
    iam.setRole(`arn:${world.partition}:iam::${world.account}:role/${roleName}`, documents);
  }
  return { ref: name, attributes: {} };
};

/**
 * A role may have it. No role here has a submitter's policy, because a submission with the operator's credentials needs
 * none. A test may ask for its document.
 */
const managedPolicy: Creator = ({ name, properties }, { emulators: { world, iam } }) => {
  understood(properties, ['PolicyDocument', 'ManagedPolicyName'], ['Description', 'Path']);
  const arn = `arn:${world.partition}:iam::${world.account}:policy/${textOf(properties, 'ManagedPolicyName', name)}`;
  iam.setManagedPolicy(arn, properties.PolicyDocument);
  return { ref: arn, attributes: { PolicyArn: arn } };
};

const table: Creator = async ({ name, properties }, { emulators: { tables } }) => {
  const { arn } = await tables.create({
    ...(properties as unknown as TableProperties),
    TableName: textOf(properties, 'TableName', name),
  });
  return { ref: textOf(properties, 'TableName', name), attributes: { Arn: arn } };
};

const alarm: Creator = ({ name, properties }, { emulators: { cloudWatch, world } }) => {
  understood(
    properties,
    [
      'AlarmName',
      'MetricName',
      'Namespace',
      'Dimensions',
      'Statistic',
      'Period',
      'EvaluationPeriods',
      'DatapointsToAlarm',
      'Threshold',
      'ComparisonOperator',
      'TreatMissingData',
      'AlarmActions',
      'AlarmDescription',
      'ActionsEnabled',
    ],
    ['Unit', 'Tags'],
  );
  const alarmName = textOf(properties, 'AlarmName', name);
  const evaluationPeriods = Number(properties.EvaluationPeriods);
  const dimensions = (properties.Dimensions ?? []) as readonly { readonly Name: string; readonly Value: string }[];
  const arn = `arn:${world.partition}:cloudwatch:${world.region}:${world.account}:alarm:${alarmName}`;
  const actions = (properties.AlarmActions ?? []) as readonly string[];
  cloudWatch.addAlarm({
    name: alarmName,
    arn,
    description: properties.AlarmDescription === undefined ? null : textOf(properties, 'AlarmDescription'),
    actions: properties.ActionsEnabled === false ? [] : actions,
    metric: {
      namespace: textOf(properties, 'Namespace'),
      name: textOf(properties, 'MetricName'),
      dimensions: Object.fromEntries(dimensions.map((it) => [it.Name, it.Value])),
    },
    statistic: oneOf(properties, 'Statistic', statistics),
    periodMs: Number(properties.Period) * 1000,
    evaluationPeriods,
    datapointsToAlarm: Number(properties.DatapointsToAlarm ?? evaluationPeriods),
    comparison: oneOf(properties, 'ComparisonOperator', comparisons),
    threshold: Number(properties.Threshold),
    treatMissingData: oneOf(properties, 'TreatMissingData', ['missing', 'breaching', 'notBreaching', 'ignore']),
  });
  return { ref: alarmName, attributes: { Arn: arn } };
};

const LETTERS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789';

/** One whose value is made here: of letters and digits, so that nothing need be known of AWS's punctuation. */
const secret: Creator = ({ name: given, properties }, { emulators: { secrets, world } }) => {
  understood(properties, ['Name', 'GenerateSecretString'], ['Description', 'Tags']);
  const generate = objectOf(properties, 'GenerateSecretString');
  understood(generate, ['PasswordLength', 'ExcludePunctuation']);
  if (generate.ExcludePunctuation !== true) throw new Error('GenerateSecretString needs ExcludePunctuation here');
  const name = textOf(properties, 'Name', given);
  secrets.create(name, Number(generate.PasswordLength ?? 32), LETTERS);
  const arn = secretArn(world, name);
  return { ref: arn, attributes: { Id: arn } };
};

const creators: Readonly<Record<string, Creator>> = {
  ...mailCreators,
  ...computeCreators,
  ...networkCreators,
  'AWS::CloudFormation::CustomResource': custom,
  'AWS::CloudWatch::Alarm': alarm,
  'AWS::DynamoDB::Table': table,
  'AWS::IAM::ManagedPolicy': managedPolicy,
  'AWS::IAM::Policy': policy,
  'AWS::IAM::Role': role,
  'AWS::SecretsManager::Secret': secret,
  'AWS::CDK::Metadata': withoutEffect,
  'AWS::CloudWatch::Dashboard': withoutEffect,
  'AWS::Logs::LogGroup': withoutEffect,
  'AWS::Logs::QueryDefinition': withoutEffect,
};
