// `everpost gateway` in a process of its own, as a person runs it beside a mail server: on a port that stays the same
// over kills.

import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { type Instance, until } from './instance.ts';

const ROOT = join(import.meta.dirname, '../..');

export type GatewayProcess = {
  port: number;
  /** TLS from the start, where a certificate was given. */
  tlsPort: number;
  /** Standard error: one JSON line for each message. */
  output: string;
  process: ChildProcess;
  kill(signal: 'SIGKILL' | 'SIGTERM'): Promise<void>;
};

/** @param certificate a PEM file of the certificate, and of its key */
export async function startGateway(
  instance: Instance,
  port = 0,
  certificate: { readonly cert: string; readonly key: string } | null = null,
): Promise<GatewayProcess> {
  const place = ['--data', instance.data, '--config', join(instance.data, 'everpost.config.json')];
  const args = ['gateway', ...place, '--secrets', join(instance.data, 'secrets.json'), '--listen', `127.0.0.1:${port}`];
  if (certificate !== null)
    args.push('--tls-listen', '127.0.0.1:0', '--cert', certificate.cert, '--key', certificate.key);
  const child = spawn(process.execPath, ['src/cli/everpost.ts', ...args], {
    cwd: ROOT,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  const gateway: GatewayProcess = {
    port: 0,
    tlsPort: 0,
    output: '',
    process: child,
    kill(signal) {
      child.kill(signal);
      return ended;
    },
  };
  let said = '';
  child.stdout.on('data', (chunk: Buffer) => {
    said += chunk.toString();
  });
  child.stderr.on('data', (chunk: Buffer) => {
    gateway.output += chunk.toString();
  });
  const ready = await until(
    () => /^ready submission=127\.0\.0\.1:(\d+)(?: tls=127\.0\.0\.1:(\d+))?$/m.exec(said),
    30_000,
  );
  if (ready === null) throw new Error(`the gateway gave no ready line:\n${said}${gateway.output}`);
  gateway.port = Number(ready[1]);
  gateway.tlsPort = Number(ready[2] ?? 0);
  return gateway;
}
