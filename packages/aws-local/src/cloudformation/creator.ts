// The types of a creator, which makes the resources of one type, and of what all creators share. Implemented by
// deploy.ts, compute.ts and mail.ts.

import type { CloudWatch } from '../cloudwatch/cloudwatch.ts';
import type { Tables } from '../dynamodb/tables.ts';
import type { Iam } from '../iam/iam.ts';
import type { LambdaHost } from '../lambda/lambda.ts';
import type { QueueNotification } from '../s3/event-notifications.ts';
import type { MadeSecrets } from '../secrets/generated.ts';
import type { ConfigurationSets } from '../ses/configuration-sets.ts';
import type { ReceiptRuleProperties } from '../ses/receiving.ts';
import type { PersonSpec, SubscriptionSpec } from '../sns/topics.ts';
import type { Queues } from '../sqs/queues.ts';
import type { Table } from '../store.ts';
import type { World } from '../world.ts';
import type { CustomResourceRow, Responses } from './custom-resource.ts';
import type { Properties } from './properties.ts';
import type { Assembly, Created, Json } from './template.ts';

/** The emulators as the creators see them. Receipt rules have the template's property names. */
export type Makers = {
  readonly world: World;
  readonly iam: Iam;
  readonly queues: Queues;
  readonly tables: Tables;
  readonly buckets: {
    create(name: string, options: { readonly versioned: boolean }): void;
    notify(name: string, notifications: readonly QueueNotification[]): Promise<void>;
  };
  readonly topics: {
    create(name: string): string;
    subscribe(subscription: SubscriptionSpec): string;
    subscribePerson(person: PersonSpec): void;
    /** The topic's default policy: any TopicPolicy replaces it whole (aws-contracts §1.4). */
    defaultPolicyOf(arn: string): unknown;
  };
  readonly receiptRules: {
    createRuleSet(properties: { readonly RuleSetName: string }): void;
    createRule(properties: ReceiptRuleProperties): Promise<void>;
    retain(names: ReadonlySet<string>): void;
  };
  readonly secrets: MadeSecrets;
  readonly configurationSets: ConfigurationSets;
  readonly host: LambdaHost;
  readonly cloudWatch: CloudWatch;
  readonly responses: Responses;
  readonly customResources: Table<CustomResourceRow>;
  /** Where it is given, a schedule of every minute is due so often. */
  readonly minutelyEveryMs: number | null;
  readonly queueUrl: (name: string) => string;
};

export type Running = { stop(): Promise<void> };
/** One boot of a template: the state that creators share. */
export type Boot = {
  readonly emulators: Makers;
  readonly assembly: Assembly;
  readonly stackId: string;
  /** The resource policies by ARN; the gate asks them. */
  readonly policies: Map<string, { Version: string; Statement: Json[] }>;
  readonly roles: Map<string, Json[]>;
  /** How long a function's asynchronous events are kept, in milliseconds, where an EventInvokeConfig says it. */
  readonly eventAgesMs: Map<string, number>;
  readonly starters: (() => Running)[];
  /** Receipt rule sets, and rules as set/rule. Every other one is removed at the end. */
  readonly receiptRules: Set<string>;
  /** Resource types, and properties of functions, that boot without effect: deploy.ts names them. */
  readonly notSimulated: Set<string>;
};
export type Creator = (
  resource: {
    readonly logicalId: string;
    readonly type: string;
    readonly properties: Properties;
    readonly name: string;
  },
  boot: Boot,
) => Created | Promise<Created>;
