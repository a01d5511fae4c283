// Reads what an AWS account says of a stack and of what the stack needs: CloudFormation, SES, Lambda, SNS, SQS, S3,
// DynamoDB and Secrets Manager. The command line's doctor calls it, with the local runtime's credentials or one's own.
// It changes nothing. Errors of the calls are the SDK's. No function bundles it.

import { CloudFormationClient, DescribeStacksCommand } from '@aws-sdk/client-cloudformation';
import {
  DescribeTableCommand,
  DynamoDBClient,
  type GlobalSecondaryIndexDescription,
  paginateListTables,
  ScanCommand,
} from '@aws-sdk/client-dynamodb';
import { GetAccountSettingsCommand, LambdaClient } from '@aws-sdk/client-lambda';
import { ListObjectVersionsCommand, paginateListBuckets, S3Client } from '@aws-sdk/client-s3';
import {
  GetSecretValueCommand,
  ResourceNotFoundException,
  SecretsManagerClient,
} from '@aws-sdk/client-secrets-manager';
import { DescribeActiveReceiptRuleSetCommand, SESClient } from '@aws-sdk/client-ses';
import type { SESv2Client } from '@aws-sdk/client-sesv2';
import { paginateListSubscriptionsByTopic, SNSClient } from '@aws-sdk/client-sns';
import { GetQueueAttributesCommand, SQSClient } from '@aws-sdk/client-sqs';
import type { SesAccount } from '#pipeline/ses-account.ts';
import { ownedBy } from './bucket-owner.ts';
import type { AwsSettings } from './client-settings.ts';
import { SesGetAccount } from './ses-get-account.ts';
import { type FoundIdentity, identitiesOfDomains, sesReadClient } from './ses-identities.ts';
import { type ListedIdentity, listedIdentities } from './ses-list-identities.ts';

export type FoundStack = {
  readonly status: string;
  readonly outputs: Readonly<Record<string, string | undefined>>;
};
export type Subscriber = { readonly protocol: string; readonly endpoint: string; readonly confirmed: boolean };
export type LambdaLimits = { readonly concurrent: number; readonly unreserved: number };
/** Of a bucket that no stack has: how much is in it beside the object that SES writes to try it, and its versions. */
export type BucketContent = { readonly objects: number; readonly setUpVersions: readonly string[] };

/** Developer Guide, "Deliver to S3 bucket action": SES writes it when a rule is created. */
export const setUpObject = 'in/AMAZON_SES_SETUP_NOTIFICATION';
const ATTEMPTS_MAX = 3;

export class AccountReader {
  readonly #account: string | null;
  readonly #settings: object;
  readonly #ses: SESv2Client;

  /** `aws` null: one's own credentials, as the SDK finds them. `account` owns the buckets; null: the caller's own. */
  constructor(place: { readonly aws: AwsSettings | null; readonly region: string; readonly account: string | null }) {
    const { endpoint, credentials } = place.aws ?? {};
    const local = place.aws === null ? {} : { ...(endpoint === undefined ? {} : { endpoint }), credentials };
    this.#account = place.account;
    this.#settings = { region: place.region, maxAttempts: ATTEMPTS_MAX, ...local };
    this.#ses = sesReadClient(place.aws, place.region);
  }

  /** Null: there is none of that name. */
  async stack(name: string, signal: AbortSignal): Promise<FoundStack | null> {
    const client = new CloudFormationClient(this.#settings);
    try {
      const { Stacks } = await client.send(new DescribeStacksCommand({ StackName: name }), { abortSignal: signal });
      const { StackStatus = '', Outputs = [] } = Stacks?.[0] ?? {};
      return {
        status: StackStatus,
        outputs: Object.fromEntries(Outputs.map(({ OutputKey = '', OutputValue }) => [OutputKey, OutputValue])),
      };
    } catch (error) {
      if (error instanceof Error && /does not exist/.test(error.message)) return null;
      throw error;
    }
  }

  /** Null: none is active. */
  async activeRuleSet(signal: AbortSignal): Promise<string | null> {
    const client = new SESClient(this.#settings);
    const { Metadata } = await client.send(new DescribeActiveReceiptRuleSetCommand({}), { abortSignal: signal });
    return Metadata?.Name ?? null;
  }

  sesAccount(signal: AbortSignal): Promise<SesAccount> {
    return new SesGetAccount(this.#ses).read(signal);
  }

  identities(signal: AbortSignal): Promise<readonly ListedIdentity[]> {
    return listedIdentities(this.#ses, signal);
  }

  identitiesOf(domains: readonly string[]): Promise<ReadonlyMap<string, FoundIdentity | null>> {
    return identitiesOfDomains(this.#ses, domains);
  }

  async lambdaLimits(signal: AbortSignal): Promise<LambdaLimits> {
    const client = new LambdaClient(this.#settings);
    const { AccountLimit } = await client.send(new GetAccountSettingsCommand({}), { abortSignal: signal });
    const concurrent = AccountLimit?.ConcurrentExecutions ?? 0;
    return { concurrent, unreserved: AccountLimit?.UnreservedConcurrentExecutions ?? concurrent };
  }

  async subscribers(topicArn: string, signal: AbortSignal): Promise<readonly Subscriber[]> {
    const client = new SNSClient(this.#settings);
    const found: Subscriber[] = [];
    for await (const page of paginateListSubscriptionsByTopic(
      { client },
      { TopicArn: topicArn },
      { abortSignal: signal },
    ))
      for (const { Protocol: protocol = '', Endpoint: endpoint = '', SubscriptionArn: arn } of page.Subscriptions ?? [])
        found.push({ protocol, endpoint, confirmed: arn?.startsWith('arn:') === true });
    return found;
  }

  /** Its text, which no caller may print. Null: there is none, or it has no value. */
  async secret(name: string, signal: AbortSignal): Promise<string | null> {
    const client = new SecretsManagerClient(this.#settings);
    try {
      const { SecretString } = await client.send(new GetSecretValueCommand({ SecretId: name }), {
        abortSignal: signal,
      });
      return SecretString ?? null;
    } catch (error) {
      if (error instanceof ResourceNotFoundException) return null;
      throw error;
    }
  }

  /** Messages in a queue, as SQS counts them: visible and in flight. */
  async messagesIn(queueUrl: string, signal: AbortSignal): Promise<number> {
    const client = new SQSClient(this.#settings);
    const names = ['ApproximateNumberOfMessages', 'ApproximateNumberOfMessagesNotVisible'] as const;
    const asked = new GetQueueAttributesCommand({ QueueUrl: queueUrl, AttributeNames: [...names] });
    const { Attributes = {} } = await client.send(asked, { abortSignal: signal });
    return names.reduce((sum, name) => sum + Number(Attributes[name] ?? 0), 0);
  }

  async bucketsFrom(prefix: string, signal: AbortSignal): Promise<readonly string[]> {
    const found: string[] = [];
    for await (const page of paginateListBuckets({ client: this.#s3() }, { Prefix: prefix }, { abortSignal: signal }))
      found.push(...(page.Buckets ?? []).map(({ Name = '' }) => Name));
    return found.filter((name) => name.startsWith(prefix));
  }

  /** One page says enough: an object more than SES's own is mail. */
  async contentOf(bucket: string, signal: AbortSignal): Promise<BucketContent> {
    const { Versions = [], DeleteMarkers = [] } = await this.#s3().send(
      new ListObjectVersionsCommand({ Bucket: bucket }),
      { abortSignal: signal },
    );
    const own = Versions.filter(({ Key }) => Key === setUpObject);
    return {
      objects: Versions.length - own.length + DeleteMarkers.length,
      setUpVersions: own.map(({ VersionId = '' }) => VersionId),
    };
  }

  async tablesFrom(prefix: string, signal: AbortSignal): Promise<readonly string[]> {
    const found: string[] = [];
    const client = new DynamoDBClient(this.#settings);
    for await (const { TableNames = [] } of paginateListTables({ client }, {}, { abortSignal: signal }))
      found.push(...TableNames);
    return found.filter((name) => name.startsWith(prefix));
  }

  /** Whether a first page of the table has an item. */
  async hasItems(table: string, signal: AbortSignal): Promise<boolean> {
    const client = new DynamoDBClient(this.#settings);
    const asked = new ScanCommand({ TableName: table, Select: 'COUNT', Limit: 1 });
    const { Count = 0 } = await client.send(asked, { abortSignal: signal });
    return Count > 0;
  }

  /** The table's global secondary indexes. */
  async indexesOf(table: string, signal: AbortSignal): Promise<readonly GlobalSecondaryIndexDescription[]> {
    const client = new DynamoDBClient(this.#settings);
    const { Table } = await client.send(new DescribeTableCommand({ TableName: table }), { abortSignal: signal });
    return Table?.GlobalSecondaryIndexes ?? [];
  }

  #s3(): S3Client {
    return ownedBy(new S3Client({ ...this.#settings, forcePathStyle: 'endpoint' in this.#settings }), this.#account);
  }
}
