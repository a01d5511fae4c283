// The spool: the bucket that keeps accepted content. Called by stack.ts. SES writes below `in/`, submitters below
// `out/`. The functions read, and the purge alone puts delete markers. No lifecycle rule touches a current version, so
// that a sweep that stands still loses nothing (DESIGN §2.6).

import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import { BlockPublicAccess, Bucket, BucketEncryption, type CfnBucket, ObjectOwnership } from 'aws-cdk-lib/aws-s3';
import { Construct } from 'constructs';
import type { Settings } from '#config/settings.ts';
import { outboundPrefix } from '#core/submission/submission.ts';

/** The prefix of received mail. All receipt rules share it (DESIGN §2.7). */
export const inboundPrefix = 'in/';
/** Pinned: under another logical id CloudFormation would make a new, empty spool. */
export const spoolLogicalId = 'SpoolBucket';

export function hasSubmitters({ submitters }: Settings): boolean {
  return Object.keys(submitters).length > 0;
}

/** Below which accepted content lies. */
export function contentPrefixes(settings: Settings): readonly string[] {
  return hasSubmitters(settings) ? [inboundPrefix, outboundPrefix] : [inboundPrefix];
}

export function objectsBelow(bucket: Bucket, prefixes: readonly string[]): readonly string[] {
  return prefixes.map((prefix) => bucket.arnForObjects(`${prefix}*`));
}

const DAY_MS = 86_400_000;

export function spool(scope: Construct, settings: Settings): Bucket {
  const bucket = new Bucket(new Construct(scope, 'Spool'), 'Bucket', {
    versioned: true,
    // SSE-S3: SES needs no grant for it. With a KMS key that SES may not use, mail would be lost without an error
    // (aws-contracts §1.4).
    encryption: BucketEncryption.S3_MANAGED,
    blockPublicAccess: BlockPublicAccess.BLOCK_ALL,
    objectOwnership: ObjectOwnership.BUCKET_OWNER_ENFORCED,
    enforceSSL: true,
    removalPolicy: RemovalPolicy.RETAIN,
    lifecycleRules: [
      {
        id: 'DeletedVersions',
        // S3 counts whole days.
        noncurrentVersionExpiration: Duration.days(Math.max(1, Math.ceil(settings.retentionMs.versions / DAY_MS))),
        expiredObjectDeleteMarker: true,
        abortIncompleteMultipartUploadAfter: Duration.days(1),
      },
    ],
  });
  (bucket.node.defaultChild as CfnBucket).overrideLogicalId(spoolLogicalId);
  return bucket;
}
