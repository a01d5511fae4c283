// A real server of our own beside whatever the machine runs, as a process: free ports, a folder that is its home,
// started and answering, stopped with all that it started, removed. What the server is configured to do its own file
// says; this one knows no protocol.

import { type ChildProcess, spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { join } from 'node:path';
import { until } from './instance.ts';

const START_MS = 30_000;

export type ServerProcess = {
  start(): Promise<void>;
  /** Ends its processes; what lies in its folder stays. */
  stop(): Promise<void>;
  /** Stops and removes everything. */
  discard(): Promise<void>;
  /** What it printed, and its file `log`. */
  log(): string;
};

/** Starts it, and resolves when every port greets. Throws with its log where that does not come to pass. */
export async function serverProcess(given: {
  readonly name: string;
  /** Its own folder, with a file `log` where it logs. */
  readonly home: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly ports: readonly number[];
  /**
   * Where its processes lead a group of their own: the file with the pid of its master, under `home`. They must end
   * with it.
   */
  readonly groupPidFile?: string;
}): Promise<ServerProcess> {
  const { name, home, command, args, ports, groupPidFile } = given;
  let running: ChildProcess | null = null;
  let said = '';
  const log = () => `${said}${readLog(home)}`;
  const signal = (child: ChildProcess, what: NodeJS.Signals) => {
    if (groupPidFile === undefined) child.kill(what);
    else process.kill(-Number(readFileSync(join(home, groupPidFile), 'utf8')), what);
  };
  const killAtExit = () => {
    if (running !== null) signal(running, 'SIGKILL');
  };
  process.once('exit', killAtExit);

  const self: ServerProcess = {
    log,
    async start() {
      const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
      running = child;
      for (const stream of [child.stdout, child.stderr])
        stream.on('data', (chunk: Buffer) => {
          said += chunk.toString();
        });
      for (const port of ports) {
        const open = await until(
          async () => (child.exitCode === null ? (await greets(port)) || null : 'ended'),
          START_MS,
        );
        if (open !== true) throw new Error(`${name} did not start:\n${log()}`);
      }
    },
    async stop() {
      const child = running;
      running = null;
      if (child === null || child.exitCode !== null || child.signalCode !== null) return;
      const ended = new Promise((resolve) => child.once('exit', resolve));
      signal(child, 'SIGTERM');
      await ended;
      for (const port of ports) await until(async () => ((await greets(port)) ? null : true), START_MS);
    },
    async discard() {
      await self.stop();
      process.removeListener('exit', killAtExit);
      rmSync(home, { recursive: true, force: true });
    },
  };
  await self.start();
  return self;
}

/** Ports that were free a moment ago, all different. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer());
  for (const server of servers) await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const ports = servers.map((server) => (server.address() as AddressInfo).port);
  for (const server of servers) await new Promise((resolve) => server.close(resolve));
  return ports;
}

function greets(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('data', () => {
      socket.end('QUIT\r\n');
      resolve(true);
    });
    socket.once('error', () => resolve(false));
    socket.once('close', () => resolve(false));
  });
}

function readLog(home: string): string {
  try {
    return readFileSync(join(home, 'log'), 'utf8');
  } catch {
    return ''; // nothing logged yet
  }
}
