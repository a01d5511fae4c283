// The `aws` of the articles' commands: the few calls that they make, sent to the local runtime's endpoint. Run by
// article-commands.ts, in a shell. A call or an option that it does not know ends it with 2: the article's command is
// then wrong, or has to be added here.

import { parseArgs } from 'node:util';
import { DeleteTableCommand, DescribeTableCommand, DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { DeleteObjectCommand, GetObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { CreateSecretCommand, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { DescribeActiveReceiptRuleSetCommand, SESClient, SetActiveReceiptRuleSetCommand } from '@aws-sdk/client-ses';
import {
  CreateEmailIdentityCommand,
  GetEmailIdentityCommand,
  ListEmailIdentitiesCommand,
  PutAccountSendingAttributesCommand,
  PutEmailIdentityFeedbackAttributesCommand,
  SESv2Client,
} from '@aws-sdk/client-sesv2';
import {
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  PurgeQueueCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
  StartMessageMoveTaskCommand,
} from '@aws-sdk/client-sqs';
import { GetCallerIdentityCommand, STSClient } from '@aws-sdk/client-sts';

type Access = {
  readonly client: {
    readonly endpoint: string;
    readonly region: string;
    readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string };
  };
  readonly outputs: Readonly<Record<string, string>>;
  readonly resources: readonly (readonly [id: string, type: string, ref: string])[];
};
type Options = Readonly<Record<string, string>>;

const access = JSON.parse(process.env.AWS_LOCAL ?? '') as Access;
const sqs = new SQSClient(access.client);
const ses = new SESv2Client(access.client);
const olderSes = new SESClient(access.client);
const dynamo = new DynamoDBClient(access.client);
const secrets = new SecretsManagerClient(access.client);
const sts = new STSClient(access.client);
const s3 = new S3Client({ ...access.client, forcePathStyle: true });

const calls: Readonly<Record<string, (options: Options, paths: readonly string[]) => Promise<unknown>>> = {
  'cloudformation describe-stacks': async ({ query = '' }) => {
    const [, output = ''] = /^Stacks\[0\]\.Outputs\[\?OutputKey=='(\w+)'\]\.OutputValue$/.exec(query) ?? [];
    const value = access.outputs[output];
    if (value === undefined) throw new Error(`the stack has no output for ${query}`);
    return value;
  },
  'cloudformation list-stack-resources': async ({ query = '' }) => {
    const [, start = '-', wanted] =
      /starts_with\(LogicalResourceId,'(\w+)'\) && ResourceType=='([\w:]+)'/.exec(query) ?? [];
    const found = access.resources.filter(([id, type]) => id.startsWith(start) && type === wanted);
    if (found.length !== 1) throw new Error(`the stack has ${found.length} resources for ${query}`);
    return found.map(([, , ref]) => ref).join();
  },
  'sqs get-queue-attributes': async (options) => {
    const { Attributes } = await sqs.send(
      new GetQueueAttributesCommand({ ...queueOf(options), AttributeNames: ['All'] }),
    );
    return options.query === 'Attributes.QueueArn' ? Attributes?.QueueArn : { Attributes };
  },
  'sqs start-message-move-task': ({ 'source-arn': SourceArn }) =>
    sqs.send(new StartMessageMoveTaskCommand({ SourceArn })),
  'sqs receive-message': async (options) => {
    const { Messages } = await sqs.send(
      new ReceiveMessageCommand({
        ...queueOf(options),
        VisibilityTimeout: Number(options['visibility-timeout'] ?? 30),
        MaxNumberOfMessages: Number(options['max-number-of-messages'] ?? 1),
        MessageSystemAttributeNames: ['All'],
        MessageAttributeNames: ['All'],
      }),
    );
    return options.query === 'Messages[0]' ? (Messages?.[0] ?? null) : { Messages };
  },
  'sqs send-message': (options) =>
    sqs.send(new SendMessageCommand({ ...queueOf(options), MessageBody: options['message-body'] })),
  'sqs delete-message': (options) =>
    sqs.send(new DeleteMessageCommand({ ...queueOf(options), ReceiptHandle: options['receipt-handle'] })),
  'sqs purge-queue': (options) => sqs.send(new PurgeQueueCommand(queueOf(options))),
  'sesv2 put-account-sending-attributes': (options) =>
    ses.send(new PutAccountSendingAttributesCommand({ SendingEnabled: 'sending-enabled' in options })),
  'sts get-caller-identity': () => sts.send(new GetCallerIdentityCommand()),
  'sesv2 create-email-identity': (options) => ses.send(new CreateEmailIdentityCommand(identityOf(options))),
  'sesv2 put-email-identity-feedback-attributes': (options) =>
    ses.send(
      new PutEmailIdentityFeedbackAttributesCommand({
        ...identityOf(options),
        EmailForwardingEnabled: !('no-email-forwarding-enabled' in options),
      }),
    ),
  'sesv2 get-email-identity': async (options) => {
    const found = await ses.send(new GetEmailIdentityCommand(identityOf(options)));
    return options.query === 'VerifiedForSendingStatus' ? String(found.VerifiedForSendingStatus) : found;
  },
  'secretsmanager create-secret': ({ name: Name, 'secret-string': SecretString }) =>
    secrets.send(new CreateSecretCommand({ Name, SecretString })),
  'sesv2 list-email-identities': () => ses.send(new ListEmailIdentitiesCommand()),
  'ses describe-active-receipt-rule-set': async () =>
    (await olderSes.send(new DescribeActiveReceiptRuleSetCommand())).Metadata?.Name ?? null,
  'ses set-active-receipt-rule-set': ({ 'rule-set-name': RuleSetName }) =>
    olderSes.send(new SetActiveReceiptRuleSetCommand({ RuleSetName })),
  // The emulator keeps no earlier state: the test made the table at that instant. Here it must be there.
  'dynamodb restore-table-to-point-in-time': (options) => {
    if (Number.isNaN(Date.parse(options['restore-date-time'] ?? ''))) throw new Error('--restore-date-time is no time');
    if (options['target-table-name'] !== `${options['source-table-name']}-restored`) throw new Error('another table');
    return dynamo.send(new DescribeTableCommand({ TableName: options['target-table-name'] }));
  },
  'dynamodb wait': (options) => dynamo.send(new DescribeTableCommand({ TableName: options['table-name'] })),
  'dynamodb delete-table': (options) => dynamo.send(new DeleteTableCommand({ TableName: options['table-name'] })),
  's3 rm': (_, [path]) => s3.send(new DeleteObjectCommand(objectOf(path))),
  's3 cp': async (_, [path]) => (await s3.send(new GetObjectCommand(objectOf(path)))).Body?.transformToString(),
};

const OPTIONS = [
  ...['stack-name', 'query', 'output', 'queue-url', 'attribute-names', 'source-arn', 'visibility-timeout'],
  ...['max-number-of-messages', 'message-system-attribute-names', 'message-attribute-names', 'message-body'],
  ...['receipt-handle', 'rule-set-name', 'source-table-name', 'target-table-name', 'restore-date-time', 'table-name'],
  ...['email-identity', 'name', 'secret-string'],
];
const FLAGS = ['sending-enabled', 'no-sending-enabled', 'no-email-forwarding-enabled'];

function identityOf(options: Options): { readonly EmailIdentity: string | undefined } {
  return { EmailIdentity: options['email-identity'] };
}

function queueOf(options: Options): { readonly QueueUrl: string | undefined } {
  return { QueueUrl: options['queue-url'] };
}

function objectOf(path: string | undefined): { readonly Bucket: string; readonly Key: string } {
  const [, Bucket = '', Key = ''] = /^s3:\/\/([^/]+)\/(.+)$/.exec(path ?? '') ?? [];
  return { Bucket, Key };
}

const [service = '', operation = '', ...args] = process.argv.slice(2);
const call = calls[`${service} ${operation}`];
if (call === undefined) {
  process.stderr.write(`aws ${service} ${operation} is not known here\n`);
  process.exit(2);
}
const { values, positionals } = parseArgs({
  args,
  allowPositionals: true,
  options: {
    ...Object.fromEntries(OPTIONS.map((name) => [name, { type: 'string' as const }])),
    ...Object.fromEntries(FLAGS.map((name) => [name, { type: 'boolean' as const }])),
  },
});
const answer = await call(values as Options, positionals);
const { $metadata: _, ...body } =
  typeof answer === 'object' && answer !== null ? (answer as Record<string, unknown>) : {};
process.stdout.write(typeof answer === 'string' ? `${answer}\n` : `${JSON.stringify(answer === null ? null : body)}\n`);
