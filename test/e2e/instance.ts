// A running Everpost as a person has it: `node src/local/main.ts` in its own process, with a configuration, a data
// folder and free ports. Tests speak to it by SMTP, by its console's tool endpoints and by `everpost trace`; never by a
// function call.

import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { TraceJson } from '#cli/trace-json.ts';

const ROOT = join(import.meta.dirname, '../..');
const START_MS = 90_000;

export type Instance = {
  readonly data: string;
  mx: number;
  submission: number;
  console: string;
  process: ChildProcess;
  /** What it printed, both streams. */
  output: string;
};
export type Given = {
  readonly config: object;
  readonly args?: readonly string[];
  readonly data?: string;
  readonly secrets?: object;
  /** Beside the environment of the tests. */
  readonly environment?: Readonly<Record<string, string>>;
};

/** Starts and waits for the ready line. Throws with all that was printed where it does not come. */
export async function start(given: Given): Promise<Instance> {
  const data = given.data ?? mkdtempSync(join(tmpdir(), 'everpost-e2e-'));
  mkdirSync(data, { recursive: true });
  const config = join(data, 'everpost.config.json');
  writeFileSync(config, JSON.stringify(given.config));
  const secrets = join(data, 'secrets.json');
  if (given.secrets !== undefined) writeFileSync(secrets, JSON.stringify(given.secrets));
  const args = [
    '--config',
    config,
    '--data',
    data,
    '--mx-port',
    '0',
    '--submission-port',
    '0',
    '--console-port',
    '0',
    '--no-demo',
    '--sweep-every',
    '1s',
  ];
  if (given.secrets !== undefined) args.push('--secrets', secrets);
  const child = spawn(process.execPath, ['src/local/main.ts', ...args, ...(given.args ?? [])], {
    cwd: ROOT,
    env: { ...process.env, ...given.environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const instance: Instance = { data, mx: 0, submission: 0, console: '', process: child, output: '' };
  const keep = (chunk: Buffer) => {
    instance.output += chunk.toString('utf8');
  };
  child.stdout.on('data', keep);
  child.stderr.on('data', keep);
  const ready = await until(
    () =>
      /^ready mx=127\.0\.0\.1:(\d+) submission=127\.0\.0\.1:(\d+) console=(\S+) data=/m.exec(instance.output) ??
      (child.exitCode === null ? null : 'ended'),
    START_MS,
  );
  if (ready === null || ready === 'ended') throw new Error(`no ready line:\n${instance.output}`);
  instance.mx = Number(ready[1]);
  instance.submission = Number(ready[2]);
  instance.console = ready[3] ?? '';
  return instance;
}

/** Ends it; `SIGKILL` is the crash. */
export async function stop(instance: Instance, signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<number | null> {
  const { process: child } = instance;
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const ended = new Promise<number | null>((resolve) => child.once('exit', (code) => resolve(code)));
  child.kill(signal);
  return ended;
}

export async function discard(instance: Instance | undefined): Promise<void> {
  if (instance === undefined) return;
  await stop(instance, 'SIGKILL');
  rmSync(instance.data, { recursive: true, force: true });
}

/**
 * `everpost trace … --json`, as a person would run it. A message that is not there yet ends it with 1, and is an empty
 * list.
 */
export async function trace(instance: Pick<Instance, 'data'>, ...args: string[]): Promise<TraceJson[]> {
  const words = ['src/cli/everpost.ts', 'trace', '--data', instance.data, '--json', '--limit', '10000', ...args];
  const run = promisify(execFile)(process.execPath, words, { cwd: ROOT, maxBuffer: 256 << 20 });
  const { stdout } = await run.catch((error: Error & { code?: unknown; stdout?: string }) => {
    if (error.code === 1 && error.stdout === '[]\n') return { stdout: error.stdout };
    throw error;
  });
  return JSON.parse(stdout);
}

/** Polls the trace until `enough` says so; throws with the trace where it never does. */
export async function traced(
  instance: Instance,
  args: readonly string[],
  enough: (messages: TraceJson[]) => boolean,
  timeoutMs = 60_000,
): Promise<TraceJson[]> {
  let last: TraceJson[] = [];
  const found = await until(async () => {
    last = await trace(instance, ...args);
    return enough(last) ? last : null;
  }, timeoutMs);
  if (found === null)
    throw new Error(
      `the trace never came to what was awaited:\n${JSON.stringify(last, null, 1)}\n${instance.output.slice(-4000)}`,
    );
  return found;
}

export async function tool<T>(
  instance: Instance,
  method: 'GET' | 'POST' | 'DELETE',
  path: string,
  body?: unknown,
): Promise<T> {
  const response = await fetch(`${instance.console}${path}`, {
    method,
    ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
  });
  const answer = (await response.json()) as T;
  if (!response.ok) throw new Error(`${method} ${path}: ${response.status} ${JSON.stringify(answer)}`);
  return answer;
}

/** Tries until it is not null, or null when the time is over. */
export async function until<T>(attempt: () => T | null | Promise<T | null>, timeoutMs: number): Promise<T | null> {
  for (const end = Date.now() + timeoutMs; Date.now() < end; await sleep(100)) {
    const value = await attempt();
    if (value !== null) return value;
  }
  return null;
}
