// One run of the stack on one state of the disk: emulators, functions, schedules, and the ports that belong to them. It takes up what the
// data folder holds, and ends for good when the disk refuses a write: runtime.ts opens the next one. It deploys nothing and speaks to no AWS.

import { randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { type CustomResourceRow, createResponses } from '#aws-local/cloudformation/custom-resource.ts';
import { type Deployed, deploy } from '#aws-local/cloudformation/deploy.ts';
import type { Assembly } from '#aws-local/cloudformation/template.ts';
import { startCloudWatch } from '#aws-local/cloudwatch/cloudwatch.ts';
import { createMetrics, type Metrics } from '#aws-local/cloudwatch/metric-data.ts';
import { createDynamoDb } from '#aws-local/dynamodb/dynamodb.ts';
import { type Emulators, openEmulators } from '#aws-local/emulators.ts';
import type { AccessKey } from '#aws-local/http/access-keys.ts';
import { type InvocationRecord, lambdaHost } from '#aws-local/lambda/lambda.ts';
import { madeSecrets } from '#aws-local/secrets/generated.ts';
import { createSecretsManager, readSecrets, type Secrets } from '#aws-local/secrets/secrets-manager.ts';
import { openConfigurationSets } from '#aws-local/ses/configuration-sets.ts';
import type { MailDoor } from '#aws-local/ses/inbound-smtp.ts';
import { openOutgoing, type SesOut } from '#aws-local/ses/outgoing.ts';
import type { Announce } from '#aws-local/ses/receipt-actions.ts';
import { createSesReceive } from '#aws-local/ses/receiving.ts';
import type { ReceivedMail } from '#aws-local/ses/send-bounce.ts';
import { openEvents } from '#aws-local/ses/sending-events.ts';
import { createSes } from '#aws-local/ses/ses.ts';
import type { Settings } from '#config/settings.ts';
import { sendingDomains } from '#core/message/ses-use.ts';
import type { Console, ConsoleParts, EndpointReport } from './console.ts';
import { demoPort, openDemoNextHop } from './demo-next-hop.ts';
import type { FunctionLog } from './function-log.ts';
import type { RuntimeOptions } from './options.ts';
import { openSubmission } from './submission-port.ts';
import { another, taken } from './taken.ts';

export type Instance = {
  readonly emulators: Emulators;
  readonly deployed: Deployed;
  /** True when the built-in next hop is running. */
  readonly demo: boolean;
  readonly door: MailDoor;
  readonly submissionPort: number;
  readonly parts: ConsoleParts;
  /** Lets work in progress end for so long, and leaves everything else to the next one. */
  stop(patienceMs: number): Promise<void>;
};

export type InstanceParts = {
  readonly options: RuntimeOptions;
  readonly assembly: Assembly;
  readonly log: FunctionLog;
  readonly consoleServer: Console;
  readonly submissionPort: number;
  /** How far virtual time was ahead: a restart never sets it back. */
  readonly offsetMs: number;
  /** Hears once or more that the disk refused a write: then only `stop` is of use. */
  readonly failed: (error: Error) => void;
};

/** Throws with one line where a port is taken or the stack can not be created, DamagedStore where state is lost; nothing is left running. */
export async function openInstance(parts: InstanceParts): Promise<Instance> {
  const closers: ((patienceMs: number) => unknown)[] = [];
  const onStop = (close: (patienceMs: number) => unknown): unknown => closers.unshift(close);
  const stop = async (patienceMs: number): Promise<void> => {
    for (const close of closers.splice(0)) await close(patienceMs);
  };
  try {
    return { ...(await open(parts, onStop)), stop };
  } catch (error) {
    await stop(0);
    throw error;
  }
}

async function open(
  { options, assembly, log, consoleServer, submissionPort, offsetMs, failed }: InstanceParts,
  onStop: (close: (patienceMs: number) => unknown) => unknown,
): Promise<Omit<Instance, 'stop'>> {
  const { settings, dataFolder } = options;
  const disk = { failed, ...(options.beforeWrite ? { beforeWrite: options.beforeWrite } : {}) };
  const emulators = await openEmulators({
    dataFolder,
    timeScale: options.timeScale,
    log: log.runtime,
    offsetMs,
    disk,
  });
  onStop(emulators.close);
  const { world, clock, store, front, keys } = emulators;
  const metrics = createMetrics(() => clock.now());
  const cloudWatch = startCloudWatch(world, metrics, emulators.topics.publish);
  onStop(cloudWatch.stop);
  const dynamoDb = await createDynamoDb(world, disk);
  onStop(dynamoDb.close);
  front.add(dynamoDb.service);
  const secrets = madeSecrets(store);
  front.add(createSecretsManager(world, secretsOf(options.secretsFile), secrets));
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
    verifiedDomains: () => settings.domains,
    measure: metrics.put,
    remember: received.put,
  });
  onStop(ses.stop);
  const configurationSets = openConfigurationSets(world, store, announce);
  const events = openEvents(world, store, configurationSets, announce);
  onStop(events.stop);
  const outgoing = openOutgoing(world, sesOutOf(options), { sets: configurationSets, events });
  onStop(outgoing.stop);
  const sending = {
    outgoing,
    configurationSets,
    identities: () => [...sendingDomains(settings), ...(options.sesIdentities ?? [])],
    received: (id: string) => received.get(id) ?? null,
  };
  front.add(createSes(world, ses.rules, sending));

  const host = lambdaHost({
    world,
    clockOffset: clock.offset,
    endpoint: () => front.endpoint,
    issueKey: (principal, kill) => {
      const key = keys.issue(principal, kill);
      return { ...key, revoke: () => keys.revoke(key.accessKeyId) };
    },
    onLine: (functionName, line) => {
      if (!metrics.takeLine(line)) log.ofFunction(functionName, line);
    },
    onInvocation: (record) => measureInvocation(metrics, record, clock.now()),
  });
  onStop(host.stop);

  const demo = options.demo && usesDemo(settings);
  if (demo) {
    const nextHop = await openDemoNextHop(join(dataFolder, 'mailboxes')).catch(taken(demoPort, withoutDemo));
    onStop(nextHop.close);
  }
  const operator = keys.issue({ kind: 'root' });
  const responses = createResponses(() => consoleServer.url);
  const parts: ConsoleParts = {
    health: () => ({
      status: 'ok',
      now: new Date(clock.now()).toISOString(),
      stack: assembly.stackName,
      busyWith: clock.busyWith(),
    }),
    faults: emulators.faults,
    verdicts: (posted) => {
      ses.verdicts.set(posted);
      return posted;
    },
    advance: async (ms) => {
      const waitsFor = await clock.advance(ms);
      return { now: clock.now(), waitsFor };
    },
    alarms: cloudWatch.alarms,
    permissions: () => ({ denied: emulators.iam.denials(), used: emulators.iam.used() }),
    endpoint: () => endpointReport(emulators, assembly, deployed, operator),
    takeResponse: responses.take,
  };
  let deployed: Deployed | null = null;
  consoleServer.prepare(parts); // before the stack stands: its custom resource answers there

  const queueUrl = (name: string): string => `${front.endpoint}/${world.account}/${name}`;
  const made = await deploy(
    assembly,
    {
      ...emulators,
      secrets,
      tables: dynamoDb.tables,
      buckets: emulators.s3.buckets,
      receiptRules: ses.rules,
      configurationSets,
      host,
      cloudWatch,
      responses,
      customResources: store.table<CustomResourceRow>('custom_resources'),
      sweepEveryMs: options.sweepEveryMs,
      queueUrl,
    },
    stackIdOf(emulators, assembly.stackName),
  );
  deployed = made;
  onStop((patienceMs) => endWork(made, host, patienceMs));
  emulators.resume();
  ses.resume();
  outgoing.resume();
  events.resume();

  const submission = await openSubmission({
    port: submissionPort,
    settings,
    emulators,
    deployed: made,
    bucket: endpointReport(emulators, assembly, made, operator).bucketName,
    secretsFile: options.secretsFile,
    dataFolder,
    log: log.runtime,
  }).catch(taken(submissionPort, another('--submission-port')));
  onStop(submission.close);
  return { emulators, deployed: made, demo, door: ses.door, submissionPort: submission.port, parts };
}

const withoutDemo = 'leave the port to it with npm start -- --no-demo: what listens there is then the next hop';

/** SendBounce is for a day; what is older is of no use here. */
const DAYS_2_MS = 172_800_000;

function sesOutOf({ sesOut, dataFolder }: RuntimeOptions): SesOut {
  if (!sesOut) return { folder: join(dataFolder, 'ses-out') };
  const [host = '', port] = sesOut.split(':');
  return { host, port: Number(port) };
}

/** What is cut off comes again by its visibility timeout. */
async function endWork(deployed: Deployed, host: { stop(): Promise<void> }, patienceMs: number): Promise<void> {
  const ended = deployed.stop();
  const patience = new Promise((resolve) => setTimeout(resolve, patienceMs).unref());
  await Promise.race([ended, patience]);
  await host.stop();
  await ended;
}

/** Kept: queue names and the key of our marks contain it. */
function stackIdOf({ store, world }: Emulators, stackName: string): string {
  const ids = store.table<string>('stacks');
  const known = ids.get(stackName);
  if (known !== undefined) return known;
  const id = `arn:${world.partition}:cloudformation:${world.region}:${world.account}:stack/${stackName}/${randomUUID()}`;
  ids.put(stackName, id);
  return id;
}

function usesDemo(settings: Settings): boolean {
  return Object.values(settings.nextHops).some(
    (it) =>
      it.kind === 'smtp' &&
      it.port === demoPort &&
      it.hosts.some((host) => host === '127.0.0.1' || host === 'localhost'),
  );
}

function secretsOf(file: string | null): () => Secrets {
  return () => (file === null ? {} : readSecrets(file));
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

function endpointReport(
  emulators: Emulators,
  { template, stackName }: Assembly,
  deployed: Deployed | null,
  credentials: AccessKey,
): EndpointReport {
  const { world, front, queues } = emulators;
  const nameOf = (type: string): string | null => {
    const id = Object.keys(template.Resources).find((it) => template.Resources[it]?.Type === type);
    return id === undefined ? null : (deployed?.created.get(id)?.ref ?? null);
  };
  return {
    endpoint: front.endpoint,
    region: world.region,
    credentials,
    stackName,
    tableName: nameOf('AWS::DynamoDB::Table'),
    account: emulators.world.account,
    bucketName: nameOf('AWS::S3::Bucket'),
    queues: Object.fromEntries(
      queues.all().map(({ spec }) => [spec.name, `${front.endpoint}/${world.account}/${spec.name}`]),
    ),
    outputs: deployed?.outputs ?? {},
  };
}
