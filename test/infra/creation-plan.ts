// What the model of creations knows of a template: what each resource needs, and its name and properties in a creation,
// which has a stack id of its own. Called by creation-model.ts. Names that the template does not give are made as
// CloudFormation makes them: another one in each creation.

import { creationOrder, dependencies, type Json, resolve, type Template } from '#aws-local/cloudformation/template.ts';
import type { Thing } from './creation-account.ts';
import type { Synthesised } from './template.ts';

const stackName = 'Everpost';
const environment = {
  'AWS::Region': 'eu-west-1',
  'AWS::AccountId': '111122223333',
  'AWS::Partition': 'aws',
  'AWS::URLSuffix': 'amazonaws.com',
  'AWS::StackName': stackName,
};

/** The properties by which resources are given names. */
const namedBy: Readonly<Record<string, string>> = {
  'AWS::S3::Bucket': 'BucketName',
  'AWS::DynamoDB::Table': 'TableName',
  'AWS::SQS::Queue': 'QueueName',
  'AWS::SNS::Topic': 'TopicName',
  'AWS::Logs::LogGroup': 'LogGroupName',
  'AWS::SecretsManager::Secret': 'Name',
  'AWS::Lambda::Function': 'FunctionName',
  'AWS::IAM::Role': 'RoleName',
  'AWS::IAM::ManagedPolicy': 'ManagedPolicyName',
  'AWS::CloudWatch::Alarm': 'AlarmName',
  'AWS::CloudWatch::Dashboard': 'DashboardName',
  'AWS::Logs::QueryDefinition': 'Name',
  'AWS::Events::Rule': 'Name',
  'AWS::SES::ReceiptRuleSet': 'RuleSetName',
  'AWS::SES::ConfigurationSet': 'Name',
};

type Definition = Template['Resources'][string] & { readonly DeletionPolicy?: string };

export class CreationPlan {
  /** By logical id, in an order in which all could be made: everything that it needs, however indirectly. */
  readonly needs: ReadonlyMap<string, ReadonlySet<string>>;
  readonly terminationProtection: boolean;
  private readonly template: Template;
  private readonly known = new Map<string, Pick<Thing, 'type' | 'name' | 'properties'>>();

  constructor({ resources, terminationProtection }: Synthesised) {
    this.template = { Resources: resources } as Template;
    this.terminationProtection = terminationProtection;
    const needs = new Map<string, ReadonlySet<string>>();
    for (const id of creationOrder({ template: this.template, pseudo: {} })) {
      const direct = [...dependencies(this.definition(id), this.template)];
      needs.set(id, new Set(direct.flatMap((needed) => [needed, ...(needs.get(needed) ?? [])])));
    }
    this.needs = needs;
  }

  definition(id: string): Definition {
    const found = this.template.Resources[id];
    if (found === undefined) throw new Error(`the template has no ${id}`);
    return found;
  }

  /** In the creation `uuid`, in which `made` exist. */
  resolved(id: string, uuid: string, made: ReadonlyMap<string, Thing>): Pick<Thing, 'type' | 'name' | 'properties'> {
    const key = `${uuid} ${id}`;
    const found = this.known.get(key) ?? this.resolve(id, uuid, made);
    this.known.set(key, found);
    return found;
  }

  private resolve(id: string, uuid: string, made: ReadonlyMap<string, Thing>) {
    const { Type: type, Properties = {} } = this.definition(id);
    const created = new Map(
      [...made].map(([logicalId, { name }]) => {
        const attributes = new Proxy({}, { get: (_, key) => `${name}.${String(key)}` }) as Record<string, string>;
        return [logicalId, { ref: name, attributes }] as const;
      }),
    );
    const stackId = `arn:aws:cloudformation:eu-west-1:111122223333:stack/${stackName}/${uuid}`;
    const scope = { template: this.template, pseudo: { ...environment, 'AWS::StackId': stackId }, created };
    const properties = resolve(Properties as Json, scope, id) as Record<string, unknown>;
    const { Name: ruleName } = (type === 'AWS::SES::ReceiptRule' ? properties.Rule : {}) as { Name?: string };
    const name = ruleName ?? properties[namedBy[type] ?? ''] ?? `${stackName}-${id}-${uuid}`;
    return { type, name: String(name), properties };
  }
}
