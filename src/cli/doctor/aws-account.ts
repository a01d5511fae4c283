// Checks of the AWS account: credentials, region, the stack's state, and how many functions Lambda runs at once. Called
// by doctor.ts and by the deploy. They only read.

import type { LambdaLimits } from '#adapters/aws/account-reader.ts';
import { refusalOf } from '#adapters/aws/account-refusals.ts';
import { isCalledHourly } from '#config/hop-secrets.ts';
import type { Concurrency, Settings } from '#config/settings.ts';
import { asking, type Check, type Finding, NotFoundOut, ok, unanswered, unknown, wrong } from './finding.ts';
import type { Place } from './place.ts';

/** `deploying`: what a deploy mends is no fault before it. */
export function accountChecks(place: Place, deploying = false): readonly Check[] {
  const check = (name: string, run: Check['run']): Check => ({ name, area: 'account', beforeDeploy: true, run });
  return [
    check('credentials', () => credentials(place)),
    check('region', () => region(place)),
    check('stack', () => (deploying ? stackBefore(place) : stack(place))),
    check('lambda-quota', (signal) => quota(place, signal)),
  ];
}

/** Any answer of AWS proves them, a refusal for want of a right too. */
async function credentials({ reader, stackName, aws }: Place): Promise<readonly Finding[]> {
  if (aws !== null) return [ok('those of the local runtime')];
  try {
    await reader.stack(stackName, AbortSignal.timeout(CREDENTIALS_MS));
    return [ok('AWS takes them')];
  } catch (error) {
    const { kind, words } = refusalOf(error);
    if (kind === 'no-right') return [ok('AWS takes them')];
    if (kind !== 'credentials') return [unanswered('cloudformation:DescribeStacks', error)];
    const none = /Could not load credentials|CredentialsProviderError/.test(words);
    return [
      {
        ...wrong(
          none ? 'no AWS credentials are found' : `AWS does not take them (${words})`,
          none
            ? 'log in (aws sso login, or aws configure), or set AWS_PROFILE'
            : 'log in again (aws sso login), or set AWS_PROFILE to the profile that is meant',
        ),
        unavailable: true,
      },
    ];
  }
}
const CREDENTIALS_MS = 15_000;

/** General Reference, "Amazon SES endpoints and quotas", email receiving endpoints (docs/aws-contracts.md §1.1). */
const RECEIVING = new Set([
  ...['us-east-1', 'us-east-2', 'us-west-1', 'us-west-2', 'ca-central-1', 'sa-east-1', 'af-south-1'],
  ...['eu-central-1', 'eu-west-1', 'eu-west-2', 'eu-west-3', 'eu-south-1', 'eu-north-1', 'il-central-1', 'me-south-1'],
  ...['ap-south-1', 'ap-southeast-1', 'ap-southeast-2', 'ap-southeast-3'],
  ...['ap-northeast-1', 'ap-northeast-2', 'ap-northeast-3'],
]);

/** AWS opens new ones: what the list lacks, the name of its mail servers tells. */
async function region({ region: name, ask }: Place): Promise<readonly Finding[]> {
  if (RECEIVING.has(name)) return [ok(`SES receives in ${name}`)];
  const host = `inbound-smtp.${name}.amazonaws.com`;
  const answer = await ask(host, 'A');
  const remedy = 'choose a region in which SES receives, such as eu-west-1 (AWS_REGION)';
  if (answer.kind === 'values') return [ok(`SES receives in ${name} (${host} has an address)`)];
  return [
    answer.kind === 'none'
      ? wrong(`SES does not receive mail in ${name}`, remedy)
      : unknown(`SES was not known to receive in ${name}, and ${host} cannot be looked up (${answer.code})`, remedy),
  ];
}

async function stack(place: Place): Promise<readonly Finding[]> {
  const found = await place.stack();
  const { stackName } = place;
  if (found === null) return [wrong(`there is no stack ${stackName} in ${place.region}`, 'npm run deploy')];
  const { status } = found;
  if (/^(CREATE|UPDATE)_COMPLETE$|^(UPDATE_ROLLBACK|IMPORT)_COMPLETE$/.test(status))
    return status === 'UPDATE_ROLLBACK_COMPLETE'
      ? [
          wrong(
            `${stackName} is ${status}: the last deploy was undone`,
            'mend what its events name, then npm run deploy',
          ),
        ]
      : [ok(`${stackName} is ${status}`)];
  if (status.endsWith('_IN_PROGRESS'))
    return [{ ...wrong(`${stackName} is ${status}`, 'wait until CloudFormation has ended'), unavailable: true }];
  return [wrong(`${stackName} is ${status}`, REMEDIES[status]?.replace('NAME', stackName) ?? ARTICLE)];
}
/** A deploy creates what is missing, and the cdk command deletes what a failed creation left before it does. */
async function stackBefore(place: Place): Promise<readonly Finding[]> {
  const status = (await place.stack())?.status ?? null;
  const mends = status === null || /^((UPDATE_)?ROLLBACK_COMPLETE|ROLLBACK_FAILED|REVIEW_IN_PROGRESS)$/.test(status);
  return mends ? [ok(`the deploy finds ${status ?? 'no stack'}`)] : stack(place);
}

const ARTICLE = 'docs/runbook/README.md, "After a first deploy that failed"';
const REMEDIES: Readonly<Record<string, string>> = {
  ROLLBACK_COMPLETE: `mend what its events name, then npm run deploy, which creates it again (${ARTICLE})`,
  ROLLBACK_FAILED: `wait half an hour, then npm run deploy (${ARTICLE})`,
  DELETE_FAILED: `aws cloudformation delete-stack --stack-name NAME, then npm run deploy (${ARTICLE})`,
  UPDATE_ROLLBACK_FAILED: 'aws cloudformation continue-update-rollback --stack-name NAME',
};

async function quota({ reader, settings }: Place, signal: AbortSignal): Promise<readonly Finding[]> {
  const limits = await asking('lambda:GetAccountSettings', () => reader.lambdaLimits(signal));
  return [quotaFinding(limits, settings)];
}

/** AWS reserves only while as many stay for the functions that have reserved none (Developer Guide, Lambda quotas). */
const UNRESERVED_MIN = 100;

export function quotaFinding(
  { concurrent, unreserved }: LambdaLimits,
  settings: Pick<Settings, 'concurrency' | 'network' | 'nextHops'>,
): Finding {
  const { concurrency } = settings;
  const calls = callsAtOnce(concurrency, isCalledHourly(settings));
  const more = 'ask for a higher quota "Concurrent executions" of Lambda (Service Quotas), or lower `concurrency`';
  const runs = `Lambda runs ${concurrent} functions of this account at once`;
  if (concurrency.reserve)
    return concurrent - calls < UNRESERVED_MIN
      ? wrong(
          `${runs}; \`concurrency.reserve\` takes ${calls}, and AWS keeps ${UNRESERVED_MIN} for others`,
          `${more}, or leave \`concurrency.reserve\` out`,
        )
      : ok(`${runs}, and reserves ${calls} for Everpost`);
  const free = Math.min(concurrent, unreserved);
  return free < calls
    ? wrong(`${runs}, ${free} of them unreserved; \`concurrency\` asks for ${calls}`, more)
    : ok(`${runs}; \`concurrency\` asks for ${calls}`);
}

/** All mappings, the sweep, and the hourly call of relay where there is one. */
function callsAtOnce({ relay, slowRelay, ingest, feedback }: Concurrency, isHourly: boolean): number {
  return relay + slowRelay + ingest + feedback + 1 + (isHourly ? 1 : 0);
}

/** For checks that a missing stack does not end. */
export async function stands(place: Place): Promise<boolean> {
  try {
    const found = await place.stack();
    return found !== null && 'RuleSet' in found.outputs;
  } catch (error) {
    if (error instanceof NotFoundOut) return false;
    throw error;
  }
}
