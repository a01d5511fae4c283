// A middleware that adds the expected bucket owner to every call of an S3 client. Each place that makes an S3 client
// uses it. S3 then answers 403 where a bucket of that name belongs to another account, instead of giving us its mail or
// it ours. Anybody may take the name of a deleted bucket. It stands once for the whole client, so that no call lacks
// it.

import type { S3Client } from '@aws-sdk/client-s3';

/**
 * `account`: the bucket's owner. Null: the account of the caller's own credentials, where the SDK knows it; otherwise
 * no owner is sent.
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
