// Finds what a failed first deploy of a stack of this name left behind: buckets and tables that no stack has. Called by
// doctor.ts. It looks into them, and prints the commands that remove them only where they hold no mail. It removes
// nothing.

import { setUpObject } from '#adapters/aws/account-reader.ts';
import { asking, type Check, type Finding, NotFoundOut, ok, unknown, wrong } from './finding.ts';
import type { Place } from './place.ts';

/** CloudFormation names a resource STACK-LOGICALID-RANDOM, a bucket in lower case; the ids are pinned. */
const BUCKET_ID = 'spoolbucket';
const TABLE_ID = 'LedgerTable';
const ARTICLE = 'docs/runbook/README.md, "After a first deploy that failed"';

export function leftoverChecks(place: Place): readonly Check[] {
  const run = async (signal: AbortSignal): Promise<readonly Finding[]> => {
    const found = (await Promise.all([buckets(place, signal), tables(place, signal)])).flat();
    return found.length === 0 ? [ok(`no bucket or table of ${place.stackName} is without a stack`)] : found;
  };
  return [{ name: 'leftovers', area: 'leftovers', beforeDeploy: false, run }];
}

/** Null: the stack has none. What it has cannot be told while CloudFormation works, or where a deletion failed. */
async function stackOwn(place: Place, output: 'Bucket' | 'Table'): Promise<string | null> {
  const stack = await place.stack();
  const own = stack?.outputs[output];
  if (own !== undefined) return own;
  if (stack === null || stack.status === 'ROLLBACK_COMPLETE') return null;
  const words = `${place.stackName} is ${stack.status}: which buckets and tables it has is not known`;
  throw new NotFoundOut(unknown(words, 'see the line of the check "stack"'));
}

async function buckets(place: Place, signal: AbortSignal): Promise<readonly Finding[]> {
  const prefix = `${place.stackName.toLowerCase()}-${BUCKET_ID}-`;
  const all = await asking('s3:ListAllMyBuckets', () => place.reader.bucketsFrom(prefix, signal));
  const own = await stackOwn(place, 'Bucket');
  return Promise.all(all.filter((name) => name !== own).map((name) => bucketFinding(place, name, signal)));
}

async function bucketFinding({ reader }: Place, bucket: string, signal: AbortSignal): Promise<Finding> {
  const right = `s3:ListBucketVersions on ${bucket}`;
  const { objects, setUpVersions } = await asking(right, () => reader.contentOf(bucket, signal));
  const what = `the bucket ${bucket} belongs to no stack`;
  if (objects > 0) return wrong(`${what}, and holds ${objects} or more objects: they may be mail`, ARTICLE);
  const remove = `aws s3api delete-bucket --bucket ${bucket}`;
  if (setUpVersions.length === 0) return wrong(`${what}, and is empty`, remove);
  const first = setUpVersions.map(
    (version) => `aws s3api delete-object --bucket ${bucket} --key ${setUpObject} --version-id ${version}`,
  );
  return wrong(`${what}, and holds SES's set-up object alone`, [...first, remove].join(' && '));
}

async function tables(place: Place, signal: AbortSignal): Promise<readonly Finding[]> {
  const prefix = `${place.stackName}-${TABLE_ID}-`;
  const all = await asking('dynamodb:ListTables', () => place.reader.tablesFrom(prefix, signal));
  const own = await stackOwn(place, 'Table');
  return Promise.all(all.filter((name) => name !== own).map((name) => tableFinding(place, name, signal)));
}

async function tableFinding({ reader }: Place, table: string, signal: AbortSignal): Promise<Finding> {
  const what = `the table ${table} belongs to no stack`;
  if (await asking(`dynamodb:Scan on ${table}`, () => reader.hasItems(table, signal)))
    return wrong(`${what}, and holds rows: look at what they say of mail`, ARTICLE);
  const unprotect = `aws dynamodb update-table --table-name ${table} --no-deletion-protection-enabled`;
  return wrong(`${what}, and is empty`, `${unprotect} && aws dynamodb delete-table --table-name ${table}`);
}
