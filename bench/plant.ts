// What the relay and memory benchmarks stand on: the stubs in processes of their own, the function's bundle and
// settings out of the synthesised template, the peer from npm in a cache folder. Subjects and stubs get a core each
// where there are two.

import { execFileSync, spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { checkConfig } from '#config/check.ts';
import type { Settings } from '#config/settings.ts';
import { synthesise } from '#infra/synthesise.ts';
import type { SizeName } from './messages.ts';
import type { Measured } from './subject.ts';

export const peerPackage = 'aws-lambda-ses-forwarder';
export const peerVersion = '6.0.0';
const root = join(import.meta.dirname, '..');
const cache = join(root, 'node_modules', '.cache', 'everpost-bench');

export type SubjectName = 'everpost' | 'peer';
/** What the sink has counted since it started. */
type Taken = { readonly connections: number; readonly messages: number };
export type Plant = {
  /** The memory size that the template gives the relay function, in MB. */
  readonly memoryMb: number;
  /** What Lambda's runtime and the template's NODE_OPTIONS say to Node. */
  readonly flags: readonly string[];
  /** `warm` messages, then `count` that are measured, `batch` in one invocation. */
  measure(name: SubjectName, size: SizeName, warm: number, count: number, batch?: number): Promise<Measured>;
  /** AWS calls since they were asked for last. */
  calls(): Promise<Readonly<Record<string, number>>>;
  taken(): Promise<Taken>;
  close(): void;
};

export async function plant(sizes: readonly SizeName[]): Promise<Plant> {
  mkdirSync(cache, { recursive: true });
  const peer = installPeer();
  const aws = await start('stub-aws.ts', sizes);
  const sink = await start('smtp-sink.ts', []);
  const run = mkdtempSync(join(cache, 'run-')); // its own: two runs at once must not write into each other's settings
  const outdir = join(run, 'cdk.out');
  const { assembly } = await synthesise({ settings: settingsFor(sink.port), outdir, validate: false });
  const { memoryMb, environment } = relayFunction(assembly.stacks[0]?.template);
  const subject = join(run, 'subject.cjs');
  await build({
    entryPoints: [join(root, 'bench', 'subject.ts')],
    outfile: subject,
    platform: 'node',
    format: 'cjs',
    logLevel: 'error',
  });

  // Lambda starts Node with nine tenths of the size as old space, and a twentieth as semi-space.
  const lambdaFlags = [
    `--max-old-space-size=${Math.floor(memoryMb * 0.9)}`,
    `--max-semi-space-size=${Math.max(1, Math.floor(memoryMb * 0.05))}`,
  ];
  const ownFlags = (environment.NODE_OPTIONS ?? '').split(/\s+/).filter((flag) => flag !== '');
  const endpoint = `http://127.0.0.1:${aws.port}`;
  const env = {
    PATH: process.env.PATH,
    AWS_REGION: 'eu-west-1',
    AWS_ACCESS_KEY_ID: 'AKIDBENCHMARK',
    AWS_SECRET_ACCESS_KEY: 'secret',
    AWS_SESSION_TOKEN: 'T'.repeat(900),
    AWS_LAMBDA_FUNCTION_NAME: 'relay',
  };
  const subjects = {
    everpost: {
      module: join(outdir, 'dist', 'relay', 'index.js'),
      flags: ownFlags,
      env: { ...env, ...functionEnvironment(environment, endpoint) },
    },
    peer: { module: peer, flags: [], env: { ...env, AWS_ENDPOINT_URL_S3: endpoint, AWS_ENDPOINT_URL_SESV2: endpoint } },
  };
  return {
    memoryMb,
    flags: [...lambdaFlags, ...ownFlags],
    measure: (name, size, warm, count, batch = 1) => {
      const { module, flags, env } = subjects[name];
      const args = [...lambdaFlags, ...flags, subject, name, module, size, String(warm), String(count), String(batch)];
      return runSubject(args, env);
    },
    calls: async () => (await (await fetch(`${endpoint}/calls`)).json()) as Record<string, number>,
    taken: () => takenAt(sink.port),
    close: () => {
      aws.end();
      sink.end();
      rmSync(run, { recursive: true, force: true });
    },
  };
}

/** The peer's entry, from the public registry, once; never a dependency of the project. */
function installPeer(): string {
  const folder = join(cache, 'peer');
  const entry = join(folder, 'node_modules', peerPackage, 'index.js');
  if (!existsSync(entry)) {
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'package.json'), '{"private":true}');
    execFileSync('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund', `${peerPackage}@${peerVersion}`], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  }
  return entry;
}

function settingsFor(port: number): Settings {
  const checked = checkConfig(
    {
      domains: ['example.com'],
      nextHops: { sink: { kind: 'smtp', host: '127.0.0.1', port, tls: 'off' } },
      routes: [{ match: '*@example.com', to: [{ via: 'sink' }] }],
      notices: { from: 'postmaster@example.com', postmaster: 'postmaster@example.com', via: 'sink' },
    },
    'bench',
  );
  if (checked.kind !== 'ok') throw new Error(checked.problems.join('\n'));
  return checked.settings;
}

type Resource = {
  readonly Type: string;
  readonly Properties?: {
    readonly MemorySize?: number;
    readonly Environment?: { readonly Variables?: Readonly<Record<string, unknown>> };
  };
};

/** The relay function as the template has it; what only CloudFormation knows is filled in. */
function relayFunction(template: { readonly Resources: Readonly<Record<string, Resource>> }) {
  const found = Object.entries(template.Resources).find(
    ([id, { Type }]) => Type === 'AWS::Lambda::Function' && id.startsWith('Relay'),
  );
  const properties = found?.[1].Properties;
  if (properties?.MemorySize === undefined) throw new Error('the template has no relay function with a memory size');
  const variables = Object.entries(properties.Environment?.Variables ?? {});
  const environment = Object.fromEntries(
    variables.map(([name, value]) => [name, typeof value === 'string' ? value : 'benchmark']),
  );
  return { memoryMb: properties.MemorySize, environment };
}

export type Sink = { readonly port: number; readonly messages: () => Promise<number>; end(): void };

/** The sink alone, on whatever core is free: what relays to it has several processes. */
export async function startSink(): Promise<Sink> {
  const { port, end } = await start('smtp-sink.ts', [], null);
  return { port, end, messages: async () => (await takenAt(port)).messages };
}

type Started = { readonly port: number; end(): void };

/** One of the stubs; `core` pins it, where there is more than one. */
function start(file: string, args: readonly string[], core: number | null = 1): Promise<Started> {
  const child = spawn(...pinned(core, process.execPath, [join(root, 'bench', file), ...args]), {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  return new Promise((resolve, reject) => {
    let out = '';
    child.stdout?.on('data', (bytes: Buffer) => {
      out += bytes.toString();
      const port = /^ready (\d+)$/m.exec(out)?.[1];
      if (port !== undefined) resolve({ port: Number(port), end: () => void child.kill() });
    });
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`${file} ended with ${code}`)));
  });
}

function runSubject(args: readonly string[], env: Readonly<Record<string, string | undefined>>): Promise<Measured> {
  // Both subjects log to /dev/null: writing a line costs them what it would cost in Lambda, and the terminal costs
  // nobody.
  const child = spawn(...pinned(0, process.execPath, args), {
    env: { ...env },
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
  });
  return new Promise((resolve, reject) => {
    let said = '';
    let measured = '';
    child.stderr?.on('data', (bytes: Buffer) => {
      said += bytes.toString();
    });
    child.stdio[3]?.on('data', (bytes: Buffer) => {
      measured += bytes.toString();
    });
    child.once('error', reject);
    child.once('close', (code) => {
      if (code === 0 && measured !== '') resolve(JSON.parse(measured) as Measured);
      else reject(new Error(`the subject ended with ${code}: ${said.slice(0, 2_000)}`));
    });
  });
}

/** Node on one core of its own: what runs beside it must not be counted, nor slow it down by moving it about. */
function pinned(core: number | null, command: string, args: readonly string[]): [string, string[]] {
  const possible =
    core !== null && process.platform === 'linux' && availableParallelism() > 1 && existsSync('/usr/bin/taskset');
  return possible ? ['/usr/bin/taskset', ['-c', String(core), command, ...args]] : [command, [...args]];
}

/** What the function gets from its template; addresses lead to the stub. */
function functionEnvironment(environment: Readonly<Record<string, string>>, endpoint: string): Record<string, string> {
  const urls = Object.keys(environment).filter((name) => name.endsWith('_URL'));
  const overridden = Object.fromEntries(urls.map((name) => [name, `${endpoint}/123456789012/${name.toLowerCase()}`]));
  const { NODE_OPTIONS: _flags, ...rest } = environment;
  return { ...rest, ...overridden, AWS_ENDPOINT_URL: endpoint };
}

function takenAt(port: number): Promise<Taken> {
  return new Promise((resolve, reject) => {
    let said = '';
    const socket = connect(port, '127.0.0.1', () => socket.write('STATS\r\n'));
    socket.on('error', reject);
    socket.on('data', (bytes: Buffer) => {
      said += bytes.toString();
      const stats = /^250 (\{.*\})\r$/m.exec(said)?.[1];
      if (stats === undefined) return;
      socket.destroy();
      resolve(JSON.parse(stats) as Taken);
    });
  });
}
