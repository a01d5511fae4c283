// Makes the SDK clients of the functions and of the command line, each with every setting given. The SDK looks nothing
// up in files or by a provider chain, every call has a time limit, and no body is checksummed in JavaScript. An
// execution environment makes one client and one keep-alive agent for each service. A bundle holds only the clients
// that its function uses.

import { DynamoDBClient } from '@aws-sdk/client-dynamodb';
import { S3Client } from '@aws-sdk/client-s3';
import { SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { SESClient } from '@aws-sdk/client-ses';
import { SESv2Client } from '@aws-sdk/client-sesv2';
import { SQSClient } from '@aws-sdk/client-sqs';
import { sesSendTimeoutMs } from '#core/limits.ts';
import { ownedBy } from './bucket-owner.ts';
import { type AwsSettings, common, connectTimeoutMs, overHttp } from './client-settings.ts';
import { DirectHttp } from './direct-http.ts';
import { type RefusalPorts, tellingRefusals } from './refusals.ts';

/**
 * The settings that Lambda puts into the environment (its keys outlive the execution environment, so they are read
 * once). `AWS_ENDPOINT_URL` is the SDK's own variable. Throws where region or keys are missing: outside Lambda the
 * operator's tools give their own settings. `refusals`: the function's log and metrics; null outside a function.
 */
export function awsSettings(
  refusals: RefusalPorts | null,
  env: Readonly<Record<string, string | undefined>> = process.env,
): AwsSettings {
  const { AWS_REGION: region, AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = env;
  if (!region || !accessKeyId || !secretAccessKey) {
    throw new Error('AWS_REGION, AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be set');
  }
  const credentials = { accessKeyId, secretAccessKey, sessionToken: env.AWS_SESSION_TOKEN };
  const told = refusals === null ? {} : { refusals };
  return { region, credentials, endpoint: env.AWS_ENDPOINT_URL, account: env.EVERPOST_ACCOUNT, ...told };
}

/**
 * It reads objects, and nothing else. The timeout runs to the head of the response; S3Spool notices a body that stalls
 * afterwards. There is no idle timeout: a slow next hop rightly leaves the spool's socket silent for minutes (RFC 5321
 * §4.5.3.2.5).
 */
export function s3Client(settings: AwsSettings): S3Client {
  const client = new S3Client({
    ...common(settings),
    requestHandler: new DirectHttp({ connectTimeoutMs, requestTimeoutMs: 10_000, socketsMax: 16 }),
    forcePathStyle: settings.endpoint !== undefined,
    // SHA-256 and CRC64NVME run in JavaScript: 3.6 ms a megabyte, 61 % of a whole relay. TLS and Content-Length guard
    // the bytes.
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    followRegionRedirects: false,
    disableS3ExpressSessionAuth: true,
    useArnRegion: false,
    sigv4aSigningRegionSet: async () => undefined,
  });
  for (const name of neverNeededToRead) client.middlewareStack.remove(name);
  return tellingRefusals(trimmed(ownedBy(client, settings.account ?? null)), settings.refusals);
}

/**
 * For lists and removals, whose answers the SDK reads; S3Client above reads its answers by hand. `socketsMax` as many
 * as run side by side.
 */
export function s3ListClient(settings: AwsSettings, socketsMax = 4): S3Client {
  const client = new S3Client({
    ...common(settings),
    ...overHttp({ requestTimeoutMs: 10_000, socketsMax }),
    forcePathStyle: settings.endpoint !== undefined,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    followRegionRedirects: false,
    disableS3ExpressSessionAuth: true,
    useArnRegion: false,
    sigv4aSigningRegionSet: async () => undefined,
  });
  return tellingRefusals(ownedBy(client, settings.account ?? null), settings.refusals);
}

export function dynamoClient(settings: AwsSettings): DynamoDBClient {
  const client = new DynamoDBClient({
    ...common(settings),
    ...overHttp({ requestTimeoutMs: 3_000, socketsMax: 64 }),
    accountIdEndpointMode: 'disabled',
    endpointDiscoveryEnabled: false,
  });
  return tellingRefusals(trimmed(client), settings.refusals);
}

export function sqsClient(settings: AwsSettings): SQSClient {
  const http = overHttp({ requestTimeoutMs: 5_000, socketsMax: 16 });
  return tellingRefusals(new SQSClient({ ...common(settings), ...http, md5: false }), settings.refusals);
}

export function secretsClient(settings: AwsSettings): SecretsManagerClient {
  const http = overHttp({ requestTimeoutMs: 5_000, socketsMax: 4 });
  return tellingRefusals(new SecretsManagerClient({ ...common(settings), ...http }), settings.refusals);
}

/**
 * It sends mail. One try alone: SES has no token that would make a second one harmless, so each attempt is ours,
 * recorded and traced (docs/aws-contracts.md §2.1). `socketsMax` as many as a batch.
 */
export function sesSendClient(settings: AwsSettings): SESv2Client {
  const http = overHttp({ requestTimeoutMs: sesSendTimeoutMs, socketsMax: 10 });
  return tellingRefusals(new SESv2Client({ ...common(settings), ...http, maxAttempts: 1 }), settings.refusals);
}

/** It sends nothing: it asks for the account and the identities. */
export function sesAccountClient(settings: AwsSettings): SESv2Client {
  const http = overHttp({ requestTimeoutMs: 3_000, socketsMax: 2 });
  return tellingRefusals(new SESv2Client({ ...common(settings), ...http, maxAttempts: 3 }), settings.refusals);
}

/** SES's older API, to ask for the active rule set and DKIM. Such calls are allowed once a second. */
export function sesSetUpClient(settings: AwsSettings): SESClient {
  const http = overHttp({ requestTimeoutMs: 3_000, socketsMax: 2 });
  return tellingRefusals(new SESClient({ ...common(settings), ...http, maxAttempts: 3 }), settings.refusals);
}

/** SES's older API, for SendBounce alone, which is mail too: one try. */
export function sesBounceClient(settings: AwsSettings): SESClient {
  const http = overHttp({ requestTimeoutMs: 10_000, socketsMax: 2 });
  return tellingRefusals(new SESClient({ ...common(settings), ...http, maxAttempts: 1 }), settings.refusals);
}

type Signer = NonNullable<DynamoDBClient['config']['signer']>;
type Trimmable = {
  config: { signer: Signer };
  readonly middlewareStack: { remove(name: string): boolean };
};

/**
 * Middlewares without use here, as the SDK names them (test/unit/adapters/sdk-middlewares.test.ts): descriptions for a
 * logger that throws them away, statistics for AWS in the User-Agent, X-Ray's header (table and spool start no
 * function).
 */
const neverNeeded = ['loggerMiddleware', 'getUserAgentMiddleware', 'recursionDetectionMiddleware'];
/**
 * Features for uploads, for directory buckets, for buckets of other regions. Our bucket's name comes from the template.
 */
const neverNeededToRead = [
  'addExpectContinueMiddleware',
  'contentLengthMiddleware',
  's3ExpressMiddleware',
  'regionRedirectMiddleware',
  'validateBucketNameMiddleware',
];

/**
 * Takes work off each call of the SDK, on the clients of the relay's path (docs/decisions/own-http.md has the figures):
 * - It removes middlewares without use here.
 * - The SDK makes a signer for each call; settings and keys never change here, so one signer serves all calls.
 * - The SDK copies its settings more than once a call. V8 holds the object that the constructor leaves as a dictionary
 *   (15 µs a copy), but a copy of it is no dictionary (0.2 µs).
 */
function trimmed<Client extends Trimmable>(client: Client): Client {
  for (const name of neverNeeded) client.middlewareStack.remove(name);
  const make = client.config.signer;
  let made: ReturnType<Signer> | null = null;
  client.config.signer = (scheme) => {
    made ??= make(scheme);
    return made;
  };
  client.config = { ...client.config };
  return client;
}
