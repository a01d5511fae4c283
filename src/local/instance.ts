// One run of the stack on one state of the disk: emulators, functions, schedules, and their ports. runtime.ts starts
// it. It continues from what the data folder holds. When the disk refuses a write it ends for good, and runtime.ts
// opens the next one. It deploys nothing and calls no AWS service.

import { join } from 'node:path';
import { type Aws, openAws } from '#aws-local/aws.ts';
import type { Deployed } from '#aws-local/cloudformation/deploy.ts';
import type { Assembly } from '#aws-local/cloudformation/template.ts';
import type { Emulators } from '#aws-local/emulators.ts';
import type { AccessKey } from '#aws-local/http/access-keys.ts';
import { readSecrets, type Secrets } from '#aws-local/secrets/secrets-manager.ts';
import type { MailDoor } from '#aws-local/ses/inbound-smtp.ts';
import type { SesOut } from '#aws-local/ses/outgoing.ts';
import type { Settings } from '#config/settings.ts';
import { isVerified, sendingDomains } from '#core/message/ses-use.ts';
import type { ConsoleParts, EndpointReport } from './console.ts';
import { demoHosts, demoPort, openDemoNextHop } from './demo-next-hop.ts';
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
  readonly submissionPort: number;
  /** How far virtual time was ahead: a restart never sets it back. */
  readonly offsetMs: number;
  /** Called once or more when the disk refused a write: after that only `stop` is useful. */
  readonly failed: (error: Error) => void;
};

/**
 * Throws with one line where a port is taken or the stack cannot be created, DamagedStore where state is lost; nothing
 * is left running.
 */
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
  { options, assembly, log, submissionPort, offsetMs, failed }: InstanceParts,
  onStop: (close: (patienceMs: number) => unknown) => unknown,
): Promise<Omit<Instance, 'stop'>> {
  const { settings, dataFolder } = options;
  const demo = options.demo && usesDemo(settings);
  if (demo) {
    const nextHop = await openDemoNextHop(join(dataFolder, 'mailboxes')).catch(taken(demoPort, withoutDemo));
    onStop(nextHop.close);
  }
  const unverified = () => options.sesUnverified?.() ?? [];
  const aws = await openAws({
    dataFolder,
    timeScale: options.timeScale,
    log: log.runtime,
    offsetMs,
    disk: { failed, ...(options.beforeWrite ? { beforeWrite: options.beforeWrite } : {}) },
    secrets: secretsOf(options.secretsFile),
    mail: {
      verifiedDomains: () => settings.domains,
      identities: () => identitiesOf(options).filter((name) => !unverified().includes(name)),
      unverified,
      out: sesOutOf(options),
    },
    functionVariables: options.timeScale === 1 ? {} : { EVERPOST_TIME_SCALE: String(options.timeScale) },
    onFunctionLine: log.ofFunction,
  });
  onStop(aws.close);
  const deployed = await aws.deploy(assembly, options.sweepEveryMs);
  aws.resume();
  const operator = aws.keys.issue({ kind: 'root' });
  const endpoint = endpointReport(aws, assembly, deployed, operator);
  const submission = await openSubmission({
    port: submissionPort,
    settings,
    emulators: aws,
    deployed,
    bucket: endpoint.bucketName,
    secretsFile: options.secretsFile,
    dataFolder,
    log: log.runtime,
  }).catch(taken(submissionPort, another('--submission-port')));
  onStop(submission.close);
  const parts = consoleParts(aws, assembly, endpoint);
  return { emulators: aws, deployed, demo, door: aws.ses.door, submissionPort: submission.port, parts };
}

/** All that the configuration needs. A return path below one of our domains has no identity of its own. */
function identitiesOf({ settings, sesIdentities = [] }: InstanceParts['options']): readonly string[] {
  const sending = sendingDomains(settings);
  const { returnPathDomain } = settings;
  const received = isVerified(returnPathDomain, sending) ? [] : [returnPathDomain];
  return [...sending, ...received, ...sesIdentities];
}

function consoleParts(aws: Aws, assembly: Assembly, endpoint: EndpointReport): ConsoleParts {
  const { clock, ses, sesAccount, cloudWatch, iam } = aws;
  return {
    health: () => ({
      status: 'ok',
      now: new Date(clock.now()).toISOString(),
      stack: assembly.stackName,
      busyWith: clock.busyWith(),
    }),
    faults: aws.faults,
    verdicts: (posted) => {
      ses.verdicts.set(posted);
      return posted;
    },
    sesAccount: (posted) => {
      sesAccount.set(posted);
      return sesAccount.values();
    },
    advance: async (ms) => {
      const waitsFor = await clock.advance(ms);
      return { now: clock.now(), waitsFor };
    },
    alarms: cloudWatch.alarms,
    permissions: () => ({ denied: iam.denials(), used: iam.used() }),
    endpoint: () => endpoint,
  };
}

const withoutDemo = 'leave the port to it with npm start -- --no-demo: what listens there is then the next hop';

function sesOutOf({ sesOut, dataFolder }: RuntimeOptions): SesOut {
  if (!sesOut) return { folder: join(dataFolder, 'ses-out') };
  const [host = '', port] = sesOut.split(':');
  return { host, port: Number(port) };
}

function usesDemo(settings: Settings): boolean {
  return Object.values(settings.nextHops).some(
    (it) => it.kind === 'smtp' && it.port === demoPort && it.hosts.some((host) => demoHosts.includes(host)),
  );
}

function secretsOf(file: string | null): () => Secrets {
  return () => (file === null ? {} : readSecrets(file));
}

function endpointReport(
  emulators: Emulators,
  { template, stackName }: Assembly,
  deployed: Deployed,
  credentials: AccessKey,
): EndpointReport {
  const { world, front, queues } = emulators;
  const nameOf = (type: string): string | null => {
    const id = Object.keys(template.Resources).find((it) => template.Resources[it]?.Type === type);
    return id === undefined ? null : (deployed.created.get(id)?.ref ?? null);
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
    outputs: deployed.outputs,
  };
}
