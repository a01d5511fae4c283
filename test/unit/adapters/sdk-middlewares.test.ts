// What the clients of the relay's path change in the SDK: the middlewares that are removed or added, by name, and the
// signer that is kept. A release of the SDK that renames or drops one of them fails here; removing an unknown name
// would change nothing, silently.

import { DynamoDBClient, GetItemCommand } from '@aws-sdk/client-dynamodb';
import { S3Client } from '@aws-sdk/client-s3';
import { describe, expect, it } from 'vitest';
import { dynamoClient, s3Client, s3ListClient, sqsClient } from '#adapters/aws/clients.ts';

const credentials = { accessKeyId: 'AKIDTEST', secretAccessKey: 'secret' };
const settings = { region: 'eu-west-1', credentials, endpoint: 'http://127.0.0.1:1' };
type Client = { readonly middlewareStack: { identify(): string[] } };
const names = ({ middlewareStack }: Client) => middlewareStack.identify().map((each) => each.split(' ')[0] ?? '');
/** What `ours` has not, and what it has more, than a client as the SDK makes it. */
function changes(plain: Client, ours: Client) {
  const [before, after] = [names(plain), names(ours)];
  return {
    removed: before.filter((name) => !after.includes(name)).sort(),
    added: after.filter((name) => !before.includes(name)).sort(),
  };
}

describe('middlewares', () => {
  it('of the DynamoDB client: three are removed', () => {
    expect(changes(new DynamoDBClient(settings), dynamoClient(settings))).toEqual({
      removed: ['getUserAgentMiddleware', 'loggerMiddleware', 'recursionDetectionMiddleware'],
      added: [],
    });
  });

  it('of the S3 client that reads: eight are removed, the bucket owner is added', () => {
    expect(changes(new S3Client(settings), s3Client(settings))).toEqual({
      removed: [
        'addExpectContinueMiddleware',
        'contentLengthMiddleware',
        'getUserAgentMiddleware',
        'loggerMiddleware',
        'recursionDetectionMiddleware',
        'regionRedirectMiddleware',
        's3ExpressMiddleware',
        'validateBucketNameMiddleware',
      ],
      added: ['expectedBucketOwnerMiddleware'],
    });
  });

  it('of the other clients: none is removed', () => {
    const s3 = changes(new S3Client(settings), s3ListClient(settings));
    expect(s3).toEqual({ removed: [], added: ['expectedBucketOwnerMiddleware'] });
    expect(names(sqsClient(settings))).toContain('getUserAgentMiddleware');
  });
});

it('the SDK makes a signer for each call, by the setting that here gives one for all', async () => {
  const signers = new Set<unknown>();
  const client = new DynamoDBClient({ ...settings, maxAttempts: 1 });
  const make = client.config.signer;
  client.config.signer = async (scheme) => {
    const signer = await make(scheme);
    signers.add(signer);
    return signer;
  };
  for (let i = 0; i < 2; i++)
    await client.send(new GetItemCommand({ TableName: 't', Key: { pk: { S: 'x' } } })).catch(() => {});
  expect(signers.size).toBe(2);
  for (const ours of [dynamoClient(settings), s3Client(settings)])
    expect(await ours.config.signer()).toBe(await ours.config.signer());
});
