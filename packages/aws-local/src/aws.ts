// Opens all emulated services in one data folder: S3, SQS and SNS (emulators.ts), DynamoDB, SES, Secrets Manager,
// CloudWatch and the Lambda host. Called by start-aws.ts, and by a product that boots its stack on them. `deploy` makes
// the resources of a synthesised template. It opens one port, the endpoint; the caller opens SES's SMTP listener on
// `ses.door`.

import { randomUUID } from 'node:crypto';
import type { Makers } from './cloudformation/creator.ts';
import { type CustomResourceRow, createResponses } from './cloudformation/custom-resource.ts';
import { type Deployed, deploy } from './cloudformation/deploy.ts';
import { createCloudFormation, createStacks, type Stacks } from './cloudformation/stacks.ts';
import type { Assembly } from './cloudformation/template.ts';
import { type CloudWatch, startCloudWatch } from './cloudwatch/cloudwatch.ts';
import { createMetrics, type Metrics } from './cloudwatch/metric-data.ts';
import { createDynamoDb } from './dynamodb/dynamodb.ts';
import type { Tables } from './dynamodb/tables.ts';
import { type Emulators, type EmulatorsOptions, openEmulators } from './emulators.ts';
import { createLambda, createLambdaAccount, type LambdaAccount } from './lambda/account-limits.ts';
import type { InvocationRecord } from './lambda/invocation.ts';
import { type LambdaHost, lambdaHost } from './lambda/lambda.ts';
import { madeSecrets } from './secrets/generated.ts';
import { createSecretsManager, type Secrets } from './secrets/secrets-manager.ts';
import { createSesAccount, type SesAccount } from './ses/account.ts';
import { type ConfigurationSets, openConfigurationSets } from './ses/configuration-sets.ts';
import { madeIdentities } from './ses/made-identities.ts';
import { openOutgoing, type SesOut } from './ses/outgoing.ts';
import type { Announce } from './ses/receipt-actions.ts';
import { createSesReceive, type SesReceive } from './ses/receiving.ts';
import type { ReceivedMail } from './ses/send-bounce.ts';
import { openEvents } from './ses/sending-events.ts';
import { createSes } from './ses/ses.ts';
import { createSts } from './sts/sts.ts';

export type MailOptions = {
  /** The domains that a receipt rule without recipients matches. */
  readonly verifiedDomains: () => readonly string[];
  /** Domains, whose sub-domains count too, and addresses that SES sends as. */
  readonly identities: () => readonly string[];
  /** Identities that are created and not verified; by default none. */
  readonly unverified?: () => readonly string[];
  /** Verified identities whose DKIM records SES does not find any more; by default none. */
  readonly unsigned?: () => readonly string[];
  /** The custom MAIL FROM domain of an identity; by default none has one. */
  readonly mailFrom?: (identity: string) => string | null;
  /** The destination of mail that SES sends: an SMTP server, or a folder of Maildirs. */
  readonly out: SesOut;
};

export type AwsOptions = EmulatorsOptions & {
  readonly mail: MailOptions;
  /** Secrets beside those that a template makes; asked at each call. */
  readonly secrets?: () => Secrets;
  /** Variables that every function sees beside its own. */
  readonly functionVariables?: Readonly<Record<string, string>>;
  /** Whole lines that functions write, without those that are metrics. */
  readonly onFunctionLine?: (functionName: string, line: string) => void;
};

export type Aws = Emulators & {
  readonly tables: Tables;
  readonly ses: SesReceive;
  readonly configurationSets: ConfigurationSets;
  /** The account's sending at SES, as a test sets it. */
  readonly sesAccount: SesAccount;
  /** The account's limits at Lambda, as a test sets them. Nothing here runs into them. */
  readonly lambdaAccount: LambdaAccount;
  /** The stacks that CloudFormation knows: those that were deployed, and what a test writes down. */
  readonly stacks: Stacks;
  readonly functions: LambdaHost;
  readonly cloudWatch: CloudWatch;
  /**
   * Creates or updates each resource of the stack, and starts event source mappings and schedules. Throws with the
   * resource's name.
   */
  deploy(assembly: Assembly, minutelyEveryMs?: number | null): Promise<Deployed>;
  /**
   * Ends everything. Running functions have so many real milliseconds to end. Messages of a function that is cut off
   * become visible again after their visibility timeout.
   */
  close(patienceMs?: number): Promise<void>;
};

/** SendBounce is for mail of the last day; older rows are of no use. */
const DAYS_2_MS = 172_800_000;

/** Rejects where the port is taken, and with DamagedStore where state is lost; nothing is left running. */
export async function openAws(options: AwsOptions): Promise<Aws> {
  const closers: ((patienceMs: number) => unknown)[] = [];
  const onClose = (close: (patienceMs: number) => unknown): unknown => closers.unshift(close);
  const close = async (patienceMs = 0): Promise<void> => {
    for (const each of closers.splice(0)) await each(patienceMs);
  };
  try {
    return { ...(await open(options, onClose)), close };
  } catch (error) {
    await close();
    throw error;
  }
}

type OnClose = (close: (patienceMs: number) => unknown) => unknown;

async function open(options: AwsOptions, onClose: OnClose): Promise<Omit<Aws, 'close'>> {
  const emulators = await openEmulators(options);
  onClose(emulators.close);
  const { world, clock, store, front } = emulators;
  const metrics = createMetrics(() => clock.now());
  const cloudWatch = startCloudWatch(world, metrics, emulators.topics.publish);
  onClose(cloudWatch.stop);
  const dynamoDb = await createDynamoDb(world, options.disk ?? {});
  onClose(dynamoDb.close);
  front.add(dynamoDb.service);
  const secrets = madeSecrets(store);
  front.add(createSts(world));
  front.add(createSecretsManager(world, options.secrets ?? (() => ({})), secrets));
  const { ses, configurationSets, sesAccount, resume } = openSes(emulators, metrics, options.mail, onClose);
  const functions = openFunctions(emulators, metrics, options);
  onClose(functions.stop);
  const responses = createResponses(front);
  const [lambdaAccount, stacks] = [createLambdaAccount(), createStacks()];
  front.add(createLambda(world, lambdaAccount));
  front.add(createCloudFormation(world, stacks));
  const makers: Omit<Makers, 'minutelyEveryMs'> = {
    ...emulators,
    secrets,
    tables: dynamoDb.tables,
    buckets: emulators.s3.buckets,
    receiptRules: ses.rules,
    configurationSets,
    host: functions,
    cloudWatch,
    responses,
    customResources: store.table<CustomResourceRow>('custom_resources'),
    queueUrl: (name) => `${front.endpoint}/${world.account}/${name}`,
  };
  return {
    ...emulators,
    tables: dynamoDb.tables,
    ses,
    configurationSets,
    sesAccount,
    lambdaAccount,
    stacks,
    functions,
    cloudWatch,
    async deploy(assembly, minutelyEveryMs = null) {
      const stackId = stackIdOf(emulators, assembly.stackName);
      const deployed = await deploy(assembly, { ...makers, minutelyEveryMs }, stackId);
      onClose((patienceMs) => endWork(deployed, functions, patienceMs));
      stacks.put(assembly.stackName, { id: stackId, status: 'CREATE_COMPLETE', outputs: deployed.outputs });
      return deployed;
    },
    resume() {
      emulators.resume();
      resume();
    },
  };
}

function openSes(
  { world, clock, store, ...emulators }: Emulators,
  metrics: Metrics,
  mail: MailOptions,
  onClose: OnClose,
) {
  const received = store.table<ReceivedMail>('ses_received');
  for (const [id, { acceptedAt }] of [...received.entries()])
    if (clock.now() - acceptedAt > DAYS_2_MS) received.delete(id);
  const announce: Announce = (by, topicArn, subject, message) =>
    emulators.topics.announce(by, topicArn, { message, subject });
  const ses = createSesReceive({
    world,
    store,
    deposit: emulators.s3.deposit,
    announce,
    verifiedDomains: mail.verifiedDomains,
    measure: metrics.put,
    remember: received.put,
  });
  onClose(ses.stop);
  const configurationSets = openConfigurationSets(world, store, announce);
  const events = openEvents(world, store, configurationSets, announce);
  onClose(events.stop);
  const outgoing = openOutgoing(world, mail.out, { sets: configurationSets, events });
  onClose(outgoing.stop);
  const sesAccount = createSesAccount(world);
  const sending = {
    outgoing,
    account: sesAccount,
    configurationSets,
    identities: mail.identities,
    unverified: () => mail.unverified?.() ?? [],
    unsigned: () => mail.unsigned?.() ?? [],
    mailFrom: (identity: string) => mail.mailFrom?.(identity) ?? null,
    received: (id: string) => received.get(id) ?? null,
    made: madeIdentities(store),
  };
  emulators.front.add(createSes(world, ses.rules, sending));
  const resume = (): void => {
    ses.resume();
    outgoing.resume();
    events.resume();
  };
  return { ses, configurationSets, sesAccount, resume };
}

function openFunctions(
  { world, clock, front, keys }: Emulators,
  metrics: Metrics,
  { functionVariables = {}, onFunctionLine = () => {} }: AwsOptions,
): LambdaHost {
  return lambdaHost({
    world,
    clockOffset: clock.offset,
    endpoint: () => front.endpoint,
    variables: functionVariables,
    issueKey: (principal, kill) => {
      const key = keys.issue(principal, kill);
      return { ...key, revoke: () => keys.revoke(key.accessKeyId) };
    },
    onLine: (functionName, line) => {
      if (!metrics.takeLine(line)) onFunctionLine(functionName, line);
    },
    onInvocation: (record) => measureInvocation(metrics, record, clock.now()),
  });
}

/** A message whose function is cut off becomes visible again after its visibility timeout. */
async function endWork(deployed: Deployed, host: { stop(): Promise<void> }, patienceMs: number): Promise<void> {
  const ended = deployed.stop();
  const patience = new Promise((resolve) => setTimeout(resolve, patienceMs).unref());
  await Promise.race([ended, patience]);
  await host.stop();
  await ended;
}

/** Kept: names that a stack makes of its id stay the same over restarts. */
function stackIdOf({ store, world }: Emulators, stackName: string): string {
  const ids = store.table<string>('stacks');
  const known = ids.get(stackName);
  if (known !== undefined) return known;
  const id = `arn:${world.partition}:cloudformation:${world.region}:${world.account}:stack/${stackName}/${randomUUID()}`;
  ids.put(stackName, id);
  return id;
}

function measureInvocation(metrics: Metrics, record: InvocationRecord, at: number): void {
  const put = (name: string, value: number): void =>
    metrics.put({ namespace: 'AWS/Lambda', name, dimensions: { FunctionName: record.functionName } }, value, at);
  put('Throttles', record.result === 'refused' ? 1 : 0);
  if (record.result === 'refused') return;
  put('Invocations', 1);
  put('Errors', record.result === 'error' ? 1 : 0);
  put('Duration', record.durationMs);
}
