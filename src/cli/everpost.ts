#!/usr/bin/env node
// `everpost <verb>`: operates a running instance (--data DIR) or a deployed stack (--stack NAME).
// Here verbs are only found; each has a file of its own. Exit codes as in sysexits: 0, 1, 2 usage, 69 not reachable, 75, 78.

import { printableLines } from '#core/message/printable.ts';
import { passOverBrokenPipe } from './broken-pipe.ts';
import { BadConfiguration, exitCodes, NotReachable, Usage } from './exit.ts';

type Run = (args: readonly string[]) => Promise<number>;
type Verb = {
  readonly summary: string;
  /** Its file is read when it is asked for: sendmail must not wait for the rest. */
  readonly load: () => Promise<{ readonly help: string; readonly run: Run }>;
};
const VERBS: Readonly<Record<string, Verb>> = {
  trace: {
    summary: 'what became of a message, newest first',
    load: () => import('./trace.ts').then(({ trace, traceHelp }) => ({ help: traceHelp, run: trace })),
  },
  release: {
    summary: 'let held or quarantined deliveries go on',
    load: () => import('./operate.ts').then((it) => ({ help: it.releaseHelp, run: it.releaseVerb })),
  },
  hold: {
    summary: 'stop deliveries until they are released',
    load: () => import('./operate.ts').then((it) => ({ help: it.holdHelp, run: it.holdVerb })),
  },
  remove: {
    summary: 'end deliveries; their senders are told',
    load: () => import('./operate.ts').then((it) => ({ help: it.removeHelp, run: it.removeVerb })),
  },
  resubmit: {
    summary: 'relay again what a next hop took and lost',
    load: () => import('./resubmit.ts').then((it) => ({ help: it.resubmitHelp, run: it.resubmitVerb })),
  },
  gateway: {
    summary: 'a submission server (SMTP) for mail from our side',
    load: () => import('./gateway.ts').then(({ gateway, gatewayHelp }) => ({ help: gatewayHelp, run: gateway })),
  },
  sendmail: {
    summary: 'submits one message, as sendmail does',
    load: () => import('./sendmail.ts').then(({ sendmail, sendmailHelp }) => ({ help: sendmailHelp, run: sendmail })),
  },
};

async function main(args: readonly string[]): Promise<number> {
  const [name, ...rest] = args;
  if (name === undefined || name === '--help' || name === 'help') {
    process.stdout.write(overview());
    return name === undefined ? exitCodes.usage : exitCodes.done;
  }
  const verb = VERBS[name];
  if (verb === undefined) throw new Usage(`there is no verb "${name}"; write one of: ${Object.keys(VERBS).join(', ')}`);
  const { help, run } = await verb.load();
  // To sendmail anything may be said by whoever fills in a form: only a call for help and nothing else ends with 0 and takes no message.
  if (name === 'sendmail' ? rest.length === 1 && rest[0] === '--help' : rest.includes('--help')) {
    process.stdout.write(help);
    return exitCodes.done;
  }
  return run(rest);
}

function overview(): string {
  const verbs = Object.entries(VERBS).map(([name, verb]) => `  ${name.padEnd(10)} ${verb.summary}`);
  return `everpost <verb> [options]\n\n${verbs.join('\n')}\n\nEvery verb has --help and --json. --data DIR (default .everpost) or --stack NAME says which instance.\n`;
}

passOverBrokenPipe(process.stdout, process.stderr);
try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  process.stderr.write(`everpost: ${printableLines(error instanceof Error ? error.message : String(error))}\n`);
  process.exitCode =
    error instanceof Usage
      ? exitCodes.usage
      : error instanceof NotReachable
        ? exitCodes.notReachable
        : error instanceof BadConfiguration
          ? exitCodes.badConfiguration
          : exitCodes.failed;
}
