// Every first deploy that can fail is played on the model of creations: what stays, that no mail came in before the
// last resource stood, and that the same command then works. The model is shown to refuse templates that are broken on
// purpose; each of these is a mistake that has been made, here or by others.

import { describe, expect, test } from 'vitest';
import { Deploys, type Failure } from './creation-model.ts';
import { CreationPlan } from './creation-plan.ts';
import { creationRules } from './creation-rules.ts';
import { played, type Walk, walk, walks } from './failed-creation-report.ts';
import type { Resource, Synthesised } from './template.ts';

const whole = template('all features');

function template(name: string): Synthesised {
  const found = played[name];
  if (found === undefined) throw new Error(`no template ${name}`);
  return found;
}

const refused = (all: readonly Walk[]) => all.filter(({ refusals }) => refusals.length > 0);

describe.each(Object.keys(played))('%s: a first deploy that fails, at each resource in turn', (name) => {
  const all = walks(template(name));

  test('is rolled back, and the same command then creates the stack', () => {
    expect(refused(all)).toEqual([]);
    expect([...new Set(all.map(({ first, retried }) => `${first.status}, ${retried.status}`))]).toEqual([
      'ROLLBACK_COMPLETE, CREATE_COMPLETE',
    ]);
    expect(all).toHaveLength(4 * Object.keys(template(name).resources).length);
  });

  test('leaves bucket and table, and no mail', () => {
    const setUp = 'in/AMAZON_SES_SETUP_NOTIFICATION';
    const bucket = ['AWS::S3::Bucket SpoolBucket', `AWS::S3::Bucket SpoolBucket (${setUp})`];
    const stays = new Set(all.flatMap(({ left }) => left));
    expect([...stays].sort()).toEqual([...bucket, 'AWS::DynamoDB::Table LedgerTable'].sort());
  });

  test('accepts no mail until every resource stands', () => {
    expect(all.flatMap(({ first, retried }) => [first, retried].flatMap((it) => it.missingAtFirstMail ?? []))).toEqual(
      [],
    );
    expect(all.every(({ retried }) => retried.missingAtFirstMail !== null)).toBe(true);
  });
});

test('the activation depends on every other resource, functions, mappings and alarms among them', () => {
  for (const { resources } of Object.values(played)) {
    const [activation, ...more] = Object.entries(resources).filter(([, { Type }]) => Type === 'Custom::ActiveRuleSet');
    expect(more).toEqual([]);
    const others = Object.keys(resources).filter((id) => id !== activation?.[0]);
    expect([...(activation?.[1].DependsOn ?? [])].sort()).toEqual(others.sort());
  }
});

test('where CloudFormation may not wait for interfaces, the same command works half an hour later', () => {
  const all = walks(whole, { waits: false });
  expect([...new Set(all.map(({ retried }) => retried.status))]).toEqual(['CREATE_COMPLETE']);
  const failed = refused(all);
  expect(failed.length).toBeGreaterThan(0);
  for (const { first } of failed)
    expect(new Set(first.refusals.map(({ by }) => by))).toEqual(new Set(['interfaces-linger']));
});

test('six failures one after another leave room for the seventh deploy', () => {
  const deploys = new Deploys(new CreationPlan(whole));
  for (let i = 0; i < 6; i++) deploys.deploy(late);
  expect(deploys.deploy().refusals).toEqual([]);
});

test('each rule has its source', () => {
  for (const [id, { says, source }] of Object.entries(creationRules))
    expect([id, says.length > 20 && /https:|aws-cdk|issue/.test(source)]).toEqual([id, true]);
});

/** At the activation: everything else is made by then. */
const late: Failure = { at: idOf('Custom::ActiveRuleSet'), how: 'refused', others: 'all' };

function idOf(type: string, start = ''): string {
  const found = Object.entries(whole.resources).find(([id, { Type }]) => Type === type && id.startsWith(start));
  if (found === undefined) throw new Error(`no ${type} ${start}`);
  return found[0];
}

type Change = (id: string, resource: Resource) => Resource;

/** The template with its resources of that type changed. */
function changed(type: string, change: Change): Synthesised {
  const resources = Object.entries(whole.resources).map(
    ([id, resource]) => [id, resource.Type === type ? change(id, resource) : resource] as const,
  );
  return { ...whole, resources: Object.fromEntries(resources) };
}

const policy =
  (DeletionPolicy: string): Change =>
  (_, resource) => ({ ...resource, DeletionPolicy });
const named =
  (property: string): Change =>
  (id, resource) => ({
    ...resource,
    Properties: { ...resource.Properties, [property]: `everpost-${id}` },
  });
const independent: Change = (_, resource) => ({ ...resource, DependsOn: [] });

function reworded(resource: Resource, from: string, to: string): Resource {
  return JSON.parse(JSON.stringify(resource).replaceAll(from, to)) as Resource;
}

describe('a broken template is refused', () => {
  const broken: Readonly<Record<string, readonly [Synthesised, readonly string[]]>> = {
    'the activation depends on its rule alone': [
      changed('Custom::ActiveRuleSet', (_, resource) => ({ ...resource, DependsOn: [idOf('AWS::SES::ReceiptRule')] })),
      ['no-mail-before-the-last-resource'],
    ],
    'the bucket goes with a failed creation': [
      changed('AWS::S3::Bucket', policy('RetainExceptOnCreate')),
      ['bucket-not-empty'],
    ],
    'the table goes with the stack': [
      changed('AWS::DynamoDB::Table', policy('Delete')),
      ['table-protected', 'table-protected', 'cdk-deletes-first'],
    ],
    'the stack is protected': [{ ...whole, terminationProtection: true }, ['cdk-protects-first']],
    'queues stay': [changed('AWS::SQS::Queue', policy('Retain')), ['nothing-else-stays']],
    'log groups have names, and stay': [
      changed('AWS::Logs::LogGroup', (id, resource) => named('LogGroupName')(id, policy('Retain')(id, resource))),
      ['nothing-else-stays', 'name-taken'],
    ],
    'queues have names of their own': [changed('AWS::SQS::Queue', named('QueueName')), ['queue-name-rests']],
    'the table has a name of its own': [changed('AWS::DynamoDB::Table', named('TableName')), ['name-taken']],
    'rules do not wait for the policies of bucket and topic': [
      changed('AWS::SES::ReceiptRule', (_, rule) => ({ ...rule, DependsOn: [idOf('AWS::SES::ReceiptRuleSet')] })),
      ['ses-tries-bucket'],
    ],
    'the bucket does not wait for the policy of the queue': [
      changed('AWS::S3::Bucket', independent),
      ['s3-tries-queue'],
    ],
    'functions may make log groups': [
      changed('AWS::IAM::Role', (_, resource) => reworded(resource, 'logs:PutLogEvents', 'logs:CreateLogGroup')),
      ['nothing-else-stays'],
    ],
    'a role may not receive': [
      changed('AWS::IAM::Role', (_, resource) => reworded(resource, 'sqs:ReceiveMessage', 'sqs:GetQueueUrl')),
      ['mapping-needs-role'],
    ],
    'relay may not make interfaces': [
      changed('AWS::IAM::Role', (_, resource) => reworded(resource, 'ec2:CreateNetworkInterface', 'ec2:DescribeVpcs')),
      ['vpc-needs-role'],
    ],
  };
  test.each(Object.entries(broken))('%s', (_, [template, by]) => {
    const plan = new CreationPlan(template);
    // At the end, and as early as what has no order may come.
    const early = ['SpoolBucket', idOf('AWS::SES::ReceiptRule')].map(
      (at): Failure => ({ at, how: 'made', others: 'needed' }),
    );
    const found = [late, ...early].flatMap((failure) => walk(plan, failure).refusals);
    const rules = [...found, ...new Deploys(plan).deploy().refusals].map((refusal) => refusal.by as string);
    for (const rule of by) expect(rules).toContain(rule);
  });

  test('addresses stay: the third attempt has none', () => {
    const deploys = new Deploys(new CreationPlan(changed('AWS::EC2::EIP', policy('Retain'))));
    deploys.deploy(late);
    deploys.deploy(late);
    expect(deploys.deploy().refusals.map(({ by }) => by)).toContain('five-addresses');
  });

  test('the role goes before the interfaces: the same command does not work, however late', () => {
    const before = changed('AWS::EC2::SecurityGroup', independent);
    const loose = Object.entries(before.resources).map(
      ([id, resource]) => [id, resource.Type === 'AWS::EC2::Subnet' ? independent(id, resource) : resource] as const,
    );
    const plan = new CreationPlan({ ...before, resources: Object.fromEntries(loose) });
    const { retried } = walk(plan, late, { waits: false });
    expect(retried.status).toBe('NOT_CREATED');
    expect(retried.refusals.map(({ by }) => by)).toContain('interfaces-linger');
  });

  test("the activation's function may go before it: the rollback fails", () => {
    const activationRole = idOf('AWS::IAM::Role', 'FrontDoorActivation');
    const { Policies, ...others } = whole.resources[activationRole]?.Properties ?? {};
    const resources: Record<string, Resource> = {
      ...changed('Custom::ActiveRuleSet', independent).resources,
      [activationRole]: { Type: 'AWS::IAM::Role', Properties: others },
      Apart: { Type: 'AWS::IAM::Policy', Properties: { ...Policies[0], Roles: [{ Ref: activationRole }] } },
    };
    const { first, retried } = walk(new CreationPlan({ ...whole, resources }), { ...late, how: 'made' });
    expect([...first.refusals, ...retried.refusals].map(({ by }) => by)).toContain('custom-resource-deleted');
  });
});
