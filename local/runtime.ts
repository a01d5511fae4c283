// Boots the synthesised stack on this machine: emulators, functions, schedules, and the ports that people and tools use. State is
// in the data folder and is taken up again at the next start, after a kill too. It deploys nothing and speaks to no AWS.

import { randomUUID } from 'node:crypto';
import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Settings } from '#core/config.ts';
import { sendingDomains } from '#core/ses-use.ts';
import { synthesise } from '#infra/synthesise.ts';
import { createDynamoDb } from './aws/dynamodb.ts';
import { madeSecrets } from './aws/made-secrets.ts';
import { createSecretsManager, readSecrets, type Secrets } from './aws/secrets.ts';
import type { ReceivedMail } from './aws/ses-bounce.ts';
import { openConfigurationSets } from './aws/ses-configuration-sets.ts';
import type { Announce } from './aws/ses-dispatch.ts';
import { openEvents } from './aws/ses-events.ts';
import { openOutgoing, type SesOut } from './aws/ses-outgoing.ts';
import { createSesReceive } from './aws/ses-receive.ts';
import { createSes } from './aws/ses-send.ts';
import { startCloudWatch } from './cloudwatch.ts';
import { type ConsoleParts, type EndpointReport, openConsole } from './console.ts';
import { type CustomResourceRow, createResponses } from './custom-resource.ts';
import { demoPort, openDemoNextHop } from './demo-next-hop.ts';
import { type Emulators, openEmulators } from './emulators.ts';
import { openFrontDoor } from './front-door.ts';
import { openLog } from './function-log.ts';
import type { AccessKey } from './keys.ts';
import { type InvocationRecord, lambdaHost } from './lambda.ts';
import { takeLock } from './lock.ts';
import { createMetrics, type Metrics } from './metrics.ts';
import { type Deployed, deploy } from './resources.ts';
import { openSubmission } from './submission.ts';
import { type Assembly, readAssembly } from './template.ts';

export type RuntimeOptions = {
  readonly settings: Settings;
  readonly dataFolder: string;
  /** 0 takes a free port. */
  readonly mxPort: number;
  readonly submissionPort: number;
  readonly consolePort: number;
  /** The file of --secrets, read at each call. */
  readonly secretsFile: string | null;
  readonly sweepEveryMs: number | null;
  /** HOST:PORT that takes by SMTP what SES sends; null or none: Maildir folders under the data folder. */
  readonly sesOut?: string | null;
  /** Addresses and sub-domains that have an identity of their own at SES, beside the domains of the configuration. */
  readonly sesIdentities?: readonly string[];
  readonly timeScale: number;
  /** Whether the built-in next hop stands in where the configuration names it. */
  readonly demo: boolean;
  /** What a person should read on the terminal. */
  readonly show: (line: string) => void;
  /** Another assembly than the one that the settings give: for tests that take something out of it. */
  readonly assemblyFolder?: string;
};

export type Runtime = {
  readonly ports: { readonly mx: number; readonly submission: number; readonly console: number };
  /** True when the built-in next hop is running. */
  readonly demo: boolean;
  readonly emulators: Emulators;
  readonly deployed: Deployed;
  /** Takes no more mail, lets work in progress end for a few seconds, and leaves everything else to the next start. */
  stop(): Promise<void>;
};

/** How long a stop waits for running functions: what is cut off then comes again by its visibility timeout. */
const FAREWELL_MS = 5_000;

/** Throws with one line where a port is taken, the folder is in use or the stack can not be created; nothing is left running. */
export async function boot(options: RuntimeOptions): Promise<Runtime> {
  const closers: (() => unknown)[] = [];
  const onStop = (close: () => unknown): unknown => closers.unshift(close);
  const stop = async (): Promise<void> => {
    for (const close of closers.splice(0)) await close();
  };
  try {
    return { ...(await open(options, onStop)), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function open(
  options: RuntimeOptions,
  onStop: (close: () => unknown) => unknown,
): Promise<Omit<Runtime, 'stop'>> {
  const { settings, dataFolder } = options;
  const lock = takeLock(dataFolder);
  onStop(lock.release);
  const log = openLog(dataFolder, options.show);
  onStop(log.close);
  const consoleServer = await openConsole(options.consolePort).catch(taken('--console-port', options.consolePort));
  onStop(consoleServer.close);

  const emulators = await openEmulators({ dataFolder, timeScale: options.timeScale, log: log.runtime });
  onStop(emulators.close);
  const { world, clock, store, front, keys } = emulators;
  const metrics = createMetrics(() => clock.now());
  const cloudWatch = startCloudWatch(world, metrics, emulators.topics.publish);
  onStop(cloudWatch.stop);
  const dynamoDb = await createDynamoDb(world);
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

  const assembly = await assemblyOf(options);
  const demo = options.demo && usesDemo(settings);
  if (demo) {
    const nextHop = await openDemoNextHop(join(dataFolder, 'mailboxes')).catch(taken('--no-demo', demoPort));
    onStop(nextHop.close);
  }
  const operator = keys.issue({ kind: 'root' });
  const responses = createResponses(() => consoleServer.url);
  const parts: ConsoleParts = {
    health: () => ({ status: 'ok', now: new Date(clock.now()).toISOString(), stack: assembly.stackName }),
    faults: emulators.faults,
    verdicts: (posted) => {
      ses.verdicts.set(posted);
      return posted;
    },
    advance: async (ms) => {
      await clock.advance(ms);
      return { now: clock.now() };
    },
    alarms: cloudWatch.alarms,
    permissions: () => ({ denied: emulators.iam.denials(), used: emulators.iam.used() }),
    endpoint: () => endpointReport(emulators, assembly, deployed, operator),
    takeResponse: responses.take,
  };
  let deployed: Deployed | null = null;
  consoleServer.serve(parts); // before the stack stands: its custom resource answers there

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
  onStop(() => endWork(made, host));
  emulators.resume();
  ses.resume();
  outgoing.resume();
  events.resume();

  const submission = await openSubmission({
    port: options.submissionPort,
    settings,
    emulators,
    deployed: made,
    bucket: endpointReport(emulators, assembly, made, operator).bucketName,
    secretsFile: options.secretsFile,
    dataFolder,
    log: log.runtime,
  }).catch(taken('--submission-port', options.submissionPort));
  onStop(submission.close);
  const door = await openFrontDoor({
    port: options.mxPort,
    host: `inbound-smtp.${world.region}.amazonaws.com`,
    door: ses.door,
    log: log.runtime,
  }).catch(taken('--mx-port', options.mxPort));
  onStop(door.close);
  publish(dataFolder, consoleServer.url);
  return {
    ports: { mx: door.port, submission: submission.port, console: consoleServer.port },
    demo,
    emulators,
    deployed: made,
  };
}

/** SendBounce is for a day; what is older is of no use here. */
const DAYS_2_MS = 172_800_000;

function sesOutOf({ sesOut, dataFolder }: RuntimeOptions): SesOut {
  if (!sesOut) return { folder: join(dataFolder, 'ses-out') };
  const [host = '', port] = sesOut.split(':');
  return { host, port: Number(port) };
}

async function endWork(deployed: Deployed, host: { stop(): Promise<void> }): Promise<void> {
  const ended = deployed.stop();
  const patience = new Promise((resolve) => setTimeout(resolve, FAREWELL_MS).unref());
  await Promise.race([ended, patience]);
  await host.stop();
  await ended;
}

function taken(flag: string, port: number): (error: NodeJS.ErrnoException) => never {
  return (error) => {
    if (error.code === 'EADDRINUSE') throw new Error(`the port ${port} is taken: choose another with ${flag}`);
    if (error.code === 'EACCES')
      throw new Error(`the port ${port} may not be opened by this user: choose another with ${flag}`);
    throw error;
  };
}

async function assemblyOf(options: RuntimeOptions): Promise<Assembly> {
  if (options.assemblyFolder !== undefined) return readAssembly(options.assemblyFolder);
  const outdir = join(options.dataFolder, 'cdk.out');
  await synthesise({ settings: options.settings, outdir, validate: false });
  return readAssembly(outdir);
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
    bucketName: nameOf('AWS::S3::Bucket'),
    queues: Object.fromEntries(
      queues.all().map(({ spec }) => [spec.name, `${front.endpoint}/${world.account}/${spec.name}`]),
    ),
    outputs: deployed?.outputs ?? {},
  };
}

/** Where the command line finds the instance of a data folder. Whole or not at all. */
function publish(dataFolder: string, consoleUrl: string): void {
  const path = join(dataFolder, 'instance.json');
  writeFileSync(`${path}.new`, JSON.stringify({ console: consoleUrl, pid: process.pid }));
  renameSync(`${path}.new`, path);
}
