// Starts the synthesised stack on this machine and keeps it running. Called by main.ts. The data folder holds the
// state, and the next start continues from it, after a kill too. When the disk refuses a write, the runtime ends the
// instance as a kill would, refuses mail at the front door, and opens the stack from disk once it takes writes again.
// So a refused write never reappears, and an acknowledged one is never missing.

import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Deployed } from '#aws-local/cloudformation/deploy.ts';
import { type Assembly, readAssembly } from '#aws-local/cloudformation/template.ts';
import type { Emulators } from '#aws-local/emulators.ts';
import { type Answer, type MailDoor, openFrontDoor } from '#aws-local/ses/inbound-smtp.ts';
import { synthesise } from '#infra/synthesise.ts';
import { type Console, openConsole } from './console.ts';
import { tryDisk } from './disk.ts';
import { type FunctionLog, openLog } from './function-log.ts';
import { type Instance, openInstance } from './instance.ts';
import { takeLock } from './lock.ts';
import type { RuntimeOptions } from './options.ts';
import { another, taken } from './taken.ts';

export type Runtime = {
  readonly ports: { readonly mx: number; readonly submission: number; readonly console: number };
  /** True when the built-in next hop is running. */
  readonly demo: boolean;
  /** Of the instance that runs now. */
  readonly emulators: Emulators;
  readonly deployed: Deployed;
  /** Takes no more mail, lets work in progress end for a few seconds, and leaves everything else to the next start. */
  stop(): Promise<void>;
};

/** How long a stop waits for running functions: a job that is cut off then comes again by its visibility timeout. */
const FAREWELL_MS = 5_000;
/** How often a disk that refused a write is asked whether it takes one again; the last one repeats. */
const LOOK_AGAIN_MS = [250, 500, 1_000, 2_000];

/**
 * Throws with one line where a port is taken, the folder is in use, state is lost or the stack cannot be created;
 * nothing is left running.
 */
export async function boot(options: RuntimeOptions): Promise<Runtime> {
  const closers: (() => unknown)[] = [];
  const onStop = (close: () => unknown): unknown => closers.unshift(close);
  const stop = async (): Promise<void> => {
    for (const close of closers.splice(0)) await close();
  };
  try {
    return await open(options, onStop, stop);
  } catch (error) {
    await stop();
    throw error;
  }
}

async function open(
  options: RuntimeOptions,
  onStop: (close: () => unknown) => unknown,
  stop: () => Promise<void>,
): Promise<Runtime> {
  const { dataFolder } = options;
  const lock = takeLock(dataFolder);
  onStop(lock.release);
  const log = openLog(dataFolder, options.show);
  onStop(log.close);
  const consoleServer = await openConsole(options.consolePort).catch(
    taken(options.consolePort, another('--console-port')),
  );
  onStop(consoleServer.close);
  publish(dataFolder, consoleServer.url);
  const runs = await keepRunning(options, await assemblyOf(options), log, consoleServer);
  onStop(runs.stop);
  const first = runs.now();
  const door = await openFrontDoor({
    port: options.mxPort,
    host: `inbound-smtp.${first.emulators.world.region}.amazonaws.com`,
    door: runs.door,
    log: log.runtime,
  }).catch(taken(options.mxPort, another('--mx-port')));
  onStop(door.close);
  runs.ready();
  return {
    ports: { mx: door.port, submission: first.submissionPort, console: consoleServer.port },
    demo: first.demo,
    get emulators() {
      return runs.now().emulators;
    },
    get deployed() {
      return runs.now().deployed;
    },
    stop,
  };
}

type Running = {
  /** The instance that runs; while there is none, the last one. */
  now(): Instance;
  readonly door: MailDoor;
  /** From now on the console answers. */
  ready(): void;
  stop(): Promise<void>;
};

/**
 * Opens an instance, and the next one whenever the disk has refused a write and takes writes again. Rejects where the
 * first cannot be opened.
 */
async function keepRunning(
  options: RuntimeOptions,
  assembly: Assembly,
  log: FunctionLog,
  consoleServer: Console,
): Promise<Running> {
  const stopping = new AbortController();
  let recovering: Promise<void> = Promise.resolve();
  let submissionPort = options.submissionPort;
  let offsetMs = 0;
  let running: Instance | null = null;

  /** Rejects as well where the disk refused a write meanwhile. */
  async function next(): Promise<Instance> {
    let refused: Error | null = null;
    let opened: Instance | null = null;
    const failed = (error: Error): void => {
      if (refused !== null) return;
      refused = error;
      if (opened !== null && opened === running) recovering = recover(opened, error);
    };
    opened = await openInstance({ options, assembly, log, submissionPort, offsetMs, failed });
    if (refused === null) return opened;
    await opened.stop(0);
    throw refused;
  }

  async function recover(broken: Instance, error: Error): Promise<void> {
    if (stopping.signal.aborted) return;
    running = null;
    consoleServer.suspend({ status: 'storage-failed', error: `the disk refused a write: ${error.message}` });
    log.runtime(
      `the disk refused a write (${error.message}): no mail is taken until it takes writes again; what was refused is undone`,
    );
    offsetMs = Number(new BigInt64Array(broken.emulators.clock.offset)[0]);
    await broken.stop(0);
    for (let look = 0; running === null && !stopping.signal.aborted; look += 1) {
      await sleep(LOOK_AGAIN_MS[Math.min(look, LOOK_AGAIN_MS.length - 1)], null, { signal: stopping.signal }).catch(
        () => null,
      );
      running = await again().catch((again: Error) => {
        consoleServer.suspend({ status: 'storage-failed', error: again.message });
        return null;
      });
    }
    if (running === null) return;
    last = running;
    consoleServer.serve(running.parts);
    log.runtime('the disk takes writes again: all that was acknowledged is taken up');
  }

  async function again(): Promise<Instance | null> {
    if (stopping.signal.aborted) return null;
    options.beforeWrite?.();
    tryDisk(options.dataFolder);
    return next();
  }

  let last = await next();
  running = last;
  submissionPort = last.submissionPort;
  return {
    now: () => running ?? last,
    door: doorOf(() => running),
    ready: () => running !== null && consoleServer.serve(running.parts),
    async stop() {
      stopping.abort();
      await recovering;
      await running?.stop(FAREWELL_MS);
    },
  };
}

const NO_STORAGE: Answer = { code: 452, status: '4.3.1', text: 'Insufficient system storage, try again later' };

/** Refuses for the time being while no instance runs. */
function doorOf(running: () => Instance | null): MailDoor {
  return {
    mail: (reversePath, peer) => {
      const instance = running();
      return instance === null ? NO_STORAGE : (instance.door.mail?.(reversePath, peer) ?? null);
    },
    rcpt: (forwardPath, peer) => running()?.door.rcpt(forwardPath, peer) ?? (running() === null ? NO_STORAGE : null),
    open: (envelope, peer) =>
      running()?.door.open(envelope, peer) ?? {
        write: () => undefined,
        commit: async () => NO_STORAGE,
        abort: async () => {},
      },
  };
}

async function assemblyOf(options: RuntimeOptions): Promise<Assembly> {
  if (options.assemblyFolder !== undefined) return readAssembly(options.assemblyFolder);
  const outdir = join(options.dataFolder, 'cdk.out');
  await synthesise({ settings: options.settings, outdir, validate: false });
  return readAssembly(outdir);
}

/** Where the command line finds the instance of a data folder. Whole or not at all. */
function publish(dataFolder: string, consoleUrl: string): void {
  const path = join(dataFolder, 'instance.json');
  writeFileSync(`${path}.new`, JSON.stringify({ console: consoleUrl, pid: process.pid }));
  renameSync(`${path}.new`, path);
}
