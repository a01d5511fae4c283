// The trial on the local runtime: its own process with the trial's configuration, in a temporary folder. It stands for
// the account when the script itself is tried (`--local`). Called by first-account.ts.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { findInstance } from '#cli/find-instance.ts';
import { type AccountPlace, LOGIN, ROOT, SECRET, trialConfig } from './account-place.ts';

export type Opened = { readonly place: AccountPlace; readonly close: () => Promise<void> };

export async function openLocal(domain: string): Promise<Opened> {
  const subDomain = `sub.${domain}`;
  const data = mkdtempSync(join(tmpdir(), 'everpost-first-account-'));
  const config = join(data, 'everpost.config.json');
  writeFileSync(config, JSON.stringify(trialConfig(domain, subDomain)));
  const secrets = join(data, 'secrets.json');
  writeFileSync(secrets, JSON.stringify({ [SECRET]: LOGIN }), { mode: 0o600 });
  const ports = ['--mx-port', '0', '--submission-port', '0', '--console-port', '0'];
  const files = ['--config', config, '--data', data, '--secrets', secrets, '--ses-identity', subDomain];
  const words = ['src/local/main.ts', ...files, ...ports, '--no-demo', '--sweep-every', '1s'];
  const child = spawn(process.execPath, words, { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] });
  const close = async () => {
    const ended = new Promise((resolve) => child.once('exit', resolve));
    if (child.exitCode === null && child.kill()) await ended;
    rmSync(data, { recursive: true, force: true });
  };
  try {
    const port = await new Promise<number>((resolve, reject) => {
      let said = '';
      const hear = (chunk: Buffer) => {
        said += chunk.toString();
        const ready = /^ready mx=127\.0\.0\.1:(\d+)/m.exec(said)?.[1];
        if (ready !== undefined) resolve(Number(ready));
      };
      child.stdout.on('data', hear);
      child.stderr.on('data', hear);
      child.once('exit', () => reject(new Error(`the local runtime ended:\n${said}`)));
    });
    const instance = await findInstance({ data });
    const { aws, region, outputs, table, bucket } = instance;
    const { endpoint, credentials } = aws ?? {};
    return {
      close,
      place: {
        instance,
        ...{ local: true, domain, subDomain, region, where: ['--data', data], patienceMs: 90_000 },
        client: { region, ...(endpoint === undefined ? {} : { endpoint }), credentials: credentials as never },
        outputs: { Table: table, Bucket: bucket, ...outputs },
        door: { host: '127.0.0.1', port },
      },
    };
  } catch (error) {
    await close();
    throw error;
  }
}
