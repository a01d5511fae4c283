// An account in which stacks are created and deleted, as far as creation-rules.ts describes it: what exists, under
// which names, and what each service refuses when a thing is made or deleted. Called by creation-model.ts. It knows no
// order: the caller has it.

import { creationRules, type RuleId } from './creation-rules.ts';

/** A resource's properties with everything resolved. */
// biome-ignore lint/suspicious/noExplicitAny: resolved templates are JSON of many shapes
export type Resolved = any;

export type Thing = {
  readonly type: string;
  readonly name: string;
  readonly logicalId: string;
  readonly properties: Resolved;
  /** Of a bucket. */
  readonly objects: string[];
};

export class RefusedByAws extends Error {
  readonly rule: RuleId;
  constructor(rule: RuleId) {
    super(creationRules[rule].says);
    this.rule = rule;
  }
}

const interfaceMinutes = 20;

export class Account {
  readonly things = new Set<Thing>();
  minutes = 0;
  activeRuleSet: string | null = null;
  private readonly deletedQueues = new Map<string, number>();
  /** Interfaces of deleted functions; `goneAt` is null where their role went before them. */
  private interfaces: { readonly role: string; readonly places: readonly string[]; goneAt: number | null }[] = [];
  /** Roles and log groups of functions that were deleted while they may run. */
  private stillRunning: { readonly logGroup: string; readonly mayMakeIt: boolean }[] = [];

  find(type: string, fits: (thing: Thing) => boolean): Thing | undefined {
    return [...this.things].find((thing) => thing.type === type && fits(thing));
  }

  wait(minutes: number): void {
    this.minutes += minutes;
    this.interfaces = this.interfaces.filter(({ goneAt }) => goneAt === null || goneAt > this.minutes);
  }

  /** Whether SES accepts mail: by an active set that has a rule. */
  acceptsMail(): boolean {
    return (
      this.find('AWS::SES::ReceiptRule', ({ properties }) => properties.RuleSetName === this.activeRuleSet) != null
    );
  }

  create(thing: Thing): void {
    if (this.find(thing.type, ({ name }) => name === thing.name)) throw new RefusedByAws('name-taken');
    const rests = this.deletedQueues.get(thing.name);
    if (thing.type === 'AWS::SQS::Queue' && rests !== undefined && this.minutes - rests < 1)
      throw new RefusedByAws('queue-name-rests');
    const checks: Readonly<Record<string, (properties: Resolved, thing: Thing) => void>> = {
      'AWS::EC2::EIP': () => this.refuseIf(this.all('AWS::EC2::EIP').length >= 5, 'five-addresses'),
      'AWS::S3::Bucket': (properties) => this.tryQueues(properties),
      'AWS::SES::ReceiptRule': (properties) => this.tryRule(properties),
      'AWS::SES::ConfigurationSetEventDestination': ({ EventDestination }) =>
        this.refuseIf(!this.mayPublish(EventDestination.SnsDestination.TopicARN), 'ses-tries-topic'),
      'AWS::Lambda::EventSourceMapping': ({ FunctionName }) =>
        this.refuseIf(!this.mayAct(this.function(FunctionName), 'sqs:ReceiveMessage'), 'mapping-needs-role'),
      'AWS::Lambda::Function': ({ VpcConfig }, made) =>
        this.refuseIf(VpcConfig != null && !this.mayAct(made, 'ec2:CreateNetworkInterface'), 'vpc-needs-role'),
      'Custom::ActiveRuleSet': (properties) => this.activate(properties),
    };
    checks[thing.type]?.(thing.properties, thing);
    this.things.add(thing);
  }

  /** `waits`: the deletion of a function waits for its interfaces. */
  delete(thing: Thing, { waits }: { readonly waits: boolean }): void {
    const { type, name, properties } = thing;
    this.refuseIf(type === 'AWS::S3::Bucket' && thing.objects.length > 0, 'bucket-not-empty');
    this.refuseIf(properties?.DeletionProtectionEnabled === true, 'table-protected');
    this.refuseIf(type === 'AWS::SES::ReceiptRuleSet' && this.activeRuleSet === name, 'active-rule-set');
    this.refuseIf(
      this.interfaces.some(({ places }) => places.some((place) => place === name || place === `${name}.GroupId`)),
      'interfaces-linger',
    );
    if (type === 'Custom::ActiveRuleSet') this.deactivate(properties);
    this.things.delete(thing);
    if (type === 'AWS::SQS::Queue') this.deletedQueues.set(name, this.minutes);
    if (type === 'AWS::Lambda::Function') this.end(thing, waits);
    if (type === 'AWS::IAM::Role') for (const it of this.interfaces) if (it.role === `${name}.Arn`) it.goneAt = null;
    if (type === 'AWS::Logs::LogGroup')
      for (const { logGroup, mayMakeIt } of this.stillRunning)
        if (mayMakeIt && logGroup === name) this.things.add({ ...thing, logicalId: `${thing.logicalId} (again)` });
  }

  private all(type: string): readonly Thing[] {
    return [...this.things].filter((thing) => thing.type === type);
  }

  private refuseIf(refused: boolean, rule: RuleId): void {
    if (refused) throw new RefusedByAws(rule);
  }

  private function(reference: string): Thing | undefined {
    return this.find('AWS::Lambda::Function', ({ name }) => name === reference || `${name}.Arn` === reference);
  }

  private tryQueues({ NotificationConfiguration }: Resolved): void {
    for (const { Queue } of NotificationConfiguration?.QueueConfigurations ?? []) {
      const policy = this.find('AWS::SQS::QueuePolicy', ({ properties }) =>
        properties.Queues.some((name: string) => `${name}.Arn` === Queue),
      );
      this.refuseIf(!names(policy?.properties, 's3.amazonaws.com'), 's3-tries-queue');
    }
  }

  private tryRule({ RuleSetName, Rule }: Resolved): void {
    if (!this.find('AWS::SES::ReceiptRuleSet', ({ name }) => name === RuleSetName))
      throw new Error(`a rule of ${RuleSetName}, which does not exist`);
    for (const { S3Action } of Rule.Actions) {
      if (S3Action === undefined) continue;
      const policy = this.find('AWS::S3::BucketPolicy', ({ properties }) => properties.Bucket === S3Action.BucketName);
      this.refuseIf(!names(policy?.properties, 'ses.amazonaws.com'), 'ses-tries-bucket');
      this.refuseIf(S3Action.TopicArn !== undefined && !this.mayPublish(S3Action.TopicArn), 'ses-tries-topic');
      const bucket = this.find('AWS::S3::Bucket', ({ name }) => name === S3Action.BucketName);
      bucket?.objects.push(`${S3Action.ObjectKeyPrefix}AMAZON_SES_SETUP_NOTIFICATION`);
    }
  }

  private mayPublish(topic: string): boolean {
    const policy = this.find('AWS::SNS::TopicPolicy', ({ properties }) => properties.Topics.includes(topic));
    return names(policy?.properties, 'ses.amazonaws.com');
  }

  /** By the role's own policies, managed ones, and policies that are resources of their own. */
  private mayAct(made: Thing | undefined, action: string): boolean {
    const role = this.find('AWS::IAM::Role', ({ name }) => `${name}.Arn` === made?.properties.Role);
    if (role === undefined) return false;
    const attached = this.all('AWS::IAM::Policy').filter(({ properties }) => properties.Roles?.includes(role.name));
    const managed = this.all('AWS::IAM::ManagedPolicy').filter(({ name }) =>
      role.properties.ManagedPolicyArns?.includes(name),
    );
    return [role, ...attached, ...managed].some(({ properties }) => names(properties, action));
  }

  private activate({ RuleSetName, ServiceToken }: Resolved): void {
    if (!this.mayAct(this.function(ServiceToken), 'ses:SetActiveReceiptRuleSet'))
      throw new RefusedByAws('custom-resource-deleted');
    this.activeRuleSet = RuleSetName;
  }

  private deactivate({ RuleSetName, ServiceToken }: Resolved): void {
    this.refuseIf(!this.mayAct(this.function(ServiceToken), 'ses:SetActiveReceiptRuleSet'), 'custom-resource-deleted');
    if (this.activeRuleSet === RuleSetName) this.activeRuleSet = null;
  }

  private end(made: Thing, waits: boolean): void {
    const { VpcConfig, Role, LoggingConfig } = made.properties;
    const logGroup = LoggingConfig?.LogGroup ?? `/aws/lambda/${made.name}`;
    this.stillRunning.push({ logGroup, mayMakeIt: this.mayAct(made, 'logs:CreateLogGroup') });
    if (VpcConfig == null) return;
    const places = [...VpcConfig.SubnetIds, ...VpcConfig.SecurityGroupIds];
    this.interfaces.push({ role: Role, places, goneAt: this.minutes + interfaceMinutes });
    if (waits) this.wait(interfaceMinutes);
  }
}

/** Whether a policy says the word at all: an action, or a service as principal. */
function names(policy: Resolved, word: string): boolean {
  return policy !== undefined && JSON.stringify(policy).includes(`"${word}"`);
}
