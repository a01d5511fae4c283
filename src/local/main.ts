// `npm start`: reads the flags and the configuration, starts the stack on this machine and says when it can take mail.
// Exit 2: wrong usage. 78: wrong configuration. 1: it could not start. It prints one line on standard output, the ready
// line; everything for people goes to standard error.

import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { readSecrets } from '#aws-local/secrets/secrets-manager.ts';
import { passOverBrokenPipe } from '#cli/broken-pipe.ts';
import { openToOthers } from '#config/file-text.ts';
import { exitConfig, loadConfig, warningLines } from '#config/load.ts';
import type { Settings } from '#config/settings.ts';
import { parseDuration } from '#config/values.ts';
import { demoHosts, demoPort } from './demo-next-hop.ts';
import { demonstrate, isUnseen } from './demonstration.ts';
import { dataDefault, howToTry } from './how-to-try.ts';
import { lackingSecrets } from './named-secrets.ts';
import { boot, type Runtime } from './runtime.ts';
import { starterGone } from './starter.ts';

const USAGE = `npm start -- [options]
  --config FILE           the configuration (everpost.config.ts)
  --data DIR              where state is kept (.everpost)
  --mx-port N             the front door, SMTP (2525; 0 takes a free port)
  --submission-port N     submission, SMTP (2587)
  --console-port N        tool endpoints, HTTP (8025)
  --secrets FILE          {"name": {"username": "…", "password": "…"}}
  --ses-out HOST:PORT     where mail sent by SES goes, by SMTP (DATA/ses-out/, Maildir folders)
  --ses-identity NAME     an address or sub-domain with an identity of its own at SES; may be repeated
  --sweep-every 1s        the rhythm of the sweep
  --time-scale N          divides timeouts, leases, visibilities and sweep thresholds
  --no-demo               without the built-in next hop and its demonstration`;

type Flags = {
  readonly config: string | undefined;
  readonly data: string;
  readonly mxPort: number;
  readonly submissionPort: number;
  readonly consolePort: number;
  readonly secrets: string | null;
  readonly sesOut: string | null;
  readonly sesIdentities: readonly string[];
  readonly sweepEveryMs: number | null;
  readonly timeScale: number;
  readonly demo: boolean;
};

class WrongUsage extends Error {}

process.umask(0o077); // mail, state and logs are for this user alone, whichever code writes them
passOverBrokenPipe(process.stdout, process.stderr); // a terminal that went away, or a pager that was left, ends no mail
process.exitCode = await main(process.argv.slice(2));

async function main(args: readonly string[]): Promise<number> {
  const say = (line: string): unknown => process.stderr.write(`${line}\n`);
  let flags: Flags | null;
  try {
    flags = readFlags(args);
    if (flags?.secrets) readSecrets(flags.secrets); // reports a mistake in the file now and not at the first login
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    if (error instanceof WrongUsage) say(USAGE);
    return error instanceof WrongUsage ? 2 : exitConfig;
  }
  if (flags === null) {
    process.stdout.write(`${USAGE}\n`);
    return 0;
  }
  const config = await loadConfig(flags.config, flags.demo ? { builtIn: { hosts: demoHosts, port: demoPort } } : {});
  if (config.kind === 'wrong') {
    for (const problem of config.problems) say(problem);
    return exitConfig;
  }
  for (const line of warningLines(config)) say(line);
  for (const line of config.notYet) say(line);
  for (const line of secretFindings(config.settings, flags.secrets)) say(line);

  const ended = signalled(); // from now on: a signal while it boots must not leave its lock behind
  let runtime: Runtime;
  try {
    const { data, secrets, ...rest } = flags;
    runtime = await boot({
      ...rest,
      settings: config.settings,
      dataFolder: resolve(data),
      secretsFile: secrets,
      show: say,
    });
  } catch (error) {
    say(startFailure(error, flags.data));
    return 1;
  }
  const { mx, submission, console } = runtime.ports;
  process.stdout.write(
    `ready mx=127.0.0.1:${mx} submission=127.0.0.1:${submission} console=http://127.0.0.1:${console} data=${flags.data}\n`,
  );
  if (runtime.demo) say(howToTry(flags.data, mx, config.settings.domains[0] ?? 'example.com'));
  const leaving = new AbortController();
  const shown =
    runtime.demo && isUnseen(flags.data)
      ? demonstrate({ data: resolve(flags.data), show: say, signal: leaving.signal })
      : Promise.resolve();
  await ended;
  leaving.abort();
  await Promise.all([runtime.stop(), shown]);
  if (process.connected) process.disconnect();
  return 0;
}

/** The lines printed at once; they stop nothing. */
function secretFindings(settings: Settings, file: string | null): readonly string[] {
  const open = file === null || process.platform === 'win32' ? null : openToOthers(file, statSync(file).mode);
  const lacking = lackingSecrets(settings, file, file === null ? {} : readSecrets(file));
  return open === null ? lacking : [open, ...lacking];
}

/** Null when help was asked for. Throws WrongUsage. */
function readFlags(args: readonly string[]): Flags | null {
  const { values } = parsed(args);
  if (values.help) return null;
  const sweepEvery = values['sweep-every'];
  const sweepEveryMs = sweepEvery === undefined ? null : parseDuration(sweepEvery);
  if (sweepEvery !== undefined && sweepEveryMs === null)
    throw new WrongUsage(`--sweep-every ${sweepEvery}: write a duration such as 1s`);
  const timeScale = Number(values['time-scale']);
  if (!(timeScale >= 1 && timeScale <= 10_000))
    throw new WrongUsage(`--time-scale ${values['time-scale']}: write a number from 1 to 10000`);
  const sesOut = values['ses-out'] ?? null;
  if (sesOut !== null && !/^[^:\s]+:\d{1,5}$/.test(sesOut))
    throw new WrongUsage(`--ses-out ${sesOut}: write HOST:PORT`);
  return {
    config: values.config,
    data: values.data,
    mxPort: portOf('--mx-port', values['mx-port']),
    submissionPort: portOf('--submission-port', values['submission-port']),
    consolePort: portOf('--console-port', values['console-port']),
    secrets: values.secrets ?? null,
    sesOut,
    sesIdentities: values['ses-identity'],
    sweepEveryMs,
    timeScale,
    demo: !values['no-demo'],
  };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        config: { type: 'string' },
        data: { type: 'string', default: dataDefault },
        'mx-port': { type: 'string', default: '2525' },
        'submission-port': { type: 'string', default: '2587' },
        'console-port': { type: 'string', default: '8025' },
        secrets: { type: 'string' },
        'ses-out': { type: 'string' },
        'ses-identity': { type: 'string', multiple: true, default: [] },
        'sweep-every': { type: 'string' },
        'time-scale': { type: 'string', default: '1' },
        'no-demo': { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    });
  } catch (error) {
    throw new WrongUsage(error instanceof Error ? error.message : String(error));
  }
}

function portOf(flag: string, text: string): number {
  const port = Number(text);
  if (/^\d{1,5}$/.test(text) && port <= 65_535) return port;
  throw new WrongUsage(`${flag} ${text}: write a port from 0 to 65535`);
}

function startFailure(error: unknown, data: string): string {
  const { code, message } = error as NodeJS.ErrnoException;
  if (code === 'EACCES' || code === 'EROFS' || code === 'ENOSPC' || code === 'ENOTDIR' || code === 'EEXIST')
    return `the data folder ${data} cannot be written: ${message}`;
  return message;
}

function signalled(): Promise<void> {
  return new Promise((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, () => resolve());
    process.once('disconnect', () => resolve()); // the process that started us, with a channel between us, has ended
    starterGone(resolve);
  });
}
