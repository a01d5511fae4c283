// Checks of the first account that ask AWS how the stack's resources stand: SES's rule set and set-up object, the
// ledger, the mappings, the functions and the quotas. They only read, but for one queue of their own.

import { DescribeContinuousBackupsCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import {
  GetAccountSettingsCommand,
  GetFunctionRecursionConfigCommand,
  LambdaClient,
  ListEventSourceMappingsCommand,
} from '@aws-sdk/client-lambda';
import { HeadObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { DescribeActiveReceiptRuleSetCommand, SESClient } from '@aws-sdk/client-ses';
import { GetAccountCommand, GetConfigurationSetCommand, SESv2Client } from '@aws-sdk/client-sesv2';
import { CreateQueueCommand, DeleteQueueCommand, GetQueueAttributesCommand, SQSClient } from '@aws-sdk/client-sqs';
import { type AccountCheck, fail, notTried, pass, passIf } from './account-check.ts';
import { type AccountPlace, output } from './account-place.ts';

async function mappings(place: AccountPlace) {
  const client = new LambdaClient(place.client);
  const { EventSourceMappings = [] } = await client.send(new ListEventSourceMappingsCommand({}));
  return EventSourceMappings.filter(({ FunctionArn = '' }) => FunctionArn.includes(`:${place.where[1]}-`));
}

export const resourceFacts: readonly AccountCheck[] = [
  {
    name: 'ses-set-up-object',
    contract: 'SES writes AMAZON_SES_SETUP_NOTIFICATION below the prefix when a rule is made',
    source: 'aws-contracts §1.4; SES developer guide, "Deliver to S3 bucket action"',
    async run(place) {
      const client = new S3Client({ ...place.client, forcePathStyle: place.local });
      const Key = 'in/AMAZON_SES_SETUP_NOTIFICATION';
      const { ContentLength = 0 } = await client.send(new HeadObjectCommand({ Bucket: output(place, 'Bucket'), Key }));
      return pass(`${Key} has ${ContentLength} bytes`);
    },
  },
  {
    name: 'active-rule-set',
    contract: 'the activation may do what it does, and our set is the active one, with its rules in their order',
    source: 'aws-contracts §1.4; SES API reference v1, DescribeActiveReceiptRuleSet',
    async run(place) {
      const { Metadata, Rules = [] } = await new SESClient(place.client).send(
        new DescribeActiveReceiptRuleSetCommand({}),
      );
      const names = Rules.map(({ Name = '' }) => Name);
      const ordered = names.every((name, at) => name === `${output(place, 'RuleSet')}-${at}`);
      const holds = Metadata?.Name === output(place, 'RuleSet') && (place.local || (ordered && names.length > 0));
      return passIf(holds, `${Metadata?.Name} is active, with the rules ${names.join(', ')}`);
    },
  },
  {
    name: 'point-in-time-recovery',
    contract: 'the ledger can be restored to any second of the last 35 days',
    source: 'DynamoDB developer guide, "Point-in-time backups for DynamoDB"',
    async run(place) {
      const { ContinuousBackupsDescription: backups } = await new DynamoDBClient(place.client).send(
        new DescribeContinuousBackupsCommand({ TableName: output(place, 'Table') }),
      );
      const state = backups?.PointInTimeRecoveryDescription;
      return passIf(
        state?.PointInTimeRecoveryStatus === 'ENABLED',
        `${state?.PointInTimeRecoveryStatus}, from ${state?.EarliestRestorableDateTime?.toISOString()}`,
      );
    },
  },
  {
    name: 'maximum-concurrency',
    contract: 'each mapping has a MaximumConcurrency of two or more and reports partial failures',
    source: 'aws-contracts §4.2; Lambda API reference, ListEventSourceMappings',
    async run(place) {
      const found = await mappings(place);
      const told = found.map(({ EventSourceArn = '', ScalingConfig, FunctionResponseTypes = [], State }) => ({
        queue: EventSourceArn.split(':').at(-1),
        ...{ calls: ScalingConfig?.MaximumConcurrency ?? 0, reports: FunctionResponseTypes.length, State },
      }));
      const holds = told.every(({ calls, reports, State }) => calls >= 2 && reports === 1 && State === 'Enabled');
      return passIf(holds && told.length === 4, JSON.stringify(told));
    },
  },
  {
    name: 'recursive-loop',
    contract: 'loop detection is off for the functions',
    source: 'Lambda developer guide, "Use Lambda recursive loop detection to prevent infinite loops"',
    async run(place) {
      const client = new LambdaClient(place.client);
      const names = [...new Set((await mappings(place)).map(({ FunctionArn = '' }) => FunctionArn))];
      const states = await Promise.all(
        names.map(async (FunctionName) => client.send(new GetFunctionRecursionConfigCommand({ FunctionName }))),
      );
      return passIf(
        states.length > 0 && states.every(({ RecursiveLoop }) => RecursiveLoop === 'Allow'),
        `${states.length} functions: ${states.map(({ RecursiveLoop }) => RecursiveLoop).join(', ')}`,
      );
    },
  },
  {
    name: 'lambda-quota',
    contract: 'a new account runs ten functions at once, and keeps 100 unreserved once it may run more',
    source: 'aws-contracts §7; Lambda developer guide, "Lambda quotas"',
    async run(place) {
      const { AccountLimit } = await new LambdaClient(place.client).send(new GetAccountSettingsCommand({}));
      const { ConcurrentExecutions = 0, UnreservedConcurrentExecutions = 0 } = AccountLimit ?? {};
      return passIf(
        ConcurrentExecutions >= 10 && UnreservedConcurrentExecutions >= Math.min(100, ConcurrentExecutions),
        `${ConcurrentExecutions} at once, ${UnreservedConcurrentExecutions} of them unreserved`,
      );
    },
  },
  {
    name: 'ses-account',
    contract: "GetAccount tells the sending rate, the day's quota, the sandbox and whether sending is on",
    source: 'aws-contracts §2.6; SESv2 API reference, GetAccount',
    async run(place) {
      const { SendQuota, SendingEnabled, ProductionAccessEnabled, EnforcementStatus } = await new SESv2Client(
        place.client,
      ).send(new GetAccountCommand({}));
      const known = SendQuota?.MaxSendRate !== undefined && SendQuota.Max24HourSend !== undefined;
      return passIf(
        known && SendingEnabled !== undefined && ProductionAccessEnabled !== undefined,
        JSON.stringify({ ...SendQuota, SendingEnabled, ProductionAccessEnabled, EnforcementStatus }),
      );
    },
  },
  {
    name: 'auto-validation-off',
    contract: "a set's ValidationOptions override the account's Auto Validation",
    source: 'aws-contracts §2.6; SESv2 API reference, SuppressionConditionThreshold',
    async run(place) {
      const { SuppressionOptions } = await new SESv2Client(place.client).send(
        new GetConfigurationSetCommand({ ConfigurationSetName: output(place, 'ConfigurationSet') }),
      );
      const text = JSON.stringify(SuppressionOptions ?? {});
      return passIf(/"ConditionThresholdEnabled":"DISABLED"/.test(text), text);
    },
  },
  {
    name: 'queue-policy-of-the-future',
    contract: 'whether SQS takes a RedriveAllowPolicy that names a queue which does not exist: documented nowhere',
    source: 'SQS API reference, SetQueueAttributes',
    async run(place) {
      const client = new SQSClient(place.client);
      const QueueArn = await arnOf(client, output(place, 'IngestQueueUrl'));
      const missing = QueueArn.replace(/[^:]+$/, 'everpost-trial-none');
      const policy = JSON.stringify({ redrivePermission: 'byQueue', sourceQueueArns: [missing] });
      try {
        const { QueueUrl } = await client.send(
          new CreateQueueCommand({
            QueueName: `everpost-trial-${Date.now()}`,
            Attributes: { RedriveAllowPolicy: policy },
          }),
        );
        await client.send(new DeleteQueueCommand({ QueueUrl }));
        return pass('SQS takes it');
      } catch (error) {
        if (!(error instanceof Error) || /NotImplemented|not emulated/.test(`${error.name}${error.message}`))
          throw error;
        return pass(`SQS refuses it: ${error.name}`);
      }
    },
  },
  {
    name: 'submission-cannot-be-overwritten',
    contract: "the bucket's policy has S3 refuse a put over a submission, of the account's administrator too",
    source: 'aws-contracts §5; S3 user guide, "Enforce conditional writes on Amazon S3 buckets"',
    async run(place) {
      const client = new S3Client({ ...place.client, forcePathStyle: place.local });
      const Key = `out/trial/${Date.now()}.txt`;
      const put = (more: object) =>
        client.send(new PutObjectCommand({ Bucket: output(place, 'Bucket'), Key, Body: 'trial', ...more }));
      await put({ IfNoneMatch: '*' });
      for (const more of [{}, { IfNoneMatch: '*' }]) {
        const name = await put(more).then(
          () => 'taken',
          (error: Error) => error.name,
        );
        if (place.local && name === 'taken') return notTried('the emulators ask root for no permission');
        if (!['AccessDenied', 'PreconditionFailed'].includes(name)) return fail(`a second put was ${name}`);
      }
      return pass('refused without If-None-Match, and with it');
    },
  },
];

export async function arnOf(client: SQSClient, QueueUrl: string): Promise<string> {
  const { Attributes } = await client.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['QueueArn'] }));
  return Attributes?.QueueArn ?? '';
}
