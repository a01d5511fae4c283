// Submissions by S3: S3 notifies the ingest queue of each envelope that a submitter stores. Called by stack.ts, only
// where the configuration has submitters. Nobody can overwrite a stored object, and each submitter may write below its
// own prefix alone.

import { Aws, CfnOutput } from 'aws-cdk-lib';
import type { Table } from 'aws-cdk-lib/aws-dynamodb';
import { Effect, ManagedPolicy, PolicyStatement, ServicePrincipal, StarPrincipal } from 'aws-cdk-lib/aws-iam';
import type { Bucket, CfnBucket } from 'aws-cdk-lib/aws-s3';
import type { Queue } from 'aws-cdk-lib/aws-sqs';
import { Construct } from 'constructs';
import type { Settings } from '#config/settings.ts';
import { pausesPartition } from '#core/delivery/pause.ts';
import { envelopeSuffix } from '#core/submission/stored-event.ts';
import { outboundPrefix, submitterOutput } from '#core/submission/submission.ts';
import { hasSubmitters, spoolLogicalId } from './spool.ts';
import { may } from './stage.ts';

export function submission(
  scope: Construct,
  given: { readonly settings: Settings; readonly bucket: Bucket; readonly table: Table; readonly ingestQueue: Queue },
): void {
  const { settings, bucket, table } = given;
  if (!hasSubmitters(settings)) return;
  const here = new Construct(scope, 'Submission');
  bucket.addToResourcePolicy(createOnly(bucket));
  tellOfEnvelopes(given);
  const ours = settings.domains.join(' ');
  if (ours !== '' && ours.length <= OUTPUT_CHARS_MAX)
    new CfnOutput(scope, 'Domains', {
      value: ours,
      description: 'Domains of ours: everpost sendmail refuses authors in them that are not its submitter’s',
    });
  const submitters = Object.entries(settings.submitters);
  const all = 2 * submitters.length + OTHER_OUTPUTS_MAX <= OUTPUTS_MAX;
  for (const [submitter, { senderDomains }] of submitters) {
    const policy = new ManagedPolicy(here, submitterOutput(submitter), {
      description: `Lets ${submitter} submit mail to ${settings.stackName}`,
      statements: [maySubmit(bucket, submitter), mayReadPauses(table)],
    });
    new CfnOutput(scope, `${submitterOutput(submitter)}PolicyArn`, {
      value: policy.managedPolicyArn,
      description: `Attach to the user or role by which ${submitter} submits mail`,
    });
    const domains = senderDomains.join(' ');
    if (!all || domains.length > OUTPUT_CHARS_MAX) continue; // sendmail then reads them from its own file
    new CfnOutput(scope, `${submitterOutput(submitter)}SenderDomains`, {
      value: domains,
      description: `What ${submitter} may send as: everpost sendmail refuses other senders`,
    });
  }
}

/** CloudFormation: outputs of a template. Then a number above the stack's outputs without those of submitters. */
const OUTPUTS_MAX = 200;
const OTHER_OUTPUTS_MAX = 40;
/** CloudFormation: an output's value has 1,024 bytes at most. */
const OUTPUT_CHARS_MAX = 1_024;

/** The names of a submitter's objects; nothing else may be put below its prefix. */
export function submissionPatterns(submitter: string): readonly string[] {
  return ['.eml', envelopeSuffix].map((ending) => `${outboundPrefix}${submitter}/*${ending}`);
}

/** Of our account's bucket alone: after a deletion another account may take its name. */
function maySubmit(bucket: Bucket, submitter: string): PolicyStatement {
  const patterns = submissionPatterns(submitter).map((pattern) => bucket.arnForObjects(pattern));
  const statement = may(['s3:PutObject'], ...patterns);
  statement.addCondition('StringEquals', { 'aws:ResourceAccount': Aws.ACCOUNT_ID });
  return statement;
}

/** The gateway answers 451 while outbound mail is paused. Of the ledger it may read the pauses, and nothing else. */
function mayReadPauses(table: Table): PolicyStatement {
  const statement = may(['dynamodb:Query'], table.tableArn);
  statement.addCondition('ForAllValues:StringEquals', { 'dynamodb:LeadingKeys': [pausesPartition] });
  return statement;
}

/** A stored object is never overwritten. The parts of a multipart upload make no object and carry no condition. */
function createOnly(bucket: Bucket): PolicyStatement {
  return new PolicyStatement({
    sid: 'DenyOverwriting',
    effect: Effect.DENY,
    principals: [new StarPrincipal()],
    actions: ['s3:PutObject'],
    resources: [bucket.arnForObjects(`${outboundPrefix}*`)],
    conditions: { Null: { 's3:if-none-match': 'true' }, Bool: { 's3:ObjectCreationOperation': 'true' } },
  });
}

/**
 * By the bucket's own property: CDK's method would add a custom resource, and with it a function that is not ours.
 */
function tellOfEnvelopes({ settings, bucket, ingestQueue }: Parameters<typeof submission>[1]): void {
  // S3 tries the queue out when the bucket is made, so its policy stands before the bucket, and cannot refer to it: the
  // bucket is named as CloudFormation will name it.
  const bucketName = `${settings.stackName}-${spoolLogicalId}`.toLowerCase();
  ingestQueue.addToResourcePolicy(
    new PolicyStatement({
      sid: 'AllowS3Events',
      effect: Effect.ALLOW,
      principals: [new ServicePrincipal('s3.amazonaws.com')],
      actions: ['sqs:SendMessage'],
      resources: [ingestQueue.queueArn],
      conditions: {
        StringEquals: { 'aws:SourceAccount': Aws.ACCOUNT_ID },
        ArnLike: { 'aws:SourceArn': `arn:${Aws.PARTITION}:s3:::${bucketName}*` },
      },
    }),
  );
  const cfnBucket = bucket.node.defaultChild as CfnBucket;
  cfnBucket.notificationConfiguration = {
    queueConfigurations: [
      {
        event: 's3:ObjectCreated:*',
        queue: ingestQueue.queueArn,
        filter: {
          s3Key: {
            rules: [
              { name: 'prefix', value: outboundPrefix },
              { name: 'suffix', value: envelopeSuffix },
            ],
          },
        },
      },
    ],
  };
  const policy = ingestQueue.node.tryFindChild('Policy');
  if (policy !== undefined) cfnBucket.node.addDependency(policy);
}
