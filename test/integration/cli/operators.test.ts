// The rights of the people who operate a stack: the two managed policies of the template, enforced by the emulated IAM
// on every verb of `everpost`. With all of them each verb succeeds. Without one that it used, it fails and names it.
// The verbs find the stack by its name, with credentials of a role, as on AWS.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { PutObjectCommand } from '@aws-sdk/client-s3';
import { ReceiveMessageCommand, StartMessageMoveTaskCommand } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { dynamoClient, s3ListClient, sqsClient } from '#adapters/aws/clients.ts';
import { DynamoBoard } from '#adapters/aws/dynamo-board.ts';
import { DynamoLedger } from '#adapters/aws/dynamo-ledger.ts';
import { callerArn } from '#aws-local/iam/iam.ts';
import { type AwsLocal, startAws } from '#aws-local/start-aws.ts';
import type { ServiceName } from '#aws-local/world.ts';
import { verbs } from '#cli/verbs.ts';
import { noCanaries } from '#core/delivery/canary-watch.ts';
import type { DeliveryRow } from '#core/delivery/delivery.ts';
import { superseded } from '#core/delivery/hold-release.ts';
import { placeholderKey } from '#core/spool/orphan.ts';
import { isFirstOf, writeCanaries } from '#pipeline/canaries.ts';
import { type PausePorts, pause as pauseScope, resume as resumeScope } from '#pipeline/operate/pauses.ts';
import { settingsOf as awsSettings, ledgerTable } from '#test/contract/emulated-aws.ts';
import { facts, newSpoolId, queued } from '#test/contract/rows.ts';
import { only, settingsOf, submitting, synthesised } from '#test/infra/template.ts';

vi.setConfig({ testTimeout: 60_000 });
const [HOUR, NOW] = [3_600_000, Date.now()];
const queueNames = ['IngestQueue', 'SlowRelayQueue', 'FeedbackQueue'];
const RESTORED = `${ledgerTable.TableName}-restored`;
const stackId = 'arn:aws:cloudformation:eu-west-1:000000000000:stack/Everpost/1';
const redrive = { deadLetterTargetArn: arnOf('RelayDeadLetters'), maxReceiveCount: 3 };
let aws: AwsLocal;
let ledger: DynamoLedger;
let reader: readonly Right[];
let operator: readonly Right[];
let roles = 0;

type Right = {
  readonly Effect: 'Allow';
  readonly Action: string;
  readonly Resource: unknown;
  readonly Condition?: object;
};

beforeAll(async () => {
  aws = await startAws({
    queues: [...queueNames, 'RelayDeadLetters', { name: 'RelayQueue', redrive }],
    buckets: [{ name: 'spool', versioned: true }],
    tables: [ledgerTable, { ...ledgerTable, TableName: RESTORED }],
    mail: { domains: ['example.com'] },
  });
  aws.stacks.put('Everpost', { id: stackId, status: 'CREATE_COMPLETE', outputs: outputs() });
  ledger = new DynamoLedger(dynamoClient(awsSettings(aws)), ledgerTable.TableName, {
    search: true,
    ledgerRetentionMs: 1e10,
  });
  const template = synthesised(settingsOf(submitting));
  const rightsOf = (name: string) => {
    const { Statement } = only(template, 'AWS::IAM::ManagedPolicy', `Operators${name}`)[1].Properties.PolicyDocument;
    return (Statement as (Omit<Right, 'Action'> & { Action: string | string[] })[]).flatMap((statement) =>
      [statement.Action].flat().map((Action) => ({ ...(resolved(statement) as Right), Action })),
    );
  };
  reader = rightsOf('Reader');
  operator = [...reader, ...rightsOf('Operator')];
  writeFileSync(join(aws.folder, 'dns.config.json'), JSON.stringify(dnsConfig));
  for (const [name, value] of Object.entries({
    AWS_ENDPOINT_URL: aws.endpoint,
    AWS_REGION: 'eu-west-1',
    AWS_MAX_ATTEMPTS: '1',
  }))
    vi.stubEnv(name, value);
});
afterAll(async () => {
  vi.unstubAllEnvs();
  await aws.close();
});

const dnsConfig = {
  domains: ['example.com'],
  nextHops: { office: { kind: 'smtp', host: 'mx.example.com', port: 25, tls: 'required' }, ses: { kind: 'ses' } },
  routes: [{ match: '*@example.com', to: [{ via: 'office' }] }],
  notices: { from: 'postmaster@example.com', postmaster: 'postmaster@example.com' },
};

/** The template's tokens as what this test made. A queue that it did not make is named all the same. */
function resolved(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(resolved);
  if (typeof value !== 'object' || value === null) return value;
  const pseudo: Record<string, string> = {
    Partition: 'aws',
    Region: 'eu-west-1',
    AccountId: '000000000000',
    StackId: stackId,
  };
  if ('Ref' in value) return pseudo[String(value.Ref).slice('AWS::'.length)] ?? String(value.Ref);
  if ('Fn::Join' in value) {
    const [separator, parts] = value['Fn::Join'] as [string, unknown[]];
    return parts.map(resolved).join(separator);
  }
  if ('Fn::GetAtt' in value) return arnOf((value['Fn::GetAtt'] as string[])[0] ?? '');
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, resolved(inner)]));
}

function arnOf(logicalId: string): string {
  if (logicalId === 'LedgerTable') return `arn:aws:dynamodb:eu-west-1:000000000000:table/${ledgerTable.TableName}`;
  if (logicalId === 'SpoolBucket') return 'arn:aws:s3:::spool';
  return `arn:aws:sqs:eu-west-1:000000000000:${logicalId.replace(/[0-9A-F]{8}$/, '')}`;
}

/** What the stack says of itself. */
function outputs() {
  const url = (name: string) => aws.queueUrl(name);
  const queues = { IngestQueueUrl: url('IngestQueue'), RelayQueueUrl: url('RelayQueue') };
  const names = { Table: ledgerTable.TableName, Bucket: 'spool', NextHops: 'office ses' };
  return { ...names, ...queues, FeedbackQueueUrl: url('FeedbackQueue') };
}

/** STS, as far as a verb asks it. GetCallerIdentity needs no permission. */
function callerIdentity() {
  return {
    name: 'sts' as ServiceName,
    async serve({ request, response, principal }) {
      request.resume();
      const result = `<GetCallerIdentityResult><Arn>${callerArn(principal, '000000000000')}</Arn></GetCallerIdentityResult>`;
      response.end(`<R xmlns="https://sts.amazonaws.com/doc/2011-06-15/">${result}</R>`);
    },
    fail({ response }, { statusCode }) {
      response.writeHead(statusCode).end();
    },
  } satisfies Parameters<AwsLocal['front']['add']>[0];
}

async function given(change: Partial<DeliveryRow> = {}): Promise<DeliveryRow> {
  const spoolId = newSpoolId();
  const row = queued(spoolId, {
    ...{
      acceptedAt: NOW - HOUR,
      nextAttemptAt: NOW - HOUR,
      expiresAt: NOW + 47 * HOUR,
      dueAt: NOW + HOUR,
      nextHop: 'office',
    },
    message: facts(spoolId, { acceptedAt: NOW - HOUR }),
    ...change,
  });
  await ledger.create([row], null);
  return row;
}
const held = (change: Partial<DeliveryRow> = {}) =>
  given({ state: 'held', stateReason: 'held-by-operator', dueAt: null, ...change });

type Case = {
  readonly rights: 'reader' | 'operator';
  readonly verb: string;
  readonly args: () => Promise<readonly string[]>;
};
const bySpoolId = async (row: Promise<DeliveryRow>, ...more: string[]) => ['--spool-id', (await row).spoolId, ...more];

/** Every way in which a verb reaches the stack. */
const cases: Readonly<Record<string, Case>> = {
  'trace of one message': { rights: 'reader', verb: 'trace', args: () => bySpoolId(given()) },
  'trace by recipient': {
    rights: 'reader',
    verb: 'trace',
    args: async () => ['--forward-path', (await given()).forwardPath],
  },
  'trace of the last hour': { rights: 'reader', verb: 'trace', args: async () => ['--since', '2h'] },
  'the list of pauses': { rights: 'reader', verb: 'pause', args: async () => [] },
  dns: { rights: 'reader', verb: 'dns', args: async () => ['--config', join(aws.folder, 'dns.config.json')] },
  'connector m365': {
    rights: 'reader',
    verb: 'connector',
    args: async () => ['m365', '--config', join(aws.folder, 'dns.config.json'), '--address', '192.0.2.1'],
  },
  'release of one': { rights: 'operator', verb: 'release', args: () => bySpoolId(held()) },
  'release of many': {
    rights: 'operator',
    verb: 'release',
    args: async () => [
      '--state',
      'held',
      '--forward-path',
      (await held({ forwardPath: `${newSpoolId()}@example.com` })).forwardPath,
      '--yes',
    ],
  },
  'release to named recipients': { rights: 'operator', verb: 'release', args: orphan },
  retry: { rights: 'operator', verb: 'retry', args: () => bySpoolId(held({ heldBecause: 'failure-limit' })) },
  hold: { rights: 'operator', verb: 'hold', args: () => bySpoolId(given()) },
  remove: { rights: 'operator', verb: 'remove', args: () => bySpoolId(held()) },
  resubmit: { rights: 'operator', verb: 'resubmit', args: lost },
  restore: { rights: 'operator', verb: 'restore', args: vanished },
  canary: { rights: 'operator', verb: 'canary', args: sentCanary },
  pause: { rights: 'operator', verb: 'pause', args: () => scope(resumeScope) },
  resume: {
    rights: 'operator',
    verb: 'resume',
    args: () => scope((ports, name) => pauseScope(ports, name, 'hold', 'test')),
  },
};

/** A next hop that is not as the verb leaves it. */
async function scope(
  before: (ports: PausePorts, name: string, by: string) => Promise<unknown>,
): Promise<readonly string[]> {
  const board = new DynamoBoard(dynamoClient(awsSettings(aws)), ledgerTable.TableName);
  await before({ board, clock: { now: () => Date.now() } }, 'office', 'test');
  return ['office'];
}

/** Ingest is played: it ends the placeholder once the command is in its queue. */
async function orphan(): Promise<readonly string[]> {
  const row = await held({ deliveryKey: placeholderKey, stateReason: 'receipt-missing', nextHop: '' });
  const sqs = sqsClient(awsSettings(aws));
  const command = new ReceiveMessageCommand({ QueueUrl: aws.queueUrl('IngestQueue'), WaitTimeSeconds: 3 });
  const play = async () => {
    const { Messages = [] } = await sqs.send(command);
    for (const { Body = '' } of Messages) {
      const { spoolId } = JSON.parse(Body) as { spoolId: string };
      const standing = await ledger.read({ spoolId, deliveryKey: placeholderKey });
      if (standing === null) continue;
      await ledger.create([queued(spoolId, { forwardPath: 'bob@example.com', message: facts(spoolId) })], null);
      const { row: ended, events } = superseded(standing, 'recipients-named', Date.now());
      await ledger.write(ended, events);
    }
  };
  void play().catch(() => {}); // where the verb was refused, no command comes before the end of the test
  return ['--spool-id', row.spoolId, '--to', 'bob@example.com'];
}

/** Feedback, SES and ingest are played: the canary has a row that was relayed once its job is in the queue. */
async function sentCanary(): Promise<readonly string[]> {
  await writeCanaries(ledger, noCanaries('canary@example.com'));
  const sqs = sqsClient(awsSettings(aws));
  const queue = { QueueUrl: aws.queueUrl('FeedbackQueue'), WaitTimeSeconds: 3, MaxNumberOfMessages: 10 };
  const play = async () => {
    for (let i = 0; i < 5; i += 1) {
      const { Messages = [] } = await sqs.send(new ReceiveMessageCommand(queue));
      for (const { Body = '' } of Messages) {
        const { spoolId: id, work } = JSON.parse(Body) as { spoolId: string; work: string };
        if (work === 'canary') await isFirstOf(ledger, id, await given({ state: 'relayed', dueAt: null, attempts: 1 }));
      }
    }
  };
  void play().catch(() => {});
  return ['--wait', '10s'];
}

async function lost(): Promise<readonly string[]> {
  const row = await given({ state: 'relayed', dueAt: null, lastAttemptAt: Date.now() - 60_000, attempts: 1 });
  const s3 = s3ListClient(awsSettings(aws));
  await s3.send(new PutObjectCommand({ Bucket: 'spool', Key: row.message?.objectKey, Body: 'Subject: x\r\n\r\n' }));
  return ['--next-hop', 'office', '--since', '1h', '--spool-id', row.spoolId, '--yes'];
}

/** A row that the restored table has alone, and whose message has an item of its own. */
async function vanished(): Promise<readonly string[]> {
  const spoolId = newSpoolId();
  const options = { search: true, ledgerRetentionMs: 1e10 };
  const before = new DynamoLedger(dynamoClient(awsSettings(aws)), RESTORED, options);
  await before.create([queued(spoolId, { acceptedAt: NOW - HOUR, message: null })], facts(spoolId));
  return ['--from', RESTORED, '--instant', '1h'];
}

const nextRole = () => {
  roles += 1;
  return `person-${roles}`;
};

/** The verb as a role with these rights; what it said, its errors too, and which of the rights it used. */
async function as(rights: readonly Right[], verb: string, args: readonly string[]) {
  const name = nextRole();
  const key = aws.role(name, rights);
  vi.stubEnv('AWS_ACCESS_KEY_ID', key.accessKeyId);
  vi.stubEnv('AWS_SECRET_ACCESS_KEY', key.secretAccessKey);
  vi.stubEnv('AWS_SESSION_TOKEN', key.sessionToken);
  let text = '';
  const hear = (chunk: unknown) => {
    text += String(chunk);
    return true;
  };
  const spies = [process.stdout, process.stderr].map((stream) => vi.spyOn(stream, 'write').mockImplementation(hear));
  const code = await run(verb, args).catch((error: unknown) => {
    hear(error instanceof Error ? error.message : error);
    return 1;
  });
  for (const spy of spies) spy.mockRestore();
  const mine = ({ principal }: { principal: string }) => principal.includes(`/${name}/`);
  return {
    code,
    text,
    used: [
      ...new Set(
        aws.iam
          .used()
          .filter(mine)
          .map(({ action }) => action),
      ),
    ].sort(),
  };
}

async function run(verb: string, args: readonly string[]): Promise<number> {
  const entry = verbs.get(verb);
  if (entry === undefined) throw new Error(`there is no verb ${verb}`);
  return (await entry.load()).run([...args, '--stack', 'Everpost']);
}

const needed = new Map<string, readonly string[]>();

describe.each(Object.entries(cases))('%s', (name, { rights, verb, args }) => {
  const all = () => (rights === 'reader' ? reader : operator);

  test(`may be done by the ${rights}`, async () => {
    const done = await as(all(), verb, await args());
    expect([done.code, done.text]).toEqual([0, expect.not.stringContaining('not authorized')]);
    expect(done.used).toContain('cloudformation:DescribeStacks');
    needed.set(name, done.used);
  });

  test('fails without each right that it used, and names it', async () => {
    for (const action of needed.get(name) ?? expect.fail('it did not succeed')) {
      const less = all().filter(({ Action }) => Action !== action);
      const failed = await as(less, verb, await args());
      expect([action, failed.code === 0, failed.text]).toEqual([action, false, expect.stringContaining(action)]);
    }
  });
});

/** Those that people use by AWS's own console and commands, and no verb: dashboard, alarms, queries, depths. */
const withoutVerb = [
  ...['DescribeAlarms', 'GetDashboard', 'GetMetricData', 'ListDashboards', 'ListMetrics'].map(
    (it) => `cloudwatch:${it}`,
  ),
  ...['DescribeQueryDefinitions', 'FilterLogEvents', 'GetQueryResults', 'StartQuery', 'StopQuery'].map(
    (it) => `logs:${it}`,
  ),
  'cloudformation:ListStackResources',
  'sqs:GetQueueAttributes',
];
/** To read content that a delete marker hides, and dead letters: the two tests below. */
const ofArticles = ['s3:GetObjectVersion'];
const ofDeadLetters = [
  'sqs:DeleteMessage',
  'sqs:ListMessageMoveTasks',
  'sqs:ReceiveMessage',
  'sqs:StartMessageMoveTask',
];

test('every right is used by a verb, or is one of the few that people use without', () => {
  const used = [...new Set([...needed.values()].flat())];
  const granted = [...new Set(operator.map(({ Action }) => Action))];
  const rest = granted.filter((action) => !used.includes(action)).sort();
  expect(rest).toEqual([...withoutVerb, ...ofArticles, ...ofDeadLetters].sort());
});

test('dead letters are moved back by the operator, and by nobody without each right to it', async () => {
  const command = new StartMessageMoveTaskCommand({
    SourceArn: arnOf('RelayDeadLetters'),
    DestinationArn: arnOf('RelayQueue'),
  });
  const move = (rights: readonly Right[]) => {
    const credentials = aws.role(nextRole(), rights);
    return sqsClient({ ...awsSettings(aws), credentials }).send(command);
  };
  await expect(move(operator)).resolves.toMatchObject({ TaskHandle: expect.any(String) });
  for (const action of ['StartMessageMoveTask', 'ReceiveMessage', 'DeleteMessage', 'SendMessage'].map(
    (it) => `sqs:${it}`,
  ))
    await expect(move(operator.filter(({ Action }) => Action !== action))).rejects.toThrow(action);
});

test('the trace names the caller as AWS knows it', async () => {
  aws.front.add(callerIdentity());
  const row = await given();
  await as(operator, 'hold', ['--spool-id', row.spoolId]);
  const name = `person-${roles}`;
  const arn = `arn:aws:sts::000000000000:assumed-role/${name}/${name}`;
  expect((await ledger.read(row))?.trace.at(-1)).toMatchObject({ event: 'HOLD', by: arn });
  expect((await as(reader, 'trace', ['--spool-id', row.spoolId])).text).toContain(`by ${arn}`);
  const json = JSON.parse((await as(reader, 'trace', ['--spool-id', row.spoolId, '--json'])).text);
  expect(json[0].events.at(-1)).toMatchObject({ event: 'HOLD', by: arn });
  await scope(resumeScope);
  expect((await as(operator, 'pause', ['office'])).text).toContain(`assumed-role/person-${roles}/`);
});

test('the reader changes nothing and reads no content', async () => {
  for (const [name, { rights, verb, args }] of Object.entries(cases)) {
    if (rights === 'reader') continue;
    const failed = await as(reader, verb, await args());
    expect([name, failed.code === 0, failed.text]).toEqual([
      name,
      false,
      expect.stringMatching(/not authorized|denied/i),
    ]);
  }
});
