// Every call of an S3 client says whose bucket it means: S3 then answers 403 where a bucket of that name belongs to
// another account, instead of giving it our mail or us its. The name of a bucket that was deleted is free for anybody.
// One middleware for the whole client, so that no call can be without it.

import type { S3Client } from '@aws-sdk/client-s3';

/**
 * `account`: whose bucket it is. Null: the account of the caller's own credentials, where the SDK knows it; else
 * nothing is said.
 */
export function ownedBy(client: S3Client, account: string | null): S3Client {
  client.middlewareStack.add(
    (next) => async (args) => {
      const owner = account ?? (await client.config.credentials()).accountId;
      if (owner === undefined) return next(args);
      return next({ ...args, input: { ...args.input, ExpectedBucketOwner: owner } });
    },
    { step: 'initialize', name: 'expectedBucketOwnerMiddleware', priority: 'high' },
  );
  return client;
}
