// What a failed first deploy leaves, for each resource at which it can fail: `node
// test/infra/failed-creation-report.ts` prints it. failed-creation.test.ts plays the same, and asserts it. The rules
// are creation-rules.ts.

import { Deploys, type Failure, type Played } from './creation-model.ts';
import { CreationPlan } from './creation-plan.ts';
import type { Refusal } from './creation-rules.ts';
import { bySesAndSrs, type Synthesised, settingsOf, submitting, synthesised } from './template.ts';

export type Walk = {
  readonly failure: Failure;
  readonly first: Played;
  /** What stays of the failed creation: `AWS::S3::Bucket SpoolBucket (1 object)`. */
  readonly left: readonly string[];
  /** Of the failed creation, of the same command again, and of our demands. */
  readonly refusals: readonly Refusal[];
  readonly retried: Played;
};

/** What may stay: nobody may lose what SES or a submitter put into it. */
const mayStay = ['AWS::S3::Bucket', 'AWS::DynamoDB::Table'];

/** A first deploy that fails there, and the same command again. */
export function walk(plan: CreationPlan, failure: Failure, options: { readonly waits?: boolean } = {}): Walk {
  const deploys = new Deploys(plan, options);
  const first = deploys.deploy(failure);
  const stays = deploys.left();
  const left = stays.map(({ type, logicalId, objects }) => {
    const holds = objects.length > 0 ? ` (${objects.join(', ')})` : '';
    return `${type} ${logicalId}${holds}`;
  });
  const others = stays.filter(({ type }) => !mayStay.includes(type));
  // Where CloudFormation did not wait for the interfaces, a person does.
  if (first.status === 'ROLLBACK_FAILED') deploys.account.wait(30);
  const retried = deploys.deploy();
  const demands = others.map(({ logicalId }) => ({ by: 'nothing-else-stays' as const, at: logicalId }));
  return { failure, first, left, retried, refusals: [...first.refusals, ...demands, ...retried.refusals] };
}

/** At each resource, refused or made, early and late. */
export function walks(template: Synthesised, options: { readonly waits?: boolean } = {}): readonly Walk[] {
  const plan = new CreationPlan(template);
  return [...plan.needs.keys()].flatMap((at) =>
    (['refused', 'made'] as const).flatMap((how) =>
      (['needed', 'all'] as const).map((others) => walk(plan, { at, how, others }, options)),
    ),
  );
}

const routes = [...bySesAndSrs.routes, ...submitting.routes.slice(-1)];
export const played: Readonly<Record<string, Synthesised>> = {
  minimal: synthesised(settingsOf()),
  'all features': synthesised(settingsOf({ ...bySesAndSrs, ...submitting, routes, network: { create: { zones: 3 } } })),
};

if (import.meta.main) for (const [name, template] of Object.entries(played)) print(name, walks(template));

function print(name: string, all: readonly Walk[]): void {
  const count = (what: (walk: Walk) => string) =>
    Object.entries(Object.groupBy(all, what)).map(([key, some = []]) => `${some.length} ${key}`);
  const refused = all.filter(({ refusals }) => refusals.length > 0);
  console.log(`${name}: ${all.length} failed first deploys, at ${all.length / 4} resources`);
  console.log(`  end: ${count(({ first }) => first.status).join(', ')}`);
  console.log(`  the same command again: ${count(({ retried }) => retried.status).join(', ')}`);
  for (const line of count(({ left }) => left.join(', ') || 'nothing')) console.log(`  stays: ${line}`);
  const early = all.filter(({ first }) => (first.missingAtFirstMail ?? []).length > 0);
  console.log(`  mail before the last resource: ${early.length}`);
  for (const { failure, refusals } of refused)
    console.log(`  REFUSED at ${failure.at} (${failure.how}, ${failure.others}): ${JSON.stringify(refusals)}`);
}
